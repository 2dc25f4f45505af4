"""The sizes in a binary as a treemap: distributions, and in each the biggest packages and files. Pure.

The area is what something takes in the file. A table next to the picture says the same in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import htpy
from htpy import Element, Node
from msgspec import Struct

from nox_pex.contents.model import BinaryContents, Group, PackedFile
from nox_pex.page import drawing
from nox_pex.page.html import text
from nox_pex.page.model import Distribution, Page
from nox_pex.page.pieces import Piece, pieces
from nox_pex.page.squarify import Box, squarify
from nox_pex.system.lazy import pattern
from nox_pex.system.wording import size_text

Sort = Literal["own", "direct", "indirect", "runtime", "rest"]


class _Form(Struct, frozen=True, kw_only=True):
    """One of the two forms of the picture. `most` are the rectangles in distributions. Areas are in square units."""

    name: str
    width: float
    height: float
    most: int
    smallest_part: float
    smallest_piece: float


_FORMS: Final = (
    _Form(name="wide", width=900, height=460, most=320, smallest_part=28, smallest_piece=340),
    _Form(name="tall", width=400, height=560, most=110, smallest_part=40, smallest_piece=700),
)

_FONT: Final = 13.0
_SMALL: Final = 10.5
_BOLD: Final = 1.08
"""How much wider a bold text is."""

_HEAD: Final = 19.0
"""The height of the line with the name of a distribution that shows its pieces."""

_MOST_IN_ONE: Final = 28

_ALMOST_ALL: Final = 0.75
"""The share of a distribution from which on its one package says no more than its own name."""

_LEGEND: Final[tuple[tuple[Sort, str], ...]] = (
    ("own", "the project's own code"),
    ("direct", "required by the project (bold)"),
    ("indirect", "required by a distribution"),
    ("runtime", "pex's runtime, and the rest of the file"),
)


_ABI: Final = pattern(r"\.(?:cpython|abi3|pypy)[\w.-]*(\.so)\Z")
"""The part of an extension module's name that says for which Python it is."""


class _Part(Struct, frozen=True, kw_only=True):
    """A part of the file that has a rectangle: a distribution, or one of the others."""

    sort: Sort
    name: str
    version: str = ""
    stored: int
    size: int
    file_count: int
    files: Sequence[PackedFile] = ()
    why: str = ""

    @property
    def tip(self) -> str:
        """The text that is shown at the pointer."""
        named = f"{self.name} {self.version}" if self.version else self.name
        return _tip(named, self.stored, self.size, self.file_count) + (f"; {self.why}" if self.why else "")


def treemap(page: Page) -> Node:
    """Return the treemap of a page in a wide and a tall form, of which the stylesheet shows one, and its legend.

    Nothing is returned if the file cannot be read, or is empty.
    """
    contents = page.contents
    if contents is None:
        return None
    parts = sorted(_parts(page, contents), key=lambda part: (-part.stored, part.name))
    parts = [part for part in parts if part.stored > 0]
    if not parts:
        return None
    told = _told(parts, contents)
    sums = {sort: sum(part.stored for part in parts if part.sort == sort) for sort, _ in _LEGEND}
    return htpy.figure(".picture.map")[
        (_picture(form, parts, told) for form in _FORMS),
        htpy.figcaption[htpy.ul(".key")[(_key(sort, said, sums[sort]) for sort, said in _LEGEND if sums[sort])]],
    ]


def _key(sort: Sort, said: str, stored: int) -> Element:
    """Return a line of the legend, with the size of all parts of this sort."""
    fill = "key-hatching" if sort == "runtime" else ""
    before = drawing.hatching(fill, "hatching") if fill else None
    sample = drawing.swatch(f"part {sort}", fill=fill, before=before)
    return htpy.li[sample, htpy.span[said, " ", htpy.strong[size_text(stored)]]]


def _told(parts: Sequence[_Part], contents: BinaryContents) -> str:
    """Return the description of the picture: the biggest parts, with their shares."""
    biggest = ", ".join(f"{part.name} {part.stored / max(1, contents.size) * 100:.0f} %" for part in parts[:5])
    return f"A rectangle for each part of the file; its area is its size in the file. The biggest are {biggest}."


