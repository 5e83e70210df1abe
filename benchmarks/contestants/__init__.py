"""Each module prepares a task for one library: ``prepare(task, X, y)``.

It returns a function that does the timed work once, and one that tells how accurate
what it has trained is. Where single epochs are timed, that is after some more, and the
accuracy in training, with batch statistics and dropout: moving averages, which Keras'
layers take long to settle, say little yet.
"""

from importlib.metadata import PackageNotFoundError, version


def versions_of(*names):
    return {name: _version(name) for name in names}


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:  # tensorflow may come as tensorflow-cpu
        return version(f"{name}-cpu")


def folds(task):
    """The same folds for all: not every contestant is a classifier to `cv=5`."""
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(task.cv)


def predicting(task, network, X, y):
    """What `prepare` returns where prediction is timed, of all or one at a time."""
    network.fit(X[:640], y[:640])
    if task.what == "predict":
        return lambda: network.predict_proba(X), lambda: None
    return (
        lambda: [network.predict_proba(X[i : i + 1]) for i in range(100)],
        lambda: None,
    )
