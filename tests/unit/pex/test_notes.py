from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.pex import disagreements, notes
from nox_pex.pex.disagreements import Disagreement, Disagreements
from nox_pex.pex.notes import Notes
from nox_pex.pex.target import Target
from nox_pex.system import recipe
from tests.support.fake_environment import FakeEnvironment
from tests.support.small_pex import write_wheel
from tests.unit.pex.conftest import MakeTarget

FOUND = Disagreements(
    found=(Disagreement(distribution="board", version="1.0", kind="missing", text="gone"),),
    overrides=("idna==1.0",),
    excludes=("gone",),
)


@pytest.fixture
def target(make_target: MakeTarget) -> Target:
    return make_target()


def test_notes_are_read_as_they_were_written(target: Target, make_target: MakeTarget) -> None:
    assert notes.read(target) == Notes()
    written = Notes(packed_for="a", packed={"idna 1.0 x": "0123"}, disagreements_for="b", disagreements=FOUND)
    notes.write(target, written)
    assert notes.read(target) == written
    assert notes.read(make_target(suffix="-py3.12")) == Notes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"packed": 1}',
        '{"packed": {"a": 1}}',
        '{"disagreements": {"found": [{}]}}',
        '{"packed-for": null',
    ],
)
def test_notes_of_another_form_are_none(target: Target, text: str) -> None:
    notes.write(target, Notes(packed_for="a"))
    target.state_file("notes.json").write_text(text, "utf-8")
    assert notes.read(target) == Notes()


def follow_from(target: Target, environment: FakeEnvironment, project: Path | None = None) -> str:
    installed = environment.installed()
    member = None if project is None else disagreements.project_member(project, installed)
    return notes.disagreements_follow_from(target, installed, member)


def test_disagreements_follow_from_the_same_things_each_time(target: Target, environment: FakeEnvironment) -> None:
    assert follow_from(target, environment) == follow_from(target, environment)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda environment, _target: environment.add("board", {"board.py": ""}), id="a-distribution"),
        pytest.param(
            lambda environment, _target: (environment.site_packages / "idna-1.0.dist-info" / "RECORD").write_text(""),
            id="a-record",
        ),
        pytest.param(lambda _environment, target: target.project.lock.write_text("# another\n"), id="the-lock"),
        pytest.param(
            lambda environment, _target: (environment.path / "pyvenv.cfg").write_text(
                "implementation = CPython\nversion_info = 3.11.8.final.0\n"
            ),
            id="the-python",
        ),
    ],
)
def test_disagreements_follow_from_everything_that_decides_them(
    target: Target, environment: FakeEnvironment, change: Callable[[FakeEnvironment, Target], object]
) -> None:
    before = follow_from(target, environment)
    change(environment, target)
    assert follow_from(target, environment) != before


def test_disagreements_follow_from_nox_pex(
    target: Target, environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = follow_from(target, environment)
    monkeypatch.setattr(recipe, "digest", lambda: "another")
    assert follow_from(target, environment) != before


def test_disagreements_follow_from_the_metadata_of_the_project_and_not_from_its_code(
    target: Target, environment: FakeEnvironment, tmp_path: Path
) -> None:
    def wheel(number: int, code: bytes, metadata: bytes = b"") -> Path:
        (tmp_path / str(number)).mkdir()
        fields = b"Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n" + metadata
        files = {"shop.py": code, "shop-1.0.dist-info/METADATA": fields}
        return write_wheel(tmp_path / str(number) / "shop-1.0-py3-none-any.whl", files)

    first = follow_from(target, environment, wheel(1, b"1"))
    assert first != follow_from(target, environment)
    assert first == follow_from(target, environment, wheel(2, b"2"))
    assert first != follow_from(target, environment, wheel(3, b"1", b"Requires-Dist: gone\n"))
