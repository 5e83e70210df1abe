"""pretrained_cnn: fine-tuning in two stages, resumption, parameters and errors."""

import pickle

import keras
import numpy as np
import pytest
from helpers import assert_same_training, assert_same_weights
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier, pretrained_cnn
from skcnn._network import _pretrained
from skcnn.datasets import make_scenes
from skcnn.inspection import grad_cam, occlusion


@pytest.fixture(scope="module")
def scenes():
    return make_scenes(40, image_size=32, random_state=0)


@pytest.fixture
def small_backbone(monkeypatch):
    """Replace all pretrained networks with a small network."""

    def build_backbone(name, image_shape, weights):
        layers = keras.layers
        images = keras.Input(image_shape)
        x = layers.Rescaling(1 / 255)(images)
        x = layers.Conv2D(6, 3, strides=4, name="first")(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.5, name="norm")(x))
        x = layers.Conv2D(8, 3, activation="relu", name="second")(x)
        return keras.Model(images, x)

    monkeypatch.setattr(_pretrained, "build_backbone", build_backbone)


def small_cnn(**params):
    params = {"random_state": 0, "epochs": 5, "model__head_epochs": 2} | params
    return pretrained_cnn(learning_rate=1e-2, **params)


def backbone_weights(cnn, name=None):
    layer = cnn.model_.get_layer("backbone")
    layer = layer if name is None else layer.get_layer(name)
    return [w.copy() for w in layer.get_weights()]


def differs(a, b):
    return [not np.array_equal(x, y) for x, y in zip(a, b, strict=True)]


# The bundled network


@pytest.fixture(scope="module")
def fine_tuned(scenes):
    cnn = pretrained_cnn(epochs=4, batch_size=16, model__head_epochs=2, random_state=0)
    return cnn.fit(scenes.images, scenes.target)


def test_fine_tuning_the_bundled_network(fine_tuned, scenes):
    assert isinstance(fine_tuned, CNNClassifier)
    assert {name: len(v) for name, v in fine_tuned.history_.items()} == {
        "loss": 4,
        "accuracy": 4,
    }
    proba = fine_tuned.predict_proba(scenes.images)
    expected = fine_tuned.model_.predict(scenes.images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(proba, expected, atol=1e-5)
    assert fine_tuned.score(scenes.images, scenes.target) > 0.6


def test_displays_of_a_fine_tuned_network(fine_tuned, scenes):
    images = scenes.images[:2]
    for method in (grad_cam, occlusion):
        maps = method(fine_tuned, images)
        assert maps.shape == (2, 32, 32)
        assert np.isfinite(maps).all()
        assert np.ptp(maps) > 0


def test_pickled_fine_tuned_network_continues_in_the_same_way(fine_tuned, scenes):
    copied = pickle.loads(pickle.dumps(fine_tuned))
    np.testing.assert_array_equal(
        copied.predict_proba(scenes.images), fine_tuned.predict_proba(scenes.images)
    )
    other = pickle.loads(pickle.dumps(fine_tuned))
    for cnn in (copied, other):
        cnn.partial_fit(scenes.images, scenes.target)
    assert_same_training(copied, other)
    assert float(copied.model_.optimizer.learning_rate) == pytest.approx(1e-4)


def test_a_frozen_bundled_network_is_a_classifier_on_its_features(scenes):
    from skcnn import CNNFeatures

    cnn = pretrained_cnn(model__trainable=False, epochs=2, random_state=0)
    cnn.fit(scenes.images, scenes.target)
    features = CNNFeatures().fit_transform(scenes.images)
    layer = cnn.model_.layers[-1]
    logits = features @ layer.get_weights()[0] + layer.get_weights()[1]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(cnn.predict_proba(scenes.images), expected, atol=1e-4)


def test_grayscale_images_and_bfloat16(scenes):
    cnn = pretrained_cnn(
        model__trainable=False, epochs=1, precision="bfloat16", random_state=0
    )
    gray = scenes.images.mean(axis=-1).astype(np.uint8)
    proba = cnn.fit(gray, scenes.target).predict_proba(gray)
    assert proba.shape == (40, 5)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_weights_of_an_application_by_path(scenes, tmp_path):
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=(128, 128, 3)
    )
    path = tmp_path / "small.weights.h5"
    network.save_weights(path)
    cnn = pretrained_cnn(
        "MobileNetV3Small",
        model__weights=path,
        model__trainable=False,
        epochs=1,
        random_state=0,
    ).fit(scenes.images, scenes.target)
    for expected, weights in zip(
        network.get_weights(), backbone_weights(cnn), strict=True
    ):
        np.testing.assert_array_equal(expected, weights)


