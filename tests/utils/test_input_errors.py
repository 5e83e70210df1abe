"""Invalid parameters, images and labels raise errors before training starts."""

import inspect
import re

import numpy as np
import pytest

from skcnn import CNNClassifier
from skcnn._training._loop import TrainingLoop
from skcnn._utils._tensorflow import import_tensorflow

UNFITTED = set(vars(CNNClassifier()))


NAN, INF = float("nan"), float("inf")


POSITIVE_INT = r"must be an int in the range \[1, inf\)"


IS_BOOL = "must be an instance of 'bool'"


POSITIVE_INTS = "expected one or more positive integers"


# Invalid values for each parameter. The error message must match the given pattern.
INVALID_VALUES = {
    "model": [("resnet", "callable"), (3, "callable"), ([print], "callable")],
    "filters": [
        (32, "must be an array-like"),
        ("32", "array-like|positive integers"),
        (None, "must be an array-like"),
        ((), POSITIVE_INTS),
        ((32, 0), POSITIVE_INTS),
        ((32, -1), POSITIVE_INTS),
        ((32, 1.5), POSITIVE_INTS),
        ((32, "64"), POSITIVE_INTS),
        ((32, True), POSITIVE_INTS),
        (((32, 64), (128, 256)), POSITIVE_INTS),
        (np.ones((2, 2), int), POSITIVE_INTS),
    ],
    "last_filters": [(v, POSITIVE_INT) for v in (0, -1, 1.5, "8", (8,))],
    "kernel_size": [(v, POSITIVE_INT) for v in (0, -3, 2.5, "3", (3, 3), None)],
    "stem_strides": [(v, POSITIVE_INT) for v in (0, -1, 1.5, "2", (2, 2))],
    "width_factor": [
        (v, r"must be a float in the range \(0(\.0)?, inf\)")
        for v in (0, -1, NAN, "2", None, INF)
    ],
    "dense_units": [
        *((v, rf"{POSITIVE_INT}, an array-like or None") for v in (0, -1, 1.5)),
        ("256", "array-like|positive integers"),
        ((256, 0), POSITIVE_INTS),
        ((256, 1.5), POSITIVE_INTS),
        ([None], POSITIVE_INTS),
    ],
    "dropout": [
        (v, r"must be a float in the range \[0(\.0)?, 1(\.0)?\)")
        for v in (-0.1, 1, 1.5, NAN, "0.3", None)
    ],
    "last_dropout": [
        (v, r"must be a float in the range \[0(\.0)?, 1(\.0)?\)")
        for v in (-0.1, 1, 1.5, NAN, "0.3", None)
    ],
    "l2": [
        (v, r"must be a float in the range \[0(\.0)?, inf\)")
        for v in (-1e-4, NAN, "1e-4", None, INF)
    ],
    "normalize": [(v, IS_BOOL) for v in ("yes", None, 2)],
    "batch_norm": [(v, IS_BOOL) for v in ("yes", None, 2)],
    "pooling": [(v, "must be a str among|'avg', 'max'") for v in ("mean", True, 3)],
    "label_smoothing": [
        (v, r"must be a float in the range \[0(\.0)?, 1(\.0)?\)")
        for v in (-0.1, 1, NAN, "0.1", None)
    ],
    "image_shape": [
        (64, "must be an array-like"),
        ("8x8", "array-like|of positive integers"),
        ((), r"\(height, width\)"),
        ((64,), r"\(height, width\)"),
        ((8, 8, 1, 1), r"\(height, width\)"),
        ((8, 0), "of positive integers"),
        ((8, -8), "of positive integers"),
        ((8.0, 8.0), "of positive integers"),
        ((-1, -1, 1), "one of which may be -1"),
        ((8, None, 1), "of positive integers"),
        ((8, True), "of positive integers"),
    ],
    "augment": [
        ("flip", "bool"),
        (3, "bool"),
        (None, "bool"),
        (("flip",), "bool"),
        (abs, "a bool, a dict .* or a keras.Layer"),
        ({"shear": 1}, "expected only 'flip', 'rotation', 'zoom'"),
        ({"zoom": -1}, r"expected a number in \[0, 1\)"),
    ],
    "optimizer": [
        ("adamm", "Did you mean 'adam'"),
        ("", "expected one of 'adadelta'"),
        (None, "name of a Keras optimizer"),
        (3, "name of a Keras optimizer"),
        (dict, "returned dict"),
    ],
    "learning_rate": [
        (0, r"in the range \(0(\.0)?, inf\)"),
        (-1e-3, r"in the range \(0(\.0)?, inf\)"),
        (NAN, r"in the range \(0(\.0)?, inf\)"),
        (INF, r"in the range \(0(\.0)?, inf\)"),
        ("1e-3", r"in the range \(0(\.0)?, inf\)"),
        (None, r"in the range \(0(\.0)?, inf\)"),
        (abs, "LearningRateSchedule"),
    ],
    "average": [(v, IS_BOOL) for v in ("yes", None, 2)],
    "batch_size": [(v, POSITIVE_INT) for v in (0, -1, 16.0, "16", None)],
    "epochs": [(v, POSITIVE_INT) for v in (0, -1, 2.0, "3", None)],
    "precision": [
        (v, "must be a str among") for v in ("float16", "mixed_bfloat16", None, 32)
    ],
    "class_weight": [
        (
            "balance",
            "must be an instance of 'dict', a str among {'balanced'} or None",
        ),
        ([1, 2], "must be an instance of 'dict'"),
        (3, "must be an instance of 'dict'"),
        ({0: -1}, "expected numbers that are finite and not negative"),
        ({99: 1}, "among the classes"),
    ],
    "warm_start": [(v, IS_BOOL) for v in ("yes", None, 2)],
    "validation_fraction": [
        (v, r"must be a float in the range \(0(\.0)?, 1(\.0)?\)")
        for v in (0, 1, 1.5, -0.1, NAN, "0.1")
    ],
    "early_stopping": [
        *((v, IS_BOOL) for v in ("yes", None, 2)),
        (True, "validation_fraction=None.* Set, for example, validation_fraction=0.1"),
    ],
    "patience": [(v, POSITIVE_INT) for v in (0, -1, 1.5, "3", None)],
    "tol": [
        (v, r"must be a float in the range \[0(\.0)?, inf\)")
        for v in (-1e-9, NAN, "1e-4", None)
    ],
    "callbacks": [
        ("stop", "must be an instance of 'list'"),
        (3, "must be an instance of 'list'"),
        ([3], "keras.callbacks.Callback"),
        ([abs], "keras.callbacks.Callback"),
    ],
    "memory": [(3, "None, .*'str', .*'os.PathLike' or an object implementing 'cache'")],
    "max_time": [
        (v, r"must be a float in the range \(0(\.0)?, inf\) or None")
        for v in (0, -1, NAN, "3")
    ],
    "random_state": [
        (v, r"must be an int in the range \[0, 4294967295\]")
        for v in (-1, 1.5, "seed", (1, 2))
    ],
    "verbose": [
        (v, r"must be an int in the range \[0, inf\), an instance of 'bool'")
        for v in (-1, 1.5, "yes", None)
    ],
}


