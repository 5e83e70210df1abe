"""Constants, networks and comparison functions shared by several test modules.

Keras is imported inside the functions that need it, because many tests do not need it.
"""

import contextlib
import functools
import json

import numpy as np
import pytest

from skcnn import CNNClassifier
from skcnn._fit import NETWORK_PARAMS

# Plain gradient descent on cross-entropy, with all other features switched off.
PLAIN = {
    "batch_norm": False,
    "pooling": None,
    "label_smoothing": 0.0,
    "average": False,
    "augment": False,
}

# These settings enable every feature that is random or stateful during training.
STOCHASTIC = {
    "filters": (4, 6),
    "dense_units": 8,
    "normalize": True,
    "dropout": 0.2,
    "last_dropout": 0.3,
    "l2": 1e-3,
    "augment": True,
    "validation_fraction": 0.2,
    "class_weight": "balanced",
    "batch_norm": True,
    "pooling": "avg",
    "label_smoothing": 0.1,
    "average": True,
}

# Settings from the reference notebook that all three presets share.
PRESET = {
    "batch_norm": False,
    "pooling": None,
    "label_smoothing": 0.0,
    "learning_rate": 1e-3,
    "average": False,
}

preset_cnn = functools.partial(
    CNNClassifier,
    **PRESET,
    filters=(32, 64, 128, 256, 512),
    stem_strides=1,
    dense_units=256,
    dropout=0.3,
    last_dropout=0.4,
)


# Networks


def build_network(estimator, image_shape=(150, 150, 3), n_classes=5, dtype="float32"):
    """Return the network that `estimator` would train, with its initial weights."""
    from skcnn._network._builder import build_cnn
    from skcnn._utils._tensorflow import import_tensorflow

    import_tensorflow()
    n_channels = image_shape[-1]
    meta = {
        "image_shape_": image_shape,
        "n_classes_": n_classes,
        "input_rescaling_": ([1.0] * n_channels, [0.0] * n_channels),
    }
    params = {name: getattr(estimator, name) for name in NETWORK_PARAMS}
    seed = np.random.SeedSequence(0)
    return build_cnn(meta, **params, dtype=dtype, seed=seed)


def layers_of_type(network, name):
    """Return the layers whose class has this name."""
    return [layer for layer in network.layers if type(layer).__name__ == name]


def dense_network(image_shape, n_outputs, activation, units=8):
    """Return a small, uncompiled network."""
    import keras

    return keras.Sequential(
        [
            keras.Input(image_shape),
            keras.layers.Rescaling(1 / 16),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(n_outputs, activation=activation),
        ]
    )


def dense_builder(meta, units=16):
    """Build a small network. Pass this function as `model=`."""
    return dense_network(meta["image_shape_"], meta["n_classes_"], "softmax", units)


def fixed_builder():
    """Build a network for `few` without taking any arguments."""
    return dense_network((8, 8, 1), 4, "softmax", 16)


def compiling_builder(
    meta, loss="sparse_categorical_crossentropy", activation="softmax"
):
    """Build and compile a network."""
    import keras

    model = dense_network(meta["image_shape_"], meta["n_classes_"], activation, 16)
    model.compile(
        optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"]
    )
    return model


def open_ended_builder(meta, **kwargs):
    """Build a network, accepting parameters with any name."""
    return dense_builder(meta, **kwargs)


def small_builder(meta, units=6):
    """Build a network without seeds, so that it depends on the seed of the fit."""
    import keras

    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def flatten_builder(meta, units=8, activation="relu"):
    """Build a network with two tunable parameters."""
    import keras

    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation=activation),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def compiled_dense_network(
    rate=0.2,
    l2=1e-3,
    units=6,
    activation="relu",
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    first=(),
    **compile_kwargs,
):
    """Return a compiled network for `few`. Its layers have no names and no seeds."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            *first,
            layers.Flatten(),
            layers.Dense(
                units, activation, kernel_regularizer=keras.regularizers.L2(l2)
            ),
            layers.Dropout(rate),
            layers.Dense(4, activation="softmax"),
        ]
    )
    compile_kwargs = {"metrics": ["accuracy"]} | compile_kwargs
    model.compile(optimizer=optimizer, loss=loss, **compile_kwargs)
    model.optimizer.build(model.trainable_variables)
    return model


def invert(images):
    """Invert the brightness of images of digits."""
    return 16 - images


# Comparisons


def network_values(estimator):
    """Return everything that training changes: weights, seeds, optimizer, averages."""
    return estimator._network.values()


def model_variables(estimator):
    """Return the weights and the states of dropout layers as arrays."""
    return [v.numpy() for v in estimator.model_.variables]


def same_arrays(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def same_weights(a, b):
    return same_arrays(a.model_.get_weights(), b.model_.get_weights())


def assert_same_weights(a, b):
    """Check that weights and states of dropout layers are equal, bit for bit."""
    for left, right in zip(model_variables(a), model_variables(b), strict=True):
        np.testing.assert_array_equal(left, right)


def assert_same_training(a, b):
    """Check that histories and all trained variables are equal, bit for bit."""
    assert a.history_ == b.history_
    assert same_arrays(network_values(a), network_values(b))


def fitted_state(estimator):
    """Return the fitted attributes and copies of their contents."""
    state = {
        name: np.asarray(value).tolist()
        for name, value in vars(estimator).items()
        if name.endswith("_") and name not in ("model_", "history_")
    }
    if hasattr(estimator, "model_"):
        state["model_"] = id(estimator.model_)
        state["values"] = [value.tobytes() for value in network_values(estimator)]
        state["history_"] = {k: list(v) for k, v in estimator.history_.items()}
    return state


# Checkpoints, warnings and time


def fit_result(estimator, X):
    """Return all results of a fit as bytes: network values, probabilities, history."""
    arrays = [*network_values(estimator), estimator.predict_proba(X)]
    return [array.tobytes() for array in arrays], json.dumps(estimator.history_)


@contextlib.contextmanager
def one_warning(match):
    """Expect exactly one warning: a UserWarning with this message."""
    with pytest.warns(UserWarning, match=match) as caught:
        yield
    assert len(caught) == 1, [str(w.message) for w in caught]


class FakeClock:
    """A fake `time` module. Time passes only when `sleep` or `advance` is called."""

    def __init__(self):
        self.now = 1000.0
        self.n_sleeps = 0
        self.on_sleep = lambda: None

    def monotonic(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds

    def sleep(self, seconds):
        self.n_sleeps += 1
        self.on_sleep()
        self.advance(seconds)


def interrupt():
    raise KeyboardInterrupt


def stored_files(folder):
    """Return the checkpoint and lock files in the folder of `memory`."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name[0] != ".")


def stored_states(folder):
    """Return the kind and the epochs of each stored state, e.g. "finished-000003"."""
    paths = [path for path in stored_files(folder) if path.suffix == ".npz"]
    return [path.name.rpartition("-")[0] for path in paths]
