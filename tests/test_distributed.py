"""The same search on Dask and on Ray: a scheduler and two workers on this machine."""

import json
import os
import signal
import threading
import time
from unittest import mock

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier

# Theirs: what they start and close is not ours to judge.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def data():
    X, y = load_digits(return_X_y=True)
    return X[:400].reshape(-1, 8, 8, 1).astype(np.uint8), y[:400]


def search(**settings):
    network = CNNClassifier(filters=(6,), epochs=4, random_state=0, **settings)
    return GridSearchCV(network, {"l2": [1e-2, 1e-4]}, cv=2, n_jobs=2, refit=False)


def scores(fitted):
    return [fitted.cv_results_[f"split{i}_test_score"] for i in range(2)]


@pytest.fixture(autouse=True)
def environment():
    """Dask leaves OMP_NUM_THREADS=1 in it, and other tests' processes would have it."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="module")
def expected():
    return scores(search().set_params(n_jobs=1).fit(*data()))


@pytest.fixture
def client(tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=tmp_path / "dask",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_dask_gives_the_same_scores(client, expected):
    X, y = data()
    with joblib.parallel_config(backend="dask", scatter=[X]):
        assert_array_equal(scores(search().fit(X, y)), expected)


def test_a_worker_that_is_killed_costs_its_fit_alone(client, expected, tmp_path):
    memory, killed = tmp_path / "memory", []

    def kill():
        """The first worker that is seen to train."""
        while not killed:
            for lock in memory.rglob("lock"):
                try:
                    pid = json.loads(lock.read_text())["pid"]
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return
                except (OSError, ValueError):
                    pass
            time.sleep(0.02)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    with joblib.parallel_config(backend="dask"):
        assert_array_equal(scores(search(memory=memory).fit(*data())), expected)
    thread.join(timeout=1)
    assert len(killed) == 1


def test_ray_gives_the_same_scores(expected):
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        register_ray()
        with joblib.parallel_config(backend="ray"):
            assert_array_equal(scores(search().fit(*data())), expected)
    finally:
        ray.shutdown()
