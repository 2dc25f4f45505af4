"""The sizes in a binary as a treemap. Pure."""

from __future__ import annotations

from htpy import Node

from nox_pex.page.model import Page


def treemap(_page: Page) -> Node:
    """Return the treemap."""
    return None
