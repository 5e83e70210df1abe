"""Templates give the same results as the Keras networks that they stand for."""

import functools

import keras
import pytest
from helpers import compiled_dense_network
from keras import layers, losses, optimizers
from numpy.testing import assert_allclose, assert_array_equal

from skcnn import CNNClassifier
from skcnn._compiled import _cache
from skcnn._compiled._template import _FoldedConv2D, _NormalizedInput, make_template
from skcnn._network._trainable import TrainableNetwork


def sigmoid(meta):
    model = keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            layers.Flatten(),
            layers.Dense(4, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def one_hot(meta):
    return compiled_dense_network(loss="categorical_crossentropy")


def logits(meta):
    inputs = keras.Input(meta["image_shape_"])
    model = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(inputs)))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def normalized(meta):
    """Build a network with several uses of batch normalization.

    One layer is called twice. The others are frozen, lack a scale, normalize another
    axis, or normalize vectors.
    """
    inputs = keras.Input(meta["image_shape_"])
    x = layers.Conv2D(3, 3)(inputs)
    twice = layers.BatchNormalization(momentum=0.8, epsilon=1e-2)
    x = twice(layers.Conv2D(3, 3, activation="relu")(twice(x)))
    x = layers.BatchNormalization(trainable=False)(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.BatchNormalization(axis=1)(x)
    x = layers.BatchNormalization()(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizers.SGD(0.01), loss, metrics=["accuracy"])
    return model


def nested(meta):
    """Build a network that contains two networks, one of them inside the other."""
    images = keras.Input(meta["image_shape_"])
    x = layers.Rescaling([0.1], [-0.5])(images)
    x = layers.Conv2D(3, 3, kernel_regularizer=keras.regularizers.L2(0.01))(x)
    x = layers.Dropout(0.2)(layers.BatchNormalization()(x))
    inner = keras.Sequential([keras.Input(x.shape[1:]), layers.Conv2D(4, 3)])
    outer = keras.Model(images, inner(x))
    frozen = layers.BatchNormalization(trainable=False)
    inputs = keras.Input(meta["image_shape_"])
    x = layers.Dropout(0.3)(layers.Flatten()(frozen(outer(inputs))))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def convolved(meta, *, between=None, twice=False, trainable=True):
    """Build a network with normalized images and a convolution with many options."""
    inputs = keras.Input(meta["image_shape_"])
    x = layers.BatchNormalization(
        beta_initializer="ones", gamma_initializer="ones", trainable=trainable
    )(inputs)
    convolution = layers.Conv2D(
        3,
        (3, 2),
        padding="same",
        dilation_rate=2,
        activation="tanh",
        bias_initializer="ones",
        kernel_regularizer="l2",
    )
    y = convolution(x if between is None else between(x))
    terms = [y, layers.Conv2D(3, 1)(x)] if twice else [y, y]
    outputs = layers.Dense(4, activation="softmax")(
        layers.Flatten()(layers.Add()(terms))
    )
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def sequential(meta):
    stack = [
        keras.Input(meta["image_shape_"]),
        layers.BatchNormalization(),
        layers.Conv2D(3, 3, strides=2, use_bias=False),
        layers.Flatten(),
        layers.Dense(4, activation="softmax"),
    ]
    model = keras.Sequential(stack)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


FOLDED = {"convolved": convolved, "sequential": sequential}
NOT_FOLDED = {
    "not the next layer": functools.partial(convolved, between=layers.ReLU()),
    "two convolutions": functools.partial(convolved, twice=True),
    "frozen": functools.partial(convolved, trainable=False),
}
BUILDERS = {
    "sigmoid": sigmoid,
    "one-hot": one_hot,
    "logits": logits,
    "normalized": normalized,
    "nested": nested,
    **FOLDED,
    **NOT_FOLDED,
}


@pytest.mark.parametrize("name", [*FOLDED, *NOT_FOLDED])
def test_normalization_of_images_is_folded_into_the_only_convolution(name):
    """Normalization is folded only if no other layer uses the normalized images."""
    model = BUILDERS[name]({"image_shape_": (8, 8, 1)})
    template = make_template(TrainableNetwork(model, average=False))
    kinds = [type(layer) for layer in template.model.layers]
    assert (_FoldedConv2D in kinds) == (_NormalizedInput in kinds) == (name in FOLDED)


# Training with shared graphs gives the same results as Keras


def nadam(learning_rate):
    return optimizers.Nadam(learning_rate, weight_decay=0.01, use_ema=True)


def clipped(learning_rate):
    return optimizers.Adam(learning_rate, beta_1=0.8, epsilon=1e-4, global_clipnorm=1.0)


def amsgrad(learning_rate):
    return optimizers.Adam(learning_rate, amsgrad=True)


def decayed(learning_rate):
    return optimizers.AdamW(learning_rate, weight_decay=0.1)


DEEP = {
    "filters": (4, 6),
    "dense_units": 8,
    "normalize": True,
    "dropout": 0.2,
    "last_dropout": 0.3,
    "l2": 1e-2,
    "validation_fraction": 0.2,
}
CASES = {
    "adam": DEEP,
    "augmented": DEEP | {"augment": True},
    "class weights": DEEP | {"class_weight": "balanced"},
    "momentum": DEEP | {"optimizer": functools.partial(optimizers.SGD, momentum=0.9)},
    "schedule": DEEP
    | {"learning_rate": optimizers.schedules.ExponentialDecay(0.01, 3, 0.9)},
    "decayed": DEEP | {"optimizer": decayed},
    "clipped": DEEP | {"optimizer": clipped},
    "amsgrad": DEEP | {"optimizer": amsgrad},
    "nadam": DEEP | {"optimizer": nadam},
    "default network": DEEP
    | {"batch_norm": True, "pooling": "avg", "label_smoothing": 0.1, "average": True},
}


@pytest.mark.parametrize("case", [*CASES, *BUILDERS])
def test_shared_graph_trains_as_keras_train_step(few, tiny_cnn, disable_sharing, case):
    y = few.target
    if case in CASES:
        estimator = tiny_cnn(**CASES[case], epochs=2)
    else:
        builder = BUILDERS[case]
        estimator = CNNClassifier(builder, epochs=2, batch_size=32, random_state=0)
        y = y // 2 if builder is sigmoid else y
    results = []
    for is_shared in (True, False):
        if not is_shared:
            disable_sharing()
        estimator.fit(few.images, y)
        network = estimator._network
        assert (_cache.graph_signature(network) is not None) == is_shared
        proba = estimator.predict_proba(few.images)
        results.append((estimator.history_, network.values(), proba))
    (history, values, proba), (keras_history, keras_values, keras_proba) = results
    assert list(history) == list(keras_history)
    for name, series in history.items():
        assert_allclose(series, keras_history[name], rtol=2e-4, err_msg=name)
    assert_allclose(proba, keras_proba, atol=2e-4)
    # The dropout layers' seed states show whether the same masks were drawn.
    for value, keras_value in zip(values, keras_values, strict=True):
        if value.dtype.kind != "f":
            assert_array_equal(value, keras_value)


def test_shared_graph_trains_in_bfloat16_as_keras_train_step(
    few, tiny_cnn, disable_sharing
):
    estimator = tiny_cnn(**DEEP, precision="bfloat16", epochs=2)
    history = estimator.fit(few.images, few.target).history_
    disable_sharing()
    keras_history = estimator.fit(few.images, few.target).history_
    assert list(history) == list(keras_history)
    for name, series in history.items():
        assert_allclose(series, keras_history[name], rtol=0.05, atol=0.02, err_msg=name)


# Layers and optimizers of the user's network


def spatial_dropout_builder(meta, rate=0.0, optimizer=None):
    model = keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            layers.Rescaling(1 / 16),
            layers.Conv2D(4, 3, activation="relu"),
            layers.SpatialDropout2D(rate),
            layers.Flatten(),
            layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )
    if optimizer is not None:
        loss = "sparse_categorical_crossentropy"
        model.compile(optimizer(), loss=loss, metrics=["accuracy"])
    return model


def test_loss_scaling_trains_as_without(few):
    def scaled():
        return optimizers.LossScaleOptimizer(optimizers.SGD(0.01), initial_scale=4.0)

    def unscaled():
        return optimizers.SGD(0.01)

    scaled_fit, unscaled_fit = (
        CNNClassifier(
            functools.partial(spatial_dropout_builder, optimizer=optimizer),
            epochs=2,
            random_state=0,
        ).fit(few.images, few.target)
        for optimizer in (scaled, unscaled)
    )
    assert_allclose(
        scaled_fit.predict_proba(few.images),
        unscaled_fit.predict_proba(few.images),
        atol=1e-4,
    )
    assert scaled_fit.history_["loss"][1] < scaled_fit.history_["loss"][0]


def test_spatial_dropout_is_active_in_training(few):
    final_losses = []
    for rate in (0.0, 0.5):
        builder = functools.partial(spatial_dropout_builder, rate=rate)
        estimator = CNNClassifier(builder, epochs=3, random_state=0)
        estimator.fit(few.images, few.target)
        final_losses.append(estimator.history_["loss"][-1])
    assert final_losses[1] > final_losses[0]
