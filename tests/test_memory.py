"""Fits that are kept: found again, continued, and never a reason for another result."""

import contextlib
import functools
import json
import os
import re
import socket
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_validate,
    validation_curve,
)
from test_reproducibility import small_builder

from skcnn import CNNClassifier, _memory, _saving, _train
from skcnn._tensorflow import import_tensorflow

tf = import_tensorflow()
from keras import callbacks, layers, optimizers  # noqa: E402


@pytest.fixture
def trained(monkeypatch):
    """The epochs that were trained, and a switch for what happens in one."""

    class Trained(list):
        at = None
        happens = None

    epochs = Trained()
    original = _train.Trainer.train_epoch

    def recorded(trainer, data, epoch, **kwargs):
        if epoch == epochs.at:
            epochs.happens()
        logs = original(trainer, data, epoch, **kwargs)
        epochs.append(epoch)
        return logs

    monkeypatch.setattr(_train.Trainer, "train_epoch", recorded)
    return epochs


@pytest.fixture
def every_epoch(monkeypatch):
    """Checkpoints are written at the end of every epoch, whatever that costs."""
    monkeypatch.setattr(_memory, "_SHARE", 1e9)


def everything(network, X):
    """All bits that a fit makes: weights, random states, optimizer, history, output."""
    learned = [*_saving.values(network.model_), network.predict_proba(X)]
    return [a.tobytes() for a in learned], json.dumps(network.history_)


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name[0] != ".")


def kinds(folder):
    """Kind and epochs of each state that is kept."""
    return [p.name.rpartition("-")[0] for p in files(folder) if p.suffix == ".npz"]


DEEP = {"filters": (4, 6), "dense_units": 8, "normalize": True}
ANNEALED = optimizers.schedules.CosineDecay(0.05, 40)
CASES = {
    "dropout": DEEP | {"dropout": 0.2, "last_dropout": 0.3},
    "augmentation": DEEP | {"augment": True},
    "augmenting layer": DEEP | {"augment": layers.RandomFlip()},
    "early stopping": DEEP
    | {"validation_fraction": 0.3, "early_stopping": True, "patience": 9},
    "stopped early": {
        **{"validation_fraction": 0.3, "early_stopping": True, "patience": 2},
        "learning_rate": 0.5,
    },
    "annealing": DEEP | {"optimizer": "sgd", "learning_rate": ANNEALED},
    "class weights": DEEP | {"class_weight": "balanced"},
    "averages": DEEP | {"average": True, "batch_norm": True},
    "averages of Keras": DEEP
    | {"optimizer": functools.partial(optimizers.Adam, use_ema=True)},
    "averages and early stopping": DEEP
    | {"average": True, "validation_fraction": 0.3, "early_stopping": True},
    "bfloat16": DEEP | {"precision": "bfloat16"},
}


@pytest.fixture(params=[*CASES, "builder"])
def network(request, tiny_cnn):
    """One that keeps nothing, with a case's settings."""
    if request.param == "builder":
        return CNNClassifier(
            functools.partial(small_builder, units=5), batch_size=32, random_state=0
        )
    return tiny_cnn(**CASES[request.param])


def test_the_same_bits_however_a_fit_was_come_by(
    few, network, tmp_path, trained, every_epoch
):
    """Run through, continued, interrupted, loaded: one after the other."""
    X, y = few.images, few.target
    expected = everything(network.set_params(epochs=6).fit(X, y), X)
    n_epochs = len(trained)
    trained.clear()

    network.set_params(memory=tmp_path / "continued", epochs=2).fit(X, y)
    assert everything(network.set_params(epochs=6).fit(X, y), X) == expected
    assert trained == [*range(n_epochs)]  # each of them once

    trained.clear()
    trained.at, trained.happens = 2, interrupt
    network.set_params(memory=tmp_path / "interrupted")
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        network.fit(X, y)
    trained.at = None
    assert everything(network.fit(X, y), X) == expected
    assert trained == [*range(n_epochs)]

    trained.clear()
    assert everything(network.fit(X, y), X) == expected
    assert trained == []
    shorter = network.set_params(epochs=2).fit(X, y)
    assert trained == [0, 1]  # what is later is of no use
    assert shorter.n_epochs_ == 2


