"""scikit-learn's callbacks (1.9 and later) during a fit, and fits without them."""

import importlib.util
import re
from unittest import mock

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.fixes import parse_version

try:
    from sklearn import callback as sklearn_callback
except ImportError:
    sklearn_callback = None


needs_callbacks = pytest.mark.skipif(
    sklearn_callback is None, reason="scikit-learn has callbacks since 1.9"
)


needs_rich = pytest.mark.skipif(
    sklearn_callback is None or importlib.util.find_spec("rich") is None,
    reason="scikit-learn's ProgressBar (1.9 and later) draws with rich",
)


EPOCHS = 3


class HookRecorder:
    """Record calls to hooks. `at_epoch_end` computes the result of on_fit_task_end."""

    def __init__(self, at_epoch_end=lambda epoch: None):
        self.at_epoch_end = at_epoch_end
        self.events = []

    def _record(self, hook, context):
        self.events.append((hook, context.task_name, context.task_id))

    def setup(self, estimator, context):
        self._record("setup", context)

    def on_fit_task_begin(self, estimator, context):
        self._record("begin", context)

    def on_fit_task_end(self, estimator, context):
        self._record("end", context)
        if context.task_name == "epoch":
            return self.at_epoch_end(context.task_id)

    def teardown(self, estimator, context):
        self._record("teardown", context)


class PredictionRecorder(HookRecorder):
    """Request every argument that a hook can receive."""

    def __init__(self):
        super().__init__()
        self.arguments = []

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.arguments.append((context.task_name, X, y, metadata))
        self.events.append(fitted_estimator.predict_proba(X))


class PropagatedRecorder(HookRecorder):
    max_propagation_depth = None


def expected_events(n):
    hooks = [(hook, "epoch", i) for i in range(n) for hook in ("begin", "end")]
    return [
        ("setup", "fit", 0),
        ("begin", "fit", 0),
        *hooks,
        ("end", "fit", 0),
        ("teardown", "fit", 0),
    ]


def test_callbacks_exist_since_scikit_learn_1_9(tiny_cnn):
    has_callbacks = parse_version(sklearn.__version__).release >= (1, 9)
    assert (sklearn_callback is not None) == has_callbacks
    assert hasattr(tiny_cnn(), "set_callbacks") == has_callbacks


def test_fit_without_callbacks(few, tiny_cnn):
    network = tiny_cnn(epochs=EPOCHS).fit(few.images, few.target)
    assert network.n_epochs_ == EPOCHS
    # In all versions of scikit-learn, the fit leaves no callback context behind.
    assert not [name for name in vars(network) if "callback_" in name]


@needs_callbacks
def test_hooks_are_balanced_and_nested(few, tiny_cnn):
    recorder = HookRecorder()
    network = tiny_cnn(epochs=EPOCHS).set_callbacks(recorder)
    network.fit(few.images, few.target)
    assert recorder.events == expected_events(EPOCHS)
    # A second fit calls the same hooks.
    recorder.events.clear()
    network.fit(few.images, few.target)
    assert recorder.events == expected_events(EPOCHS)


@needs_callbacks
def test_callbacks_do_not_change_results(few, tiny_cnn, fitted_tiny):
    network = tiny_cnn().set_callbacks(PredictionRecorder()).fit(few.images, few.target)
    assert network.history_ == fitted_tiny.history_
    assert_array_equal(
        network.predict_proba(few.images), fitted_tiny.predict_proba(few.images)
    )


@needs_callbacks
@pytest.mark.parametrize("stop", [0, 1])
def test_returning_true_at_end_of_epoch_stops_training(few, tiny_cnn, stop):
    recorder = HookRecorder(lambda epoch: epoch == stop)
    network = tiny_cnn(epochs=EPOCHS).set_callbacks(recorder)
    network.fit(few.images, few.target)
    assert network.n_epochs_ == stop + 1
    assert len(network.history_["loss"]) == stop + 1
    assert recorder.events == expected_events(stop + 1)
    shorter = tiny_cnn(epochs=stop + 1).fit(few.images, few.target)
    assert_array_equal(
        network.predict_proba(few.images), shorter.predict_proba(few.images)
    )


@needs_callbacks
def test_warm_start_reports_only_its_own_epochs(few, tiny_cnn):
    recorder = PredictionRecorder()
    network = tiny_cnn(epochs=2, warm_start=True).set_callbacks(recorder)
    network.fit(few.images, few.target).fit(few.images, few.target)
    assert network.n_epochs_ == 4
    tasks = [task for task, *_ in recorder.arguments]
    assert tasks == ["epoch", "epoch", "fit"] * 2


