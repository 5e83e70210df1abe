"""A network's passes over data: compiled once, and run on all networks that are alike.

Tracing costs more than the training of a small network, and a search is many short
fits whose networks differ in numbers only: in their weights, the learning rate, rates
of dropout, factors of penalties. So a graph is traced on a twin of the network, and
called with the variables of whichever network of that structure is trained.
"""

import collections
import contextlib
import json
import threading

import keras
import tensorflow as tf

from . import _saving
from ._augment import random_affine
from ._params import averages_weights

# Layers that compute what their configuration says: no code of a user's, and no
# constants that are learned outside of variables, as `Normalization.adapt` does.
_LAYERS = frozenset(
    {
        keras.layers.Activation,
        keras.layers.Add,
        keras.layers.Average,
        keras.layers.AveragePooling2D,
        keras.layers.BatchNormalization,
        keras.layers.Concatenate,
        keras.layers.Conv2D,
        keras.layers.Conv2DTranspose,
        keras.layers.Cropping2D,
        keras.layers.Dense,
        keras.layers.DepthwiseConv2D,
        keras.layers.Dropout,
        keras.layers.ELU,
        keras.layers.Flatten,
        keras.layers.GlobalAveragePooling2D,
        keras.layers.GlobalMaxPooling2D,
        keras.layers.GroupNormalization,
        keras.layers.InputLayer,
        keras.layers.LayerNormalization,
        keras.layers.LeakyReLU,
        keras.layers.MaxPooling2D,
        keras.layers.Maximum,
        keras.layers.Multiply,
        keras.layers.PReLU,
        keras.layers.Permute,
        keras.layers.ReLU,
        keras.layers.Rescaling,
        keras.layers.Reshape,
        keras.layers.SeparableConv2D,
        keras.layers.Softmax,
        keras.layers.SpatialDropout2D,
        keras.layers.Subtract,
        keras.layers.UpSampling2D,
        keras.layers.ZeroPadding2D,
    }
)
# Graphs that are kept: those of a search, of its validation and prediction, and some
# more. The one that was used longest ago goes first.
_MOST_KEPT = 16
_kept = collections.OrderedDict()
_lock = threading.RLock()


# What networks have in common


class _NotTold(Exception):
    """A configuration does not tell all that a graph depends on."""


def structure(model):
    """What decides the graphs of a network, of its loss and its optimizer, as text.

    Networks of one structure differ in the values of their variables, the learning
    rate among them, in the rates of dropout layers, and in the factors of L2
    penalties.

    Parameters
    ----------
    model : keras.Model
        Built and compiled.

    Returns
    -------
    str or None
        None where the configuration does not tell all: for a subclass, or layers,
        losses or metrics of a user's own.
    """
    try:
        return _structure(model)
    except (
        _NotTold,
        AttributeError,
        KeyError,
        NotImplementedError,
        TypeError,
        ValueError,
    ):
        return None


def _structure(model):
    plain = type(model).__module__.startswith("keras.")  # no subclass of a user's
    if not plain or not all(map(_computes_what_it_says, model.layers)):
        raise _NotTold
    compiled, loss = _compiled_with(model), model.loss
    if not (
        _is_of_keras(model.optimizer)
        and (isinstance(loss, str) or _is_of_keras(loss))
        and compiled["metrics"] in (None, [], ["accuracy"])
        and not compiled["weighted_metrics"]
        and not compiled["loss_weights"]
    ):
        raise _NotTold
    if not isinstance(loss, str):
        loss = getattr(loss, "__name__", None) or keras.losses.serialize(loss)
    config = model.get_config()
    if any(layer["module"] != "keras.layers" for layer in config["layers"]):
        raise _NotTold  # operations between layers
    optimizer = dict(keras.optimizers.serialize(model.optimizer)["config"])
    if (
        "learning_rate" not in optimizer  # it wraps another one
        or optimizer.get("loss_scale_factor")
        or optimizer.get("gradient_accumulation_steps")
        or getattr(model.optimizer, "_exclude_from_weight_decay_pattern", None)
        or getattr(model.optimizer, "_exclude_from_weight_decay", None)
    ):
        raise _NotTold
    del optimizer["name"]
    if isinstance(optimizer["learning_rate"], float):  # a schedule is part of the graph
        del optimizer["learning_rate"]
    numbers = []
    told = json.dumps(
        _without_numbers(
            [_without_names(config), loss, type(model.optimizer).__name__, optimizer],
            numbers,
        )
    )
    if len(numbers) != len(numbers_of(model)):
        raise _NotTold  # a penalty on something else than weights, for example
    return told


