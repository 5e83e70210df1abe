"""Import TensorFlow and Keras on first use, without their start-up messages."""

import contextlib
import gc
import os
import subprocess
import sys
import threading

# A TensorFlow environment variable. If it is 0, all start-up messages are printed.
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Lines to hide, because they tell the user nothing new. They are the lines of severity
# "info" in the two formats that TensorFlow 2.18 to 2.21 use, their continuation lines,
# and the headline above them. Two lines of severity "error" are included, because
# TensorFlow prints them on every machine without an NVIDIA driver. One says that the
# driver's library cannot be loaded (303). The other, in TensorFlow 2.17 to 2.19, says
# that plugins are registered twice
# (https://github.com/tensorflow/tensorflow/issues/62075).
_NO_NEWS = (
    r"I\d{4} \d\d:\d\d:|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: I "
    r"|To enable the following instructions: "
    r"|WARNING: All log messages before absl::InitializeLog\(\) is called are written"
    r"|.* failed call to cuInit: .* \(303\)"
    r"|.* Unable to register cu(FFT|DNN|BLAS) factory: .* already been registered"
)
# A program that copies standard input to standard error, except for lines that match
# its argument.
_FILTER = """
import os, re, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
no_news = re.compile(sys.argv[1].encode())
for line in iter(sys.stdin.buffer.readline, b""):
    if not no_news.match(line):
        os.write(2, line)
"""


@contextlib.contextmanager
def _without_start_up_lines():
    """Remove lines that match `_NO_NEWS` from what C++ code prints to standard error.

    A separate Python process reads standard error and passes on all other lines as they
    arrive. A filter in this process would lose the last lines if the import crashed.
    The separate process outlives this one, so the reason for a crash still reaches the
    screen. If no process can be started, nothing is filtered.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    try:
        filtering = _start_filter()
    except OSError:
        os.close(stderr)
        yield
        return
    _flush_stderr()
    os.dup2(filtering.stdin.fileno(), 2)
    try:
        yield
    finally:
        _flush_stderr()
        os.dup2(stderr, 2)
        os.close(stderr)
        filtering.stdin.close()
        # A process that was started during the import may have inherited the write end
        # of the pipe. The filter then keeps running until that process ends.
        with contextlib.suppress(subprocess.TimeoutExpired):
            filtering.wait(timeout=5)


def _start_filter():
    # If a program embeds Python, sys.executable may be the program, not Python.
    name = os.path.basename(sys.executable or "").lower()
    if not name.startswith("python") or getattr(sys, "frozen", False):
        raise OSError("the Python interpreter is not known")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _FILTER, _NO_NEWS], stdin=subprocess.PIPE
    )


def _flush_stderr():
    if sys.stderr is not None:
        sys.stderr.flush()


# Only one thread at a time may import TensorFlow, because standard error is filtered
# for the whole process.
_lock = threading.Lock()
_imported_in = None


def import_tensorflow():
    """Import TensorFlow, without its informational start-up messages.

    TensorFlow reports at import which processor extensions it uses and, at the first
    operation, that there is no GPU. Since TensorFlow 2.19, the environment variable
    ``TF_CPP_MIN_LOG_LEVEL`` no longer silences these messages. This function removes
    them and prints all other messages as usual. If ``TF_CPP_MIN_LOG_LEVEL`` is 0, it
    prints all messages.

    The function also changes two settings of TensorFlow, unless TensorFlow is already
    running or the user has changed them:

    - By default, TensorFlow starts as many threads as there are processors. joblib,
      Dask and Ray tell each worker process its share of the processors through the
      environment variable ``OMP_NUM_THREADS``. The function makes TensorFlow use that
      many threads.
    - By default, TensorFlow allocates all memory of a GPU. The function makes it
      allocate memory as needed
      (https://www.tensorflow.org/guide/gpu#limiting_gpu_memory_growth). Users can
      control this with the environment variable ``TF_FORCE_GPU_ALLOW_GROWTH``.

    Returns
    -------
    module
        ``tensorflow``.

    Raises
    ------
    ImportError
        If the installed version of Keras or its selected backend is not supported.
    RuntimeError
        If the process was forked from a process that had imported TensorFlow. The
        threads of TensorFlow do not exist in a forked process, which would wait for
        them forever.
    """
    global _imported_in
    if _imported_in is None:
        with _lock:
            if _imported_in is None:
                _import()
                _imported_in = os.getpid()
    if _imported_in != os.getpid():
        raise RuntimeError(
            "This process was forked from one that had imported TensorFlow, which "
            "cannot work after a fork. Start processes with joblib's default backend "
            "'loky', or with multiprocessing.get_context('spawn')."
        )
    return sys.modules["tensorflow"]


def _share_processors(threading):
    # OMP_NUM_THREADS may list one number for each level of nested parallelism.
    share = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    is_set = (
        threading.get_intra_op_parallelism_threads()
        or threading.get_inter_op_parallelism_threads()
        or os.environ.get("TF_NUM_INTRAOP_THREADS")
    )
    if share.isdecimal() and int(share) and not is_set:
        with contextlib.suppress(RuntimeError):  # TensorFlow is already running
            threading.set_intra_op_parallelism_threads(int(share))
            threading.set_inter_op_parallelism_threads(int(share))


def _let_memory_grow(config):
    if "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ:
        return
    for gpu in config.list_physical_devices("GPU"):
        if config.experimental.get_memory_growth(gpu) is None:  # not set
            # An error means that TensorFlow is already running or has created logical
            # devices on the GPU.
            with contextlib.suppress(RuntimeError, ValueError):
                config.experimental.set_memory_growth(gpu, True)


def _import():
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if "keras" not in sys.modules and backend != "tensorflow":
        raise ImportError(_wrong_backend(backend))
    is_first = "tensorflow" not in sys.modules
    quiet = is_first and os.environ.get(_LOG_LEVEL) != "0"
    with _without_start_up_lines() if quiet else contextlib.nullcontext():
        import tensorflow

        _share_processors(tensorflow.config.threading)
        _let_memory_grow(tensorflow.config)
        if quiet:  # print GPU messages now, without allocating memory
            tensorflow.config.list_physical_devices()
        try:
            import keras
        except ImportError as error:
            raise ImportError(
                f"Keras cannot be imported: {error}. If that is about a backend, set "
                "the environment variable KERAS_BACKEND to 'tensorflow', or edit "
                "~/.keras/keras.json."
            ) from error
    # Check keras, not tensorflow.keras, which TF_USE_LEGACY_KERAS replaces with another
    # package.
    if int(keras.__version__.split(".")[0]) < 3:
        raise ImportError(
            f"skcnn needs Keras 3, but Keras {keras.__version__} is installed. Install "
            "a newer one: python -m pip install 'keras>=3.5'."
        )
    if keras.backend.backend() != "tensorflow":
        raise ImportError(_wrong_backend(keras.backend.backend()))
    if is_first:
        # TensorFlow and Keras catch exceptions while they are imported. Free these
        # exceptions, because their tracebacks refer to the calling frames and would
        # keep alive the images that were passed to `fit`.
        gc.collect()


def _wrong_backend(backend):
    return (
        "skcnn trains with TensorFlow, but Keras is set to use the backend "
        f"{backend!r}. Unset the environment variable KERAS_BACKEND, or set it to "
        "'tensorflow', before Keras is imported."
    )
