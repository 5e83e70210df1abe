"""The scikit-learn wrapper of Keras, which accepts only flattened images."""

from keras.wrappers import SKLearnClassifier
from sklearn.model_selection import GridSearchCV

from . import keras, make_cv, package_versions


def versions():
    return package_versions("keras", "tensorflow", "scikit-learn")


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

    # The wrapper does not expose the parameters of the model, so the grid consists of
    # values for model_kwargs. `clone` drops fit_kwargs, so they are passed to fit.
    (name, values) = next(iter(task.grid.items()))
    network = SKLearnClassifier(build, model_kwargs={name: values[0]})
    search = GridSearchCV(
        network,
        {"model_kwargs": [{name: value} for value in values]},
        cv=make_cv(task),
        scoring="accuracy",
    )
    fit_kwargs = {"batch_size": task.batch_size, "epochs": task.epochs, "verbose": 0}
    return lambda: search.fit(rows, y, **fit_kwargs), lambda: search.best_score_
