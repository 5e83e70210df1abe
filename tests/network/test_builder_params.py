"""Parameters of the user's builders, and builders that are rejected."""

import copy

import numpy as np
import pytest
from helpers import (
    compiling_builder,
    dense_builder,
    dense_network,
    fixed_builder,
    open_ended_builder,
)
from sklearn.base import clone

from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras import layers  # noqa: E402


def test_set_params_passes_values_to_builder(few, classifier):
    estimator = classifier(dense_builder, epochs=1)
    assert estimator.get_params()["model__units"] == 16
    estimator.set_params(model__units=5).fit(few.images, few.target)
    assert estimator.get_params()["model__units"] == 5
    assert estimator.model_.layers[-2].units == 5
    assert clone(estimator).get_params()["model__units"] == 5
    # The partial is not nested, and the builder itself is not changed.
    estimator.set_params(model__units=6)
    assert estimator.model.func is dense_builder
    assert estimator.model.keywords == {"units": 6}


def kwargs_only_builder(**kwargs):
    """Check that `meta` is passed only to builders with an argument of that name."""
    assert kwargs == {"units": 3}
    return fixed_builder()


def test_builder_with_kwargs_accepts_any_name(few, classifier):
    estimator = classifier(open_ended_builder, epochs=1).set_params(model__units=3)
    estimator.fit(few.images, few.target)
    assert estimator.model_.layers[-2].units == 3
    estimator = classifier(kwargs_only_builder, epochs=1).set_params(model__units=3)
    estimator.fit(few.images, few.target)


def test_unknown_builder_parameter_gets_a_suggestion(classifier):
    estimator = classifier(dense_builder)
    with pytest.raises(
        ValueError,
        match=r"'model__unit': the builder dense_builder .*Did you mean 'model__units'",
    ):
        estimator.set_params(model__unit=3, epochs=9)
    assert estimator.epochs == 6  # no parameter was set
    with pytest.raises(ValueError, match=r"model is None: .* Set model= first"):
        classifier().set_params(model__units=3)


UNFITTED = set(vars(CNNClassifier()))


def assert_rejected(classifier, few, error, message, **params):
    estimator = classifier(**params)
    with pytest.raises(error, match=message):
        estimator.fit(few.images, few.target)
    assert set(vars(estimator)) == UNFITTED


class Opaque(keras.Model):
    """A network whose input and output shapes Keras does not know."""

    def call(self, images):
        return keras.ops.zeros((len(images), 4))


def failing_builder(meta):
    raise ZeroDivisionError("in the builder")


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lambda: None, TypeError, "returned NoneType, but expected a keras.Model"),
        (lambda: (1, 2), TypeError, "returned tuple, but expected a keras.Model"),
        (
            lambda meta: dense_network(meta["image_shape_"], 3, "softmax"),
            ValueError,
            r"outputs of shape \(None, 3\), but y has 4 classes: end it with Dense",
        ),
        (
            lambda meta: dense_network(meta["image_shape_"], 1, "sigmoid"),
            ValueError,
            r"outputs of shape \(None, 1\), but y has 4 classes",
        ),
        (
            lambda: dense_network((9, 9, 1), 4, "softmax"),
            ValueError,
            r"input of shape \(None, 9, 9, 1\), but the images are \(8, 8, 1\): start",
        ),
        (
            lambda meta: dense_network(meta["image_shape_"], 4, None),
            ValueError,
            r"not probabilities\. .*activation='softmax', .* from_logits=True",
        ),
        *[
            (
                lambda meta, a=activation: dense_network(meta["image_shape_"], 4, a),
                ValueError,
                r"outputs that are not probabilities\. .*activation='softmax'",
            )
            for activation in ("relu", "sigmoid", "tanh")
        ],
        (
            lambda: Opaque(),
            ValueError,
            "returned Opaque, a network whose input and output shapes are not known",
        ),
        (failing_builder, ZeroDivisionError, "in the builder"),
        (
            lambda meta, units: dense_builder(meta, units),
            ValueError,
            "parameter 'units' without a value, but .* model__units to be set",
        ),
        ("plain", ValueError, "'model' parameter of CNNClassifier must be a callable"),
    ],
    ids=[
        "none",
        "tuple",
        "outputs",
        "one-output",
        "inputs",
        "logits",
        "relu",
        "sigmoid",
        "tanh",
        "opaque",
        "error-in-builder",
        "required-parameter",
        "name",
    ],
)
def test_invalid_builder(few, classifier, model, error, message):
    assert_rejected(classifier, few, error, message, model=model)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("activation", [None, "tanh", "relu"])
def test_single_output_must_be_a_probability(two_classes, classifier, activation, seed):
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

    with pytest.raises(
        ValueError, match=r"outputs that are not probabilities\. .*activation='sigmoid'"
    ):
        classifier(model, random_state=seed).fit(*two_classes)


def test_keras_model_is_rejected_as_builder(few, classifier):
    message = "Got a keras.Model as model=, but expected a function .*clone_model"
    assert_rejected(classifier, few, TypeError, message, model=fixed_builder())


def test_network_parameters_are_rejected_with_builder(few, classifier):
    message = (
        r"filters=\(4,\), l2=0.5, which would have no effect: they belong to the "
        "built-in network, and model= builds another"
    )
    params = {"model": dense_builder, "filters": (4,), "l2": 0.5}
    assert_rejected(classifier, few, ValueError, message, **params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer='sgd'"),
        ({"learning_rate": 0.5}, "learning_rate=0.5"),
    ],
)
def test_optimizer_is_rejected_with_compiling_builder(few, classifier, params, message):
    message = f"Got {message}, but the builder passed as model= compiles"
    assert_rejected(
        classifier, few, ValueError, message, model=compiling_builder, **params
    )


def test_new_learning_rate_is_rejected_with_compiling_builder(few, classifier):
    estimator = classifier(compiling_builder, warm_start=True, epochs=1)
    estimator.fit(few.images, few.target).set_params(learning_rate=0.5)
    with pytest.raises(ValueError, match="optimizer of its own"):
        estimator.fit(few.images, few.target)
    rate = float(estimator.model_.optimizer.learning_rate)
    assert rate == pytest.approx(0.01)


def test_failing_builder_leaves_fitted_estimator_unchanged(few, classifier):
    estimator = classifier(dense_builder, learning_rate=0.01).fit(
        few.images, few.target
    )
    proba = estimator.predict_proba(few.images)
    model, history = estimator.model_, copy.deepcopy(estimator.history_)
    estimator.set_params(model=failing_builder)
    with pytest.raises(ZeroDivisionError, match="in the builder"):
        estimator.fit(few.images[:, :5], few.target > 1)
    assert estimator.model_ is model
    assert estimator.history_ == history
    assert estimator.classes_.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(estimator.predict_proba(few.images), proba)
