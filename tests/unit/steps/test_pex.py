from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.pex.builder import Builder
from nox_pex.pex.target import Target
from nox_pex.steps import pex
from nox_pex.steps.context import Context
from nox_pex.tools import pinned
from tests.unit.steps.conftest import MakeContext


class Builds:
    """Notes the builds instead of doing them; each shows a line."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.together = threading.Barrier(1)

    def build(self, builder: Builder, target: Target, _installed: Any) -> None:
        with self.lock:
            self.names.append(target.name)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.together.wait(timeout=60)
        builder.shell.say(f"pex: {target.name} built")
        with self.lock:
            self.at_once -= 1


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Builds:
    noted = Builds()
    monkeypatch.setattr(pex, "Builder", lambda **given: _Noting(noted=noted, **given))
    monkeypatch.setattr(Context, "installed", lambda _context, target: target)
    return noted


class _Noting(Builder, frozen=True, kw_only=True):
    noted: Builds

    def build(self, target: Target, installed: Any) -> None:
        self.noted.build(self, target, installed)


@pytest.mark.parametrize(("jobs", "most"), [(1, 1), (3, 3), (9, 3)])
def test_as_many_binaries_are_built_at_a_time_as_the_user_asks_for(
    make_context: MakeContext, builds: Builds, jobs: int, most: int
) -> None:
    builds.together = threading.Barrier(most)
    pex.run(make_context(jobs=jobs))
    assert sorted(builds.names) == ["api", "cron", "worker"]
    assert builds.most_at_once == most


def test_while_other_projects_are_built_one_binary_is_built_at_a_time(
    make_context: MakeContext, builds: Builds
) -> None:
    pex.run(replace(make_context(), parallel=True))
    assert builds.names == ["api", "worker", "cron"]
    assert builds.most_at_once == 1


def test_lines_of_builds_at_the_same_time_name_their_binary(
    make_context: MakeContext, builds: Builds, shown: list[str]
) -> None:
    pex.run(make_context(jobs=2, names=("api", "cron")))
    assert sorted(shown) == ["api | pex: api built", "cron | pex: cron built"]
    assert sorted(builds.names) == ["api", "cron"]


def test_lines_of_a_build_alone_do_not(make_context: MakeContext, builds: Builds, shown: list[str]) -> None:
    pex.run(make_context(jobs=1, names=("api",)))
    assert shown == ["pex: api built"]
    assert builds.names == ["api"]


def test_preparing_provides_pex_and_builds_nothing(
    make_context: MakeContext, builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed:
        interpreter = "the Python of the binary"

    provided: list[Any] = []
    monkeypatch.setattr(Context, "installed", lambda _context, _target: Installed)
    monkeypatch.setattr(
        pinned, "provide_pex", lambda _provisioner, version, *, interpreter: provided.append((version, interpreter))
    )
    pex.prepare(make_context(names=("api",), environ={"PATH": str(Path("/bin"))}))
    assert provided == [(None, "the Python of the binary")]
    assert builds.names == []
