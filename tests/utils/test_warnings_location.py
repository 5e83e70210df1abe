"""Warnings point to the line of user code that caused them."""

import inspect
import os
import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skcnn._utils._warnings import warn_user
from skcnn.model_selection import epoch_curve


def here():
    """Return the line number of the caller."""
    return inspect.currentframe().f_back.f_lineno


def single_warning(caught, category, text):
    found = [w for w in caught if issubclass(w.category, category)]
    assert len(found) == 1
    assert text in str(found[0].message)
    return found[0]


@pytest.fixture
def caught():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def test_max_time(few, tiny_cnn, caught):
    line = here() + 1
    tiny_cnn(max_time=1e-9).fit(few.images, few.target)
    warning = single_warning(caught, ConvergenceWarning, "max_time")
    assert (warning.filename, warning.lineno) == (__file__, line)


def test_memory_that_is_ignored(few, tiny_cnn, caught, tmp_path):
    cnn = tiny_cnn(epochs=1, memory=tmp_path, random_state=None)
    line = here() + 1
    cnn.fit(few.images, few.target)
    warning = single_warning(caught, UserWarning, "is ignored for this fit")
    assert (warning.filename, warning.lineno) == (__file__, line)


def test_checkpoint_that_is_corrupt(few, tiny_cnn, caught, tmp_path):
    cnn = tiny_cnn(epochs=1, memory=tmp_path).fit(few.images, few.target)
    (path,) = tmp_path.rglob("finished-*.npz")
    path.write_bytes(b"corrupt")
    line = here() + 1
    cnn.fit(few.images, few.target)
    warning = single_warning(caught, UserWarning, "is corrupt")
    assert (warning.filename, warning.lineno) == (__file__, line)


def test_checkpoint_that_cannot_be_written(few, tiny_cnn, caught, tmp_path):
    (tmp_path / "joblib").mkdir()
    (tmp_path / "joblib" / "skcnn").write_text("a file where a folder should be")
    cnn = tiny_cnn(epochs=1, memory=tmp_path)
    line = here() + 1
    cnn.fit(few.images, few.target)
    warning = single_warning(caught, UserWarning, "cannot store this fit")
    assert (warning.filename, warning.lineno) == (__file__, line)


def test_divergence_after_the_best_epoch(few, tiny_cnn, caught, monkeypatch):
    from skcnn._training._trainer import Trainer

    evaluate, n_calls = Trainer.evaluate, 0

    def diverging(self, data):
        nonlocal n_calls
        n_calls += 1
        scores = evaluate(self, data)
        return scores if n_calls < 3 else scores | {"loss": float("nan")}

    monkeypatch.setattr(Trainer, "evaluate", diverging)
    cnn = tiny_cnn(validation_fraction=0.2, early_stopping=True)
    line = here() + 1
    cnn.fit(few.images, few.target)
    warning = single_warning(caught, ConvergenceWarning, "diverged")
    assert (warning.filename, warning.lineno) == (__file__, line)


def test_interruption(few, tiny_cnn, caught, monkeypatch):
    from skcnn._training._trainer import Trainer

    train_epoch = Trainer.train_epoch

    def interrupted(self, data, epoch, **kwargs):
        if epoch == 1:
            raise KeyboardInterrupt
        return train_epoch(self, data, epoch, **kwargs)

    monkeypatch.setattr(Trainer, "train_epoch", interrupted)
    line = here() + 2
    with pytest.raises(KeyboardInterrupt):
        tiny_cnn().fit(few.images, few.target)
    warning = single_warning(caught, ConvergenceWarning, "interrupted")
    assert (warning.filename, warning.lineno) == (__file__, line)


def test_fit_in_a_pipeline_and_in_cross_validation(few, tiny_cnn, caught):
    cnn = tiny_cnn(max_time=1e-9)
    line = here() + 1
    make_pipeline("passthrough", cnn).fit(few.images, few.target)
    warning = single_warning(caught, ConvergenceWarning, "max_time")
    assert (warning.filename, warning.lineno) == (__file__, line)
    caught.clear()
    line = here() + 1
    cross_val_score(cnn, few.images, few.target, cv=2)
    places = {(w.filename, w.lineno) for w in caught}
    assert places == {(__file__, line)}


def test_epoch_curve(few, tiny_cnn, caught):
    line = here() + 1
    epoch_curve(
        tiny_cnn(epochs=1),
        few.images,
        few.target,
        param_grid=[{}, {"optimizer": ["no such optimizer"]}],
        cv=2,
    )
    found = [w for w in caught if issubclass(w.category, FitFailedWarning)]
    assert len(found) == 2
    assert {w.filename for w in found} == {__file__}
    assert all(line <= w.lineno <= line + 6 for w in found)


def test_standard_library_between_user_and_library_is_skipped(caught):
    import contextlib

    with contextlib.ExitStack() as stack:
        stack.callback(warn_user, "from a callback")
        line = here() + 1
        stack.close()
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)


def test_without_a_frame_of_the_user_the_caller_is_named(monkeypatch, caught):
    # In a worker process, all frames belong to libraries.
    monkeypatch.setattr("skcnn._utils._warnings._is_library", lambda filename: True)
    line = here() + 1
    warn_user("in a worker")
    assert (os.path.samefile(caught[0].filename, __file__), caught[0].lineno) == (
        True,
        line,
    )
