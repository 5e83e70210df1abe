"""Graphs that fits share: which networks are alike, and that training is the same."""

import collections
import functools
import gc
import pickle
import re

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV, cross_val_score

from skcnn import CNNClassifier, _saving
from skcnn._tensorflow import import_tensorflow

tf = import_tensorflow()
import keras  # noqa: E402
from keras import layers, losses, optimizers, regularizers  # noqa: E402
from tensorflow.python.framework.func_graph import FuncGraph  # noqa: E402

from skcnn import _graphs, _passes  # noqa: E402
from skcnn._structure import structure  # noqa: E402
from skcnn._twin import _FoldedConv2D, _NormalizedInput, twin  # noqa: E402

META = {"image_shape_": (8, 8, 1)}


def network(
    rate=0.2,
    l2=1e-3,
    units=6,
    activation="relu",
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    first=(),
    **compile_with,
):
    """Of layers without names and without seeds, compiled."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            *first,
            layers.Flatten(),
            layers.Dense(units, activation, kernel_regularizer=regularizers.L2(l2)),
            layers.Dropout(rate),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=optimizer, loss=loss, **{"metrics": ["accuracy"]} | compile_with
    )
    model.optimizer.build(model.trainable_variables)
    return model


def functional(rate=0.2, names=("a", "b"), between=lambda x: x):
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(5, name=names[0])(layers.Flatten()(inputs))
    y = layers.Dropout(rate)(between(x))
    outputs = layers.Dense(4, activation="softmax", name=names[1])(layers.Add()([x, y]))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


# What is alike


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
def test_networks_that_differ_in_numbers_are_alike(changed):
    assert structure(network(**changed)) == structure(network())


def test_names_of_layers_make_no_difference():
    one, other = functional(names=("a", "b")), functional(0.4, names=("dense", "relu"))
    assert structure(one) == structure(other) is not None


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
    # Without addresses, which are others in each process of a parallel run.
    ids=lambda changed: re.sub(r" at 0x\w+", "", str(changed)),
)
def test_networks_that_compute_something_else_are_not_alike(changed):
    alike = structure(network(**changed))
    assert alike is not None
    assert alike != structure(network())


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_pred), axis=-1)


class OwnLayer(layers.Dense):
    pass


class OwnModel(keras.Sequential):
    pass


def own_model():
    model = OwnModel([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(4)])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class OwnOptimizer(optimizers.SGD):
    pass


@pytest.mark.parametrize(
    "make",
    [
        lambda: network(loss=own_loss),
        lambda: network(loss=lambda y_true, y_pred: own_loss(y_true, y_pred)),
        lambda: network(metrics=["accuracy", "mse"]),
        lambda: network(metrics=[own_loss]),
        lambda: network(weighted_metrics=["accuracy"]),
        lambda: network(optimizer=OwnOptimizer()),
        lambda: network(activation=keras.ops.square),
        lambda: network(activation=lambda x: x),
        lambda: network(first=[OwnLayer(3)]),
        lambda: network(first=[layers.Lambda(lambda x: x + 1)]),
        lambda: network(first=[layers.Normalization(mean=1.0, variance=2.0)]),
        lambda: network(first=[layers.RandomFlip()]),
        lambda: network(first=[keras.Sequential([layers.Dense(2)])]),
        lambda: network(first=[layers.Dense(2, activity_regularizer="l2")]),
        lambda: functional(between=keras.ops.sin),
        own_model,
    ],
    ids=[
        *(
            "loss",
            "lambda loss",
            "metrics",
            "metric",
            "weighted",
            "optimizer",
            "operation",
            "lambda",
        ),
        *("layer", "code", "learned", "random", "nested", "activity", "operation"),
        "model",
    ],
)
def test_what_its_configuration_does_not_tell_is_not_shared(make):
    assert structure(make()) is None


# That it is one graph


@pytest.fixture
def traced(monkeypatch):
    """Graphs that are traced, with none kept from before."""
    graphs = []
    monkeypatch.setattr(_graphs, "_kept", collections.OrderedDict())
    original = _graphs.traced

    def recorded(function, signature, *optimizer):
        graphs.append(signature)
        return original(function, signature, *optimizer)

    monkeypatch.setattr(_graphs, "traced", recorded)
    monkeypatch.setattr(_passes, "traced", recorded)
    return graphs


def test_a_search_traces_once(few, tiny_cnn, traced):
    grid = {
        "l2": [1e-4, 1e-2],
        "dropout": [0.1, 0.2],
        "last_dropout": [0.3, 0.4],
        "learning_rate": [1e-3, 1e-2],
        "batch_size": [16, 32],
    }
    network = tiny_cnn(filters=(4, 4), epochs=1, class_weight="balanced")
    GridSearchCV(network, grid, cv=2).fit(few.images, few.target)
    assert len(traced) == 2  # training, prediction


def test_fits_of_a_users_builder_trace_once(few, traced):
    estimator = CNNClassifier(build, epochs=1, validation_fraction=0.2)
    grid = {"model__rate": [0.1, 0.4], "model__l2": [1e-3, 1e-2]}
    GridSearchCV(estimator, grid, cv=2).fit(few.images, few.target)
    assert len(traced) == 3  # training, validation, prediction


def build(rate=0.2, l2=1e-3, activation="relu"):
    model = network(rate, l2, activation=activation)
    return keras.models.clone_model(model)  # not compiled


def test_copies_share_the_graph_of_prediction(few, fitted_tiny, traced):
    expected = fitted_tiny.predict_proba(few.images)
    traced.clear()
    copies = [pickle.loads(pickle.dumps(fitted_tiny)) for _ in range(2)]
    for copied in copies:
        assert_array_equal(copied.predict_proba(few.images), expected)
    assert len(traced) <= 1


def test_few_graphs_are_kept(few, tiny_cnn, traced):
    for units in range(1, 12):
        tiny_cnn(dense_units=units, epochs=1).fit(few.images, few.target).predict(
            few.images
        )
    assert len(_graphs._kept) == _graphs._MOST_KEPT < len(traced) == 22


def test_the_traced_network_gives_its_memory_back(few, tiny_cnn, traced):
    tiny_cnn(dense_units=300, epochs=1).fit(few.images, few.target)
    (graph,) = _graphs._kept.values()
    handles = graph._graph.captured_inputs
    assert len(handles) > 10
    for handle in handles:
        dtype = handle._handle_data.shape_and_type[0].dtype
        assert tf.size(tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)) == 0


def graphs_alive():
    gc.collect()
    return sum(isinstance(thing, FuncGraph) for thing in gc.get_objects())


class Noisy(layers.GaussianNoise):
    """A layer of a user's, as far as graphs are concerned."""


