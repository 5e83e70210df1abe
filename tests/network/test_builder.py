"""The layers of the built-in network and their settings."""

import math

import numpy as np
import pytest
from helpers import build_network, layers_of_type, preset_cnn

from skcnn import CNNClassifier
from skcnn._network._builder import scaled_filters


def layer_types(network):
    """Return the class names of the layers in order."""
    return [type(layer).__name__ for layer in network.layers]


def test_order_of_layers_of_preset():
    estimator = preset_cnn(filters=(4, 5), dense_units=(6, 7))
    network = build_network(estimator, (16, 16, 3))
    block = ["Conv2D", "MaxPooling2D", "Dropout"]
    assert layer_types(network) == [
        "InputLayer",
        "Rescaling",
        "BatchNormalization",
        *block,
        *block,
        "Flatten",
        "Dense",
        "Dense",
        "Dense",
    ]
    activations = [
        layer.activation.__name__ for layer in layers_of_type(network, "Conv2D")
    ]
    assert activations == ["relu", "relu"]
    activations = [
        layer.activation.__name__ for layer in layers_of_type(network, "Dense")
    ]
    assert activations == ["relu", "relu", "softmax"]


def test_order_of_layers_of_default_network():
    network = build_network(CNNClassifier(filters=(4, 5)), (64, 64, 3))
    block = ["Conv2D", "BatchNormalization", "Activation", "MaxPooling2D", "Dropout"]
    assert layer_types(network) == [
        "InputLayer",
        "Rescaling",
        "BatchNormalization",
        *block,
        *block,
        "GlobalAveragePooling2D",
        "Dense",
    ]
    for layer in layers_of_type(network, "Conv2D"):
        assert layer.activation.__name__ == "linear"
        assert not layer.use_bias
        assert type(layer.kernel_initializer).__name__ == "HeNormal"
    assert [
        layer.momentum for layer in layers_of_type(network, "BatchNormalization")
    ] == [0.9] * 3
    assert [
        layer.activation.__name__ for layer in layers_of_type(network, "Activation")
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
    network = build_network(CNNClassifier(filters=(4,), pooling=pooling, dense_units=7))
    assert layer_types(network)[-3:] == [kind, "Dense", "Dense"]


@pytest.mark.parametrize(
    ("image_shape", "strides"),
    [((8, 8, 1), 1), ((31, 200, 3), 1), ((32, 32, 3), 2), ((150, 150, 3), 2)],
)
def test_default_stem_strides_depend_on_image_size(image_shape, strides):
    first = build_network(CNNClassifier(filters=(4,)), image_shape).get_layer("conv_1")
    assert first.strides == (strides, strides)


def test_normalize_false_omits_batch_normalization():
    network = build_network(preset_cnn(normalize=False))
    assert layer_types(network)[:2] == ["InputLayer", "Conv2D"]
    assert "BatchNormalization" not in layer_types(network)


@pytest.mark.parametrize(
    ("dense_units", "units"),
    [(None, []), (9, [9]), ((9,), [9]), ([9, 8], [9, 8]), (np.int64(9), [9])],
)
def test_dense_units(dense_units, units):
    network = build_network(preset_cnn(filters=(2,), dense_units=dense_units))
    assert [layer.units for layer in layers_of_type(network, "Dense")] == [*units, 5]


def test_dropout_rates_of_blocks():
    network = build_network(
        preset_cnn(filters=(2, 3, 4), dropout=0.1, last_dropout=0.45)
    )
    rates = [layer.rate for layer in layers_of_type(network, "Dropout")]
    assert rates == [0.1, 0.1, 0.45]
    layers_before = [
        layer_types(network)[i - 1]
        for i, kind in enumerate(layer_types(network))
        if kind == "Dropout"
    ]
    assert layers_before == ["MaxPooling2D"] * 3


def test_single_block_has_last_dropout():
    network = build_network(preset_cnn(filters=(2,), dropout=0.1, last_dropout=0.45))
    assert [layer.rate for layer in layers_of_type(network, "Dropout")] == [0.45]


def test_zero_dropout_adds_no_layer():
    network = build_network(preset_cnn(filters=(2, 3, 4), dropout=0, last_dropout=0.2))
    assert len(layers_of_type(network, "Dropout")) == 1


def test_l2_regularizes_all_convolutions_but_the_first():
    network = build_network(preset_cnn(filters=(2, 3, 4), l2=0.25))
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


def test_l2_penalty_is_sum_of_squares():
    """The L2 penalty of Keras has no factor of one half."""
    network = build_network(preset_cnn(filters=(2, 3, 4), l2=0.25), (9, 9, 1))
    penalty = sum(float(loss) for loss in network.losses)
    expected = sum(
        0.25 * np.sum(np.square(np.asarray(layer.kernel), dtype=np.float64))
        for layer in layers_of_type(network, "Conv2D")[1:]
    )
    assert penalty == pytest.approx(expected, rel=1e-6)
    assert build_network(preset_cnn(l2=0)).losses == []


def test_history_includes_l2_penalty(digits, fast_cnn):
    """With a negligible learning rate, the losses of two fits differ by the penalty."""
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
        ([4, 4], None, 0.01, [1, 1]),  # each block has at least one filter
        (np.array([4, 6]), None, 1, [4, 6]),
    ],
)
def test_scaled_filters(filters, last_filters, width_factor, expected):
    assert scaled_filters(filters, last_filters, width_factor) == expected
    estimator = preset_cnn(
        filters=filters, last_filters=last_filters, width_factor=width_factor
    )
    convolutions = layers_of_type(build_network(estimator, (16, 16, 1)), "Conv2D")
    assert [layer.filters for layer in convolutions] == expected