# Two stages


@pytest.mark.parametrize("augment", [False, True])
def test_the_head_is_trained_first(small_backbone, scenes, augment):
    X, y = scenes.images, scenes.target
    initial, head_only, whole = (
        small_cnn(epochs=epochs, augment=augment, max_time=max_time).fit(X, y)
        for epochs, max_time in ((1, None), (2, None), (3, None))
    )
    assert differs(backbone_weights(initial), backbone_weights(head_only)) == [
        False
    ] * len(backbone_weights(initial))
    assert differs(
        initial.model_.layers[-1].get_weights(),
        head_only.model_.layers[-1].get_weights(),
    ) == [True, True]
    # The kernels and biases change, but not batch normalization.
    assert differs(backbone_weights(head_only), backbone_weights(whole)) == [
        *(True, True),
        *(False, False, False, False),
        *(True, True),
    ]
    assert head_only.history_["loss"] == whole.history_["loss"][:2]


def test_rates_of_the_stages(small_backbone, scenes):
    cnn = small_cnn(model__rate_factor=0.5).fit(scenes.images, scenes.target)
    first = cnn._network.first_network.model.optimizer
    assert float(first.learning_rate) == pytest.approx(1e-2)
    assert int(first.iterations) == 2 * 2
    assert float(cnn.model_.optimizer.learning_rate) == pytest.approx(5e-3)
    assert int(cnn.model_.optimizer.iterations) == 3 * 2
    cnn.set_params(learning_rate=1e-3, warm_start=True, epochs=1)
    cnn.fit(scenes.images, scenes.target)
    assert float(cnn.model_.optimizer.learning_rate) == pytest.approx(5e-4)


@pytest.mark.parametrize("n_before", [1, 2, 3])
@pytest.mark.parametrize("augment", [False, True])
def test_training_resumes_in_any_stage(
    small_backbone, scenes, tmp_path, n_before, augment
):
    X, y = scenes.images, scenes.target
    whole = small_cnn(augment=augment).fit(X, y)
    stored = small_cnn(augment=augment, memory=tmp_path)
    clone(stored).set_params(epochs=n_before).fit(X, y)
    assert_same_training(clone(stored).fit(X, y), whole)
    parts = small_cnn(augment=augment, epochs=n_before, warm_start=True).fit(X, y)
    parts = pickle.loads(pickle.dumps(parts))
    parts.set_params(epochs=5 - n_before).fit(X, y)
    assert_same_training(parts, whole)
    again = small_cnn(augment=augment).fit(X, y)
    assert_same_training(again, whole)


