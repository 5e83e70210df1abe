"""Run the code snippets of each documentation page, from top to bottom."""

import os
import re
from pathlib import Path

import pytest
from PIL import Image

from skcnn.datasets import make_scenes

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
BLOCK = re.compile(
    r"^(<!-- not run -->\n)?```python\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


def snippets(page):
    """Yield the line number and the code of each snippet to run."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if not match[1]:
            yield text[: match.start(2)].count("\n") + 1, match[2]


WITH_SNIPPETS = [page for page in PAGES if any(snippets(page))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Create a directory with the image folders that the pages use."""
    root = tmp_path_factory.mktemp("docs")
    for subset, seed in (("train", 0), ("test", 1)):
        scenes = make_scenes(60, image_size=64, random_state=seed)
        for i, (image, target) in enumerate(
            zip(scenes.images, scenes.target, strict=True)
        ):
            class_folder = root / "scenes" / subset / scenes.target_names[target]
            class_folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(class_folder / f"{i}.png")
        street = root / "scenes" / subset / "street"
        street.mkdir()
        for i, image in enumerate(scenes.images[:12]):
            Image.fromarray(image).save(street / f"{i}.png")
    return root


@pytest.mark.skipif(
    not os.environ.get("SKCNN_TEST_DOCS"), reason="takes minutes; set SKCNN_TEST_DOCS=1"
)
@pytest.mark.filterwarnings("default")  # users see warnings, not errors
@pytest.mark.parametrize(
    "page", WITH_SNIPPETS, ids=[str(p.relative_to(ROOT)) for p in WITH_SNIPPETS]
)
def test_snippets_run(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    namespace = {"__name__": "__main__"}
    for line, code in snippets(page):
        # Add empty lines, so that line numbers in tracebacks match those in the page.
        exec(compile("\n" * line + code, str(page), "exec"), namespace)


def test_gallery_order_lists_every_example(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from gallery_order import EXAMPLES

    files = {path.name for path in (ROOT / "examples").glob("plot_*.py")}
    assert sorted(EXAMPLES) == sorted(files)


def test_snippet_pattern():
    text = "```python\na\n```\n\n<!-- not run -->\n```python\nb\n```\n```bash\nc\n```\n"
    found = [(bool(m[1]), m[2]) for m in BLOCK.finditer(text)]
    assert found == [(False, "a\n"), (True, "b\n")]
    assert len(WITH_SNIPPETS) > 10
