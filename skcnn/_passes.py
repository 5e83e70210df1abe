"""Passes over data, with no Python between two batches."""

import json

import tensorflow as tf

from ._augment import random_affine
from ._compat import steps_are_functions
from ._graphs import shared, traced
from ._structure import compiled_with
from ._twin import numbers_of, set_numbers


def _spec(array_shape, dtype):
    return tf.TensorSpec((None, *array_shape), tf.as_dtype(dtype))


def _over_batches(step, augment):
    """Run `step` on batch after batch of a piece of the data, adding up its results."""
    # A function of its own, called for each batch: where its operations are among those
    # of the loop, TensorFlow finds kernels of oneDNN for some of them or for none, as
    # the order happens to be in which it walks the circle, another one in each process.
    if steps_are_functions():
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
                # Layers of older Keras need the shape that the resampling loses.
                images = tf.ensure_shape(changed, images.shape)
            w = None if weight is None else weight[first:stop]
            return i + 1, totals + step(images, y[first:stop], w)

        # One after the other: a step reads what the step before has written.
        _, totals = tf.while_loop(
            lambda i, _: i < n_steps, body, (0, totals), parallel_iterations=1
        )
        return totals

    return run


def _n_correct(y, outputs):
    if outputs.shape[-1] == 1:
        hits = (outputs > 0.5) == (y > 0.5)
    else:
        codes = tf.argmax(y, axis=-1) if y.shape.rank == 2 else tf.cast(y, tf.int64)
        hits = tf.argmax(outputs, axis=-1) == codes
    return tf.reduce_sum(tf.cast(hits, tf.float64))


def _standard_step(twin, train):
    """What ``Model.train_step`` and ``test_step`` do; sums of loss and hits."""

    def step(x, y, weight):
        with tf.GradientTape() as tape:
            outputs = twin(x, training=train)
            loss = twin.compute_loss(x, y, outputs, sample_weight=weight)
        if train:
            variables = twin.trainable_variables
            twin.optimizer.apply(tape.gradient(loss, variables), variables)
        n = tf.cast(tf.shape(x)[0], tf.float64)
        return tf.stack([tf.cast(loss, tf.float64) * n, _n_correct(y, outputs)])

    return step


class Pass:
    """Training or judging a network, piece after piece of the data.

    Parameters
    ----------
    model : keras.Model
        Built and compiled.
    train : bool
        Whether to train, by ``model.train_step`` or, where it is Keras' own on a
        network of nothing but Keras' layers, by a graph that such networks share.
    image_shape, image_dtype, target_shape, target_dtype
        Of one image and of its target.
    weighted : bool
        Whether the samples have weights.
    augment : dict, callable or None
        Settings of :func:`~skcnn._augment.random_affine`, or what a user's layer does
        with images and a seed.
    batch_size : int
    """

    def __init__(
        self,
        model,
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
        self.model = model
        self.batch_size = tf.constant(batch_size)
        specs = [_spec(image_shape, image_dtype), _spec(target_shape, target_dtype)]
        specs += [_spec((), tf.float32)] if weighted else []
        self._dtypes = [spec.dtype for spec in specs]
        # Sums so far, batch size, seed, index of the first batch
        specs += [tf.TensorSpec((2,), tf.float64), *[tf.TensorSpec((), tf.int32)] * 3]
        settings = augment if isinstance(augment, dict) else None
        if settings is not None:

            def augment(images, seed):
                return random_affine(images, seed, **settings)

        def flat(run):
            """`run` with arguments as many as there are specs."""
            return run if weighted else lambda x, y, *rest: run(x, y, None, *rest)

        def on_twin(twin):
            step = _standard_step(twin, train)
            run = flat(_over_batches(step, augment if train else None))

            def numbered(numbers, *inputs):
                set_numbers(twin, numbers)
                return run(*inputs)

            return numbered, [tf.TensorSpec((None,), tf.float32), *specs]

        graph = None
        if augment is None or settings is not None:
            key = ("train" if train else "test", *specs, json.dumps(settings))
            graph = shared(key, on_twin, model)
        self._is_shared = graph is not None
        if self._is_shared:
            run, numbers = graph.on(model), tf.constant(numbers_of(model), tf.float32)
            self._run = lambda *inputs: run(numbers, *inputs)[0]
            self._with_accuracy = bool(compiled_with(model)["metrics"])
        else:
            own_step = model.train_step if train else model.test_step

            def step(x, y, weight):
                own_step((x, y) if weight is None else (x, y, weight))
                return tf.zeros(2, tf.float64)

            run = flat(_over_batches(step, augment if train else None))
            self._run = traced(run, specs, model.optimizer if train else None)

    def start(self):
        """Begin a pass over the data."""
        self._totals, self._n = tf.zeros(2, tf.float64), 0
        if not self._is_shared:
            self.model.reset_metrics()

    def __call__(self, chunk, seed, first_index):
        """Take a piece: images, targets and, if weighted, weights."""
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
        """Loss and metrics of the pass so far, as floats."""
        if not self._is_shared:
            logs = {k: float(v) for k, v in self.model.get_metrics_result().items()}
            return {"loss": logs.pop("loss"), **logs}  # in older Keras by alphabet
        loss, accuracy = (float(total) / self._n for total in self._totals.numpy())
        return {"loss": loss} | ({"accuracy": accuracy} if self._with_accuracy else {})


def the_loss(model):
    """The loss that a network was compiled with, out of a list or dict of one."""
    loss = model.loss
    while isinstance(loss, (dict, list, tuple)) and len(loss) == 1:
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    return loss


def output_activation(model):
    """What turns the outputs into probabilities, where the loss takes logits."""
    loss = the_loss(model)
    config = getattr(loss, "get_config", dict)()
    if not config.get("from_logits", getattr(loss, "from_logits", False)):
        return None
    return "sigmoid" if model.output_shape[-1] == 1 else "softmax"


def forward(model, image_shape, image_dtype):
    """A function from a batch of images to their probabilities, as float32."""
    activation = output_activation(model)
    spec = _spec(image_shape, image_dtype)

    def make(network):
        def run(x):
            outputs = network(tf.cast(x, tf.float32), training=False)
            outputs = tf.cast(outputs, tf.float32)
            return getattr(tf.nn, activation)(outputs) if activation else outputs

        return run, [spec]

    graph = shared(("forward", spec), make, model)
    if graph is None:
        run = traced(*make(model))
        return lambda x: run(tf.convert_to_tensor(x, spec.dtype)).numpy()
    run = graph.on(model)
    return lambda x: run(tf.convert_to_tensor(x, spec.dtype))[0].numpy()
