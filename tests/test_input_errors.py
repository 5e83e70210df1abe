"""Every constructor parameter: a wrong value is an error before training starts."""

import inspect
import re

import numpy as np
import pytest

from skcnn import CNNClassifier, _train

UNFITTED = set(vars(CNNClassifier()))
NAN, INF = float("nan"), float("inf")
POSITIVE_INT = r"must be an int in the range \[1, inf\)"
BOOL = "must be an instance of 'bool'"
SIZES = "expected one or more positive integers"

# Values, and what the message says beside the parameter and the value.
CASES = {
    "model": [("resnet", "callable"), (3, "callable"), ([print], "callable")],
    "filters": [
        (32, "must be an array-like"),
        ("32", "array-like|positive integers"),
        (None, "must be an array-like"),
        ((), SIZES),
        ((32, 0), SIZES),
        ((32, -1), SIZES),
        ((32, 1.5), SIZES),
        ((32, "64"), SIZES),
        ((32, True), SIZES),
        (((32, 64), (128, 256)), SIZES),
        (np.ones((2, 2), int), SIZES),
    ],
    "last_filters": [(v, POSITIVE_INT) for v in (0, -1, 1.5, "8", (8,))],
    "kernel_size": [(v, POSITIVE_INT) for v in (0, -3, 2.5, "3", (3, 3), None)],
    "stem_strides": [(v, POSITIVE_INT) for v in (0, -1, 1.5, "2", (2, 2))],
    "width_factor": [
        (v, r"must be a float in the range \(0(\.0)?, inf\)")
        for v in (0, -1, NAN, "2", None, INF)
    ],
    "dense_units": [
        (0, "dense_units"),
        (-1, "dense_units"),
        (1.5, "dense_units"),
        ("256", "array-like|positive integers"),
        ((256, 0), SIZES),
        ((256, 1.5), SIZES),
        ([None], SIZES),
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
    "normalize": [(v, BOOL) for v in ("yes", None, 2)],
    "batch_norm": [(v, BOOL) for v in ("yes", None, 2)],
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
    "average": [(v, BOOL) for v in ("yes", None, 2)],
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
    "warm_start": [(v, BOOL) for v in ("yes", None, 2)],
    "validation_fraction": [
        (v, r"must be a float in the range \(0(\.0)?, 1(\.0)?\)")
        for v in (0, 1, 1.5, -0.1, NAN, "0.1")
    ],
    "early_stopping": [
        *((v, BOOL) for v in ("yes", None, 2)),
        (True, "validation_fraction=None.* Set, for example, validation_fraction=0.1"),
    ],
    "patience": [(v, POSITIVE_INT) for v in (0, -1, 1.5, "3", None)],
    "callbacks": [
        ("stop", "must be an instance of 'list'"),
        (3, "must be an instance of 'list'"),
        ([3], "keras.callbacks.Callback"),
        ([abs], "keras.callbacks.Callback"),
    ],
    "memory": [(3, "memory")],
    "max_time": [(v, "max_time") for v in (0, -1, NAN, "3")],
    "random_state": [(v, "random_state") for v in (-1, 1.5, "seed", (1, 2))],
    "verbose": [(v, "verbose") for v in (-1, 1.5, "yes", None)],
}


def test_every_parameter_has_cases():
    assert list(CASES) == list(inspect.signature(CNNClassifier).parameters)


@pytest.fixture
def no_training(monkeypatch):
    def train(*args, **kwargs):
        pytest.fail("training has started")

    monkeypatch.setattr(_train, "train", train)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [(name, *case) for name, cases in CASES.items() for case in cases],
)
def test_wrong_value(few, name, value, message):
    estimator = CNNClassifier(**{name: value})
    with pytest.raises((ValueError, TypeError), match=message) as raised:
        estimator.fit(few.images, few.target)
    text = str(raised.value)
    assert name in text
    shown = [repr(value), str(value)]
    if isinstance(value, (dict, list)) and value:  # or what is wrong in it
        shown += [repr(item) for item in value]
    if isinstance(value, dict):
        shown += [f"{key}={item!r}" for key, item in value.items()]
    assert any(re.sub(r"\s+", " ", s) in re.sub(r"\s+", " ", text) for s in shown)
    assert set(vars(estimator)) == UNFITTED
    # What was wrong is not corrected behind the user's back.
    assert getattr(estimator, name) is value


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("name", ["epochs", "augment", "optimizer", "image_shape"])
def test_wrong_value_in_partial_fit(few, name):
    value, message = CASES[name][0]
    estimator = CNNClassifier(**{name: value})
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.partial_fit(few.images, few.target, classes=np.arange(4))
    assert set(vars(estimator)) == UNFITTED


