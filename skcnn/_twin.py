"""A network to trace in another's place: it computes the same, faster."""

import keras
import tensorflow as tf

# Numbers that a graph gets as input


def has_rate(config):
    return config["rate"] > 0 and config["noise_shape"] is None


def _places_of_numbers(model):
    """Object and attribute of each number that graphs get as input, in one order."""
    dropping = [
        (layer, "rate")
        for layer in model.layers
        if type(layer) in (keras.layers.Dropout, _Dropout)
        and has_rate(layer.get_config())
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


def set_numbers(twin, numbers):
    for i, (place, name) in enumerate(_places_of_numbers(twin)):
        setattr(place, name, numbers[i])


# Layers and optimizers that compute faster than Keras' do


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
        scale, offset = self.scale_and_offset()
        nothing = tf.zeros(0)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.cast(scale, tf.float32),
            offset=tf.cast(offset, tf.float32),
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

    def scale_and_offset(self):
        return self.gamma.value, self.beta.value


class _NormalizedInput(_FusedBatchNormalization):
    """Normalization of the images, whose scale and offset :class:`_FoldedConv2D` has.

    What comes out depends on no weights, so that no gradient with respect to it is
    needed, which would cost as much as the whole convolution that follows. A channel of
    ones is added, for the offset: it ends where the image does, as padding comes after
    normalization.
    """

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def scale_and_offset(self):
        return tf.ones(self.gamma.shape), tf.zeros(self.beta.shape)

    def call(self, inputs, training=None, mask=None):
        y = super().call(inputs, training=training, mask=mask)
        return tf.concat([y, tf.ones_like(y[..., :1])], axis=-1)


class _FoldedConv2D(keras.layers.Conv2D):
    """A convolution of what :class:`_NormalizedInput` has normalized.

    The same sums in another order: its kernels are multiplied by scale and offset, and
    not the images.
    """

    normalization = None  # a function, as a layer's layers are its own

    def build(self, input_shape):
        super().build((*input_shape[:-1], input_shape[-1] - 1))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs):
        scale, offset = (
            tf.cast(v.value, tf.float32)[:, None]
            for v in (self.normalization().gamma, self.normalization().beta)
        )
        kernel = tf.cast(self.kernel.value, tf.float32)
        of_ones = tf.reduce_sum(kernel * offset, axis=2, keepdims=True)
        folded = tf.concat([kernel * scale, of_ones], axis=2)
        x = tf.nn.convolution(
            inputs,
            tf.cast(folded, inputs.dtype),
            self.strides,
            self.padding.upper(),
            dilations=self.dilation_rate,
        )
        if self.use_bias:
            x = tf.nn.bias_add(x, tf.cast(self.bias.value, x.dtype))
        return x if self.activation is None else self.activation(x)


def _folded(model):
    """The normalization of a network's input and the convolution after it, or Nones."""
    try:
        if type(model) is keras.Sequential:
            normalization, convolution = model.layers[:2]
        else:
            (normalization,) = _consumers(model, model.input)
            (convolution,) = _consumers(model, normalization.output)
    except (AttributeError, ValueError):  # none, several, or layers called repeatedly
        return None, None
    if (
        type(normalization) is keras.layers.BatchNormalization
        and _FusedBatchNormalization.takes(normalization)
        and normalization.trainable
        and type(convolution) is keras.layers.Conv2D
        and convolution.data_format == "channels_last"
        and convolution.groups == 1
    ):
        return normalization, convolution
    return None, None


def _consumers(model, tensor):
    return [
        layer
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
        and any(each is tensor for each in keras.tree.flatten(layer.input))
    ]


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


def twin(model):
    """A network of the same structure, to be traced and thrown away."""
    normalization, convolution = _folded(model)
    copies = {}

    def copy_of(layer):
        # Initial values do not matter, and seeds would be drawn from Python's
        # generator.
        config = {
            key: "zeros" if key.endswith("_initializer") else value
            for key, value in layer.get_config().items()
        }
        if "seed" in config:
            config["seed"] = 0
        kind = type(layer)
        if kind is keras.layers.Dropout and has_rate(config):
            kind = _Dropout
        if kind is keras.layers.BatchNormalization and (
            _FusedBatchNormalization.takes(layer)
        ):
            kind = _FusedBatchNormalization
        if layer is normalization:
            kind = _NormalizedInput
        if layer is convolution:
            kind = _FoldedConv2D
        copies[layer] = copied = kind.from_config(config)
        if layer is convolution:
            copied.normalization = lambda: copies[normalization]
        return copied

    copy = keras.models.clone_model(model, clone_function=copy_of)
    kind = type(model.optimizer)
    if not getattr(model.optimizer, "amsgrad", False):
        kind = _FUSED.get(kind, kind)
    loss = model.loss
    if not isinstance(loss, str):
        loss = keras.losses.deserialize(keras.losses.serialize(loss))
    optimizer = kind.from_config(model.optimizer.get_config())
    copy.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    copy.optimizer.build(copy.trainable_variables)
    return copy
