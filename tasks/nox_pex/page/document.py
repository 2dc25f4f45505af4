"""The frame of a page: everything around its content. It loads nothing, and its policy lets it load nothing.

Fact source: Content Security Policy Level 3 (a `meta` element, and the hash of an inline style).
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path

import htpy
from htpy import Node, a, body, footer, head, html, main, meta, style, title
from markupsafe import Markup

from nox_pex.page.html import text


def document(name: str, content: Node, *, made_by: str) -> str:
    """Return the text of a page with this name. `made_by` is the version of nox-pex."""
    css = stylesheet()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    whole = html(lang="en")[
        head[
            meta(charset="utf-8"),
            meta(http_equiv="Content-Security-Policy", content=policy),
            meta(name="viewport", content="width=device-width, initial-scale=1"),
            meta(name="color-scheme", content="light dark"),
            meta(name="referrer", content="no-referrer"),
            title[text(name)],
            style[Markup(css)],  # noqa: S704  # the stylesheet is ours, and has no text from outside
        ],
        body[
            a(".skip", href="#content")["Skip to the content"],
            main(id="content", tabindex="-1")[content],
            footer[htpy.p["Written by nox-pex ", text(made_by), ". The page loads nothing."]],
        ],
    ]
    return f"{str(whole)}\n"  # noqa: RUF010  # a plain text: the methods of htpy's own escape their arguments


@functools.cache
def stylesheet() -> str:
    """Return the stylesheet of all pages, without comments and indentation."""
    here = Path(__file__)
    texts = [here.with_name(name).read_text("utf-8") for name in ("style.css", "svg.css")]
    lines = (line.strip() for line in "\n".join(texts).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("/*"))