def test_every_parameter_has_invalid_values():
    assert list(INVALID_VALUES) == list(inspect.signature(CNNClassifier).parameters)


@pytest.fixture
def no_training(monkeypatch):
    """Make the test fail if training starts."""

    def run(*args, **kwargs):
        pytest.fail("training has started")

    monkeypatch.setattr(TrainingLoop, "run", run)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [(name, *case) for name, cases in INVALID_VALUES.items() for case in cases],
)
def test_invalid_value_of_parameter(few, name, value, message):
    estimator = CNNClassifier(**{name: value})
    with pytest.raises((ValueError, TypeError), match=message) as raised:
        estimator.fit(few.images, few.target)
    text = str(raised.value)
    assert name in text
    shown = [repr(value), str(value)]
    if isinstance(value, (dict, list)) and value:  # the message may show only one item
        shown += [repr(item) for item in value]
    if isinstance(value, dict):
        shown += [f"{key}={item!r}" for key, item in value.items()]
    assert any(re.sub(r"\s+", " ", s) in re.sub(r"\s+", " ", text) for s in shown)
    assert set(vars(estimator)) == UNFITTED
    # fit does not modify the parameter.
    assert getattr(estimator, name) is value


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("name", ["epochs", "augment", "optimizer", "image_shape"])
def test_invalid_value_in_partial_fit(few, name):
    value, message = INVALID_VALUES[name][0]
    estimator = CNNClassifier(**{name: value})
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.partial_fit(few.images, few.target, classes=np.arange(4))
    assert set(vars(estimator)) == UNFITTED


def test_constructor_does_not_validate():
    """By scikit-learn's convention, parameters are validated in fit."""
    for name, cases in INVALID_VALUES.items():
        for value, _ in cases:
            assert getattr(CNNClassifier(**{name: value}), name) is value


def test_misspelt_parameter_is_rejected():
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        CNNClassifier(epoch=3)
    with pytest.raises(
        ValueError, match=r"Invalid parameter 'epoch' .* Did you mean 'epochs'\?"
    ):
        CNNClassifier().set_params(epoch=3)


def test_only_the_builder_is_positional():
    with pytest.raises(TypeError, match="positional argument"):
        CNNClassifier(None, (6, 6))


@pytest.mark.usefixtures("no_training")
def test_learning_rate_is_rejected_with_optimizer_object(few):
    import keras

    estimator = CNNClassifier(optimizer=keras.optimizers.SGD(0.1), learning_rate=0.5)
    with pytest.raises(
        ValueError,
        match=r"learning_rate=0.5, which would have no effect: the optimizer",
    ):
        estimator.fit(few.images, few.target)
    assert set(vars(estimator)) == UNFITTED


