"""The boots of a binary as a timeline. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from htpy import Node

from nox_pex.page.model import Boot


def timeline(_boots: Sequence[Boot], *, title: str) -> Node:  # noqa: ARG001  # the picture needs it
    """Return the timeline."""
    return None
