"""What is told to TensorFlow before it starts."""

from types import SimpleNamespace

import pytest

from skcnn._tensorflow import _let_memory_grow


class Config:
    """`tf.config` of a machine with GPUs, which the tests' machines do not have."""

    def __init__(self, told, running=False):
        self.growth, self.running = dict(told), running
        self.experimental = SimpleNamespace(
            get_memory_growth=self.growth.get, set_memory_growth=self.set_memory_growth
        )

    def list_physical_devices(self, kind):
        assert kind == "GPU"
        return list(self.growth)

    def set_memory_growth(self, gpu, enable):
        if self.running:
            raise RuntimeError("Physical devices cannot be modified")
        self.growth[gpu] = enable


@pytest.mark.parametrize(
    ("told", "settings", "expected"),
    [
        ({}, {}, {}),
        ({"a": None, "b": None}, {}, {"a": True, "b": True}),
        ({"a": False}, {}, {"a": False}),
        ({"a": None}, {"running": True}, {"a": None}),
    ],
    ids=["no GPU", "two", "told otherwise", "running"],
)
def test_memory_of_gpus_grows(told, settings, expected, monkeypatch):
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    config = Config(told, **settings)
    _let_memory_grow(config)
    assert config.growth == expected


def test_memory_of_gpus_as_the_environment_says(monkeypatch):
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    config = Config({"a": None})
    _let_memory_grow(config)
    assert config.growth == {"a": None}
