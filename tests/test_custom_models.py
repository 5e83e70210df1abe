"""Builders of the user's, passed as model=: what they may be, and what is refused."""

import copy
import functools
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skcnn import CNNClassifier
from skcnn._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras import layers, losses  # noqa: E402


def network(image_shape, n_outputs, activation, units=8):
    return keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Rescaling(1 / 16),
            layers.Flatten(),
            layers.Dense(units, activation="relu"),
            layers.Dense(n_outputs, activation=activation),
        ]
    )


def plain(meta, units=16):
    return network(meta["image_shape_"], meta["n_classes_"], "softmax", units)


def fixed():
    """Needs nothing to be told."""
    return network((8, 8, 1), 4, "softmax", 16)


def compiled(meta, loss="sparse_categorical_crossentropy", activation="softmax"):
    model = network(meta["image_shape_"], meta["n_classes_"], activation, 16)
    adam = keras.optimizers.Adam(0.01)
    model.compile(optimizer=adam, loss=loss, metrics=["accuracy"])
    return model


def with_compile_kwargs(meta, compile_kwargs, units=16):
    model = plain(meta, units)
    model.compile(**compile_kwargs)
    return model


def sigmoid(meta, loss="binary_crossentropy", activation="sigmoid"):
    model = network(meta["image_shape_"], 1, activation, 16)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    return model


def open_ended(meta, **kwargs):
    return plain(meta, **kwargs)


def for_scikeras(meta):
    """Written against the names that scikeras has for what fit has seen."""
    assert meta["X_shape_"][1:] == meta["image_shape_"] == (8, 8, 1)
    assert meta["X_dtype_"] == np.uint8
    assert meta["n_features_in_"] == 64
    assert meta["target_type_"] in ("binary", "multiclass")
    assert meta["n_outputs_expected_"] == meta["n_outputs_"] == 1
    assert len(meta["classes_"]) == meta["n_classes_"]
    return plain(meta)


def all_open(**kwargs):
    """What fit has to give goes to those who name it."""
    assert kwargs == {"units": 3}
    return fixed()


class Builder:
    def __init__(self, units):
        self.units = units

    def __call__(self, meta, depth=1):
        assert depth == 1
        return plain(meta, self.units)


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    """A network of the user's, with a training step of its own."""

    steps_traced = 0

    def train_step(self, data):
        Subclassed.steps_traced += 1
        return super().train_step(data)


def own_step(meta):
    inputs = keras.Input(meta["image_shape_"])
    x = layers.Flatten()(layers.Rescaling(1 / 16)(inputs))
    outputs = layers.Dense(meta["n_classes_"], activation="softmax")(x)
    return Subclassed(inputs, outputs)


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


def loss_of_mine(y_true, y_pred):
    return losses.categorical_crossentropy(y_true, y_pred)


def of_own_parts(meta):
    dense = layers.Dense(16, activation=squared, kernel_regularizer=Penalty())
    inner = keras.Sequential([keras.Input((64,)), Scaled(1 / 16), dense])
    last = layers.Dense(meta["n_classes_"], activation="softmax")
    inputs = keras.Input(meta["image_shape_"])
    network = keras.Model(inputs, last(inner(layers.Flatten()(inputs))))
    network.compile("adam", loss=loss_of_mine, metrics=["accuracy"])
    return network


@pytest.fixture(scope="module")
def classifier():
    return functools.partial(CNNClassifier, batch_size=32, epochs=6, random_state=0)


def assert_learned(estimator, X, y, n_classes):
    proba = estimator.predict_proba(X)
    assert proba.shape == (len(X), n_classes)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    assert estimator.score(X, y) > 0.8
    twin = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(twin.predict_proba(X), proba)


