"""The settings of the documentation's site, which `nox -s docs` builds with Sphinx."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tasks"))

import nox_pex  # noqa: E402  # the line above makes it importable
from nox_pex import site  # noqa: E402  # the line above makes it importable

project = "nox-pex"
author = "The nox-pex developers"
copyright = author  # noqa: A001  # Sphinx has the name
version = release = nox_pex.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
templates_path = ["_templates"]

nitpick_ignore_regex = [(r"py:.*", r"(?!nox_pex).*")]
"""Names of other libraries have no page here. Links to our own must work."""

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
myst_links_external_new_tab = False

default_role = "code"  # the docstrings have single backticks around code
autodoc_typehints = "signature"
autodoc_type_aliases = {"SessionName": "SessionName"}
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True

smartquotes = False  # `--option` outside of code stays as it is

html_theme = "furo"
html_title = "nox-pex"
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", site.DOCS)
html_context = {"address": html_baseurl}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["schemas/pyproject.schema.json", "../tasks/nox_pex/settings/settings.schema.json"]
html_copy_source = False
html_theme_options: dict[str, object] = {"top_of_page_buttons": []}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .go"


_OUT_OF_DOCS: Final = re.compile(r"(?<=\]\()(?P<up>(?:\.\./)+)(?P<path>[^)#\s]+)")
"""The beginning of a link in Markdown that leads up, as in `](../README.md#limits)`."""


def _lead_to_the_repository(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn the links in a page that leave `docs/` into links to the repository: only `docs/` is on the site."""

    def absolute(link: re.Match[str]) -> str:
        target = (HERE / docname).parent.joinpath(link["up"], link["path"]).resolve()
        if target.is_relative_to(HERE):
            return link[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"{site.REPOSITORY}/{kind}/main/{target.relative_to(HERE.parent).as_posix()}"

    source[0] = _OUT_OF_DOCS.sub(absolute, source[0])


def _add_anchors(_app: Sphinx, document: nodes.document) -> None:
    """Give each heading the anchor that it has on GitHub too, so that one link works in both places.

    Docutils makes `tool-nox-pex` of the heading `[tool.nox-pex]`, and GitHub `toolnox-pex`.
    """
    for section in document.findall(nodes.section):
        slug = section.get("slug")
        if slug and slug not in document.ids:
            section["ids"].append(slug)
            document.ids[slug] = section


def _name_the_alias(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Show the name of a type alias instead of the form that Sphinx gives it."""
    return signature and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", signature), returns


def setup(app: Sphinx) -> None:
    """Connect the functions of this file to Sphinx."""
    app.connect("source-read", _lead_to_the_repository)
    app.connect("doctree-read", _add_anchors)
    app.connect("autodoc-process-signature", _name_the_alias)
