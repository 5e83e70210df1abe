"""Run the same search on Dask and on Ray with two local workers."""

import os
import signal
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier

# Dask and Ray issue their own warnings, which must not fail the tests.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


class KillsFirstWorker(CNNClassifier):
    """A classifier that kills the first process to complete an epoch."""

    def _after_epoch(self, fitted):
        try:
            (Path(self.memory) / "killed").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def load_images():
    X, y = load_digits(return_X_y=True)
    return X[:400].reshape(-1, 8, 8, 1).astype(np.uint8), y[:400]


def make_search(cls=CNNClassifier, **params):
    estimator = cls(filters=(6,), epochs=4, random_state=0, **params)
    return GridSearchCV(estimator, {"l2": [1e-2, 1e-4]}, cv=2, n_jobs=2, refit=False)


def split_scores(search):
    return [search.cv_results_[f"split{i}_test_score"] for i in range(2)]


@pytest.fixture(autouse=True)
def _restore_environment():
    """Undo OMP_NUM_THREADS=1, which Dask sets and other processes would inherit."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="module")
def serial_scores():
    return split_scores(make_search().set_params(n_jobs=1).fit(*load_images()))


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


def test_dask_gives_the_same_scores(client, serial_scores):
    X, y = load_images()
    with joblib.parallel_config(backend="dask", scatter=[X]):
        assert_array_equal(split_scores(make_search().fit(X, y)), serial_scores)


def test_dask_repeats_the_fit_of_a_killed_worker(client, serial_scores, tmp_path):
    memory = tmp_path / "memory"
    memory.mkdir()
    search = make_search(KillsFirstWorker, memory=memory)
    with joblib.parallel_config(backend="dask"):
        search.fit(*load_images())
    assert (memory / "killed").exists()
    assert_array_equal(split_scores(search), serial_scores)


def test_ray_gives_the_same_scores(serial_scores):
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        register_ray()
        with joblib.parallel_config(backend="ray"):
            assert_array_equal(
                split_scores(make_search().fit(*load_images())), serial_scores
            )
    finally:
        ray.shutdown()
