import collections

import pytest

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
from skcnn._compiled import _cache, _steps  # noqa: E402


@pytest.fixture
def empty_cache(monkeypatch):
    """Start with an empty cache of graphs, and restore the old cache afterwards."""
    monkeypatch.setattr(_cache, "_cache", collections.OrderedDict())


@pytest.fixture
def traced_graphs(monkeypatch, empty_cache):
    """Start with an empty cache, and record the signature of each traced graph."""
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
    """Return a function that makes each network trace Keras' ``train_step`` itself."""

    def disable():
        monkeypatch.setattr(_cache, "graph_signature", lambda network: None)

    return disable
