"""Run many steps of training, evaluation or prediction in one call.

A chunk of the data is sent to the device in one piece, and a loop in the graph splits
it into batches. No Python code runs between two batches.
"""

import json

import tensorflow as tf

from .._network._augmentation import random_affine
from .._network._outputs import output_activation
from .._utils._fixes import compile_arguments, is_noinline_quiet
from ._cache import get_or_trace, trace
from ._template import get_scalars, set_scalars


def _spec(array_shape, dtype):
    return tf.TensorSpec((None, *array_shape), tf.as_dtype(dtype))


def _loop_over_batches(step, augment):
    """Return a function that sums the results of `step` over the batches of a chunk."""
    # Make the step a separate function that is not inlined. If it were inlined, only
    # some of its operations would get oneDNN kernels. Which ones would depend on an
    # iteration order in TensorFlow that varies between processes.
    if is_noinline_quiet():
        step = tf.function(
            step, autograph=False, experimental_attributes={"_noinline": True}
        )

    def run(x, y, weight, totals, batch_size, seed, first_index):
        n = tf.shape(x)[0]
        n_steps = (n + batch_size - 1) // batch_size

        def body(i, totals):
            first = i * batch_size
            stop = tf.minimum(first + batch_size, n)
            images = tf.cast(x[first:stop], tf.float32)
            if augment is not None:
                changed = augment(images, tf.stack([seed, first_index + i]))
                # Resampling loses the static shape, which layers in older versions of
                # Keras need. Restore it.
                images = tf.ensure_shape(changed, images.shape)
            w = None if weight is None else weight[first:stop]
            return i + 1, totals + step(images, y[first:stop], w)

        # Run one iteration at a time, because each step reads the weights that the
        # previous step wrote.
        _, totals = tf.while_loop(
            lambda i, _: i < n_steps, body, (0, totals), parallel_iterations=1
        )
        return totals

    return run


def _count_correct(y, outputs):
    if outputs.shape[-1] == 1:
        correct = (outputs > 0.5) == (y > 0.5)
    else:
        y_encoded = tf.argmax(y, axis=-1) if y.shape.rank == 2 else tf.cast(y, tf.int64)
        correct = tf.argmax(outputs, axis=-1) == y_encoded
    return tf.reduce_sum(tf.cast(correct, tf.float64))


def _make_step(template, train):
    """Return an equivalent of ``Model.train_step`` or ``Model.test_step``.

    The function returns the loss summed over the samples, and the number of correct
    predictions.
    """
    model = template.model

    def step(x, y, weight):
        with tf.GradientTape() as tape:
            outputs = model(x, training=train)
            loss = model.compute_loss(x, y, outputs, sample_weight=weight)
        if train:
            variables = model.trainable_variables
            model.optimizer.apply(tape.gradient(loss, variables), variables)
            if template.averages is not None:
                template.averages.update()
        n = tf.cast(tf.shape(x)[0], tf.float64)
        return tf.stack([tf.cast(loss, tf.float64) * n, _count_correct(y, outputs)])

    return step


