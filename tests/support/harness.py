"""A fixture project in a directory of its own, with the real Nox, Poetry and pex, as a user would run them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nox_pex.steps.context import state_directory
from nox_pex.system import files
from nox_pex.tools.pinned import POETRY

CHECKOUT: Final = Path(__file__).resolve().parents[2]
PROJECTS: Final = CHECKOUT / "tests" / "projects"

_NOXFILE: Final = """\
import sys

sys.path.insert(0, {tasks!r})

{before}
import nox_pex

nox_pex.register({arguments})
"""
_RELOCK: Final = """\
import re
from pathlib import Path

from poetry.factory import Factory

wanted = Factory().create_poetry(Path()).locker._get_content_hash()
lock = Path("poetry.lock")
lock.write_text(re.sub('content-hash = ".*"', f'content-hash = "{wanted}"', lock.read_text()))
"""
_FOREIGN: Final = ("PYTHON", "VIRTUAL_ENV", "NOX_", "POETRY_", "PEX", "CONDA", "PIP_REQUIRE", "COV", "PYTEST", "UV")
_LONGEST: Final = 240.0
"""Seconds after which a run of Nox counts as hanging."""


def clean_environ() -> dict[str, str]:
    """What a user's shell has: none of pytest's, Nox's or an activated environment's own variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a program ended, and what it said on stdout and stderr."""

    status: int
    output: str

    def said(self, *parts: str) -> bool:
        """Whether there is one line that has all `parts`."""
        return any(all(part in line for part in parts) for line in self.output.splitlines())


@dataclass(frozen=True, kw_only=True)
class Project:
    """A copy of a fixture project, its `noxfile.py`, and the environment variables under which Nox runs in it."""

    root: Path
    environ: dict[str, str] = field(default_factory=clean_environ)

    def noxfile(self, arguments: str = "", *, before: str = "") -> None:
        """Write the noxfile; `arguments` are those of `register()`."""
        text = _NOXFILE.format(tasks=str(CHECKOUT / "tasks"), arguments=arguments, before=before)
        (self.root / "noxfile.py").write_text(text, "utf-8")

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "nox", *words]

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> Result:
        """Run Nox, and say how it ended."""
        return run(self.argv(*words), cwd=self.root, env={**self.environ, "PWD": str(self.root), **(env or {})})

    def nox(self, *words: str, env: Mapping[str, str] | None = None) -> Result:
        """Run Nox, which must succeed."""
        result = self.run(*words, env=env)
        assert result.status == 0, result.output
        return result

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start Nox in a process group of its own."""
        return subprocess.Popen(
            self.argv(*words),
            cwd=self.root,
            env={**self.environ, "PWD": str(self.root)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def refused(self, code: str, *words: str, env: Mapping[str, str] | None = None) -> str:
        """Run Nox, which must fail with one line of `error[code]` and leave `dist` as it was; returns the line."""
        before = self.dist()
        result = self.run(*words, env=env)
        lines = [line for line in result.output.splitlines() if "error[" in line]
        assert result.status != 0, result.output
        assert len(lines) == 1, result.output
        assert f"error[{code}]: " in lines[0], result.output
        problem, separator, remedy = lines[0].partition(f"error[{code}]: ")[2].partition("; ")
        assert problem, lines[0]
        assert separator, lines[0]
        assert remedy, lines[0]
        own = [line for line in result.output.splitlines() if not line.startswith("nox >   | ")]
        assert not [line for line in own if "Traceback" in line], result.output
        assert self.dist() == before
        return lines[0]

    def dist(self) -> dict[str, str]:
        """Every entry below `dist`, hidden ones too: its path to a digest of its content."""
        directory = self.root / "dist"
        return {
            path.relative_to(directory).as_posix(): _digest(path) if path.is_file() else "directory"
            for path in sorted(directory.rglob("*"))
        }

    def binary(self, name: str) -> Path:
        return self.root / "dist" / f"{name}.pex"

    def record(self, name: str) -> dict[str, Any]:
        """The build record of a binary."""
        text = (self.root / "dist" / f"{name}.pex.json").read_text("utf-8")
        record: dict[str, Any] = json.loads(text)
        return record

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace `old`, which must stand in the file exactly once."""
        path = self.root / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), "utf-8")

    def append(self, file: str, text: str) -> None:
        with (self.root / file).open("a", encoding="utf-8") as stream:
            stream.write(text)

    def setting(self, line: str) -> None:
        """Add a line to the settings of the project's last table, which is a binary's."""
        self.append("pyproject.toml", f"{line}\n")

    def relock(self) -> None:
        """Give the lock the content-hash that the edited `pyproject.toml` wants, by the real Poetry, without an index.

        For an edit that resolves to what is locked already. Needs an earlier run of Nox in this run of pytest.
        """
        result = run([str(self.poetry()), "-c", _RELOCK], cwd=self.root, env=self.environ)
        assert result.status == 0, result.output

    def cold(self, cache: Path) -> Project:
        """The same, with a new cache of nox-pex at `cache` that has nothing but the tools."""
        tools_at_hand = self.cache / "tools"
        tools_at_hand.mkdir(parents=True, exist_ok=True)
        cache.mkdir()
        (cache / "tools").symlink_to(tools_at_hand)
        return Project(root=self.root, environ={**self.environ, "NOX_PEX_CACHE_DIR": str(cache)})

    @property
    def cache(self) -> Path:
        """The cache of nox-pex."""
        return Path(self.environ["NOX_PEX_CACHE_DIR"])

    def poetry(self) -> Path:
        """The interpreter of the Poetry that nox-pex has provided; `-m poetry`."""
        homes = (self.cache / "tools").glob("poetry-*")
        pinned = f"poetry=={POETRY}"
        return next(
            home / "bin" / "python"
            for home in homes
            if (home / "default-index").exists()
            and pinned in files.read_json(home / "nox-pex.json").get("requirements", ())
        )

    def site_packages(self) -> Path:
        """Where Poetry installs the first set of groups."""
        (found,) = (self.environment() / "lib").glob("python*/site-packages")
        return found

    def environment(self) -> Path:
        """The environment of the first set of groups, there or not."""
        root = self.root.resolve()
        return state_directory(root / ".nox" / ".cache", root=root, suffix="") / "install"

    def installed(self) -> set[str]:
        """The names and versions of what is installed there."""
        return {path.name.removesuffix(".dist-info") for path in self.site_packages().glob("*.dist-info")}


def run(argv: list[str], *, cwd: Path, env: Mapping[str, str]) -> Result:
    """Run a program to its end; one that hangs is killed with all its children."""
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            msg = f"{argv} hangs:\n{output}"
            raise AssertionError(msg) from None
    return Result(status=process.returncode, output=output)


def launch(binary: Path, *arguments: str, home: Path, env: Mapping[str, str] | None = None) -> Result:
    """Run a binary from the directory `home`, with `HOME` there and hardly any variable of this process."""
    path = os.pathsep.join([os.environ["PATH"], f"{sys.base_prefix}/bin"])
    environ = {"PATH": path, "HOME": str(home), **_pyenv(), **(env or {})}
    return run([str(binary), *arguments], cwd=home, env=environ)


def answer(binary: Path, *arguments: str, home: Path, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the fixture projects' `counter` prints about its process."""
    result = launch(binary, *arguments, home=home, env=env)
    assert result.status == 0, result.output
    report: dict[str, Any] = json.loads(result.output.splitlines()[-1])
    return report


def _pyenv() -> dict[str, str]:
    """What pyenv's shims, where a machine has them, need to find a Python."""
    return {name: value for name, value in os.environ.items() if name in ("PYENV_ROOT", "PYENV_VERSION")}


def pex_info(binary: Path) -> dict[str, Any]:
    """The PEX-INFO of a binary of any layout."""
    if binary.is_dir():
        text = (binary / "PEX-INFO").read_bytes()
    else:
        with zipfile.ZipFile(binary) as archive:
            text = archive.read("PEX-INFO")
    info: dict[str, Any] = json.loads(text)
    return info


def members(binary: Path) -> list[str]:
    """The paths of all files in a binary of any layout."""
    if binary.is_dir():
        return sorted(path.relative_to(binary).as_posix() for path in binary.rglob("*") if path.is_file())
    with zipfile.ZipFile(binary) as archive:
        return sorted(name for name in archive.namelist() if not name.endswith("/"))


def own_members(binary: Path) -> list[str]:
    """The project's loose sources in a binary: all but pex's own runtime and the distributions."""
    own = re.compile(r"(?!\.bootstrap/|\.deps/|__pex__/|PEX-INFO|__main__\.py|\.tools|__pycache__).+")
    return [name for name in members(binary) if own.match(name)]


def seeds(directory: Path) -> Iterator[tuple[str, str]]:
    """Every file below a directory, with a digest of its content; for showing that nothing in it was touched."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield path.relative_to(directory).as_posix(), _digest(path)


def copied(name: str, into: Path) -> Path:
    """A copy of a fixture project, without what an earlier run may have left in it."""
    shutil.copytree(PROJECTS / name, into, ignore=shutil.ignore_patterns("__pycache__", ".*_cache", "dist", ".nox"))
    return into


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
