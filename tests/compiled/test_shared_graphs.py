"""Shared graphs are traced once, bound to each network, and freed at the end."""

import functools
import gc
import pickle

import joblib
import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import compiled_dense_network
from keras import layers
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV, cross_val_score
from tensorflow.python.framework.func_graph import FuncGraph

from skcnn import CNNClassifier
from skcnn._compiled import _cache


def test_search_traces_each_graph_once(few, tiny_cnn, traced_graphs):
    grid = {
        "l2": [1e-4, 1e-2],
        "dropout": [0.1, 0.2],
        "last_dropout": [0.3, 0.4],
        "learning_rate": [1e-3, 1e-2],
        "batch_size": [16, 32],
    }
    estimator = tiny_cnn(filters=(4, 4), epochs=1, class_weight="balanced")
    GridSearchCV(estimator, grid, cv=2).fit(few.images, few.target)
    assert len(traced_graphs) == 2  # training, prediction


def builder(rate=0.2, l2=1e-3):
    network = compiled_dense_network(rate, l2)
    return keras.models.clone_model(network)  # the clone is not compiled


def test_search_over_builder_traces_each_graph_once(few, traced_graphs):
    estimator = CNNClassifier(builder, epochs=1, validation_fraction=0.2)
    grid = {"model__rate": [0.1, 0.4], "model__l2": [1e-3, 1e-2]}
    GridSearchCV(estimator, grid, cv=2).fit(few.images, few.target)
    assert len(traced_graphs) == 3  # training, validation, prediction


def test_unpickled_copies_share_the_graph_of_prediction(
    few, fitted_tiny, traced_graphs
):
    copies = [pickle.loads(pickle.dumps(fitted_tiny)) for _ in range(3)]
    predictions = [copied.predict_proba(few.images) for copied in copies]
    assert len(traced_graphs) == 1
    for proba in predictions:
        assert_array_equal(proba, fitted_tiny.predict_proba(few.images))


def test_numbers_of_a_fit_reach_the_shared_graph(few, tiny_cnn, traced_graphs):
    """The graph was traced with different values of these parameters."""
    X, y = few.images, few.target
    params = {"filters": (4, 4), "dropout": 0.1, "last_dropout": 0.1, "epochs": 1}
    tiny_cnn(**params, l2=1e-4).fit(X, y)
    n_traced = len(traced_graphs)
    assert n_traced > 0
    small = tiny_cnn(**params, l2=1e-4, learning_rate=1e-12).fit(X, y)
    large = tiny_cnn(**params, l2=10.0, learning_rate=1e-12).fit(X, y)
    assert len(traced_graphs) == n_traced
    kernel = np.asarray(small.model_.get_layer("conv_2").kernel)
    penalty = 10 * np.sum(np.square(kernel, dtype=np.float64))
    difference = large.history_["loss"][0] - small.history_["loss"][0]
    assert difference == pytest.approx(penalty, rel=1e-3)

    dropping = tiny_cnn(**params | {"last_dropout": 0.999}, learning_rate=1e-12)
    # This rate drops nearly all features, so the loss must change.
    assert dropping.fit(X, y).history_["loss"][0] != small.history_["loss"][0]


def test_simultaneous_fits_in_threads_do_not_disturb_each_other(few, tiny_cnn):
    estimator = tiny_cnn(last_dropout=0.3, dense_units=8, epochs=3)
    score = functools.partial(
        cross_val_score, estimator, few.images, few.target, cv=4, scoring="neg_log_loss"
    )
    expected = score()
    with joblib.parallel_config("threading", n_jobs=4):
        assert_array_equal(score(), expected)


# Memory


def test_cache_of_graphs_is_bounded(few, tiny_cnn, traced_graphs):
    for units in range(1, 12):
        estimator = tiny_cnn(dense_units=units, epochs=1)
        estimator.fit(few.images, few.target).predict(few.images)
    assert len(_cache._cache) == _cache._CACHE_SIZE < len(traced_graphs) == 22


def test_template_frees_its_variables(few, tiny_cnn, empty_cache):
    tiny_cnn(dense_units=300, epochs=1).fit(few.images, few.target)
    (graph,) = _cache._cache.values()
    handles = graph._graph.captured_inputs
    assert len(handles) > 10
    for handle in handles:
        dtype = handle._handle_data.shape_and_type[0].dtype
        assert tf.size(tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)) == 0


def count_graphs():
    """Count the function graphs in memory."""
    gc.collect()
    return sum(isinstance(thing, FuncGraph) for thing in gc.get_objects())


class CustomNoise(layers.GaussianNoise):
    """A custom layer, which keeps the network from sharing its graph."""


def custom_noise_builder(meta):
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            CustomNoise(0.1),
            layers.Flatten(),
            layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
def test_graphs_that_are_not_shared_are_freed(few, tiny_cnn, optimizer):
    estimators = [
        tiny_cnn(augment=layers.RandomFlip(), optimizer=optimizer, epochs=1),
        CNNClassifier(custom_noise_builder, optimizer=optimizer, epochs=1),
    ]
    before = None
    for estimator in estimators * 3:
        assert estimator.fit(few.images, few.target).n_epochs_ == 1
        for name in ("model_", "_network", "_predictor"):
            delattr(estimator, name)
        if estimator is estimators[1]:
            before = before or count_graphs()
    assert count_graphs() <= before


def test_graphs_that_leave_the_cache_are_freed(few, tiny_cnn, empty_cache):
    before = None
    for n in range(_cache._CACHE_SIZE + 8):
        tiny_cnn(filters=(n + 1,), epochs=1).fit(few.images[:32], few.target[:32])
        if n == _cache._CACHE_SIZE:
            before = count_graphs()
    assert count_graphs() <= before


def test_tracing_leaves_the_optimizer_unchanged(few, tiny_cnn):
    estimator = tiny_cnn(augment=layers.RandomFlip(), epochs=1)
    optimizer = estimator.fit(few.images, few.target).model_.optimizer
    assert "_all_reduce_sum_gradients" not in vars(optimizer)