def interrupt():
    raise KeyboardInterrupt


def test_a_fit_that_was_loaded_can_be_trained_on(few, tiny_cnn, tmp_path):
    network = tiny_cnn(**CASES["averages"], epochs=3, warm_start=True)
    expected = network.fit(few.images, few.target).fit(few.images, few.target)
    for _ in range(2):
        kept = tiny_cnn(**CASES["averages"], epochs=3, memory=tmp_path, warm_start=True)
        kept.fit(few.images, few.target).fit(few.images, few.target)
        assert everything(kept, few.images) == everything(expected, few.images)
    assert kinds(tmp_path) == ["epoch-000003"]


def test_what_was_stopped_early_is_not_trained_any_longer(few, tiny_cnn, tmp_path):
    network = tiny_cnn(**CASES["stopped early"], epochs=40, memory=tmp_path)
    n_epochs = network.fit(few.images, few.target).n_epochs_
    assert n_epochs < 40
    assert kinds(tmp_path) == [f"stopped-{n_epochs:06}"]
    assert network.set_params(epochs=50).fit(few.images, few.target).n_epochs_ == (
        n_epochs
    )


def replaced(values, place, value):
    values = values.copy()
    values[place] = value
    return values


def other_builder(meta, units=6):
    return small_builder(meta, units + 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"l2": 0.1},
        {"learning_rate": 0.02},
        {"random_state": 1},
        {"batch_size": 31},
        {"augment": {"zoom": 0.1}},
        {"augment": layers.RandomFlip()},
        {"average": True},
        {"class_weight": {0: 2.0}},
        {"validation_fraction": 0.3},
        {"optimizer": functools.partial(optimizers.Adam, beta_1=0.8)},
        {"optimizer": "sgd"},
        {"X": lambda X: replaced(X, (3, 4, 4, 0), 99)},
        {"X": lambda X: X.astype(np.float32)},
        {"y": lambda y: replaced(y, 5, (y[5] + 1) % 4)},
        {"y": lambda y: np.array(list("abcd"))[y]},
        {"sample_weight": lambda y: replaced(np.ones(len(y)), 3, 2.0)},
    ],
    ids=lambda changed: re.sub(r" at 0x\w+", "", str(changed)),
)
def test_another_fit_is_trained(few, tiny_cnn, tmp_path, trained, changed):
    network = tiny_cnn(epochs=1, memory=tmp_path)
    X, y = few.images, few.target
    network.fit(X, y)
    weight = None
    for name, change in changed.items():
        if name == "X":
            X = change(X)
        elif name == "y":
            y = change(y)
        elif name == "sample_weight":
            weight = change(y)
        else:
            network.set_params(**{name: change})
    network.fit(X, y, sample_weight=weight)
    assert trained == [0, 0]
    network.fit(X, y, sample_weight=weight)
    assert trained == [0, 0]


def test_the_code_of_a_builder_counts(few, tmp_path, trained):
    settings = {"epochs": 1, "memory": tmp_path, "random_state": 0}
    network = CNNClassifier(small_builder, **settings).fit(few.images, few.target)
    network.set_params(model__units=6).fit(few.images, few.target)
    n_trained = len(trained)
    network.set_params(model__units=7).fit(few.images, few.target)
    assert len(trained) == n_trained + 1
    CNNClassifier(other_builder, **settings).fit(few.images, few.target)
    assert len(trained) == n_trained + 2


def test_what_does_not_decide_a_result_does_not_count(few, tiny_cnn, tmp_path, trained):
    tiny_cnn(epochs=1, memory=str(tmp_path)).fit(few.images, few.target)
    memory = joblib.Memory(str(tmp_path), verbose=0)
    for changed in (
        {"memory": memory},
        {"warm_start": True},
        {"max_time": 1e9},
        {"patience": 7},
    ):
        tiny_cnn(epochs=1, **{"memory": tmp_path} | changed).fit(few.images, few.target)
        assert trained == [0], changed


