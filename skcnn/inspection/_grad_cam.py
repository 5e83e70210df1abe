"""Where a network finds a class, by the gradient at its last convolution."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import _train
from .._classifier import CNNClassifier
from .._tensorflow import import_tensorflow
from ._targets import target_codes

_BATCH = 32


def grad_cam(estimator, X, *, target=None, layer=None):
    """Attribution by the maps of the last convolution and their gradients (Grad-CAM).

    Each map is weighted by the mean gradient of the class's score with respect to it;
    where their sum is positive, the class is found.

    Parameters
    ----------
    estimator : CNNClassifier
        Fitted; or a search whose best estimator is one.
    X : array-like of shape (n_samples, height, width, channels), \
            (n_samples, height, width) or (n_samples, n_features)
        Images of the shape that `estimator` was fitted on.
    target : label or array-like of shape (n_samples,), default=None
        The class to explain, or one for each image. None stands for the one that is
        predicted.
    layer : str, default=None
        Name of the layer of ``estimator.model_`` whose maps are taken. None stands for
        the last convolution, with the normalization and activation behind it.

    Returns
    -------
    attribution : ndarray of shape (n_samples, height, width), dtype float32
        At least 0, the larger the more a place speaks for the class, on a scale of
        each image's own. Interpolated from the maps, which are smaller than the image.

    Raises
    ------
    TypeError
        If `estimator` is something else.
    ValueError
        If the network has no such layer, or none with maps.

    See Also
    --------
    occlusion : For any classifier, and in finer detail; slower.
    skcnn.display.AttributionDisplay : Draws it.

    Notes
    -----
    The score is the class's logit, less the mean of all: to a constant that cannot
    matter to softmax, what is before it in the paper.

    References
    ----------
    R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization", ICCV 2017. https://arxiv.org/abs/1610.02391

    Examples
    --------
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import load_digits
    >>> from skcnn.inspection import grad_cam
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(filters=(8, 16), epochs=3, random_state=0).fit(X, y)
    >>> grad_cam(cnn, X[:5]).shape
    (5, 8, 8)
    """
    check_is_fitted(estimator)
    network = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(network, CNNClassifier):
        raise TypeError(
            f"Got estimator={network!r}, but expected a CNNClassifier. Of a pipeline, "
            "pass the last step, and X as the steps before transform it; occlusion "
            "takes any classifier."
        )
    tf = import_tensorflow()
    proba = network.predict_proba(X)
    codes = target_codes(target, proba, network.classes_)
    both = _maps_and_output(network.model_, layer)
    images = _train.Images(np.asarray(X), network.image_shape_)
    height, width, _ = network.image_shape_
    attribution = []
    for start in range(0, len(images), _BATCH):
        rows = slice(start, start + _BATCH)
        inputs = tf.cast(images.take(rows), tf.float32)
        with tf.GradientTape() as tape:
            maps, output = both(inputs, training=False)
            score = _score(tf.cast(output, tf.float32), codes[rows], network.model_)
        weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
        found = tf.nn.relu(tf.reduce_sum(tf.cast(weights * maps, tf.float32), axis=-1))
        found = tf.image.resize(found[..., None], (height, width))
        attribution.append(found.numpy()[..., 0])
    return np.concatenate(attribution)


def _score(output, codes, model):
    """Logits of the classes, less their mean, from what the network puts out."""
    import tensorflow as tf

    from .._passes import output_activation

    is_logits = output_activation(model) is not None
    tiny = np.finfo(np.float32).tiny
    if output.shape[-1] == 1:  # of the second class, against the first
        if not is_logits:
            p = tf.clip_by_value(output, tiny, 1 - np.finfo(np.float32).epsneg)
            output = tf.math.log(p) - tf.math.log1p(-p)
        output = tf.concat([-output, output], axis=-1)
    elif not is_logits:
        output = tf.math.log(tf.maximum(output, tiny))
    of_class = tf.gather(output, codes, axis=1, batch_dims=1)
    return of_class - tf.reduce_mean(output, axis=-1)


def _maps_and_output(model, name):
    """A network from images to the maps of a layer, and to the output."""
    import keras

    maps = {}
    for layer in getattr(model, "layers", ()):
        # Of a network inside the network, `output` is that of its own graph.
        nodes = layer._inbound_nodes
        output = nodes[-1].output_tensors[0] if nodes else None
        if len(getattr(output, "shape", ())) == 4 and not _is_input(layer):
            maps[layer.name] = layer, output
    if name is not None and name not in maps:
        raise ValueError(
            f"Got layer={name!r}, but the layers of the network that have maps are "
            f"{', '.join(map(repr, maps))}."
        )
    if not maps:
        raise ValueError(
            "The network has no layer whose output is maps (n, height, width, "
            "channels) in a graph of layers. skcnn.inspection.occlusion needs none."
        )
    if name is None:
        name = _last_convolution(maps)
    return keras.Model(model.inputs[0], [maps[name][1], model.outputs[0]])


def _is_input(layer):
    import keras

    return isinstance(layer, keras.layers.InputLayer)


def _last_convolution(maps):
    """Its name, or that of the last layer behind it with maps of the same size."""
    import keras

    names = list(maps)
    convolutions = [
        name
        for name, (layer, _) in maps.items()
        if "Conv" in type(layer).__name__ or isinstance(layer, keras.Model)
    ]
    start = names.index(convolutions[-1]) if convolutions else len(names) - 1
    shape = maps[names[start]][1].shape
    for name in names[start:]:
        if maps[name][1].shape != shape:
            break
        last = name
    return last
