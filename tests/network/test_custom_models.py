"""Networks of user-defined builders: which networks work, and how they are pickled."""

import copy
import functools
import pickle

import numpy as np
import pytest
from helpers import (
    compiling_builder,
    dense_builder,
    dense_network,
    fixed_builder,
    open_ended_builder,
)

from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras import layers, losses  # noqa: E402


def compile_kwargs_builder(meta, compile_kwargs, units=16):
    model = dense_builder(meta, units)
    model.compile(**compile_kwargs)
    return model


def sigmoid_builder(meta, loss="binary_crossentropy", activation="sigmoid"):
    model = dense_network(meta["image_shape_"], 1, activation, 16)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    return model


def scikeras_builder(meta):
    """Check that `meta` has scikeras' keys for properties of the training data."""
    assert meta["X_shape_"][1:] == meta["image_shape_"] == (8, 8, 1)
    assert meta["X_dtype_"] == np.uint8
    assert meta["n_features_in_"] == 64
    assert meta["target_type_"] in ("binary", "multiclass")
    assert meta["n_outputs_expected_"] == meta["n_outputs_"] == 1
    assert len(meta["classes_"]) == meta["n_classes_"]
    return dense_builder(meta)


class CallableBuilder:
    def __init__(self, units):
        self.units = units

    def __call__(self, meta, depth=1):
        assert depth == 1
        return dense_builder(meta, self.units)


@keras.saving.register_keras_serializable("tests")
class CountingModel(keras.Model):
    """A model that overrides the training step and counts how often it is traced."""

    n_traced = 0

    def train_step(self, data):
        CountingModel.n_traced += 1
        return super().train_step(data)


def train_step_builder(meta):
    inputs = keras.Input(meta["image_shape_"])
    x = layers.Flatten()(layers.Rescaling(1 / 16)(inputs))
    outputs = layers.Dense(meta["n_classes_"], activation="softmax")(x)
    return CountingModel(inputs, outputs)


class Scaled(layers.Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, images):
        return images * self.factor


class Penalty(keras.regularizers.Regularizer):
    def __call__(self, weights):
        return 1e-3 * keras.ops.sum(keras.ops.square(weights))

    def get_config(self):
        return {}


def squared(x):
    return keras.ops.square(x)


def own_loss(y_true, y_pred):
    return losses.categorical_crossentropy(y_true, y_pred)


def own_objects_builder(meta):
    dense = layers.Dense(16, activation=squared, kernel_regularizer=Penalty())
    inner = keras.Sequential([keras.Input((64,)), Scaled(1 / 16), dense])
    last = layers.Dense(meta["n_classes_"], activation="softmax")
    inputs = keras.Input(meta["image_shape_"])
    network = keras.Model(inputs, last(inner(layers.Flatten()(inputs))))
    network.compile("adam", loss=own_loss, metrics=["accuracy"])
    return network


def assert_learned(estimator, X, y, n_classes):
    proba = estimator.predict_proba(X)
    assert proba.shape == (len(X), n_classes)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    assert estimator.score(X, y) > 0.8
    copied = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copied.predict_proba(X), proba)


FAST_LEARNING = {"learning_rate": 0.01}


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (dense_builder, FAST_LEARNING),
        (fixed_builder, FAST_LEARNING),
        (functools.partial(dense_builder, units=9), FAST_LEARNING),
        (lambda meta: dense_builder(meta, 15), FAST_LEARNING),
        (compiling_builder, {}),
        (compile_kwargs_builder, FAST_LEARNING),
        (open_ended_builder, FAST_LEARNING),
        (scikeras_builder, FAST_LEARNING),
        (CallableBuilder(12), FAST_LEARNING),
        (train_step_builder, FAST_LEARNING),
    ],
    ids=[
        "plain",
        "fixed",
        "partial",
        "lambda",
        "compiled",
        "compile_kwargs",
        "kwargs",
        "scikeras-names",
        "callable-object",
        "train_step",
    ],
)
def test_builder_is_trained(few, classifier, model, params):
    estimator = classifier(model, **params).fit(few.images, few.target)
    assert set(estimator.history_) == {"loss", "accuracy"}
    if params:
        assert float(estimator.model_.optimizer.learning_rate) == pytest.approx(0.01)
    assert isinstance(estimator.model_, keras.Model)
    if model is train_step_builder:
        assert CountingModel.n_traced
    try:
        pickle.dumps(model)
    except (pickle.PicklingError, AttributeError):  # the model contains a lambda
        assert estimator.score(few.images, few.target) > 0.8
    else:
        assert_learned(estimator, few.images, few.target, 4)


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        ("categorical_crossentropy", "softmax"),
        (losses.CategoricalCrossentropy(label_smoothing=0.1), "softmax"),
        (losses.CategoricalFocalCrossentropy(), "softmax"),
        (losses.SparseCategoricalCrossentropy(from_logits=True), None),
        (losses.CategoricalCrossentropy(from_logits=True), None),
        (keras.losses.sparse_categorical_crossentropy, "softmax"),
    ],
    ids=["one-hot", "smoothed", "focal", "sparse-logits", "logits", "function"],
)
def test_loss_of_builder(few, classifier, loss, activation):
    model = functools.partial(compiling_builder, loss=loss, activation=activation)
    estimator = classifier(model).fit(few.images, few.target)
    assert_learned(estimator, few.images, few.target, 4)