def noisy(meta):
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            Noisy(0.1),
            layers.Flatten(),
            layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
def test_fits_with_graphs_of_their_own_leave_nothing_behind(few, tiny_cnn, optimizer):
    networks = [
        tiny_cnn(augment=layers.RandomFlip(), optimizer=optimizer, epochs=1),
        CNNClassifier(noisy, optimizer=optimizer, epochs=1),
    ]
    before = None
    for network in networks * 3:
        assert network.fit(few.images, few.target).n_epochs_ == 1
        vars(network).pop("model_"), vars(network).pop("_predictor")
        if network is networks[1]:
            before = before or graphs_alive()
    assert graphs_alive() <= before


def test_graphs_that_are_not_kept_any_more_leave_nothing_behind(few, tiny_cnn, traced):
    before = None
    for n in range(_graphs._MOST_KEPT + 8):
        tiny_cnn(filters=(n + 1,), epochs=1).fit(few.images[:32], few.target[:32])
        if n == _graphs._MOST_KEPT:
            before = graphs_alive()
    assert graphs_alive() <= before


def test_optimizers_are_as_they_were_after_tracing(few, tiny_cnn):
    network = tiny_cnn(augment=layers.RandomFlip(), epochs=1)
    optimizer = network.fit(few.images, few.target).model_.optimizer
    assert "_all_reduce_sum_gradients" not in vars(optimizer)


def test_fits_in_threads_do_not_disturb_each_other(few, tiny_cnn, fitted_tiny):
    network = tiny_cnn(last_dropout=0.3, dense_units=8, epochs=3)
    scores = functools.partial(
        cross_val_score, network, few.images, few.target, cv=4, scoring="neg_log_loss"
    )
    alone = scores()
    with joblib.parallel_config("threading", n_jobs=4):
        assert_array_equal(scores(), alone)


# That it is the same training


@pytest.fixture
def not_shared(monkeypatch):
    """Every network is trained by its own ``train_step`` with Keras' own optimizer."""

    def switch_off():
        monkeypatch.setattr(_graphs, "structure", lambda model: None)

    return switch_off


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
    return network(loss="categorical_crossentropy")


def logits(meta):
    inputs = keras.Input(meta["image_shape_"])
    model = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(inputs)))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def normalized(meta):
    """Batch normalization of maps, used twice, frozen, without a scale, and of rows."""
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


