"""Divide a rectangle by areas, into pieces that are as square as can be. Pure.

Source of the method: Mark Bruls, Kees Huizing, Jarke J. van Wijk: Squarified Treemaps (2000).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Box(Struct, frozen=True, kw_only=True, gc=False):
    """A rectangle. `x` and `y` are its left upper corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Its area."""
        return self.width * self.height

    def inside(self, *, top: float = 0.0, around: float = 0.0) -> Box:
        """Return the part of it without a margin `around`, and without more at the `top`."""
        width, height = self.width - 2 * around, self.height - 2 * around - top
        return Box(x=self.x + around, y=self.y + around + top, width=max(0.0, width), height=max(0.0, height))


def squarify(sizes: Sequence[float], into: Box) -> list[Box]:
    """Return a box in `into` for each of `sizes`, in their order. Areas are proportional to sizes.

    A size that is not above 0 gets a box without an area. The boxes touch, do not overlap, and fill `into`.
    """
    boxes = [Box(x=into.x, y=into.y, width=0.0, height=0.0)] * len(sizes)
    order = sorted((at for at, size in enumerate(sizes) if size > 0), key=lambda at: -sizes[at])
    total = float(sum(sizes[at] for at in order))
    rest, start = into, 0
    while start < len(order):
        side = min(rest.width, rest.height)
        scale = rest.area / total if total > 0 else 0.0
        row = 0.0
        end = start
        while end < len(order):
            longer = row + sizes[order[end]] * scale
            largest, added = sizes[order[start]] * scale, sizes[order[end]] * scale
            last = sizes[order[end - 1]] * scale
            if end > start and _worst(largest, added, longer, side) > _worst(largest, last, row, side):
                break
            row, end = longer, end + 1
        total -= sum(sizes[at] for at in order[start:end])
        rest = _lay(row, [(at, sizes[at] * scale) for at in order[start:end]], rest, boxes, is_last=end == len(order))
        start = end
    return boxes


def _worst(largest: float, smallest: float, row: float, side: float) -> float:
    """Return the worst ratio of two sides in a row of areas along a `side`."""
    if smallest <= 0 or side <= 0 or row <= 0:
        return float("inf")
    return max(side * side * largest / (row * row), row * row / (side * side * smallest))


def _lay(row: float, areas: Sequence[tuple[int, float]], rest: Box, boxes: list[Box], *, is_last: bool) -> Box:
    """Lay a row of areas along the shorter side of `rest` into `boxes`, and return what is left of `rest`."""
    stands = rest.width >= rest.height
    side, room = (rest.height, rest.width) if stands else (rest.width, rest.height)
    depth = room if is_last else min(room, row / side if side > 0 else 0.0)
    done = 0.0
    for at, area in areas:
        length = side * area / row if row > 0 else 0.0
        if stands:
            boxes[at] = Box(x=rest.x, y=rest.y + done, width=depth, height=length)
        else:
            boxes[at] = Box(x=rest.x + done, y=rest.y, width=length, height=depth)
        done += length
    if stands:
        return Box(x=rest.x + depth, y=rest.y, width=rest.width - depth, height=rest.height)
    return Box(x=rest.x, y=rest.y + depth, width=rest.width, height=rest.height - depth)
