"""Process-wide switches of Keras and TensorFlow, which must not change fits."""

import contextlib
import json
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from helpers import same_arrays
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier
from skcnn._compiled import _cache
from skcnn._utils._tensorflow import import_tensorflow

tf = import_tensorflow()
import keras  # noqa: E402


@pytest.fixture
def empty_graph_cache(monkeypatch):
    """Start with an empty cache of graphs, and restore the old cache afterwards."""
    monkeypatch.setattr(_cache, "_cache", type(_cache._cache)())


@contextlib.contextmanager
def dtype_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
        assert keras.config.dtype_policy().name == name
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def setting(get, set_, value):
    """Change a setting and check afterwards that it is still changed."""
    before = get()
    set_(value)
    try:
        yield
        assert get() == value
    finally:
        set_(before)


def keras_setting(name, value):
    getter = getattr(keras.config, name)
    return setting(getter, getattr(keras.config, f"set_{name}"), value)


def run_eagerly():
    config = tf.config
    return setting(config.functions_run_eagerly, config.run_functions_eagerly, True)


@contextlib.contextmanager
def random_seed():
    keras.utils.set_random_seed(7)
    try:
        yield
        # The state of Python's generator must be the same as right after seeding.
        assert random.random() == random.Random(7).random()
    finally:
        tf.random.set_seed(None)


@contextlib.contextmanager
def flag(is_on, switch_off, switch_on):
    """Switch a feature off and check afterwards that it is still off."""
    before = is_on()
    switch_off()
    try:
        yield
        assert not is_on()
    finally:
        if before:
            switch_on()


def traceback_filtering():
    config = keras.config
    return flag(
        config.is_traceback_filtering_enabled,
        config.disable_traceback_filtering,
        config.enable_traceback_filtering,
    )


def interactive_logging():
    config = keras.config
    return flag(
        config.is_interactive_logging_enabled,
        config.disable_interactive_logging,
        config.enable_interactive_logging,
    )


@contextlib.contextmanager
def unsafe_deserialization():
    from keras.src.saving import serialization_lib

    keras.config.enable_unsafe_deserialization()
    try:
        yield
        assert serialization_lib.in_safe_mode() is False
    finally:
        keras.src.backend.common.global_state.set_global_attribute(
            "safe_mode_saving", True
        )


@contextlib.contextmanager
def layout_optimizer():
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"layout_optimizer": False})
    try:
        yield
        changed = tf.config.optimizer.get_experimental_options()
        assert changed["layout_optimizer"] is False
    finally:
        tf.config.optimizer.set_experimental_options(
            {"layout_optimizer": True} | options
        )


def jit():
    optimizer = tf.config.optimizer
    return setting(optimizer.get_jit, optimizer.set_jit, "autoclustering")


def tensor_float_32():
    experimental = tf.config.experimental
    return setting(
        experimental.tensor_float_32_execution_enabled,
        experimental.enable_tensor_float_32_execution,
        False,
    )


SWITCHES = {
    "mixed_float16": lambda: dtype_policy("mixed_float16"),
    "float64 policy": lambda: dtype_policy("float64"),
    "mixed_bfloat16": lambda: dtype_policy("mixed_bfloat16"),
    "floatx float64": lambda: keras_setting("floatx", "float64"),
    "floatx float16": lambda: keras_setting("floatx", "float16"),
    "epsilon": lambda: keras_setting("epsilon", 1e-2),
    "channels_first": lambda: keras_setting("image_data_format", "channels_first"),
    "eager functions": run_eagerly,
    "random seed": random_seed,
    "traceback filtering": traceback_filtering,
    "interactive logging": interactive_logging,
    "unsafe deserialization": unsafe_deserialization,
    "jit": jit,
    "layout optimizer": layout_optimizer,
    "tensor float 32": tensor_float_32,
    "name scope": lambda: keras.name_scope("outer"),
    "device": lambda: tf.device("/CPU:0"),
}


@pytest.fixture(scope="module")
def built_in():
    """Return a small built-in network with all layers and options that have a state."""
    return CNNClassifier(
        filters=(4,),
        epochs=1,
        batch_size=64,
        random_state=0,
    )


def results(estimator, X):
    """Return the weights and the probabilities."""
    return [*estimator.model_.get_weights(), estimator.predict_proba(X)]


@pytest.fixture(scope="module")
def expected(few, built_in):
    """Return the results of the built-in network without any switch."""
    return results(built_in.fit(few.images, few.target), few.images)


@pytest.mark.usefixtures("empty_graph_cache")
@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_changes_nothing_with_an_empty_cache(few, built_in, expected, switch):
    with SWITCHES[switch]():
        estimator = built_in.fit(few.images, few.target)
        assert same_arrays(results(estimator, few.images), expected)
        assert type(estimator.model_.optimizer) is keras.optimizers.Adam
        copied = pickle.loads(pickle.dumps(estimator))
        assert same_arrays(results(copied, few.images), expected)
    # Graphs traced with the switch give the same results without it.
    assert same_arrays(results(copied, few.images), expected)
    again = built_in.fit(few.images, few.target)
    assert same_arrays(results(again, few.images), expected)


