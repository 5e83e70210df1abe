"""Compare the forward pass of the built-in network with NumPy."""

import math

import numpy as np
import pytest
from helpers import build_network, layers_of_type, preset_cnn


def convolve(x, kernel, bias, strides):
    """Convolve with "same" padding. An odd pixel of padding is added at the end."""
    size = kernel.shape[0]
    padding = []
    for n in x.shape[1:3]:
        total = max((math.ceil(n / strides) - 1) * strides + size - n, 0)
        padding.append((total // 2, total - total // 2))
    x = np.pad(x, [(0, 0), *padding, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    windows = windows[:, ::strides, ::strides]
    return np.einsum("nhwcij,ijcf->nhwf", windows, kernel, optimize=True) + bias


def max_pool(x):
    """Pool by 2 x 2, but not along axes of length 1. Drop a leftover row or column."""
    n, height, width, channels = x.shape
    by_height, by_width = min(height, 2), min(width, 2)
    height, width = height // by_height, width // by_width
    x = x[:, : height * by_height, : width * by_width]
    x = x.reshape(n, height, by_height, width, by_width, channels)
    return x.max(axis=(2, 4))


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    x = np.exp(x - x.max(axis=1, keepdims=True))
    return x / x.sum(axis=1, keepdims=True)


def forward(weights, x, *, n_blocks, n_dense, strides, normalize):
    """Apply the network in NumPy. The order of `weights` is that of Keras."""
    weights = iter(weights)
    x = x.astype(np.float64)
    if normalize:
        gamma, beta, mean, variance = (next(weights) for _ in range(4))
        x = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    for block in range(n_blocks):
        kernel, bias = next(weights), next(weights)
        x = relu(convolve(x, kernel, bias, 1 if block else strides))
        x = max_pool(x)
    x = x.reshape(len(x), -1)
    for _ in range(n_dense):
        kernel, bias = next(weights), next(weights)
        x = relu(x @ kernel + bias)
    kernel, bias = next(weights), next(weights)
    assert next(weights, None) is None
    return softmax(x @ kernel + bias)


@pytest.mark.parametrize(
    ("image_shape", "gain", "settings"),
    [
        ((16, 16, 3), 1, {}),
        ((13, 22, 3), 1, {"stem_strides": 2}),
        ((14, 11, 1), 1, {"stem_strides": 3, "kernel_size": 4, "dense_units": None}),
        ((17, 9, 2), 2, {"stem_strides": 5, "normalize": False, "dense_units": (7, 6)}),
        ((8, 8, 1), 3, {"filters": (4, 5, 6, 7, 8), "kernel_size": 5}),
        ((1, 30, 1), 1, {"filters": (4, 5, 6), "kernel_size": 2}),
        ((4, 5, 2), 1, {"kernel_size": 1, "stem_strides": 2}),
    ],
)
def test_forward_pass_matches_numpy(image_shape, gain, settings):
    estimator = preset_cnn(**{"filters": (4, 5), "dense_units": 6, **settings})
    network = build_network(estimator, image_shape, n_classes=3)
    rng = np.random.default_rng(0)
    # Choose biases and statistics that all have an effect, unlike their initial values.
    values = []
    for variable in network.weights:
        value = np.asarray(variable)
        if variable.path.endswith("kernel"):
            value = gain * value
        elif variable.path.endswith(("bias", "beta")):
            value = rng.normal(size=value.shape) / 4
        elif variable.path.endswith("gamma"):
            value = rng.uniform(0.5, 1.5, value.shape)
        elif variable.path.endswith("moving_mean"):
            value = rng.uniform(100, 150, value.shape)
        elif variable.path.endswith("moving_variance"):
            value = rng.uniform(3000, 8000, value.shape)
        values.append(value.astype(np.float32))
    network.set_weights(values)
    images = rng.integers(0, 256, (5, *image_shape)).astype(np.float32)
    if not estimator.normalize:
        images /= 255
    expected = forward(
        [value.astype(np.float64) for value in values if value.dtype == np.float32],
        images,
        n_blocks=len(estimator.filters),
        n_dense=len(layers_of_type(network, "Dense")) - 1,
        strides=estimator.stem_strides,
        normalize=estimator.normalize,
    )
    assert expected.std(axis=0).max() > 0.01  # the outputs depend on the images
    computed = np.asarray(network(images, training=False))
    np.testing.assert_allclose(computed, expected, rtol=2e-5, atol=1e-6)


def test_predict_proba_matches_numpy(digits, fitted):
    """This test uses trained weights and passes uint8 images to the estimator."""
    layers = ("normalize", "conv_1", "conv_2", "dense_1", "probabilities")
    weights = [
        np.asarray(value, dtype=np.float64)
        for name in layers
        for value in fitted.model_.get_layer(name).weights
    ]
    mean, std = digits.images.mean(), digits.images.std()
    images = (digits.images[:50] - mean) / std
    expected = forward(
        weights, images, n_blocks=2, n_dense=1, strides=1, normalize=True
    )
    computed = fitted.predict_proba(digits.images[:50])
    np.testing.assert_allclose(computed, expected, rtol=1e-4, atol=1e-6)
