"""Networks with user-defined code, which their copies must contain."""

import copy
import functools
import math
import pickle

import joblib
import keras
import numpy as np
import pytest
from helpers import dense_builder
from keras import layers, losses, ops

from skcnn._network._serialization import UserCode


def network_of(meta, *first, activation="relu", initializer="glorot_uniform"):
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            layers.Rescaling(1 / 16),
            *first,
            layers.Flatten(),
            layers.Dense(8, activation=activation, kernel_initializer=initializer),
            layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def scaled(x, factor):
    return x * factor


def lambda_with_keras_function(meta):
    return network_of(meta, layers.Lambda(ops.square))


def lambda_with_module_import(meta):
    return network_of(meta, layers.Lambda(lambda x: ops.sqrt(x + math.pi)))


def lambda_with_import_inside(meta):
    def centred(x):
        from keras import ops

        return x - ops.mean(x, axis=(1, 2), keepdims=True)

    return network_of(meta, layers.Lambda(centred))


def lambda_with_closure(meta):
    factor = 3.0
    return network_of(meta, layers.Lambda(lambda x: x * factor))


def lambda_with_default(meta):
    return network_of(meta, layers.Lambda(lambda x, factor=0.5: x * factor))


def lambda_with_arguments(meta):
    return network_of(meta, layers.Lambda(scaled, arguments={"factor": 2.0}))


def lambda_with_partial(meta):
    return network_of(meta, layers.Lambda(functools.partial(scaled, factor=2.0)))


def two_lambdas_of_one_name(meta):
    return network_of(
        meta, layers.Lambda(lambda x: x + 1), layers.Lambda(lambda x: x * 2)
    )


def activation_layer(meta):
    return network_of(meta, layers.Activation(lambda x: ops.tanh(x) * math.e))


def activation_argument(meta):
    return network_of(meta, activation=lambda x: ops.maximum(x, 0.1 * x))


def initializer_function(meta):
    return network_of(
        meta,
        initializer=lambda shape, dtype=None: keras.random.normal(
            shape, stddev=0.1, dtype=dtype
        ),
    )


def lambda_loss(meta):
    network = network_of(meta)
    network.compile(
        "adam",
        loss=lambda y_true, y_pred: losses.categorical_crossentropy(y_true, y_pred),
    )
    return network


def lambda_metric(meta):
    network = network_of(meta)
    network.compile(
        "adam",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", lambda y_true, y_pred: ops.max(y_pred, axis=-1)],
    )
    return network


def adapted_normalization(meta):
    normalization = layers.Normalization()
    rng = np.random.default_rng(0)
    normalization.adapt(rng.normal(3, 2, (20, *meta["image_shape_"])))
    return network_of(meta, normalization)


class Shift(layers.Layer):
    """A user-defined layer with a configuration."""

    def __init__(self, by=1.0, **kwargs):
        super().__init__(**kwargs)
        self.by = by

    def call(self, images):
        return images + self.by

    def get_config(self):
        return super().get_config() | {"by": self.by}


class LearnedScale(layers.Layer):
    """A user-defined layer with a weight but without get_config."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, images):
        return images * self.scale


class Outer(layers.Layer):
    """A user-defined layer that creates other layers and contains them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = LearnedScale()

    def build(self, input_shape):
        self.inner.build(input_shape)

    def call(self, images):
        return self.inner(images) + images


@keras.saving.register_keras_serializable("test_copyable_networks")
class Registered(layers.Layer):
    def call(self, images):
        return images / 2


def layer_with_config(meta):
    return network_of(meta, Shift(by=-0.5))


def layer_without_config(meta):
    return network_of(meta, LearnedScale())


def layer_in_layer(meta):
    return network_of(meta, Outer())


def registered_layer(meta):
    return network_of(meta, Registered())


def local_layer(meta):
    class Local(layers.Layer):
        def call(self, images):
            return ops.flip(images, axis=1)

    return network_of(meta, Local())


def nested_model(meta):
    inner = keras.Sequential(
        [keras.Input(meta["image_shape_"]), Shift(), layers.Lambda(lambda x: x / 2)]
    )
    inputs = keras.Input(meta["image_shape_"])
    outer = keras.Model(inputs, inner(inputs))
    return network_of(meta, outer)


def wrapped_layers(meta):
    """Build a network with layers that wrap layers with user-defined functions."""
    dense = layers.Dense(3, activation=lambda x: ops.sin(x))
    convolution = layers.Conv2D(2, 3, activation=lambda x: ops.cos(x))
    return network_of(
        meta, layers.TimeDistributed(dense), layers.SpectralNormalization(convolution)
    )


