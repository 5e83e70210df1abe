"""Conventions of MLPClassifier, and builders that were written for scikeras."""

import functools
import pickle

import numpy as np
import pytest
from helpers import assert_same_weights, same_weights
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import check_estimator

from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402

NAMES = np.array(["coast", "desert", "forest", "glacier"])


@pytest.fixture(params=["MLPClassifier", "CNNClassifier"])
def make(request, tiny_cnn):
    """Return a function that creates an MLPClassifier or a similar CNNClassifier."""

    def mlp(epochs=5, **params):
        return MLPClassifier(
            (16,),
            learning_rate_init=1e-2,
            batch_size=32,
            max_iter=epochs,
            random_state=0,
            **params,
        )

    if request.param == "MLPClassifier":
        return mlp
    return functools.partial(tiny_cnn, image_shape=(8, 8))


# After so few epochs, scikit-learn warns that the optimization has not converged.
short_training = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)


def losses(estimator):
    return getattr(estimator, "loss_curve_", None) or estimator.history_["loss"]


@short_training
def test_warm_start_continues(few, make):
    X, y = few.rows, few.target
    estimator = make(warm_start=True).fit(X, y)
    first = losses(estimator)[-1]
    estimator.fit(X, y)
    assert losses(estimator)[-1] < first
    cold = make().fit(X, y)
    expected = losses(cold)[0]
    assert losses(cold.fit(X, y))[0] == pytest.approx(expected)


@short_training
def test_partial_fit_takes_one_step_through_the_data(few, make):
    X, y = few.rows, few.target
    estimator = make(epochs=1, shuffle=False) if _is_mlp(make) else make(epochs=1)
    partial = clone(estimator).partial_fit(X, y, classes=np.arange(4))
    for _ in range(3):
        partial.partial_fit(X, y)
    assert len(losses(partial)) == 4
    assert losses(partial)[-1] < losses(partial)[0]
    fitted = estimator.fit(X, y)
    assert losses(partial)[0] == pytest.approx(losses(fitted)[0], rel=1e-5)


def _is_mlp(make):
    return not isinstance(make, functools.partial)


@short_training
def test_partial_fit_needs_classes_once(few, make):
    X, y = few.rows, NAMES[few.target]
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        make().partial_fit(X, y)
    some = y != "forest"
    estimator = make().partial_fit(X[some], y[some], classes=NAMES[::-1])
    estimator.partial_fit(X, y)
    np.testing.assert_array_equal(estimator.classes_, NAMES)
    assert estimator.predict_proba(X).shape == (160, 4)


@short_training
def test_early_stopping_holds_out_images(few, make):
    params = {} if _is_mlp(make) else {"patience": 3}
    if _is_mlp(make):
        params["n_iter_no_change"] = 3
    estimator = make(
        epochs=60, early_stopping=True, validation_fraction=0.25, tol=0.05, **params
    )
    estimator.fit(few.rows, few.target)
    assert 3 < len(losses(estimator)) < 60
    assert estimator.score(few.rows, few.target) > 0.8


@short_training
def test_labels_may_be_strings(few, make):
    X, y = few.rows, NAMES[few.target]
    estimator = make().fit(X, y)
    np.testing.assert_array_equal(estimator.classes_, NAMES)
    assert estimator.predict(X).dtype == NAMES.dtype
    assert set(estimator.predict(X)) <= set(NAMES)
    again = make().fit(X, few.target)
    np.testing.assert_allclose(estimator.predict_proba(X), again.predict_proba(X))


@short_training
def test_classes_are_sorted(few, make):
    X = few.rows
    y = np.array([30, -2, 7, 5])[few.target]
    estimator = make().fit(X[::-1], y[::-1])
    assert estimator.classes_.tolist() == [-2, 5, 7, 30]
    best = estimator.predict_proba(X).argmax(axis=1)
    np.testing.assert_array_equal(estimator.classes_[best], estimator.predict(X))


@short_training
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_dtype_of_images_does_not_matter(few, make, dtype):
    X = few.rows.astype(np.float32)
    estimator, other = make().fit(X, few.target), make()
    other.fit(few.rows.astype(dtype), few.target)
    np.testing.assert_allclose(
        other.predict_proba(few.rows), estimator.predict_proba(X), atol=1e-3
    )