def test_callbacks_set_the_rates_of_both_stages(small_backbone, scenes):
    class Recorder(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))
            self.model.optimizer.learning_rate = 1e-12

    rates = []
    X, y = scenes.images, scenes.target
    initial = small_cnn(average=False, callbacks=[Recorder()], epochs=1).fit(X, y)
    rates.clear()
    cnn = small_cnn(average=False, callbacks=[Recorder()], epochs=4).fit(X, y)
    np.testing.assert_allclose(rates, [1e-2, 1e-12, 1e-3, 1e-12], rtol=1e-6)
    for a, b in zip(
        initial.model_.get_weights(), cnn.model_.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_without_head_epochs_all_layers_are_trained_at_once(small_backbone, scenes):
    cnn = small_cnn(model__head_epochs=0, epochs=1).fit(scenes.images, scenes.target)
    assert float(cnn.model_.optimizer.learning_rate) == pytest.approx(1e-3)
    assert int(cnn.model_.optimizer.iterations) == 2
    cnn = small_cnn(model__head_epochs=0, epochs=2).fit(scenes.images, scenes.target)
    assert int(cnn.model_.optimizer.iterations) == 4


def test_batch_normalization_is_trained_on_request(small_backbone, scenes):
    X, y = scenes.images, scenes.target
    initial = small_cnn(epochs=1, model__train_batch_norm=True).fit(X, y)
    trained = small_cnn(epochs=3, model__train_batch_norm=True).fit(X, y)
    assert all(differs(backbone_weights(initial), backbone_weights(trained)))


@pytest.mark.parametrize("trainable", ["second", 5, -1])
def test_training_from_a_layer_on(small_backbone, scenes, trainable):
    X, y = scenes.images, scenes.target
    initial = small_cnn(epochs=1).fit(X, y)
    cnn = small_cnn(epochs=4, model__trainable=trainable).fit(X, y)
    for name, changes in (("first", False), ("second", True)):
        assert differs(
            backbone_weights(initial, name), backbone_weights(cnn, name)
        ) == [
            changes,
            changes,
        ]


def test_early_stopping_weights_and_validation(small_backbone, scenes):
    X, y = scenes.images, scenes.target
    weight = np.r_[0.0, np.ones(39)]
    params = {
        "validation_fraction": 0.25,
        "early_stopping": True,
        "patience": 2,
        "class_weight": "balanced",
        "epochs": 8,
    }
    cnn = small_cnn(**params).fit(X, y, sample_weight=weight)
    assert len(cnn.history_["val_loss"]) == cnn.n_epochs_
    assert_same_weights(small_cnn(**params).fit(X, y, sample_weight=weight), cnn)


def test_search_over_the_parameters_of_the_network(small_backbone, scenes):
    grid = {
        "model__trainable": [False, True],
        "model__units": [None, 8],
        "model__dropout": [0.0, 0.2],
        "model__pooling": ["avg", "max"],
    }
    search = GridSearchCV(small_cnn(epochs=3), grid, cv=2).fit(
        scenes.images, scenes.target
    )
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    units = [
        layer.units
        for layer in search.best_estimator_.model_.layers[2:]
        if hasattr(layer, "units")
    ]
    assert units == [n for n in (search.best_params_["model__units"], 5) if n]


def test_parameters_and_their_names():
    cnn = pretrained_cnn("MobileNetV3Small", model__units=(32, 16), epochs=2)
    assert cnn.get_params()["model__backbone"] == "MobileNetV3Small"
    assert cnn.get_params()["model__units"] == (32, 16)
    assert (cnn.epochs, cnn.augment, cnn.learning_rate) == (2, False, 1e-3)
    copied = clone(cnn).set_params(model__trainable="stem")
    assert copied.get_params()["model__trainable"] == "stem"
    assert pickle.loads(pickle.dumps(cnn)).get_params()["model__units"] == (32, 16)


# Errors


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"backbone": "efficientnet_lite"}, "Did you mean 'efficientnet_lite0'"),
        ({"model__trainable": "stem_con"}, "Did you mean 'stem_conv'"),
        ({"model__trainable": 10_000}, "model__trainable=10000, but expected True"),
        ({"model__weights": "no.h5"}, "weights='no.h5', but there is no such file"),
        ({"model__head_epochs": -1}, "model__head_epochs=-1"),
        ({"model__head_epochs": 1.5}, "model__head_epochs=1.5"),
        ({"model__rate_factor": 0}, "model__rate_factor=0"),
        ({"model__dropout": 1.0}, "model__dropout=1.0"),
        ({"model__pooling": None}, "model__pooling=None"),
        ({"model__trainble": True}, "Did you mean 'model__trainable'"),
        (
            {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 10)},
            "fine-tuning needs a number",
        ),
    ],
)
def test_invalid_parameters(scenes, params, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        pretrained_cnn(**params).fit(scenes.images, scenes.target)


def test_images_with_ten_channels(scenes):
    images = np.zeros((40, 32, 32, 10), np.uint8)
    with pytest.raises(ValueError, match="10 channels"):
        pretrained_cnn().fit(images, scenes.target)
