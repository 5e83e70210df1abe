"""Keras with ``Model.fit``, as in its documentation."""

import keras

from . import augment_functions, package_versions


def versions():
    return package_versions("keras", "tensorflow")


def build(shape, n_classes, task, flat=False):
    """Build the same network as skcnn, with plain Keras."""
    layers, settings = keras.layers, task.network
    stack = [keras.Input((shape[0] * shape[1] * shape[2],) if flat else shape)]
    if flat:
        stack.append(layers.Reshape(shape))
    if task.augment:
        stack += augmentation_layers()
    if settings["normalize"]:
        stack.append(layers.BatchNormalization())
    last = len(settings["filters"]) - 1
    for i, filters in enumerate(settings["filters"]):
        penalty = (
            keras.regularizers.L2(settings["l2"]) if settings["l2"] and i else None
        )
        stack.append(
            layers.Conv2D(
                filters,
                3,
                strides=1 if i else settings.get("stem_strides", 1),
                padding="same",
                activation="relu",
                kernel_regularizer=penalty,
                trainable=not task.frozen,
            )
        )
        stack.append(layers.MaxPooling2D(2))
        rate = settings["last_dropout" if i == last else "dropout"]
        if rate:
            stack.append(layers.Dropout(rate))
    stack.append(layers.Flatten())
    if settings["dense_units"]:
        stack.append(layers.Dense(settings["dense_units"], activation="relu"))
    stack.append(layers.Dense(n_classes, activation="softmax"))
    return keras.Sequential(stack)


def augmentation_layers():
    """Return the layers that correspond to ``augment=True``."""
    return [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(0.1),
        keras.layers.RandomZoom(0.1),
    ]


def build_compiled(shape, n_classes, task):
    model = build(shape, n_classes, task)
    model.compile(
        optimizer=keras.optimizers.Adam(task.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def prepare(task, X, y):
    keras.utils.set_random_seed(0)
    shape, n_classes = X.shape[1:], int(y.max()) + 1
    if task.kind == "augment":
        layers = keras.Sequential(augmentation_layers())
        return augment_functions(
            task, X, lambda images, i: layers(images, training=True)
        )
    fit_kwargs = {"batch_size": task.batch_size, "epochs": task.epochs, "verbose": 0}
    state = {"model": build_compiled(shape, n_classes, task)}

    def fit():
        if task.kind == "fit":
            state["model"] = build_compiled(shape, n_classes, task)
        state["history"] = state["model"].fit(X, y, **fit_kwargs).history

    def accuracy():
        fit_kwargs["epochs"] = task.epochs + task.extra_epochs
        fit()
        if task.kind == "epoch":
            # Take the maximum, as the accuracy of the last epoch may be low by chance.
            return max(state["history"]["accuracy"])
        return float((state["model"].predict(X, verbose=0).argmax(axis=1) == y).mean())

    return fit, accuracy
