"""Keras callbacks and schedules for the tests of training."""

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402


class RunAtEpoch(keras.callbacks.Callback):
    """Call a function at the beginning of an epoch. The first epoch is 0."""

    def __init__(self, epoch, action):
        super().__init__()
        self.epoch = epoch
        self.action = action

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            self.action(self)

    def __deepcopy__(self, memo):
        return type(self)(self.epoch, self.action)


class SharedRecorder(keras.callbacks.Callback):
    """Record calls in a list that is shared with all copies of the callback."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def __deepcopy__(self, memo):
        return type(self)(self.calls)


class EpochRecorder(SharedRecorder):
    def on_train_begin(self, logs=None):
        self.calls.append(("train begins", id(self)))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(("epoch", epoch, dict(logs)))

    def on_train_end(self, logs=None):
        self.calls.append(("train ends", id(self)))


class BatchRecorder(EpochRecorder):
    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("end", batch, dict(logs)))


def interrupt(callback):
    raise KeyboardInterrupt


def fail(callback):
    raise RuntimeError("the callback has failed")


class InfiniteAtStep(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is infinite in a single step."""

    def __init__(self, step):
        self.step = step

    def __call__(self, step):
        return keras.ops.where(step == self.step, float("inf"), 1e-2)

    def get_config(self):
        return {"step": self.step}
