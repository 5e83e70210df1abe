"""Fits give the same results if a private API of Keras is missing.

Each test makes a function in ``_utils/_fixes.py`` behave as if an API were missing.
"""

import contextlib
import pickle

import keras
import pytest
from helpers import compiled_dense_network, network_values
from numpy.testing import assert_allclose, assert_array_equal

from skcnn import CNNClassifier
from skcnn._compiled import _cache, _signature, _steps, _template
from skcnn._network import _serialization
from skcnn._utils import _fixes

PARAMS = {
    "filters": (4, 6),
    "dense_units": 8,
    "normalize": True,
    "batch_norm": True,
    "dropout": 0.2,
    "last_dropout": 0.3,
    "l2": 1e-2,
    "average": True,
    "augment": True,
    "class_weight": "balanced",
    "validation_fraction": 0.2,
    "epochs": 2,
}


@pytest.fixture
def normal_fit(few, tiny_cnn, empty_cache):
    """Return a fit that uses all private APIs of Keras, and empty the cache."""
    fitted = tiny_cnn(**PARAMS).fit(few.images, few.target)
    assert len(_cache._cache) == 2  # training and validation
    assert all(_cache._cache.values())
    _cache._cache.clear()
    return fitted


def assert_same_fit(one, other, X, *, rtol, atol=0.0):
    """Check that two fits are equal, bit for bit if both tolerances are 0."""
    assert list(one.history_) == list(other.history_)
    for name, series in one.history_.items():
        assert_allclose(series, other.history_[name], rtol=rtol, err_msg=name)
    for value, expected in zip(network_values(one), network_values(other), strict=True):
        if value.dtype.kind == "f":
            assert_allclose(value, expected, rtol=rtol, atol=atol)
        else:  # step counts and seed states are integers
            assert_array_equal(value, expected)
    assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=rtol, atol=atol)


def test_fit_without_fused_adam(few, tiny_cnn, normal_fit, monkeypatch):
    monkeypatch.setattr(_template, "is_fused_adam_possible", lambda: False)
    fitted = tiny_cnn(**PARAMS).fit(few.images, few.target)
    assert not issubclass(
        _template._optimizer_class(fitted.model_.optimizer), _template._FusedAdam
    )
    assert all(_cache._cache.values())  # graphs are shared as before
    assert_same_fit(fitted, normal_fit, few.images, rtol=2e-4, atol=2e-4)


def test_fit_without_compile_arguments_shares_no_graph(
    few, tiny_cnn, normal_fit, monkeypatch
):
    for module in (_signature, _steps):
        monkeypatch.setattr(module, "compile_arguments", lambda model: None)
    fitted = tiny_cnn(**PARAMS).fit(few.images, few.target)
    assert not _cache._cache
    assert_same_fit(fitted, normal_fit, few.images, rtol=2e-4, atol=2e-4)


def test_fit_without_function_that_is_not_inlined(
    few, tiny_cnn, normal_fit, monkeypatch
):
    monkeypatch.setattr(_steps, "is_noinline_quiet", lambda: False)
    fitted = tiny_cnn(**PARAMS).fit(few.images, few.target)
    assert_same_fit(fitted, normal_fit, few.images, rtol=2e-4, atol=2e-4)


def test_fit_with_gradients_summed_over_devices(few, tiny_cnn, normal_fit, monkeypatch):
    monkeypatch.setattr(_cache, "unreduced_gradients", contextlib.nullcontext)
    fitted = tiny_cnn(**PARAMS).fit(few.images, few.target)
    assert_same_fit(fitted, normal_fit, few.images, rtol=0)


def test_fit_with_names_that_count_upwards(few, tiny_cnn, normal_fit, monkeypatch):
    monkeypatch.setattr(_fixes, "_keras_global_state", lambda: None)
    fitted = tiny_cnn(**PARAMS).fit(few.images, few.target)
    assert_same_fit(fitted, normal_fit, few.images, rtol=0)


def custom_sparse_loss(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


def custom_loss_builder():
    return compiled_dense_network(loss=custom_sparse_loss)


def test_pickling_without_compile_arguments(few, monkeypatch):
    fitted = CNNClassifier(custom_loss_builder, epochs=1, random_state=0)
    fitted.fit(few.images, few.target)
    monkeypatch.setattr(_serialization, "compile_arguments", lambda model: None)
    copied = pickle.loads(pickle.dumps(fitted))
    assert_same_fit(copied, fitted, few.images, rtol=0)
    assert copied.model_.loss is custom_sparse_loss
