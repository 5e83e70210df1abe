import functools

import numpy as np
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier

from . import (
    augment_functions,
    fit_functions,
    make_cv,
    package_versions,
    predict_functions,
    search_functions,
)

# Settings that give the same network as the other libraries.
PLAIN = {
    "stem_strides": 1,
    "batch_norm": False,
    "pooling": None,
    "label_smoothing": 0.0,
    "average": False,
}


def versions():
    return package_versions("skcnn", "scikit-learn", "tensorflow")


def build_frozen(meta, task):
    from . import keras

    return keras.build(meta["image_shape_"], meta["n_classes_"], task)


def forget_features():
    """Make each search compute the outputs of the frozen layers again."""
    from skcnn._training import _frozen_features

    _frozen_features._cache = _frozen_features._Cache()


def prepare(task, X, y):
    network = CNNClassifier(
        **PLAIN | task.network,
        epochs=task.epochs,
        batch_size=task.batch_size,
        learning_rate=task.learning_rate,
        precision=task.precision,
        augment=task.augment,
        random_state=0,
    )
    if task.frozen:
        network = CNNClassifier(
            functools.partial(build_frozen, task=task),
            epochs=task.epochs,
            batch_size=task.batch_size,
            augment=False,
            average=False,
            random_state=0,
        )
    if task.kind == "search":
        search = GridSearchCV(network, task.grid, cv=make_cv(task), n_jobs=task.n_jobs)
        run, accuracy = search_functions(task, search, X, y)
        return (lambda: (forget_features(), run())) if task.frozen else run, accuracy
    if task.kind == "fit":
        return fit_functions(task, network, X, y)
    if task.kind == "augment":
        # These functions are private, so other versions of skcnn may lack them.
        from skcnn._network._augmentation import check_augment, random_affine

        settings = check_augment(True)
        return augment_functions(
            task, X, lambda images, i: random_affine(images, [0, i], **settings)
        )
    if task.kind == "epoch":
        classes = np.unique(y)

        def epoch():
            network.partial_fit(X, y, classes=classes)

        def accuracy():
            for _ in range(task.extra_epochs):
                epoch()
            return max(network.history_["accuracy"])

        return epoch, accuracy
    return predict_functions(task, network, X, y)
