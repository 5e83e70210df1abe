"""Output to standard error while TensorFlow is imported.

The tests import a fake package named ``tensorflow`` that writes lines in the same way
as TensorFlow's C++ code. ``test_reproducibility.py`` imports the real package.
"""

import os
import signal
import subprocess
import sys

import pytest

from skcnn._utils import _tensorflow

INFO = "2026-01-02 03:04:05.678901: I tensorflow/core/util/port.cc:153] oneDNN is on."
HEADLINE = (
    "WARNING: All log messages before absl::InitializeLog() is called are written"
)
NO_DRIVER = "E0000 00:00:1.2 3 cuda.cc:4] failed call to cuInit: INTERNAL ERROR: (303)"
REASON = "F tensorflow/core/framework/tensor.cc:731] Check failed: dtype() == expected"

# Load only this module, because the rest of skcnn takes seconds to import.
SCRIPT = """
import importlib.util, os, sys
sys.path.insert(0, {path!r})
spec = importlib.util.spec_from_file_location("module", {module!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
{before}
try:
    module.import_tensorflow()
except ImportError as error:  # this package has a Keras that skcnn refuses
    print(error)
os.write(2, {info!r})
"""
# A substitute for the parts of the real package that `import_tensorflow` uses.
API = """
class threading:
    get_intra_op_parallelism_threads = get_inter_op_parallelism_threads = lambda: 0

class config:
    threading = threading
    list_physical_devices = lambda kind=None: []

"""
KERAS = '__version__ = "2.15.0"'


def run(tmp_path, lines, *, crash="", before="", env=()):
    """Import a package that writes `lines`, then write one line outside the import."""
    package = tmp_path / "tensorflow"
    package.mkdir()
    (tmp_path / "keras.py").write_text(KERAS)
    written = "".join(f"{line}\n" for line in lines)
    (package / "__init__.py").write_text(
        f"import os\nos.write(2, {written.encode()!r})\n{crash}\n{API}"
    )
    script = SCRIPT.format(
        path=str(tmp_path),
        module=_tensorflow.__file__,
        before=before,
        info=INFO.encode(),
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, **dict(env)},
        timeout=60,
    )


def test_informational_lines_are_filtered_during_the_import_only(tmp_path):
    done = run(tmp_path, [HEADLINE, INFO, "W0000 a warning", NO_DRIVER, "an error"])
    assert "skcnn needs Keras 3" in done.stdout
    assert done.stderr == f"W0000 a warning\nan error\n{INFO}"


def test_nothing_is_filtered_on_request(tmp_path):
    done = run(tmp_path, [INFO], env={"TF_CPP_MIN_LOG_LEVEL": "0"})
    assert done.stderr == f"{INFO}\n{INFO}"


@pytest.mark.parametrize(
    "before",
    ["sys.executable = '/usr/bin/some_program'", "sys.executable = 'python-missing'"],
)
def test_nothing_is_filtered_where_no_process_can_be_started(tmp_path, before):
    done = run(tmp_path, [INFO], before=before)
    assert done.stderr == f"{INFO}\n{INFO}"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("by", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_reason_of_a_crash_reaches_the_screen(tmp_path, by):
    done = run(
        tmp_path,
        [INFO, REASON],
        crash=f"os.kill(os.getpid(), {int(by)})",
        # joblib's worker processes also enable faulthandler.
        before="import faulthandler; faulthandler.enable()",
    )
    assert done.returncode == -by
    assert REASON in done.stderr
    assert INFO not in done.stderr
    if by != signal.SIGKILL:
        assert "Fatal Python error" in done.stderr


def test_process_without_standard_error_imports_tensorflow(tmp_path):
    before = "os.close(2); sys.stderr = None; os.write = lambda *args: None"
    done = run(tmp_path, [], before=before)
    assert "skcnn needs Keras 3" in done.stdout
    assert done.returncode == 0
