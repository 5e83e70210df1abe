"""The presets: the three networks of the reference notebook."""

import math

import pytest
from helpers import PRESET, build_network

from skcnn import CNNClassifier, optimized_cnn, overfitting_cnn, underfitting_cnn


def count_values(variables):
    """Count the values in `variables`, except for states of random generators."""
    return sum(
        math.prod(v.shape) for v in variables if not v.path.endswith("generator_state")
    )


@pytest.mark.parametrize(
    ("estimator", "n_parameters", "n_non_trainable"),
    [
        (underfitting_cnn(), 4_823, 0),
        (overfitting_cnn(), 3_667_269, 0),
        (optimized_cnn(width_factor=2), 10_466_449, 6),
    ],
    ids=["underfitting", "overfitting", "optimized"],
)
def test_parameter_counts_equal_those_of_the_notebook(
    estimator, n_parameters, n_non_trainable
):
    network = build_network(estimator)
    assert network.count_params() == n_parameters
    assert count_values(network.non_trainable_variables) == n_non_trainable


def test_underfitting_cnn_has_stem_strides_of_three():
    """With strides of three, the network has 4,823 parameters as in the notebook."""
    assert underfitting_cnn().stem_strides == 3
    assert build_network(underfitting_cnn(stem_strides=5)).count_params() == 1_973


UNREGULARIZED = {
    "normalize": False,
    "dropout": 0.0,
    "last_dropout": 0.0,
    "l2": 0.0,
    "augment": False,
    "width_factor": 1,
} | PRESET


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
            **PRESET,
            "epochs": 50,
            "batch_size": 16,
        },
    ),
]


@pytest.mark.parametrize(("preset", "settings"), PRESETS)
def test_presets_have_the_documented_settings(preset, settings):
    estimator = preset()
    assert type(estimator) is CNNClassifier
    defaults = CNNClassifier().get_params(deep=False)
    assert estimator.get_params(deep=False) == defaults | settings


@pytest.mark.parametrize("preset", [preset for preset, _ in PRESETS])
def test_presets_accept_other_values(preset):
    changed = {"epochs": 3, "l2": 0.5, "dense_units": (7, 8), "random_state": 4}
    params = preset().get_params(deep=False)
    assert preset(**changed).get_params(deep=False) == params | changed
    assert preset().get_params(deep=False) == params


@pytest.mark.parametrize("preset", [preset for preset, _ in PRESETS])
def test_presets_reject_misspelt_parameters(preset):
    with pytest.raises(TypeError, match="unexpected keyword argument 'drop_out'"):
        preset(drop_out=0.1)
    with pytest.raises(TypeError, match="positional argument"):
        preset((6, 6))