def test_constructor_checks_nothing():
    """scikit-learn's convention: parameters are checked in fit."""
    for name, cases in CASES.items():
        for value, _ in cases:
            assert getattr(CNNClassifier(**{name: value}), name) is value


def test_misspelt_parameter():
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
def test_learning_rate_beside_an_optimizer_object(few):
    import keras

    estimator = CNNClassifier(optimizer=keras.optimizers.SGD(0.1), learning_rate=0.5)
    with pytest.raises(
        ValueError,
        match=r"learning_rate=0.5, which would have no effect: the optimizer",
    ):
        estimator.fit(few.images, few.target)
    assert set(vars(estimator)) == UNFITTED


class OwnSettings(CNNClassifier):
    """With a constructor of few parameters, and another default."""

    def __init__(self, epochs=2):
        super().__init__(filters=(4,), dense_units=None, epochs=epochs, batch_size=64)


def test_subclass_with_fewer_parameters(few):
    assert OwnSettings().fit(few.images, few.target).n_epochs_ == 2
    network = OwnSettings(epochs=1).fit(few.images, few.target)
    assert network.predict(few.images).shape == few.target.shape


# X and y


def a_dataset(few):
    from skcnn._tensorflow import import_tensorflow

    tf = import_tensorflow()
    return tf.data.Dataset.from_tensor_slices((few.images, few.target)), few.target


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (a_dataset, TypeError, "skcnn.datasets.from_dataset"),
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
def test_what_is_no_images_or_labels(few, data, error, message):
    estimator = CNNClassifier()
    with pytest.raises(error, match=message):
        estimator.fit(*data(few))
    assert set(vars(estimator)) == UNFITTED


def test_values_beyond_float32(few, tiny_cnn):
    estimator = tiny_cnn()
    images = few.images * 1e300
    with pytest.raises(ValueError, match=r"X has the value .*e\+301.* float32"):
        estimator.fit(images, few.target)
    assert set(vars(estimator)) == UNFITTED
    with pytest.raises(ValueError, match="largest float32"):
        tiny_cnn(epochs=1).fit(few.images, few.target).predict(images)


# image_shape


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
def test_rows_as_images(few, tiny_cnn, image_shape, expected):
    estimator = tiny_cnn(image_shape=image_shape, epochs=1)
    estimator.fit(few.rows[:40], few.target[:40])
    assert estimator.image_shape_ == expected
    assert estimator.n_features_in_ == 64
    assert estimator.model_.input_shape == (None, *expected)
    images = few.rows[:40].reshape(-1, *expected)  # in the order of reshape
    np.testing.assert_array_equal(
        estimator.predict_proba(images), estimator.predict_proba(few.rows[:40])
    )


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("image_shape", "message"),
    [
        ((8, 9, 1), r"X has 64 features, but image_shape=\(8, 9, 1\) makes 72 of them"),
        ((8, 8, 3), "X has 64 features, but .* makes 192"),
        ((7, -1, 1), "X has 64 features, but .* makes 7 times a whole number of them"),
        (
            None,
            r"flattened images, of shape \(160, 64\), but image_shape=None. Say what",
        ),
    ],
)
def test_rows_that_are_no_such_images(few, image_shape, message):
    estimator = CNNClassifier(image_shape=image_shape)
    with pytest.raises(ValueError, match=message):
        estimator.fit(few.rows, few.target)
    assert set(vars(estimator)) == UNFITTED


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("image_shape", [(8, 9, 1), (8, 8, 3), (64, 1)])
def test_images_that_contradict_image_shape(few, image_shape):
    estimator = CNNClassifier(image_shape=image_shape)
    with pytest.raises(
        ValueError, match=r"images of shape \(8, 8, 1\) .*, but image_shape=\("
    ):
        estimator.fit(few.images, few.target)
    assert set(vars(estimator)) == UNFITTED
