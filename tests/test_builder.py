"""The built-in network: what stands where, and that it computes what it says."""

import functools
import math

import numpy as np
import pytest

from skcnn import CNNClassifier, optimized_cnn, overfitting_cnn, underfitting_cnn
from skcnn._builder import build_cnn, scaled_filters
from skcnn._classifier import _NETWORK
from skcnn._tensorflow import import_tensorflow

import_tensorflow()

SCENES = (150, 150, 3)
# The network of the notebook, without what has come since.
PLAIN = {
    "batch_norm": False,
    "pooling": None,
    "label_smoothing": 0.0,
    "learning_rate": 1e-3,
    "average": False,
}


plain_cnn = functools.partial(
    CNNClassifier,
    **PLAIN,
    filters=(32, 64, 128, 256, 512),
    stem_strides=1,
    dense_units=256,
    dropout=0.3,
    last_dropout=0.4,
)


def build(estimator, image_shape=SCENES, n_classes=5, dtype="float32"):
    """The network that `estimator` would train, not trained."""
    meta = {"image_shape_": image_shape, "n_classes_": n_classes}
    network = {name: getattr(estimator, name) for name in _NETWORK}
    seed = np.random.SeedSequence(0)
    return build_cnn(meta, **network, dtype=dtype, seed=seed)


def kinds(network):
    """Names of the layers' classes, in order."""
    return [type(layer).__name__ for layer in network.layers]


def layers_of(network, kind):
    return [layer for layer in network.layers if type(layer).__name__ == kind]


def n_values(variables):
    """Number of values; the states of random generators are none of them."""
    return sum(
        math.prod(v.shape) for v in variables if not v.path.endswith("generator_state")
    )


# Parameter counts and presets: the reference notebook's three networks


@pytest.mark.parametrize(
    ("estimator", "n_parameters", "n_fixed"),
    [
        (underfitting_cnn(), 4_823, 0),
        (overfitting_cnn(), 3_667_269, 0),
        (optimized_cnn(width_factor=2), 10_466_449, 6),
    ],
    ids=["underfitting", "overfitting", "optimized"],
)
def test_parameter_counts_are_exactly_those_of_the_notebook(
    estimator, n_parameters, n_fixed
):
    network = build(estimator)
    assert network.count_params() == n_parameters
    assert n_values(network.non_trainable_variables) == n_fixed


def test_stem_strides_of_the_underfitting_network():
    """The count of 4,823 needs strides of 3; with 5 it would be another network."""
    assert underfitting_cnn().stem_strides == 3
    assert build(underfitting_cnn(stem_strides=5)).count_params() == 1_973


UNREGULARIZED = {
    "normalize": False,
    "dropout": 0.0,
    "last_dropout": 0.0,
    "l2": 0.0,
    "augment": False,
    "width_factor": 1,
} | PLAIN
PRESETS = [
    (
        underfitting_cnn,
        UNREGULARIZED
        | {
            "filters": (6, 6),
            "stem_strides": 3,
            "dense_units": None,
            "epochs": 30,
            "batch_size": 32,
        },
    ),
    (
        overfitting_cnn,
        UNREGULARIZED
        | {
            "filters": (32, 64, 128, 256, 512),
            "stem_strides": 1,
            "dense_units": 256,
            "epochs": 50,
            "batch_size": 16,
        },
    ),
    (
        optimized_cnn,
        {
            "filters": (32, 64, 128, 256, 512),
            "stem_strides": 1,
            "dense_units": 256,
            "normalize": True,
            "dropout": 0.3,
            "last_dropout": 0.4,
            "l2": 1e-3,
            "augment": True,
            "width_factor": 1,
            **PLAIN,
            "epochs": 50,
            "batch_size": 16,
        },
    ),
]


@pytest.mark.parametrize(("preset", "settings"), PRESETS)
def test_presets_are_the_settings_of_the_table(preset, settings):
    estimator = preset()
    assert type(estimator) is CNNClassifier
    defaults = CNNClassifier().get_params(deep=False)
    assert estimator.get_params(deep=False) == defaults | settings


@pytest.mark.parametrize("preset", [preset for preset, _ in PRESETS])
def test_presets_take_other_values(preset):
    changed = {"epochs": 3, "l2": 0.5, "dense_units": (7, 8), "random_state": 4}
    before = preset().get_params(deep=False)
    assert preset(**changed).get_params(deep=False) == before | changed
    assert preset().get_params(deep=False) == before  # no shared settings


