"""The page as HTML."""

from __future__ import annotations

from typing import Final

from htpy import Node, a, code, h1, header, p, span

from nox_pex.page import history, html, inside, overview, running
from nox_pex.page.document import document
from nox_pex.page.html import text
from nox_pex.page.model import Index, Page, Row
from nox_pex.system.lazy import pattern
from nox_pex.system.wording import size_change

_RELATIVE: Final = pattern(r"[A-Za-z0-9._~%/-]+")
"""A relative address, quoted (RFC 3986): it has no scheme, so that it can only lead to a file."""


def page(model: Page) -> str:
    """Return the text of a page."""
    content = [
        overview.band(model),
        overview.numbers(model),
        overview.failures(model),
        overview.proofs(model),
        inside.sizes(model),
        running.boots(model),
        running.gates(model),
        inside.distributions(model),
        inside.left_out(model),
        history.evidence(model),
        history.changes(model),
        history.making(model),
    ]
    name = f"{model.identity.name} {model.identity.version}".strip()
    return document(f"{name}: {model.verdict.outcome}", content, made_by=model.nox_pex)


def index(model: Index) -> str:
    """Return the text of an index."""
    failed = sum(row.outcome == "failed" for row in model.rows)
    passed = sum(row.outcome == "passed" for row in model.rows)
    said = f"{failed} of {len(model.rows)} failed" if failed else f"{passed} of {len(model.rows)} passed"
    head = ("Binary", "Result", "Why", "Size", "Change", "Boot", "Distributions")
    content = [
        header(f".band.{'failed' if failed else 'passed' if passed == len(model.rows) else 'incomplete'}")[
            p(".verdict")[said], h1[text(model.title)]
        ],
        html.table("All binaries", head, map(_cells, model.rows), numbers=(3, 4, 5, 6)),
    ]
    return document(model.title, content, made_by=model.nox_pex)


def _cells(row: Row) -> tuple[Node, ...]:
    project = span(".version")[f" {text(row.project)}"] if row.project and row.project != row.name else None
    version = span(".version")[f" {text(row.version)}"] if row.version else None
    named = a(href=row.href)[text(row.name)] if _RELATIVE.fullmatch(row.href) else text(row.name)
    stale = span(".note")[" Its page is older. Run ", code["nox -s report"], "."] if row.is_stale and row.href else None
    return (
        [named, version, project],
        html.state(row.outcome),
        [html.prose(html.capital(row.reason)), stale],
        html.bytes_text(row.size) if row.size is not None else "",
        size_change(row.growth) if row.growth is not None else "",
        f"{text(row.condition)} {html.seconds_text(row.boot)}" if row.boot is not None else "",
        str(row.distributions) if row.distributions is not None else "",
    )
