"""The builder of the built-in network."""

import math

# If images have at least this height and width, the first convolution has strides of 2.
# A training step then takes a quarter of the time, without measurable loss of accuracy.
_LARGE_IMAGE = 32
# Momentum of batch normalization. With Keras' default of 0.99, the moving averages take
# hundreds of steps to forget their initial values. A fit on few images has fewer steps.
# The presets keep Keras' default.
_MOMENTUM, _KERAS_MOMENTUM = 0.9, 0.99


def scaled_filters(filters, last_filters, width_factor):
    """Return the number of filters in each block."""
    filters = list(filters)
    if last_filters is not None:
        filters[-1] = last_filters
    return [max(1, math.floor(n * width_factor + 0.5)) for n in filters]


def as_units(dense_units):
    """Return the units of the hidden dense layers as a tuple, or () for None."""
    if dense_units is None:
        return ()
    try:
        return tuple(dense_units)
    except TypeError:
        return (dense_units,)


def global_pooling(pooling, **params):
    """Return the layer that pools each feature map, for "avg" or "max"."""
    from keras import layers

    kind = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}
    return kind[pooling](**params)


def build_cnn(
    meta,
    *,
    filters,
    last_filters,
    kernel_size,
    stem_strides,
    width_factor,
    dense_units,
    dropout,
    last_dropout,
    l2,
    normalize,
    batch_norm,
    pooling,
    dtype,
    seed,
):
    """Build the network that `CNNClassifier` trains if `model` is None.

    The network starts with a batch normalization of the input. Blocks of ``Conv2D(same)
    -> BatchNormalization -> relu -> MaxPooling2D -> Dropout`` follow. The network ends
    with ``GlobalAveragePooling2D -> Dense(relu) -> Dense(softmax)``. The parameters
    `normalize`, `batch_norm` and `pooling` may remove or replace the layers that they
    control.

    Parameters
    ----------
    meta : dict
        Properties of the training data: ``image_shape_`` (height, width, channels),
        ``n_classes_`` and, if `normalize`, ``input_rescaling_`` (the scale and offset
        of each channel, as two lists).
    filters, last_filters, kernel_size, stem_strides, width_factor, dense_units, \
            dropout, last_dropout, l2, normalize, batch_norm, pooling
        As in :class:`~skcnn.CNNClassifier`.
    dtype : str
        Keras dtype policy of all layers but the last, which is always float32.
    seed : numpy.random.SeedSequence
        Seed of the initial weights. Each layer gets its own seed, so that no layer
        draws a seed from a global generator.

    Returns
    -------
    keras.Model
        The uncompiled network.
    """
    from keras import Input, Model, initializers, layers, regularizers

    def initializer(kind=initializers.GlorotUniform):
        (child,) = seed.spawn(1)
        return kind(seed=int(child.generate_state(1)[0] >> 1))

    # Keras numbers automatic layer names consecutively within a process. With explicit
    # names, the same fit gives the same network in any process.
    inputs = Input(meta["image_shape_"], name="images")
    x = inputs
    momentum = _MOMENTUM if batch_norm else _KERAS_MOMENTUM
    if normalize:
        # Use the training images' statistics to rescale images to mean 0 and variance
        # 1, so that the moving averages of the normalization start at the right values.
        # Use float32, because in bfloat16, values far from zero would lose precision.
        scale, offset = meta["input_rescaling_"]
        x = layers.Rescaling(scale, offset, dtype="float32", name="rescale")(x)
        x = layers.BatchNormalization(momentum=momentum, dtype=dtype, name="normalize")(
            x
        )
    if stem_strides is None:
        stem_strides = 2 if min(meta["image_shape_"][:2]) >= _LARGE_IMAGE else 1
    widths = scaled_filters(filters, last_filters, width_factor)
    # A search may pass parameter values as NumPy scalars, which Keras rejects.
    kernel_size, stem_strides, l2 = int(kernel_size), int(stem_strides), float(l2)
    for block, width in enumerate(widths, start=1):
        first, last = block == 1, block == len(widths)
        x = layers.Conv2D(
            width,
            kernel_size,
            strides=stem_strides if first else 1,
            padding="same",
            activation=None if batch_norm else "relu",
            use_bias=not batch_norm,
            # With batch normalization, use the initialization of He et al. (2015). The
            # presets keep Keras' default (Glorot and Bengio, 2010).
            kernel_initializer=initializer(
                initializers.HeNormal if batch_norm else initializers.GlorotUniform
            ),
            kernel_regularizer=regularizers.L2(l2) if l2 and not first else None,
            dtype=dtype,
            name=f"conv_{block}",
        )(x)
        if batch_norm:
            x = layers.BatchNormalization(
                momentum=momentum, dtype=dtype, name=f"batch_norm_{block}"
            )(x)
            x = layers.Activation("relu", dtype=dtype, name=f"relu_{block}")(x)
        # In small images, an axis may have only one pixel left. Do not pool this axis.
        pool = tuple(2 if size >= 2 else 1 for size in x.shape[1:3])
        if pool != (1, 1):
            x = layers.MaxPooling2D(pool, dtype=dtype, name=f"pool_{block}")(x)
        rate = last_dropout if last else dropout
        if rate:
            # fit sets the seed of every dropout layer, so this seed has no effect.
            x = layers.Dropout(rate, seed=0, dtype=dtype, name=f"dropout_{block}")(x)
    if pooling is None:
        x = layers.Flatten(dtype=dtype, name="flatten")(x)
    else:
        x = global_pooling(pooling, dtype=dtype, name="pooling")(x)
    for index, units in enumerate(as_units(dense_units), start=1):
        x = layers.Dense(
            int(units),
            activation="relu",
            kernel_initializer=initializer(),
            dtype=dtype,
            name=f"dense_{index}",
        )(x)
    # In bfloat16, softmax would give probabilities with only three digits.
    outputs = layers.Dense(
        meta["n_classes_"],
        activation="softmax",
        kernel_initializer=initializer(),
        dtype="float32",
        name="probabilities",
    )(x)
    return Model(inputs, outputs, name="cnn")
