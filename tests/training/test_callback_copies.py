"""State that copies of a Keras callback share, or do not share, with the original."""

import copy
import functools
import json
import pickle
import threading
from types import SimpleNamespace

import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras.callbacks import EarlyStopping, History, LambdaCallback  # noqa: E402

N_EPOCHS = 2


class Reporter(keras.callbacks.Callback):
    """Report the loss of each epoch to a target object."""

    def __init__(self, target, report):
        super().__init__()
        self.target = target
        self.report = report

    def on_epoch_end(self, epoch, logs=None):
        self.report(self.target, logs["loss"])


class Trial:
    """A trial of a study, which collects the reported values."""

    def __init__(self):
        self.reported = []

    def append(self, value):
        self.reported.append(value)


class Study:
    """An object that stores the reported values in a nested attribute."""

    def __init__(self):
        self.trials = {"best": [Trial()]}


def into_dict(target, value):
    target[len(target)] = value


def into_set(target, value):
    target.add((len(target), value))


def under_lock(target, value):
    with target.lock:
        target.values.append(value)


def into_study(target, value):
    target.trials["best"][0].append(value)


REPORTERS = {
    "list": (list, list.append, len),
    "dict": (dict, into_dict, len),
    "set": (set, into_set, len),
    "object": (Trial, Trial.append, lambda trial: len(trial.reported)),
    "nested objects": (
        Study,
        into_study,
        lambda study: len(study.trials["best"][0].reported),
    ),
    "tuple of lists": (
        lambda: ([], []),
        lambda target, value: target[1].append(value),
        lambda target: len(target[1]),
    ),
    "lock": (
        lambda: SimpleNamespace(lock=threading.Lock(), values=[]),
        under_lock,
        lambda target: len(target.values),
    ),
}


@pytest.fixture(params=REPORTERS)
def reporter(request):
    """Return a callback and a function that counts the values it has reported."""
    make, report, count = REPORTERS[request.param]
    target = make()
    return Reporter(target, report), lambda: count(target)


def test_fit_reports_to_the_original(few, tiny_cnn, reporter):
    callback, count = reporter
    estimator = tiny_cnn(epochs=N_EPOCHS, callbacks=[callback])
    for n_fits in (1, 2):
        estimator.fit(few.images, few.target)
        assert count() == n_fits * N_EPOCHS
    assert estimator.callbacks[0] is callback


def test_searches_report_to_the_original(few, tiny_cnn, reporter):
    callback, count = reporter
    estimator = tiny_cnn(epochs=1, callbacks=[callback])
    cross_val_score(estimator, few.images, few.target, cv=2, error_score="raise")
    assert count() == 2
    search = GridSearchCV(
        estimator, {"learning_rate": [1e-2, 1e-3]}, cv=2, error_score="raise"
    )
    search.fit(few.images, few.target)
    assert count() == 2 + 2 * 2 + 1  # cross_val_score, search and refit
    assert search.best_estimator_.callbacks[0] is callback


def test_callback_writes_to_an_open_file(few, tiny_cnn, tmp_path):
    with open(tmp_path / "losses.json", "w") as file:
        callback = Reporter(file, lambda file, loss: print(json.dumps(loss), file=file))
        estimator = tiny_cnn(epochs=N_EPOCHS, callbacks=[callback])
        estimator.fit(few.images, few.target)
        clone(estimator).fit(few.images, few.target)
        assert not file.closed
    written = [float(v) for v in (tmp_path / "losses.json").read_text().split()]
    assert written == estimator.history_["loss"] * 2


class Log:
    def __init__(self):
        self.losses = []

    def add(self, epoch, logs):
        self.losses.append(logs["loss"])


def lambda_with_closure(log):
    return LambdaCallback(on_epoch_end=lambda epoch, logs: log.add(epoch, logs))


def lambda_with_bound_method(log):
    return LambdaCallback(on_epoch_end=log.add)


def add_to(losses, epoch, logs):
    losses.append(logs["loss"])


def lambda_with_partial(log):
    return LambdaCallback(on_epoch_end=functools.partial(add_to, log.losses))


@pytest.mark.parametrize(
    "make", [lambda_with_closure, lambda_with_bound_method, lambda_with_partial]
)
def test_lambda_callback_reports_to_the_original(few, tiny_cnn, make):
    log = Log()
    estimator = tiny_cnn(epochs=N_EPOCHS, callbacks=[make(log)])
    estimator.fit(few.images, few.target)
    assert log.losses == estimator.history_["loss"]
    cross_val_score(
        estimator, few.images, few.target, cv=2, n_jobs=1, error_score="raise"
    )
    assert len(log.losses) == 3 * N_EPOCHS


