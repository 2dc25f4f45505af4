"""The division of a rectangle by areas."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence
from typing import Final

import pytest

from nox_pex.page.squarify import Box, squarify

INTO: Final = Box(x=10, y=20, width=900, height=460)

SIZES: Final[dict[str, Sequence[float]]] = {
    "the example of the paper": (6, 6, 4, 3, 2, 2, 1),
    "one": (5,),
    "equal ones": (1,) * 17,
    "a giant and dwarfs": (10**12, *([1] * 50)),
    "in no order": (1, 9, 2, 700, 3, 3, 40),
    "a zero between": (5, 0, 3),
    "thousands": tuple(random.Random(3).paretovariate(1.2) for _ in range(2000)),  # noqa: S311  # not for security
}


def overlap(one: Box, other: Box) -> float:
    """The area that both boxes cover."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(0.0, width) * max(0.0, height)


@pytest.mark.parametrize("name", SIZES)
def test_areas_are_proportional_to_sizes(name: str) -> None:
    sizes = SIZES[name]

    boxes = squarify(sizes, INTO)

    assert [box.area for box in boxes] == pytest.approx([size / sum(sizes) * INTO.area for size in sizes], abs=1e-4)


@pytest.mark.parametrize("name", SIZES)
def test_every_box_is_inside(name: str) -> None:
    for box in squarify(SIZES[name], INTO):
        assert box.x >= INTO.x - 1e-6
        assert box.y >= INTO.y - 1e-6
        assert box.x + box.width <= INTO.x + INTO.width + 1e-6
        assert box.y + box.height <= INTO.y + INTO.height + 1e-6


@pytest.mark.parametrize("name", [name for name in SIZES if name != "thousands"])
def test_no_boxes_overlap(name: str) -> None:
    boxes = squarify(SIZES[name], INTO)

    assert max((overlap(*pair) for pair in itertools.combinations(boxes, 2)), default=0.0) < 1e-6


def test_the_boxes_of_the_papers_example_are_as_square_as_there() -> None:
    boxes = squarify(SIZES["the example of the paper"], Box(x=0, y=0, width=6, height=4))

    assert [(round(box.width, 2), round(box.height, 2)) for box in boxes[:4]] == [
        (3, 2),
        (3, 2),
        (1.71, 2.33),
        (1.29, 2.33),
    ]


@pytest.mark.parametrize("sizes", [(), (0,), (0, 0), (-1, -5)])
def test_what_has_no_size_has_no_area(sizes: tuple[float, ...]) -> None:
    assert [box.area for box in squarify(sizes, INTO)] == [0.0] * len(sizes)


@pytest.mark.parametrize("into", [Box(x=0, y=0, width=0, height=5), Box(x=0, y=0, width=5, height=0)])
def test_nothing_can_be_divided(into: Box) -> None:
    assert [box.area for box in squarify((3, 2, 1), into)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("sizes", [range(10_000), [1] * 10_000])
def test_ten_thousand_sizes_take_less_than_half_a_second(sizes: Sequence[float]) -> None:
    started = time.process_time()

    squarify(sizes, INTO)

    assert time.process_time() - started < 0.5