def _without_names(config):
    """A network's `config` with its layers numbered: automatic names count upwards.

    Only where names stand: a layer may be called as one of its settings.
    """
    layers = config["layers"]
    names = {layer["config"]["name"]: i for i, layer in enumerate(layers)}

    def numbered(part):
        if isinstance(part, (list, tuple)):
            return [numbered(item) for item in part]
        if not isinstance(part, dict):
            return part
        return {
            key: [names[value[0]], *value[1:]]
            if key == "keras_history"
            else numbered(value)
            for key, value in part.items()
        }

    def references(part):
        if isinstance(part, (list, tuple)):
            return [references(item) for item in part]
        return names.get(part, part) if isinstance(part, str) else part

    config = {key: value for key, value in config.items() if key != "name"}
    for key in ("input_layers", "output_layers"):
        if key in config:
            config[key] = references(config[key])
    config["layers"] = [
        numbered(
            {key: value for key, value in layer.items() if key != "name"}
            | {"config": {k: v for k, v in layer["config"].items() if k != "name"}}
        )
        for layer in layers
    ]
    return config


def _compiled_with(model):
    """Arguments of ``compile`` as they came: to serialize what is a user's may warn."""
    try:
        return model._compile_config.config
    except AttributeError:
        raise _NotTold from None


def _computes_what_it_says(layer):
    activation = getattr(layer, "activation", None)
    return type(layer) in _LAYERS and (activation is None or _is_of_keras(activation))


def _is_of_keras(thing):
    """Whether a function, or an object's class, is defined in Keras."""
    return getattr(thing, "__module__", "").partition(".")[0] == "keras"


def _without_numbers(config, numbers):
    """`config` without what graphs do not depend on; what they get as input is noted.

    Those are seeds and initial values, and the rates and factors that
    :func:`numbers_of` lists.
    """
    if isinstance(config, (list, tuple)):
        return [_without_numbers(item, numbers) for item in config]
    if not isinstance(config, dict):
        return config
    kind, module = config.get("class_name"), config.get("module")
    if module is not None and module.partition(".")[0] != "keras":
        raise _NotTold
    if module is None and config.get("registered_name"):  # a user's, of no module
        raise _NotTold
    if kind == "L2" or (kind == "Dropout" and _has_rate(config["config"])):
        key = "l2" if kind == "L2" else "rate"
        numbers.append(config["config"][key])
        config = config | {"config": {**config["config"], key: "a number"}}
    return {
        key: _without_numbers(value, numbers)
        for key, value in config.items()
        if key != "seed" and not key.endswith("_initializer")
    }


def _has_rate(config):
    return config["rate"] > 0 and config["noise_shape"] is None


def _places_of_numbers(model):
    """Object and attribute of each number that graphs get as input, in one order."""
    dropping = [
        (layer, "rate")
        for layer in model.layers
        if type(layer) in (keras.layers.Dropout, _Dropout)
        and _has_rate(layer.get_config())
    ]
    penalties = [
        (v.regularizer, "l2")
        for v in model.trainable_variables
        if isinstance(v.regularizer, keras.regularizers.L2)
    ]
    return [*dropping, *penalties]


def numbers_of(model):
    """Rates of dropout and factors of penalties, which graphs get as input."""
    return [float(getattr(place, name)) for place, name in _places_of_numbers(model)]


# A network to trace


class _Dropout(keras.layers.Dropout):
    """Dropout at a rate that is a tensor while a graph is traced."""

    def call(self, inputs, training=False):
        if not training:
            return inputs
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        rate = tf.cast(self.rate, inputs.dtype)
        return tf.nn.experimental.stateless_dropout(inputs, rate, seed)


