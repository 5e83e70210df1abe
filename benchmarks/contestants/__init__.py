"""The libraries to compare, one module each.

Each module defines ``prepare(task, X, y)``, which returns two functions. The first
function does the timed work once. The second function returns the accuracy of the
trained network.

The accuracy is measured on the training data, after ``task.extra_epochs`` more epochs.
A search without extra epochs reports its best score instead. If single epochs are
timed, Keras and skcnn report the accuracy during training, because the moving averages
of batch normalization converge slowly.
"""

from importlib.metadata import PackageNotFoundError, version


def package_versions(*names):
    return {name: _version(name) for name in names}


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:  # TensorFlow may be installed as tensorflow-cpu
        return version(f"{name}-cpu")


def make_cv(task):
    """Return a splitter that gives all libraries the same folds.

    With `cv=5`, the folds depend on whether scikit-learn recognizes a classifier.
    """
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(task.cv)


def fit_functions(task, network, X, y, epochs="epochs"):
    """Return the functions that run a fit and measure its accuracy.

    `epochs` is the name of the parameter that sets the number of epochs.
    """

    def accuracy():
        network.set_params(**{epochs: task.epochs + task.extra_epochs})
        return float(network.fit(X, y).score(X, y))

    return lambda: network.fit(X, y), accuracy


def search_functions(task, search, X, y, epochs="epochs"):
    """Return the functions that run a search and measure its accuracy."""
    if not task.extra_epochs:
        return lambda: search.fit(X, y), lambda: float(search.best_score_)
    _, accuracy = fit_functions(task, search.estimator, X, y, epochs)
    return lambda: search.fit(X, y), accuracy


def predict_functions(task, network, X, y):
    """Return a function that predicts all images or one at a time, and a placeholder.

    The placeholder returns None instead of an accuracy.
    """
    network.fit(X[:640], y[:640])
    if task.kind == "predict":
        return lambda: network.predict_proba(X), lambda: None
    return (
        lambda: [network.predict_proba(X[i : i + 1]) for i in range(100)],
        lambda: None,
    )


def augment_functions(task, X, augment):
    """Return a function that augments all images, and a placeholder.

    `augment` is called with each batch and its index. The placeholder returns None
    instead of an accuracy.
    """
    import tensorflow as tf

    @tf.function
    def run(images):
        total = tf.constant(0.0)
        for i in tf.range(task.n // task.batch_size):
            batch = images[i * task.batch_size : (i + 1) * task.batch_size]
            total += augment(batch, i)[0, 0, 0, 0]
        return total

    images = tf.constant(X, tf.float32)
    return lambda: run(images).numpy(), lambda: None
