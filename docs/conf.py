"""The documentation site: `make docs`. It needs no network and warns about nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from workbench.version import __version__  # noqa: E402

project = "biomarker-workbench"
author = copyright = "The biomarker-workbench developers"
version = release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "reference_pages",
]
exclude_patterns = ["_build", "schemas", "**/README.md", "gallery"]
root_doc = "index"

myst_enable_extensions = ["colon_fence", "attrs_block"]
myst_heading_anchors = 4
numpydoc_show_class_members = False
autodoc_typehints = "none"
autosummary_generate = True

smartquotes = False  # --from is no dash

html_theme = "pydata_sphinx_theme"
html_title = "biomarker-workbench"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": []}

sphinx_gallery_conf = {
    "examples_dirs": ["gallery"],
    "gallery_dirs": ["examples"],
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 0,
    "show_signature": False,
    "remove_config_comments": True,
    "matplotlib_animations": False,
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib",),
}