USER_CODE = [
    lambda_with_keras_function,
    lambda_with_module_import,
    lambda_with_import_inside,
    lambda_with_closure,
    lambda_with_default,
    lambda_with_arguments,
    lambda_with_partial,
    two_lambdas_of_one_name,
    activation_layer,
    activation_argument,
    initializer_function,
    lambda_loss,
    lambda_metric,
    layer_with_config,
    layer_without_config,
    layer_in_layer,
    local_layer,
    nested_model,
    wrapped_layers,
]
WITHOUT_USER_CODE = [dense_builder, adapted_normalization, registered_layer]


@pytest.fixture(scope="module")
def fit(few, classifier):
    """Return a function that fits the network of each builder only once."""

    @functools.cache
    def fitted(builder):
        return classifier(builder, epochs=1).fit(few.images[:64], few.target[:64])

    return fitted


@pytest.mark.parametrize("builder", [*USER_CODE, *WITHOUT_USER_CODE])
def test_copies_predict_the_same(few, fit, builder):
    estimator = fit(builder)
    expected = estimator.predict_proba(few.images)
    assert np.ptp(expected) > 0.01
    for copied in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        np.testing.assert_array_equal(copied.predict_proba(few.images), expected)


def predict(estimator, X):
    return estimator.predict_proba(X)


@pytest.mark.slow
def test_networks_work_in_other_processes(few, fit):
    """All networks are tested in one parallel call, because processes start slowly."""
    estimators = [fit(builder) for builder in (*USER_CODE, *WITHOUT_USER_CODE)]
    parallel = joblib.Parallel(n_jobs=2)
    results = parallel(joblib.delayed(predict)(e, few.images[:8]) for e in estimators)
    for estimator, proba in zip(estimators, results, strict=True):
        expected = estimator.predict_proba(few.images[:8])
        np.testing.assert_allclose(proba, expected, rtol=1e-5)


@pytest.mark.parametrize("builder", [lambda_with_closure, layer_in_layer, lambda_loss])
def test_copies_continue_training(few, fit, builder):
    estimator = copy.deepcopy(fit(builder))
    copied = pickle.loads(pickle.dumps(estimator))
    for each in (estimator, copied):
        each.set_params(warm_start=True).fit(few.images, few.target)
    np.testing.assert_array_equal(
        copied.predict_proba(few.images), estimator.predict_proba(few.images)
    )


def state_parts(value):
    """Yield all objects in a state at any depth."""
    yield value
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, (list, tuple, type({}.values()))):
        for part in value:
            yield from state_parts(part)


def user_code_in(estimator):
    state = estimator.__getstate__()["model_"]
    return [part for part in state_parts(state) if isinstance(part, UserCode)]


@pytest.mark.parametrize("builder", USER_CODE)
def test_state_contains_code_of_the_user(fit, builder):
    assert len(user_code_in(fit(builder))) == 1


@pytest.mark.parametrize("builder", WITHOUT_USER_CODE)
def test_state_contains_no_code_otherwise(fit, builder):
    assert user_code_in(fit(builder)) == []


def test_state_of_built_in_network_contains_no_code(fitted_tiny):
    assert user_code_in(fitted_tiny) == []


class WithoutConfig(keras.regularizers.Regularizer):
    """A regularizer that cannot be saved, because Keras requires get_config."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, weights):
        return self.factor * ops.sum(ops.square(weights))


class NeedsArgument(layers.Layer):
    """A layer that cannot be recreated, because its argument is in no configuration."""

    def __init__(self, by):
        super().__init__()
        self._by = lambda: by

    def call(self, images):
        return images + self._by()

    def get_config(self):
        return {}


def regularizer_without_config(meta):
    network = network_of(meta)
    network.layers[-1].kernel_regularizer = WithoutConfig(1e-3)
    return network


def layer_with_missing_argument(meta):
    return network_of(meta, NeedsArgument(2.0))


@pytest.mark.parametrize(
    "builder", [regularizer_without_config, layer_with_missing_argument]
)
def test_network_that_cannot_be_copied_warns_before_training(few, classifier, builder):
    seen = []

    def note(epoch, logs):
        seen.append("epoch")

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=note)
    estimator = classifier(builder, epochs=1, callbacks=[callback])
    with pytest.warns(UserWarning, match=r"neither pickled nor copied.*get_config"):
        estimator.fit(few.images, few.target)
    assert seen == ["epoch"]
    assert estimator.predict_proba(few.images).shape == (160, 4)
    seen.clear()
    # If warnings are errors, the fit fails before training.
    with pytest.raises(UserWarning, match="neither pickled nor copied"):
        estimator.fit(few.images, few.target)
    assert seen == []