class Counter(keras.callbacks.Callback):
    """Count epochs in an attribute and stop training when the limit is reached."""

    def __init__(self, limit, counts):
        super().__init__()
        self.limit = limit
        self.count = 0
        self.counts = counts

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1
        self.counts.append(self.count)
        self.model.stop_training = self.count == self.limit


def test_counting_starts_anew_in_each_fit(few, tiny_cnn):
    counts = []
    callback = Counter(2, counts)
    estimator = tiny_cnn(epochs=3, callbacks=[callback])
    for _ in range(2):
        assert estimator.fit(few.images, few.target).n_epochs_ == 2
    assert counts == [1, 2, 1, 2]
    assert callback.count == 0


def test_callback_for_two_estimators_counts_for_each(few, tiny_cnn):
    counts = []
    callback = Counter(1, counts)
    for n_epochs in (1, 3):
        estimator = tiny_cnn(epochs=n_epochs, callbacks=[callback])
        assert estimator.fit(few.images, few.target).n_epochs_ == 1
    assert counts == [1, 1]


def test_history_of_keras_is_not_shared(few, tiny_cnn):
    history = History()
    before = copy.deepcopy(vars(history))
    estimator = tiny_cnn(epochs=1, callbacks=[history])
    for _ in range(2):
        estimator.fit(few.images, few.target)
        assert vars(history) == before


def test_early_stopping_of_keras_starts_anew_in_each_fit(few, tiny_cnn):
    stopping = EarlyStopping(
        "val_loss", patience=1, min_delta=10.0, restore_best_weights=True
    )
    before = dict(vars(stopping))
    estimator = tiny_cnn(epochs=5, validation_fraction=0.25, callbacks=[stopping])
    epochs = [estimator.fit(few.images, few.target).n_epochs_ for _ in range(3)]
    assert epochs == [2, 2, 2]
    assert vars(stopping) == before


class Deciding(keras.callbacks.Callback):
    """Copies of this callback start with an empty list, unlike the original."""

    n_copies = 0

    def __init__(self):
        super().__init__()
        self.losses = []

    def __deepcopy__(self, memo):
        Deciding.n_copies += 1
        return Deciding()

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])


def test_class_with_deepcopy_of_its_own_decides(few, tiny_cnn):
    callback = Deciding()
    Deciding.n_copies = 0
    tiny_cnn(epochs=1, callbacks=[callback]).fit(few.images, few.target)
    assert Deciding.n_copies >= 1
    assert callback.losses == []


def test_clones_share_their_callbacks(few, tiny_cnn):
    values = []
    callback = Reporter(values, list.append)
    estimator = clone(clone(tiny_cnn(epochs=1, callbacks=[callback])))
    assert estimator.callbacks[0] is callback
    estimator.fit(few.images, few.target)
    assert values == estimator.history_["loss"]
    # A clone of a fitted estimator also shares the callbacks.
    clone(estimator).fit(few.images, few.target)
    assert len(values) == 2


def test_clone_keeps_a_callback_that_cannot_be_copied(few, tiny_cnn):
    callback = Reporter(SimpleNamespace(lock=threading.Lock(), values=[]), under_lock)
    with pytest.raises(TypeError, match="lock"):
        copy.deepcopy(callback)
    estimator = clone(tiny_cnn(epochs=1, callbacks=(callback,)))
    estimator.fit(few.images, few.target)
    assert len(callback.target.values) == 1


def test_fitted_estimator_with_callback_is_pickled(few, tiny_cnn):
    estimator = tiny_cnn(epochs=1, callbacks=[Reporter(Trial(), Trial.append)])
    estimator.fit(few.images, few.target)
    again = pickle.loads(pickle.dumps(estimator))
    again.fit(few.images, few.target)
    assert len(again.callbacks[0].target.reported) == 2
    assert len(estimator.callbacks[0].target.reported) == 1


def test_optuna_prunes_by_its_keras_callback(few, tiny_cnn):
    optuna = pytest.importorskip("optuna")
    integration = pytest.importorskip("optuna_integration")
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial):
        pruning = integration.KerasPruningCallback(trial, "val_loss")
        learning_rate = [1e-2, 1e-6, 1e-6][trial.number]
        estimator = tiny_cnn(
            epochs=3,
            validation_fraction=0.25,
            learning_rate=learning_rate,
            callbacks=[pruning],
        )
        estimator.fit(few.images, few.target)
        return estimator.history_["val_loss"][-1]

    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=0)
    study = optuna.create_study(pruner=pruner)
    study.optimize(objective, n_trials=3)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "PRUNED", "PRUNED"]
    assert all(trial.intermediate_values for trial in study.trials)