@short_training
def test_random_state_decides_the_order_of_images(few, make):
    X, y = few.rows, few.target
    first, again = make().fit(X, y), make().fit(X, y)
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    other = make().set_params(random_state=1).fit(X, y)
    assert not np.allclose(first.predict_proba(X), other.predict_proba(X))


@short_training
def test_training_shuffles(few, make):
    """If the images are sorted by class, training without shuffling fails."""
    order = np.argsort(few.target, kind="stable")
    estimator = make(epochs=10).fit(few.rows[order], few.target[order])
    assert estimator.score(few.rows, few.target) > 0.9


@short_training
def test_logarithm_of_probabilities(few, make):
    estimator = make().fit(few.rows, few.target)
    proba = estimator.predict_proba(few.rows)
    assert estimator.predict_log_proba(few.rows).shape == (160, 4)
    np.testing.assert_allclose(
        np.exp(estimator.predict_log_proba(few.rows)), proba, atol=1e-12
    )


@pytest.mark.filterwarnings("error")
def test_logarithm_of_zero_is_silent(few, tiny_cnn):
    estimator = tiny_cnn(epochs=30).fit(few.images, few.target)
    logarithms = estimator.predict_log_proba(few.images * 1e6)
    assert np.isneginf(logarithms).any()
    assert (logarithms <= 0).all()


@short_training
def test_fit_resets(few, make):
    X, y = few.rows, NAMES[few.target]
    estimator = make().fit(X, y)
    some = few.target < 2
    estimator.fit(X[some], few.target[some])
    assert estimator.classes_.tolist() == [0, 1]
    assert estimator.predict_proba(X).shape == (160, 2)
    fresh = make().fit(X[some], few.target[some])
    np.testing.assert_array_equal(estimator.predict_proba(X), fresh.predict_proba(X))


# Builders


def rows_builder(meta, units=8):
    """Build a network for rows of any width."""
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Flatten(),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def rows_cnn():
    estimator = CNNClassifier(
        rows_builder,
        image_shape=(1, -1, 1),
        augment=False,
        learning_rate=1e-2,
        batch_size=16,
        epochs=10,
        random_state=0,
    )
    return estimator.set_params(model__units=16)


@pytest.mark.slow
def test_check_estimator_with_a_builder(rows_cnn):
    pytest.importorskip("pandas", reason="some checks require pandas")
    results = check_estimator(
        rows_cnn,
        expected_failed_checks={
            "check_sample_weight_equivalence_on_dense_data": (
                "A repeated sample is shuffled into other batches."
            )
        },
        on_skip=None,
        on_fail=None,
    )
    failed = {
        r["check_name"]: r["exception"] for r in results if r["status"] == "failed"
    }
    assert failed == {}
    assert len(results) >= 60


def test_fit_does_not_change_a_partial(few, rows_cnn):
    estimator = clone(rows_cnn).set_params(image_shape=None, epochs=1)
    assert isinstance(estimator.model, functools.partial)
    model, before = estimator.model, pickle.dumps(estimator.model)
    estimator.fit(few.images, few.target)
    estimator.partial_fit(few.images, few.target).predict(few.images)
    assert estimator.model is model
    assert pickle.dumps(estimator.model) == before


def scikeras_builder(meta, hidden_layer_sizes=(16,), dropout=0.0):
    """Build a network as in the documentation of scikeras, without compiling it."""
    model = keras.models.Sequential()
    model.add(keras.layers.Input(shape=meta["X_shape_"][1:]))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.BatchNormalization())
    for hidden_layer_size in hidden_layer_sizes:
        model.add(keras.layers.Dense(hidden_layer_size, activation="relu"))
        model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(meta["n_classes_"], activation="softmax"))
    return model


def scikeras_compiling_builder(hidden_layer_sizes, meta, compile_kwargs):
    """Compile for the type of the target, as in the documentation of scikeras."""
    model = keras.Sequential()
    model.add(keras.layers.Input(shape=meta["X_shape_"][1:]))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.BatchNormalization())
    for hidden_layer_size in hidden_layer_sizes:
        model.add(keras.layers.Dense(hidden_layer_size, activation="relu"))
    if meta["target_type_"] == "binary":
        n_output_units = 1
        output_activation = "sigmoid"
        loss = "binary_crossentropy"
    elif meta["target_type_"] == "multiclass":
        n_output_units = meta["n_classes_"]
        output_activation = "softmax"
        loss = "sparse_categorical_crossentropy"
    else:
        raise NotImplementedError(f"Unsupported task type: {meta['target_type_']}")
    model.add(keras.layers.Dense(n_output_units, activation=output_activation))
    model.compile(loss=loss, optimizer=compile_kwargs["optimizer"])
    return model


