"""Call Keras and scikit-learn callbacks during one fit."""

import copy

import numpy as np

from .._utils._fixes import is_from_keras


def copy_callbacks(callbacks):
    """Return copies of a user's Keras callbacks for one fit.

    The copies are shallow. Attributes that a callback sets during a fit start from
    their initial values in the next fit. Objects that the callback refers to are
    shared, such as the trial of a study, a list that it appends to, or an open file. If
    the class of a callback defines ``__deepcopy__``, this method makes the copy.

    Raises
    ------
    TypeError
        If an item is not a Keras callback.
    """
    if callbacks is None:
        return []
    from keras.callbacks import Callback

    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(
                f"Got callbacks with {callback!r}, but expected objects of "
                "keras.callbacks.Callback."
                + (" Pass an object, not its class." if callable(callback) else "")
            )
    return [_copy_callback(callback) for callback in callbacks]


def _copy_callback(callback):
    if hasattr(callback, "__deepcopy__"):
        return copy.deepcopy(callback)
    copied = copy.copy(callback)
    if is_from_keras(callback):
        # Keras' own callbacks record results in lists and dicts. Copy these, so that
        # each fit has its own.
        for name, value in vars(copied).items():
            if isinstance(value, (dict, list, set)):
                setattr(copied, name, copy.copy(value))
    return copied


class KerasCallbacks:
    """Calls Keras callbacks and updates Keras' progress bar in each epoch.

    Parameters
    ----------
    callbacks : list of keras.callbacks.Callback
    model : keras.Model
    targets : ndarray
        A few targets of the training data.
    verbose : int
        As in ``Model.fit``.
    epochs, steps : int
        Total number of epochs and number of steps per epoch, for the progress bar.

    Attributes
    ----------
    steps_per_chunk : int or None
        1 if a callback has a batch-level hook, because such a hook must be called for
        each batch. Otherwise None.
    on_chunk : BatchHooks or None
        The hooks to call before and after each chunk. The progress bar is updated once
        per chunk.
    """

    def __init__(self, callbacks, *, model, targets, verbose, epochs, steps):
        import keras

        self._model = model
        if callbacks:
            _build_metrics(model, targets)
        self._list = keras.callbacks.CallbackList(
            callbacks,
            add_progbar=verbose > 0,
            model=model,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
        )
        self.steps_per_chunk = 1 if any(map(_has_batch_hooks, callbacks)) else None
        has_hooks = self.steps_per_chunk is not None or verbose > 0
        self.on_chunk = BatchHooks(self._list) if has_hooks else None

    def on_train_begin(self):
        self._model.stop_training = False
        self._list.on_train_begin()

    def on_train_end(self):
        self._list.on_train_end()

    def on_epoch_begin(self, epoch):
        self._list.on_epoch_begin(epoch)

    def on_epoch_end(self, epoch, logs):
        self._list.on_epoch_end(epoch, logs)

    def on_test_begin(self):
        self._list.on_test_begin()

    def on_test_end(self, logs):
        self._list.on_test_end(logs)

    @property
    def stop_training(self):
        """Whether a callback has asked to stop training."""
        return self._model.stop_training


def _build_metrics(model, targets):
    """Build the metrics of a model, as the first batch of ``Model.fit`` does.

    Keras' callbacks use these metrics to look up whether a value should rise or fall. A
    shared graph does not build them, because it computes the accuracy without them.
    """
    outputs = np.zeros((len(targets), model.output_shape[-1]), np.float32)
    model.compute_metrics(None, targets, outputs, None)
    model.reset_metrics()


class BatchHooks:
    """Calls the batch hooks of Keras callbacks before and after each chunk."""

    def __init__(self, callbacks):
        self._callbacks = callbacks

    def begin(self, step):
        self._callbacks.on_train_batch_begin(step)

    def end(self, step, make_logs):
        self._callbacks.on_train_batch_end(step, make_logs())


def _has_batch_hooks(callback):
    from keras.callbacks import Callback

    hooks = ("on_train_batch_begin", "on_train_batch_end")
    aliases = ("on_batch_begin", "on_batch_end")
    for hook in (*hooks, *aliases):
        # Check the object, not its class, because LambdaCallback sets its hooks in
        # __init__.
        function = getattr(getattr(callback, hook), "__func__", None)
        if function is not getattr(Callback, hook):
            return True
    return False


class SklearnCallbacks:
    """Reports a fit and its epochs to scikit-learn's callbacks.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext or NullCallbackContext
        The context of the fit.
    task : dict
        The arguments ``estimator``, ``X``, ``y`` and ``metadata`` of scikit-learn's
        callback protocol.
    fitted_attributes : callable
        Function that returns the fitted attributes, from which scikit-learn constructs
        a fitted estimator for its callbacks.
    """

    def __init__(self, context, task, fitted_attributes):
        self._context = context
        self._task = task
        self._fitted_attributes = fitted_attributes
        self._epoch_context = None

    def on_train_begin(self):
        self._context.call_on_fit_task_begin(**self._task)

    def on_epoch_begin(self):
        self._epoch_context = self._context.subcontext(task_name="epoch")
        self._epoch_context.call_on_fit_task_begin(**self._task)

    def on_epoch_end(self):
        """Call the callbacks, and return whether one of them asks to stop training."""
        return self._end(self._epoch_context)

    def on_train_end(self):
        self._end(self._context)

    def _end(self, context):
        return context.call_on_fit_task_end(
            **self._task, reconstruction_attributes=self._fitted_attributes
        )
