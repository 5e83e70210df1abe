"""Targets of user-defined losses: class indices or one-hot rows."""

import functools
import pickle

import keras
import numpy as np
import pytest
from helpers import dense_network
from keras import losses, ops
from sklearn.base import clone

from skcnn import CNNClassifier
from skcnn._network._build import target_encoder


def probability_of_index(y_true, y_pred):
    indices = ops.cast(ops.reshape(y_true, (-1, 1)), "int32")
    return ops.take_along_axis(y_pred, indices, axis=1)


def focal(y_true, y_pred, gamma=2.0):
    """Take class indices, although the name does not say so."""
    p = probability_of_index(y_true, y_pred)
    return ops.mean(-((1 - p) ** gamma) * ops.log(p + 1e-7), axis=-1)


def sparse_focal(y_true, y_pred):
    return focal(y_true, y_pred)


def one_hot_inside(y_true, y_pred):
    """Take class indices and convert them to one-hot rows."""
    targets = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), 4)
    return losses.categorical_crossentropy(targets, y_pred)


def squared_error(y_true, y_pred):
    """Take one-hot rows."""
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def sparsely_smoothed(y_true, y_pred):
    """Take one-hot rows, despite the name."""
    return losses.categorical_crossentropy(y_true, y_pred, label_smoothing=0.1)


class OwnFocal(losses.Loss):
    """A loss that takes class indices."""

    def __init__(self, gamma=2.0, name="own_focal", **kwargs):
        super().__init__(name=name, **kwargs)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        return focal(y_true, y_pred, self.gamma)

    def get_config(self):
        return super().get_config() | {"gamma": self.gamma}


class SparseNamed(losses.Loss):
    """A loss that takes one-hot rows."""

    def call(self, y_true, y_pred):
        return losses.categorical_crossentropy(y_true, y_pred)


class Logits(losses.Loss):
    """A loss that takes class indices and logits."""

    from_logits = True

    def call(self, y_true, y_pred):
        return losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


class OneHotLogits(losses.Loss):
    """A loss that takes one-hot rows and logits."""

    from_logits = True

    def call(self, y_true, y_pred):
        return losses.categorical_crossentropy(y_true, y_pred, from_logits=True)


LOSSES_OF_INDICES = {
    "function": focal,
    "function with sparse in its name": sparse_focal,
    "one-hot inside": one_hot_inside,
    "Loss": OwnFocal(),
    "Loss with settings": OwnFocal(gamma=1.0, name="dense_targets"),
    "partial": functools.partial(focal, gamma=1.0),
    "lambda": lambda y_true, y_pred: focal(y_true, y_pred),
    "LossFunctionWrapper": losses.deserialize("sparse_categorical_crossentropy"),
    "Keras by name": "sparse_categorical_crossentropy",
}
LOSSES_OF_ONE_HOT_ROWS = {
    "function": squared_error,
    "function with sparse in its name": sparsely_smoothed,
    "Loss": SparseNamed(),
    "Loss with sparse as its name": SparseNamed(name="sparse"),
    "partial": functools.partial(losses.categorical_crossentropy, label_smoothing=0.1),
    "lambda": lambda y_true, y_pred: squared_error(y_true, y_pred),
    "Keras": losses.CategoricalFocalCrossentropy(),
    "Keras by name": "categorical_crossentropy",
}


