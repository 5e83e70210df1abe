"""Run the epochs of a fit, with callbacks, early stopping and checkpoints."""

import math
import time

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._checkpoint._store import TrainingState
from .._utils._warnings import warn_user


class TrainingLoop:
    """Trains one network, epoch after epoch.

    After each epoch, the loop takes a snapshot of the network. Even if training is
    interrupted, the loop leaves the network as it was at the end of an epoch.

    Parameters
    ----------
    network : TrainableNetwork
    stages : list of Stage
        The stages of training. Either all of them have validation data, or none.
    keras_callbacks : KerasCallbacks
    sklearn_callbacks : SklearnCallbacks
    checkpointer : Checkpointer or NullCheckpointer
        A checkpointer whose context has been entered.
    early_stopping : EarlyStopping or None
        Requires validation data.
    after_epoch : callable or None
        Called after each epoch, without arguments.
    max_time : float or None
        Time limit in seconds. Training stops at the end of the epoch that exceeds it.
    history : dict of str to list of float
        Gets one value per metric for each completed epoch, even if training is
        interrupted. Missing values are NaN, for example validation losses without
        validation data.
    """

    def __init__(
        self,
        network,
        stages,
        *,
        keras_callbacks,
        sklearn_callbacks,
        checkpointer,
        early_stopping,
        after_epoch,
        max_time,
        history,
    ):
        self.network = network
        self.stages = stages
        self.keras_callbacks = keras_callbacks
        self.sklearn_callbacks = sklearn_callbacks
        self.checkpointer = checkpointer
        self.early_stopping = early_stopping
        self.after_epoch = after_epoch
        self.max_time = max_time
        self.history = history
        self._n_before = len(history.get("loss", ()))
        self._n_completed = 0
        self._snapshot = None
        self._early_stopping_state = None

    @property
    def n_completed(self):
        """Number of completed epochs of this fit, including those of a checkpoint."""
        return self._n_completed

    def run(self, n_epochs):
        """Train for at most `n_epochs` epochs.

        Early stopping, a callback or `max_time` may end training earlier.

        Raises
        ------
        ValueError
            If the loss or a network weight is not finite, and no earlier epoch can be
            restored.
        """
        self.keras_callbacks.on_train_begin()
        n_epochs = self._resume(n_epochs)
        start, stopped_by_callback = time.monotonic(), False
        try:
            while self._n_completed < n_epochs:
                epoch = self._n_before + self._n_completed
                logs = self._run_epoch(epoch)
                if self._has_diverged(epoch, logs):
                    self.network.assign(self._snapshot)
                    break
                self._record(logs)
                stopped_by_callback = self._end_epoch(epoch, logs)
                if stopped_by_callback or self._is_finished(n_epochs):
                    break
                self.checkpointer.checkpoint(self._state)
                if self._is_out_of_time(start, n_epochs):
                    break
            # Do not store a fit that a callback stopped, because its number of epochs
            # depends on the callback.
            if self._n_completed and not stopped_by_callback:
                finished = self._is_finished(n_epochs)
                self.checkpointer.finish(self._state, finished=finished)
            self._apply_averages_of_optimizer()
        except KeyboardInterrupt:
            self._roll_back_to_last_epoch()
            raise
        finally:
            self.keras_callbacks.on_train_end()
            self.network.model.optimizer = self.network.optimizer
            self._restore_best_weights()
        self._check_weights()

    def _resume(self, n_epochs):
        """Restore any checkpoint, and return the number of the last epoch to train."""
        state = self.checkpointer.start
        self.checkpointer.start = None  # free the memory of the checkpoint's weights
        if state is None:
            return n_epochs
        self.network.assign(state.variables)
        self.history.update(state.history)
        if self.early_stopping is not None:
            best_weights = {"best_weights": state.best_weights}
            self.early_stopping.set_state(state.early_stopping | best_weights)
        self._complete(state.n_epochs)
        return state.n_epochs if state.has_stopped else n_epochs

    def _run_epoch(self, epoch):
        """Train for one epoch, validate, and return the losses and metrics."""
        stage = [s for s in self.stages if s.first_epoch <= epoch][-1]
        # Callbacks set the learning rate of the optimizer that trains the network.
        self.network.model.optimizer = stage.optimizer
        self.sklearn_callbacks.on_epoch_begin()
        self.keras_callbacks.on_epoch_begin(epoch)
        logs = stage.trainer.train_epoch(
            stage.data,
            epoch,
            steps_per_chunk=self.keras_callbacks.steps_per_chunk,
            on_chunk=self.keras_callbacks.on_chunk,
        )
        if stage.validation is not None:
            self.keras_callbacks.on_test_begin()
            scores = stage.trainer.evaluate(stage.validation)
            self.keras_callbacks.on_test_end(scores)
            logs |= {f"val_{name}": value for name, value in scores.items()}
        return logs

    def _record(self, logs):
        n_before = len(self.history.get("loss", ()))
        for name in {**self.history, **logs}:
            values = self.history.setdefault(name, [math.nan] * n_before)
            values.append(logs.get(name, math.nan))

    def _end_epoch(self, epoch, logs):
        """Call the callbacks, and return whether one from scikit-learn asks to stop."""
        self.keras_callbacks.on_epoch_end(epoch, logs)
        if self.early_stopping is not None:
            self.early_stopping.update(epoch, logs["val_loss"], self.network.model)
        if self.after_epoch is not None:
            self.after_epoch()
        stop = self.sklearn_callbacks.on_epoch_end()
        self._complete(self._n_completed + 1)
        return stop

    def _complete(self, n_completed):
        """Record the current network as that of the last completed epoch."""
        self._n_completed = n_completed
        self._snapshot = self.network.snapshot()
        if self.early_stopping is not None:
            self._early_stopping_state = self.early_stopping.get_state()

    def _state(self):
        """Return the state at the end of the last completed epoch, for a checkpoint."""
        early_stopping = dict(self._early_stopping_state or {})
        return TrainingState(
            n_epochs=self._n_completed,
            variables=[value.numpy() for value in self._snapshot],
            history=self.history,
            best_weights=early_stopping.pop("best_weights", []),
            early_stopping=early_stopping,
        )

    def _is_finished(self, n_epochs):
        early_stopping = self.early_stopping
        return (
            self._n_completed == n_epochs
            or (early_stopping is not None and early_stopping.has_stopped)
            or self.keras_callbacks.stop_training
        )

    def _is_out_of_time(self, start, n_epochs):
        if self.max_time is None or time.monotonic() - start < self.max_time:
            return False
        warn_user(
            f"Training was stopped by max_time={self.max_time} after "
            f"{self._n_completed} of {n_epochs} epochs.",
            ConvergenceWarning,
        )
        return True

    def _has_diverged(self, epoch, logs):
        """Return whether a loss is not finite, so that weights must be restored.

        Raise a ValueError if there are no weights that early stopping could restore.
        """
        for name in ("loss", "val_loss"):
            if not np.isfinite(logs.get(name, 0)):
                message = _diverged(f"the {name} of epoch {epoch + 1} is {logs[name]}")
                if self.early_stopping is None or not self._n_completed:
                    raise ValueError(message)
                warn_user(
                    f"{message} The weights of the best epoch before are kept.",
                    ConvergenceWarning,
                )
                return True
        return False

    def _check_weights(self):
        # The last loss was computed before the last step, which may have made weights
        # infinite or NaN.
        for variable in self.network.model.trainable_variables:
            if not np.isfinite(variable.value.numpy()).all():
                n_epochs = len(self.history["loss"])
                problem = f"{variable.path!r} is not finite after epoch {n_epochs}"
                raise ValueError(_diverged(problem))

    def _apply_averages_of_optimizer(self):
        """Replace weights with the averages of a user's optimizer, as Keras does."""
        model = self.network.model
        if self._n_completed and self.network.averages is None:
            optimizer = self.network.optimizer
            optimizer.finalize_variable_values(model.trainable_variables)

    def _roll_back_to_last_epoch(self):
        if not self._n_completed:
            return
        self.network.assign(self._snapshot)
        for values in self.history.values():
            del values[self._n_before + self._n_completed :]
        if self.early_stopping is not None:
            self.early_stopping.set_state(self._early_stopping_state)
        self.checkpointer.finish(self._state, finished=False)

    def _restore_best_weights(self):
        if self.early_stopping is None:
            return
        self.early_stopping.restore_best_weights(self.network.model)
        if self.early_stopping.best_epoch != self._n_before + self._n_completed - 1:
            self.network.reset_averages()


def _diverged(problem):
    return (
        f"Training diverged: {problem}. Lower learning_rate, or bring the images to a "
        "common scale with normalize=True."
    )
