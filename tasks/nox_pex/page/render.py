"""The page as HTML."""

from __future__ import annotations

import html

import msgspec

from nox_pex.page.model import Index, Page


def page(model: Page) -> str:
    """Return the text of a page."""
    return _plain(msgspec.json.format(msgspec.json.encode(model)).decode("utf-8", "replace"))


def index(model: Index) -> str:
    """Return the text of an index."""
    return _plain(msgspec.json.format(msgspec.json.encode(model)).decode("utf-8", "replace"))


def _plain(text: str) -> str:
    return f"<!doctype html>\n<meta charset=utf-8><title>nox-pex</title><pre>{html.escape(text)}</pre>\n"
