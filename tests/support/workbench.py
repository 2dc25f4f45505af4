"""Binaries that the real tools built, and ways to spoil them."""

from __future__ import annotations

import base64
import hashlib
import shutil
import stat
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import BasePython
from nox_pex.poetry.installed import Installed, finished
from nox_pex.steps import freeze, install, pex
from nox_pex.steps.arguments import Arguments
from nox_pex.steps.context import Context
from nox_pex.tools import pinned
from nox_pex.verify import evidence
from nox_pex.verify.archive import Pex, opened
from nox_pex.verify.gates import integrity
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import distributions
from tests.support import commands

PROJECTS: Final = Path(__file__).resolve().parents[1] / "projects"
PYTHON: Final = Path(sys.executable).resolve()


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """A copy of a fixture project, and its way through our pipeline without Nox."""

    root: Path
    environ: Mapping[str, str]
    said: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.root / ".nox" / "state"

    def context(self, *, environ: Mapping[str, str] | None = None, **arguments: object) -> Context:
        return Context(
            root=self.root,
            state=self.state,
            base=BasePython(name=str(PYTHON), find=lambda: PYTHON),
            arguments=Arguments(**arguments),  # type: ignore[arg-type]  # each test gives what it needs
            environ={**self.environ, **(environ or {})},
            say=self.said.append,
            emit=self.said.append,
        )

    def build(self) -> None:
        context = self.context()
        for step in (install, freeze, pex):
            step.run(context)

    def binary(self, name: str) -> Path:
        return self.root / "dist" / f"{name}.pex"

    def installed(self, name: str) -> Installed:
        context = self.context()
        done = finished(context.all_targets[name].selection, Environment(path=context.home))
        assert done is not None
        return done

    def relock(self) -> None:
        """Let the real Poetry lock what was edited."""
        poetry = pinned.provide_poetry(self.context().provisioner, None)
        environ = {**self.environ, "POETRY_VIRTUALENVS_CREATE": "false", "POETRY_PYPI_MIRROR_URL": poetry.default_index}
        ran(poetry.python, "-m", "poetry", "lock", cwd=self.root, environ=environ)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), "utf-8")

    def append(self, file: str, text: str) -> None:
        with (self.root / file).open("a", encoding="utf-8") as stream:
            stream.write(text)


def clean_environ(cache: Path) -> dict[str, str]:
    """What a user's shell has, with a cache that this run of pytest has for itself."""
    return {**commands.clean_environ(), "NOX_PEX_CACHE_DIR": str(cache)}


def ran(*argv: object, cwd: Path, environ: Mapping[str, str]) -> str:
    done = commands.run([str(word) for word in argv], cwd=cwd, env=environ)
    assert done.status == 0, done.output
    return done.output


def integrity_of(pex: Pex, installed: Installed, *, strict: bool = True) -> Verdict:
    return integrity.judge(pex, distributions(pex), evidence.of_environment(installed), strict=strict)


def spoiled(source: Path, target: Path, changes: Mapping[str, bytes | None]) -> Path:
    """A copy of a zipapp, or of a PEX directory, with other content (None: without it) for the members in `changes`."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
        for name, content in changes.items():
            path = target / name
            path.unlink(missing_ok=True)
            if content is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        return target
    with opened(source) as pex:
        target.write_bytes(pex.head())
    left = dict(changes)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "a") as new:
        for info in old.infolist():
            content = left.pop(info.filename, old.read(info))
            if content is not None:
                new.writestr(info, content, compress_type=info.compress_type)
        for name, content in left.items():
            if content is not None:
                new.writestr(name, content)
    target.chmod(target.stat().st_mode | stat.S_IXUSR)
    return target


def member(binary: Path, ending: str) -> tuple[str, bytes]:
    """The one member of a zipapp whose name ends so, and its content."""
    with zipfile.ZipFile(binary) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(ending)]
        return name, archive.read(name)


def with_row(record: bytes, path: str, content: bytes) -> bytes:
    """A RECORD whose row for `path` fits `content`."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    rows = [row for row in record.decode().splitlines() if not row.startswith(f"{path},")]
    return "\n".join([*rows, f"{path},sha256={digest},{len(content)}", ""]).encode()
