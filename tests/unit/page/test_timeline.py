"""The timeline of the boots of a binary."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any, Final

import pytest
from msgspec.structs import replace

from nox_pex.page.model import Boot, Phase
from nox_pex.page.timeline import timeline
from tests.support import pages

HOSTILE: Final = '"><script>alert(1)</script>\x1b[31m\u202e&' + "w" * 500


def figure(*boots: Boot) -> ET.Element:
    return ET.fromstring(str(timeline(boots, title="Boots")))  # noqa: S314  # the program's own


def pictures(*boots: Boot) -> list[ET.Element]:
    """The wide and the tall form, parsed as XML."""
    return [each for each in figure(*boots) if each.tag == "svg"]


def bars(picture: ET.Element) -> list[tuple[str, float, float]]:
    """Each phase in a picture: what is shown at the pointer, where it begins, and how long it is."""
    found = []
    for phase in picture.iter("g"):
        bar = phase.find("rect")
        if bar is not None:
            found.append((phase.findtext("title") or "", float(bar.attrib["x"]), float(bar.attrib["width"])))
    return found


def said(picture: ET.Element) -> str:
    return " ".join("".join(each.itertext()) for each in picture.iter("text"))


def ticks(picture: ET.Element) -> list[str]:
    return [each.text or "" for each in picture.findall("text")]


@pytest.mark.parametrize("form", [0, 1])
def test_each_phase_is_a_bar_as_long_as_it_took(form: int) -> None:
    found = bars(pictures(pages.COLD, pages.WARM)[form])

    assert found[1][0] == "unpack: 0.64 s, from 0.21 s on"
    assert len(found) == len(pages.COLD.phases) + len(pages.WARM.phases)
    launch, unpack = found[0], found[1]
    assert unpack[1] == pytest.approx(launch[1] + launch[2], abs=1.3)
    assert unpack[2] / found[3][2] == pytest.approx(0.64 / 0.95, rel=0.02)


def test_both_boots_have_one_scale() -> None:
    wide, _ = pictures(pages.COLD, pages.WARM)
    soaks = [length for tip, _, length in bars(wide) if tip.startswith("soak")]

    assert soaks[0] == pytest.approx(soaks[1], abs=0.2)


@pytest.mark.parametrize("form", [0, 1])
def test_the_time_at_which_it_was_ready_is_written(form: int) -> None:
    text = said(pictures(pages.COLD, pages.WARM)[form])

    assert "ready after 2.21 s" in text
    assert "ready after 0.42 s" in text


@pytest.mark.parametrize("form", [0, 1])
def test_a_failed_and_a_skipped_condition_say_so_in_words_with_the_reason(form: int) -> None:
    text = said(pictures(pages.COLD, pages.BROKEN, pages.OFFLINE)[form])

    assert "✔ passed" in text
    assert "✘ failed" in text
    assert "GET /items: $.items[0].id is 8, not 7" in text
    assert "⊘ skipped" in text
    assert "the kernel refuses user namespaces (EPERM)" in text


def test_the_description_says_the_same() -> None:
    wide, _ = pictures(pages.COLD, pages.BROKEN, pages.OFFLINE)

    assert (
        wide.findtext("desc") == "cold: passed, ready after 2.21 s. warm: failed, ready after 0.44 s. offline: skipped."
    )
    assert wide.attrib["role"] == "img"


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (3.04, ["0", "0.5 s", "1 s", "1.5 s", "2 s", "2.5 s", "3 s"]),
        (0.09, ["0", "0.01 s", "0.02 s", "0.03 s", "0.04 s", "0.05 s", "0.06 s", "0.07 s", "0.08 s", "0.09 s"]),
        (1.0, [f"{tenth / 10:g} s" if tenth else "0" for tenth in range(11)]),
        (95.0, ["0", "10 s", "20 s", "30 s", "40 s", "50 s", "60 s", "70 s", "80 s", "90 s"]),
    ],
)
def test_the_scale_has_steps_of_1_2_or_5(last: float, expected: Sequence[str]) -> None:
    wide, _ = pictures(Boot(condition="cold", state="passed", phases=pages.phases(launch=last)))

    assert ticks(wide) == expected


def test_the_legend_has_the_phases_that_are_there() -> None:
    legend = ["".join(each.itertext()) for each in figure(pages.WARM).findall("figcaption/ul/li")]

    assert [line.split()[0] for line in legend] == ["launch", "imports", "ready", "checks", "soak", "stop"]
    assert legend[1] == "imports the program loads, until its port is open"


def test_a_boot_without_phases_shows_its_start() -> None:
    (tip, _, _), *others = bars(pictures(replace(pages.WARM, phases=()))[0])

    assert (tip, others) == ("start: 0.42 s, from 0 ms on", [])


def test_nothing_is_drawn_if_no_boot_has_a_time() -> None:
    assert timeline([pages.OFFLINE], title="Boots") is None
    assert timeline([], title="Boots") is None


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 1e308, -5.0, 0.0, 5e-324])
def test_a_time_that_cannot_be_is_drawn_as_well_as_it_can_be(number: float) -> None:
    odd: Any = Phase(name="imports", start=number, seconds=number)
    boot = replace(pages.COLD, phases=(*pages.COLD.phases, odd), ready_after=number)

    drawn = str(timeline([boot], title="Boots"))

    assert "nan" not in drawn
    assert "inf" not in drawn
    assert len(drawn) < 20_000


def test_text_from_outside_is_no_markup() -> None:
    odd = replace(pages.BROKEN, condition=HOSTILE, reason=HOSTILE)
    drawn = str(timeline([odd, replace(odd, state="skipped", phases=(), ready_after=None)], title="Boots"))

    assert "<script" not in drawn
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn
    assert ET.fromstring(drawn).tag == "figure"  # noqa: S314  # as above


def test_a_thousand_boots_and_phases_are_not_all_drawn() -> None:
    long = replace(pages.COLD, phases=pages.COLD.phases * 1000)

    assert len(str(timeline([long] * 1000, title="Boots"))) < 200_000
