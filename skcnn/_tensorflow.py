"""The one place that imports TensorFlow and Keras: late, and without its chatter."""

import contextlib
import gc
import os
import re
import sys
import tempfile
import threading

# TensorFlow's own switch for the start-up lines; whoever sets it to 0 gets all of them.
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# What is no news to the user: lines of severity "info", in the two formats that
# TensorFlow 2.18 to 2.21 use, what they continue with on the next line, and the
# headline in front of them; and two lines of severity "error" that every machine
# without an NVIDIA driver gets: that the driver's library cannot be loaded (303), and,
# of TensorFlow 2.17 to 2.19, that plugins register twice
# (https://github.com/tensorflow/tensorflow/issues/62075).
_NO_NEWS = re.compile(
    rb"I\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: I "
    rb"|To enable the following instructions: "
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written"
    rb"|.* failed call to cuInit: .* \(303\)"
    rb"|.* Unable to register cu(FFT|DNN|BLAS) factory: .* already been registered"
)


@contextlib.contextmanager
def _without_start_up_lines():
    """Hold back the lines of `_NO_NEWS` that C++ code writes to standard error.

    Everything else arrives, in its order, when the block is left.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # the process has no standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not _NO_NEWS.match(line):
                    os.write(2, line)


# One thread at a time: standard error is held back for the whole process.
_lock = threading.Lock()
_imported_in = None


def import_tensorflow():
    """Import TensorFlow, without the informational lines of its start-up.

    TensorFlow reports at import which processor extensions it uses, and at the first
    operation that there is no GPU; since 2.19 its own switch does not silence that.
    All else is printed as ever, and with the environment variable
    ``TF_CPP_MIN_LOG_LEVEL=0`` nothing is held back.

    TensorFlow takes as many threads as there are processors, whatever else runs. Where
    the environment variable ``OMP_NUM_THREADS`` is set, by which joblib, Dask and Ray
    tell each of their workers its share, it gets that many, unless it runs already or
    was told another number. Of a GPU it takes all memory, whatever is asked for: unless
    it runs already or was told, by itself or by ``TF_FORCE_GPU_ALLOW_GROWTH``, it takes
    what it needs (https://www.tensorflow.org/guide/gpu#limiting_gpu_memory_growth). No
    other setting of TensorFlow, and none of the process, is changed.

    Returns
    -------
    module
        ``tensorflow``.

    Raises
    ------
    ImportError
        If TensorFlow or Keras were told to be other ones than those that skcnn needs.
    RuntimeError
        In a process that was forked off one in which TensorFlow ran: its threads do
        not exist there, and it would wait for them forever.
    """
    global _imported_in
    if _imported_in is None:
        with _lock:
            if _imported_in is None:
                _import()
                _imported_in = os.getpid()
    if _imported_in != os.getpid():
        raise RuntimeError(
            "This process was forked off one that has used TensorFlow, which cannot "
            "work in it. Start processes with joblib's default backend 'loky', or with "
            "multiprocessing.get_context('spawn')."
        )
    return sys.modules["tensorflow"]


def _share_processors(threading):
    share = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # of each level
    told = (
        threading.get_intra_op_parallelism_threads()
        or threading.get_inter_op_parallelism_threads()
        or os.environ.get("TF_NUM_INTRAOP_THREADS")
    )
    if share.isdecimal() and int(share) and not told:
        with contextlib.suppress(RuntimeError):  # it runs already
            threading.set_intra_op_parallelism_threads(int(share))
            threading.set_inter_op_parallelism_threads(int(share))


def _let_memory_grow(config):
    if "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ:
        return
    for gpu in config.list_physical_devices("GPU"):
        if config.experimental.get_memory_growth(gpu) is None:  # nobody has told
            # It runs already, or parts of the GPU were given out.
            with contextlib.suppress(RuntimeError, ValueError):
                config.experimental.set_memory_growth(gpu, True)


def _import():
    is_first = "tensorflow" not in sys.modules
    quiet = is_first and os.environ.get(_LEVEL) != "0"
    with _without_start_up_lines() if quiet else contextlib.nullcontext():
        import tensorflow

        _share_processors(tensorflow.config.threading)
        _let_memory_grow(tensorflow.config)
        if quiet:  # asks the driver; allocates nothing and fixes no setting
            tensorflow.config.list_physical_devices()
        keras_version = tensorflow.keras.__version__
    if int(keras_version.split(".")[0]) < 3:  # TF_USE_LEGACY_KERAS is set
        raise ImportError(
            "skcnn needs Keras 3, but TensorFlow was told to use the legacy Keras "
            f"{keras_version}. Unset the environment variable TF_USE_LEGACY_KERAS."
        )
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "skcnn trains with TensorFlow, but Keras was told to use the backend "
            f"{keras.backend.backend()!r}. Unset the environment variable "
            "KERAS_BACKEND, or set it to 'tensorflow'."
        )
    if is_first:
        # Both catch errors at import that are tied to the frames below, which hold the
        # images that `fit` was called with.
        gc.collect()
