"""Hyper-parameters to a Keras network: one parametric builder."""

import math


def scaled_filters(filters, last_filters, width_factor):
    """Filters of each block after `last_filters` and `width_factor` had their say."""
    filters = list(filters)
    if last_filters is not None:
        filters[-1] = last_filters
    return [max(1, math.floor(n * width_factor + 0.5)) for n in filters]


def as_units(dense_units):
    """Units of the hidden dense layers as a tuple, empty for None."""
    if dense_units is None:
        return ()
    try:
        return tuple(dense_units)
    except TypeError:
        return (dense_units,)


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
    dtype,
    seed,
):
    """Build the network that `CNNClassifier` trains when it is given no `model`.

    Blocks of ``Conv2D(same, relu) -> MaxPooling2D -> Dropout``, then
    ``Flatten -> Dense(relu) -> Dense(softmax)``, with batch normalization of the
    input in front when `normalize` is true.

    Parameters
    ----------
    meta : dict
        What `fit` has learned from the data: ``image_shape_`` (height, width,
        channels) and ``n_classes_``.
    filters, last_filters, kernel_size, stem_strides, width_factor, dense_units, \
            dropout, last_dropout, l2, normalize
        As in :class:`~skcnn.CNNClassifier`.
    dtype : str
        Keras dtype policy of every layer but the last, whose probabilities are
        always float32.
    seed : numpy.random.SeedSequence
        Decides the initial weights. Each layer gets a seed of its own, so that nothing
        is drawn from a global generator.

    Returns
    -------
    keras.Model
        Not compiled.
    """
    from keras import Input, Model, initializers, layers, regularizers

    def initializer():
        (child,) = seed.spawn(1)
        return initializers.GlorotUniform(seed=int(child.generate_state(1)[0] >> 1))

    # Explicit names: Keras' automatic ones count upwards in the process, and the same
    # fit should give the same network wherever it runs.
    inputs = Input(meta["image_shape_"], name="images")
    x = inputs
    if normalize:
        x = layers.BatchNormalization(dtype=dtype, name="normalize")(x)
    widths = scaled_filters(filters, last_filters, width_factor)
    # Keras takes no numbers of NumPy, as candidates of a search often are.
    kernel_size, stem_strides, l2 = int(kernel_size), int(stem_strides), float(l2)
    for block, width in enumerate(widths, start=1):
        first, last = block == 1, block == len(widths)
        x = layers.Conv2D(
            width,
            kernel_size,
            strides=stem_strides if first else 1,
            padding="same",
            activation="relu",
            kernel_initializer=initializer(),
            kernel_regularizer=regularizers.L2(l2) if l2 and not first else None,
            dtype=dtype,
            name=f"conv_{block}",
        )(x)
        # Small images: an axis that has shrunk to one pixel is not pooled any more.
        pool = tuple(2 if size >= 2 else 1 for size in x.shape[1:3])
        if pool != (1, 1):
            x = layers.MaxPooling2D(pool, dtype=dtype, name=f"pool_{block}")(x)
        rate = last_dropout if last else dropout
        if rate:
            # Any seed: fit decides the masks, of this network and of a user's.
            x = layers.Dropout(rate, seed=0, dtype=dtype, name=f"dropout_{block}")(x)
    x = layers.Flatten(dtype=dtype, name="flatten")(x)
    for index, units in enumerate(as_units(dense_units), start=1):
        x = layers.Dense(
            int(units),
            activation="relu",
            kernel_initializer=initializer(),
            dtype=dtype,
            name=f"dense_{index}",
        )(x)
    # Softmax in bfloat16 would leave probabilities of three digits.
    outputs = layers.Dense(
        meta["n_classes_"],
        activation="softmax",
        kernel_initializer=initializer(),
        dtype="float32",
        name="probabilities",
    )(x)
    return Model(inputs, outputs, name="cnn")
