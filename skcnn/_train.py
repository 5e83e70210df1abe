"""All that happens between `fit` and weights, and between images and probabilities."""

import math
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from . import _memory, _saving
from ._augment import copy_of_layer
from ._params import averages_weights
from ._seeding import AUGMENT, LAYERS, SHUFFLE, reseed, stream

# Images go to the device in pieces of this size: small enough that Ctrl-C is heard
# within seconds and that no second copy of the data is ever held, large enough that
# the call from Python costs nothing beside the arithmetic.
_CHUNK_BYTES = 2**22
# Images predicted in one call, times their pixels: bounds the memory of activations.
_PREDICT_PIXELS = 2**20
_PREDICT_ROWS = 1024


class Images:
    """Rows of an array seen as images, read piece by piece.

    Holds the array as it is (a memory map, a read-only array, flattened rows) and
    makes no copy but of the piece that is asked for.

    Parameters
    ----------
    array : ndarray of shape (n, height, width, channels), (n, height, width) or (n, k)
    shape : tuple (height, width, channels)
        Shape of one image.
    """

    def __init__(self, array, shape):
        self.array = array
        self.shape = tuple(shape)
        # One byte a value from the disk to the device; all else is float32 there.
        self.dtype = np.uint8 if array.dtype == np.uint8 else np.float32

    def __len__(self):
        return len(self.array)

    def take(self, rows):
        """Images of these rows: a new array (len(rows), *shape), uint8 or float32."""
        taken = np.asarray(self.array[rows])
        with np.errstate(over="ignore"):
            images = taken.astype(self.dtype, copy=False)
        if taken.dtype.itemsize > 4 and not np.isfinite(images).all():
            raise ValueError(
                f"X has the value {np.abs(taken).max()}, but expected values of at "
                f"most {np.finfo(np.float32).max:.3g}, the largest float32. Scale the "
                "images."
            )
        return images.reshape(len(taken), *self.shape)

    @property
    def nbytes_each(self):
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class Batches:
    """What a network is trained or judged on: images, numbers of classes, weights.

    `encode` turns numbers of classes into what the network's loss takes.
    """

    def __init__(self, images, codes, encode, weight, rows):
        self.images = images
        self.codes = codes
        self.encode = encode
        self.weight = weight
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def chunks(self, order, chunk_size):
        """Pieces of at most `chunk_size` rows, in the order given."""
        for start in range(0, len(order), chunk_size):
            rows = self.rows[order[start : start + chunk_size]]
            chunk = [self.images.take(rows), self.encode(self.codes[rows])]
            if self.weight is not None:
                chunk.append(self.weight[rows])
            yield chunk


