"""Sphinx' settings of the course's site; `python docs/build_site.py` prepares what it reads, and calls it."""

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

project, author, language = "labkit", "the labkit authors", "en"
copyright = "the labkit authors; MIT licence"
release = installed("labkit")
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "lab_site.extension",
]

nb_execution_mode = "off"  # `labkit course` has run them
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # nothing from elsewhere: widgets carry their own script
nb_merge_streams = True
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
exclude_patterns = ["downloads"]
suppress_warnings = ["mystnb.unknown_mime_type"]
html_math_renderer = "mathml"  # of lab_site.extension

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_default_options = {"show-inheritance": True}
autodoc_use_type_comments = False
autosummary_generate = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"
viewcode_follow_imported_members = False

html_theme = "pydata_sphinx_theme"
html_title = "labkit"
html_baseurl = os.environ.get("LABKIT_SITE_URL", "")
html_favicon = "_static/logo.svg"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["lab.css"]
html_js_files = ["lab.js"]
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "logo": {
        "text": "labkit",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
        "alt_text": "labkit",
    },
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "collapse_navigation": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_center": ["built"],
    "footer_end": [],
}
_ALONE = "index papers research glossary open sure data benchmarks contributing search 404 genindex py-modindex"
html_sidebars = {page: [] for page in [*_ALONE.split(), "_modules/**", "files/**"]}  # they have no pages beside them