@needs_callbacks
def test_hooks_get_data_metadata_and_fitted_estimator(few, tiny_cnn):
    recorder = PredictionRecorder()
    weight = np.linspace(0.5, 1, 160)
    network = tiny_cnn(epochs=EPOCHS).set_callbacks(recorder)
    network.fit(few.images, few.target, sample_weight=weight)
    for _, X, y, metadata in recorder.arguments:
        assert_array_equal(X, few.images)
        assert_array_equal(y, few.target)
        assert list(metadata) == ["sample_weight"]
        assert_array_equal(metadata["sample_weight"], weight)
    # Each hook receives the estimator as it is at the end of the epoch.
    *each_epoch, at_end = [e for e in recorder.events if isinstance(e, np.ndarray)]
    assert len(each_epoch) == EPOCHS
    assert_array_equal(each_epoch[-1], at_end)
    assert_array_equal(at_end, network.predict_proba(few.images))
    assert not np.allclose(each_epoch[0], each_epoch[1])


@needs_callbacks
def test_teardown_follows_a_fit_that_fails_in_training(few, tiny_cnn):
    recorder = HookRecorder()
    network = tiny_cnn(learning_rate=1e30).set_callbacks(recorder)
    with pytest.raises(ValueError, match="Training diverged"):
        network.fit(few.images, few.target)
    hooks = [hook for hook, *_ in recorder.events]
    assert hooks.count("setup") == hooks.count("teardown") == 1
    assert hooks[-1] == "teardown"
    assert not hasattr(network, "model_")
    # The next fit is not affected.
    recorder.events.clear()
    network.set_params(learning_rate=1e-2, epochs=1).fit(few.images, few.target)
    assert recorder.events == expected_events(1)


@needs_callbacks
def test_failing_callback_leaves_estimator_unfitted(few, tiny_cnn):
    def fail(epoch):
        raise RuntimeError("callback failed")

    recorder = HookRecorder(fail)
    network = tiny_cnn().set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="callback failed"):
        network.fit(few.images, few.target)
    assert recorder.events[-1] == ("teardown", "fit", 0)
    assert not hasattr(network, "model_")


@needs_callbacks
def test_invalid_data_call_no_hooks(few, tiny_cnn):
    recorder = HookRecorder()
    network = tiny_cnn().set_callbacks(recorder)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        network.fit(few.images, few.target[:-1])
    assert recorder.events == []


@needs_callbacks
def test_clone_keeps_callbacks(tiny_cnn):
    recorder = HookRecorder()
    copied = clone(tiny_cnn().set_callbacks(recorder))
    assert copied._skl_callbacks == [recorder]


# scikit-learn warns about pipeline steps that do not support callbacks, such as
# FunctionTransformer.
@needs_callbacks
@pytest.mark.filterwarnings("ignore:The estimator FunctionTransformer does not support")
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_callback_of_search_is_called_for_every_epoch(few, tiny_cnn, in_pipeline):
    recorder = PropagatedRecorder()
    network = tiny_cnn(epochs=2)
    if in_pipeline:
        network = make_pipeline(FunctionTransformer(), network)
    search = GridSearchCV(network, {}, cv=2).set_callbacks(recorder)
    search.fit(few.images, few.target)
    # The search fits on two folds and refits, each time for two epochs.
    ends = [task for hook, task, _ in recorder.events if hook == "end"]
    begins = [task for hook, task, _ in recorder.events if hook == "begin"]
    assert sorted(ends) == sorted(begins)
    assert ends.count("epoch") == 3 * 2
    hooks = [hook for hook, *_ in recorder.events]
    assert hooks.count("setup") == hooks.count("teardown") == 1


@needs_callbacks
def test_scoring_monitor_logs_the_score_of_each_epoch(few, tiny_cnn):
    monitor = sklearn_callback.ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    network = tiny_cnn(epochs=EPOCHS).set_callbacks(monitor)
    network.fit(few.images, few.target)
    logs = monitor.get_logs().data
    logs = [row for row in logs if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in logs] == list(range(EPOCHS))
    assert logs[-1]["accuracy"] > logs[0]["accuracy"]
    # Compare with fits of one, two and three epochs.
    for n, row in enumerate(logs, start=1):
        reference = tiny_cnn(epochs=n).fit(few.images, few.target)
        assert row["accuracy"] == reference.score(few.images, few.target)
        proba = reference.predict_proba(few.images)
        expected = np.log(proba[np.arange(160), few.target]).mean()
        assert_allclose(row["neg_log_loss"], expected, rtol=1e-5)