def scikeras_or_builder(meta, compile_kwargs):
    """Use the loss in `compile_kwargs`, if there is one."""
    model = scikeras_builder(meta)
    model.compile(
        loss=compile_kwargs["loss"] or "sparse_categorical_crossentropy",
        optimizer=compile_kwargs["optimizer"],
        metrics=compile_kwargs["metrics"],
    )
    return model


def scikeras_passing_builder(meta, compile_kwargs):
    model = scikeras_builder(meta)
    model.compile(**compile_kwargs)
    return model


SCIKERAS = {
    "not compiled": (scikeras_builder, {"hidden_layer_sizes": (8, 8), "dropout": 0.1}),
    "compiled": (scikeras_compiling_builder, {"hidden_layer_sizes": (16,)}),
    "compiled with or": (scikeras_or_builder, {}),
    "compiled with all": (scikeras_passing_builder, {}),
}


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("builder", SCIKERAS)
def test_builders_of_scikeras(few, builder, n_classes):
    builder, params = SCIKERAS[builder]
    rows = few.target < n_classes
    X, y = few.images[rows], NAMES[few.target[rows]]
    estimator = CNNClassifier(
        builder, augment=False, learning_rate=1e-2, epochs=8, random_state=0
    )
    estimator.set_params(**{f"model__{name}": v for name, v in params.items()})
    assert estimator.fit(X, y).score(X, y) > 0.9
    n_outputs = 1 if "compiling" in builder.__name__ and n_classes == 2 else n_classes
    assert estimator.model_.output_shape == (None, n_outputs)
    assert estimator.predict_proba(X).shape == (len(X), n_classes)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))


@pytest.mark.parametrize(
    "builder",
    [
        scikeras_builder,
        functools.partial(scikeras_compiling_builder, hidden_layer_sizes=(8,)),
    ],
)
def test_type_of_target_follows_all_classes(few, builder):
    """A single call to partial_fit may contain labels of only two of the classes."""
    estimator = CNNClassifier(builder, random_state=0)
    y = [1, 2, 2, 1]
    estimator.partial_fit(few.images[:4], y, classes=[1, 2, 3])
    assert estimator.model_.output_shape == (None, 3)
    assert estimator.predict_proba(few.images[:4]).shape == (4, 3)
    estimator.partial_fit(few.images[:4], [3, 2, 2, 1])
    assert estimator.n_epochs_ == 2


def two_outputs_builder(meta):
    inputs = keras.Input(meta["image_shape_"])
    x = keras.layers.Flatten()(inputs)
    outputs = [keras.layers.Dense(n, activation="softmax")(x) for n in (2, 3)]
    return keras.Model(inputs, outputs)


def two_inputs_builder(meta):
    inputs = [keras.Input(meta["image_shape_"]) for _ in range(2)]
    x = keras.layers.Flatten()(keras.layers.Add()(inputs))
    outputs = keras.layers.Dense(meta["n_classes_"], activation="softmax")(x)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("builder", "what"), [(two_outputs_builder, "outputs"), (two_inputs_builder, "in")]
)
def test_several_outputs_or_inputs(few, builder, what, compiled):
    def build(meta):
        model = builder(meta)
        if compiled:
            model.compile("adam", "sparse_categorical_crossentropy")
        return model

    estimator = CNNClassifier(build)
    match = rf"has 2 {what}.*, but expected one.*MultiOutputClassifier"
    with pytest.raises(ValueError, match=match):
        estimator.fit(few.images, few.target)
    assert not hasattr(estimator, "model_")


def test_equal_parameters_give_equal_networks(few, rows_cnn):
    """The network does not depend on how a parameter of a builder is set."""
    params = {"augment": False, "epochs": 1, "random_state": 0}
    X, y = few.images, few.target
    by_partial = CNNClassifier(functools.partial(rows_builder, units=5), **params)
    by_name = CNNClassifier(rows_builder, **params).set_params(model__units=5)
    assert_same_weights(by_partial.fit(X, y), by_name.fit(X, y))
    other = CNNClassifier(rows_builder, **params).set_params(model__units=8).fit(X, y)
    by_default = CNNClassifier(rows_builder, **params).fit(X, y)
    assert same_weights(other, by_default)