FAST = {"learning_rate": 0.01}


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (plain, FAST),
        (fixed, FAST),
        (functools.partial(plain, units=9), FAST),
        (lambda meta: plain(meta, 15), FAST),
        (compiled, {}),
        (with_compile_kwargs, FAST),
        (open_ended, FAST),
        (for_scikeras, FAST),
        (Builder(12), FAST),
        (own_step, FAST),
    ],
    ids=[
        "plain",
        "fixed",
        "partial",
        "lambda",
        "compiled",
        "compile_kwargs",
        "kwargs",
        "scikeras names",
        "callable object",
        "train_step",
    ],
)
def test_builders(few, classifier, model, params):
    estimator = classifier(model, **params).fit(few.images, few.target)
    assert set(estimator.history_) == {"loss", "accuracy"}
    if params:
        assert float(estimator.model_.optimizer.learning_rate) == pytest.approx(0.01)
    assert isinstance(estimator.model_, keras.Model)
    if model is own_step:
        assert Subclassed.steps_traced
    try:
        pickle.dumps(model)
    except (pickle.PicklingError, AttributeError):  # the lambda
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
    ids=["one-hot", "smoothed", "focal", "sparse logits", "logits", "function"],
)
def test_losses(few, classifier, loss, activation):
    model = functools.partial(compiled, loss=loss, activation=activation)
    estimator = classifier(model).fit(few.images, few.target)
    assert_learned(estimator, few.images, few.target, 4)


@pytest.mark.parametrize(
    "loss",
    [["categorical_crossentropy"], {"out": losses.CategoricalCrossentropy()}],
    ids=["list", "dict"],
)
def test_loss_as_a_list_or_dict_of_one(few, classifier, loss):
    def model(meta, loss):
        inputs = keras.Input(meta["image_shape_"])
        x = layers.Flatten()(layers.Rescaling(1 / 16)(inputs))
        outputs = layers.Dense(4, activation="softmax", name="out")(x)
        network = keras.Model(inputs, outputs)
        network.compile(keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
        return network

    wrapped = classifier(functools.partial(model, loss=loss))
    plainly = classifier(functools.partial(model, loss="categorical_crossentropy"))
    wrapped.fit(few.images, few.target)
    plainly.fit(few.images, few.target)
    np.testing.assert_allclose(
        wrapped.predict_proba(few.images),
        plainly.predict_proba(few.images),
        atol=1e-5,
    )


def test_what_a_user_has_defined_is_saved_with_the_network(few, classifier):
    """Without being registered with Keras: layers, functions, losses, penalties."""

    estimator = classifier(of_own_parts, warm_start=True).fit(few.images, few.target)
    twin = pickle.loads(pickle.dumps(estimator))
    other = copy.deepcopy(estimator)
    for each in (estimator, twin, other):
        each.fit(few.images, few.target)
    expected = estimator.predict_proba(few.images)
    assert estimator.score(few.images, few.target) > 0.8
    np.testing.assert_array_equal(twin.predict_proba(few.images), expected)
    np.testing.assert_array_equal(other.predict_proba(few.images), expected)


def with_registered_layer(meta):
    @keras.saving.register_keras_serializable("test_custom_models")
    class Halved(layers.Layer):
        def call(self, images):
            return images / 2

    inputs = keras.Input(meta["image_shape_"])
    outputs = layers.Dense(4, activation="softmax")(layers.Flatten()(Halved()(inputs)))
    return keras.Model(inputs, outputs)


def test_what_is_registered_with_keras_may_be_local(few, classifier):
    estimator = classifier(with_registered_layer, epochs=1)
    estimator.fit(few.images, few.target)
    twin = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(
        twin.predict_proba(few.images), estimator.predict_proba(few.images)
    )


def without_some_decay(meta):
    network = plain(meta)
    adam = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    adam.exclude_from_weight_decay(var_list=network.trainable_variables[2:])
    network.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def test_weights_that_are_excluded_from_decay_stay_so_in_copies(few, classifier):
    estimator = classifier(without_some_decay, epochs=2, warm_start=True)
    estimator.fit(few.images, few.target)
    twin = pickle.loads(pickle.dumps(estimator))
    for each in (estimator, twin):
        each.fit(few.images, few.target)
    np.testing.assert_array_equal(
        twin.predict_proba(few.images), estimator.predict_proba(few.images)
    )


class Annealed(keras.optimizers.schedules.LearningRateSchedule):
    """As a script or notebook defines it: Keras does not note the module."""

    def __call__(self, step):
        return 0.01 / (1 + 0.01 * keras.ops.cast(step, "float32"))

    def get_config(self):
        return {}


def test_schedule_of_a_users_own(few, classifier, monkeypatch):
    monkeypatch.setattr(Annealed, "__module__", "__main__")
    network = classifier(plain, learning_rate=Annealed())
    assert network.fit(few.images, few.target).score(few.images, few.target) > 0.8
    built_in = CNNClassifier(filters=(8,), learning_rate=Annealed(), epochs=1)
    assert built_in.fit(few.images, few.target).n_epochs_ == 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("activation", [None, "tanh", "relu"])
def test_one_output_that_is_no_probability_by_any_seed(
    two_classes, classifier, activation, seed
):
    def model(meta):
        return keras.Sequential(
            [
                keras.Input(meta["image_shape_"]),
                layers.Rescaling(1 / 255),
                layers.Conv2D(8, 3, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(1, activation=activation),
            ]
        )

    with pytest.raises(ValueError, match=r"outputs that are no probabilities: .*sigm"):
        classifier(model, random_state=seed).fit(*two_classes)


def test_probabilities_by_a_users_own_function(few, classifier):
    """Which would overflow on images of another scale."""

    def shares(x):
        powers = keras.ops.exp(x)
        return powers / keras.ops.sum(powers, axis=-1, keepdims=True)

    def model(meta):
        x = inputs = keras.Input((None, None, 1))
        for _ in range(4):
            x = layers.Conv2D(4, 3, padding="valid", activation="relu")(x)
            x = layers.MaxPooling2D()(x)
        x = layers.Dense(meta["n_classes_"])(layers.GlobalAveragePooling2D()(x))
        return keras.Model(inputs, layers.Lambda(shares)(x))

    large = np.kron(few.images / 16, np.ones((1, 9, 9, 1)))
    estimator = classifier(model, epochs=1).fit(large, few.target)
    proba = estimator.predict_proba(large)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


@pytest.fixture(scope="module")
def two_classes(few):
    rows = few.target < 2
    return few.images[rows], np.array(["no", "yes"])[few.target[rows]]


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (plain, FAST),
        (functools.partial(compiled, loss="categorical_crossentropy"), {}),
        (sigmoid, {}),
        (
            functools.partial(
                sigmoid,
                loss=losses.BinaryCrossentropy(from_logits=True),
                activation=None,
            ),
            {},
        ),
    ],
    ids=["softmax", "one-hot", "sigmoid", "sigmoid logits"],
)
def test_two_classes(two_classes, classifier, model, params):
    X, y = two_classes
    estimator = classifier(model, **params).fit(X, y)
    np.testing.assert_array_equal(estimator.classes_, ["no", "yes"])
    assert_learned(estimator, X, y, 2)
    assert estimator.predict_proba(X)[y == "yes", 1].mean() > 0.7


