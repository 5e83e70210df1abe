"""Graph signatures, which determine whether networks share a graph."""

import re

import keras
import pytest
from helpers import compiled_dense_network
from keras import layers, losses, optimizers

from skcnn._compiled._signature import graph_signature
from skcnn._network._trainable import TrainableNetwork


def signature(model, *, average=False):
    return graph_signature(TrainableNetwork(model, average=average))


def functional_network(rate=0.2, names=("a", "b"), between=lambda x: x):
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(5, name=names[0])(layers.Flatten()(inputs))
    y = layers.Dropout(rate)(between(x))
    outputs = layers.Dense(4, activation="softmax", name=names[1])(layers.Add()([x, y]))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"rate": 0.7},
        {"l2": 0.5},
        {"optimizer": optimizers.Adam(0.5)},
        {"loss": losses.sparse_categorical_crossentropy},
        {"metrics": None},
    ],
    ids=["seeds and names", "rate", "l2", "learning rate", "loss function", "metrics"],
)
def test_networks_that_differ_in_numbers_share_a_signature(changed):
    expected = signature(compiled_dense_network())
    assert expected is not None
    assert signature(compiled_dense_network(**changed)) == expected


def test_names_of_layers_do_not_change_the_signature():
    one = functional_network(names=("a", "b"))
    other = functional_network(0.4, names=("dense", "relu"))
    assert signature(one) == signature(other) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"rate": 0.0},
        {"units": 7},
        {"activation": "tanh"},
        {"optimizer": "sgd"},
        {"optimizer": optimizers.Adam(beta_1=0.8)},
        {"optimizer": optimizers.Adam(clipnorm=1.0)},
        {"optimizer": optimizers.Adam(optimizers.schedules.CosineDecay(0.1, 7))},
        {"loss": losses.SparseCategoricalCrossentropy(from_logits=True)},
        {"loss": "categorical_crossentropy"},
        {"first": [layers.Rescaling(1 / 16)]},
        {"first": [layers.Conv2D(3, 3)]},
    ],
    # Remove addresses, which differ between the processes of a parallel test run.
    ids=lambda changed: re.sub(r" at 0x\w+", "", str(changed)),
)
def test_networks_that_compute_differently_have_different_signatures(changed):
    other = signature(compiled_dense_network(**changed))
    assert other is not None
    assert other != signature(compiled_dense_network())


def nested_network(rate=0.2, units=3, name="inner", activation="relu"):
    shared = keras.Input((8, 8, 1))
    x = layers.Activation(activation, name=activation)(layers.Dropout(rate)(shared))
    inner = keras.Model(shared, layers.Dense(units)(x), name=name)
    return compiled_dense_network(first=[inner])


def test_settings_of_a_nested_model_are_in_the_signature():
    expected = signature(nested_network())
    assert expected is not None
    assert signature(nested_network(rate=0.5, name="other")) == expected
    for changed in ({"units": 4}, {"activation": "tanh"}):
        assert signature(nested_network(**changed)) not in (None, expected)


def test_averages_of_weights_change_the_signature():
    model = compiled_dense_network()
    averaged = signature(model, average=True)
    assert averaged is not None
    assert averaged != signature(model)


def test_rate_of_spatial_dropout_changes_the_signature():
    one, other = (
        signature(compiled_dense_network(first=[layers.SpatialDropout2D(rate)]))
        for rate in (0.2, 0.4)
    )
    assert None not in (one, other)
    assert one != other


def test_layer_named_like_its_setting_keeps_the_setting_in_the_signature():
    relu, tanh = (
        signature(compiled_dense_network(first=[layers.Activation(name, name=name)]))
        for name in ("relu", "tanh")
    )
    assert None not in (relu, tanh)
    assert relu != tanh


# Networks without a signature


def custom_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_pred), axis=-1)


class CustomLayer(layers.Dense):
    pass


class CustomModel(keras.Sequential):
    pass


class CustomOptimizer(optimizers.SGD):
    pass


def custom_model():
    model = CustomModel([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(4)])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


UNSUPPORTED = {
    "loss": {"loss": custom_loss},
    "lambda as loss": {"loss": lambda y_true, y_pred: custom_loss(y_true, y_pred)},
    "two metrics": {"metrics": ["accuracy", "mse"]},
    "custom metric": {"metrics": [custom_loss]},
    "weighted metrics": {"weighted_metrics": ["accuracy"]},
    "optimizer": {"optimizer": CustomOptimizer()},
    "operation as activation": {"activation": keras.ops.square},
    "lambda as activation": {"activation": lambda x: x},
    "layer": {"first": [CustomLayer(3)]},
    "Lambda": {"first": [layers.Lambda(lambda x: x + 1)]},
    "Normalization": {"first": [layers.Normalization(mean=1.0, variance=2.0)]},
    "random layer": {"first": [layers.RandomFlip()]},
    "layer of a nested model": {"first": [keras.Sequential([CustomLayer(2)])]},
    "nested model": {"first": [CustomModel([layers.Dense(2)])]},
    "activity regularizer": {"first": [layers.Dense(2, activity_regularizer="l2")]},
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_network_with_code_outside_its_configuration_has_no_signature(case):
    assert signature(compiled_dense_network(**UNSUPPORTED[case])) is None


def test_operation_between_layers_has_no_signature():
    assert signature(functional_network(between=keras.ops.sin)) is None


def test_subclass_of_model_has_no_signature():
    assert signature(custom_model()) is None


@pytest.mark.parametrize(
    "params", [{"loss_scale_factor": 8.0}, {"gradient_accumulation_steps": 2}]
)
def test_optimizer_that_changes_gradients_has_no_signature(params):
    model = compiled_dense_network(optimizer=optimizers.Adam(**params))
    assert signature(model) is None
