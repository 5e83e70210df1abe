"""Templates: networks that stand in for other networks while graphs are traced.

A template has the same structure as the network that it stands for. Its own values are
never used, because the graph is called with the variables of other networks. A template
computes the same results as the network, but batch normalization and Adam are faster.
The template computes each of these in a single operation, but Keras uses many. Numbers
that may differ between networks with the same signature become tensors while the graph
is traced.

Each fast implementation is used only where it can replace Keras' own. The results agree
up to float32 rounding.
"""

import keras
import tensorflow as tf

from .._network._trainable import TrainableNetwork
from .._utils._fixes import adam_slots, is_fused_adam_possible

# Scalars that a graph takes as input


def is_active_dropout(config):
    """Return whether graphs take the rate of a dropout layer as a scalar input."""
    return config["rate"] > 0 and config["noise_shape"] is None


def _scalar_attributes(model):
    """Return the object and attribute of each scalar input, in a fixed order.

    An attribute may also hold a list of scalars, one for each channel.
    """
    layers = list(_inner_layers(model))
    rates = [
        (layer, "rate")
        for layer in layers
        if type(layer) in (keras.layers.Dropout, _Dropout)
        and is_active_dropout(layer.get_config())
    ]
    rescalings = [
        (layer, name)
        for layer in layers
        if type(layer) is keras.layers.Rescaling
        for name in ("scale", "offset")
        if isinstance(getattr(layer, name), list)
    ]
    factors = [
        (v.regularizer, "l2")
        for v in model.trainable_variables
        if isinstance(v.regularizer, keras.regularizers.L2)
    ]
    return [*rates, *rescalings, *factors]


def _inner_layers(model):
    """Yield the layers of a model, and those of models that are layers of it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _inner_layers(layer)
        else:
            yield layer


def get_scalars(model):
    """Return dropout rates, channel scales and offsets, and L2 factors, as one list."""
    scalars = []
    for thing, name in _scalar_attributes(model):
        value = getattr(thing, name)
        scalars.extend(map(float, value if isinstance(value, list) else [value]))
    return scalars


def set_scalars(model, scalars):
    """Replace the values that :func:`get_scalars` reads with elements of a tensor."""
    i = 0
    for thing, name in _scalar_attributes(model):
        if isinstance(getattr(thing, name), list):
            n = len(getattr(thing, name))
            setattr(thing, name, scalars[i : i + n])
        else:
            n = 1
            setattr(thing, name, scalars[i])
        i += n


# Faster versions of Keras' layers


class _Dropout(keras.layers.Dropout):
    """Dropout whose rate may be a tensor while a graph is traced."""

    def call(self, inputs, training=False):
        if not training:
            return inputs
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        rate = tf.cast(self.rate, inputs.dtype)
        return tf.nn.experimental.stateless_dropout(inputs, rate, seed)


class _FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization as a single operation.

    Keras uses a dozen operations, each of which reads all activations.
    """

    @staticmethod
    def can_replace(layer):
        """Return whether this class computes the same results as `layer`."""
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
        # Compute in float32, as Keras does.
        x = tf.cast(inputs, tf.float32)
        scale, offset = self.scale_and_offset()
        unused = tf.zeros(0)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.cast(scale, tf.float32),
            offset=tf.cast(offset, tf.float32),
            mean=unused if trains else self.moving_mean.value,
            variance=unused if trains else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=trains,
        )
        if trains:
            # The operation returns the unbiased variance, but Keras averages the biased
            # variance, which is smaller by a factor of (n - 1) / n.
            n = tf.cast(tf.size(x) // tf.shape(x)[3], tf.float32)
            for moving, value in (
                (self.moving_mean, mean),
                (self.moving_variance, variance * ((n - 1) / n)),
            ):
                moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return tf.cast(y, self.compute_dtype)

    def scale_and_offset(self):
        return self.gamma.value, self.beta.value


class _NormalizedInput(_FusedBatchNormalization):
    """Normalization of the images without the learned scale and offset.

    :class:`_FoldedConv2D` applies both to its kernels instead. The output then depends
    on no weights, so training needs no gradient with respect to the output. That
    gradient would cost as much as a gradient of the whole convolution.

    The output has an additional channel of ones, by which the offset is multiplied. In
    the padding around the image, this channel is zero, because the padding is added
    after the normalization.
    """

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def scale_and_offset(self):
        return tf.ones(self.gamma.shape), tf.zeros(self.beta.shape)

    def call(self, inputs, training=None, mask=None):
        y = super().call(inputs, training=training, mask=mask)
        return tf.concat([y, tf.ones_like(y[..., :1])], axis=-1)


class _FoldedConv2D(keras.layers.Conv2D):
    """Convolution that follows :class:`_NormalizedInput`.

    It applies the scale and offset of the normalization to its kernels instead of to
    the images. This adds the same terms in a different order.
    """

    # Function that returns the normalization layer. If the layer itself were an
    # attribute, Keras would track it as part of this layer.
    normalization = None

    def build(self, input_shape):
        super().build((*input_shape[:-1], input_shape[-1] - 1))
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs):
        scale, offset = (
            tf.cast(v.value, tf.float32)[:, None]
            for v in (self.normalization().gamma, self.normalization().beta)
        )
        kernel = tf.cast(self.kernel.value, tf.float32)
        for_ones = tf.reduce_sum(kernel * offset, axis=2, keepdims=True)
        folded = tf.concat([kernel * scale, for_ones], axis=2)
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


