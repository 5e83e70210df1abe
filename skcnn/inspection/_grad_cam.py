"""Grad-CAM: attribution based on gradients with respect to feature maps."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._classifier import CNNClassifier
from .._training._data import ImageReader
from .._utils._fixes import output_tensor
from .._utils._tensorflow import import_tensorflow
from ._targets import target_indices

_BATCH_SIZE = 32


def grad_cam(estimator, X, *, target=None, layer=None):
    """Compute Grad-CAM attributions of a CNNClassifier.

    The attribution is a weighted sum of the feature maps of a convolutional layer. The
    weight of each feature map is the mean gradient of the class score with respect to
    this map. Negative sums are set to 0, and the result is interpolated to the size of
    the image.

    Parameters
    ----------
    estimator : CNNClassifier
        A fitted CNNClassifier, or a fitted search whose best estimator is one.
    X : array-like of shape (n_samples, height, width, channels), \
            (n_samples, height, width) or (n_samples, n_features)
        The images to explain, of the same shape as those that `estimator` was fitted
        on.
    target : label or array-like of shape (n_samples,), default=None
        The class to explain: one label for all images, or one label per image. If None,
        the predicted class of each image is explained.
    layer : str, default=None
        Name of the layer of ``estimator.model_`` whose output provides the feature
        maps. If None, the last convolutional layer is used, including any normalization
        and activation that follow it.

    Returns
    -------
    attribution : ndarray of shape (n_samples, height, width), dtype float32
        Non-negative values. Larger values mark regions that support the class more
        strongly. The scale differs from image to image. The attribution has the
        resolution of the feature maps, which are usually smaller than the image.

    Raises
    ------
    NotFittedError
        If `estimator` is not fitted.
    TypeError
        If `estimator` is not a CNNClassifier.
    ValueError
        If `target` contains unknown labels, or if the network has no layer called
        `layer`, or no layer that outputs feature maps.

    See Also
    --------
    occlusion : Compute attributions for any classifier, more slowly but in finer
        detail.
    skcnn.display.AttributionDisplay : Draw the attributions.

    Notes
    -----
    The class score is the logit of the class minus the mean logit of all classes. The
    paper uses the logit alone. However, a softmax output determines the logits only up
    to a constant that is added to all of them. Subtracting the mean removes this
    constant, so that networks with softmax outputs and networks with logit outputs get
    the same attributions.

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
            f"Got estimator={network!r}, but expected a CNNClassifier. For a pipeline, "
            "pass its last step, and X transformed by the steps before it. For other "
            "classifiers, use skcnn.inspection.occlusion."
        )
    tf = import_tensorflow()
    proba = network.predict_proba(X)
    indices = target_indices(target, proba, network.classes_)
    model = _feature_map_model(network.model_, layer)
    images = ImageReader(np.asarray(X), network.image_shape_)
    height, width, _ = network.image_shape_
    attribution = []
    for start in range(0, len(images), _BATCH_SIZE):
        rows = slice(start, start + _BATCH_SIZE)
        inputs = tf.cast(images.take(rows), tf.float32)
        with tf.GradientTape() as tape:
            maps, output = model(inputs, training=False)
            scores = _class_scores(
                tf.cast(output, tf.float32), indices[rows], network.model_
            )
        # An image's score depends only on the image's own feature maps, so the gradient
        # of the sum of all scores contains the gradient of each image's score.
        gradients = tape.gradient(scores, maps)
        weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
        # With mixed precision, the products have 16 bits; sum them in float32.
        heatmaps = tf.reduce_sum(tf.cast(weights * maps, tf.float32), axis=-1)
        heatmaps = tf.nn.relu(heatmaps)
        heatmaps = tf.image.resize(heatmaps[..., None], (height, width))
        attribution.append(heatmaps.numpy()[..., 0])
    return np.concatenate(attribution)


def _class_scores(output, indices, model):
    """Return the logit of one class per image, minus the mean logit of all classes.

    Parameters
    ----------
    output : tensor of shape (n, n_classes) or (n, 1), dtype float32
        The output of the network: probabilities or logits. A single column belongs to
        the second of two classes.
    indices : ndarray of shape (n,)
        The index of the class for each image.
    model : keras.Model
        The network, whose loss determines whether `output` contains logits.

    Returns
    -------
    scores : tensor of shape (n,), dtype float32
    """
    import tensorflow as tf

    from .._network._outputs import output_activation

    is_logits = output_activation(model) is not None
    tiny = np.finfo(np.float32).tiny
    # Keep probabilities away from 0 and 1, for which logits are infinite.
    if output.shape[-1] == 1:
        # A sigmoid output is the probability of the second class; its logit is the
        # difference between the logits of the two classes.
        if not is_logits:
            p = tf.clip_by_value(output, tiny, 1 - np.finfo(np.float32).epsneg)
            output = tf.math.log(p) - tf.math.log1p(-p)
        output = tf.concat([-output, output], axis=-1)
    elif not is_logits:
        # Log-probabilities are logits up to a constant, which the mean removes below.
        output = tf.math.log(tf.maximum(output, tiny))
    logits = tf.gather(output, indices, axis=1, batch_dims=1)
    return logits - tf.reduce_mean(output, axis=-1)


def _feature_map_model(model, name):
    """Return a model that computes a layer's feature maps and the network's output.

    Parameters
    ----------
    model : keras.Model
        The network.
    name : str or None
        Name of the layer. None selects the last convolutional layer; see
        `_last_convolution`.

    Returns
    -------
    keras.Model
        A model with the outputs `maps`, of shape (n, height, width, channels), and
        `output`. It shares all layers with `model`.
    """
    import keras

    # Output tensors of all layers that output feature maps.
    maps = {}
    for layer in getattr(model, "layers", ()):
        output = output_tensor(layer)
        if len(getattr(output, "shape", ())) == 4 and not _is_input(layer):
            maps[layer.name] = layer, output
    if name is not None and name not in maps:
        raise ValueError(
            f"Got layer={name!r}, but expected a layer of the network that outputs "
            f"feature maps: {', '.join(map(repr, maps)) or 'there is none'}."
        )
    if not maps:
        raise ValueError(
            "The network has no layer that outputs feature maps, of shape (n, height, "
            "width, channels), or it is not a Sequential or Functional model. Use "
            "skcnn.inspection.occlusion, which works with any network."
        )
    if name is None:
        name = _last_convolution(maps)
    return keras.Model(model.inputs[0], [maps[name][1], model.outputs[0]])


def _is_input(layer):
    import keras

    return isinstance(layer, keras.layers.InputLayer)


def _last_convolution(maps):
    """Return the name of the layer that ends the last convolution block.

    The block starts with the last convolution and contains the following layers, such
    as normalization and activation, until the shape of the feature maps changes.

    Parameters
    ----------
    maps : dict of str to (keras.Layer, tensor)
        The layers that output feature maps, in order, and their outputs.
    """
    import keras

    names = list(maps)
    # A layer that is itself a model, such as a backbone, counts as a convolution. In a
    # network without any convolution, start from the last layer with feature maps.
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
