"""The settings of Sphinx: ``sphinx-build -W docs build/docs``, with the package installed."""

from importlib import metadata

project = "Ostinato"
author = "The Ostinato developers"
copyright = author
try:
    release = metadata.version("ostinato")
except metadata.PackageNotFoundError:
    release = ""
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Ostinato"
default_role = "code"
autodoc_typehints = "none"
autodoc_member_order = "bysource"


def drop_module_text(app, what, name, obj, options, lines):
    """A module's docstring is for readers of the file; the page has its own words."""
    if what == "module":
        lines.clear()


def setup(app):
    app.connect("autodoc-process-docstring", drop_module_text)
