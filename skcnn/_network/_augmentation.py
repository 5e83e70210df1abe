"""Random flip, rotation and zoom of training images."""

import math
from numbers import Real

import numpy as np

from .._utils._random import AUGMENT, reseed, seed_sequence, seeded_build

DEFAULTS = {"flip": "horizontal", "rotation": 0.1, "zoom": 0.1}
AUTO = {"rotation": 0.03, "zoom": 0.2}
FLIPS = ("horizontal", "vertical", "horizontal_and_vertical")


def check_augment(augment):
    """Convert `augment` to settings of :func:`random_affine`, a layer or None.

    Raises
    ------
    ValueError
        If a dict has an unknown key or a value out of range.
    """
    if augment is False or augment is None:
        return None
    if augment is True:
        return dict(DEFAULTS)
    if isinstance(augment, str):  # "auto", because fit rejects other strings
        augment = AUTO
    if not isinstance(augment, dict):
        return augment
    for name in augment:
        if name not in DEFAULTS:
            raise ValueError(
                f"Got augment with the key {name!r}, but expected only "
                f"{', '.join(map(repr, DEFAULTS))}."
            )
    flip = augment.get("flip", None)
    if isinstance(flip, bool):
        flip = "horizontal" if flip else None
    if flip is not None and flip not in FLIPS:
        raise ValueError(
            f"Got augment with flip={flip!r}, but expected a bool, None or one of "
            f"{', '.join(map(repr, FLIPS))}."
        )
    settings = {"flip": flip}
    for name, limit in (("rotation", 1.0), ("zoom", 1.0)):
        value = augment.get(name)
        value = 0 if value is None else value
        if not isinstance(value, Real) or not 0 <= value < limit:
            raise ValueError(
                f"Got augment with {name}={value!r}, but expected a number in "
                f"[0, {limit:g})"
                + (" (a fraction of a full turn)." if name == "rotation" else ".")
            )
        settings[name] = float(value)
    return settings if any(settings.values()) else None


def check_layer(augment):
    """Raise a TypeError if `augment` is neither a dict, nor a Keras layer, nor None."""
    from keras import Layer

    if augment is not None and not isinstance(augment, (dict, Layer)):
        raise TypeError(
            f"Got augment={augment!r}, but expected a bool, a dict with the keys "
            "'flip', 'rotation' and 'zoom', or a keras.Layer."
        )


def layer_settings(layer):
    """Return the class and the configuration of a layer, without names and seeds."""

    def without_names_and_seeds(part):
        if isinstance(part, dict):
            return {
                key: without_names_and_seeds(value)
                for key, value in part.items()
                if key not in ("name", "seed")
            }
        if isinstance(part, (list, tuple)):
            return [without_names_and_seeds(item) for item in part]
        return part

    return type(layer), without_names_and_seeds(layer.get_config())


def copy_layer(layer, image_shape, seed):
    """Copy an augmentation layer for one fit, so that fits share no state.

    Raises
    ------
    ValueError
        If the layer changes the shape of images.
    """
    with seeded_build(seed_sequence(seed, AUGMENT)):
        copy = type(layer).from_config(layer.get_config())
        images = np.zeros((2, *image_shape), np.float32)
        changed = copy(images, training=True)
    if changed.shape != images.shape:
        raise ValueError(
            f"Got augment={layer!r}, which turns images of shape {image_shape} into "
            f"images of shape {tuple(changed.shape[1:])}, but expected the same shape: "
            "prediction does not augment, and uses images in their own shape."
        )
    return copy


def augmented(images, augment, seed):
    """Return images augmented in the same way as in training.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
    augment : dict, keras.Layer or None
        The return value of :func:`check_augment`.
    seed : int

    Returns
    -------
    ndarray of the shape of `images` and dtype float32
    """
    images = np.asarray(images, np.float32)
    if augment is None:
        return images
    if isinstance(augment, dict):
        return random_affine(images, (seed, 0), **augment).numpy()
    layer = copy_layer(augment, images.shape[1:], seed)
    reseed(layer.variables, seed_sequence(seed, AUGMENT))
    return np.asarray(layer(images, training=True))


def random_affine(images, seed, *, flip, rotation, zoom):
    """Flip, rotate and zoom each image of a batch at random, in a single resampling.

    The three operations are composed into one affine map, so that an image is
    interpolated once instead of three times. Images are reflected at their borders,
    which is also the default of Keras' layers.

    Parameters
    ----------
    images : tf.Tensor of shape (n, height, width, channels) and dtype float32
    seed : tf.Tensor of shape (2,) and dtype int32
        Seed of the random changes. The same seed always gives the same changes.
    flip : {"horizontal", "vertical", "horizontal_and_vertical"} or None
        Directions in which to flip, each with a probability of one half.
    rotation : float
        Largest angle in either direction, as a fraction of a full turn.
    zoom : float
        Largest relative change in scale when zooming in or out.

    Returns
    -------
    tf.Tensor of the shape and dtype of `images`

    References
    ----------
    Keras' ``RandomFlip``, ``RandomRotation`` and ``RandomZoom``:
    https://keras.io/api/layers/preprocessing_layers/image_augmentation/
    """
    import tensorflow as tf

    n = tf.shape(images)[0]
    height = tf.cast(tf.shape(images)[1], tf.float32)
    width = tf.cast(tf.shape(images)[2], tf.float32)
    draws = tf.random.stateless_uniform((5, n), seed, -1.0, 1.0)
    angle = draws[0] * (rotation * 2 * math.pi)
    # Use one factor for both axes, so that objects keep their proportions. Keras'
    # RandomZoom draws two factors if both a height and a width factor are given.
    scale = 1.0 + draws[1] * zoom
    ones = tf.ones_like(scale)
    sign_x = sign_y = ones
    if flip in ("horizontal", "horizontal_and_vertical"):
        sign_x = tf.where(draws[2] < 0, -ones, ones)
    if flip in ("vertical", "horizontal_and_vertical"):
        sign_y = tf.where(draws[3] < 0, -ones, ones)
    cos, sin = tf.cos(angle) * scale, tf.sin(angle) * scale
    # Map each pixel of the result to its source pixel. The coordinates are relative to
    # the center of the image. Flip first, then rotate and scale.
    a, b = cos * sign_x, -sin * sign_y
    c, d = sin * sign_x, cos * sign_y
    center_x, center_y = (width - 1.0) / 2.0, (height - 1.0) / 2.0
    transforms = tf.stack(
        [
            a,
            b,
            center_x - a * center_x - b * center_y,
            c,
            d,
            center_y - c * center_x - d * center_y,
            tf.zeros_like(scale),
            tf.zeros_like(scale),
        ],
        axis=1,
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