def test_uncompiled_sigmoid_is_compiled_for_one_output(two_classes, classifier):
    def uncompiled(meta):
        return network(meta["image_shape_"], 1, "sigmoid", 16)

    X, y = two_classes
    estimator = classifier(uncompiled, learning_rate=0.01).fit(X, y)
    assert estimator.score(X, y) > 0.8
    assert estimator.history_["accuracy"][-1] > 0.8


def test_one_output_with_a_loss_for_several(two_classes, classifier):
    model = functools.partial(sigmoid, loss="sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"one output, .* loss='binary_crossentropy'"):
        classifier(model).fit(*two_classes)


def test_built_in_network_for_two_classes(two_classes, tiny_cnn):
    X, y = two_classes
    assert_learned(tiny_cnn().fit(X, y), X, y, 2)


# Parameters of a builder


def test_parameters_reach_the_builder(few, classifier):
    estimator = classifier(plain, epochs=1)
    assert estimator.get_params()["model__units"] == 16
    estimator.set_params(model__units=5).fit(few.images, few.target)
    assert estimator.get_params()["model__units"] == 5
    assert estimator.model_.layers[-2].units == 5
    assert clone(estimator).get_params()["model__units"] == 5
    # One flat partial, however often it is set; the builder itself is not changed.
    estimator.set_params(model__units=6)
    assert estimator.model.func is plain
    assert estimator.model.keywords == {"units": 6}


def test_builder_that_takes_any_name(few, classifier):
    estimator = classifier(open_ended, epochs=1).set_params(model__units=3)
    estimator.fit(few.images, few.target)
    assert estimator.model_.layers[-2].units == 3
    estimator = classifier(all_open, epochs=1).set_params(model__units=3)
    estimator.fit(few.images, few.target)


def test_unknown_parameter_of_a_builder(classifier):
    estimator = classifier(plain)
    with pytest.raises(
        ValueError,
        match=r"'model__unit': the builder plain .*Did you mean 'model__units'",
    ):
        estimator.set_params(model__unit=3, epochs=9)
    assert estimator.epochs == 6  # all or none
    with pytest.raises(ValueError, match=r"model is None: .* Set model= first"):
        classifier().set_params(model__units=3)


# What is refused


NOTHING_LEARNED = set(vars(CNNClassifier()))


def refused(classifier, few, error, message, **params):
    estimator = classifier(**params)
    with pytest.raises(error, match=message):
        estimator.fit(few.images, few.target)
    assert set(vars(estimator)) == NOTHING_LEARNED


class Opaque(keras.Model):
    """Keras does not know the shapes of such a network."""

    def call(self, images):
        return keras.ops.zeros((len(images), 4))


def broken(meta):
    raise ZeroDivisionError("in the builder")


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lambda: None, TypeError, "returned NoneType, but expected a keras.Model"),
        (lambda: (1, 2), TypeError, "returned tuple, but expected a keras.Model"),
        (
            lambda meta: network(meta["image_shape_"], 3, "softmax"),
            ValueError,
            r"outputs of shape \(None, 3\), but y has 4 classes: end it with Dense",
        ),
        (
            lambda meta: network(meta["image_shape_"], 1, "sigmoid"),
            ValueError,
            r"outputs of shape \(None, 1\), but y has 4 classes",
        ),
        (
            lambda: network((9, 9, 1), 4, "softmax"),
            ValueError,
            r"input of shape \(None, 9, 9, 1\), but the images are \(8, 8, 1\): start",
        ),
        (
            lambda meta: network(meta["image_shape_"], 4, None),
            ValueError,
            r"outputs that are no probabilities: .*softmax.* from_logits=True",
        ),
        *[
            (
                lambda meta, a=activation: network(meta["image_shape_"], 4, a),
                ValueError,
                "outputs that are no probabilities: .*softmax",
            )
            for activation in ("relu", "sigmoid", "tanh")
        ],
        (lambda: Opaque(), ValueError, "returned Opaque, a network that does not tell"),
        (broken, ZeroDivisionError, "in the builder"),
        (
            lambda meta, units: plain(meta, units),
            ValueError,
            "parameter 'units' without a value, but .* model__units to be set",
        ),
        ("plain", ValueError, "'model' parameter of CNNClassifier must be a callable"),
    ],
    ids=[
        "none",
        "tuple",
        "outputs",
        "one output",
        "inputs",
        "logits",
        "relu",
        "sigmoid",
        "tanh",
        "opaque",
        "its own error",
        "required parameter",
        "name",
    ],
)
def test_builder_that_is_refused(few, classifier, model, error, message):
    refused(classifier, few, error, message, model=model)