def _parts(page: Page, contents: BinaryContents) -> Iterator[_Part]:
    """Yield each part of the file."""
    known = {(each.name, each.version): each for each in page.distributions}
    for group in contents.distributions:
        described = known.get((group.name, group.version))
        yield _part(group, _sort(described), text(group.name), why=_why(described))
    yield _part(contents.own, "own", "the project's own files")
    yield _part(contents.runtime, "runtime", "pex runtime")
    python = contents.python
    if python is not None and python.included:
        name = f"Python ({text(python.file)})"
        yield _Part(sort="runtime", name=name, stored=python.size, size=python.size, file_count=1)
    name = "ZIP headers" if not contents.is_scie else "launcher, ZIP headers"
    yield _Part(sort="runtime", name=name, stored=contents.overhead, size=contents.overhead, file_count=0)


def _part(group: Group, sort: Sort, name: str, *, why: str = "") -> _Part:
    return _Part(
        sort=sort,
        name=name,
        version=text(group.version),
        stored=max(0, group.stored),
        size=group.size,
        file_count=len(group.files),
        files=group.files,
        why=why,
    )


def _sort(described: Distribution | None) -> Sort:
    if described is None:
        return "indirect"
    if described.is_project:
        return "own"
    return "direct" if described.is_direct else "indirect"


def _why(described: Distribution | None) -> str:
    """Return why a distribution is in the file, if that is known."""
    if described is None:
        return ""
    if described.is_project:
        return "the project itself"
    if described.is_direct:
        return "required by the project"
    return f"required by {text(described.path[-2])}" if len(described.path) > 1 else ""


def _tip(name: str, stored: int, size: int, file_count: int) -> str:
    files = "" if not file_count else ", 1 file" if file_count == 1 else f", {file_count} files"
    unpacks = f", unpacks to {size_text(size)}" if size != stored else ""
    return f"{name}: {size_text(stored)}{unpacks}{files}"


def _picture(form: _Form, parts: Sequence[_Part], told: str) -> Element:
    """Return the picture in one of its forms."""
    whole = Box(x=0, y=0, width=form.width, height=form.height)
    unit = sum(part.stored for part in parts) / whole.area
    shown = _with_rest(parts, smallest=form.smallest_part * unit)
    boxes = squarify([part.stored for part in shown], whole)
    left = form.most
    drawn: list[Node] = []
    for part, box in zip(shown, boxes, strict=True):
        inside = _inside(part, box, form, most=min(left, _MOST_IN_ONE))
        left -= len(inside)
        drawn.append(_drawn(part, box, inside, hatching=f"map-{form.name}-hatching"))
    return drawing.picture(
        f"map-{form.name}",
        f"map {form.name}",
        drawing.hatching(f"map-{form.name}-hatching", "hatching"),
        *drawn,
        title="Size of each part of the file",
        told=told,
        size=(form.width, form.height),
    )


def _with_rest(parts: Sequence[_Part], *, smallest: float) -> list[_Part]:
    """Return the parts that can be seen; the distributions that cannot are one part, the last."""
    seen = [part for part in parts if part.stored >= smallest]
    others = [part for part in parts if part.stored < smallest]
    if len(others) < 2:  # noqa: PLR2004  # one has its own name
        return list(parts)
    rest = _Part(
        sort="rest",
        name=f"{len(others)} more",
        stored=sum(part.stored for part in others),
        size=sum(part.size for part in others),
        file_count=sum(part.file_count for part in others),
    )
    return [*seen, rest]


def _inside(part: _Part, box: Box, form: _Form, *, most: int) -> list[tuple[Piece, Box]]:
    """Return the pieces of a part with their boxes, if there is room for them."""
    room = box.inside(top=_HEAD, around=2)
    if most < 2 or not part.files or room.width < 50 or room.height < 24:  # noqa: PLR2004  # a label needs that
        return []
    stored = sum(max(0, file.stored) for file in part.files)
    if room.area <= 0 or stored <= 0:
        return []
    found = pieces(part.files, smallest=form.smallest_piece * stored / room.area, most=most - 1)
    is_whole = "/" not in found[0].path and found[0].stored > _ALMOST_ALL * stored
    if len(found) < 2 or is_whole:  # noqa: PLR2004  # nothing to tell apart
        return []
    return list(zip(found, squarify([piece.stored for piece in found], room), strict=True))


