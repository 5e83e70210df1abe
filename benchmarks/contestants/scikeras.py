from scikeras.wrappers import KerasClassifier
from sklearn.model_selection import GridSearchCV

from . import fitting, folds, keras, predicting, searching, versions_of


def versions():
    return versions_of("scikeras", "keras", "tensorflow", "scikit-learn")


def prepare(task, X, y):
    shape, n_classes = X.shape[1:], int(y.max()) + 1

    def build():
        return keras.build(shape, n_classes, task)

    network = KerasClassifier(
        build,
        optimizer="adam",
        optimizer__learning_rate=task.learning_rate,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        epochs=task.epochs,
        batch_size=task.batch_size,
        verbose=0,
        random_state=0,
    )
    if task.what == "search":
        grid = {f"optimizer__{name}": values for name, values in task.grid.items()}
        search = GridSearchCV(
            network, grid, cv=folds(task), n_jobs=task.n_jobs, scoring="accuracy"
        )
        return searching(task, search, X, y)
    if task.what == "fit":
        return fitting(task, network, X, y)
    return predicting(task, network, X, y)
