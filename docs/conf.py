"""Configuration of Sphinx. Build with `python -m sphinx -W docs docs/_build/html`."""

import os
import sys
from pathlib import Path

# Draw figures without a display, and silence TensorFlow's startup messages.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

# The gallery links to HalvingGridSearchCV, which this import makes available.
from sklearn.experimental import enable_halving_search_cv  # noqa: E402, F401

import skcnn  # noqa: E402

project = "skcnn"
author = "The skcnn developers"
copyright = author
version = release = skcnn.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "readme", "gallery/**/*.ipynb", "gallery/**/*.py"]
root_doc = "index"
default_role = "code"
nitpicky = False

html_theme = "pydata_sphinx_theme"
html_title = f"skcnn {version}"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
}
toc_object_entries_show_parents = "hide"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
# These pages have no subpages, so their left sidebar would be empty.
_SINGLE_PAGES = ("getting_started", "coming_from", "faq", "changelog", "contributing")
html_sidebars = {page: [] for page in _SINGLE_PAGES}

autosummary_generate = True
numpydoc_show_class_members = False
# scikit-learn documents the methods that its metadata routing adds.
autodoc_default_options = {
    "exclude-members": "set_fit_request, set_partial_fit_request, set_score_request"
}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "gallery_order.ExampleOrder",
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 10_000,
    "download_all_examples": False,
    "remove_config_comments": True,
    "plot_gallery": True,
    "capture_repr": (),
    "backreferences_dir": "gallery/uses",
    "doc_module": ("skcnn",),
}

# Links to the documentation of other libraries require network access.
if os.environ.get("SKCNN_DOCS_LINKS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "sklearn": ("https://scikit-learn.org/stable/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "joblib": ("https://joblib.readthedocs.io/en/stable/", None),
    }