def _drawn(part: _Part, box: Box, inside: Sequence[tuple[Piece, Box]], *, hatching: str) -> Element:
    fill = hatching if part.sort == "runtime" else ""
    frame = drawing.rectangle(
        box.inside(around=min(0.75, box.width / 8, box.height / 8)), "frame", fill=fill, round_by=2
    )
    if not inside:
        return drawing.group(frame, *_label(part, box), classes=f"part {part.sort}", tip=part.tip)
    return drawing.group(
        frame,
        *_head(part, box),
        (_piece(part, piece, at) for piece, at in inside),
        classes=f"part {part.sort}",
        tip=part.tip,
    )


def _head(part: _Part, box: Box) -> Iterator[Element]:
    """Yield the name of a part on the line above its pieces, and its size if that fits too."""
    yield from _line(part.name, size_text(part.stored), box.x + 6, box.y + 14.5, box.width - 11, bold=True)


def _label(part: _Part, box: Box) -> Iterator[Element]:
    """Yield the label of a part without pieces: its name, below it its size; in a small font, or not at all."""
    if box.height < _SMALL + 4:
        return
    width = box.width - 9
    font = _FONT if _fits(part.name, _FONT * _BOLD, width) and box.height >= _FONT + 6 else _SMALL
    name = drawing.fitted(part.name, font * _BOLD, width, shortest=5)
    if not name:
        return
    classes = "" if font == _FONT else "small"
    yield drawing.label(box.x + 5, box.y + font + 2, drawing.words(name, "name"), classes)
    size = size_text(part.stored)
    if box.height >= font + _SMALL + 9 and _fits(size, _SMALL, width):
        yield drawing.label(box.x + 5, box.y + font + _SMALL + 5, size, "small")


def _piece(part: _Part, piece: Piece, box: Box) -> Iterator[Node]:
    """Yield the rectangle of a piece, and its name if that fits."""
    path = text(piece.path)
    name = f"{path}, the smaller files" if piece.is_rest and path else "the smaller files" if piece.is_rest else path
    tip = _tip(f"{part.name}: {name}", piece.stored, piece.size, piece.file_count)
    yield drawing.rectangle(box.inside(around=min(0.5, box.width / 8, box.height / 8)), "piece", tip=tip, round_by=1)
    if box.height >= _SMALL + 4:
        shown = f"{piece.file_count} files" if piece.is_rest else _ABI.sub(r"\1", path.rpartition("/")[2])
        if not piece.is_rest or _fits(shown, _SMALL, box.width - 7):
            yield from _line(shown, size_text(piece.stored), box.x + 4, box.y + _SMALL + 2, box.width - 7)


def _line(name: str, size: str, x: float, y: float, width: float, *, bold: bool = False) -> Iterator[Element]:
    """Yield a name and a size on a line, or of it what fits. A line in `bold` may be in the bigger font."""
    fonts = (_FONT, _SMALL) if bold else (_SMALL,)
    wider, kind = (_BOLD, "name") if bold else (1.0, "piece-name")
    for font in fonts:
        classes = "" if font == _FONT else "small"
        if _fits(name, font * wider, width - drawing.text_width(f"  {size}", font)):
            yield drawing.label(x, y, [drawing.words(name, kind), f" {size}"], classes)
            return
        if _fits(name, font * wider, width):
            yield drawing.label(x, y, drawing.words(name, kind), classes)
            return
    if beginning := drawing.fitted(name, _SMALL * wider, width, shortest=5):
        yield drawing.label(x, y, drawing.words(beginning, kind), "small")


def _fits(words: str, font: float, width: float) -> bool:
    return drawing.fitted(words, font, width, shortest=0) == words
