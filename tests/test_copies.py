"""Clones, pickles and copies before and after fit."""

import copy
import functools
import inspect
import pickle

import joblib
import pytest
from helpers import flatten_builder, invert, model_variables
from keras import callbacks, optimizers
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn import CNNClassifier


class TextCallback(callbacks.Callback):
    def __init__(self, text):
        super().__init__()
        self.text = text

    def __eq__(self, other):
        return type(self) is type(other) and self.text == other.text

    __hash__ = callbacks.Callback.__hash__


NON_DEFAULT = {
    "model": functools.partial(flatten_builder, units=5),
    "filters": (3, 5),
    "last_filters": 7,
    "kernel_size": 5,
    "stem_strides": 2,
    "width_factor": 0.5,
    "dense_units": (9, 4),
    "dropout": 0.11,
    "last_dropout": 0.12,
    "l2": 0.13,
    "normalize": False,
    "batch_norm": False,
    "pooling": "max",
    "label_smoothing": 0.2,
    "average": False,
    "image_shape": (2, -1, 3),
    "augment": {"flip": False, "rotation": 0.2, "zoom": 0.3},
    "optimizer": optimizers.SGD,
    "learning_rate": optimizers.schedules.CosineDecay(0.1, 7),
    "batch_size": 17,
    "epochs": 19,
    "precision": "bfloat16",
    "class_weight": {0: 1.0, 1: 2.5},
    "warm_start": True,
    "validation_fraction": 0.21,
    "early_stopping": True,
    "patience": 3,
    "tol": 1e-3,
    "callbacks": [TextCallback("remember")],
    "memory": "cache",
    "max_time": 3600,
    "random_state": 42,
    "verbose": 2,
}


def comparable(value):
    """Convert `value` to something that can be compared with its deep copy."""
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    if isinstance(value, optimizers.schedules.LearningRateSchedule):
        return type(value), value.get_config()
    return value


def test_non_default_values_cover_every_parameter():
    defaults = CNNClassifier().get_params()
    assert set(NON_DEFAULT) == set(defaults)
    signature = inspect.signature(CNNClassifier.__init__).parameters
    assert set(NON_DEFAULT) == set(signature) - {"self"}
    for name, value in NON_DEFAULT.items():
        assert value is not defaults[name]
        assert comparable(value) != defaults[name], name


@pytest.mark.parametrize(
    "copied",
    [clone, copy.deepcopy, lambda network: clone(clone(network))],
    ids=["clone", "deepcopy", "clone-of-clone"],
)
def test_copies_keep_every_parameter(copied):
    network = CNNClassifier(**NON_DEFAULT)
    params = copied(network).get_params(deep=False)
    assert set(params) == set(NON_DEFAULT)
    for name, value in NON_DEFAULT.items():
        assert comparable(params[name]) == comparable(value), name


@pytest.mark.parametrize("name", NON_DEFAULT)
def test_set_params_sets_one_parameter(name):
    network = CNNClassifier().set_params(**{name: NON_DEFAULT[name]})
    params = network.get_params(deep=False)
    assert params.pop(name) is NON_DEFAULT[name]
    defaults = CNNClassifier().get_params()
    defaults.pop(name)
    assert params == defaults


def test_clone_is_not_fitted(fitted_tiny):
    copied = clone(fitted_tiny)
    assert vars(copied) == fitted_tiny.get_params()


def by_pickle(network, tmp_path):
    return pickle.loads(pickle.dumps(network))


def by_joblib(network, tmp_path):
    joblib.dump(network, tmp_path / "network.joblib", compress=3)
    return joblib.load(tmp_path / "network.joblib")


def by_deepcopy(network, tmp_path):
    return copy.deepcopy(network)


COPIES = [by_pickle, by_joblib, by_deepcopy]


@pytest.fixture(scope="module")
def warm_start_fit(few, tiny_cnn):
    """Return a fit that uses all layers and options that have a state."""
    network = tiny_cnn(
        epochs=2,
        warm_start=True,
        last_dropout=0.3,
        normalize=True,
        augment=True,
        average=True,
    )
    return network.fit(few.images, few.target)


@pytest.fixture(scope="module")
def continued_fit(few, warm_start_fit):
    """Continue `warm_start_fit`, return the results, and restore it afterwards."""
    before = pickle.dumps(warm_start_fit)
    proba = warm_start_fit.predict_proba(few.images)
    warm_start_fit.fit(few.images, few.target)
    history, weights = warm_start_fit.history_, model_variables(warm_start_fit)
    vars(warm_start_fit).update(vars(pickle.loads(before)))
    return proba, history, weights


@pytest.mark.parametrize("copied", COPIES)
def test_copies_predict_and_continue_training_identically(
    few, warm_start_fit, continued_fit, copied, tmp_path
):
    proba, history, weights = continued_fit
    network = copied(warm_start_fit, tmp_path)
    assert network.get_params() == warm_start_fit.get_params()
    assert network.history_ == warm_start_fit.history_
    assert network.n_epochs_ == 2
    assert_array_equal(network.classes_, warm_start_fit.classes_)
    assert_array_equal(network.predict_proba(few.images), proba)

    network.fit(few.images, few.target)
    assert network.n_epochs_ == 4
    assert network.history_ == history
    for left, right in zip(model_variables(network), weights, strict=True):
        assert_array_equal(left, right)
    assert warm_start_fit.n_epochs_ == 2  # the original has not changed
    assert_array_equal(warm_start_fit.predict_proba(few.images), proba)


@pytest.mark.parametrize("copied", COPIES)
def test_copies_of_pipeline_predict_the_same(few, fitted_tiny, copied, tmp_path):
    pipeline = make_pipeline(FunctionTransformer(invert), fitted_tiny)
    again = copied(pipeline, tmp_path)
    assert again[-1] is not fitted_tiny
    assert_array_equal(
        again.predict_proba(few.images), pipeline.predict_proba(few.images)
    )


@pytest.mark.parametrize("copied", COPIES)
def test_copies_keep_builder_and_its_parameters(few, copied, tmp_path):
    network = CNNClassifier(flatten_builder, epochs=1, random_state=0)
    network.set_params(model__units=6).fit(few.images, few.target)
    again = copied(network, tmp_path)
    assert again.get_params()["model__units"] == 6
    assert_array_equal(
        again.predict_proba(few.images), network.predict_proba(few.images)
    )
