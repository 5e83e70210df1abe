import collections

import pytest

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
from skcnn._compiled import _cache, _steps  # noqa: E402


@pytest.fixture
def empty_cache(monkeypatch):
    """No graph is cached from before, and none of this test is cached after it."""
    monkeypatch.setattr(_cache, "_cache", collections.OrderedDict())


@pytest.fixture
def traced_graphs(monkeypatch, empty_cache):
    """List of the input signatures of graphs that are traced, from an empty cache."""
    signatures = []
    trace = _cache.trace

    def recorded(function, signature, *optimizer):
        signatures.append(signature)
        return trace(function, signature, *optimizer)

    monkeypatch.setattr(_cache, "trace", recorded)
    monkeypatch.setattr(_steps, "trace", recorded)
    return signatures


@pytest.fixture
def disable_sharing(monkeypatch):
    """A function after which networks run Keras' ``train_step`` in their own graphs."""

    def disable():
        monkeypatch.setattr(_cache, "graph_signature", lambda network: None)

    return disable