# Searches


GRID = {"learning_rate": [1e-2, 1e-3], "l2": [1e-4, 1e-2]}


def test_a_search_trains_what_is_missing(few, tiny_cnn, tmp_path, trained):
    search = GridSearchCV(tiny_cnn(epochs=2, memory=tmp_path), GRID, cv=2)
    search.fit(few.images, few.target)
    assert len(trained) == 2 * (4 * 2 + 1)
    before = search.cv_results_["mean_test_score"]
    trained.clear()
    search.fit(few.images, few.target)
    assert trained == []
    assert_array_equal(search.cv_results_["mean_test_score"], before)
    search.set_params(param_grid=GRID | {"l2": [1e-4, 1e-3]}, refit=False)
    search.fit(few.images, few.target)
    assert len(trained) == 2 * (2 * 2)


def test_processes_share_a_folder(few, tiny_cnn, tmp_path, trained):
    network = tiny_cnn(epochs=2, memory=tmp_path)
    with joblib.parallel_config("loky", inner_max_num_threads=joblib.cpu_count()):
        scores = cross_validate(network, few.images, few.target, cv=2, n_jobs=2)
    again = cross_validate(network, few.images, few.target, cv=2)
    assert trained == []
    assert_array_equal(scores["test_score"], again["test_score"])


def test_halving_trains_each_epoch_once(few, tiny_cnn, tmp_path, trained):
    halving = HalvingGridSearchCV(
        tiny_cnn(memory=tmp_path),
        {"learning_rate": [1e-2, 3e-3, 1e-3, 1e-4]},
        resource="epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=2,
        refit=False,
    )
    halving.fit(few.images, few.target)
    assert list(halving.n_resources_) == [1, 2, 4]
    # Four candidates for an epoch, two for one more, and one for two more.
    assert len(trained) == 2 * (4 * 1 + 2 * 1 + 1 * 2)


def test_a_validation_curve_over_epochs_is_one_training(
    few, tiny_cnn, tmp_path, trained
):
    curve = functools.partial(
        validation_curve,
        X=few.images,
        y=few.target,
        param_name="epochs",
        param_range=[1, 2, 4],
        cv=2,
    )
    kept = curve(tiny_cnn(memory=tmp_path))
    assert trained == [0, 1, 2, 3] * 2
    for ours, plain in zip(kept, curve(tiny_cnn()), strict=True):
        assert_array_equal(ours, plain)


# What is in the folder


