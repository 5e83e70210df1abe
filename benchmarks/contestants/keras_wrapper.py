"""Keras' own wrapper for scikit-learn, which takes flattened rows only."""

from keras.wrappers import SKLearnClassifier
from sklearn.model_selection import GridSearchCV

from . import folds, keras, versions_of


def versions():
    return versions_of("keras", "tensorflow", "scikit-learn")


def prepare(task, X, y):
    shape = X.shape[1:]
    rows = X.reshape(len(X), -1)

    def build(X, y, learning_rate):
        model = keras.build(shape, y.shape[1], task, flat=True)
        model.compile(
            optimizer=keras.keras.optimizers.Adam(learning_rate),
            loss="categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    # Its clone loses fit_kwargs, and parameters of the model are not parameters: the
    # candidates are dicts of them, and what fit needs goes through the search.
    (name, values) = next(iter(task.grid.items()))
    network = SKLearnClassifier(build, model_kwargs={name: values[0]})
    search = GridSearchCV(
        network,
        {"model_kwargs": [{name: value} for value in values]},
        cv=folds(task),
        scoring="accuracy",
    )
    how = {"batch_size": task.batch_size, "epochs": task.epochs, "verbose": 0}
    return lambda: search.fit(rows, y, **how), lambda: search.best_score_