class SmallCNN(CNNClassifier):
    """A subclass whose constructor has fewer parameters and different defaults."""

    def __init__(self, epochs=2):
        super().__init__(filters=(4,), dense_units=None, epochs=epochs, batch_size=64)


def test_subclass_may_have_fewer_parameters(few):
    assert SmallCNN().fit(few.images, few.target).n_epochs_ == 2
    network = SmallCNN(epochs=1).fit(few.images, few.target)
    assert network.predict(few.images).shape == few.target.shape


def make_tf_dataset(few):
    tf = import_tensorflow()
    return tf.data.Dataset.from_tensor_slices((few.images, few.target)), few.target


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (make_tf_dataset, TypeError, "skcnn.datasets.from_dataset"),
        (
            lambda few: (few, few.target),
            TypeError,
            r"type Bunch with the keys \['images'.* pass .images as X",
        ),
        (
            lambda few: (["a.jpg", "b.jpg"] * 80, few.target),
            TypeError,
            r"Got X=\['a.jpg', .*load_image_folder",
        ),
        (
            lambda few: (np.array(["a.jpg"] * 160), few.target),
            TypeError,
            "load_image_folder",
        ),
        (
            lambda few: (few.images[..., :0], few.target),
            ValueError,
            r"images of shape \(8, 8, 0\)",
        ),
        (
            lambda few: (few.images[:, :0], few.target),
            ValueError,
            r"images of shape \(0, 8, 1\)",
        ),
        (
            lambda few: (few.images, ["a", None] * 80),
            TypeError,
            "labels of the types NoneType, str",
        ),
        (
            lambda few: (few.images, np.array(["a", 3] * 80, dtype=object)),
            TypeError,
            "labels of the types int, str",
        ),
    ],
)
def test_invalid_type_of_images_or_labels(few, data, error, message):
    estimator = CNNClassifier()
    with pytest.raises(error, match=message):
        estimator.fit(*data(few))
    assert set(vars(estimator)) == UNFITTED


def test_values_too_large_for_float32(few, tiny_cnn):
    estimator = tiny_cnn()
    images = few.images * 1e300
    with pytest.raises(ValueError, match=r"X has the value .*e\+301.* float32"):
        estimator.fit(images, few.target)
    assert set(vars(estimator)) == UNFITTED
    with pytest.raises(ValueError, match="largest float32"):
        tiny_cnn(epochs=1).fit(few.images, few.target).predict(images)


@pytest.mark.parametrize(
    ("image_shape", "expected"),
    [
        ((8, 8, 1), (8, 8, 1)),
        ((8, 8), (8, 8, 1)),
        ([4, 4, 4], (4, 4, 4)),
        (np.array([16, 4]), (16, 4, 1)),
        ((1, -1, 1), (1, 64, 1)),
        ((8, -1, 2), (8, 4, 2)),
        ((-1, 8), (8, 8, 1)),
        ((2, 8, -1), (2, 8, 4)),
    ],
)
def test_image_shape_reshapes_rows(few, tiny_cnn, image_shape, expected):
    estimator = tiny_cnn(image_shape=image_shape, epochs=1)
    estimator.fit(few.rows[:40], few.target[:40])
    assert estimator.image_shape_ == expected
    assert estimator.n_features_in_ == 64
    assert estimator.model_.input_shape == (None, *expected)
    images = few.rows[:40].reshape(-1, *expected)
    np.testing.assert_array_equal(
        estimator.predict_proba(images), estimator.predict_proba(few.rows[:40])
    )


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("image_shape", "message"),
    [
        ((8, 9, 1), r"X has 64 features, but image_shape=\(8, 9, 1\) requires 72\."),
        ((8, 8, 3), r"X has 64 features, but image_shape=\(8, 8, 3\) requires 192\."),
        (
            (7, -1, 1),
            r"X has 64 features, but image_shape=.* requires a multiple of 7\.",
        ),
        (
            None,
            r"flattened images, of shape \(160, 64\), but image_shape=None\. Set",
        ),
    ],
)
def test_rows_must_match_image_shape_exactly(few, image_shape, message):
    estimator = CNNClassifier(image_shape=image_shape)
    with pytest.raises(ValueError, match=message):
        estimator.fit(few.rows, few.target)
    assert set(vars(estimator)) == UNFITTED


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("image_shape", [(8, 9, 1), (8, 8, 3), (64, 1)])
def test_images_must_match_image_shape(few, image_shape):
    estimator = CNNClassifier(image_shape=image_shape)
    with pytest.raises(
        ValueError, match=r"images of shape \(8, 8, 1\) .*, but image_shape=\("
    ):
        estimator.fit(few.images, few.target)
    assert set(vars(estimator)) == UNFITTED
