import numpy as np
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier
from skcnn._augment import check_augment, random_affine

from . import augmenting, fitting, folds, predicting, searching, versions_of

# As all contestants' networks are.
PLAIN = {
    "stem_strides": 1,
    "batch_norm": False,
    "pooling": None,
    "label_smoothing": 0.0,
    "average": False,
}


def versions():
    return versions_of("skcnn", "scikit-learn", "tensorflow")


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
    if task.what == "search":
        search = GridSearchCV(network, task.grid, cv=folds(task), n_jobs=task.n_jobs)
        return searching(task, search, X, y)
    if task.what == "fit":
        return fitting(task, network, X, y)
    if task.what == "augment":
        settings = check_augment(True)
        return augmenting(
            task, X, lambda images, i: random_affine(images, [0, i], **settings)
        )
    if task.what == "epoch":
        classes = np.unique(y)

        def epoch():
            network.partial_fit(X, y, classes=classes)

        def accuracy():
            for _ in range(task.more_epochs):
                epoch()
            return max(network.history_["accuracy"])

        return epoch, accuracy
    return predicting(task, network, X, y)
