"""The package as a whole: what is installed, what it says of itself, how it is run."""

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


def ci_reads(*arguments):
    """What .ci/run gets from the project's files."""
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
        pytest.skip("an editable installation has no files of its own")
    return {file.as_posix() for file in distribution.files}


def test_version_is_that_of_the_installed_distribution(distribution):
    assert skcnn.__version__ == distribution.version


def test_tested_package_is_the_installed_one(distribution, installed_files):
    assert "skcnn/__init__.py" in installed_files
    installed = Path(distribution.locate_file("skcnn/__init__.py")).resolve()
    assert Path(skcnn.__file__).resolve() == installed, (
        "the checkout stands before the installed package on Python's path: "
        "run `python -P -m pytest`, or install with `python -m pip install -e .`"
    )


def test_every_file_of_the_package_is_installed(installed_files):
    in_checkout = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "skcnn").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "skcnn/__init__.py" in in_checkout
    assert in_checkout - installed_files == set()


def test_nothing_but_the_package_is_installed(installed_files):
    top = {name.partition("/")[0] for name in installed_files}
    assert top == {"skcnn", f"skcnn-{skcnn.__version__}.dist-info"}


def test_import_is_light_and_quiet(tmp_path):
    """Asking for the version costs no import of TensorFlow, nor of matplotlib."""
    code = (
        "import sys, skcnn; print(skcnn.__version__); "
        "heavy = {'tensorflow', 'keras', 'scikeras', 'matplotlib'}; "
        "print(sorted(heavy.intersection(sys.modules)))"
    )
    here = {"PYTHONPATH": str(Path(skcnn.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=os.environ | here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [skcnn.__version__, "[]"]


def test_readme_minimums_are_those_of_pyproject():
    table = re.search(
        r"^\| package \| oldest version \|\n\|[-|]+\|\n((?:\|.*\|\n)+)",
        read("README.md"),
        re.MULTILINE,
    )
    rows = [row.strip("| ").split(" | ") for row in table[1].splitlines()]
    pinned = [line.split("==") for line in ci_reads("oldest").splitlines()]
    assert rows == pinned


def test_minimums_are_read_from_every_dependency(pyproject):
    pinned = dict(line.split("==") for line in ci_reads("oldest").splitlines())
    assert len(pinned) == len(pyproject["project"]["dependencies"])
    assert pinned["scikeras"] == "0.13"  # as '==0.13.*' says
    for requirement in pyproject["project"]["dependencies"]:
        stated = re.fullmatch(r"([\w-]+)[>=]=([\d.]+?)(?:\.\*)?", requirement)
        assert pinned[stated[1]] == stated[2]


def test_python_minimum_is_the_same_everywhere(pyproject):
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
def test_ci_runs_the_commands_of_the_readme(name, start, end):
    command = ci_reads("command", name)
    assert command == start + end
    assert f"```bash\n{command}\n```" in read("README.md")
    assert f".ci/project.py command {name})" in read(".ci/run")
    assert command not in read(".ci/run")


def test_pre_commit_uses_the_ruff_of_the_dev_extra(pyproject):
    in_hooks = set(re.findall(r"ruff==[\d.]+", read(".pre-commit-config.yaml")))
    extra = pyproject["project"]["optional-dependencies"]["dev"]
    assert in_hooks == {item for item in extra if item.startswith("ruff")}


def test_changelog_has_the_version():
    headings = re.findall(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == skcnn.__version__


def test_no_file_names_a_place_on_one_machine():
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
    place = re.compile(rb"(?<![\w.])/(?:home|root|Users)/\w|\b[A-Z]:\\Users\\")
    found = {}
    for name in names:
        lines = (ROOT / name).read_bytes().splitlines()
        hits = [number for number, line in enumerate(lines, 1) if place.search(line)]
        if hits:
            found[name] = hits
    assert found == {}
