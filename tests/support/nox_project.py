"""A copy of a fixture project in which the real Nox, Poetry and pex run, as a user would run them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from nox_pex.steps.context import state_directory
from nox_pex.system import files
from nox_pex.tools.pinned import POETRY
from tests.support.commands import Result, clean_environ, run
from tests.support.digests import digest
from tests.support.warm.tools import COLD, nox_argv

CHECKOUT: Final = Path(__file__).resolve().parents[2]
PROJECTS: Final = CHECKOUT / "tests" / "projects"

_NOXFILE: Final = """\
import sys

sys.path.insert(0, {tasks!r})

{before}
import nox_pex

nox_pex.register({arguments})
"""
_SHARED_TOOLS: Final = """\
if any(argument.startswith(("verify", "attest")) for argument in sys.argv):
    import contextlib

    from msgspec.structs import replace
    from nox_pex.steps import verify

    fresh_tools = verify.fresh_tools

    @contextlib.contextmanager
    def shared_tools(provisioner, *, fallbacks):
        with fresh_tools(provisioner, fallbacks=fallbacks) as fresh:
            yield replace(fresh, caches=provisioner.caches)

    verify.fresh_tools = shared_tools
"""
"""Lets `verify` use the tools of the cache, which were installed in this run of pytest and which no test changes.

To install them again takes longer than all gates. The tests in `verify`, and those with cold tools, do that.
"""
_RELOCK: Final = """\
import re
from pathlib import Path

from poetry.factory import Factory

wanted = Factory().create_poetry(Path()).locker._get_content_hash()
lock = Path("poetry.lock")
lock.write_text(re.sub('content-hash = ".*"', f'content-hash = "{wanted}"', lock.read_text()))
"""


def built_files(name: str) -> set[str]:
    """Return the names of the files that `nox -s pex` leaves in `dist` for the binary `name`."""
    return {
        *(f"{name}.{ending}" for ending in ("pex", "pex.json", "pex.sha256", "requirements.txt")),
        f"pylock.{name}.toml",
    }


_OF_A_LOG: Final = re.compile(r"nox > (?:its log)? +\| ")
"""A line of the log of a tool or a program, in the block of a failure."""


class Project(Struct, frozen=True, kw_only=True):
    """A project directory, and the environment variables under which Nox runs in it."""

    root: Path
    environ: dict[str, str] = msgspec.field(default_factory=clean_environ)

    def write_noxfile(self, arguments: str = "", *, before: str = "") -> None:
        """Write `noxfile.py`: `arguments` are those of `register()`, `before` is code above its import."""
        if not COLD.keys() <= self.environ.keys():
            before = f"{_SHARED_TOOLS}\n{before}"
        text = _NOXFILE.format(tasks=str(CHECKOUT / "tasks"), arguments=arguments, before=before)
        (self.root / "noxfile.py").write_text(text, "utf-8")

    def argv(self, *arguments: str) -> list[str]:
        """Return the command line of Nox with these arguments."""
        return [sys.executable, "-m", "nox", *arguments]

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        """Run Nox, which may fail."""
        return run(nox_argv(*arguments), cwd=self.root, env={**self.environ, "PWD": str(self.root), **(env or {})})

    def nox(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        """Run Nox, which must succeed."""
        result = self.run(*arguments, env=env)
        assert result.status == 0, result.output
        return result

    def refused(self, code: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run Nox, which must fail with one line of `error[code]` and leave `dist` as it was. Return the line."""
        before = self.dist()
        result = self.run(*arguments, env=env)
        lines = [line for line in result.output.splitlines() if "error[" in line]
        assert result.status != 0, result.output
        assert len(lines) == 1, result.output
        assert f"error[{code}]: " in lines[0], result.output
        problem, separator, remedy = lines[0].partition(f"error[{code}]: ")[2].partition("; ")
        assert problem, lines[0]
        assert separator, lines[0]
        assert remedy, lines[0]
        without_logs = [line for line in result.output.splitlines() if not _OF_A_LOG.match(line)]
        assert not [line for line in without_logs if "Traceback" in line], result.output
        assert self.dist() == before
        return lines[0]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Nox in a separate process group."""
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=self.root,
            env={**self.environ, "PWD": str(self.root)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def dist(self) -> dict[str, str]:
        """The path of every entry below `dist`, hidden ones too, and a digest of its content."""
        directory = self.root / "dist"
        return {
            path.relative_to(directory).as_posix(): digest(path) if path.is_file() else "directory"
            for path in sorted(directory.rglob("*"))
        }

    def binary(self, name: str) -> Path:
        """The path of a binary."""
        return self.root / "dist" / f"{name}.pex"

    def record(self, name: str) -> dict[str, Any]:
        """The build record of a binary."""
        text = (self.root / "dist" / f"{name}.pex.json").read_text("utf-8")
        record: dict[str, Any] = json.loads(text)
        return record

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace `old`, which must be in the file exactly once."""
        path = self.root / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), "utf-8")

    def append(self, file: str, text: str) -> None:
        """Add text to the end of a file."""
        with (self.root / file).open("a", encoding="utf-8") as stream:
            stream.write(text)

    def add_setting(self, line: str) -> None:
        """Add a line to the last table of `pyproject.toml`, which is a binary's."""
        self.append("pyproject.toml", f"{line}\n")

    def relock(self) -> None:
        """Give the lock the content-hash that the edited `pyproject.toml` requires.

        The real Poetry computes it, without an index, so the edit must resolve to what is locked already. Nox must have
        run before in this run of pytest.
        """
        result = run([str(self.poetry()), "-I", "-c", _RELOCK], cwd=self.root, env=self.environ)
        assert result.status == 0, result.output

    def with_new_cache(self, cache: Path) -> Project:
        """The same project with a new cache of nox-pex, the directory `cache`, that contains only the tools."""
        tools = self.cache / "tools"
        tools.mkdir(parents=True, exist_ok=True)
        cache.mkdir()
        (cache / "tools").symlink_to(tools)
        return Project(root=self.root, environ={**self.environ, "NOX_PEX_CACHE_DIR": str(cache)})

    @property
    def cache(self) -> Path:
        """The cache of nox-pex."""
        return Path(self.environ["NOX_PEX_CACHE_DIR"])

    def poetry(self) -> Path:
        """The interpreter of the Poetry that nox-pex has installed, for `-m poetry`."""
        homes = (self.cache / "tools").glob("poetry-*")
        pinned = f"poetry=={POETRY}"
        return next(
            home / "bin" / "python"
            for home in homes
            if (home / "nox-pex.json").exists()
            and pinned in files.read_json(home / "nox-pex.json").get("requirements", ())
        )

    def environment(self) -> Path:
        """The environment of the first set of groups, whether it exists or not."""
        root = self.root.resolve()
        return state_directory(root / ".nox" / ".cache", root=root, suffix="") / "install"

    def site_packages(self) -> Path:
        """The directory into which Poetry installs the first set of groups."""
        (found,) = (self.environment() / "lib").glob("python*/site-packages")
        return found

    def installed(self) -> set[str]:
        """The name and version of each distribution in that directory, as `idna-3.11`."""
        return {path.name.removesuffix(".dist-info") for path in self.site_packages().glob("*.dist-info")}


def copy_fixture_project(name: str, into: Path) -> Path:
    """Copy a project of `tests/projects`, without what an earlier run may have left in it. Return `into`."""
    shutil.copytree(PROJECTS / name, into, ignore=shutil.ignore_patterns("__pycache__", ".*_cache", "dist", ".nox"))
    return into
