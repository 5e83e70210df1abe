"""TensorCross, which splits the batches of a `tf.data.Dataset` into folds."""

import numpy as np
import tensorflow as tf
from tensorcross.model_selection import GridSearchCV

from . import keras, package_versions


def versions():
    return package_versions("tensorcross", "keras", "tensorflow")


def prepare(task, X, y):
    shape, n_classes = X.shape[1:], int(y.max()) + 1
    # TensorCross does not shuffle. `Dataset.shuffle` would change the folds in each
    # iteration over the dataset, so we shuffle the arrays instead.
    order = np.random.default_rng(0).permutation(len(X))
    dataset = tf.data.Dataset.from_tensor_slices((X[order], y[order]))
    dataset = dataset.batch(task.batch_size)
    state = {}

    def build(learning_rate):
        model = keras.build(shape, n_classes, task)
        model.compile(
            optimizer=keras.keras.optimizers.Adam(learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    def search():
        state["search"] = GridSearchCV(build, task.grid, n_folds=task.cv)
        state["search"].fit(dataset, epochs=task.epochs, verbose=0)

    def accuracy():
        return max(float(np.mean(s)) for s in state["search"].results_["val_scores"])

    return search, accuracy
