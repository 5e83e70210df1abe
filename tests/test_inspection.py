"""Tests of grad_cam, occlusion and AttributionDisplay."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skcnn import CNNClassifier
from skcnn.display import AttributionDisplay
from skcnn.inspection import grad_cam, occlusion

SIZE, PATCH = 24, 8


def striped_images(n, seed):
    """Generate noise images with a patch of stripes, whose direction is the class.

    Returns the images, the labels and the upper left corner of each patch.
    """
    rng = np.random.default_rng(seed)
    X = rng.integers(90, 166, (n, SIZE, SIZE, 3), dtype=np.uint8)
    y = np.arange(n) % 2
    corners = rng.integers(0, SIZE - PATCH + 1, (n, 2))
    stripes = np.where(np.arange(PATCH) % 4 < 2, 0, 255).astype(np.uint8)
    for image, label, (i, j) in zip(X, y, corners, strict=True):
        patch = image[i : i + PATCH, j : j + PATCH]
        patch[:] = (stripes[:, None] if label else stripes)[..., None]
    return X, np.array(["vertical", "horizontal"])[y], corners


@pytest.fixture(scope="module")
def network():
    X, y, _ = striped_images(300, seed=0)
    return CNNClassifier(
        filters=(8, 16), epochs=12, augment=False, stem_strides=1, random_state=0
    ).fit(X, y)


def share_near_patch(attribution, corners, margin=2):
    """Return the share of the positive attribution that is in or next to the patch."""
    found = np.clip(attribution, 0, None)
    shares = []
    for image, (i, j) in zip(found, corners, strict=True):
        rows = slice(max(0, i - margin), i + PATCH + margin)
        columns = slice(max(0, j - margin), j + PATCH + margin)
        shares.append(image[rows, columns].sum() / image.sum())
    return np.array(shares)


@pytest.mark.parametrize("method", [grad_cam, occlusion])
def test_attribution_is_concentrated_at_the_patch(network, method):
    X, y, corners = striped_images(20, seed=1)
    assert network.score(X, y) > 0.95
    attribution = method(network, X, target=y)
    assert attribution.shape == (20, SIZE, SIZE)
    assert attribution.dtype == np.float32
    # If the attribution were uniform, the share near the patch would be at most a
    # quarter: 12 x 12 of 24 x 24 pixels, or fewer at the borders.
    shares = share_near_patch(attribution, corners)
    assert np.median(shares) > 0.75
    assert (shares > 0.4).mean() > 0.9


def test_grad_cam_matches_finite_differences(network):
    """The weights in the Grad-CAM paper are derivatives of the logits."""
    import keras

    X, _, _ = striped_images(2, seed=2)
    model = network.model_
    names = [layer.name for layer in model.layers]
    last = max(i for i, name in enumerate(names) if "conv" in name) + 2
    layer = model.layers[last]  # after normalization and activation
    first_part = keras.Model(model.inputs[0], layer.output)
    second_part = keras.Sequential(
        [keras.Input(layer.output.shape[1:]), *model.layers[last + 1 :]]
    )
    maps = np.asarray(first_part(X.astype(np.float32)))
    for image, image_maps in enumerate(maps):
        weights = np.empty(maps.shape[-1])
        for channel in range(maps.shape[-1]):
            # Add a constant to the whole map. The derivative with respect to this
            # constant is the sum of the gradient over the map, which is proportional to
            # the mean that Grad-CAM uses.
            step = np.zeros_like(image_maps)
            step[..., channel] = 0.05
            logits = [
                np.log(np.asarray(second_part((image_maps + sign * step)[None])))[0]
                for sign in (1, -1)
            ]
            change = (logits[0] - logits[1]) / 0.1
            k = network.predict_proba(X)[image].argmax()
            weights[channel] = change[k] - change.mean()
        expected = np.maximum((image_maps * weights).sum(axis=-1), 0)
        found = grad_cam(network, X[[image]])[0]
        factor = SIZE // expected.shape[0]
        # For each map pixel, average over the image pixels that it covers.
        found = found.reshape(SIZE // factor, factor, SIZE // factor, factor).mean(
            (1, 3)
        )
        correlation = np.corrcoef(found.ravel(), expected.ravel())[0, 1]
        assert correlation > 0.95


def test_occlusion_is_the_decrease_in_probability(network):
    X, _, _ = striped_images(1, seed=3)
    found = occlusion(network, X, target="vertical", patch_size=12, strides=12)
    classes = list(network.classes_)
    before = network.predict_proba(X)[0, classes.index("vertical")]
    for i in (0, 12):
        for j in (0, 12):
            covered = X.copy()
            covered[0, i : i + 12, j : j + 12] = X[0].mean(axis=(0, 1))
            after = network.predict_proba(covered)[0, classes.index("vertical")]
            assert_allclose(found[0, i : i + 12, j : j + 12], before - after, atol=1e-6)


def test_occlusion_covers_the_borders():
    """Use a classifier whose probability is the mean of all pixels."""

    class BrightnessClassifier(ClassifierMixin, BaseEstimator):
        classes_ = np.array([0, 1])

        def __sklearn_is_fitted__(self):
            return True

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            p = X.reshape(len(X), -1).mean(axis=1)
            return np.column_stack([1 - p, p])

    X = np.zeros((1, 7, 5, 1))
    X[0, 6, 4] = 1
    found = occlusion(BrightnessClassifier(), X, target=1, patch_size=2, strides=2)[0]
    assert np.isfinite(found).all()
    assert np.unravel_index(found.argmax(), found.shape) == (6, 4)
    assert found[6, 4] > 0


def test_occlusion_of_other_classifiers_on_flattened_images(digits):
    pipeline = make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=200))
    pipeline.fit(digits.rows, digits.target)
    found = occlusion(pipeline, digits.rows[:2], image_shape=(8, 8))
    assert found.shape == (2, 8, 8)
    assert (found.max(axis=(1, 2)) > 0).all()
    with pytest.raises(ValueError, match="flattened images"):
        occlusion(pipeline, digits.rows[:2])
    display = AttributionDisplay.from_estimator(
        pipeline, digits.rows[:2], method="occlusion", image_shape=(8, 8)
    )
    assert_array_equal(display.attributions["occlusion"], found)


def test_target_selects_the_class(network):
    X, y, _ = striped_images(4, seed=4)
    predicted = network.predict(X)
    assert_array_equal(grad_cam(network, X), grad_cam(network, X, target=predicted))
    other = grad_cam(network, X, target="vertical")
    assert_array_equal(other, grad_cam(network, X, target=["vertical"] * 4))
    assert not np.array_equal(other, grad_cam(network, X, target="horizontal"))
    with pytest.raises(ValueError, match=r"target with unknown labels \['oblique'\]"):
        grad_cam(network, X, target="oblique")
    with pytest.raises(ValueError, match=r"target of shape \(3,\)"):
        occlusion(network, X, target=y[:3])


def test_grad_cam_does_not_depend_on_batches(network):
    X, _, _ = striped_images(40, seed=5)
    assert_allclose(grad_cam(network, X)[35:], grad_cam(network, X[35:]), atol=1e-4)


def build_with_nested_model(meta, sigmoid=False, logits=False):
    import keras

    layers = keras.layers
    backbone = keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
        ],
        name="backbone",
    )
    images = keras.Input(meta["image_shape_"])
    maps = layers.GlobalAveragePooling2D()(backbone(images))
    activation = None if logits else ("sigmoid" if sigmoid else "softmax")
    outputs = layers.Dense(1 if sigmoid else 2, activation=activation)(maps)
    model = keras.Model(images, outputs)
    if logits:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("variant", ["plain", "sigmoid", "logits"])
def test_grad_cam_of_nested_model(variant):
    X, y, corners = striped_images(300, seed=0)
    settings = {} if variant == "plain" else {f"model__{variant}": True}
    network = CNNClassifier(
        build_with_nested_model, average=False, epochs=12, augment=False, random_state=0
    ).set_params(**settings)
    if variant != "logits":
        network.set_params(learning_rate=1e-2)
    else:
        network.set_params(epochs=30)
    network.fit(X, y)
    assert network.score(X, y) > 0.9
    found = grad_cam(network, X[:20], target=y[:20])
    assert np.median(share_near_patch(found, corners[:20])) > 0.5


def build_without_convolution(meta):
    import keras

    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Flatten(),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def test_grad_cam_layer(network, few, fitted):
    X, _, _ = striped_images(2, seed=6)
    convolutions = [n for n in (x.name for x in network.model_.layers) if "conv" in n]
    assert grad_cam(network, X, layer=convolutions[0]).shape == (2, SIZE, SIZE)
    with pytest.raises(ValueError, match="Got layer='conv9', but expected a layer"):
        grad_cam(network, X, layer="conv9")
    without = CNNClassifier(build_without_convolution, epochs=1).fit(
        few.images, few.target
    )
    with pytest.raises(ValueError, match="no layer that outputs feature maps"):
        grad_cam(without, few.images[:2])


def test_grad_cam_of_searches_and_other_classifiers(few, tiny_cnn):
    search = GridSearchCV(tiny_cnn(epochs=1), {"dropout": [0.1]}, cv=2)
    search.fit(few.images, few.target)
    of_search = grad_cam(search, few.images[:3])
    assert_array_equal(of_search, grad_cam(search.best_estimator_, few.images[:3]))
    rows = LogisticRegression(max_iter=500).fit(few.rows, few.target)
    with pytest.raises(TypeError, match="expected a CNNClassifier"):
        grad_cam(rows, few.images[:3])


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"patch_size": 0}, "Got patch_size=0"),
        ({"patch_size": 25}, "Got patch_size=25, but expected at most 24"),
        ({"strides": 1.5}, "Got strides=1.5"),
    ],
)
def test_occlusion_rejects_invalid_sizes(network, settings, match):
    with pytest.raises(ValueError, match=match):
        occlusion(network, striped_images(1, seed=7)[0], **settings)


# AttributionDisplay


def test_display_of_both_methods(network):
    X, _, _ = striped_images(3, seed=8)
    display = AttributionDisplay.from_estimator(network, X)
    assert display.axes_.shape == (3, 3)
    assert [axes.get_title() for axes in display.axes_[0, 1:]] == [
        "grad-cam",
        "occlusion",
    ]
    proba = network.predict_proba(X)
    for axes, label, row in zip(
        display.axes_[:, 0], network.predict(X), proba, strict=True
    ):
        assert axes.get_title() == f"{label} {row.max():.2f}"
    expected = grad_cam(network, X)
    strength = np.asarray(display.overlays_[1][0].get_array())
    assert_allclose(strength, expected[1] / expected[1].max(), rtol=1e-5)
    assert_allclose(display.overlays_[1][0].get_alpha(), 0.75 * strength, rtol=1e-5)
    for shown, image in zip(display.images_, X, strict=True):
        assert_allclose(shown.get_array(), image / 255, rtol=1e-5)


def test_display_of_one_method(network):
    X, y, _ = striped_images(2, seed=9)
    display = AttributionDisplay.from_estimator(
        network, X, target=y, method="occlusion", display_labels=["H", "V"]
    )
    assert list(display.attributions) == ["occlusion"]
    assert {axes.get_title()[0] for axes in display.axes_[:, 0]} <= {"H", "V"}
    with pytest.raises(ValueError, match="Got 'lime' in method"):
        AttributionDisplay.from_estimator(network, X, method="lime")


def test_display_of_zero_attributions():
    images = np.zeros((1, 4, 4, 1))
    display = AttributionDisplay(images, {"none": np.zeros((1, 4, 4))}).plot()
    assert_array_equal(display.overlays_[0][0].get_array(), np.zeros((4, 4)))
