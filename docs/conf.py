"""Configuration of the site: ``python -m sphinx -W --keep-going -n docs build/site``."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ.pop("ACCELNN_BACKEND", None)  # the experiments choose for themselves

from pygments.lexers.shell import BashLexer  # noqa: E402
from sphinx.highlighting import lexers  # noqa: E402

import accelnn  # noqa: E402

lexers["console"] = BashLexer()  # commands without prompts

project = "accelnn"
author = "The accelnn developers"
copyright = "The accelnn developers, BSD-3-Clause"
version = release = accelnn.__version__

extensions = [
    "myst_parser",  # the pages are Markdown
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # the formulas are there without a network
    "numpydoc",
    "sphinx_gallery.gen_gallery",  # the experiments
    "sphinx_copybutton",
    # Of this project, in docs/_ext:
    "api_pages",
    "notebooks",
]
templates_path = ["_templates"]
exclude_patterns = ["_generated", "**.ipynb", "gallery/**.py"]
nitpicky = True
# References that lead nowhere, and why:
nitpick_ignore_regex = [
    # Bases and aliases that belong to other libraries; no inventory of theirs is fetched.
    ("py:.*", r"(numpy|sklearn|typing|collections|pathlib|builtins)\..*"),
]

# Markdown
myst_enable_extensions = ["dollarmath", "attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 4  # the same names that GitHub gives
myst_links_external_new_tab = False

# What is read from the docstrings
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more: shapes, units, defaults
numpydoc_show_class_members = False  # the template of a class lists them
python_display_short_literal_types = True

# The experiments
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_\w+\.py$",
    "image_scrapers": ("matplotlib", "drawings.scraper"),
    "ignore_repr_types": r"matplotlib|Drawing|NoneType",  # shown as pictures, if at all
    "write_computation_times": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "within_subsection_order": "FileNameSortKey",
    "matplotlib_animations": False,
    "default_thumb_file": str(HERE / "_static" / "mark.png"),
}

# Pages that are notebooks too; all of them are executed when the site is built.
notebook_pages = ["notes/*", "from-pytorch", "measuring"]

# The theme
html_theme = "furo"
html_title = f"accelnn {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5fa5", "color-brand-content": "#0b5fa5"},
    "dark_css_variables": {"color-brand-primary": "#7ab8f0", "color-brand-content": "#7ab8f0"},
    "navigation_with_keys": True,
    "top_of_page_buttons": [],
}
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_selector = "div:not(.output):not(.sphx-glr-script-out) > div.highlight > pre"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Links to other sites, where there is a network: python -m sphinx -b linkcheck docs build/links
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_workers = 8
linkcheck_ignore = [r"https://doi\.org/"]  # publishers turn programs away
linkcheck_anchors = False
