"""The parts of a reference: what they wait for, and that the report does not depend on which of them ends first."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import BasePython, Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Target
from nox_pex.poetry.install import Installer
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.system import locks
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner
from nox_pex.verify import expected_files, parts
from nox_pex.verify import run as verify
from nox_pex.verify.gates import closure
from nox_pex.verify.report import VerifyReport
from tests.support.fake_environment import FakeEnvironment
from tests.support.pex_files import recorded, zipapp
from tests.support.shown import say_into
from tests.support.targets import target_of

PARTS = ("poetry", "pex", "rebuild", "warm", "build", "plan")
SLEEPING = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]


class StubRebuild(Struct, frozen=True):
    """A second build that is a finished file."""

    installed: Any
    planned: Mapping[str, str]
    finish: Callable[[str], None]
    path: Path

    def build(self) -> Path:
        self.finish("build")
        return self.path


class StubCopy(Struct, frozen=True):
    """A copy of a project for which Poetry installs what `rebuild` has."""

    rebuild: StubRebuild

    def warm_up(self, _: Interpreter) -> None:
        self.rebuild.finish("warm")

    def install(self) -> StubRebuild:
        self.rebuild.finish("rebuild")
        return self.rebuild


class Bench:
    """A binary in `root`, and the parts of its reference. Each calls `act[PART]`, if it is there, and is in `ended`.

    `reported` is what Poetry reports while it installs. `sizes` has what each copy knows of the size of an install.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ended: list[str] = []
        self.act: dict[str, Callable[[Shell], object]] = {}
        self.said: list[str] = []
        self.reported: dict[str, str] = {}
        self.sizes: list[int | None] = []
        wheels = {"lib-1-py3-none-any.whl": recorded("lib", "1", {"lib.py": b""})}
        self.target = target_of(zipapp(root / "x.pex", wheels), root=root)
        (root / "poetry.lock").write_text('[metadata]\nlock-version = "2.1"\n', "utf-8")
        environment = FakeEnvironment(root / "environment", python=Path(sys.executable))
        environment.add("lib", {"lib.py": ""}, version="1")
        shell = Shell(environ={"HOME": ""}, secrets=Secrets(), say=say_into(self.said.append), verbose=True)
        self.installer = Installer(
            project=self.target.project,
            base=BasePython(name="3", find=lambda: Path(sys.executable)),
            provisioner=Provisioner(shell=shell, caches=Caches(chosen=root / "cache"), uv=None),
            poetry_version=None,
            force=False,
        )

        @contextlib.contextmanager
        def copied(_: Target, installer: Installer, *, cold: bool, size: int | None) -> Iterator[StubCopy]:
            assert not cold
            self.sizes.append(size)
            with locks.scratch("nox-pex-rebuild-"):
                finish = lambda part: self._finish(part, installer.shell)  # noqa: E731  # it is a field
                yield StubCopy(StubRebuild(environment.installed(), self.reported, finish, self.target.binary))

        def plan(*_: object, provisioner: Provisioner, **__: object) -> Mapping[str, str]:
            self._finish("plan", provisioner.shell)
            return {"lib": "1", "missing": "2"}

        monkeypatch.setattr(parts, "copied_project", copied)
        monkeypatch.setattr(closure, "plan", plan)
        monkeypatch.setattr(expected_files, "expected_from_environment", lambda _: {})
        monkeypatch.setattr(pinned, "provide_poetry", lambda p, _: self._finish("poetry", p.shell))
        monkeypatch.setattr(pinned, "install_pex", lambda p, _, **__: self._finish("pex", p.shell))
        monkeypatch.setattr(
            Provisioner, "create", lambda _, path, **__: FakeEnvironment(path, python=Path(sys.executable))
        )

    def _finish(self, part: str, shell: Shell) -> None:
        if (action := self.act.get(part)) is not None:
            action(shell)
        self.ended.append(part)

    def run(self, interrupts: Interrupts | None = None, *, environment: Environment | None = None) -> VerifyReport:
        return verify.run(
            self.target,
            environment=environment,
            installer=self.installer,
            deep=False,
            interrupts=interrupts or Interrupts(),
        )

    def failures(self) -> dict[str, NoxPexError | None]:
        return {result.gate: result.failure for result in self.run().results}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return Bench(tmp_path, monkeypatch)


def without_seconds(report: VerifyReport) -> object:
    results = tuple(replace(each, seconds=0.0, failure=None) for each in report.results)
    return msgspec.to_builtins(replace(report, results=results)), [str(each.failure) for each in report.results]


def failing(code: str) -> Callable[[Shell], None]:
    def fail(_: Shell) -> None:
        raise NoxPexError(code, f"the part with {code}", "try again")  # type: ignore[arg-type]  # one of two codes

    return fail