def test_files_are_no_pickles_and_joblib_removes_them(few, tiny_cnn, tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    for epochs in (1, 2):
        tiny_cnn(epochs=epochs, memory=memory).fit(few.images, few.target)
    tiny_cnn(epochs=1, l2=0.1, memory=memory).fit(few.images, few.target)
    assert kinds(tmp_path) in (
        ["epoch-000001", "epoch-000001", "epoch-000002"],
        ["epoch-000001", "epoch-000002", "epoch-000001"],
    )
    for path in files(tmp_path):
        assert path.suffix == ".npz"
        with np.load(path, allow_pickle=False) as arrays:
            assert all(not arrays[name].dtype.hasobject for name in arrays)
            assert json.loads(arrays["told"].tobytes())["history"]["loss"]
    memory.reduce_size(items_limit=1)
    assert len({path.parent for path in files(tmp_path)}) == 1
    memory.clear(warn=False)
    assert files(tmp_path) == []
    tiny_cnn(epochs=1, memory=memory).fit(few.images, few.target)
    assert len(files(tmp_path)) == 1


def test_few_checkpoints_are_written_and_the_last_is_kept(
    few, tiny_cnn, tmp_path, monkeypatch, trained
):
    written = []
    original = _memory.Kept._write

    def recorded(kept, kind, state):
        written.append((kind, state.n_epochs))
        return original(kept, kind, state)

    monkeypatch.setattr(_memory.Kept, "_write", recorded)
    monkeypatch.setattr(_memory, "_SHARE", 0.0)
    network = tiny_cnn(epochs=5, memory=tmp_path)
    network.fit(few.images, few.target)
    assert written == [("epoch", 5)]
    monkeypatch.setattr(_memory, "_SHARE", 1e9)
    written.clear()
    trained.at, trained.happens = 8, interrupt
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        network.set_params(epochs=10).fit(few.images, few.target)
    assert written == [("checkpoint", n) for n in (6, 7, 8, 8)]
    assert kinds(tmp_path) == ["checkpoint-000008", "epoch-000005"]
    trained.at = None
    network.fit(few.images, few.target)
    assert kinds(tmp_path) == ["epoch-000005", "epoch-000010"]


# What goes wrong


@contextlib.contextmanager
def one_warning(match):
    with pytest.warns(UserWarning, match=match) as caught:
        yield
    assert len(caught) == 1, [str(w.message) for w in caught]


def test_a_full_disk_stops_the_keeping_and_not_the_fit(
    few, tiny_cnn, fitted_tiny, tmp_path, monkeypatch, every_epoch
):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    network = tiny_cnn(memory=tmp_path)
    with one_warning("No space left on device"):
        network.fit(few.images, few.target)
    assert everything(network, few.images) == everything(fitted_tiny, few.images)
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != ".gitignore"]
    assert left == []


def test_a_folder_that_cannot_be_written_to(few, tiny_cnn, fitted_tiny, tmp_path):
    (tmp_path / "file").touch()
    network = tiny_cnn(memory=tmp_path / "file" / "folder")
    with one_warning("keeps nothing of this fit"):
        network.fit(few.images, few.target)
    assert everything(network, few.images) == everything(fitted_tiny, few.images)


def test_what_was_kept_is_found_in_a_folder_that_is_read_only_now(
    few, tiny_cnn, tmp_path, monkeypatch, trained
):
    network = tiny_cnn(epochs=2, memory=tmp_path).fit(few.images, few.target)

    def refused(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    for name in ("mkdir", "open", "utime", "replace", "unlink"):
        monkeypatch.setattr(os, name, refused)
    network.fit(few.images, few.target)
    assert trained == [0, 1]
    with one_warning("Read-only file system"):
        network.set_params(epochs=3).fit(few.images, few.target)
    assert trained == [0, 1, 2]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"random_state": None}, "random_state"),
        ({"callbacks": [callbacks.TerminateOnNaN()]}, "callbacks"),
        ({"model": "with a file"}, "TextIOWrapper"),
    ],
)
def test_what_cannot_be_kept_is_told(few, tmp_path, changed, why):
    settings = {"model": small_builder, "random_state": 0, "epochs": 1}
    with open(__file__) as opened:
        if "model" in changed:
            changed = {"model": functools.partial(with_a_file, opened=opened)}
        with one_warning(f"keeps nothing of this fit: .*{why}"):
            CNNClassifier(**settings | changed, memory=tmp_path).fit(
                few.images, few.target
            )
    assert files(tmp_path) == []


def with_a_file(meta, opened=None):
    return small_builder(meta)


class NoFolder:
    """What looks like a joblib.Memory and has no folder."""

    def cache(self, function):
        return function


def test_memories_of_other_kinds(few, tiny_cnn):
    nothing = joblib.Memory(None)
    assert tiny_cnn(epochs=1, memory=nothing).fit(few.images, few.target).n_epochs_ == 1
    with pytest.raises(TypeError, match="that keeps its results in one"):
        tiny_cnn(epochs=1, memory=NoFolder()).fit(few.images, few.target)