@needs_callbacks
def test_scoring_monitor_uses_sample_weight(few, tiny_cnn):
    monitor = sklearn_callback.ScoringMonitor(scoring="accuracy")
    weight = np.where(few.target == 3, 1e-3, 1.0)
    network = tiny_cnn(epochs=1).set_callbacks(monitor)
    network.fit(few.images, few.target, sample_weight=weight)
    (row,) = [r for r in monitor.get_logs().data if r["task_name"] == "epoch"]
    assert row["accuracy"] == network.score(few.images, few.target, weight)
    assert row["accuracy"] != network.score(few.images, few.target)


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scoring_monitor_inside_a_search(few, tiny_cnn, n_jobs):
    monitor = sklearn_callback.ScoringMonitor(scoring="accuracy")
    network = tiny_cnn(epochs=2).set_callbacks(monitor)
    search = GridSearchCV(network, {"learning_rate": [1e-6, 1e-2]}, cv=2, n_jobs=n_jobs)
    search.fit(few.images, few.target)
    run = monitor.get_logs()
    logs = [row for row in run.data if row["task_name"] == "epoch"]
    assert len(logs) == (4 + 1) * 2  # four fits and the refit, with two epochs each
    assert len({row["task_id_path"] for row in logs}) == 10
    best = search.best_estimator_.score(few.images, few.target)
    assert best in [row["accuracy"] for row in logs]


@needs_rich
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bars_of_search_and_fits(few, tiny_cnn, capsys, n_jobs):
    search = GridSearchCV(
        tiny_cnn(epochs=2), {"learning_rate": [1e-6, 1e-2]}, cv=2, n_jobs=n_jobs
    )
    search.set_callbacks(sklearn_callback.ProgressBar()).fit(few.images, few.target)
    out = capsys.readouterr().out
    assert re.search(r"GridSearchCV - fit", out)
    # Below the search's bar, there is one bar for each of the four fits and the refit.
    bars = re.findall(r"^( *)(GridSearchCV - .* \| CNNClassifier - fit)", out, re.M)
    assert len(bars) == 4 + 1, out
    assert all(indent for indent, _ in bars)
    assert "100%" in out
    assert not re.search(r"\b[0-9]{1,2}%", out)  # all bars are complete


@needs_rich
def test_progress_bar_advances_with_every_epoch(few, tiny_cnn, capsys):
    from sklearn.callback import _progressbar

    progress = []
    monitor = _progressbar.RichProgressMonitor
    on_task_end = monitor._on_task_end

    def recorded(self, task_info):
        on_task_end(self, task_info)
        progress.append(self.root_rich_task.progress)

    network = tiny_cnn(epochs=EPOCHS).set_callbacks(sklearn_callback.ProgressBar())
    with mock.patch.object(monitor, "_on_task_end", recorded):
        network.fit(few.images, few.target)
    assert_allclose(progress, [1 / 3, 2 / 3, 1, 1])
    assert "CNNClassifier - fit" in capsys.readouterr().out


@needs_rich
def test_progress_bar_is_complete_after_early_stop(few, tiny_cnn, capsys):
    network = tiny_cnn(epochs=EPOCHS)
    network.set_callbacks(
        sklearn_callback.ProgressBar(), HookRecorder(lambda epoch: epoch == 0)
    )
    network.fit(few.images, few.target)
    assert network.n_epochs_ == 1
    assert re.search(r"CNNClassifier - fit.*100%", capsys.readouterr().out)


@needs_rich
def test_progress_bar_is_closed_after_failed_fit(few, tiny_cnn, capsys):
    from sklearn.callback import _progressbar

    bar = sklearn_callback.ProgressBar()
    network = tiny_cnn(learning_rate=1e30).set_callbacks(bar)
    with pytest.raises(ValueError, match="Training diverged"):
        network.fit(few.images, few.target)
    assert _progressbar._run_monitors == {}
    assert bar._listener_handles == {}


@needs_callbacks
def test_nothing_is_printed_without_callbacks(few, tiny_cnn, capfd):
    GridSearchCV(tiny_cnn(epochs=1), {}, cv=2).fit(few.images, few.target)
    assert capfd.readouterr() == ("", "")