def convolved(meta, *, between=None, twice=False, trainable=True):
    """Batch normalization of the images, and a convolution with all it can have."""
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
    maps = [y, layers.Conv2D(3, 1)(x)] if twice else [y, y]
    outputs = layers.Dense(4, activation="softmax")(
        layers.Flatten()(layers.Add()(maps))
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
BUILDERS = {
    "sigmoid": sigmoid,
    "one-hot": one_hot,
    "logits": logits,
    "normalized": normalized,
    **FOLDED,
    **NOT_FOLDED,
}


@pytest.mark.parametrize("name", [*FOLDED, *NOT_FOLDED])
def test_scale_and_offset_of_the_input_go_into_the_first_convolution(name):
    """Where nothing else has what comes between."""
    kinds = [type(layer) for layer in twin(BUILDERS[name](META)).layers]
    assert (_FoldedConv2D in kinds) == (_NormalizedInput in kinds) == (name in FOLDED)


@pytest.mark.parametrize("case", [*CASES, *BUILDERS])
def test_shared_graphs_train_as_the_networks_own_step(few, tiny_cnn, not_shared, case):
    y = few.target
    if case in CASES:
        estimator = tiny_cnn(**CASES[case], epochs=2)
    else:
        model = BUILDERS[case]
        estimator = CNNClassifier(model, epochs=2, batch_size=32, random_state=0)
        y = y // 2 if model is sigmoid else y
    pair = []
    for _ in range(2):
        estimator.fit(few.images, y)
        proba = estimator.predict_proba(few.images)
        pair.append((estimator.history_, _saving.values(estimator.model_), proba))
        assert (_graphs.structure(estimator.model_) is None) == (len(pair) == 2)
        not_shared()
    (history, values, proba), (own_history, own_values, own_proba) = pair
    assert list(history) == list(own_history)
    for name, series in history.items():
        assert_allclose(series, own_history[name], rtol=2e-4, err_msg=name)
    assert_allclose(proba, own_proba, atol=2e-4)
    # The states of dropout are equal: the masks were the same.
    for ours, own in zip(values, own_values, strict=True):
        if ours.dtype.kind != "f":
            assert_array_equal(ours, own)


def test_bfloat16_trains_alike(few, tiny_cnn, not_shared):
    estimator = tiny_cnn(**DEEP, precision="bfloat16", epochs=2)
    shared = estimator.fit(few.images, few.target).history_
    not_shared()
    own = estimator.fit(few.images, few.target).history_
    for name, series in shared.items():
        assert_allclose(series, own[name], rtol=0.05, atol=0.02, err_msg=name)


def test_numbers_of_the_fit_reach_the_graph(few, tiny_cnn, traced):
    """The graph was traced with other ones."""
    X, y = few.images, few.target
    settings = {"filters": (4, 4), "dropout": 0.1, "last_dropout": 0.1, "epochs": 1}
    tiny_cnn(**settings, l2=1e-4).fit(X, y)
    n_traced = len(traced)
    small = tiny_cnn(**settings, l2=1e-4, learning_rate=1e-12).fit(X, y)
    large = tiny_cnn(**settings, l2=10.0, learning_rate=1e-12).fit(X, y)
    assert len(traced) == n_traced
    kernel = np.asarray(small.model_.get_layer("conv_2").kernel)
    penalty = 10 * np.sum(np.square(kernel, dtype=np.float64))
    difference = large.history_["loss"][0] - small.history_["loss"][0]
    assert difference == pytest.approx(penalty, rel=1e-3)

    nearly_all = tiny_cnn(**settings | {"last_dropout": 0.999}, learning_rate=1e-12)
    # Without what was dropped the outputs are the same for nearly all images.
    assert nearly_all.fit(X, y).history_["loss"][0] != small.history_["loss"][0]


def test_a_layer_called_as_its_setting_is_not_taken_for_another():
    def called(name):
        return network(first=[layers.Activation(name, name=name)])

    relu, tanh = (structure(called(name)) for name in ("relu", "tanh"))
    assert None not in (relu, tanh)
    assert relu != tanh


@pytest.mark.parametrize(
    "settings", [{"loss_scale_factor": 8.0}, {"gradient_accumulation_steps": 2}]
)
def test_optimizers_that_rework_gradients_are_not_shared(settings):
    assert structure(network(optimizer=optimizers.Adam(**settings))) is None


def noiseless(meta):
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            layers.Rescaling(1 / 16),
            layers.Conv2D(4, 3, activation="relu"),
            layers.SpatialDropout2D(0.0),
            layers.Flatten(),
            layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def test_loss_scaling_trains_as_keras_does(few):
    """By the network's own step."""

    def build(meta, optimizer):
        network = noiseless(meta)
        loss = "sparse_categorical_crossentropy"
        network.compile(optimizer(), loss=loss, metrics=["accuracy"])
        return network

    def scaled():
        return optimizers.LossScaleOptimizer(optimizers.SGD(0.01), initial_scale=4.0)

    fits = [
        CNNClassifier(
            functools.partial(build, optimizer=optimizer), epochs=2, random_state=0
        ).fit(few.images, few.target)
        for optimizer in (scaled, functools.partial(optimizers.SGD, 0.01))
    ]
    assert_allclose(
        fits[0].predict_proba(few.images), fits[1].predict_proba(few.images), atol=1e-4
    )
    assert fits[0].history_["loss"][1] < fits[0].history_["loss"][0]


def test_spatial_dropout_drops_whole_maps(few):
    def model(meta, rate):
        network = noiseless(meta)
        first, *rest = network.layers
        drop = layers.SpatialDropout2D(rate)
        changed = [drop if "dropout" in layer.name else layer for layer in rest]
        return keras.Sequential([keras.Input(meta["image_shape_"]), first, *changed])

    final = []
    for rate in (0.0, 0.5):
        build = functools.partial(model, rate=rate)
        estimator = CNNClassifier(build, epochs=3, random_state=0)
        final.append(estimator.fit(few.images, few.target).history_["loss"][-1])
    assert final[1] > final[0]


def test_spatial_dropout_has_a_graph_of_its_rate():
    one, other = (
        structure(network(first=[layers.SpatialDropout2D(rate)])) for rate in (0.2, 0.4)
    )
    assert None not in (one, other)
    assert one != other