def spoiled(path, other, rng):
    """One way to ruin a file: bits, bytes, lengths, names, places."""
    data = bytearray(path.read_bytes())
    way = rng.integers(9)
    if way == 0:
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    elif way == 1:
        for place in rng.integers(len(data), size=20):
            data[place] = rng.integers(256)
    elif way == 2:
        del data[rng.integers(len(data)) :]
    elif way == 3:
        data += b"more"
    elif way == 4:
        data[:] = rng.bytes(len(data))
    elif way == 5:
        data.clear()
    elif way == 6:  # of another fit, whole, with its own name
        path.unlink()
        (path.parent / other.name).write_bytes(other.read_bytes())
        return
    elif way == 7:  # of another number of epochs
        path.rename(path.parent / path.name.replace("-00000", "-00001"))
        return
    else:  # and of another fit, by this one's name
        data[:] = other.read_bytes()
    path.write_bytes(data)


def test_spoiled_folders_never_change_a_result(few, tiny_cnn, tmp_path, every_epoch):
    """Two hundred and twenty of them, seeded."""
    X, y = few.images[:64], few.target[:64]
    network = tiny_cnn(epochs=1, memory=tmp_path / "kept")
    for epochs in (1, 2):
        expected = everything(network.set_params(epochs=epochs).fit(X, y), X)
    tiny_cnn(epochs=1, random_state=9, memory=tmp_path / "other").fit(X, y)
    (other,) = files(tmp_path / "other")
    kept = [(p, p.read_bytes()) for p in files(tmp_path / "kept")]
    assert len(kept) == 2
    rng = np.random.default_rng(0)
    n_warned = 0
    for n in range(220):
        for path in files(tmp_path / "kept"):
            path.unlink()
        for path, data in kept:
            path.write_bytes(data)
        for path, _ in kept[rng.integers(2) :]:
            spoiled(path, other, rng)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert everything(network.fit(X, y), X) == expected
        assert all("passed over" in str(w.message) for w in caught)
        n_warned += len(caught)
        if n % 20 == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # mended
                network.fit(X, y)
    assert n_warned > 150


# Several at once


