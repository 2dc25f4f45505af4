from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import uv
from msgspec import field
from msgspec.structs import replace

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.system import locks
from nox_pex.system.command import Clock, Outcome, Shell
from nox_pex.system.messages import Work
from nox_pex.system.secrets import Secrets
from nox_pex.tools.cache import Caches
from nox_pex.tools.locked import Locked
from nox_pex.tools.provision import Provisioner, find_uv
from tests.support.shown import say_into


class FakeShell(Shell, frozen=True, kw_only=True):
    """Records the commands. `venv` makes an environment of a few files; nothing else is done."""

    runs: list[tuple[list[str], Path | None, Mapping[str, str]]] = field(default_factory=list)
    failures: list[Outcome] = field(default_factory=list)
    """Outcomes of the next commands, last first; empty if they succeed."""

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        what: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        hold: Sequence[int] = (),
        watch: Callable[[str, Work], None] | None = None,
    ) -> Outcome:
        assert what
        assert not hold
        assert watch is None
        command = [os.fspath(argument) for argument in argv]
        self.runs.append((command, cwd, env))
        if self.failures:
            return self.failures.pop()
        if "venv" in command or "virtualenv" in command:
            path = Path(command[-1])
            (path / "bin").mkdir(parents=True)
            (path / "bin" / "python").symlink_to(sys.executable)
            (path / "pyvenv.cfg").touch()
        return Outcome(status=0, output="", seconds=0.0)

    @property
    def commands(self) -> list[list[str]]:
        return [command for command, _, _ in self.runs]


class Bench:
    """A provisioner with its own cache and home, what it ran, and what it said."""

    def __init__(self, path: Path, *, uv: Path | None) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.said: list[str] = []
        self.root = path / "cache"
        self.environ = {
            "HOME": str(path),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": "https://index.example/simple",
        }
        self.shell = FakeShell(environ=self.environ, secrets=Secrets(), say=say_into(self.said.append))
        self.provisioner = Provisioner(shell=self.shell, caches=Caches(chosen=self.root), uv=uv)
        self.python = path / "python"
        self.python.write_bytes(b"12345")

    def provide(self, *requirements: str, name: str = "pex") -> Environment:
        return self.provisioner.provide(name, requirements, python=self.python)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, uv=Path("/uv"))


@pytest.fixture
def without_uv(tmp_path: Path) -> Bench:
    return Bench(tmp_path, uv=None)