class Trainer:
    """Trains a compiled Keras network with batches cut on the device.

    One compiled function runs all the steps of a piece of the data: there is no
    Python between two batches. A step is that of ``Model.fit``, and the same batches
    give the same weights.

    Parameters
    ----------
    model : keras.Model
        Built and compiled.
    batch_size : int
    weighted : bool
        Whether steps get sample weights.
    seed : int
        Of the fit.
    augment : dict, keras.Layer or None
        Settings of :func:`~skcnn._augment.random_affine`, or a layer of the user's.
    image_shape : tuple (height, width, channels)
        Of one image.

    Attributes
    ----------
    average : bool
        Whether the network's weights at the end of an epoch are averages over its last
        steps, as its optimizer says, which then keeps the weights to go on with.

    Raises
    ------
    ValueError
        If the layer `augment` returns images of another shape.
    """

    def __init__(self, model, *, batch_size, weighted, seed, augment, image_shape):
        self.model = model
        self.average = averages_weights(model.optimizer)
        self.batch_size = batch_size
        self.weighted = weighted
        self.seed = seed
        self._passes = {}
        self._layer = None
        self._augment = augment
        if augment is not None and not isinstance(augment, dict):
            self._layer = layer = copy_of_layer(augment, image_shape, seed)
            self._augment = lambda images, seed: layer(images, training=True)

    def _pass(self, train, data, order, seed, steps_each=None, on_chunk=None):
        """One pass over `data`: the logs at its end."""
        if train not in self._passes:
            from ._passes import Pass

            target = data.encode(data.codes[:1])
            self._passes[train] = Pass(
                self.model,
                train=train,
                image_shape=data.images.shape,
                image_dtype=data.images.dtype,
                target_shape=target.shape[1:],
                target_dtype=target.dtype,
                weighted=self.weighted,
                augment=self._augment,
                batch_size=self.batch_size,
            )
        run = self._passes[train]
        each = max(1, _CHUNK_BYTES // (data.images.nbytes_each * self.batch_size))
        each = min(each, steps_each) if steps_each else each
        run.start()
        index = 0
        for chunk in data.chunks(order, each * self.batch_size):
            n_steps = -(-len(chunk[0]) // self.batch_size)
            if on_chunk is not None:
                on_chunk.begin(index)
            run(chunk, seed, index)
            index += n_steps
            if on_chunk is not None:
                on_chunk.end(index - 1, run.logs)
        return run.logs()

    def train_epoch(self, data, epoch, *, steps_each=None, on_chunk=None):
        """Train on every row once, in an order that seed and epoch decide."""
        rng = np.random.default_rng(stream(self.seed, SHUFFLE, epoch))
        (seed,) = stream(self.seed, AUGMENT, epoch).generate_state(1)
        order = rng.permutation(len(data))
        if self._layer is not None:
            reseed(self._layer.variables, stream(self.seed, AUGMENT, epoch))
        if self.average and epoch > 0:
            self._swap_averages()
        logs = self._pass(True, data, order, int(seed >> 1), steps_each, on_chunk)
        if self.average:
            self._swap_averages()
        return logs

    def _swap_averages(self):
        """Exchange the weights and their averages, to the bit."""
        for variable, average in self._averages():
            weights = variable.value.read_value()
            variable.assign(average.value)
            average.assign(weights)

    def _averages(self):
        return zip(
            self.model.optimizer._trainable_variables,
            self.model.optimizer._model_variables_moving_average,
            strict=True,
        )

    def go_on_from_averages(self):
        """Let training go on from the weights that the network has now."""
        for variable, average in self._averages() if self.average else ():
            average.assign(variable.value)

    def evaluate(self, data):
        """Loss and metrics on `data`, without training."""
        return self._pass(False, data, np.arange(len(data)), 0)


def reseed_layers(model, seed):
    """Decide the masks of a network's dropout layers, whatever built it."""
    reseed(model.non_trainable_variables, stream(seed, LAYERS))


class _BatchHooks:
    """Calls the batch hooks of Keras callbacks around each piece of the data."""

    def __init__(self, callbacks):
        self.callbacks = callbacks

    def begin(self, step):
        self.callbacks.on_train_batch_begin(step)

    def end(self, step, logs):
        self.callbacks.on_train_batch_end(step, logs())


def _wants_batches(callback):
    """Whether a Keras callback has hooks that are called for each batch."""
    import keras

    names = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin")
    # Of the object, not of its class: LambdaCallback gets its hooks when it is made.
    return any(
        getattr(getattr(callback, name), "__func__", None)
        is not getattr(keras.callbacks.Callback, name)
        for name in (*names, "on_batch_end")
    )


def train(
    trainer,
    data,
    validation,
    *,
    epochs,
    first_epoch=0,
    callbacks=(),
    patience=None,
    verbose=0,
    on_epoch_begin=lambda: None,
    on_epoch_end=lambda: False,
    max_time=None,
    kept=_memory.NOTHING,
    history,
):
    """Train for some epochs.

    Parameters
    ----------
    trainer : Trainer
    data, validation : Batches, Batches or None
    epochs : int
        How many, at most.
    first_epoch : int
        Epochs that the network was trained for before.
    callbacks : sequence of keras.callbacks.Callback
        Of this fit alone.
    patience : int or None
        Epochs without a lower validation loss before training stops and the weights
        of the best epoch are restored; None: never.
    verbose : int
        As in ``Model.fit``: 0 silent, 1 progress bar, 2 one line for each epoch.
    on_epoch_begin, on_epoch_end : callable
        For scikit-learn's callbacks. `on_epoch_end` may return True to stop.
    max_time : float or None
        Seconds after which training stops at the end of an epoch.
    kept : _memory.Nothing or _memory.Kept
        What is known of this training from before, and where to keep it.
    history : dict of str to list of float
        Gets one value for each completed epoch: what was learned is known to the
        caller even when training ends with an exception, by Ctrl-C for example. The
        network is then as it was at the end of the last of these epochs. What an
        epoch does not report, because there was no validation, is NaN.

    Raises
    ------
    ValueError
        When loss or weights are not finite, and no epoch before can be restored.
    """
    import keras

    model = trainer.model
    callbacks, best = list(callbacks), None
    if patience is not None:
        best = keras.callbacks.EarlyStopping(
            "val_loss", patience=patience, mode="min", restore_best_weights=True
        )
        callbacks.append(best)
    # A callback with hooks for batches gets each batch, at the price of a call from
    # Python for each; Keras' progress bar is content with the end of each piece.
    steps_each = 1 if any(map(_wants_batches, callbacks)) else None
    hooks = keras.callbacks.CallbackList(
        callbacks,
        add_progbar=verbose > 0,
        model=model,
        verbose=verbose,
        epochs=first_epoch + epochs,
        steps=-(-len(data) // trainer.batch_size),
    )
    on_chunk = _BatchHooks(hooks) if steps_each or verbose else None
    model.stop_training = False
    completed, at_its_end, stopping = 0, None, None
    hooks.on_train_begin()
    if kept.start is not None:
        completed, epochs = _go_on(model, best, kept.start, history, epochs)
        at_its_end, stopping = _saving.snapshot(model), _stopping(best)
        kept.start = None  # as large as the network is

    def state():
        """At the end of the last completed epoch, whatever has happened since."""
        values = [value.numpy() for value in at_its_end]
        return _memory.State(completed, values, history, *stopping)

    began, epoch, stops = time.monotonic(), first_epoch + completed - 1, False
    try:
        for epoch in range(first_epoch + completed, first_epoch + epochs):
            on_epoch_begin()
            hooks.on_epoch_begin(epoch)
            logs = trainer.train_epoch(
                data, epoch, steps_each=steps_each, on_chunk=on_chunk
            )
            if validation is not None:
                hooks.on_test_begin()
                scores = trainer.evaluate(validation)
                hooks.on_test_end(scores)
                logs |= {f"val_{name}": value for name, value in scores.items()}
            bad = [n for n in ("loss", "val_loss") if not np.isfinite(logs.get(n, 0))]
            if bad:
                problem = f"the {bad[0]} of epoch {epoch + 1} is {logs[bad[0]]}"
                _diverged(problem, restored=patience and completed)
                _saving.assign(model, at_its_end)
                break
            before = len(history.get("loss", ()))
            for name in {**history, **logs}:
                values = history.setdefault(name, [math.nan] * before)
                values.append(logs.get(name, math.nan))
            hooks.on_epoch_end(epoch, logs)
            stops = on_epoch_end()
            completed, at_its_end = completed + 1, _saving.snapshot(model)
            stopping = _stopping(best)
            if stops or model.stop_training or completed == epochs:
                break
            kept.checkpoint(state)
            if max_time is not None and time.monotonic() - began >= max_time:
                warnings.warn(
                    f"Training was stopped by max_time={max_time} after {completed} of "
                    f"{epochs} epochs.",
                    ConvergenceWarning,
                    stacklevel=2,
                )
                break
        if completed and not stops:  # what a callback decides is nobody else's
            kept.finish(state, finished=completed == epochs or model.stop_training)
        if completed and not trainer.average:
            # As Model.fit does: averages of an optimizer's own take the weights' place.
            model.optimizer.finalize_variable_values(model.trainable_variables)
    except KeyboardInterrupt:
        if completed:
            _saving.assign(model, at_its_end)
            for values in history.values():
                del values[first_epoch + completed :]
            kept.finish(state, finished=False)
        raise
    finally:
        # Restores the best epoch of early stopping, closes what callbacks hold open.
        hooks.on_train_end()
        if best is not None and best.best_epoch != first_epoch + completed - 1:
            trainer.go_on_from_averages()
    # What the last update has done may show in no loss.
    for variable in model.trainable_variables:
        if not np.isfinite(variable.value.numpy()).all():
            problem = f"{variable.path!r} is not finite after epoch {epoch + 1}"
            _diverged(problem, restored=False)


def _stopping(best):
    """What Keras' early stopping knows: numbers by name, and the best weights."""
    if best is None:
        return {}, []
    names = ("wait", "best", "best_epoch", "stopped_epoch")
    return {name: getattr(best, name) for name in names}, best.best_weights or []


def _go_on(model, best, start, history, epochs):
    """Set a network, and early stopping, to a state; epochs trained and to train."""
    _saving.assign(model, start.values)
    history.update(start.history)
    if best is not None:
        if best.monitor_op is None:  # set at the first epoch, where Keras 3.5 forgets
            best._set_monitor_op()  # what was best
        vars(best).update(start.stopping, best_weights=start.best or None)
    return start.n_epochs, start.n_epochs if start.stopped else epochs


def _diverged(problem, *, restored):
    message = (
        f"Training diverged: {problem}. Lower learning_rate, or bring the images to a "
        "common scale with normalize=True."
    )
    if not restored:
        raise ValueError(message)
    warnings.warn(
        message + " The weights of the best epoch before are kept.",
        ConvergenceWarning,
        stacklevel=2,
    )


class Predictor:
    """Outputs of a network for any number of images, in batches of constant sizes.

    A batch is filled up to the next power of two: the same kernels run whatever the
    number of images, and an image's outputs hardly depend on its company.

    Parameters
    ----------
    model : keras.Model
        Compiled: where its loss takes logits, softmax or sigmoid is applied.
    """

    def __init__(self, model):
        self.model = model
        self._forward = {}

    def __call__(self, images):
        """Outputs for all `images`: an array (n, n_outputs) of float32."""
        forward = self._forward.get(images.dtype)
        if forward is None:
            from . import _passes

            forward = _passes.forward(self.model, images.shape, images.dtype)
            self._forward[images.dtype] = forward
        height, width, _ = images.shape
        size = max(1, min(_PREDICT_ROWS, _PREDICT_PIXELS // (height * width)))
        size = 2 ** (size.bit_length() - 1)
        outputs = []
        for start in range(0, len(images), size):
            x = images.take(slice(start, start + size))
            n = len(x)
            padding = 2 ** (n - 1).bit_length() - n
            if padding:
                x = np.pad(x, [(0, padding)] + [(0, 0)] * 3)
            outputs.append(forward(x)[:n])
        return np.concatenate(outputs)