def test_two_at_the_same_time_train_once(few, tiny_cnn, tmp_path, trained):
    fitted = []

    def fit():
        network = tiny_cnn(epochs=6, memory=tmp_path)
        fitted.append(everything(network.fit(few.images, few.target), few.images))

    threads = [threading.Thread(target=fit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fitted[0] == fitted[1] == fitted[2]
    assert trained == [*range(6)]


@pytest.fixture
def locked(few, tiny_cnn, tmp_path):
    """Of a fit of one epoch more than is kept, with a lock of somebody's."""

    def lock(**told):
        network = tiny_cnn(epochs=1, memory=tmp_path).fit(few.images, few.target)
        (path,) = files(tmp_path)
        told = {"host": socket.gethostname(), "pid": os.getpid(), "token": "x"} | told
        (path.parent / "lock").write_text(json.dumps(told))
        return network.set_params(epochs=2), path.parent / "lock"

    return lock


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for by signals")
def test_a_dead_owner_is_not_waited_for(few, locked, trained):
    network, lock = locked(pid=2**22 + 1)
    start = time.monotonic()
    network.fit(few.images, few.target)
    assert trained == [0, 1]
    assert time.monotonic() - start < 10
    assert not lock.exists()


@pytest.mark.parametrize("told", [{"host": "elsewhere"}, {"pid": "garbage"}])
def test_who_has_not_been_heard_of_for_long_is_dead(
    few, locked, trained, monkeypatch, told
):
    network, lock = locked(**told)
    monkeypatch.setattr(_memory, "_DEAD", 0.5)
    network.fit(few.images, few.target)
    assert trained == [0, 1]
    assert not lock.exists()


def test_who_lives_is_waited_for_and_who_hangs_is_not(
    few, locked, trained, monkeypatch
):
    network, lock = locked()
    monkeypatch.setattr(_memory, "_HANGS", 0.5)
    start = time.monotonic()
    network.fit(few.images, few.target)
    assert time.monotonic() - start > 0.5
    assert trained == [0, 1]
    assert lock.exists()  # it is not ours


def test_an_owner_shows_that_it_lives(few, tiny_cnn, tmp_path, trained, monkeypatch):
    """It would be taken for dead otherwise."""
    monkeypatch.setattr(_memory, "_BEAT", 0.05)
    monkeypatch.setattr(_memory, "_DEAD", 0.6)
    monkeypatch.setattr(_memory, "_lives", lambda owner: True)
    trained.at, trained.happens = 1, lambda: time.sleep(2)
    threads = [
        threading.Thread(
            target=tiny_cnn(epochs=3, memory=tmp_path).fit,
            args=(few.images, few.target),
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trained == [0, 1, 2]


def test_a_lock_that_cannot_be_taken_away(
    few, locked, trained, monkeypatch, fitted_tiny
):
    """On a disk that is read-only now, for example."""
    network, lock = locked(pid=2**22 + 1)

    def refused(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "rename", refused)
    with one_warning("Read-only file system"):
        network.fit(few.images, few.target)
    assert trained == [0, 1]
    assert lock.exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"host": 1, "pid": 1e99}'])
def test_garbage_for_a_lock(few, locked, trained, monkeypatch, content):
    network, lock = locked()
    lock.write_bytes(content)
    monkeypatch.setattr(_memory, "_DEAD", 0.3)
    network.fit(few.images, few.target)
    assert trained == [0, 1]


def test_who_has_trained_for_longer_is_not_waited_for(
    few, tiny_cnn, tmp_path, trained, every_epoch
):
    network = tiny_cnn(epochs=5, memory=tmp_path)
    trained.at, trained.happens = 3, interrupt
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        network.fit(few.images, few.target)
    assert kinds(tmp_path) == ["checkpoint-000003"]
    told = {"host": socket.gethostname(), "pid": os.getpid(), "token": "x"}
    (files(tmp_path)[0].parent / "lock").write_text(json.dumps(told))
    network.set_params(epochs=2).fit(few.images, few.target)
    assert trained == [0, 1, 2, 0, 1]


def test_a_checkpoint_at_the_end_of_a_fit_stays(few, tiny_cnn, tmp_path, trained):
    trained.at, trained.happens = 3, interrupt
    network = tiny_cnn(epochs=5, memory=tmp_path)
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        network.fit(few.images, few.target)
    trained.at = None
    network.set_params(epochs=3).fit(few.images, few.target)
    network.set_params(epochs=5).fit(few.images, few.target)
    network.set_params(epochs=3).fit(few.images, few.target)
    assert trained == [0, 1, 2, 3, 4]


def test_files_that_cannot_be_read_now_are_left_alone(
    few, tiny_cnn, tmp_path, monkeypatch, trained
):
    network = tiny_cnn(epochs=2, memory=tmp_path).fit(few.images, few.target)
    (path,) = files(tmp_path)

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched, one_warning("cannot be read"):
        patched.setattr(_memory.Kept, "_read", refused)
        network.fit(few.images, few.target)
    assert path.exists()
    network.fit(few.images, few.target)
    assert trained == [0, 1, 0, 1]


# Time


def test_a_fit_ends_when_its_time_is_over(few, tiny_cnn, tmp_path, trained):
    network = tiny_cnn(epochs=100, max_time=1.0, memory=tmp_path)
    trained.at, trained.happens = 2, lambda: time.sleep(1.1)
    with pytest.warns(ConvergenceWarning, match="max_time=1.0 after 3 of 100 epochs"):
        network.fit(few.images, few.target)
    assert network.n_epochs_ == 3
    assert network.score(few.images, few.target) > 0.2
    assert kinds(tmp_path) == ["checkpoint-000003"]
    network.set_params(epochs=4).fit(few.images, few.target)
    assert trained == [0, 1, 2, 3]
    plain = tiny_cnn(epochs=4).fit(few.images, few.target)
    assert everything(network, few.images) == everything(plain, few.images)