@pytest.mark.parametrize("slow", [(), *itertools.combinations(PARTS, 1), *itertools.combinations(PARTS, 2)])
def test_the_report_is_the_same_whichever_part_ends_last(bench: Bench, slow: tuple[str, ...]) -> None:
    expected = without_seconds(bench.run())
    bench.ended.clear()
    bench.act = dict.fromkeys(slow, lambda _: time.sleep(0.03))
    assert without_seconds(bench.run()) == expected
    assert {*bench.ended, "warm"} == set(PARTS)  # pex does not warm up if it is the last to be installed
    assert len(bench.ended) == len(set(bench.ended))


def test_each_part_begins_as_soon_as_its_inputs_are_there(bench: Bench) -> None:
    waiting = {name: threading.Event() for name in PARTS}

    def together(name: str, other: str) -> Callable[[Shell], object]:
        def act(_: Shell) -> None:
            waiting[name].set()
            assert waiting[other].wait(60)

        return act

    bench.act = {
        "poetry": together("poetry", "pex"),
        "pex": together("pex", "poetry"),
        "rebuild": together("rebuild", "warm"),
        "warm": together("warm", "rebuild"),
        "build": together("build", "plan"),
        "plan": together("plan", "build"),
    }
    bench.run()
    assert set(bench.ended[:2]) == {"poetry", "pex"}
    assert set(bench.ended[2:4]) == {"rebuild", "warm"}


def test_an_install_that_fails_leaves_the_plan_and_is_not_tried_for_each_gate(bench: Bench) -> None:
    bench.act["rebuild"] = failing("install-failed")
    failures = bench.failures()
    assert failures["closure"] is not None
    assert failures["closure"].code == "closure"
    assert failures["integrity"] is failures["reproducible"]
    assert failures["integrity"] is not None
    assert failures["integrity"].problem == "the part with install-failed"
    assert sorted({*bench.ended} - {"warm"}) == ["pex", "plan", "poetry"]


def test_poetry_is_only_asked_what_it_would_install_if_it_reported_nothing(bench: Bench) -> None:
    bench.reported["lib"] = "1"
    report = bench.run()
    assert "plan" not in bench.ended
    (closed,) = (result for result in report.results if result.gate == "closure")
    assert closed.state == "passed"
    bench.reported["missing"] = "2"
    assert "missing 2 is missing" in str(bench.failures()["closure"])


@pytest.mark.parametrize(
    ("part", "gates"),
    [("poetry", ["closure", "integrity", "reproducible"]), ("pex", ["integrity", "reproducible"])],
)
def test_a_tool_that_cannot_be_installed_fails_the_gates_that_need_it(
    bench: Bench, part: str, gates: list[str]
) -> None:
    bench.act[part] = failing("tool-install")
    found = [gate for gate, failure in bench.failures().items() if failure and failure.code == "tool-install"]
    assert found == gates


@pytest.mark.parametrize("part", PARTS)
def test_an_interruption_leaves_no_process_no_thread_and_no_directory(bench: Bench, part: str, tmp_path: Path) -> None:
    started = threading.Event()
    threads = threading.active_count()

    def sleep(shell: Shell) -> None:
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT]).start()
        started.set()
        shell.run(SLEEPING, what="it", env=os.environ)

    bench.act[part] = sleep
    if part == "warm":
        bench.act["rebuild"] = lambda _: started.wait(60)
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt), interrupts.installed():
        bench.run(interrupts)
    assert started.is_set()
    assert part not in bench.ended
    assert list((tmp_path / "tmp").iterdir()) == []
    assert threading.active_count() <= threads
    for line in bench.said:
        if line.strip().isdigit():
            with pytest.raises(ProcessLookupError):
                os.kill(int(line), 0)


def test_sigterm_ends_everything_before_it_reaches_its_handler(bench: Bench, tmp_path: Path) -> None:
    left: list[list[Path]] = []
    before = signal.signal(signal.SIGTERM, lambda *_: left.append(list((tmp_path / "tmp").iterdir())))

    def sleep(shell: Shell) -> None:
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGTERM]).start()
        shell.run(SLEEPING, what="it", env=os.environ)

    bench.act["build"] = sleep
    interrupts = Interrupts()
    try:
        with pytest.raises(SystemExit), interrupts.installed():
            bench.run(interrupts)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert left == [[]]


def test_the_size_of_an_install_is_known_if_there_is_one(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file").write_bytes(b"12345")
    for environment in (None, Environment(path=tmp_path / "removed"), Environment(path=tmp_path / "own")):
        report = bench.run(environment=environment)
        assert {result.gate: result.state for result in report.results}["reproducible"] == "passed"
    assert bench.sizes == [None, None, 5]


def test_the_lines_of_each_part_name_it(bench: Bench) -> None:
    echo = [sys.executable, "-c", "print('hello')"]
    bench.act = dict.fromkeys(PARTS, lambda shell: shell.run(echo, what="it", env=os.environ))
    bench.run()
    hello = sorted(line.partition(":   hello")[0] for line in bench.said if line.endswith("  hello"))
    assert [line for line in hello if line.startswith("verify: ")] == [
        "verify: plan",
        "verify: tools",
        "verify: tools",
    ]
