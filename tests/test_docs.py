"""Every snippet of the documentation runs, page by page, from top to bottom."""

import os
import re
from pathlib import Path

import matplotlib.pyplot as plt
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
    """Line and text of each that is run."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        if not found[1]:
            yield text[: found.start(2)].count("\n") + 1, found[2]


WITH_SNIPPETS = [page for page in PAGES if any(snippets(page))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folders that the pages speak of."""
    root = tmp_path_factory.mktemp("docs")
    for part, seed in (("train", 0), ("test", 1)):
        scenes = make_scenes(60, image_size=64, random_state=seed)
        for i, (image, code) in enumerate(
            zip(scenes.images, scenes.target, strict=True)
        ):
            of_class = root / "scenes" / part / scenes.target_names[code]
            of_class.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(of_class / f"{i}.png")
        street = root / "scenes" / part / "street"
        street.mkdir()
        for i, image in enumerate(scenes.images[:12]):
            Image.fromarray(image).save(street / f"{i}.png")
    return root


@pytest.mark.skipif(
    not os.environ.get("SKCNN_TEST_DOCS"), reason="minutes; set SKCNN_TEST_DOCS=1"
)
@pytest.mark.filterwarnings("default")  # what users do and see
@pytest.mark.parametrize(
    "page", WITH_SNIPPETS, ids=[str(p.relative_to(ROOT)) for p in WITH_SNIPPETS]
)
def test_snippets(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = {"__name__": "__main__"}
    for line, text in snippets(page):
        # With the page's own line numbers in a traceback.
        exec(compile("\n" * line + text, str(page), "exec"), names)
    plt.close("all")


def test_the_gallerys_story_has_every_example(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from gallery_order import STORY

    examples = {path.name for path in (ROOT / "examples").glob("plot_*.py")}
    assert sorted(STORY) == sorted(examples)


def test_snippets_are_found():
    text = "```python\na\n```\n\n<!-- not run -->\n```python\nb\n```\n```bash\nc\n```\n"
    found = [(bool(m[1]), m[2]) for m in BLOCK.finditer(text)]
    assert found == [(False, "a\n"), (True, "b\n")]
    assert len(WITH_SNIPPETS) > 10