@pytest.mark.parametrize("preset", [preset for preset, _ in PRESETS])
def test_presets_refuse_a_misspelt_parameter(preset):
    with pytest.raises(TypeError, match="unexpected keyword argument 'drop_out'"):
        preset(drop_out=0.1)
    with pytest.raises(TypeError, match="positional argument"):
        preset((6, 6))


# What stands where


def test_order_of_the_layers():
    estimator = plain_cnn(filters=(4, 5), dense_units=(6, 7))
    network = build(estimator, (16, 16, 3))
    block = ["Conv2D", "MaxPooling2D", "Dropout"]
    assert kinds(network) == [
        "InputLayer",
        "BatchNormalization",
        *block,
        *block,
        "Flatten",
        "Dense",
        "Dense",
        "Dense",
    ]
    activations = [layer.activation.__name__ for layer in layers_of(network, "Conv2D")]
    assert activations == ["relu", "relu"]
    activations = [layer.activation.__name__ for layer in layers_of(network, "Dense")]
    assert activations == ["relu", "relu", "softmax"]


def test_order_of_the_layers_of_the_default_network():
    network = build(CNNClassifier(filters=(4, 5)), (64, 64, 3))
    block = ["Conv2D", "BatchNormalization", "Activation", "MaxPooling2D", "Dropout"]
    assert kinds(network) == [
        "InputLayer",
        "BatchNormalization",
        *block,
        *block,
        "GlobalAveragePooling2D",
        "Dense",
    ]
    for layer in layers_of(network, "Conv2D"):
        assert layer.activation.__name__ == "linear"
        assert not layer.use_bias
        assert type(layer.kernel_initializer).__name__ == "HeNormal"
    assert [layer.momentum for layer in layers_of(network, "BatchNormalization")] == [
        0.9
    ] * 3
    assert [
        layer.activation.__name__ for layer in layers_of(network, "Activation")
    ] == ["relu"] * 2


@pytest.mark.parametrize(
    ("pooling", "kind"),
    [
        ("avg", "GlobalAveragePooling2D"),
        ("max", "GlobalMaxPooling2D"),
        (None, "Flatten"),
    ],
)
def test_pooling(pooling, kind):
    network = build(CNNClassifier(filters=(4,), pooling=pooling, dense_units=7))
    assert kinds(network)[-3:] == [kind, "Dense", "Dense"]


@pytest.mark.parametrize(
    ("image_shape", "strides"),
    [((8, 8, 1), 1), ((31, 200, 3), 1), ((32, 32, 3), 2), ((150, 150, 3), 2)],
)
def test_stem_strides_follow_the_size_of_images(image_shape, strides):
    first = build(CNNClassifier(filters=(4,)), image_shape).get_layer("conv_1")
    assert first.strides == (strides, strides)


def test_without_normalization_the_first_layer_is_a_convolution():
    network = build(plain_cnn(normalize=False))
    assert kinds(network)[:2] == ["InputLayer", "Conv2D"]
    assert "BatchNormalization" not in kinds(network)


@pytest.mark.parametrize(
    ("dense_units", "units"),
    [(None, []), (9, [9]), ((9,), [9]), ([9, 8], [9, 8]), (np.int64(9), [9])],
)
def test_dense_units(dense_units, units):
    network = build(plain_cnn(filters=(2,), dense_units=dense_units))
    assert [layer.units for layer in layers_of(network, "Dense")] == [*units, 5]


def test_dropout_after_each_block_and_another_after_the_last():
    network = build(plain_cnn(filters=(2, 3, 4), dropout=0.1, last_dropout=0.45))
    rates = [layer.rate for layer in layers_of(network, "Dropout")]
    assert rates == [0.1, 0.1, 0.45]
    before = [
        kinds(network)[i - 1]
        for i, kind in enumerate(kinds(network))
        if kind == "Dropout"
    ]
    assert before == ["MaxPooling2D"] * 3


def test_a_single_block_is_the_last_one():
    network = build(plain_cnn(filters=(2,), dropout=0.1, last_dropout=0.45))
    assert [layer.rate for layer in layers_of(network, "Dropout")] == [0.45]


def test_dropout_of_zero_is_no_layer():
    network = build(plain_cnn(filters=(2, 3, 4), dropout=0, last_dropout=0.2))
    assert len(layers_of(network, "Dropout")) == 1


