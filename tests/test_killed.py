"""Searches that are killed at any moment, and run again until they are through."""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skcnn import CNNClassifier

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
N_KILLS = 10  # of each of two searches, one beside the other

SCRIPT = """
import json, sys
from skcnn import _memory, _train
from skcnn._tensorflow import import_tensorflow
from test_killed import searched

memory, log = sys.argv[1:]

def note(*what):
    with open(log, "a") as file:
        file.write(json.dumps(what) + "\\n")

class Kept(_memory.Kept):
    def __enter__(self):
        note("begins", self.key)
        return super().__enter__()

    def _write(self, kind, state):
        name = super()._write(kind, state)
        note("keeps", self.key, state.n_epochs)
        return name

original = _train.Trainer.train_epoch

def train_epoch(trainer, data, epoch, **kwargs):
    logs = original(trainer, data, epoch, **kwargs)
    note("trains", epoch)
    return logs

_memory.Kept, _train.Trainer.train_epoch = Kept, train_epoch
_memory._SHARE = 0.3  # many checkpoints
import_tensorflow()
note("starts")
print("ready", flush=True)
print(json.dumps(searched(memory)), flush=True)
"""


def searched(memory):
    """Scores of a search over nine fits, and of its best network, to the bit."""
    X, y = load_digits(return_X_y=True)
    X = X[:700].reshape(-1, 8, 8, 1).astype(np.uint8)
    network = CNNClassifier(
        filters=(6, 8), epochs=12, batch_size=16, memory=memory, random_state=0
    )
    search = GridSearchCV(network, {"l2": [1e-2, 1e-3, 1e-4]}, cv=3)
    search.fit(X, y[:700])
    scores = [search.cv_results_[f"split{i}_test_score"].tolist() for i in range(3)]
    proba = search.predict_proba(X[:20])
    return scores, proba.tobytes().hex()


def survived(folder, seed):
    """What a search gives that is killed `N_KILLS` times, and what it noted."""
    rng = np.random.default_rng(seed)
    n_kills, logs = 0, []
    while True:
        log = folder / f"log{len(logs)}"
        logs.append(log)
        while True:
            process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT, folder / "memory", log],
                stdout=subprocess.PIPE,
                env=ENVIRONMENT,
                text=True,
            )
            assert process.stdout.readline() == "ready\n"
            if n_kills < N_KILLS:
                time.sleep(rng.uniform(0.5, 5.0))
            else:
                process.wait(timeout=300)
            done = process.poll() is not None
            process.kill()
            out, _ = process.communicate()
            if done:
                break
            n_kills += 1
        result = json.loads(out)
        if n_kills == N_KILLS:
            return result, logs
        shutil.rmtree(folder / "memory")  # through before it was killed often enough


@pytest.mark.slow
def test_searches_survive_being_killed(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = list(pool.map(survived, [tmp_path / "a", tmp_path / "b"], [0, 1]))
    expected = json.loads(json.dumps(searched(None)))
    n_in_training = 0
    for result, logs in both:
        assert result == expected
        for log in logs:
            n_in_training += killed_in_training(log.read_text().splitlines())
    assert n_in_training >= N_KILLS  # half of all, at least


def killed_in_training(lines):
    """How many lives ended in a fit; no epoch is trained again that was kept."""
    kept, key, n_trained, n_lives, last = {}, None, 0, 0, None
    for line in lines:
        try:
            what, *told = json.loads(line)
        except ValueError:  # killed while it wrote
            continue
        if what == "starts":
            n_lives += last in ("trains", "keeps")
        elif what == "begins":
            (key,) = told
        elif what == "keeps":
            kept[key] = told[1]
        else:
            n_trained += 1
            assert told[0] >= kept.get(key, 0), (key, told, kept)
        last = what
    assert n_trained >= 10 * 12
    return n_lives