def test_finished_network_is_refused(few, classifier):
    message = "Got a keras.Model as model=, but expected a function .*clone_model"
    refused(classifier, few, TypeError, message, model=fixed())


def test_parameters_of_the_built_in_network_beside_a_builder(few, classifier):
    message = r"filters=\(4,\), l2=0.5, which would have no effect: model= builds"
    params = {"model": plain, "filters": (4,), "l2": 0.5}
    refused(classifier, few, ValueError, message, **params)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"optimizer": "sgd"}, "optimizer='sgd'"),
        ({"learning_rate": 0.5}, "learning_rate=0.5"),
    ],
)
def test_optimizer_beside_a_builder_that_compiles(few, classifier, params, named):
    message = f"Got {named}, but the builder passed as model= compiles"
    refused(classifier, few, ValueError, message, model=compiled, **params)


def test_learning_rate_set_later_beside_a_builder_that_compiles(few, classifier):
    estimator = classifier(compiled, warm_start=True, epochs=1)
    estimator.fit(few.images, few.target).set_params(learning_rate=0.5)
    with pytest.raises(ValueError, match="optimizer of its own"):
        estimator.fit(few.images, few.target)
    rate = float(estimator.model_.optimizer.learning_rate)
    assert rate == pytest.approx(0.01)


def test_builder_that_fails_leaves_a_fitted_estimator_as_it_was(few, classifier):
    estimator = classifier(plain, learning_rate=0.01).fit(few.images, few.target)
    proba = estimator.predict_proba(few.images)
    fitted, history = estimator.model_, copy.deepcopy(estimator.history_)
    estimator.set_params(model=broken)
    with pytest.raises(ZeroDivisionError, match="in the builder"):
        estimator.fit(few.images[:, :5], few.target > 1)
    assert estimator.model_ is fitted
    assert estimator.history_ == history
    assert estimator.classes_.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(estimator.predict_proba(few.images), proba)
