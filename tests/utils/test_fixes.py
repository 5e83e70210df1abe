"""Private APIs of other libraries that skcnn uses, and their fallbacks.

The tests in the first half fail if an installed library has changed or removed such an
API. The tests in the second half remove each API, and expect the fallback that is
documented in ``_fixes.py``.
"""

import importlib.util
import re
import sys
from numbers import Integral
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from sklearn.utils.fixes import parse_version

from skcnn._utils import _fixes
from skcnn._utils._tensorflow import import_tensorflow

tf = import_tensorflow()
import keras  # noqa: E402
from keras import layers, optimizers  # noqa: E402

HAS_CALLBACKS = parse_version(sklearn.__version__) >= parse_version("1.9")
needs_callbacks = pytest.mark.skipif(
    not HAS_CALLBACKS, reason="scikit-learn has callbacks since 1.9"
)


def built(optimizer):
    """Build the optimizer for a single weight and return both."""
    weight = keras.Variable(np.ones(3, "float32"), name="weight")
    optimizer.build([weight])
    return optimizer, weight


def compiled_model():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="last")])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


# scikit-learn's private APIs


def test_safe_indexing_takes_rows():
    assert _fixes._safe_indexing(np.array([5, 6, 7]), [2, 0]).tolist() == [7, 5]


def test_param_validation_constraints():
    assert _fixes.Interval(Integral, 1, None, closed="left").is_satisfied_by(1)
    assert not _fixes.Interval(Integral, 1, None, closed="left").is_satisfied_by(0)
    assert _fixes.StrOptions({"a"}).is_satisfied_by("a")
    assert not _fixes.StrOptions({"a"}).is_satisfied_by("b")
    assert _fixes.HasMethods("append").is_satisfied_by([])
    assert not _fixes.HasMethods("append").is_satisfied_by(())


def test_check_partial_fit_first_call():
    estimator = SimpleNamespace()
    assert _fixes._check_partial_fit_first_call(estimator, ["a", "b"])
    assert list(estimator.classes_) == ["a", "b"]
    assert not _fixes._check_partial_fit_first_call(estimator, ["a", "b"])
    with pytest.raises(ValueError, match="classes"):
        _fixes._check_partial_fit_first_call(SimpleNamespace(), None)


def test_check_sample_weight():
    weight = _fixes._check_sample_weight(None, np.zeros((3, 1)))
    assert weight.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="shape"):
        _fixes._check_sample_weight([1.0], np.zeros((3, 1)))


def test_parse_version_compares_numbers():
    assert parse_version("2.9.1") < parse_version("2.18")


@needs_callbacks
def test_callbacks_of_scikit_learn():
    from sklearn import callback

    assert _fixes.CallbackSupportMixin is callback.CallbackSupportMixin
    assert _fixes.with_callbacks is callback.with_callbacks
    assert _fixes.ProgressBar is callback.ProgressBar
    assert hasattr(callback.CallbackSupportMixin, "_init_callback_context")


@needs_callbacks
def test_set_callbacks_stores_skl_callbacks():
    class Estimator(_fixes.CallbackSupportMixin):
        pass

    progress_bar = _fixes.ProgressBar()
    estimator = Estimator().set_callbacks(progress_bar)
    assert estimator._skl_callbacks == [progress_bar]
    assert _fixes.has_only_progress_callbacks(estimator)
    # A user-defined class named ProgressBar is not mistaken for the progress bar.
    namesake = type("ProgressBar", (), {})()
    estimator._skl_callbacks = [progress_bar, namesake]
    assert not _fixes.has_only_progress_callbacks(estimator)


# Private APIs of Matplotlib and TensorFlow


@pytest.mark.parametrize("vertical", [True, False])
def test_box_orientation_is_an_argument_of_boxplot(vertical):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    drawn = ax.boxplot([1, 2, 3], **_fixes.box_orientation(vertical))
    values = (
        drawn["medians"][0].get_ydata()
        if vertical
        else (drawn["medians"][0].get_xdata())
    )
    assert list(values) == [2, 2]


def test_noinline_is_quiet_since_2_19(monkeypatch):
    monkeypatch.setattr(tf, "__version__", "2.18.1")
    assert not _fixes.is_noinline_quiet()
    monkeypatch.setattr(tf, "__version__", "2.19.0")
    assert _fixes.is_noinline_quiet()


# Private APIs of Keras: optimizers


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Nadam", "SGD"])
def test_optimizers_sum_gradients_by_a_private_method(name):
    """Keras calls the optimizer's ``_all_reduce_sum_gradients`` in each step."""
    optimizer, weight = built(getattr(optimizers, name)())
    calls = []

    def record(grads_and_vars):
        calls.append(grads_and_vars)
        return grads_and_vars

    assert callable(type(optimizer)._all_reduce_sum_gradients)
    optimizer._all_reduce_sum_gradients = record
    optimizer.apply([tf.ones(3)], [weight])
    assert len(calls) == 1


