"""The builder of the network that `pretrained_cnn` trains."""

from numbers import Integral

import numpy as np


def build_pretrained_cnn(
    meta,
    backbone="efficientnet_lite0",
    weights="imagenet",
    trainable=True,
    head_epochs=3,
    rate_factor=0.1,
    pooling="avg",
    units=None,
    dropout=0.2,
    train_batch_norm=False,
):
    """Build a pretrained network with a new output layer.

    Parameters
    ----------
    meta : dict
        Properties of the training data: ``image_shape_`` and ``n_classes_``.
    backbone, weights, trainable, head_epochs, rate_factor, pooling, units, dropout, \
            train_batch_norm
        As in :func:`~skcnn.pretrained_cnn`.

    Returns
    -------
    keras.Model
        The uncompiled network.
    """
    from keras import Input, Model, layers

    from ._builder import as_units, global_pooling
    from ._pretrained import build_backbone
    from ._trainable import FineTuning

    _check_parameters(head_epochs, rate_factor, dropout, pooling)
    images = Input(meta["image_shape_"], name="images")
    network = build_backbone(backbone, meta["image_shape_"], weights)
    network = Model(network.inputs[0], network.outputs[0], name="backbone")
    is_trained = _set_trainable(network, trainable, train_batch_norm)
    x = network(images)
    x = global_pooling(pooling, name="pooling")(x)
    for index, n_units in enumerate(as_units(units), start=1):
        x = _with_dropout(x, dropout, f"dropout_{index}")
        x = layers.Dense(int(n_units), activation="relu", name=f"dense_{index}")(x)
    x = _with_dropout(x, dropout, "dropout")
    # In bfloat16, softmax would give probabilities with only three digits.
    outputs = layers.Dense(
        meta["n_classes_"], activation="softmax", dtype="float32", name="probabilities"
    )(x)
    model = Model(images, outputs, name="pretrained_cnn")
    if is_trained:
        model.fine_tuning = FineTuning("backbone", int(head_epochs), float(rate_factor))
    return model


def _with_dropout(x, rate, name):
    from keras import layers

    # fit sets the seed of every dropout layer, so this seed has no effect.
    return layers.Dropout(float(rate), seed=0, name=name)(x) if rate else x


def _check_parameters(head_epochs, rate_factor, dropout, pooling):
    if not isinstance(head_epochs, Integral) or head_epochs < 0:
        raise ValueError(
            f"Got model__head_epochs={head_epochs!r}, but expected an integer of at "
            "least 0."
        )
    if not 0 < rate_factor <= 1:
        raise ValueError(
            f"Got model__rate_factor={rate_factor!r}, but expected a number in (0, 1]."
        )
    if not 0 <= dropout < 1:
        raise ValueError(
            f"Got model__dropout={dropout!r}, but expected a number in [0, 1)."
        )
    if pooling not in ("avg", "max"):
        raise ValueError(
            f"Got model__pooling={pooling!r}, but expected 'avg' or 'max'."
        )


def _set_trainable(network, trainable, train_batch_norm):
    """Make the given layers of the backbone trainable, and return whether any are.

    Parameters
    ----------
    network : keras.Model
        The backbone, as `build_backbone` returns it.
    trainable : bool, int or str
    train_batch_norm : bool
    """
    from keras.layers import BatchNormalization

    from .._utils._validation import did_you_mean
    from ._trainable import nested_layers

    layers = [
        layer for layer in nested_layers(network) if not any(nested_layers(layer))
    ]
    names = [layer.name for layer in layers]
    if isinstance(trainable, (bool, np.bool_)):
        first = 0 if trainable else len(layers)
    elif isinstance(trainable, Integral) and abs(trainable) < len(layers):
        first = int(trainable)
    elif isinstance(trainable, str) and trainable in names:
        first = names.index(trainable)
    else:
        near = did_you_mean(trainable, names) if isinstance(trainable, str) else ""
        raise ValueError(
            f"Got model__trainable={trainable!r}, but expected True, False, the name "
            f"of a layer, or the index of a layer among the {len(layers)} layers of "
            f"the backbone, from {names[0]!r} to {names[-1]!r}.{near}"
        )
    for layer in layers[:first]:
        layer.trainable = False
    if not train_batch_norm:
        # Batch normalization that is not trainable uses the statistics of ImageNet.
        # Those of small batches are noisy, and averages of them would change what the
        # following layers get.
        for layer in layers:
            if isinstance(layer, BatchNormalization):
                layer.trainable = False
    return bool(network.trainable_variables)