def test_l2_on_every_convolution_but_the_first_and_nowhere_else():
    network = build(plain_cnn(filters=(2, 3, 4), l2=0.25))
    assert all(
        getattr(layer, name, None) is None
        for layer in network.layers
        for name in ("bias_regularizer", "activity_regularizer", "gamma_regularizer")
    )
    regularized = {
        layer.name: float(layer.kernel_regularizer.l2)
        for layer in network.layers
        if getattr(layer, "kernel_regularizer", None) is not None
    }
    assert regularized == {"conv_2": 0.25, "conv_3": 0.25}


def test_l2_in_the_loss():
    """Without one term more the losses are l2 times the sum of squares."""
    network = build(plain_cnn(filters=(2, 3, 4), l2=0.25), (9, 9, 1))
    penalty = sum(float(loss) for loss in network.losses)
    expected = sum(
        0.25 * np.sum(np.square(np.asarray(layer.kernel), dtype=np.float64))
        for layer in layers_of(network, "Conv2D")[1:]
    )
    assert penalty == pytest.approx(expected, rel=1e-6)
    assert build(plain_cnn(l2=0)).losses == []


def test_l2_in_the_loss_that_fit_reports(digits, fast_cnn):
    """Same weights and batches: the losses of a tiny step differ by the penalty."""
    X, y = digits.images[:64], digits.target[:64]
    tiny = {"epochs": 1, "learning_rate": 1e-9, "batch_size": 64}
    plain = fast_cnn(l2=0, **tiny).fit(X, y)
    regular = fast_cnn(l2=0.5, **tiny).fit(X, y)
    kernel = np.asarray(regular.model_.get_layer("conv_2").kernel, dtype=np.float64)
    difference = regular.history_["loss"][0] - plain.history_["loss"][0]
    assert difference == pytest.approx(0.5 * np.sum(kernel**2), rel=1e-5)


@pytest.mark.parametrize(
    ("filters", "last_filters", "width_factor", "expected"),
    [
        ((32, 64, 512), None, 1, [32, 64, 512]),
        ((32, 64, 512), 100, 1, [32, 64, 100]),
        ((32, 64, 512), 100, 2, [64, 128, 200]),
        ([3, 5], None, 0.5, [2, 3]),  # halves round up, unlike Python's round
        ([3, 5], None, 1.5, [5, 8]),
        ([10], None, 0.34, [3]),
        ([4, 4], None, 0.01, [1, 1]),  # never none
        (np.array([4, 6]), None, 1, [4, 6]),
    ],
)
def test_filters(filters, last_filters, width_factor, expected):
    assert scaled_filters(filters, last_filters, width_factor) == expected
    estimator = plain_cnn(
        filters=filters, last_filters=last_filters, width_factor=width_factor
    )
    convolutions = layers_of(build(estimator, (16, 16, 1)), "Conv2D")
    assert [layer.filters for layer in convolutions] == expected


def test_filters_of_the_user_are_not_changed():
    filters = [4, 6]
    scaled_filters(filters, 7, 2)
    assert filters == [4, 6]


def test_kernel_size_and_stem_strides():
    estimator = plain_cnn(filters=(2, 3, 4), kernel_size=5, stem_strides=2)
    convolutions = layers_of(build(estimator), "Conv2D")
    assert [layer.kernel_size for layer in convolutions] == [(5, 5)] * 3
    assert [layer.strides for layer in convolutions] == [(2, 2), (1, 1), (1, 1)]
    assert [layer.padding for layer in convolutions] == ["same"] * 3


def test_numbers_of_numpy_are_numbers():
    """As a search draws them from np.arange or scipy.stats.randint."""
    plain = {"kernel_size": 2, "stem_strides": 2, "last_filters": 4, "dense_units": 6}
    fractions = {"width_factor": 1.5, "dropout": 0.25, "last_dropout": 0.5, "l2": 0.125}
    of_numpy = {name: np.int64(value) for name, value in plain.items()}
    of_numpy |= {name: np.float32(value) for name, value in fractions.items()}
    of_numpy["normalize"] = np.bool_(True)
    expected = build(plain_cnn(**plain, **fractions)).get_config()
    assert build(plain_cnn(**of_numpy)).get_config() == expected


# Images of any size