def test_loss_scaling_has_an_inner_optimizer():
    inner = optimizers.SGD()
    assert optimizers.LossScaleOptimizer(inner).inner_optimizer is inner


def test_unreduced_gradients_covers_inner_optimizers():
    method = "_all_reduce_sum_gradients"
    inner = optimizers.SGD()
    outer = optimizers.LossScaleOptimizer(inner)
    gradients = [(tf.ones(1), None)]
    with _fixes.unreduced_gradients(outer):
        for optimizer in (outer, inner):
            assert method in vars(optimizer)
            assert getattr(optimizer, method)(gradients) is gradients
    for optimizer in (outer, inner):
        assert method not in vars(optimizer)


def test_adam_has_a_momentum_and_a_velocity_of_each_weight():
    """Check ``_get_variable_index``, ``_momentums`` and ``_velocities``."""
    assert _fixes.is_fused_adam_possible()
    adam, weight = built(optimizers.Adam(beta_1=0.9, beta_2=0.99))
    adam.apply([tf.constant([1.0, 2.0, -1.0])], [weight])
    momentum, velocity = _fixes.adam_slots(adam, weight)
    np.testing.assert_allclose(momentum.value, [0.1, 0.2, -0.1], rtol=1e-5)
    np.testing.assert_allclose(velocity.value, [0.01, 0.04, 0.01], rtol=1e-5)


def test_optimizer_remembers_excluded_names_as_a_pattern():
    """``_exclude_from_weight_decay_pattern`` is a compiled regular expression."""
    optimizer = optimizers.AdamW()
    assert _fixes.weight_decay_exclusions(optimizer) == (None, None)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma"])
    _, pattern = _fixes.weight_decay_exclusions(optimizer)
    assert re.search(pattern, "conv_1/bias")
    assert re.search(pattern, "norm/gamma")
    assert not re.search(pattern, "conv_1/kernel")
    # The compiled pattern can be passed to a new optimizer.
    copied = optimizers.AdamW()
    copied.exclude_from_weight_decay(var_names=[pattern])
    assert re.search(_fixes.weight_decay_exclusions(copied)[1], "conv_1/bias")


def test_optimizer_remembers_excluded_variables():
    """``_use_weight_decay`` reads ``_exclude_from_weight_decay``."""
    optimizer = optimizers.AdamW()
    kernel, bias = (keras.Variable(np.ones(2), name=n) for n in ("kernel", "bias"))
    optimizer.exclude_from_weight_decay(var_list=[bias])
    optimizer.build([kernel, bias])
    ids, _ = _fixes.weight_decay_exclusions(optimizer)
    assert len(ids) == 1
    assert callable(optimizer._use_weight_decay)
    assert _fixes.is_weight_decayed(optimizer, kernel)
    assert not _fixes.is_weight_decayed(optimizer, bias)


# Private APIs of Keras: models and layers


def test_classes_and_functions_of_keras_are_defined_in_keras():
    for thing in (layers.Dense, layers.Dense(1), keras.activations.relu):
        assert _fixes.is_from_keras(thing)
    for thing in (type("Own", (layers.Dense,), {}), lambda x: x, np.sin, "relu"):
        assert not _fixes.is_from_keras(thing)


def test_compiled_model_remembers_its_arguments():
    """``_compile_config.config`` contains the objects that were passed."""
    model = compiled_model()
    arguments = _fixes.compile_arguments(model)
    assert arguments["loss"] == "mse"
    assert arguments["metrics"] == ["mae"]
    assert {"weighted_metrics", "loss_weights"} <= set(arguments)

    def own_loss(y_true, y_pred):
        return y_pred

    model.compile("sgd", own_loss)
    assert _fixes.compile_arguments(model)["loss"] is own_loss
    assert _fixes.compile_arguments(keras.Sequential()) is None


def test_layer_records_its_calls():
    """The last entry of ``_inbound_nodes`` is the node in the outer model's graph."""
    inputs = keras.Input((2,))
    layer = layers.Dense(1)
    assert _fixes.output_tensor(layer) is None
    output = layer(inputs)
    assert layer._inbound_nodes
    assert _fixes.output_tensor(layer) is output

    inner_input = keras.Input((1,))
    inner = keras.Model(inner_input, layers.Dense(1)(inner_input))
    outer_output = inner(output)
    assert _fixes.output_tensor(inner) is outer_output
    assert inner.output is not outer_output


