"""A Keras network as plain data, and back."""

import numpy as np

from ._seeding import seeded_build


def variables(model):
    """All that training changes: weights, states of dropout, optimizer."""
    return [*model.variables, *model.optimizer.variables]


def values(model):
    """The values of :func:`variables`, as arrays."""
    return [v.value.numpy() for v in variables(model)]


def assign(model, arrays):
    """Set what :func:`values` has returned."""
    for variable, array in zip(variables(model), arrays, strict=True):
        variable.assign(array)


def pack(model):
    """Configuration and values of a built and compiled network, ready to pickle.

    Keras pickles a network by the file that ``Model.save`` writes, which leaves out
    the states of dropout layers: a copy would not go on training like its original.
    """
    from keras.saving import serialize_keras_object

    return {"config": serialize_keras_object(model), "values": values(model)}


def unpack(packed):
    """The network that :func:`pack` was given."""
    from keras import config
    from keras.saving import deserialize_keras_object

    # Layers that have no seed of their own draw one from Python's generator.
    with seeded_build(np.random.SeedSequence(0), config.dtype_policy()):
        model = deserialize_keras_object(packed["config"], safe_mode=False)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    assign(model, packed["values"])
    return model