@pytest.mark.parametrize(
    "loss",
    [["categorical_crossentropy"], {"out": losses.CategoricalCrossentropy()}],
    ids=["list", "dict"],
)
def test_loss_in_list_or_dict(few, classifier, loss):
    def model(meta, loss):
        inputs = keras.Input(meta["image_shape_"])
        x = layers.Flatten()(layers.Rescaling(1 / 16)(inputs))
        outputs = layers.Dense(4, activation="softmax", name="out")(x)
        network = keras.Model(inputs, outputs)
        network.compile(keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
        return network

    in_container = classifier(functools.partial(model, loss=loss))
    alone = classifier(functools.partial(model, loss="categorical_crossentropy"))
    in_container.fit(few.images, few.target)
    alone.fit(few.images, few.target)
    np.testing.assert_allclose(
        in_container.predict_proba(few.images),
        alone.predict_proba(few.images),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (dense_builder, FAST_LEARNING),
        (functools.partial(compiling_builder, loss="categorical_crossentropy"), {}),
        (sigmoid_builder, {}),
        (
            functools.partial(
                sigmoid_builder,
                loss=losses.BinaryCrossentropy(from_logits=True),
                activation=None,
            ),
            {},
        ),
    ],
    ids=["softmax", "one-hot", "sigmoid", "sigmoid-logits"],
)
def test_builder_for_two_classes(two_classes, classifier, model, params):
    X, y = two_classes
    estimator = classifier(model, **params).fit(X, y)
    np.testing.assert_array_equal(estimator.classes_, ["no", "yes"])
    assert_learned(estimator, X, y, 2)
    assert estimator.predict_proba(X)[y == "yes", 1].mean() > 0.7


def test_uncompiled_sigmoid_gets_binary_crossentropy(two_classes, classifier):
    def uncompiled(meta):
        return dense_network(meta["image_shape_"], 1, "sigmoid", 16)

    X, y = two_classes
    estimator = classifier(uncompiled, learning_rate=0.01).fit(X, y)
    assert estimator.score(X, y) > 0.8
    assert estimator.history_["accuracy"][-1] > 0.8


def test_single_output_rejects_categorical_loss(two_classes, classifier):
    model = functools.partial(sigmoid_builder, loss="sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"one output, .* loss='binary_crossentropy'"):
        classifier(model).fit(*two_classes)


def test_built_in_network_for_two_classes(two_classes, tiny_cnn):
    X, y = two_classes
    assert_learned(tiny_cnn().fit(X, y), X, y, 2)


def test_own_softmax_function_is_accepted(few, classifier):
    """The softmax function of this test would overflow on images with larger values."""

    def own_softmax(x):
        powers = keras.ops.exp(x)
        return powers / keras.ops.sum(powers, axis=-1, keepdims=True)

    def model(meta):
        x = inputs = keras.Input((None, None, 1))
        for _ in range(4):
            x = layers.Conv2D(4, 3, padding="valid", activation="relu")(x)
            x = layers.MaxPooling2D()(x)
        x = layers.Dense(meta["n_classes_"])(layers.GlobalAveragePooling2D()(x))
        return keras.Model(inputs, layers.Lambda(own_softmax)(x))

    large = np.kron(few.images / 16, np.ones((1, 9, 9, 1)))
    estimator = classifier(model, epochs=1).fit(large, few.target)
    proba = estimator.predict_proba(large)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


def test_own_keras_objects_are_pickled_without_registration(few, classifier):
    """The objects are layers, activations, losses and regularizers."""
    estimator = classifier(own_objects_builder, warm_start=True).fit(
        few.images, few.target
    )
    copies = [pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)]
    expected = estimator.fit(few.images, few.target).predict_proba(few.images)
    assert estimator.score(few.images, few.target) > 0.8
    for copied in copies:
        copied.fit(few.images, few.target)
        np.testing.assert_array_equal(copied.predict_proba(few.images), expected)


def registered_layer_builder(meta):
    @keras.saving.register_keras_serializable("test_custom_models")
    class Halved(layers.Layer):
        def call(self, images):
            return images / 2

    inputs = keras.Input(meta["image_shape_"])
    outputs = layers.Dense(4, activation="softmax")(layers.Flatten()(Halved()(inputs)))
    return keras.Model(inputs, outputs)


def test_registered_keras_objects_may_be_local(few, classifier):
    estimator = classifier(registered_layer_builder, epochs=1)
    estimator.fit(few.images, few.target)
    copied = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(
        copied.predict_proba(few.images), estimator.predict_proba(few.images)
    )


def decay_exclusions_builder(meta):
    network = dense_builder(meta)
    adam = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    adam.exclude_from_weight_decay(var_list=network.trainable_variables[2:])
    network.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def test_copies_keep_exclusions_from_weight_decay(few, classifier):
    estimator = classifier(decay_exclusions_builder, epochs=2, warm_start=True)
    estimator.fit(few.images, few.target)
    copied = pickle.loads(pickle.dumps(estimator))
    for each in (estimator, copied):
        each.fit(few.images, few.target)
    np.testing.assert_array_equal(
        copied.predict_proba(few.images), estimator.predict_proba(few.images)
    )


class OwnSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule from a script or notebook, whose module Keras does not save."""

    def __call__(self, step):
        return 0.01 / (1 + 0.01 * keras.ops.cast(step, "float32"))

    def get_config(self):
        return {}


def test_own_learning_rate_schedule(few, classifier, monkeypatch):
    monkeypatch.setattr(OwnSchedule, "__module__", "__main__")
    estimator = classifier(dense_builder, learning_rate=OwnSchedule())
    assert estimator.fit(few.images, few.target).score(few.images, few.target) > 0.8
    built_in = CNNClassifier(filters=(8,), learning_rate=OwnSchedule(), epochs=1)
    assert built_in.fit(few.images, few.target).n_epochs_ == 1
