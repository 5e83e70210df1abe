"""Keras callbacks, used as in the documentation and compared with Model.fit."""

import csv

import numpy as np
import pytest

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras import callbacks  # noqa: E402

N_EPOCHS = 6


@pytest.fixture(scope="module")
def halves(few):
    """Return images and labels for training and for validation."""
    X, y = few.images, few.target
    return X[:100], y[:100], X[100:], y[100:]


def fit(tiny_cnn, halves, *used, epochs=N_EPOCHS, **params):
    X, y, X_val, y_val = halves
    estimator = tiny_cnn(epochs=epochs, callbacks=list(used), **params)
    return estimator.fit(X, y, X_val=X_val, y_val=y_val)


def fit_by_keras(tiny_cnn, halves, *used, epochs=N_EPOCHS):
    """Return the history of Model.fit for a network of the same architecture."""
    X, y, X_val, y_val = halves
    network = fit(tiny_cnn, halves, epochs=1).model_
    model = keras.models.clone_model(network)
    model.compile(
        keras.optimizers.Adam(1e-2),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    keras.utils.set_random_seed(0)
    return model.fit(
        X,
        y,
        validation_data=(X_val, y_val),
        batch_size=32,
        epochs=epochs,
        callbacks=list(used),
        verbose=0,
    )


@pytest.fixture(scope="module")
def without_callbacks(halves, tiny_cnn):
    return fit(tiny_cnn, halves)


class Falling(callbacks.Callback):
    """Replace a value in the logs, so that decisions can be compared exactly."""

    def __init__(self, name, values):
        super().__init__()
        self.name = name
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]


class Rates(callbacks.Callback):
    """Record the learning rate after each epoch."""

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


ACCURACIES = [0.2, 0.5, 0.7, 0.6, 0.7, 0.65]


def run_both(tiny_cnn, halves, make, epochs=N_EPOCHS):
    """Return the learning rates and epochs of CNNClassifier and of Model.fit."""
    results = []
    for run in (fit, fit_by_keras):
        rates = []
        run(
            tiny_cnn,
            halves,
            Falling("val_accuracy", ACCURACIES),
            make(),
            Rates(rates),
            epochs=epochs,
        )
        results.append(pytest.approx(rates))
    return rates, results


@pytest.mark.parametrize(
    ("make", "n_epochs"),
    [
        (lambda: callbacks.EarlyStopping(monitor="val_accuracy", patience=2), 5),
        (lambda: callbacks.EarlyStopping(monitor="val_accuracy"), 4),
        (
            lambda: callbacks.EarlyStopping(
                "val_accuracy", patience=1, restore_best_weights=True
            ),
            4,
        ),
        (
            lambda: callbacks.EarlyStopping(
                monitor="val_accuracy", baseline=0.9, patience=2
            ),
            4,
        ),
    ],
    ids=["patience", "default", "restored", "baseline"],
)
def test_early_stopping_without_mode(tiny_cnn, halves, make, n_epochs):
    """Keras infers from the model's metrics that the accuracy should rise."""
    rates, (ours, of_keras) = run_both(tiny_cnn, halves, make)
    assert len(rates) == n_epochs
    assert rates == ours
    assert rates == of_keras


def test_reduce_lr_on_plateau_without_mode(tiny_cnn, halves):
    def make():
        return callbacks.ReduceLROnPlateau(
            monitor="val_accuracy", factor=0.2, patience=1, min_lr=1e-4
        )

    rates, (ours, of_keras) = run_both(tiny_cnn, halves, make)
    assert rates == pytest.approx([1e-2, 1e-2, 1e-2, 2e-3, 4e-4, 1e-4])
    assert rates == ours
    assert rates == of_keras


def test_learning_rate_scheduler(tiny_cnn, halves):
    def make():
        return callbacks.LearningRateScheduler(
            lambda epoch, lr: lr if epoch < 2 else lr * 0.5
        )

    rates, (ours, of_keras) = run_both(tiny_cnn, halves, make)
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.0025, 0.00125, 0.000625])
    assert rates == ours
    assert rates == of_keras


@pytest.mark.parametrize("save_weights_only", [False, True])
def test_model_checkpoint_without_mode(tiny_cnn, halves, tmp_path, save_weights_only):
    suffix = ".weights.h5" if save_weights_only else ".keras"
    names = []
    for folder, run in (("ours", fit), ("keras", fit_by_keras)):
        checkpoint = callbacks.ModelCheckpoint(
            filepath=tmp_path / folder / f"{{epoch:02d}}-{{val_accuracy:.2f}}{suffix}",
            monitor="val_accuracy",
            save_best_only=True,
            save_weights_only=save_weights_only,
        )
        run(tiny_cnn, halves, Falling("val_accuracy", ACCURACIES), checkpoint)
        names.append(sorted(p.name for p in (tmp_path / folder).iterdir()))
    assert names[0] == [f"{n}{suffix}" for n in ("01-0.20", "02-0.50", "03-0.70")]
    assert names[0] == names[1]


