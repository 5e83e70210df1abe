"""The same fit in any process gives the same bits, and leaves no traces behind."""

import copy
import hashlib
import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, cpu_count, delayed, parallel_config
from sklearn.datasets import load_digits

import skcnn
from skcnn import CNNClassifier, _saving
from skcnn._tensorflow import import_tensorflow

tf = import_tensorflow()


def data(n=160):
    X, y = load_digits(return_X_y=True, n_class=4)
    return X[:n].reshape(-1, 8, 8, 1).astype(np.uint8), y[:n]


def small_builder(meta, units=6):
    """Without a seed anywhere: fit has to decide every number."""
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


STOCHASTIC = {
    "filters": (4, 6),
    "dense_units": 8,
    "augment": True,
    "validation_fraction": 0.2,
    "class_weight": "balanced",
    "batch_size": 32,
    "epochs": 2,
    "random_state": 3,
}
OF_A_BUILDER = {
    "model": small_builder,
    "augment": {"rotation": 0.2},
    "batch_size": 32,
    "epochs": 2,
    "random_state": 3,
}


def fingerprint(params):
    """All bits that training makes: weights, random states, optimizer, history."""
    estimator = CNNClassifier(**params).fit(*data())
    digest = hashlib.sha256()
    for value in _saving.values(estimator.model_):
        digest.update(value.tobytes())
    digest.update(json.dumps(estimator.history_, sort_keys=True).encode())
    digest.update(estimator.predict_proba(data()[0]).tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def fingerprints():
    return [fingerprint(params) for params in (STOCHASTIC, OF_A_BUILDER)]


def test_in_one_process_after_other_fits(fingerprints):
    CNNClassifier(filters=(3,), epochs=1, random_state=8).fit(*data(40))
    random.random()
    np.random.random()  # noqa: NPY002
    tf.random.uniform(())
    again = [fingerprint(params) for params in (STOCHASTIC, OF_A_BUILDER)]
    assert again == fingerprints


def test_through_joblib(fingerprints):
    """loky's processes have threads as many as this one when they are told so."""
    with parallel_config("loky", inner_max_num_threads=cpu_count()):
        in_workers = Parallel(n_jobs=2)(
            delayed(fingerprint)(params) for params in (STOCHASTIC, OF_A_BUILDER)
        )
    assert in_workers == fingerprints


# Fresh processes

PLAIN = """
import gc, json, pickle, weakref
import numpy as np
from skcnn import CNNClassifier

# The import of TensorFlow, in the first fit, leaves nothing that holds its images.
gc.disable()
X = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8)
images = weakref.ref(X)
CNNClassifier(filters=(3,), epochs=1, random_state=8).fit(X, np.arange(40) % 4)
del X
freed = images() is None
gc.enable()

import test_reproducibility as shared
prints = [shared.fingerprint(p) for p in (shared.OF_A_BUILDER, shared.STOCHASTIC)]
X, y = shared.data()
estimator = CNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
restored = pickle.loads(pickle.dumps(estimator))
same = (restored.predict_proba(X) == estimator.predict_proba(X)).all()
print(json.dumps({"prints": prints[::-1], "same": bool(same), "freed": freed}))
"""

SCIKERAS_FIRST = """
import json
import scikeras.wrappers
import keras, pickle
from skcnn import CNNClassifier
import test_reproducibility as shared

before = keras.Model.__reduce__, keras.Model.__deepcopy__
X, y = shared.data()
estimator = CNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
after = keras.Model.__reduce__, keras.Model.__deepcopy__
restored = pickle.loads(pickle.dumps(estimator))
same = (restored.predict_proba(X) == estimator.predict_proba(X)).all()
print(json.dumps({"kept": before == after, "same": bool(same)}))
"""

UNPICKLED_FIRST = """
import json, sys, pickle
with open(sys.argv[1], "rb") as file:
    X, proba, estimator = pickle.load(file)
print(json.dumps({"same": bool((estimator.predict_proba(X) == proba).all())}))
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What the scripts above print; they run side by side."""
    folder = tmp_path_factory.mktemp("processes")
    X, y = data()
    estimator = CNNClassifier(**STOCHASTIC).fit(X, y)
    with open(folder / "fitted.pkl", "wb") as file:
        pickle.dump((X, estimator.predict_proba(X), estimator), file)
    places = [Path(skcnn.__file__).parent.parent, Path(__file__).parent]
    env = {k: v for k, v in os.environ.items() if not k.startswith("TF_CPP")}
    env["PYTHONPATH"] = os.pathsep.join(map(str, places))
    started = {
        name: subprocess.Popen(
            [sys.executable, "-c", script, "fitted.pkl"],
            cwd=folder,
            env=env | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, script, settings in [
            ("plain", PLAIN, {}),
            ("scikeras", SCIKERAS_FIRST, {}),
            # TensorFlow's own switch does not silence its start-up since 2.19.
            ("unpickled", UNPICKLED_FIRST, {"TF_CPP_MIN_LOG_LEVEL": "2"}),
        ]
    }
    results = {}
    for name, process in started.items():
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        results[name] = (json.loads(out.splitlines()[-1]), out, err)
    return results


def test_in_another_process(processes, fingerprints):
    result, _, _ = processes["plain"]
    assert result == {"prints": fingerprints, "same": True, "freed": True}


@pytest.mark.parametrize("name", ["plain", "unpickled"])
def test_not_a_line_that_nobody_asked_for(processes, name):
    _, out, err = processes[name]
    assert err == ""
    assert len(out.splitlines()) == 1


def test_unpickled_in_another_process(processes):
    assert processes["unpickled"][0] == {"same": True}


def test_scikeras_imported_by_the_user(processes):
    """Who imports scikeras wants what its import does; ours works with it as well."""
    assert processes["scikeras"][0] == {"kept": True, "same": True}


# No traces


@pytest.mark.parametrize(
    ("params", "precision"),
    [(STOCHASTIC, "float32"), (OF_A_BUILDER, "bfloat16")],
    ids=["cnn", "builder"],
)
def test_global_state_is_as_before(params, precision):
    import keras
    from tensorflow.python.framework.config import is_op_determinism_enabled

    def state():
        return {
            "python": random.getstate(),
            "numpy": [str(part) for part in np.random.get_state()],  # noqa: NPY002
            "tensorflow": tf.random.get_global_generator().state.numpy().tolist(),
            "deterministic": is_op_determinism_enabled(),
            "eager": tf.executing_eagerly(),
            "run_functions_eagerly": tf.config.functions_run_eagerly(),
            "threads": (
                tf.config.threading.get_inter_op_parallelism_threads(),
                tf.config.threading.get_intra_op_parallelism_threads(),
            ),
            "policy": keras.config.dtype_policy().name,
            "floatx": keras.config.floatx(),
            "format": keras.config.image_data_format(),
            "environment": dict(os.environ),
            "log level": tf.get_logger().level,
        }

    X, y = data(64)
    if "model" in params:  # a layer without a seed, too
        params = params | {"augment": keras.layers.RandomTranslation(0.1, 0.1)}
    estimator = CNNClassifier(**params | {"precision": precision, "epochs": 1})
    estimator.fit(X, y)  # what the first import sets is not meant
    before = state()
    estimator.fit(X, y).predict(X)
    # Unpickling the user's layer is Keras' own doing, and draws a seed.
    estimator.set_params(augment=True)
    pickle.loads(pickle.dumps(estimator)).set_params(warm_start=True).fit(X, y)
    assert state() == before


def test_unseeded_numbers_of_tensorflow_go_on_as_without_a_fit():
    tf.random.set_seed(5)
    expected = [float(tf.random.uniform(())) for _ in range(2)]
    tf.random.set_seed(5)
    first = float(tf.random.uniform(()))
    CNNClassifier(**STOCHASTIC | {"epochs": 1}).fit(*data(64))
    assert [first, float(tf.random.uniform(()))] == expected


def test_keras_pickles_and_copies_as_before():
    """Importing scikeras replaces this in the whole process; it was put back."""
    import keras

    CNNClassifier(**OF_A_BUILDER | {"epochs": 1}).fit(*data(64))
    assert "scikeras" in sys.modules
    classes = [
        keras.Model,
        keras.losses.Loss,
        keras.metrics.Metric,
        keras.optimizers.Optimizer,
    ]
    for cls in classes:
        for name in ("__reduce__", "__reduce_ex__", "__deepcopy__", "__copy__"):
            method = getattr(cls, name, None)
            assert "scikeras" not in (getattr(method, "__module__", "") or "")
    network = small_builder({"image_shape_": (8, 8, 1), "n_classes_": 4})
    network.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    X, y = data(64)
    network.fit(X, y, verbose=0)
    expected = network.predict(X, verbose=0)
    twins = [pickle.loads(pickle.dumps(network)), copy.deepcopy(network)]
    for twin in twins:
        np.testing.assert_array_equal(twin.predict(X, verbose=0), expected)
        twin.fit(X, y, verbose=0)
    np.testing.assert_array_equal(network.predict(X, verbose=0), expected)
    assert type(copy.deepcopy(keras.optimizers.Adam(0.1))) is keras.optimizers.Adam
