"""Which fits are stored, and when checkpoints are written."""

import functools

import joblib
import pytest
from helpers import (
    FakeClock,
    fit_result,
    interrupt,
    one_warning,
    small_builder,
    stored_files,
    stored_states,
)
from sklearn.exceptions import ConvergenceWarning

from skcnn import CNNClassifier
from skcnn._checkpoint import _policy
from skcnn._training import _loop
from skcnn._utils._tensorflow import import_tensorflow

tf = import_tensorflow()
from keras import callbacks  # noqa: E402


def test_checkpoints_are_written_within_overhead_and_the_latest_is_kept(
    few, tiny_cnn, tmp_path, monkeypatch, trained_epochs
):
    written = []
    write = _policy.Checkpointer._write

    def recorded(checkpointer, kind, state):
        written.append((kind, state.n_epochs))
        return write(checkpointer, kind, state)

    monkeypatch.setattr(_policy.Checkpointer, "_write", recorded)
    monkeypatch.setattr(_policy, "_MAX_OVERHEAD", 0.0)
    estimator = tiny_cnn(epochs=5, memory=tmp_path)
    estimator.fit(few.images, few.target)
    assert written == [("finished", 5)]
    monkeypatch.setattr(_policy, "_MAX_OVERHEAD", 1e9)
    written.clear()
    trained_epochs.hooks[8] = interrupt
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        estimator.set_params(epochs=10).fit(few.images, few.target)
    assert written == [("checkpoint", n) for n in (6, 7, 8, 8)]
    assert stored_states(tmp_path) == ["checkpoint-000008", "finished-000005"]
    trained_epochs.hooks.clear()
    estimator.fit(few.images, few.target)
    assert stored_states(tmp_path) == ["finished-000005", "finished-000010"]


def test_max_time_leaves_a_checkpoint_to_resume(
    few, tiny_cnn, tmp_path, monkeypatch, trained_epochs
):
    clock = FakeClock()
    monkeypatch.setattr(_loop, "time", clock)
    trained_epochs.hooks[2] = lambda: clock.advance(1.1)
    estimator = tiny_cnn(epochs=100, max_time=1.0, memory=tmp_path)
    with pytest.warns(ConvergenceWarning, match=r"max_time=1\.0 after 3 of 100 epochs"):
        estimator.fit(few.images, few.target)
    assert estimator.n_epochs_ == 3
    assert estimator.score(few.images, few.target) > 0.5  # there are four classes
    assert stored_states(tmp_path) == ["checkpoint-000003"]
    estimator.set_params(epochs=4).fit(few.images, few.target)
    assert trained_epochs == [0, 1, 2, 3]
    expected = tiny_cnn(epochs=4).fit(few.images, few.target)
    assert fit_result(estimator, few.images) == fit_result(expected, few.images)


# Fits that cannot be stored and folders that cannot be used


def builder_with_file(meta, file=None):
    return small_builder(meta)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"random_state": None}, "random_state"),
        ({"callbacks": [callbacks.TerminateOnNaN()]}, "callbacks"),
        ({"model": "with a file"}, "TextIOWrapper"),
    ],
    ids=["random_state", "callbacks", "open file"],
)
def test_unreproducible_fit_is_not_stored(few, tmp_path, changed, reason):
    params = {"model": small_builder, "random_state": 0, "epochs": 1}
    with open(__file__) as file:
        if "model" in changed:
            changed = {"model": functools.partial(builder_with_file, file=file)}
        with one_warning(f"is ignored for this fit: .*{reason}"):
            CNNClassifier(**params | changed, memory=tmp_path).fit(
                few.images, few.target
            )
    assert stored_files(tmp_path) == []


class MemoryWithoutFolder:
    """A memory object with the `cache` method of joblib.Memory but without a folder."""

    def cache(self, function):
        return function


def test_memory_without_folder(few, tiny_cnn):
    memory = joblib.Memory(None)
    fitted = tiny_cnn(epochs=1, memory=memory).fit(few.images, few.target)
    assert fitted.n_epochs_ == 1
    with pytest.raises(TypeError, match="that keeps its results in a folder"):
        tiny_cnn(epochs=1, memory=MemoryWithoutFolder()).fit(few.images, few.target)
