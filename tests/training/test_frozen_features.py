"""Networks that begin with a frozen part, whose outputs are computed once."""

import numpy as np
import pytest
from helpers import assert_same_training, model_variables, network_values
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402

from skcnn._network import _frozen  # noqa: E402
from skcnn._training import _frozen_features  # noqa: E402


def nested(meta, units=8, dropout=0.3, scale=16.0):
    """Build a network that contains a frozen network with batch normalization."""
    layers = keras.layers
    images = keras.Input((None, None, 1))
    x = layers.Rescaling(1 / scale)(images)
    x = layers.Conv2D(6, 3, strides=2)(x)
    x = layers.BatchNormalization(momentum=0.5)(x)
    backbone = keras.Model(images, layers.Activation("relu")(x))
    backbone.trainable = False
    inputs = keras.Input(meta["image_shape_"])
    x = layers.GlobalAveragePooling2D()(backbone(inputs))
    x = layers.Dropout(dropout)(layers.Dense(units, activation="relu")(x))
    return keras.Model(
        inputs, layers.Dense(meta["n_classes_"], activation="softmax")(x)
    )


def flat(meta, units=8):
    """Build a network with frozen layers that skip a connection."""
    layers = keras.layers
    inputs = keras.Input(meta["image_shape_"])
    x = layers.Rescaling(1 / 16)(inputs)
    x = layers.Conv2D(6, 3, padding="same", trainable=False)(x)
    y = layers.BatchNormalization(trainable=False)(x)
    x = layers.Flatten()(layers.MaxPooling2D(4)(layers.Add()([x, y])))
    x = layers.Dense(units, activation="relu")(x)
    return keras.Model(
        inputs, layers.Dense(meta["n_classes_"], activation="softmax")(x)
    )


def with_operations(meta):
    """Build a network with operations between its layers, in mixed precision."""
    layers = keras.layers
    inputs = keras.Input(meta["image_shape_"])
    x = layers.Conv2D(4, 3, dtype="mixed_bfloat16", trainable=False)(inputs / 16.0)
    x = layers.GlobalAveragePooling2D()(x + 1.0)
    x = layers.Dense(meta["n_classes_"], activation="softmax", dtype="float32")(x)
    return keras.Model(inputs, x)


def sequential(meta):
    """Build a sequential network whose first convolution is frozen."""
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Conv2D(4, 3, trainable=False),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch):
    """Start each test without features."""
    monkeypatch.setattr(_frozen_features, "_cache", _frozen_features._Cache())


@pytest.fixture
def computed(monkeypatch):
    """Return a list of the numbers of images whose features have been computed."""
    numbers = []

    class CountingPredictor(_frozen_features.Predictor):
        def __call__(self, images):
            if self._batch_size == 1:  # computes features
                numbers.append(len(images))
            return super().__call__(images)

    monkeypatch.setattr(_frozen_features, "Predictor", CountingPredictor)
    return numbers


def make_cnn(builder, **params):
    """Return a classifier with parameters of its own and of the builder."""
    params = {"augment": False, "epochs": 4, "random_state": 0} | params
    return CNNClassifier(model=builder, learning_rate=1e-2).set_params(**params)


def without_features(monkeypatch):
    """Run the frozen part in every epoch, as Keras does."""
    monkeypatch.setattr(_frozen, "split_frozen", lambda network: None)


