from scikeras.wrappers import KerasClassifier
from sklearn.model_selection import GridSearchCV

from . import (
    fit_functions,
    keras,
    make_cv,
    package_versions,
    predict_functions,
    search_functions,
)


def versions():
    return package_versions("scikeras", "keras", "tensorflow", "scikit-learn")


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
    if task.kind == "search":
        grid = {f"optimizer__{name}": values for name, values in task.grid.items()}
        search = GridSearchCV(
            network, grid, cv=make_cv(task), n_jobs=task.n_jobs, scoring="accuracy"
        )
        return search_functions(task, search, X, y)
    if task.kind == "fit":
        return fit_functions(task, network, X, y)
    return predict_functions(task, network, X, y)