@pytest.mark.parametrize(
    ("image_shape", "last_map"),
    [
        ((8, 8, 1), (1, 1)),
        ((1, 1, 1), (1, 1)),
        ((1, 40, 1), (1, 1)),
        ((1, 64, 2), (1, 2)),
        ((5, 300, 3), (1, 9)),
        ((300, 5, 3), (9, 1)),
        ((33, 31, 4), (1, 1)),
        ((150, 150, 3), (4, 4)),
    ],
)
def test_small_and_odd_images(image_shape, last_map):
    network = build(plain_cnn(width_factor=0.1), image_shape)
    assert len(layers_of(network, "Conv2D")) == 5
    assert network.get_layer("conv_5").output.shape[1:3] != (0, 0)
    assert network.get_layer("flatten").input.shape[1:3] == last_map
    outputs = np.asarray(network(np.ones((2, *image_shape), np.float32)))
    assert outputs.shape == (2, 5)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)


# The forward pass against NumPy


def convolve(x, kernel, bias, strides):
    """A convolution with TensorFlow's 'same' padding, the odd pixel at the end."""
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
    """2 x 2 where an axis has more than a pixel; what is left over is dropped."""
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
    """The network in NumPy, from its weights in the order that Keras lists them."""
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
def test_forward_pass_is_that_of_numpy(image_shape, gain, settings):
    estimator = plain_cnn(**{"filters": (4, 5), "dense_units": 6, **settings})
    network = build(estimator, image_shape, n_classes=3)
    rng = np.random.default_rng(0)
    # Biases and statistics other than zero and one, so that each must be in its place.
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
        n_dense=len(layers_of(network, "Dense")) - 1,
        strides=estimator.stem_strides,
        normalize=estimator.normalize,
    )
    assert expected.std(axis=0).max() > 0.01  # outputs that tell images apart
    computed = np.asarray(network(images, training=False))
    np.testing.assert_allclose(computed, expected, rtol=2e-5, atol=1e-6)


def test_predict_proba_is_the_forward_pass_of_numpy(digits, fitted):
    """The same with trained weights, uint8 images and all of the estimator around."""
    layers = ("normalize", "conv_1", "conv_2", "dense_1", "probabilities")
    weights = [
        np.asarray(value, dtype=np.float64)
        for name in layers
        for value in fitted.model_.get_layer(name).weights
    ]
    expected = forward(
        weights, digits.images[:50], n_blocks=2, n_dense=1, strides=1, normalize=True
    )
    computed = fitted.predict_proba(digits.images[:50])
    np.testing.assert_allclose(computed, expected, rtol=1e-4, atol=1e-6)


# Weights


def test_initial_weights_are_those_of_keras_layers():
    """Glorot's uniform distribution, as Keras has by default, and biases of zero."""
    network = build(plain_cnn(filters=(32, 64), normalize=False))
    for layer in [*layers_of(network, "Conv2D"), *layers_of(network, "Dense")]:
        kernel = np.asarray(layer.kernel)
        field = math.prod(kernel.shape[:-2])
        limit = math.sqrt(6 / (field * (kernel.shape[-2] + kernel.shape[-1])))
        assert np.abs(kernel).max() <= limit
        assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=0.1)
        assert not np.any(np.asarray(layer.bias))


def test_same_seed_same_weights_whatever_was_built_before():
    first = build(plain_cnn(filters=(2, 3)))
    build(plain_cnn(filters=(4,), dropout=0))
    second = build(plain_cnn(filters=(2, 3)))
    for a, b in zip(first.weights, second.weights, strict=True):
        assert a.path == b.path
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_layers_of_one_shape_start_from_different_weights():
    network = build(plain_cnn(filters=(6, 6, 6)))
    second, third = (np.asarray(c.kernel) for c in layers_of(network, "Conv2D")[1:])
    assert second.shape == third.shape
    assert np.mean(second == third) < 0.01


def test_bfloat16_computes_in_bfloat16_but_for_the_probabilities():
    network = build(plain_cnn(filters=(2,)), dtype="mixed_bfloat16")
    policies = {layer.name: layer.dtype_policy.name for layer in network.layers[1:]}
    assert policies.pop("probabilities") == "float32"
    assert set(policies.values()) == {"mixed_bfloat16"}
    assert {v.dtype for v in network.trainable_variables} == {"float32"}
    assert network.output.dtype == "float32"
