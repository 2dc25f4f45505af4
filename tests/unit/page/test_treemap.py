"""The treemap of the sizes in a binary."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from typing import Any, Final

import pytest
from msgspec.structs import replace

from nox_pex.contents.model import Group, PackedFile, PythonInside
from nox_pex.page.model import Page
from nox_pex.page.treemap import treemap
from tests.support import pages

HOSTILE: Final = '"><script>alert(1)</script>\x1b[31m\u202e&'


def pictures(page: Page) -> list[ET.Element]:
    """The wide and the tall form, parsed as XML."""
    figure = ET.fromstring(str(treemap(page)))  # noqa: S314  # the program's own
    return [each for each in figure if each.tag == "svg"]


def parts(picture: ET.Element) -> dict[str, tuple[str, float]]:
    """Each part of a picture: what is shown at the pointer, its classes, and its area."""
    found = {}
    for part in picture.findall("g"):
        frame = part.find("rect")
        title = part.find("title")
        assert frame is not None
        assert title is not None
        area = float(frame.attrib["width"]) * float(frame.attrib["height"])
        found[str(title.text)] = (part.attrib["class"], area)
    return found


def rectangles(picture: ET.Element) -> int:
    return len(picture.findall("g//rect"))


def with_groups(*groups: Group, **values: Any) -> Page:
    page = pages.hello()
    assert page.contents is not None
    changed = replace(page.contents, distributions=groups, **values)
    return replace(page, contents=changed, distributions=())


def test_each_distribution_has_a_rectangle_and_its_sizes_at_the_pointer() -> None:
    for picture in pictures(pages.hello()):
        found = parts(picture)
        said = "fastapi 0.165.0: 151 kB, unpacks to 945 kB, 71 files; required by the project"
        assert found[said][0] == "part direct"
        assert [said for said in found if said.startswith("pydantic-core 2.")] != []
        assert [classes for said, (classes, _) in found.items() if said.startswith("pex runtime: 1.1 MB")] == [
            "part runtime"
        ]
        assert [classes for said, (classes, _) in found.items() if "own files: 2 kB" in said] == ["part own"]


def test_areas_are_proportional_to_the_bytes_in_the_file() -> None:
    page = with_groups(pages.group("big", "1", 8_000_000, 9, 1), pages.group("small", "1", 2_000_000, 9, 1))

    for picture in pictures(page):
        areas = {said.partition(" ")[0]: area for said, (_, area) in parts(picture).items()}
        assert areas["big"] / areas["small"] == pytest.approx(4, rel=0.02)


def test_all_parts_of_a_picture_fill_it() -> None:
    for picture in pictures(pages.many()):
        width, height = map(float, picture.attrib["viewBox"].split()[2:])
        assert sum(area for _, area in parts(picture).values()) > 0.95 * width * height


def test_a_distribution_shows_its_biggest_packages() -> None:
    wide, _ = pictures(pages.many())
    tips = [title.text or "" for title in wide.findall("g/rect/title")]

    assert any(tip.startswith("botocore: botocore/_core.cpython-311-x86_64-linux-gnu.so: 8.1 MB") for tip in tips)
    assert "_core.so" in " ".join(wide.itertext())


def test_there_are_at_most_600_rectangles_however_many_files_there_are() -> None:
    groups = [pages.group(f"d{number}", "1.0", 900_000 - 300 * number, 2_000_000, 300) for number in range(200)]
    started = time.process_time()

    found = pictures(with_groups(*groups))

    assert time.process_time() - started < 3
    assert sum(map(rectangles, found)) <= 1000
    assert max(map(rectangles, found)) <= 600


def test_sixty_thousand_files_in_one_distribution_take_no_time() -> None:
    files = tuple(PackedFile(path=f"a/p{at % 300}/{at}.py", size=30, stored=at % 900) for at in range(60_000))
    started = time.process_time()

    drawn = str(treemap(with_groups(Group(kind="distribution", name="a", stored=27_000_000, files=files))))

    assert time.process_time() - started < 2
    assert len(drawn) < 40_000


def test_distributions_too_small_to_be_seen_are_one_part() -> None:
    dwarfs = [pages.group(f"dwarf-{number}", "1", 10, 20, 1) for number in range(50)]
    wide, _ = pictures(with_groups(pages.group("giant", "1", 90_000_000, 9, 1), *dwarfs))

    # The project's own files are as small.
    assert [said.partition(":")[0] for said in parts(wide)][-1] == "51 more"


def test_the_description_names_the_biggest_parts_with_their_shares() -> None:
    wide, _ = pictures(pages.many())

    assert "The biggest are botocore 26 %, pillow 11 %" in (wide.findtext("desc") or "")


def test_a_picture_is_named_and_described() -> None:
    for picture in pictures(pages.many()):
        ids = {each.attrib.get("id") for each in picture}
        assert picture.attrib["role"] == "img"
        assert {picture.attrib["aria-labelledby"], picture.attrib["aria-describedby"]} <= ids


def test_the_legend_says_how_much_each_sort_takes() -> None:
    figure = ET.fromstring(str(treemap(pages.hello())))  # noqa: S314  # as above

    legend = ["".join(each.itertext()) for each in figure.findall("figcaption/ul/li")]
    assert legend[0] == "the project's own code 2 kB"
    assert legend[-1] == "pex's runtime, and the rest of the file 1.2 MB"


def test_the_python_of_a_scie_is_a_part_of_its_file() -> None:
    python = PythonInside(file="cpython-3.11.tar.gz", size=20_000_000, sha256="aa" * 32, included=True)
    wide, _ = pictures(with_groups(is_scie=True, python=python, size=30_000_000))

    assert "Python (cpython-3.11.tar.gz): 20.0 MB, 1 file" in parts(wide)


def test_text_from_outside_is_no_markup() -> None:
    files = tuple(PackedFile(path=f"{HOSTILE}{at}/{HOSTILE}", size=9, stored=900) for at in range(3))
    drawn = str(
        treemap(with_groups(Group(kind="distribution", name=HOSTILE, version=HOSTILE, stored=9**7, files=files)))
    )

    assert "<script" not in drawn
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn
    assert ET.fromstring(drawn).tag == "figure"  # noqa: S314  # as above


def test_colours_are_in_the_stylesheet_alone() -> None:
    drawn = str(treemap(pages.many()))

    assert "style=" not in drawn
    assert set(re.findall(r' fill="([^"]*)"', drawn)) <= {
        *("url(#map-wide-hatching)", "url(#map-tall-hatching)", "url(#key-hatching)"),
    }


def test_nothing_is_drawn_of_a_file_that_cannot_be_read_or_is_empty() -> None:
    page = with_groups(
        own=Group(kind="own", stored=0, files=()), runtime=Group(kind="runtime", stored=0, files=()), size=0
    )

    assert treemap(page) is None
    assert treemap(replace(page, contents=None)) is None


def test_a_package_that_is_all_of_its_distribution_is_not_drawn_again() -> None:
    files = tuple(PackedFile(path=f"small/{at}.py", size=90, stored=30) for at in range(40))
    metadata = tuple(PackedFile(path=f"small.dist-info/{at}", size=90, stored=30) for at in range(4))
    small = Group(kind="distribution", name="small", stored=9000, files=(*files, *metadata))
    wide, _ = pictures(with_groups(small, pages.group("big", "1", 1_400_000, 9, 1)))

    (part,) = [each for each in wide.findall("g") if (each.findtext("title") or "").startswith("small")]
    assert len(part.findall("rect")) == 1