def compiled_builder(meta, loss, activation="softmax"):
    if isinstance(loss, type):  # Keras pickles only objects of registered classes
        loss = loss()
    network = dense_network(meta["image_shape_"], meta["n_classes_"], activation, 16)
    network.compile(keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
    return network


def encoded(loss, n_classes=4, activation="softmax"):
    meta = {"image_shape_": (8, 8, 1), "n_classes_": n_classes}
    network = compiled_builder(meta, loss, activation)
    return target_encoder(network, n_classes)(np.arange(n_classes))


def assert_class_indices(targets):
    np.testing.assert_array_equal(targets, np.arange(len(targets)))
    assert targets.dtype == np.int32


def assert_one_hot_rows(targets):
    np.testing.assert_array_equal(targets, np.eye(len(targets)))
    assert targets.dtype == np.float32


@pytest.mark.parametrize("loss", LOSSES_OF_INDICES)
def test_loss_gets_class_indices(loss):
    assert_class_indices(encoded(LOSSES_OF_INDICES[loss]))


@pytest.mark.parametrize("loss", LOSSES_OF_ONE_HOT_ROWS)
def test_loss_gets_one_hot_rows(loss):
    assert_one_hot_rows(encoded(LOSSES_OF_ONE_HOT_ROWS[loss]))


@pytest.mark.parametrize("n_classes", [2, 3, 10, 200])
def test_number_of_classes_does_not_matter(n_classes):
    assert_class_indices(encoded(focal, n_classes))
    assert_class_indices(encoded(OwnFocal(), n_classes))
    assert_one_hot_rows(encoded(squared_error, n_classes))
    assert_one_hot_rows(encoded(sparsely_smoothed, n_classes))


@pytest.mark.parametrize("name", ["own", "sparse_own"])
def test_losses_with_logits(name):
    assert_class_indices(encoded(Logits(name=name), activation=None))
    assert_one_hot_rows(encoded(OneHotLogits(name=name), activation=None))


def fit(classifier, X, y, loss, activation="softmax"):
    builder = functools.partial(compiled_builder, loss=loss, activation=activation)
    return classifier(builder, augment=False).fit(X, y)


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        (focal, "softmax"),
        (one_hot_inside, "softmax"),
        (OwnFocal, "softmax"),
        (functools.partial(focal, gamma=1.0), "softmax"),
        (Logits, None),
        (squared_error, "softmax"),
        (SparseNamed, "softmax"),
        (OneHotLogits, None),
    ],
    ids=[
        "focal",
        "one-hot inside",
        "Loss of indices",
        "partial",
        "logits of indices",
        "squared error",
        "Loss of one-hot rows",
        "logits of one-hot rows",
    ],
)
def test_network_learns_with_own_loss(few, classifier, loss, activation):
    estimator = fit(classifier, few.images, few.target, loss, activation)
    assert estimator.score(few.images, few.target) > 0.9
    assert estimator.history_["accuracy"][-1] > 0.8
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(
        again.predict_proba(few.images), estimator.predict_proba(few.images)
    )


def test_name_of_a_loss_does_not_change_the_accuracy(few, classifier):
    plain = fit(classifier, few.images, few.target, focal)
    sparse = fit(classifier, few.images, few.target, sparse_focal)
    np.testing.assert_allclose(
        plain.predict_proba(few.images), sparse.predict_proba(few.images), rtol=1e-5
    )
    assert plain.history_["loss"] == pytest.approx(sparse.history_["loss"], rel=1e-5)


def test_targets_stay_the_same_when_training_continues(few, classifier):
    estimator = fit(classifier, few.images, few.target, focal)
    first = estimator.history_["loss"][-1]
    estimator.set_params(warm_start=True).fit(few.images, few.target)
    assert estimator.history_["loss"][-1] < first
    # Pass images from only half of the classes to partial_fit.
    some = few.target < 2
    estimator.partial_fit(few.images[some], few.target[some])
    assert clone(estimator).fit(few.images, few.target).n_epochs_ == 6


def needs_float64(y_true, y_pred):
    """Fail with both kinds of targets."""
    if y_true.dtype != "float64":
        raise TypeError("float64 is required")
    return ops.mean(y_pred, axis=-1)


def sparse_needs_float64(y_true, y_pred):
    return needs_float64(y_true, y_pred)


def constant(y_true, y_pred):
    return 0 * ops.mean(y_pred, axis=-1)


def sparse_constant(y_true, y_pred):
    return constant(y_true, y_pred)


@pytest.mark.parametrize("loss", [needs_float64, constant])
def test_name_decides_if_neither_works(loss):
    assert_one_hot_rows(encoded(loss))


@pytest.mark.parametrize("loss", [sparse_needs_float64, sparse_constant])
def test_sparse_name_decides_if_neither_works(loss):
    assert_class_indices(encoded(loss))


def takes_both(y_true, y_pred):
    """Accept both class indices and one-hot rows."""
    if len(y_true.shape) == 1:
        y_true = ops.one_hot(y_true, y_pred.shape[-1])
    return losses.categorical_crossentropy(y_true, y_pred)


def test_name_decides_if_both_work(few, classifier):
    assert_one_hot_rows(encoded(takes_both))
    estimator = fit(classifier, few.images, few.target, takes_both)
    assert estimator.score(few.images, few.target) > 0.9


def test_one_sigmoid_gets_a_column(two_classes):
    X, y = two_classes

    def builder(meta):
        network = dense_network(meta["image_shape_"], 1, "sigmoid", 8)
        network.compile("adam", lambda y_true, y_pred: squared_error(y_true, y_pred))
        return network

    estimator = CNNClassifier(builder, epochs=10, augment=False, random_state=0)
    assert estimator.fit(X, y).score(X, y) > 0.9