def test_file_of_model_checkpoint_has_the_best_weights(tiny_cnn, halves, tmp_path):
    path = tmp_path / "best.keras"
    checkpoint = callbacks.ModelCheckpoint(path, "val_accuracy", save_best_only=True)
    estimator = fit(tiny_cnn, halves, checkpoint)
    X_val, y_val = halves[2:]
    proba = keras.saving.load_model(path).predict(X_val, verbose=0)
    best = max(estimator.history_["val_accuracy"])
    assert np.mean(proba.argmax(axis=1) == y_val) == pytest.approx(best)


def test_restored_weights_are_those_of_the_best_epoch(tiny_cnn, halves):
    stopping = callbacks.EarlyStopping(
        monitor="val_loss", patience=2, restore_best_weights=True
    )
    estimator = fit(tiny_cnn, halves, stopping, epochs=40, learning_rate=0.1)
    assert estimator.n_epochs_ < 40
    X_val, y_val = halves[2:]
    proba = estimator.predict_proba(X_val)[np.arange(len(y_val)), y_val]
    best = min(estimator.history_["val_loss"])
    assert -np.log(proba).mean() == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("separator", [",", ";"])
def test_csv_logger(tiny_cnn, halves, tmp_path, separator):
    path = tmp_path / "log.csv"
    estimator = fit(tiny_cnn, halves, callbacks.CSVLogger(path, separator=separator))
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file, delimiter=separator))
    assert [int(row["epoch"]) for row in rows] == list(range(N_EPOCHS))
    for name, values in estimator.history_.items():
        assert [float(row[name]) for row in rows] == pytest.approx(values)


def test_csv_logger_appends(tiny_cnn, halves, tmp_path):
    path = tmp_path / "log.csv"
    for _ in range(2):
        fit(tiny_cnn, halves, callbacks.CSVLogger(path, append=True), epochs=2)
    epochs = [line.partition(",")[0] for line in path.read_text().splitlines()]
    assert epochs == ["epoch", "0", "1", "0", "1"]


def test_terminate_on_nan_ends_training(tiny_cnn, halves):
    """skcnn also raises its own error for a loss that is not finite."""
    X, y, *_ = halves
    estimator = tiny_cnn(
        epochs=3, learning_rate=1e30, callbacks=[callbacks.TerminateOnNaN()]
    )
    with pytest.raises(ValueError, match="Training diverged"):
        estimator.fit(X, y)
    assert not hasattr(estimator, "model_")


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: callbacks.TerminateOnNaN(),
        lambda folder: callbacks.History(),
        lambda folder: callbacks.BackupAndRestore(backup_dir=str(folder / "backup")),
        lambda folder: callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
        lambda folder: callbacks.EarlyStopping("val_loss", patience=99),
        lambda folder: callbacks.LearningRateScheduler(lambda epoch, lr: lr),
        lambda folder: callbacks.CSVLogger(folder / "log.csv"),
        lambda folder: callbacks.ModelCheckpoint(folder / "model.keras"),
    ],
    ids=[
        "TerminateOnNaN",
        "History",
        "BackupAndRestore",
        "LambdaCallback",
        "EarlyStopping",
        "LearningRateScheduler",
        "CSVLogger",
        "ModelCheckpoint",
    ],
)
def test_callback_does_not_change_training(
    tiny_cnn, halves, without_callbacks, tmp_path, make
):
    estimator = fit(tiny_cnn, halves, make(tmp_path))
    assert estimator.history_["loss"] == pytest.approx(
        without_callbacks.history_["loss"], rel=1e-5
    )
    X = halves[0]
    np.testing.assert_allclose(
        estimator.predict_proba(X), without_callbacks.predict_proba(X), rtol=1e-3
    )


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_progbar_logger_follows_verbose(tiny_cnn, halves, capsys, verbose):
    """As in Model.fit, the callback does not add a second progress bar."""
    fit(tiny_cnn, halves, callbacks.ProgbarLogger(), epochs=2, verbose=verbose)
    shown = capsys.readouterr().out
    assert shown.count("Epoch 1/2") == shown.count("Epoch 2/2") == min(verbose, 1)
    assert ("val_loss" in shown) == (verbose > 0)


def test_all_callbacks_together(tiny_cnn, halves, tmp_path):
    estimator = fit(
        tiny_cnn,
        halves,
        callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        callbacks.ReduceLROnPlateau(),
        callbacks.EarlyStopping(patience=N_EPOCHS),
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.TerminateOnNaN(),
    )
    assert estimator.n_epochs_ == N_EPOCHS
    assert (tmp_path / "best.keras").exists()
    assert len((tmp_path / "log.csv").read_text().splitlines()) == N_EPOCHS + 1
