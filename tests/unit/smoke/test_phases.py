"""The phases of a boot, from the moments that were seen."""

from __future__ import annotations

import itertools

import pytest

from nox_pex.smoke.phases import Marks, Phase, as_json, of_boot, start_of

STOPPED = {"ready": 5.0, "checked": 5.5, "signalled": 6.0, "ended": 6.2}
END = [("checks", 5.0, 5.5), ("soak", 5.5, 6.0), ("stop", 6.0, 6.2)]


@pytest.mark.parametrize(
    ("seen", "phases"),
    [
        pytest.param(
            {"writes": 0.3, "unpacked": 1.0, "makes_venv": 1.6, "program": 2.0, "listening": 4.9, **STOPPED},
            [("launch", 0.0, 0.3), ("unpack", 0.3, 1.0), ("venv", 1.0, 2.0), ("imports", 2.0, 4.9),
             ("ready", 4.9, 5.0), *END],
            id="cold",
        ),
        pytest.param(
            {"program": 0.1, "listening": 4.9, **STOPPED},
            [("launch", 0.0, 0.1), ("imports", 0.1, 4.9), ("ready", 4.9, 5.0), *END],
            id="warm",
        ),
        pytest.param(
            {"unpacked": 0.1, "program": 0.4, "listening": 4.9, **STOPPED},
            [("launch", 0.0, 0.4), ("imports", 0.4, 4.9), ("ready", 4.9, 5.0), *END],
            id="warm, by the Python of this machine",
        ),
        pytest.param(
            {"writes": 0.3, "unpacked": 1.0, "listening": 4.9, **STOPPED},
            [("launch", 0.0, 0.3), ("unpack", 0.3, 1.0), ("imports", 1.0, 4.9), ("ready", 4.9, 5.0), *END],
            id="cold, without a virtual environment",
        ),
        pytest.param(
            {"makes_venv": 0.5, "program": 2.0, "listening": 4.9, **STOPPED},
            [("launch", 0.0, 0.5), ("venv", 0.5, 2.0), ("imports", 2.0, 4.9), ("ready", 4.9, 5.0), *END],
            id="cold, a directory",
        ),
        pytest.param(
            {"listening": 4.9, **STOPPED},
            [("launch", 0.0, 4.9), ("ready", 4.9, 5.0), *END],
            id="a container, or no PEX",
        ),
        pytest.param(
            {"program": 0.1, **STOPPED}, [("launch", 0.0, 0.1), ("ready", 0.1, 5.0), *END], id="a worker without a port"
        ),
        pytest.param({**STOPPED}, [("launch", 0.0, 5.0), *END], id="a worker in a container"),
        pytest.param(
            {"writes": 0.3, "unpacked": 1.0, "makes_venv": 1.6, "program": 2.0, "ended": 2.5},
            [("launch", 0.0, 0.3), ("unpack", 0.3, 1.0), ("venv", 1.0, 2.0), ("imports", 2.0, 2.5)],
            id="a failed import",
        ),
        pytest.param(
            {"writes": 0.3, "ended": 0.7}, [("launch", 0.0, 0.3), ("unpack", 0.3, 0.7)], id="a full disk"
        ),
        pytest.param({"ended": 0.7}, [("launch", 0.0, 0.7)], id="nothing was seen"),
        pytest.param({}, [], id="never started"),
    ],
)  # fmt: skip
def test_the_phases_of_a_server(seen: dict[str, float], phases: list[tuple[str, float, float]]) -> None:
    found = of_boot(Marks(**seen), is_server=True)
    assert [(each.name, each.start, each.end) for each in found] == phases


@pytest.mark.parametrize(
    ("seen", "phases"),
    [
        (
            {"writes": 0.3, "unpacked": 1.0, "makes_venv": 1.6, "program": 2.0, "ended": 3.0},
            [("launch", 0.0, 0.3), ("unpack", 0.3, 1.0), ("venv", 1.0, 2.0), ("checks", 2.0, 3.0)],
        ),
        ({"program": 0.1, "ended": 3.0}, [("launch", 0.0, 0.1), ("checks", 0.1, 3.0)]),
        ({"ended": 3.0}, [("checks", 0.0, 3.0)]),
    ],
)
def test_the_phases_of_a_command_line_program(seen: dict[str, float], phases: list[tuple[str, float, float]]) -> None:
    found = of_boot(Marks(**seen), is_server=False)
    assert [(each.name, each.start, each.end) for each in found] == phases


@pytest.mark.parametrize("is_server", [True, False])
def test_phases_that_a_program_forges_neither_overlap_nor_take_less_than_no_time(*, is_server: bool) -> None:
    names = ("writes", "unpacked", "makes_venv", "program", "listening", "ready", "ended")
    for moments in itertools.permutations(range(1, len(names) + 1)):
        marks = Marks(**dict(zip(names, map(float, moments), strict=True)))
        found = of_boot(marks, is_server=is_server)
        ends = [0.0, *(phase.end for phase in found)]
        assert all(end <= phase.start < phase.end for end, phase in zip(ends, found, strict=False))


def test_a_result_file_has_the_start_and_the_length() -> None:
    assert as_json((Phase(name="venv", start=1.00049, end=3.5),)) == [{"name": "venv", "start": 1.0, "seconds": 2.5}]


def test_people_see_how_long_each_phase_of_the_start_took() -> None:
    def shown(**seen: float) -> str:
        return start_of(of_boot(Marks(**seen), is_server=True))

    assert shown(program=0.1, ended=3.0) == "launch 0.1 s, imports 2.9 s"
    assert shown(program=0.1, listening=4.9, **STOPPED) == "launch 0.1 s, imports 4.8 s, ready 0.1 s"
    assert shown(ended=3.0) == shown() == ""
