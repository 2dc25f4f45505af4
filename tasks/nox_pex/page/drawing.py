"""The pieces that the pictures of a page are made of: SVG, whose colours are in the stylesheet. Pure.

Fact sources: SVG 2 (all that is not in a picture by itself has a `title`, which browsers show at the pointer); the
SVG Accessibility API Mappings (the name and the description of a picture).
"""

from __future__ import annotations

import unicodedata
from typing import Final

import htpy
from htpy import Element, Node

from nox_pex.page.squarify import Box

_SVG: Final = htpy.Element("svg")
_TITLE: Final = htpy.Element("title")
_DESC: Final = htpy.Element("desc")
_RECT: Final = htpy.Element("rect")
_TEXT: Final = htpy.Element("text")
_TSPAN: Final = htpy.Element("tspan")
_LINE: Final = htpy.Element("line")
_G: Final = htpy.Element("g")
_DEFS: Final = htpy.Element("defs")
_PATTERN: Final = htpy.Element("pattern")
_PATH: Final = htpy.Element("path")

_NARROW: Final = frozenset("iljtfrI.,:;'|!()[]/ -")
_BROAD: Final = frozenset("mwMW@%")


def picture(identifier: str, classes: str, *content: Node, title: str, told: str, size: tuple[float, float]) -> Element:
    """Return a picture of a `size`, which scales. `told` says what it shows, to those who cannot see it."""
    name, words = f"{identifier}-title", f"{identifier}-desc"
    return _SVG(
        class_=classes,
        role="img",
        aria_labelledby=name,
        aria_describedby=words,
        viewBox=f"0 0 {number(size[0])} {number(size[1])}",
    )[_TITLE(id=name)[title], _DESC(id=words)[told], *content]


def group(*content: Node, classes: str = "", tip: str = "") -> Element:
    """Return things that belong together; `tip` is shown at the pointer."""
    return _G(class_=classes or None)[_TITLE[tip] if tip else None, *content]


def rectangle(box: Box, classes: str, *, tip: str = "", fill: str = "", round_by: float = 0.0) -> Element:
    """Return a rectangle; `tip` is shown at the pointer. `fill` is the id of a pattern."""
    return _RECT(
        class_=classes,
        x=number(box.x),
        y=number(box.y),
        width=number(box.width),
        height=number(box.height),
        rx=number(round_by) if round_by else None,
        fill=f"url(#{fill})" if fill else None,
    )[_TITLE[tip] if tip else None]


def label(x: float, y: float, words: Node, classes: str = "", *, anchor: str = "") -> Element:
    """Return words on the base line `y`. They begin at `x`, or are placed as the `anchor` says: `middle`, `end`."""
    return _TEXT(class_=classes or None, x=number(x), y=number(y), text_anchor=anchor or None)[words]


def words(text: str, classes: str) -> Element:
    """Return words in a label that look different."""
    return _TSPAN(class_=classes)[text]


def line(x1: float, y1: float, x2: float, y2: float, classes: str) -> Element:
    """Return a line."""
    return _LINE(class_=classes, x1=number(x1), y1=number(y1), x2=number(x2), y2=number(y2))


def path(drawn: str, classes: str) -> Element:
    """Return a path."""
    return _PATH(class_=classes, d=drawn)


def hatching(identifier: str, classes: str) -> Element:
    """Return the definition of a pattern of slanted lines, with a background and lines that `classes` colours."""
    return _DEFS[
        _PATTERN(
            id=identifier, class_=classes, width="7", height="7", patternUnits="userSpaceOnUse",
            patternTransform="rotate(45)",
        )[_RECT(class_="ground", width="7", height="7"), _RECT(class_="stripe", width="2", height="7")]
    ]  # fmt: skip


def swatch(classes: str, *, fill: str = "", before: Node = None) -> Element:
    """Return a small sample for a legend, which those who cannot see it are not told of."""
    box = Box(x=0.5, y=0.5, width=13, height=13)
    return _SVG(".swatch", viewBox="0 0 14 14", aria_hidden="true")[
        before, rectangle(box, classes, fill=fill, round_by=2)
    ]


def number(value: float) -> str:
    """Return a length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def text_width(text: str, size: float) -> float:
    """Return roughly how wide a text in the font of the page is; rather too wide than too narrow."""
    return size * sum(map(_character_width, text))


def _character_width(character: str) -> float:
    if character in _NARROW:
        return 0.36
    if character in _BROAD:
        return 0.98
    if character.isascii():
        return 0.72 if character.isupper() else 0.61
    return 1.05 if unicodedata.east_asian_width(character) in "WFA" else 0.75


def fitted(text: str, size: float, width: float, *, shortest: int = 12) -> str:
    """Return a text that fits into a width: the text, or its beginning and `…`; empty if too little of it fits."""
    if text_width(text[:400], size) <= width and len(text) <= 400:  # noqa: PLR2004  # no line is that long
        return text
    left, kept = width - size, 0
    for character in text[:400]:
        left -= size * _character_width(character)
        if left < 0:
            break
        kept += 1
    return f"{text[:kept].rstrip()}…" if kept >= shortest else ""
