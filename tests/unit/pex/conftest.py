"""Environments with distributions, projects and tools for the build, without Poetry or pex."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nox_pex.pex.target import Target
from nox_pex.project.pyproject import Project
from nox_pex.settings.model import Settings
from nox_pex.system.command import Outcome, Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner
from tests.support.fake_environment import FakeEnvironment
from tests.support.shown import say_into
from tests.support.small_pex import PROBE, SmallPex, installed_probe, write_repository
from tests.support.small_scie import write_scie

Act = Callable[[Sequence[str]], None]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A file that takes the place of an interpreter; it is never started."""
    path = tmp_path / "python3.11"
    path.write_bytes(b"an interpreter")
    return path


@pytest.fixture
def environment(tmp_path: Path, python: Path) -> FakeEnvironment:
    """An environment with one library and its script."""
    environment = FakeEnvironment(tmp_path / "environment", python=python)
    script = f"#!{environment.path}/bin/python\nimport idna\n"
    environment.add("idna", {"idna/__init__.py": "", "idna/core.py": "CORE = 1\n"}, scripts={"idna": script})
    return environment


class FakeShell(Shell, frozen=True, kw_only=True):
    """Notes every command line, and does `act` instead of it; the command fails if that raises `OSError`."""

    ran: list[tuple[str, ...]]
    act: Act = lambda _argv: None

    def run(self, argv: Sequence[Any], **_options: Any) -> Outcome:
        line = [str(argument) for argument in argv]
        self.ran.append(tuple(line))
        try:
            self.act(line)
        except OSError as error:
            return Outcome(status=1, output=f"a line\n{error}", seconds=0.1)
        return Outcome(status=0, output="", seconds=0.1)


def after(argv: Sequence[str], option: str) -> str:
    """The value of an option in a command line."""
    return argv[argv.index(option) + 1]


def write_pex(argv: Sequence[str]) -> None:
    """Write what a command line of pex asks for: a runtime, a dependency PEX, or a PEX file."""
    if "create" in argv:
        write_scies(argv)
        return
    output = Path(after(argv, "--output-file"))
    if _is_for_a_runtime(argv):
        write_runtime(argv)
    elif output.name == "dependencies.pex":
        write_repository(output, SmallPex().distributions)
    else:
        SmallPex(compress="--compress" in argv).write(output)


def _is_for_a_runtime(argv: Sequence[str]) -> bool:
    return any(argument.endswith(f"/{PROBE}") for argument in argv)


def write_runtime(argv: Sequence[str], **options: Any) -> None:
    """Write the PEX with a probe that a command line of pex asks for; `options` are those of `SmallPex`."""
    wheel, sources = Path(after(argv, "--pre-resolved-dist")), Path(after(argv, "--sources-directory"))
    is_stored = "--no-pre-install-wheels" in argv
    given = {
        "library": False,
        "wheels": {} if is_stored else {wheel.name: installed_probe(wheel)},
        "stored": {wheel.name: wheel.read_bytes()} if is_stored else {},
        "sources": {path.relative_to(sources).as_posix(): path.read_bytes() for path in sources.rglob("*.*")},
        "entry_point": after(argv, "--entry-point"),
        "values": {"requirements": ["nox-pex-probe==1"]},
        "compress": "--compress" in argv,
        **options,
    }
    SmallPex(**given).write(Path(after(argv, "--output-file")))


def write_runtime_of_another_form(argv: Sequence[str]) -> None:
    """Write what `write_pex` writes, but runtimes with which nox-pex cannot compose."""
    if _is_for_a_runtime(argv):
        write_runtime(argv, kind=0)
    else:
        write_pex(argv)


def write_scies(argv: Sequence[str]) -> None:
    """Write what a command line of `pex3 scie create` asks for: a scie for each chosen platform, or for Linux."""
    pex = Path(after(argv, "create"))
    chosen = [argument.partition("=")[2] for argument in argv if argument.startswith("--scie-platform=")]
    for platform in chosen or ["linux-x86_64"]:
        path = pex.with_name(f"{pex.stem}-{platform}")
        write_scie(path, pex.read_bytes(), name=pex.stem, lazy=after(argv, "--style") == "lazy")


@pytest.fixture
def shown() -> list[str]:
    """The lines that the user has seen."""
    return []


MakeProvisioner = Callable[..., Provisioner]


@pytest.fixture
def make_provisioner(tmp_path: Path, shown: list[str]) -> MakeProvisioner:
    def make(act: Act = write_pex, ran: list[tuple[str, ...]] | None = None) -> Provisioner:
        shell = FakeShell(
            environ={}, secrets=Secrets(), say=say_into(shown.append), ran=ran if ran is not None else [], act=act
        )
        cache = tmp_path / "cache"
        (cache / "dependencies").mkdir(parents=True, exist_ok=True)
        return Provisioner(shell=shell, caches=Caches(chosen=cache), uv=None)

    return make


MakeTarget = Callable[..., Target]


@pytest.fixture
def make_target(tmp_path: Path) -> MakeTarget:
    """A binary of a project in `tmp_path/shop`; options are keys of its table, with underscores."""

    def make(
        *, package_mode: bool = False, suffix: str = "", settings: Mapping[str, Any] | None = None, **table: Any
    ) -> Target:
        root = tmp_path / "shop"
        root.mkdir(exist_ok=True)
        (root / "poetry.lock").write_text('[metadata]\nlock-version = "2.1"\n', "utf-8")
        entry = {} if table.keys() & {"script", "executable", "entry_point"} else {"entry_point": "main:main"}
        binary = {key.replace("_", "-"): value for key, value in {**entry, **table}.items()}
        return Target(
            name="shop",
            suffix=suffix,
            project=Project(
                root=root,
                document={},
                name="shop",
                version="1.0",
                package_mode=package_mode,
                scripts={},
                groups=frozenset({"main"}),
                extras=frozenset(),
                build_requires=(),
                includes=(),
            ),
            settings=msgspec.convert({**(settings or {}), "binary": {"shop": binary}}, Settings),
            state=tmp_path / "state",
        )

    return make
