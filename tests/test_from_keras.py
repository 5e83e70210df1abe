"""Classifiers for models that were trained with Keras."""

import copy
import functools
import pickle

import numpy as np
import pytest
from helpers import dense_network, same_arrays
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score

from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow
from skcnn.inspection import grad_cam

import_tensorflow()
import keras  # noqa: E402

NAMES = ["zebra", "ant", "monkey", "bear"]
SPARSE = "sparse_categorical_crossentropy"


def trained(X, y, n_outputs=4, activation="softmax", loss=SPARSE, epochs=5):
    keras.utils.set_random_seed(0)
    model = dense_network(X.shape[1:], n_outputs, activation, 16)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(X, y, epochs=epochs, verbose=0)
    return model


@pytest.fixture(scope="module")
def model(few):
    """Return a trained model. Copy it before changing it."""
    return trained(few.images, few.target)


@pytest.fixture
def own_model(model):
    """Return a copy of the trained model, which tests may change."""
    return copy.deepcopy(model)


def outputs(model, X):
    return model.predict(X, verbose=0)


def test_probabilities_are_those_of_the_model(few, model):
    expected = outputs(model, few.images)
    cnn = CNNClassifier.from_keras(model, classes=range(4))
    assert cnn.model_ is model
    np.testing.assert_allclose(cnn.predict_proba(few.images), expected, atol=1e-6)
    np.testing.assert_array_equal(cnn.predict(few.images), expected.argmax(axis=1))
    assert cnn.score(few.images, few.target) > 0.9
    assert cnn.image_shape_ == (8, 8, 1)
    assert cnn.n_features_in_ == 64
    assert cnn.history_ == {}
    assert cnn.n_epochs_ == 0


def test_fit_is_not_needed(model):
    with pytest.raises(NotFittedError):
        CNNClassifier().predict(np.zeros((1, 8, 8, 1)))
    assert CNNClassifier.from_keras(model, range(4)).__sklearn_is_fitted__()


def test_unsorted_class_names(few, model):
    expected = outputs(model, few.images)
    cnn = CNNClassifier.from_keras(model, classes=NAMES)
    assert cnn.classes_.tolist() == sorted(NAMES)
    columns = [NAMES.index(name) for name in cnn.classes_]
    proba = cnn.predict_proba(few.images)
    np.testing.assert_allclose(proba, expected[:, columns], atol=1e-6)
    labels = np.array(NAMES)[few.target]
    assert cnn.score(few.images, labels) > 0.9
    # Training continues from the model's weights.
    cnn.set_params(warm_start=True, epochs=1)
    assert copy.deepcopy(cnn).fit(few.images, labels).score(few.images, labels) > 0.9


@pytest.mark.parametrize("classes", [(3, 1, 2, 0), np.array([10.0, 5, 7, -1])])
def test_unsorted_numbers(few, model, classes):
    cnn = CNNClassifier.from_keras(model, classes)
    labels = np.array(classes)[few.target]
    assert accuracy_score(labels, cnn.predict(few.images)) > 0.9


def test_single_sigmoid(few):
    X, y = few.images, (few.target > 1).astype(int)
    model = trained(X, y, 1, "sigmoid", "binary_crossentropy")
    cnn = CNNClassifier.from_keras(model, ["no", "yes"])
    proba = cnn.predict_proba(X)
    assert proba.shape == (160, 2)
    np.testing.assert_allclose(proba[:, 1], outputs(model, X)[:, 0], atol=1e-6)
    assert cnn.score(X, np.array(["no", "yes"])[y]) > 0.8
    with pytest.raises(ValueError, match=r"one output.*classes that are not sorted"):
        CNNClassifier.from_keras(model, ["yes", "no"])


@pytest.mark.parametrize("classes", [range(4), NAMES])
def test_logits(few, classes):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = trained(few.images, few.target, activation=None, loss=loss)
    expected = keras.ops.softmax(outputs(model, few.images)).numpy()
    cnn = CNNClassifier.from_keras(model, classes)
    order = np.argsort(list(classes))
    proba = cnn.predict_proba(few.images)
    np.testing.assert_allclose(proba, expected[:, order], atol=1e-5)