class _FusedBatchNormalization(keras.layers.BatchNormalization):
    """Normalization as one operation instead of a dozen, each over all activations."""

    @staticmethod
    def takes(layer):
        """Whether it can stand in for a layer of Keras'."""
        return (
            layer.axis in (-1, 3)
            and layer.center
            and layer.scale
            and not layer.synchronized
            and not getattr(layer, "renorm", False)
        )

    def call(self, inputs, training=None, mask=None):
        if len(inputs.shape) != 4 or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        trains = bool(training and self.trainable)
        # In 32 bits, as Keras does it.
        x = tf.cast(inputs, tf.float32)
        nothing = tf.zeros(0)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.cast(self.gamma.value, tf.float32),
            offset=tf.cast(self.beta.value, tf.float32),
            mean=nothing if trains else self.moving_mean.value,
            variance=nothing if trains else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=trains,
        )
        if trains:
            # Keras keeps the variance of the batch, the operation estimates that of
            # all images from it.
            n = tf.cast(tf.size(x) // tf.shape(x)[3], tf.float32)
            for moving, value in (
                (self.moving_mean, mean),
                (self.moving_variance, variance * ((n - 1) / n)),
            ):
                keeps = self.momentum
                moving.assign(moving * keeps + value * (1 - keeps))
        return tf.cast(y, self.compute_dtype)


class _FusedAdam:
    """Adam's update as one operation for each variable instead of a dozen.

    The same formula, in TensorFlow's kernel: one pass over memory.
    """

    def apply(self, grads, trainable_variables=None):
        step = tf.cast(self.iterations.value, tf.float32) + 1
        self._powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        beta_1_power, beta_2_power, rate = (
            tf.cast(number, variable.dtype) for number in (*self._powers, learning_rate)
        )
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


class _Adam(_FusedAdam, keras.optimizers.Adam):
    pass


class _AdamW(_FusedAdam, keras.optimizers.AdamW):
    pass


_FUSED = {keras.optimizers.Adam: _Adam, keras.optimizers.AdamW: _AdamW}


def _twin(model):
    """A network of the same structure, to be traced and thrown away."""

    def copied(layer):
        # Initial values do not matter, and seeds would be drawn from Python's
        # generator.
        config = {
            key: "zeros" if key.endswith("_initializer") else value
            for key, value in layer.get_config().items()
        }
        if "seed" in config:
            config["seed"] = 0
        kind = type(layer)
        if kind is keras.layers.Dropout and _has_rate(config):
            kind = _Dropout
        if kind is keras.layers.BatchNormalization and (
            _FusedBatchNormalization.takes(layer)
        ):
            kind = _FusedBatchNormalization
        return kind.from_config(config)

    twin = keras.models.clone_model(model, clone_function=copied)
    kind = type(model.optimizer)
    if not getattr(model.optimizer, "amsgrad", False):
        kind = _FUSED.get(kind, kind)
    loss = model.loss
    if not isinstance(loss, str):
        loss = keras.losses.deserialize(keras.losses.serialize(loss))
    optimizer = kind.from_config(model.optimizer.get_config())
    twin.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    twin.optimizer.build(twin.trainable_variables)
    return twin


def _set_numbers(twin, numbers):
    for i, (place, name) in enumerate(_places_of_numbers(twin)):
        setattr(place, name, numbers[i])


# Graphs


def _traced(function, signature, optimizer=None):
    """`function` as one graph, traced on purpose and not by what it is called with.

    `optimizer` is the one that `function` calls, if any.
    """
    function = tf.function(function, input_signature=signature, autograph=False)
    with _on_one_device(optimizer), _averaging(optimizer):
        return function.get_concrete_function()


@contextlib.contextmanager
def _averaging(optimizer):
    """Let an optimizer of ours average weights over the last tenth, about, of steps.

    Keras' own averages are of a fixed number of steps: too long for short fits, and
    short for long ones. Here the share of the newest weights falls with the number of
    steps, so that no length has to be chosen, and the first weights are forgotten: the
    power function of Karras et al. (2024), section 3, https://arxiv.org/abs/2312.02696.
    """
    if optimizer is None or not averages_weights(optimizer):
        yield
        return

    def update(trainable_variables):
        step = tf.cast(optimizer.iterations.value, tf.float32)
        share = 9 / (step + 9)
        averages = optimizer._model_variables_moving_average
        for variable, average in zip(trainable_variables, averages, strict=True):
            difference = variable.value - average.value
            average.value.assign_add(difference * tf.cast(share, average.dtype))

    optimizer._update_model_variables_moving_average = update
    try:
        yield
    finally:
        del optimizer._update_model_variables_moving_average


@contextlib.contextmanager
def _on_one_device(optimizer):
    """Let `optimizer` take gradients as they are, not summed over devices.

    On one device the sum changes nothing, but TensorFlow registers a gradient of the
    sum for good, and with it the graph, the network and the optimizer's state: memory
    would grow with each fit.
    """
    optimizers = []
    while optimizer is not None and not tf.distribute.has_strategy():
        optimizers.append(optimizer)
        optimizer = getattr(optimizer, "inner_optimizer", None)
    for each in optimizers:
        each._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    try:
        yield
    finally:
        for each in optimizers:
            del each._all_reduce_sum_gradients


def _shapes(model):
    return [(v.shape, v.dtype) for v in _saving.variables(model)]


class _Graph:
    """A graph that was traced on a twin and runs on other networks' variables."""

    def __init__(self, make, model):
        twin = _twin(model)
        if _shapes(twin) != _shapes(model):
            raise _NotTold
        function, signature = make(twin)
        self._graph = _traced(function, signature, twin.optimizer)
        self._dtypes = [output.dtype for output in self._graph.outputs]
        variables = [v.value.handle for v in _saving.variables(twin)]
        places = {id(handle): i for i, handle in enumerate(variables)}
        captured = self._graph.captured_inputs
        if not all(id(handle) in places for handle in captured):
            raise _NotTold
        self._order = [places[id(handle)] for handle in captured]
        # The twin's own values are never used, and the graph keeps its variables:
        # their memory is given back.
        for variable in _saving.variables(twin):
            tf.raw_ops.AssignVariableOp(
                resource=variable.value.handle, value=tf.zeros(0, variable.dtype)
            )

    def on(self, model):
        """The graph as a function of its inputs, on this network's variables."""
        handles = [v.value.handle for v in _saving.variables(model)]
        captured = [handles[i] for i in self._order]

        def run(*inputs):
            return tf.raw_ops.StatefulPartitionedCall(
                args=[*inputs, *captured], Tout=self._dtypes, f=self._graph
            )

        return run


def _shared(key, make, model):
    """The graph for all networks like this one; None if there can be none."""
    alike = structure(model)
    if alike is None:
        return None
    key = (alike, *key)
    with _lock:
        if key not in _kept:
            try:
                _kept[key] = _Graph(make, model)
            except _NotTold:
                _kept[key] = None
            while len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]