def test_uv_makes_an_environment_in_place_of_what_was_there(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "venvs" / "a"
    (path / "old").mkdir(parents=True)
    bench.provisioner.create(path, python=bench.python, seed=True)
    ((command, cwd, env),) = bench.shell.runs
    assert command[:2] == ["/uv", "venv"]
    assert command[-3:] == ["--python", str(bench.python), str(path)]
    assert cwd == path.parent
    assert env["UV_DEFAULT_INDEX"] == "https://index.example/simple"
    assert not (path / "old").exists()


@pytest.mark.parametrize("seed", [True, False])
def test_without_uv_virtualenv_makes_an_environment(without_uv: Bench, tmp_path: Path, *, seed: bool) -> None:
    without_uv.provisioner.create(tmp_path / "a", python=without_uv.python, seed=seed)
    (command,) = without_uv.shell.commands
    assert command[:3] == [sys.executable, "-P", "-m"]
    assert command[-1] == str(tmp_path / "a")
    assert ("--no-seed" in command) is not seed


@pytest.mark.parametrize("seed", [True, False])
def test_without_uv_an_environment_in_a_path_with_a_colon_is_made_elsewhere_and_moved(
    without_uv: Bench, tmp_path: Path, *, seed: bool
) -> None:
    path = tmp_path / "svc:main" / "a"
    without_uv.provisioner.create(path, python=without_uv.python, seed=seed)
    (command,) = without_uv.shell.commands
    assert ":" not in command[-1]
    assert not Path(command[-1]).exists()
    assert Environment(path=path).usable


def test_uv_installs_requirements(bench: Bench, tmp_path: Path) -> None:
    environment = Environment(path=tmp_path / "a")
    bench.provisioner.install(environment, ["pex==1", "tomli"], what="pex")
    (command,) = bench.shell.commands
    assert command[:5] == ["/uv", "--project", "/", "pip", "install"]  # not with the settings of the user's project
    assert command[-4:] == ["--python", str(environment.python), "pex==1", "tomli"]


def test_the_files_of_uvs_cache_are_copied_and_not_linked(bench: Bench, tmp_path: Path) -> None:
    bench.provisioner.install(Environment(path=tmp_path / "a"), ["pex==1"], what="pex")
    (command,) = bench.shell.commands
    assert command[command.index("--link-mode") + 1] == "copy"
    assert "--no-cache" not in command


def test_fresh_tools_use_no_cache_of_the_installer_and_their_seconds_are_counted(tmp_path: Path) -> None:
    for program, option in ((Path("/uv"), "--cache-dir"), (None, "--no-cache-dir")):
        bench, clock = Bench(tmp_path / option, uv=program), Clock(seconds={})
        replace(bench.provisioner, fresh=clock).provide("pex", ["pex==1"], python=bench.python)
        command = bench.shell.commands[-1]
        assert option in command
        assert clock.seconds.keys() == {"pex"}
        if program is not None:
            assert Path(command[command.index(option) + 1]).parent == bench.provisioner.caches.tools
            assert command[command.index("--link-mode") + 1] == "hardlink"


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Locked:
    monkeypatch.setattr("nox_pex.tools.locked._DIRECTORY", tmp_path)
    (tmp_path / "pex.txt").write_text("pex==1 --hash=sha256:00\n", "utf-8")
    return Locked(name="pex", requirements=("pex==1",), lowest_python="3.8")


@pytest.mark.parametrize("with_uv", [True, False])
def test_what_is_locked_is_installed_by_its_hashes(tmp_path: Path, locked: Locked, *, with_uv: bool) -> None:
    bench = Bench(tmp_path / "bench", uv=Path("/uv") if with_uv else None)
    bench.environ.update({"PIP_CONSTRAINT": "/c.txt", "UV_CONSTRAINT": "/c.txt", "UV_OVERRIDE": "/c.txt"})
    bench.provisioner.provide("pex", ["pex==1"], python=bench.python, locked=locked)
    assert bench.said == ["installing pex==1"]
    command, _, env = bench.shell.runs[-1]
    assert command[-3:] == ["--require-hashes", "--requirement", str(locked.file)]
    assert len(bench.shell.runs) == 2
    assert env.keys().isdisjoint({"PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE"})


def test_requirements_that_are_not_locked_are_installed_after_those_that_are(bench: Bench, locked: Locked) -> None:
    bench.provisioner.provide("build", ["pex==1", "tomli"], python=bench.python, locked=locked)
    _, first, second = bench.shell.commands
    assert "--require-hashes" in first
    assert second[-2:] == ["pex==1", "tomli"]


def test_other_hashes_have_another_environment(bench: Bench, locked: Locked) -> None:
    found = [bench.provisioner.provide("pex", ["pex==1"], python=bench.python)]
    for text in ("pex==1 --hash=sha256:00\n", "pex==1 --hash=sha256:01\n"):
        locked.file.write_text(text, "utf-8")
        found.append(bench.provisioner.provide("pex", ["pex==1"], python=bench.python, locked=locked))
    assert len({environment.path for environment in found}) == 3


def test_without_uv_the_environments_pip_installs_requirements(without_uv: Bench, tmp_path: Path) -> None:
    environment = Environment(path=tmp_path / "a")
    without_uv.provisioner.install(environment, ["pex==1"], what="pex")
    (command,) = without_uv.shell.commands
    assert command[:5] == [str(environment.python), "-I", "-m", "pip", "install"]
    assert command[-1] == "pex==1"


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("no solution", "tool-install"),
        ("cause: Hash mismatch for `pex==1`", "hash-mismatch"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "hash-mismatch"),
        ("HTTP error 403", "index-auth"),
        ("dns error", "index-unreachable"),
    ],
)
def test_an_install_that_fails_is_an_error_with_the_output(bench: Bench, output: str, code: str) -> None:
    bench.shell.failures.append(Outcome(status=2, output=output, seconds=0.0))
    with pytest.raises(NoxPexError) as caught:
        bench.provisioner.install(Environment(path=bench.root), ["pex==1"], what="pex==1")
    assert caught.value.code == code
    assert caught.value.problem.startswith("could not install pex==1")
    assert caught.value.log == (output,)


