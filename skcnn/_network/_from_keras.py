"""Use a model that was trained elsewhere as the network of a fitted classifier."""

import keras
import numpy as np

from ._build import check_network, default_loss


class Architecture:
    """Builder that returns new networks with the architecture of a given model.

    Parameters
    ----------
    model : keras.Model
        A sequential or functional model.
    """

    def __init__(self, model):
        self._config = keras.saving.serialize_keras_object(model)
        self._config.pop("compile_config", None)

    def __call__(self):
        return keras.saving.deserialize_keras_object(self._config)


def prepare_model(model, classes, dummy_images):
    """Return a compiled model whose outputs are in the order of the sorted classes.

    Parameters
    ----------
    model : keras.Model
    classes : ndarray of shape (n_classes,)
        The classes, in the order of the outputs.
    dummy_images : callable
        Function that takes the shape of an image and returns a few images for testing
        the model.

    Returns
    -------
    model : keras.Model
        The given model itself if `classes` is sorted, and otherwise a new model.
    classes : ndarray of shape (n_classes,)
        The sorted classes.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"Got model of type {type(model).__module__}.{type(model).__name__}, but "
            "expected a trained keras.Model. Load a file with "
            "keras.saving.load_model."
        )
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:]:
        raise ValueError(
            f"Got a model with input of shape {shape}, but expected (None, height, "
            "width, channels) with fixed numbers. Give it a new input: "
            "keras.Model(inputs, model(inputs)) with inputs = keras.Input((height, "
            "width, channels))."
        )
    if len(np.unique(classes)) != len(classes):
        raise ValueError(
            f"Got classes={classes.tolist()}, but expected each class once."
        )
    n_outputs = model.output_shape[-1]
    if n_outputs != len(classes) and (n_outputs, len(classes)) != (1, 2):
        raise ValueError(
            f"Got {len(classes)} classes, but expected one for each of the "
            f"{n_outputs} outputs of the model, in their order."
        )
    if not model.compiled or model.loss is None:
        model.compile(optimizer="adam", loss=default_loss(model, 0.0))
    check_network(model, dummy_images(shape[1:]), len(classes))
    order = np.argsort(classes)
    if np.any(order[:-1] > order[1:]):
        model = _with_outputs_in_order(model, order)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return model, classes[order]


def _with_outputs_in_order(model, order):
    """Return a model with the same layers, and with outputs in the given order."""
    (outputs,) = keras.tree.flatten(model.outputs)
    if outputs.shape[-1] == 1:
        raise ValueError(
            "Got a model with one output, whose value is the probability of the second "
            "class, but classes that are not sorted. Pass them in sorted order, and "
            "exchange the meaning of the output if necessary."
        )
    outputs = keras.ops.take(outputs, order.tolist(), axis=-1)
    ordered = keras.Model(model.inputs, outputs, name=model.name)
    ordered.compile(optimizer="adam", loss=model.loss, metrics=["accuracy"])
    return ordered