@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_changes_nothing_with_a_filled_cache(few, built_in, expected, switch):
    with SWITCHES[switch]():
        estimator = built_in.fit(few.images, few.target)
        assert same_arrays(results(estimator, few.images), expected)
        assert type(estimator.model_.optimizer) is keras.optimizers.Adam


@pytest.mark.parametrize(
    "switch", ["mixed_float16", "floatx float64", "channels_first", "eager functions"]
)
def test_search_under_a_switch(few, built_in, switch):
    grid = {"learning_rate": [1e-5, 1e-2]}
    search = GridSearchCV(built_in, grid, cv=2, error_score="raise")
    without = search.fit(few.images, few.target).cv_results_["mean_test_score"]
    with SWITCHES[switch]():
        search.fit(few.images, few.target)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], without)


def convolutional_builder(meta):
    """Build a network that leaves the data format to Keras."""
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def test_builder_under_channels_first(few):
    """Images are passed with channels last, so the layers must expect this format."""
    estimator = CNNClassifier(
        convolutional_builder, epochs=6, learning_rate=1e-2, random_state=0
    )
    proba = estimator.fit(few.images, few.target).predict_proba(few.images)
    assert estimator.score(few.images, few.target) > 0.9
    with SWITCHES["channels_first"]():
        estimator.fit(few.images, few.target)
        assert estimator.model_.layers[1].data_format == "channels_last"
        np.testing.assert_array_equal(estimator.predict_proba(few.images), proba)
        copied = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copied.predict_proba(few.images), proba)


@pytest.mark.parametrize("floatx", ["float64", "float16"])
def test_builder_follows_floatx(few, floatx):
    with SWITCHES[f"floatx {floatx}"]():
        estimator = CNNClassifier(convolutional_builder, epochs=2, random_state=0)
        estimator.fit(few.images, few.target)
        assert np.isfinite(estimator.history_["loss"]).all()
        assert estimator.predict_proba(few.images).dtype == np.float64


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.distribute.MirroredStrategy(["/CPU:0"]),
        lambda: tf.distribute.OneDeviceStrategy("/CPU:0"),
    ],
    ids=["MirroredStrategy", "OneDeviceStrategy"],
)
def test_scope_of_a_strategy_is_refused(few, tiny_cnn, make):
    strategy = make()
    match = rf"scope of a tf\.distribute\.{type(strategy).__name__}.*outside.*n_jobs"
    estimator = tiny_cnn()
    with strategy.scope(), pytest.raises(RuntimeError, match=match):
        estimator.fit(few.images, few.target)
    assert not hasattr(estimator, "model_")


def test_graph_is_refused(few, tiny_cnn):
    estimator = tiny_cnn()
    match = r"needs eager execution.*tf\.function or a tf\.Graph"
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match=match):
        estimator.fit(few.images, few.target)
    assert not hasattr(estimator, "model_")


# Switches that must be set in a new process

FIT = """
import json
from sklearn.datasets import load_digits
from skcnn import CNNClassifier

X, y = load_digits(return_X_y=True)
X, y = X[:160].reshape(-1, 8, 8, 1), y[:160] % 4
cnn = CNNClassifier(filters=(4,), epochs=2, batch_size=64, random_state=0)
fits = [cnn.fit(X, y).predict_proba(X).tolist() for _ in range(n_fits)]
print(json.dumps(fits))
"""

DETERMINISTIC = """
import tensorflow as tf
import keras
keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()
"""


def run(code, n_fits=1, **variables):
    return subprocess.run(
        [sys.executable, "-P", "-c", f"n_fits = {n_fits}\n{code}"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )


def probabilities(code, n_fits=1, **variables):
    done = run(code, n_fits, **variables)
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def plain_probabilities():
    """Return the probabilities of the same fit in this process."""
    variables = {"n_fits": 1}
    exec(FIT, variables)
    return np.array(variables["fits"])


@pytest.mark.slow
def test_legacy_keras_switch(plain_probabilities):
    with_switch = probabilities(FIT, TF_USE_LEGACY_KERAS="1")
    np.testing.assert_array_equal(with_switch, plain_probabilities)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backend_is_refused(backend):
    done = run(FIT, KERAS_BACKEND=backend)
    assert done.returncode
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("ImportError: skcnn trains with TensorFlow, but")
    assert "Unset the environment variable KERAS_BACKEND" in last


@pytest.mark.slow
def test_op_determinism(plain_probabilities):
    first, second = probabilities(DETERMINISTIC + FIT, n_fits=2)
    np.testing.assert_array_equal(second, first)
    np.testing.assert_allclose(first, plain_probabilities[0], rtol=1e-4)
