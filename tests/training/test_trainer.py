"""Training by epochs: steps, order, chunks, history and precision."""

import tracemalloc

import numpy as np
import pytest
from helpers import STOCHASTIC, assert_same_training
from sklearn.utils.class_weight import compute_sample_weight

from skcnn._fit import NETWORK_PARAMS
from skcnn._network._builder import build_cnn
from skcnn._training import _trainer
from skcnn._training._data import ArrayDataset, ImageReader, split_rows
from skcnn._training._input_statistics import InputStatistics
from skcnn._utils._random import SHUFFLE, SPLIT, WEIGHTS, draw_seed, seed_sequence
from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402

BATCH_NORM = {"batch_norm": True, "pooling": "avg", "label_smoothing": 0.1}


@pytest.mark.parametrize(
    ("weighted", "changed"),
    [(False, {}), (True, {}), (False, BATCH_NORM)],
    ids=["plain", "weighted", "batch-norm"],
)
def test_training_steps_match_keras_model_fit(few, tiny_cnn, weighted, changed):
    X, y = few.images, few.target
    weight = np.linspace(0.5, 2, len(X)) if weighted else None
    settings = {"filters": (4, 6), "dense_units": 8, "l2": 1e-2, "normalize": True}
    settings |= changed
    estimator = tiny_cnn(**settings, epochs=3, batch_size=24)
    estimator.fit(X, y, sample_weight=weight)

    seed = draw_seed(0)
    network = build_cnn(
        {
            "image_shape_": (8, 8, 1),
            "n_classes_": 4,
            "input_rescaling_": InputStatistics()
            .update(ImageReader(X, (8, 8, 1)), np.arange(len(X)))
            .rescaling(),
        },
        **{name: getattr(estimator, name) for name in NETWORK_PARAMS},
        dtype="float32",
        seed=seed_sequence(seed, WEIGHTS),
    )
    network.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss="sparse_categorical_crossentropy"
        if not changed
        else keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=["accuracy"],
    )
    target = y if not changed else np.eye(4)[y]
    history = {"loss": [], "accuracy": []}
    for epoch in range(3):
        rng = np.random.default_rng(seed_sequence(seed, SHUFFLE, epoch))
        order = rng.permutation(len(X))
        logs = network.fit(
            X[order].astype(np.float32),
            target[order],
            sample_weight=weight[order] if weighted else None,
            batch_size=24,
            shuffle=False,
            verbose=0,
        ).history
        for name, (value,) in logs.items():
            history[name].append(value)
    assert list(estimator.history_) == list(history)
    for name in history:
        np.testing.assert_allclose(estimator.history_[name], history[name], rtol=1e-5)
    for actual, desired in zip(
        estimator.model_.get_weights(), network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(actual, desired, rtol=1e-4, atol=1e-5)


def test_each_epoch_is_a_new_permutation_of_all_images(few, tiny_cnn, monkeypatch):
    orders = []
    original = ArrayDataset.chunks

    def recorded(self, order, chunk_size):
        orders.append(tuple(order))
        return original(self, order, chunk_size)

    monkeypatch.setattr(ArrayDataset, "chunks", recorded)
    tiny_cnn(epochs=3).fit(few.images, few.target)
    assert all(sorted(order) == list(range(len(few.images))) for order in orders)
    assert len(orders) == len(set(orders)) == 3


def test_chunk_size_does_not_change_results(few, tiny_cnn, stochastic_fit, monkeypatch):
    monkeypatch.setattr(_trainer, "_CHUNK_BYTES", 2 * 32 * 64)  # two batches
    in_chunks = tiny_cnn(**STOCHASTIC, epochs=2).fit(few.images, few.target)
    assert_same_training(in_chunks, stochastic_fit)


def test_images_are_read_in_chunks(tmp_path, tiny_cnn, monkeypatch):
    """Neither memory maps nor uint8 arrays are copied as a whole."""
    monkeypatch.setattr(_trainer, "_CHUNK_BYTES", 2**20)
    shape, size = (3000, 64, 64, 3), 3000 * 64 * 64 * 3
    X = np.memmap(tmp_path / "images", dtype=np.uint8, mode="w+", shape=shape)
    y = np.arange(3000) % 2
    X[y == 1] = 200
    X.flush()
    estimator = tiny_cnn(stem_strides=16, epochs=2, batch_size=64)
    estimator.fit(X[:200], y[:200])  # fill caches before measuring memory
    for images in (
        np.memmap(tmp_path / "images", np.uint8, "r", 0, shape),
        np.array(X),
    ):
        tracemalloc.start()
        try:
            estimator.fit(images, y)
            proba = estimator.predict_proba(images)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < size / 3
        assert np.mean(proba.argmax(axis=1) == y) == 1


def test_history_has_one_float_per_epoch(few, tiny_cnn, fitted_tiny, stochastic_fit):
    assert set(fitted_tiny.history_) == {"loss", "accuracy"}
    assert set(stochastic_fit.history_) == {
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
    }
    for estimator, n_epochs in ((fitted_tiny, 5), (stochastic_fit, 2)):
        assert estimator.n_epochs_ == n_epochs
        for series in estimator.history_.values():
            assert len(series) == n_epochs
            assert all(type(value) is float for value in series)
    assert fitted_tiny.history_["loss"][-1] < fitted_tiny.history_["loss"][0]


def test_history_has_nan_for_epochs_without_validation(few, tiny_cnn):
    X, y = few.images, few.target
    estimator = tiny_cnn(epochs=1, warm_start=True).fit(X, y)
    estimator.set_params(validation_fraction=0.2).fit(X, y).partial_fit(X, y)
    assert {len(series) for series in estimator.history_.values()} == {3}
    is_finite = np.isfinite(estimator.history_["val_loss"]).tolist()
    assert is_finite == [False, True, False]


def test_validation_scores_are_computed_on_held_out_images(few, stochastic_fit):
    """Validation uses no augmentation and no dropout, but it uses class weights."""
    y_encoded = np.searchsorted(stochastic_fit.classes_, few.target)
    seed = stochastic_fit._seed
    _, rows = split_rows(np.arange(160), y_encoded, 0.2, seed_sequence(seed, SPLIT))
    proba = stochastic_fit.predict_proba(few.images[rows])
    weight = compute_sample_weight("balanced", few.target)[rows]
    smoothed = 0.9 * np.eye(4)[y_encoded[rows]] + 0.1 / 4
    losses = -np.sum(smoothed * np.log(proba), axis=1) * weight
    penalty = sum(float(loss) for loss in stochastic_fit.model_.losses)
    expected = losses.mean() + penalty
    assert stochastic_fit.history_["val_loss"][-1] == pytest.approx(expected, rel=1e-4)
    accuracy = np.mean(proba.argmax(axis=1) == y_encoded[rows])
    assert stochastic_fit.history_["val_accuracy"][-1] == pytest.approx(accuracy)


def test_bfloat16_learns_reproducibly(few, tiny_cnn):
    estimators = [
        tiny_cnn(precision="bfloat16", epochs=8).fit(few.images, few.target)
        for _ in range(2)
    ]
    assert_same_training(*estimators)
    policies = {layer.dtype_policy.name for layer in estimators[0].model_.layers[1:]}
    assert policies == {"mixed_bfloat16", "float32"}
    proba = estimators[0].predict_proba(few.images)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    assert estimators[0].score(few.images, few.target) > 0.8