def test_scaled_filters_does_not_modify_its_argument():
    filters = [4, 6]
    scaled_filters(filters, 7, 2)
    assert filters == [4, 6]


def test_kernel_size_and_stem_strides():
    estimator = preset_cnn(filters=(2, 3, 4), kernel_size=5, stem_strides=2)
    convolutions = layers_of_type(build_network(estimator), "Conv2D")
    assert [layer.kernel_size for layer in convolutions] == [(5, 5)] * 3
    assert [layer.strides for layer in convolutions] == [(2, 2), (1, 1), (1, 1)]
    assert [layer.padding for layer in convolutions] == ["same"] * 3


def test_numpy_scalars_equal_python_numbers():
    """Searches sample such scalars from np.arange or scipy.stats.randint."""
    plain = {"kernel_size": 2, "stem_strides": 2, "last_filters": 4, "dense_units": 6}
    fractions = {"width_factor": 1.5, "dropout": 0.25, "last_dropout": 0.5, "l2": 0.125}
    numpy_scalars = {name: np.int64(value) for name, value in plain.items()}
    numpy_scalars |= {name: np.float32(value) for name, value in fractions.items()}
    numpy_scalars["normalize"] = np.bool_(True)
    expected = build_network(preset_cnn(**plain, **fractions)).get_config()
    assert build_network(preset_cnn(**numpy_scalars)).get_config() == expected


@pytest.mark.parametrize(
    ("image_shape", "last_shape"),
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
def test_small_and_elongated_images(image_shape, last_shape):
    network = build_network(preset_cnn(width_factor=0.1), image_shape)
    assert len(layers_of_type(network, "Conv2D")) == 5
    assert 0 not in network.get_layer("conv_5").output.shape[1:]
    assert network.get_layer("flatten").input.shape[1:3] == last_shape
    outputs = np.asarray(network(np.ones((2, *image_shape), np.float32)))
    assert outputs.shape == (2, 5)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)


def test_initial_weights_follow_glorot_uniform():
    """The presets use the default initializers of Keras, so biases are zero."""
    network = build_network(preset_cnn(filters=(32, 64), normalize=False))
    for layer in [
        *layers_of_type(network, "Conv2D"),
        *layers_of_type(network, "Dense"),
    ]:
        kernel = np.asarray(layer.kernel)
        field = math.prod(kernel.shape[:-2])
        limit = math.sqrt(6 / (field * (kernel.shape[-2] + kernel.shape[-1])))
        assert np.abs(kernel).max() <= limit
        assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=0.1)
        assert not np.any(np.asarray(layer.bias))


def test_initial_weights_do_not_depend_on_earlier_networks():
    first = build_network(preset_cnn(filters=(2, 3)))
    build_network(preset_cnn(filters=(4,), dropout=0))
    second = build_network(preset_cnn(filters=(2, 3)))
    for a, b in zip(first.weights, second.weights, strict=True):
        assert a.path == b.path
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_layers_of_equal_shape_have_different_initial_weights():
    network = build_network(preset_cnn(filters=(6, 6, 6)))
    second, third = (
        np.asarray(c.kernel) for c in layers_of_type(network, "Conv2D")[1:]
    )
    assert second.shape == third.shape
    assert np.mean(second == third) < 0.01


def test_bfloat16_policy_leaves_input_weights_and_probabilities_in_float32():
    network = build_network(preset_cnn(filters=(2,)), dtype="mixed_bfloat16")
    policies = {layer.name: layer.dtype_policy.name for layer in network.layers[1:]}
    assert policies.pop("rescale") == policies.pop("probabilities") == "float32"
    assert set(policies.values()) == {"mixed_bfloat16"}
    assert {v.dtype for v in network.trainable_variables} == {"float32"}
    assert network.output.dtype == "float32"
