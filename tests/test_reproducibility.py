"""A seeded fit is bitwise reproducible in any process and changes no global state."""

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
from helpers import network_values, small_builder
from joblib import Parallel, cpu_count, delayed, parallel_config
from sklearn.datasets import load_digits

import skcnn
from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow

tf = import_tensorflow()


def load_images(n=160):
    X, y = load_digits(return_X_y=True, n_class=4)
    return X[:n].reshape(-1, 8, 8, 1).astype(np.uint8), y[:n]


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


WITH_BUILDER = {
    "model": small_builder,
    "augment": {"rotation": 0.2},
    "batch_size": 32,
    "epochs": 2,
    "random_state": 3,
}


def hash_of_fit(params):
    """Return a hash of all results of training and of the predictions."""
    estimator = CNNClassifier(**params).fit(*load_images())
    digest = hashlib.sha256()
    for value in network_values(estimator):
        digest.update(value.tobytes())
    digest.update(json.dumps(estimator.history_, sort_keys=True).encode())
    digest.update(estimator.predict_proba(load_images()[0]).tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def expected_hashes():
    return [hash_of_fit(params) for params in (STOCHASTIC, WITH_BUILDER)]


def test_fit_is_reproducible_after_other_fits(expected_hashes):
    CNNClassifier(filters=(3,), epochs=1, random_state=8).fit(*load_images(40))
    random.random()
    np.random.random()  # noqa: NPY002
    tf.random.uniform(())
    again = [hash_of_fit(params) for params in (STOCHASTIC, WITH_BUILDER)]
    assert again == expected_hashes


def test_fit_is_reproducible_in_joblib_workers(expected_hashes):
    """The workers use as many threads as this process."""
    with parallel_config("loky", inner_max_num_threads=cpu_count()):
        in_workers = Parallel(n_jobs=2)(
            delayed(hash_of_fit)(params) for params in (STOCHASTIC, WITH_BUILDER)
        )
    assert in_workers == expected_hashes


FRESH_PROCESS = """
import gc, json, pickle, weakref
import numpy as np
from skcnn import CNNClassifier

# The first fit imports TensorFlow, which must not keep a reference to its images.
gc.disable()
X = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8)
images = weakref.ref(X)
CNNClassifier(filters=(3,), epochs=1, random_state=8).fit(X, np.arange(40) % 4)
del X
freed = images() is None
gc.enable()

import test_reproducibility as shared
hashes = [shared.hash_of_fit(p) for p in (shared.WITH_BUILDER, shared.STOCHASTIC)]
X, y = shared.load_images()
estimator = CNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
restored = pickle.loads(pickle.dumps(estimator))
same = (restored.predict_proba(X) == estimator.predict_proba(X)).all()
print(json.dumps({"hashes": hashes[::-1], "same": bool(same), "freed": freed}))
"""


SCIKERAS_FIRST = """
import json
import scikeras.wrappers
import keras, pickle
from skcnn import CNNClassifier
import test_reproducibility as shared

before = keras.Model.__reduce__, keras.Model.__deepcopy__
X, y = shared.load_images()
estimator = CNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
after = keras.Model.__reduce__, keras.Model.__deepcopy__
restored = pickle.loads(pickle.dumps(estimator))
same = (restored.predict_proba(X) == estimator.predict_proba(X)).all()
print(json.dumps({"unchanged": before == after, "same": bool(same)}))
"""


UNPICKLED_FIRST = """
import json, sys, pickle
with open(sys.argv[1], "rb") as file:
    X, proba, estimator = pickle.load(file)
print(json.dumps({"same": bool((estimator.predict_proba(X) == proba).all())}))
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Run the scripts above at the same time and return what they print."""
    folder = tmp_path_factory.mktemp("processes")
    X, y = load_images()
    estimator = CNNClassifier(**STOCHASTIC).fit(X, y)
    with open(folder / "fitted.pkl", "wb") as file:
        pickle.dump((X, estimator.predict_proba(X), estimator), file)
    folders = [Path(skcnn.__file__).parent.parent, Path(__file__).parent]
    env = {k: v for k, v in os.environ.items() if not k.startswith("TF_CPP")}
    env["PYTHONPATH"] = os.pathsep.join(map(str, folders))
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
            ("plain", FRESH_PROCESS, {}),
            ("scikeras", SCIKERAS_FIRST, {}),
            # Since TensorFlow 2.19, this setting does not silence all start-up
            # messages.
            ("unpickled", UNPICKLED_FIRST, {"TF_CPP_MIN_LOG_LEVEL": "2"}),
        ]
    }
    results = {}
    for name, process in started.items():
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        results[name] = (json.loads(out.splitlines()[-1]), out, err)
    return results


def test_fit_is_reproducible_in_fresh_process(outputs, expected_hashes):
    result, _, _ = outputs["plain"]
    assert result == {"hashes": expected_hashes, "same": True, "freed": True}


@pytest.mark.parametrize("name", ["plain", "unpickled"])
def test_fresh_process_prints_nothing_unexpected(outputs, name):
    _, out, err = outputs[name]
    assert err == ""
    assert len(out.splitlines()) == 1


def test_unpickling_in_fresh_process(outputs):
    assert outputs["unpickled"][0] == {"same": True}


def test_import_of_scikeras_by_user_keeps_its_effect(outputs):
    """Users may want scikeras' changes to Keras, so skcnn must not undo them."""
    assert outputs["scikeras"][0] == {"unchanged": True, "same": True}


@pytest.mark.parametrize(
    ("params", "precision"),
    [(STOCHASTIC, "float32"), (WITH_BUILDER, "bfloat16")],
    ids=["cnn", "builder"],
)
def test_fit_and_predict_do_not_change_global_state(params, precision):
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

    X, y = load_images(64)
    if "model" in params:  # add a layer without a seed
        params = params | {"augment": keras.layers.RandomTranslation(0.1, 0.1)}
    estimator = CNNClassifier(**params | {"precision": precision, "epochs": 1})
    estimator.fit(X, y)  # the first fit may change the state by importing modules
    before = state()
    estimator.fit(X, y).predict(X)
    # Remove the layer, because Keras draws a seed when the layer is unpickled.
    estimator.set_params(augment=True)
    pickle.loads(pickle.dumps(estimator)).set_params(warm_start=True).fit(X, y)
    assert state() == before


def test_fit_does_not_advance_global_generator_of_tensorflow():
    tf.random.set_seed(5)
    expected = [float(tf.random.uniform(())) for _ in range(2)]
    tf.random.set_seed(5)
    first = float(tf.random.uniform(()))
    CNNClassifier(**STOCHASTIC | {"epochs": 1}).fit(*load_images(64))
    assert [first, float(tf.random.uniform(()))] == expected


def test_import_of_scikeras_leaves_keras_unchanged():
    """Importing scikeras replaces methods of Keras, but skcnn restores them."""
    import keras

    CNNClassifier(**WITH_BUILDER | {"epochs": 1}).fit(*load_images(64))
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
    X, y = load_images(64)
    network.fit(X, y, verbose=0)
    expected = network.predict(X, verbose=0)
    copies = [pickle.loads(pickle.dumps(network)), copy.deepcopy(network)]
    for copied in copies:
        np.testing.assert_array_equal(copied.predict(X, verbose=0), expected)
        copied.fit(X, y, verbose=0)
    np.testing.assert_array_equal(network.predict(X, verbose=0), expected)
    assert type(copy.deepcopy(keras.optimizers.Adam(0.1))) is keras.optimizers.Adam
