"""Tests of the installed package, its metadata and the project files."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skcnn

ROOT = Path(__file__).resolve().parent.parent


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def project_info(*arguments):
    """Return the output of .ci/project.py."""
    return subprocess.run(
        [sys.executable, ROOT / ".ci" / "project.py", *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture(scope="module")
def pyproject():
    return tomllib.loads(read("pyproject.toml"))


@pytest.fixture(scope="module")
def distribution():
    try:
        return importlib.metadata.distribution("skcnn")
    except importlib.metadata.PackageNotFoundError:
        if os.environ.get("CI"):
            raise
        pytest.skip("skcnn is not installed: python -m pip install -e .")


@pytest.fixture(scope="module")
def installed_files(distribution):
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable") and not os.environ.get("CI"):
        pytest.skip("an editable installation has no files in site-packages")
    return {file.as_posix() for file in distribution.files}


def test_version_matches_distribution(distribution):
    assert skcnn.__version__ == distribution.version


def test_installed_package_is_imported(distribution, installed_files):
    assert "skcnn/__init__.py" in installed_files
    installed = Path(distribution.locate_file("skcnn/__init__.py")).resolve()
    assert Path(skcnn.__file__).resolve() == installed, (
        "the checkout precedes the installed package on sys.path: "
        "run `python -P -m pytest`, or install with `python -m pip install -e .`"
    )


def test_all_package_files_are_installed(installed_files):
    in_checkout = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "skcnn").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "skcnn/__init__.py" in in_checkout
    assert in_checkout - installed_files == set()


def test_only_the_package_is_installed(installed_files):
    top = {name.partition("/")[0] for name in installed_files}
    assert top == {"skcnn", f"skcnn-{skcnn.__version__}.dist-info"}


def test_import_is_lazy_and_silent(tmp_path):
    """Importing skcnn does not import TensorFlow or Matplotlib."""
    code = (
        "import sys, skcnn; print(skcnn.__version__); "
        "heavy = {'tensorflow', 'keras', 'scikeras', 'matplotlib'}; "
        "print(sorted(heavy.intersection(sys.modules)))"
    )
    environment = {"PYTHONPATH": str(Path(skcnn.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [skcnn.__version__, "[]"]


def test_documented_minimums_match_pyproject():
    table = re.search(
        r"^\| package \| oldest version \|\n\|[-|]+\|\n((?:\|.*\|\n)+)",
        read("docs/guide/install.md"),
        re.MULTILINE,
    )
    rows = [row.strip("| ").split(" | ") for row in table[1].splitlines()]
    pinned = [line.split("==") for line in project_info("oldest").splitlines()]
    assert rows == pinned


def test_every_dependency_has_a_minimum(pyproject):
    pinned = dict(line.split("==") for line in project_info("oldest").splitlines())
    assert len(pinned) == len(pyproject["project"]["dependencies"])
    assert pinned["scikeras"] == "0.13"  # from '==0.13.*'
    for requirement in pyproject["project"]["dependencies"]:
        match = re.fullmatch(r"([\w-]+)[>=]=([\d.]+?)(?:\.\*)?", requirement)
        assert pinned[match[1]] == match[2]


def test_minimum_python_version_is_consistent(pyproject):
    assert pyproject["project"]["requires-python"] == ">=3.11"
    assert pyproject["tool"]["ruff"]["target-version"] == "py311"
    assert "Python 3.11 or later" in read("README.md")


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        (
            "test",
            'python -m pip install ".[test]" && ',
            "python -P -m pytest -n 2 --dist loadfile",
        ),
        ("run", "python -m pip install . && ", "python examples/plot_grid_search.py"),
    ],
)
def test_ci_runs_readme_commands(name, start, end):
    command = project_info("command", name)
    assert command == start + end
    assert f"```bash\n{command}\n```" in read("README.md")
    assert f".ci/project.py command {name})" in read(".ci/run")
    assert command not in read(".ci/run")


def test_ruff_version_of_pre_commit_matches_dev_extra(pyproject):
    in_hooks = set(re.findall(r"ruff==[\d.]+", read(".pre-commit-config.yaml")))
    extra = pyproject["project"]["optional-dependencies"]["dev"]
    assert in_hooks == {item for item in extra if item.startswith("ruff")}


def test_changelog_starts_with_current_version():
    headings = re.findall(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == skcnn.__version__


def test_no_file_contains_a_home_directory():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert "pyproject.toml" in names
    pattern = re.compile(rb"(?<![\w.])/(?:home|root|Users)/\w|\b[A-Z]:\\Users\\")
    found = {}
    for name in names:
        lines = (ROOT / name).read_bytes().splitlines()
        hits = [i for i, line in enumerate(lines, 1) if pattern.search(line)]
        if hits:
            found[name] = hits
    assert found == {}
