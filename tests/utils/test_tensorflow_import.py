"""TensorFlow settings that skcnn changes before TensorFlow starts."""

from types import SimpleNamespace

import pytest

from skcnn._utils._tensorflow import _let_memory_grow


class FakeConfig:
    """A fake `tf.config` with GPUs, so that the tests do not need any."""

    def __init__(self, growth, is_running=False):
        self.growth, self.is_running = dict(growth), is_running
        self.experimental = SimpleNamespace(
            get_memory_growth=self.growth.get, set_memory_growth=self.set_memory_growth
        )

    def list_physical_devices(self, kind):
        assert kind == "GPU"
        return list(self.growth)

    def set_memory_growth(self, gpu, enable):
        if self.is_running:
            raise RuntimeError("Physical devices cannot be modified")
        self.growth[gpu] = enable


@pytest.mark.parametrize(
    ("growth", "params", "expected"),
    [
        ({}, {}, {}),
        ({"a": None, "b": None}, {}, {"a": True, "b": True}),
        ({"a": False}, {}, {"a": False}),
        ({"a": None}, {"is_running": True}, {"a": None}),
    ],
    ids=["no GPU", "two GPUs", "set by the user", "TensorFlow runs already"],
)
def test_memory_growth_of_gpus(growth, params, expected, monkeypatch):
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    config = FakeConfig(growth, **params)
    _let_memory_grow(config)
    assert config.growth == expected


def test_memory_growth_set_by_environment_is_kept(monkeypatch):
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    config = FakeConfig({"a": None})
    _let_memory_grow(config)
    assert config.growth == {"a": None}