def test_model_that_is_not_compiled(few, model):
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    cnn = CNNClassifier.from_keras(again, range(4))
    expected = outputs(model, few.images)
    np.testing.assert_allclose(cnn.predict_proba(few.images), expected, atol=1e-6)
    cnn.set_params(warm_start=True, epochs=1).fit(few.images, few.target)
    assert cnn.score(few.images, few.target) > 0.9


def test_model_from_a_file(few, model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    cnn = CNNClassifier.from_keras(loaded, range(4))
    expected = outputs(model, few.images)
    np.testing.assert_allclose(cnn.predict_proba(few.images), expected, atol=1e-6)


def test_calibration(few, model):
    cnn = CNNClassifier.from_keras(model, NAMES)
    labels = np.array(NAMES)[few.target]
    calibrated = CalibratedClassifierCV(FrozenEstimator(cnn))
    calibrated.fit(few.images, labels)
    assert calibrated.score(few.images, labels) > 0.9
    assert calibrated.classes_.tolist() == sorted(NAMES)


@pytest.mark.parametrize("classes", [range(4), NAMES])
def test_grad_cam(few, classes):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    cnn = CNNClassifier.from_keras(model, classes)
    maps = grad_cam(cnn, few.images[:3])
    assert maps.shape[0] == 3
    assert np.isfinite(maps).all()


def test_clone_trains_a_new_network(few, model):
    before = model.get_weights()
    cnn = CNNClassifier.from_keras(
        model, range(4), epochs=3, batch_size=16, random_state=0, learning_rate=0.01
    )
    fresh = clone(cnn)
    assert not hasattr(fresh, "model_")
    fresh.fit(few.images, few.target)
    assert fresh.model_ is not model
    assert fresh.score(few.images, few.target) > 0.8
    assert [v.shape for v in fresh.model_.get_weights()] == [v.shape for v in before]
    assert same_arrays(model.get_weights(), before)
    # Fitting the classifier itself does not change the model, either.
    cnn.fit(few.images, few.target)
    assert same_arrays(cnn.model_.get_weights(), fresh.model_.get_weights())
    assert same_arrays(model.get_weights(), before)


def test_warm_start_continues(few, own_model, model):
    cnn = CNNClassifier.from_keras(
        own_model, range(4), warm_start=True, epochs=1, random_state=0
    )
    before = model.evaluate(few.images, few.target, verbose=0)[0]
    cnn.fit(few.images, few.target)
    assert cnn.model_ is own_model
    assert cnn.n_epochs_ == 1
    assert cnn.history_["loss"][0] < before
    cnn.partial_fit(few.images, few.target)
    assert cnn.n_epochs_ == 2
    assert cnn.history_["loss"][1] < cnn.history_["loss"][0]


@pytest.mark.parametrize("classes", [range(4), NAMES])
def test_copies(few, model, classes):
    cnn = CNNClassifier.from_keras(model, classes, epochs=1, random_state=0)
    expected = cnn.predict_proba(few.images)
    y = np.array(list(classes))[few.target]
    for copied in (pickle.loads(pickle.dumps(cnn)), copy.deepcopy(cnn)):
        np.testing.assert_array_equal(copied.predict_proba(few.images), expected)
        assert copied.get_params()["epochs"] == 1
        assert clone(copied).fit(few.images, y).n_epochs_ == 1


def test_parameters_are_set(model):
    cnn = CNNClassifier.from_keras(model, range(4), epochs=7, batch_size=9)
    assert cnn.get_params()["epochs"] == 7
    assert cnn.batch_size == 9
    assert cnn.augment is False
    assert CNNClassifier.from_keras(model, range(4), augment=True).augment is True


INVALID = {
    "no model": (lambda model: ("model.keras", range(4)), TypeError, "got .*load_mod"),
    "estimator": (lambda model: (CNNClassifier(), range(4)), TypeError, "keras.Model"),
    "too few classes": (lambda model: (model, range(3)), ValueError, "3 classes"),
    "too many classes": (lambda model: (model, range(5)), ValueError, "5 classes"),
    "repeated classes": (
        lambda model: (model, [0, 1, 2, 2]),
        ValueError,
        r"classes=\[0, 1, 2, 2\], but expected each class once",
    ),
    "shape of images unknown": (
        lambda model: (
            keras.Sequential(
                [
                    keras.Input((None, None, 1)),
                    keras.layers.GlobalAveragePooling2D(),
                    keras.layers.Dense(4, activation="softmax"),
                ]
            ),
            range(4),
        ),
        ValueError,
        "fixed numbers",
    ),
    "rows": (
        lambda model: (
            keras.Sequential(
                [keras.Input((64,)), keras.layers.Dense(4, activation="softmax")]
            ),
            range(4),
        ),
        ValueError,
        r"input of shape \(None, 64\)",
    ),
    "outputs that are no probabilities": (
        lambda model: (dense_network((8, 8, 1), 4, "relu"), range(4)),
        ValueError,
        "not probabilities",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_models_and_classes(model, case):
    make, error, match = INVALID[case]
    with pytest.raises(error, match=f"(?i){match}"):
        CNNClassifier.from_keras(*make(model))


def test_misspelt_parameter(model):
    with pytest.raises(TypeError, match="epoch"):
        CNNClassifier.from_keras(model, range(4), epoch=3)


# Fine-tuning: layers of model_ are frozen or unfrozen before a warm start


@pytest.fixture
def frozen(own_model):
    """Return a classifier whose model was compiled with a frozen hidden layer."""
    own_model.layers[-2].trainable = False
    own_model.compile(keras.optimizers.Adam(1e-3), SPARSE, metrics=["accuracy"])
    return CNNClassifier.from_keras(
        own_model, range(4), warm_start=True, epochs=1, random_state=0
    )


def hidden(cnn):
    return cnn.model_.layers[-2].kernel.numpy()


def test_frozen_layers_stay_as_they_are(few, frozen):
    before = hidden(frozen)
    frozen.fit(few.images, few.target)
    np.testing.assert_array_equal(hidden(frozen), before)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_unfreezing_without_compiling_is_refused(few, frozen, method):
    frozen.fit(few.images, few.target)
    before = frozen.model_.get_weights()
    frozen.model_.layers[-2].trainable = True
    with pytest.raises(ValueError, match=r"Compile it again before fit.*model_\.comp"):
        getattr(frozen, method)(few.images, few.target)
    assert same_arrays(frozen.model_.get_weights(), before)
    assert frozen.n_epochs_ == 1
    # Freezing the layer again also resolves the problem.
    frozen.model_.layers[-2].trainable = False
    assert getattr(frozen, method)(few.images, few.target).n_epochs_ == 2


def test_unfreezing_and_compiling_trains_all_layers(few, frozen):
    frozen.fit(few.images, few.target)
    before = hidden(frozen)
    frozen.model_.layers[-2].trainable = True
    frozen.model_.compile(
        keras.optimizers.Adam(1e-3), loss=frozen.model_.loss, metrics=["accuracy"]
    )
    frozen.fit(few.images, few.target)
    assert not np.array_equal(hidden(frozen), before)
    rate = float(frozen.model_.optimizer.learning_rate)
    assert rate == pytest.approx(1e-3)
    assert frozen.history_["loss"][1] < frozen.history_["loss"][0]
    again = pickle.loads(pickle.dumps(frozen))
    for cnn in (frozen, again):
        cnn.fit(few.images, few.target)
    np.testing.assert_array_equal(
        again.predict_proba(few.images), frozen.predict_proba(few.images)
    )


@pytest.mark.parametrize("kind", ["built-in", "builder"])
def test_unfreezing_layers_of_a_network_of_our_own(few, tiny_cnn, kind):
    params = {"epochs": 1, "warm_start": True, "random_state": 0}
    cnn = tiny_cnn(**params)
    if kind == "builder":
        builder = functools.partial(dense_network, (8, 8, 1), 4, "softmax")
        cnn = CNNClassifier(builder, **params)
    cnn.fit(few.images, few.target)
    first = next(layer for layer in cnn.model_.layers if layer.trainable_weights)
    first.trainable = False
    with pytest.raises(ValueError, match="Compile it again"):
        cnn.fit(few.images, few.target)
    before = first.kernel.numpy()
    cnn.model_.compile(
        keras.optimizers.Adam(1e-2), loss=cnn.model_.loss, metrics=["accuracy"]
    )
    if kind == "builder":
        cnn.fit(few.images, few.target)
    else:  # a new learning rate must not unfreeze the layer, either
        cnn.set_params(learning_rate=3e-3).fit(few.images, few.target)
    np.testing.assert_array_equal(first.kernel.numpy(), before)
    assert cnn.n_epochs_ == 2
