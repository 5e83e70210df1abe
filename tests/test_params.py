"""Getting, setting and displaying parameters with scikit-learn."""

import pytest
from helpers import flatten_builder
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skcnn import CNNClassifier


@pytest.mark.parametrize("state", ["unfitted", "fitted", "pipeline"])
def test_html_representation(fitted_tiny, state):
    estimator = {
        "unfitted": clone(fitted_tiny),
        "fitted": fitted_tiny,
        "pipeline": make_pipeline(StandardScaler(), fitted_tiny),
    }[state]
    html = estimator_html_repr(estimator)
    assert estimator._repr_html_() is not None
    for text in ("CNNClassifier", "filters", "(8,)", "learning_rate", "0.01"):
        assert text in html


def test_repr_shows_non_default_parameters(tiny_cnn):
    assert repr(CNNClassifier()) == "CNNClassifier()"
    assert repr(CNNClassifier(l2=0.5)) == "CNNClassifier(l2=0.5)"


def test_builder_parameters_are_in_get_params():
    network = CNNClassifier(flatten_builder)
    assert network.get_params()["model__units"] == 8
    assert "model__units" not in network.get_params(deep=False)
    assert "model__meta" not in network.get_params()
    network.set_params(model__units=3, epochs=2)
    network.set_params(model__activation="tanh")
    params = network.get_params()
    assert (params["model__units"], params["model__activation"]) == (3, "tanh")
    assert network.epochs == 2
    copied = clone(network)
    assert copied.get_params()["model__units"] == 3
    copied.set_params(model__units=4)
    assert network.get_params()["model__units"] == 3


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"epoch": 3}, r"Invalid parameter 'epoch'.*Did you mean 'epochs'\?"),
        ({"filter": 3}, r"Did you mean 'filters'\?"),
        ({"model__unitz": 3}, "'model__unitz'.*flatten_builder.*'model__units'?"),
        ({"model__meta": 3}, "Invalid parameter 'model__meta'"),
        ({"neurons__units": 3}, "Invalid parameter 'neurons__units'"),
    ],
)
def test_misspelt_parameter_gets_a_suggestion(few, params, message):
    network = CNNClassifier(flatten_builder)
    before = network.get_params()
    with pytest.raises(ValueError, match=message):
        network.set_params(batch_size=3, **params)
    assert network.get_params() == before
    search = GridSearchCV(network, {name: [value] for name, value in params.items()})
    with pytest.raises(ValueError, match=message):
        search.fit(few.images, few.target)


def test_constructor_rejects_misspelt_parameter():
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        CNNClassifier(epoch=3)


def test_builder_parameter_requires_a_builder():
    with pytest.raises(ValueError, match=r"model is None.*Set model= first"):
        CNNClassifier().set_params(model__units=3)