def test_automatic_names_are_counted_in_the_global_state():
    assert _fixes._keras_global_state() is not None
    layers.Dense(1)  # so that name counts exist
    first, second = layers.Dense(1).name, layers.Dense(1).name
    with _fixes.fresh_auto_names():
        assert [layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
    third = layers.Dense(1).name
    counts = [int(name.rpartition("_")[2]) for name in (first, second, third)]
    assert counts == [*range(counts[0], counts[0] + 3)]


# Fallbacks for missing APIs


@pytest.fixture
def fixes_without_callbacks(monkeypatch):
    """Return a copy of the module, imported as if scikit-learn were older than 1.9."""
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    spec = importlib.util.spec_from_file_location("old_fixes", _fixes.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_callbacks_methods_are_called_as_they_are(fixes_without_callbacks):
    fixes = fixes_without_callbacks

    class Estimator(fixes.CallbackSupportMixin):
        @fixes.with_callbacks
        def fit(self, X, *, y=None):
            """Documented."""
            return self, X, y

    estimator = Estimator()
    assert fixes.ProgressBar is None
    assert not hasattr(estimator, "set_callbacks")
    assert estimator.fit(1, y=2) == (estimator, 1, 2)
    assert Estimator.fit.__doc__ == "Documented."
    assert fixes.has_only_progress_callbacks(estimator)


def test_context_without_callbacks_never_stops_a_fit(fixes_without_callbacks):
    context = fixes_without_callbacks.CallbackSupportMixin()._init_callback_context(
        task_name="fit"
    )
    assert isinstance(context, fixes_without_callbacks.NullCallbackContext)
    epoch = context.subcontext(task_name="epoch")
    assert epoch.call_on_fit_task_begin(estimator=None) is epoch
    assert epoch.call_on_fit_task_end(estimator=None) is False


def test_estimator_without_skl_callbacks_has_none():
    assert _fixes.has_only_progress_callbacks(SimpleNamespace())


def test_unreduced_gradients_without_the_method_changes_nothing():
    optimizer = SimpleNamespace(inner_optimizer=SimpleNamespace())
    with _fixes.unreduced_gradients(optimizer):
        assert set(vars(optimizer)) == {"inner_optimizer"}
        assert vars(optimizer.inner_optimizer) == {}
    with _fixes.unreduced_gradients(None):
        pass


@pytest.mark.parametrize("name", ["_momentums", "_velocities"])
def test_fused_adam_is_impossible_without_slots(monkeypatch, name):
    class ChangedAdam(optimizers.Adam):
        def __getattribute__(self, attribute):
            if attribute == name:
                raise AttributeError(name)
            return super().__getattribute__(attribute)

    monkeypatch.setattr(keras.optimizers, "Adam", ChangedAdam)
    assert not _fixes.is_fused_adam_possible()


def test_fused_adam_is_impossible_without_index_of_slots(monkeypatch):
    monkeypatch.setattr(keras.optimizers, "Adam", type("Adam", (), {}))
    assert not _fixes.is_fused_adam_possible()


def test_weight_decay_of_an_optimizer_without_exclusions():
    optimizer = SimpleNamespace()
    assert _fixes.weight_decay_exclusions(optimizer) == (None, None)
    assert _fixes.is_weight_decayed(optimizer, None)


def test_compile_arguments_are_unknown_without_compile_config():
    model = compiled_model()
    model._compile_config = None
    assert _fixes.compile_arguments(model) is None
    assert _fixes.compile_arguments(SimpleNamespace()) is None


def test_output_tensor_without_inbound_nodes_is_the_public_output():
    output = object()
    assert _fixes.output_tensor(SimpleNamespace(output=output)) is output
    assert _fixes.output_tensor(SimpleNamespace()) is None

    class CalledTwice:
        @property
        def output(self):
            raise ValueError("The layer has multiple inbound nodes.")

    assert _fixes.output_tensor(CalledTwice()) is None

    inputs = keras.Input((1,))
    nested = keras.Model(inputs, layers.Dense(1)(inputs))
    del nested._inbound_nodes
    assert _fixes.output_tensor(nested) is None


@pytest.mark.parametrize("missing", ["module", "function"])
def test_names_count_upwards_without_the_global_state(monkeypatch, missing):
    from keras.src.backend import common

    # These changes do not affect Keras, which has already imported the module.
    if missing == "module":
        monkeypatch.delattr(common, "global_state")
        monkeypatch.setitem(sys.modules, "keras.src.backend.common.global_state", None)
    else:
        changed = SimpleNamespace(get_global_attribute=lambda key: None)
        monkeypatch.setattr(common, "global_state", changed)
    assert _fixes._keras_global_state() is None
    before = layers.Dense(1).name
    with _fixes.fresh_auto_names():
        inside = layers.Dense(1).name
    after = layers.Dense(1).name
    assert len({before, inside, after}) == 3
