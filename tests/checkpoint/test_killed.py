"""Searches that are killed at random moments and rerun until they finish."""

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

# Let `SCRIPT` import this module.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
N_KILLS = 10  # per search; two searches run at the same time
N_EPOCHS = 12

# The script runs a search and logs its progress. It logs "writes" before it writes a
# state, and "keeps" afterwards.
SCRIPT = """
import json, sys
from skcnn._checkpoint import _policy
from skcnn._training import _trainer
from skcnn._utils._tensorflow import import_tensorflow
from test_killed import run_search

memory, log = sys.argv[1:]

def note(*event):
    with open(log, "a") as file:
        file.write(json.dumps(event) + "\\n")

Checkpointer, Trainer = _policy.Checkpointer, _trainer.Trainer
enter, write, train_epoch = (
    Checkpointer.__enter__, Checkpointer._write, Trainer.train_epoch
)

def noted_enter(checkpointer):
    note("begins", checkpointer._store.folder.name)
    return enter(checkpointer)

def noted_write(checkpointer, kind, state):
    key = checkpointer._store.folder.name
    note("writes", key, state.n_epochs)
    write(checkpointer, kind, state)
    note("keeps", key, state.n_epochs)

def noted_train_epoch(trainer, data, epoch, **kwargs):
    logs = train_epoch(trainer, data, epoch, **kwargs)
    note("trains", epoch)
    return logs

Checkpointer.__enter__, Checkpointer._write = noted_enter, noted_write
Trainer.train_epoch = noted_train_epoch
_policy._MAX_OVERHEAD = 0.3  # many checkpoints
import_tensorflow()
note("starts")
print("ready", flush=True)
print(json.dumps(run_search(memory)), flush=True)
"""


def run_search(memory):
    """Return the scores of a search over nine fits and its exact probabilities."""
    X, y = load_digits(return_X_y=True)
    X = X[:700].reshape(-1, 8, 8, 1).astype(np.uint8)
    estimator = CNNClassifier(
        filters=(6, 8), epochs=N_EPOCHS, batch_size=16, memory=memory, random_state=0
    )
    search = GridSearchCV(estimator, {"l2": [1e-2, 1e-3, 1e-4]}, cv=3)
    search.fit(X, y[:700])
    scores = [search.cv_results_[f"split{i}_test_score"].tolist() for i in range(3)]
    proba = search.predict_proba(X[:20])
    return scores, proba.tobytes().hex()


def run_killed_search(folder, seed):
    """Run a search that is killed `N_KILLS` times; return its results and logs.

    If the search finishes before the last kill, it is run again from the beginning.
    """
    rng = np.random.default_rng(seed)
    n_kills, results, logs = 0, [], []
    while n_kills < N_KILLS or not results:
        log = folder / f"log{len(logs)}"
        logs.append(log)
        shutil.rmtree(folder / "memory", ignore_errors=True)
        result = None
        while result is None:
            is_killed = n_kills < N_KILLS
            result = run_until_killed(folder, log, rng if is_killed else None)
            n_kills += result is None
        results.append(result)
    return results, logs


def run_until_killed(folder, log, rng):
    """Run a search and kill it after a random number of events in its log.

    Without `rng`, the search is not killed. Return its result, or None if it was
    killed.
    """
    with subprocess.Popen(
        [sys.executable, "-P", "-c", SCRIPT, folder / "memory", log],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            if rng is not None:
                n_events = count_events(log) + rng.integers(40)
                while count_events(log) < n_events and process.poll() is None:
                    time.sleep(0.002)
                time.sleep(rng.choice([0.0, rng.uniform(0, 0.05)]))
                if process.poll() is None:
                    process.kill()
                    return None
            out, _ = process.communicate(timeout=1200)
        finally:
            process.kill()
    assert process.returncode == 0
    return json.loads(out)


def count_events(log):
    """Count the progress events in a log."""
    content = log.read_bytes()
    return sum(content.count(b'"%s"' % e) for e in (b"trains", b"writes", b"keeps"))


@pytest.mark.slow
def test_searches_survive_being_killed(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = list(
            pool.map(run_killed_search, [tmp_path / "a", tmp_path / "b"], [0, 1])
        )
    expected = json.loads(json.dumps(run_search(None)))
    n_killed_in_training = 0
    for results, logs in both:
        assert results == [expected] * len(logs)
        for log in logs:
            n_killed_in_training += check_log(log.read_text().splitlines())
    assert n_killed_in_training >= N_KILLS  # at least half of the kills


def check_log(lines):
    """Check that no stored epoch was trained again; count the kills during a fit."""
    stored, key, n_trained, n_kills, last = {}, None, 0, 0, None
    for line in lines:
        try:
            event, *details = json.loads(line)
        except ValueError:  # killed while writing this line
            continue
        if event == "starts":
            n_kills += last in ("trains", "writes", "keeps")
        elif event == "begins":
            (key,) = details
        elif event == "keeps":
            stored[key] = details[1]
        elif event == "trains":
            n_trained += 1
            (epoch,) = details
            assert epoch >= stored.get(key, 0), (key, epoch, stored)
        last = event
    assert n_trained >= 10 * N_EPOCHS
    return n_kills