# Passes


def _spec(array_shape, dtype):
    return tf.TensorSpec((None, *array_shape), tf.as_dtype(dtype))


def _over_batches(step, augment):
    """Run `step` on batch after batch of a piece of the data, adding up its results."""

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

        def shared(twin):
            step = _standard_step(twin, train)
            run = flat(_over_batches(step, augment if train else None))

            def numbered(numbers, *inputs):
                _set_numbers(twin, numbers)
                return run(*inputs)

            return numbered, [tf.TensorSpec((None,), tf.float32), *specs]

        graph = None
        if augment is None or settings is not None:
            key = ("train" if train else "test", *specs, json.dumps(settings))
            graph = _shared(key, shared, model)
        self._is_shared = graph is not None
        if self._is_shared:
            run, numbers = graph.on(model), tf.constant(numbers_of(model), tf.float32)
            self._run = lambda *inputs: run(numbers, *inputs)[0]
            self._with_accuracy = bool(_compiled_with(model)["metrics"])
        else:
            own_step = model.train_step if train else model.test_step

            def step(x, y, weight):
                own_step((x, y) if weight is None else (x, y, weight))
                return tf.zeros(2, tf.float64)

            run = flat(_over_batches(step, augment if train else None))
            self._run = _traced(run, specs, model.optimizer if train else None)

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

    graph = _shared(("forward", spec), make, model)
    if graph is None:
        run = _traced(*make(model))
        return lambda x: run(tf.convert_to_tensor(x, spec.dtype)).numpy()
    run = graph.on(model)
    return lambda x: run(tf.convert_to_tensor(x, spec.dtype))[0].numpy()
