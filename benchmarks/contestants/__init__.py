"""Each module prepares a task for one library: ``prepare(task, X, y)``.

It returns a function that does the timed work once, and one that tells how accurate
what it has trained is: the best score of a search, and else the accuracy on what was
trained on, after some more epochs where the timed work is too short to tell. Where
single epochs are timed, Keras' and skcnn's is that in training, as their moving
averages take long to settle.
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


def fitting(task, network, X, y, epochs="epochs"):
    """What `prepare` returns where fits are timed; `epochs` is a parameter's name."""

    def accuracy():
        network.set_params(**{epochs: task.epochs + task.more_epochs})
        return float(network.fit(X, y).score(X, y))

    return lambda: network.fit(X, y), accuracy


def searching(task, search, X, y, epochs="epochs"):
    """What `prepare` returns where searches are timed."""
    if not task.more_epochs:
        return lambda: search.fit(X, y), lambda: float(search.best_score_)
    _, accuracy = fitting(task, search.estimator, X, y, epochs)
    return lambda: search.fit(X, y), accuracy


def predicting(task, network, X, y):
    """What `prepare` returns where prediction is timed, of all or one at a time."""
    network.fit(X[:640], y[:640])
    if task.what == "predict":
        return lambda: network.predict_proba(X), lambda: None
    return (
        lambda: [network.predict_proba(X[i : i + 1]) for i in range(100)],
        lambda: None,
    )


def augmenting(task, X, change):
    """What `prepare` returns where the changing of images is timed, batch by batch.

    `change` takes a batch and its index.
    """
    import tensorflow as tf

    @tf.function
    def run(images):
        total = tf.constant(0.0)
        for i in tf.range(task.n // task.batch_size):
            batch = images[i * task.batch_size : (i + 1) * task.batch_size]
            total += change(batch, i)[0, 0, 0, 0]
        return total

    images = tf.constant(X, tf.float32)
    return lambda: run(images).numpy(), lambda: None