def _normalized_convolution(model):
    """Return the input normalization and the convolution after it, or (None, None).

    A rescaling layer may precede the normalization, because it has no weights.
    """
    try:
        if type(model) is keras.Sequential:
            layers = iter(model.layers)
            normalization = next(layers)
            if type(normalization) is keras.layers.Rescaling:
                normalization = next(layers)
            convolution = next(layers)
        else:
            (normalization,) = _consumers(model, model.input)
            if type(normalization) is keras.layers.Rescaling:
                (normalization,) = _consumers(model, normalization.output)
            (convolution,) = _consumers(model, normalization.output)
    except (AttributeError, StopIteration, ValueError):
        # A layer is missing, not unique, or called repeatedly.
        return None, None
    if (
        type(normalization) is keras.layers.BatchNormalization
        and _FusedBatchNormalization.can_replace(normalization)
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


# Faster versions of Keras' optimizers


class _FusedAdam:
    """Mixin that updates each variable in a single operation instead of a dozen.

    TensorFlow's kernel computes the same formula in a single pass over memory.
    """

    def apply(self, grads, trainable_variables=None):
        step = tf.cast(self.iterations.value, tf.float32) + 1
        self._powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        momentum, velocity = adam_slots(self, variable)
        beta_1_power, beta_2_power, rate = (
            tf.cast(number, variable.dtype) for number in (*self._powers, learning_rate)
        )
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
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


def _optimizer_class(optimizer):
    is_fused = not getattr(optimizer, "amsgrad", False) and is_fused_adam_possible()
    kind = type(optimizer)
    return _FUSED.get(kind, kind) if is_fused else kind


def make_template(network):
    """Make a network with the same structure as `network`, for tracing graphs.

    Parameters
    ----------
    network : TrainableNetwork
        A network with a graph signature.

    Returns
    -------
    TrainableNetwork
    """
    model = network.model
    normalization, convolution = _normalized_convolution(model)
    copies = {}

    def copy_layer(layer):
        # Initial values do not matter. Set a seed, because a layer without a seed draws
        # one from Python's global generator.
        config = {
            key: "zeros" if key.endswith("_initializer") else value
            for key, value in layer.get_config().items()
        }
        if "seed" in config:
            config["seed"] = 0
        kind = type(layer)
        if kind is keras.layers.Dropout and is_active_dropout(config):
            kind = _Dropout
        if kind is keras.layers.BatchNormalization and (
            _FusedBatchNormalization.can_replace(layer)
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

    template = keras.models.clone_model(
        model, clone_function=copy_layer, recursive=True
    )
    loss = model.loss
    if not isinstance(loss, str):
        loss = keras.losses.deserialize(keras.losses.serialize(loss))
    kind = _optimizer_class(model.optimizer)
    optimizer = kind.from_config(model.optimizer.get_config())
    template.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    optimizer.build(template.trainable_variables)
    return TrainableNetwork(
        template,
        average=network.averages is not None,
        keras_config=network.keras_config,
    )