@pytest.mark.parametrize("builder", [nested, flat, with_operations, sequential])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"validation_fraction": 0.25, "early_stopping": True, "patience": 1},
        {"class_weight": "balanced", "average": False, "optimizer": "adamw"},
    ],
)
def test_training_on_features_gives_the_same_weights(
    few, computed, monkeypatch, builder, params
):
    X, y = few.images, few.target
    fast = make_cnn(builder, **params).fit(X, y)
    assert sum(computed) == len(X)
    with monkeypatch.context() as patch:
        without_features(patch)
        slow = make_cnn(builder, **params).fit(X, y)
    assert sum(computed) == len(X)
    assert fast.n_epochs_ == slow.n_epochs_
    for name, values in slow.history_.items():
        np.testing.assert_allclose(fast.history_[name], values, rtol=1e-4)
    for a, b in zip(network_values(fast), network_values(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(fast.predict_proba(X), slow.predict_proba(X), atol=1e-4)


def test_all_fits_and_predictions_of_a_search_share_the_features(few, computed):
    X, y = few.images, few.target
    search = GridSearchCV(
        make_cnn(nested, epochs=1), {"model__units": [4, 8]}, cv=3, n_jobs=1
    )
    search.fit(X, y)
    search.predict(X)
    assert sum(computed) == len(X)


def test_fits_in_other_runs_read_the_features_from_memory(
    few, computed, monkeypatch, tmp_path
):
    X, y = few.images, few.target
    cnn = make_cnn(nested, epochs=1, memory=tmp_path)
    cnn.fit(X[:100], y[:100])
    monkeypatch.setattr(_frozen_features, "_cache", _frozen_features._Cache())
    clone(cnn).set_params(model__units=4).fit(X, y)
    assert sum(computed) == len(X)
    monkeypatch.setattr(_frozen_features, "_cache", _frozen_features._Cache())
    again = clone(cnn).set_params(model__units=5).fit(X, y)
    assert sum(computed) == len(X)
    direct = clone(cnn).set_params(model__units=5, memory=None).fit(X, y)
    assert_same_training(again, direct)


def test_corrupt_file_of_features_is_ignored_with_a_warning(
    few, computed, monkeypatch, tmp_path
):
    X, y = few.images, few.target
    make_cnn(nested, epochs=1, memory=tmp_path).fit(X, y)
    (file,) = tmp_path.rglob("features-*.npz")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    monkeypatch.setattr(_frozen_features, "_cache", _frozen_features._Cache())
    with pytest.warns(UserWarning, match="cannot be read"):
        make_cnn(nested, epochs=2, memory=tmp_path).fit(X, y)
    assert sum(computed) == 2 * len(X)


def test_weights_do_not_depend_on_the_fits_before(few, monkeypatch):
    X, y = few.images, few.target
    first = make_cnn(nested).fit(X, y)
    monkeypatch.setattr(_frozen_features, "_cache", _frozen_features._Cache())
    make_cnn(nested).fit(X[7:90][::-1], y[7:90][::-1]).predict(X[100:131])
    assert_same_training(make_cnn(nested).fit(X, y), first)


def test_features_follow_changed_weights_and_settings(few, computed):
    X, y = few.images, few.target
    cnn = make_cnn(nested).fit(X, y)
    before = cnn.predict_proba(X)
    n_computed = sum(computed)
    backbone = next(m for m in cnn.model_.layers if isinstance(m, keras.Model))
    backbone.set_weights([2 * w for w in backbone.get_weights()])
    changed = cnn.predict_proba(X)
    assert np.abs(changed - before).max() > 1e-3
    expected = cnn.model_.predict(X.astype(np.float32), verbose=0)
    np.testing.assert_allclose(changed, expected, atol=1e-5)
    assert sum(computed) == n_computed + len(X)
    # The weights are the same, but the layer before them is not.
    make_cnn(nested).set_params(model__scale=8.0).fit(X, y)
    assert sum(computed) == n_computed + 2 * len(X)


def test_images_of_another_dtype_have_their_own_features(few, computed):
    X, y = few.images, few.target
    cnn = make_cnn(nested).fit(X, y)
    proba = cnn.predict_proba(X.astype(np.float64))
    np.testing.assert_allclose(proba, cnn.predict_proba(X), atol=1e-5)
    assert sum(computed) == 2 * len(X)


def drawing_at_random(meta):
    """Build a network that contains a frozen network with dropout.

    Keras 3 replaces ``training=False`` when it trains the outer network.
    """
    images = keras.Input(meta["image_shape_"])
    x = keras.layers.Conv2D(2, 3, strides=2)(keras.layers.Dropout(0.5)(images))
    backbone = keras.Model(images, x)
    backbone.trainable = False
    inputs = keras.Input(meta["image_shape_"])
    x = keras.layers.Flatten()(backbone(inputs, training=False))
    x = keras.layers.Dense(meta["n_classes_"], activation="softmax")(x)
    return keras.Model(inputs, x)


def with_a_bypass(meta):
    inputs = keras.Input(meta["image_shape_"])
    x = keras.layers.Conv2D(2, 3, padding="same", trainable=False)(inputs)
    x = keras.layers.Flatten()(keras.layers.Concatenate()([x, inputs]))
    x = keras.layers.Dense(meta["n_classes_"], activation="softmax")(x)
    return keras.Model(inputs, x)


def with_large_features(meta):
    inputs = keras.Input(meta["image_shape_"])
    x = keras.layers.Conv2D(8, 3, padding="same", trainable=False)(inputs)
    x = keras.layers.Conv2D(2, 8)(x)
    x = keras.layers.Dense(meta["n_classes_"], "softmax")(keras.layers.Flatten()(x))
    return keras.Model(inputs, x)


def with_moving_averages(meta):
    """Build a network whose batch normalization has no weights but is updated."""
    inputs = keras.Input(meta["image_shape_"])
    x = keras.layers.Conv2D(1, 3, trainable=False)(inputs)
    x = keras.layers.BatchNormalization(center=False, scale=False)(x)
    x = keras.layers.Dense(meta["n_classes_"], "softmax")(keras.layers.Flatten()(x))
    return keras.Model(inputs, x)


class Negative(keras.layers.Layer):
    def __init__(self, factor):  # without get_config
        super().__init__()
        self.factor = factor

    def call(self, inputs):
        return -self.factor * inputs


def with_own_layer(meta):
    inputs = keras.Input(meta["image_shape_"])
    x = Negative(2)(keras.layers.Conv2D(1, 3, trainable=False)(inputs))
    x = keras.layers.Dense(meta["n_classes_"], "softmax")(keras.layers.Flatten()(x))
    return keras.Model(inputs, x)


def with_lambdas(meta):
    """Build a network whose frozen layers contain lambdas."""
    inputs = keras.Input(meta["image_shape_"])
    x = keras.layers.Lambda(lambda x: x / 16)(inputs)
    kernel = lambda shape, dtype: keras.ops.ones(shape, dtype)  # noqa: E731
    x = keras.layers.Conv2D(1, 3, kernel_initializer=kernel, trainable=False)(x)
    x = keras.layers.Dense(meta["n_classes_"], "softmax")(keras.layers.Flatten()(x))
    return keras.Model(inputs, x)


@pytest.mark.filterwarnings("ignore:The network built by model= can be trained")
@pytest.mark.parametrize(
    ("builder", "n_features"),
    [
        (drawing_at_random, 0),
        (with_large_features, 0),
        (with_a_bypass, 0),
        (with_own_layer, 0),
        (with_lambdas, 0),
        (with_moving_averages, 36),
    ],
)
def test_only_what_training_does_not_change_is_computed_once(
    few, computed, builder, n_features
):
    X, y = few.images, few.target
    cnn = make_cnn(builder, epochs=2).fit(X, y)
    assert sum(computed) == (len(X) if n_features else 0)
    if n_features:
        assert np.prod(cnn._predictor._features._part.feature_shape) == n_features
    expected = cnn.model_.predict(X.astype(np.float32), verbose=0)
    np.testing.assert_allclose(cnn.predict_proba(X), expected, atol=1e-5)


def test_augmented_images_pass_through_the_frozen_part_in_every_epoch(few, computed):
    cnn = make_cnn(nested, epochs=2, augment=True).fit(few.images, few.target)
    assert computed == []
    cnn.predict(few.images)
    assert sum(computed) == len(few.images)


def test_layers_of_the_network_keep_their_outputs(few):
    cnn = make_cnn(flat, epochs=1).fit(few.images, few.target)
    for layer in cnn.model_.layers:
        assert layer.output is not None  # ambiguous if the layer were called twice
    embedding = keras.Model(cnn.model_.inputs, cnn.model_.layers[-2].output)
    assert embedding.predict(few.images[:3], verbose=0).shape == (3, 8)


def test_warm_start_on_features_is_exact(few):
    X, y = few.images, few.target
    whole = make_cnn(nested, epochs=4).fit(X, y)
    parts = make_cnn(nested, epochs=2, warm_start=True).fit(X, y).fit(X, y)
    assert_same_training(whole, parts)


def test_large_arrays_of_features_are_memory_maps(few, monkeypatch):
    X, y = few.images, few.target
    expected = make_cnn(nested).fit(X, y)
    monkeypatch.setattr(_frozen_features, "_MAX_ARRAY_BYTES", 100)
    monkeypatch.setattr(_frozen_features, "_CACHE_BYTES", 1000)
    part = expected._predictor._features._part
    features = _frozen_features.FrozenFeatures(part)
    reader = features(_frozen_features.ImageReader(X, X.shape[1:]))
    assert isinstance(reader.array, np.memmap)
    assert _frozen_features._cache._n_bytes <= 1000
    assert_same_training(make_cnn(nested).fit(X, y), expected)


def test_every_fold_has_its_own_rows(few):
    """Folds in another order, with validation rows, get the features of their rows."""
    X, y = few.images, few.target
    for rows, test_rows in StratifiedKFold(3, shuffle=True, random_state=0).split(X, y):
        cnn = make_cnn(nested, epochs=1).fit(X[rows], y[rows])
        expected = cnn.model_.predict(X[test_rows].astype(np.float32), verbose=0)
        np.testing.assert_allclose(cnn.predict_proba(X[test_rows]), expected, atol=1e-5)
        assert all(np.isfinite(v).all() for v in model_variables(cnn))