def test_an_environment_that_cannot_be_made_is_an_error(bench: Bench, tmp_path: Path) -> None:
    bench.shell.failures.append(Outcome(status=1, output="no such Python", seconds=0.0))
    with pytest.raises(NoxPexError, match=r"could not install .*/a \(exit status 1\)"):
        bench.provisioner.create(tmp_path / "a", python=bench.python, seed=True)


def test_an_environment_is_made_once_and_then_comes_from_the_cache(bench: Bench) -> None:
    environment = bench.provide("pex==1", "tomli")
    assert environment.path.parent == bench.root / "tools"
    assert environment.path.name.startswith("pex-")
    assert [command[1] for command in bench.shell.commands] == ["venv", "--project"]
    assert bench.said == ["installing pex==1, tomli (without hashes)"]
    assert bench.provide("tomli", "pex==1") == environment
    assert len(bench.shell.runs) == 2
    with locks.try_lock(environment.path) as exclusive:
        assert not exclusive  # so that no other process removes it from the cache


def test_an_environment_without_requirements_is_only_made(bench: Bench) -> None:
    assert bench.provide(name="build").usable
    assert [command[1] for command in bench.shell.commands] == ["venv"]
    assert bench.said == []


def newer_python(bench: Bench) -> None:
    bench.python.write_bytes(b"123456")


def newer_python_of_the_same_size(bench: Bench) -> None:
    bench.python.write_bytes(b"54321")
    os.utime(bench.python, ns=(0, bench.python.stat().st_mtime_ns + 1))


def another_python(bench: Bench) -> None:
    bench.python = bench.python.rename(bench.python.with_name("python3"))


@pytest.mark.parametrize("change", [newer_python, newer_python_of_the_same_size, another_python])
def test_another_python_has_another_environment(bench: Bench, change: Callable[[Bench], None]) -> None:
    environment = bench.provide("pex==1")
    change(bench)
    assert bench.provide("pex==1").path != environment.path


def test_other_requirements_and_another_name_have_other_environments(bench: Bench) -> None:
    found = [bench.provide("pex==1"), bench.provide("pex==2"), bench.provide("pex==1", name="build")]
    assert len({environment.path for environment in found}) == 3


def no_marker(environment: Environment) -> None:
    (environment.path / "nox-pex.json").unlink()


def no_interpreter(environment: Environment) -> None:
    environment.python.unlink()


@pytest.mark.parametrize("damage", [no_marker, no_interpreter])
def test_an_incomplete_environment_is_made_again(bench: Bench, damage: Callable[[Environment], None]) -> None:
    environment = bench.provide("pex==1")
    damage(environment)
    (environment.path / "old").touch()
    assert bench.provide("pex==1") == environment
    assert environment.usable
    assert not (environment.path / "old").exists()
    assert len(bench.shell.runs) == 4


def test_an_environment_whose_install_failed_is_made_again(bench: Bench) -> None:
    bench.shell.failures.append(Outcome(status=1, output="", seconds=0.0))
    with pytest.raises(NoxPexError):
        bench.provide("pex==1")
    assert bench.provide("pex==1").usable


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "uv"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n", "utf-8")
    path.chmod(0o755)
    return path


def test_uv_is_the_one_that_the_user_chose(program: Path) -> None:
    assert find_uv({"UV": str(program), "PATH": ""}) == program
    assert find_uv({"UV": str(program.parent / "missing"), "PATH": str(program.parent)}) is None


def test_uv_is_the_one_of_nox_or_else_the_one_on_path(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_uv({"PATH": f"{program.parent}{os.pathsep}"}) == Path(os.fsdecode(uv.find_uv_bin()))

    def missing() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(uv, "find_uv_bin", missing)
    assert find_uv({"PATH": str(program.parent)}) == program
    assert find_uv({"PATH": str(program)}) is None