class EpochRunner:
    """Trains or evaluates a network on chunks of the data.

    The graph is shared between networks with the same signature. A network without a
    signature runs ``model.train_step`` or ``model.test_step`` in its own graph.

    Parameters
    ----------
    network : TrainableNetwork
    train : bool
        Whether to train rather than evaluate.
    image_shape, image_dtype, target_shape, target_dtype
        Shape and dtype of one image and of its target.
    weighted : bool
        Whether the samples have weights.
    augment : dict, callable or None
        Settings of :func:`~skcnn._network._augmentation.random_affine`, or a function
        that takes images and a seed and calls a user's layer.
    batch_size : int
    """

    def __init__(
        self,
        network,
        *,
        train,
        image_shape,
        image_dtype,
        target_shape,
        target_dtype,
        weighted,
        augment,
        batch_size,
    ):
        self.model = network.model
        self.batch_size = tf.constant(batch_size)
        specs = [_spec(image_shape, image_dtype), _spec(target_shape, target_dtype)]
        specs += [_spec((), tf.float32)] if weighted else []
        self._dtypes = [spec.dtype for spec in specs]
        # Add the current sums, the batch size, the seed, and the first batch's index.
        specs += [tf.TensorSpec((2,), tf.float64), *[tf.TensorSpec((), tf.int32)] * 3]
        settings = augment if isinstance(augment, dict) else None
        if settings is not None:

            def augment(images, seed):
                return random_affine(images, seed, **settings)

        can_share = augment is None or settings is not None
        if not train:
            augment = None

        def with_optional_weights(run):
            """Adapt `run` to chunks with or without sample weights."""
            return run if weighted else lambda x, y, *rest: run(x, y, None, *rest)

        def make_function(template):
            step = _make_step(template, train)
            run = with_optional_weights(_loop_over_batches(step, augment))

            def with_scalars(scalars, *inputs):
                set_scalars(template.model, scalars)
                return run(*inputs)

            return with_scalars, [tf.TensorSpec((None,), tf.float32), *specs]

        graph = None
        if can_share:
            key = ("train" if train else "test", *specs, json.dumps(settings))
            graph = get_or_trace(key, make_function, network)
        self._is_shared = graph is not None
        if self._is_shared:
            run = graph.bind(network)
            scalars = tf.constant(get_scalars(network.model), tf.float32)
            self._run = lambda *inputs: run(scalars, *inputs)[0]
            self._has_accuracy = bool(compile_arguments(network.model)["metrics"])
        else:
            own_step = self.model.train_step if train else self.model.test_step

            def step(x, y, weight):
                own_step((x, y) if weight is None else (x, y, weight))
                if train and network.averages is not None:
                    network.averages.update()
                return tf.zeros(2, tf.float64)

            run = with_optional_weights(_loop_over_batches(step, augment))
            optimizer = self.model.optimizer if train else None
            self._run = trace(run, specs, network.keras_config, optimizer)

    def start(self):
        """Start an epoch or an evaluation."""
        self._totals, self._n = tf.zeros(2, tf.float64), 0
        if not self._is_shared:
            self.model.reset_metrics()

    def __call__(self, chunk, seed, first_index):
        """Run all batches of a chunk: images, targets and any sample weights."""
        inputs = [
            tf.convert_to_tensor(part, dtype)
            for part, dtype in zip(chunk, self._dtypes, strict=True)
        ]
        self._totals = self._run(
            *inputs,
            self._totals,
            self.batch_size,
            tf.constant(seed),
            tf.constant(first_index),
        )
        self._n += len(chunk[0])

    def logs(self):
        """Return the loss and metrics since :meth:`start`, as a dict of floats."""
        if not self._is_shared:
            logs = {k: float(v) for k, v in self.model.get_metrics_result().items()}
            # Put the loss first, because older versions of Keras sort logs by name.
            return {"loss": logs.pop("loss"), **logs}
        loss, accuracy = (float(total) / self._n for total in self._totals.numpy())
        return {"loss": loss} | ({"accuracy": accuracy} if self._has_accuracy else {})


def make_predict_function(network, image_shape, image_dtype):
    """Return a function that computes the probabilities of a batch of images.

    Parameters
    ----------
    network : TrainableNetwork
    image_shape : tuple (height, width, channels)
    image_dtype : dtype

    Returns
    -------
    callable
    """
    activation = output_activation(network.model)
    spec = _spec(image_shape, image_dtype)

    def predict(model, x):
        outputs = model(tf.cast(x, tf.float32), training=False)
        outputs = tf.cast(outputs, tf.float32)
        return getattr(tf.nn, activation)(outputs) if activation else outputs

    def make_function(template):
        def with_scalars(scalars, x):
            set_scalars(template.model, scalars)
            return predict(template.model, x)

        return with_scalars, [tf.TensorSpec((None,), tf.float32), spec]

    graph = get_or_trace(("predict", spec), make_function, network)
    if graph is None:
        run = trace(lambda x: predict(network.model, x), [spec], network.keras_config)
        return lambda x: run(tf.convert_to_tensor(x, spec.dtype)).numpy()
    run = graph.bind(network)
    scalars = tf.constant(get_scalars(network.model), tf.float32)
    return lambda x: run(scalars, tf.convert_to_tensor(x, spec.dtype))[0].numpy()
