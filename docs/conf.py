"""Sphinx: the documentation site. Its sources are the repository's own pages, at their own paths (`make docs`)."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

import grfkit

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))

project = "grfkit"
author = "grfkit contributors"
copyright = "grfkit contributors, Apache-2.0"
version = release = grfkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "commands", "executed"]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    ".github/*.md",
    "docs/*.md",
    "docs/*/*.md",
    "host/grfkit/README.md",
    "host/grfkit/*/README.md",
    "host/grfkit/simulate/film/README.md",
    "host/grfkit/video/models/README.md",
    "host/grfkit/models/LICENSES.md",
    "host/grfkit/models/*/CARD.md",
    "firmware_models/README.md",
    "firmware_models/*/CARD.md",
    "calibration/README.md",
    "tools/README.md",
]
exclude_patterns = [".venv", "build", "docs/_*"]

nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]
"""Types of signatures are not links; links in pages are all checked (MyST), and names of the API by its own page."""
suppress_warnings = ["config.cache"]
myst_heading_anchors = 4
myst_enable_extensions = ["deflist", "colon_fence", "attrs_inline", "attrs_block"]

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = "grfkit"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 8,
}
html_sidebars = {f"docs/{page}": [] for page in ("index", "for-whom", "install", "gallery")}


def setup(app: Sphinx) -> None:
    """Make the folder's own index.html lead to the first page, which lies at its source's path."""
    app.connect("build-finished", _first_page)


def _first_page(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        page = "docs/index.html"
        lead = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={page}">'
        Path(app.outdir, "index.html").write_text(f'{lead}<a href="{page}">grfkit</a>\n', encoding="utf-8")
