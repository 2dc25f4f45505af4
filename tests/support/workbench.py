"""Binaries that the real tools build, without Nox."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import BasePython
from nox_pex.poetry.cli import poetry_argv
from nox_pex.poetry.installed import Installed, load_finished
from nox_pex.steps import freeze, install, pex
from nox_pex.steps.arguments import Arguments
from nox_pex.steps.context import Context
from nox_pex.tools import index, pinned
from nox_pex.verify import expected_files
from nox_pex.verify.archive import Pex
from nox_pex.verify.gates import integrity
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import distributions
from tests.support import commands
from tests.support.shown import say_into

PROJECTS: Final = Path(__file__).resolve().parents[1] / "projects"
PYTHON: Final = Path(sys.executable).resolve()


class Workbench(Struct, frozen=True, kw_only=True):
    """A copy of a fixture project, and its way through our steps without Nox. `said` are the lines for the user."""

    root: Path
    environ: Mapping[str, str]
    said: list[str] = msgspec.field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.root / ".nox" / "state"

    def context(self, *, environ: Mapping[str, str] | None = None, **arguments: object) -> Context:
        return Context(
            root=self.root,
            state=self.state,
            base=BasePython(name=str(PYTHON), find=lambda: PYTHON),
            arguments=Arguments(**arguments),  # type: ignore[arg-type]  # each test passes what it needs
            environ={**self.environ, **(environ or {})},
            say=say_into(self.said.append),
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
        found = load_finished(context.all_targets[name].selection, Environment(path=context.home))
        assert found is not None
        return found

    def relock(self) -> None:
        """Let the real Poetry lock the edited project; it uses the index and the certificates that the product uses."""
        poetry = pinned.provide_poetry(self.context().provisioner, None)
        added = index.poetry_index_environ(self.environ, prefix=Path(sys.prefix), project=self.root)
        environ = {**self.environ, **added, "POETRY_VIRTUALENVS_CREATE": "false"}
        ran(*poetry_argv(poetry, "lock"), cwd=self.root, environ=environ)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace `old`, which must be in the file exactly once."""
        path = self.root / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), "utf-8")

    def append(self, file: str, text: str) -> None:
        with (self.root / file).open("a", encoding="utf-8") as stream:
            stream.write(text)


def clean_environ(cache: Path) -> dict[str, str]:
    """The variables of a user's shell, with a cache for this run of pytest alone."""
    return {**commands.clean_environ(), "NOX_PEX_CACHE_DIR": str(cache)}


def ran(*argv: object, cwd: Path, environ: Mapping[str, str]) -> str:
    done = commands.run([str(word) for word in argv], cwd=cwd, env=environ)
    assert done.status == 0, done.output
    return done.output


def integrity_of(pex: Pex, installed: Installed, *, strict: bool = True) -> Verdict:
    """The verdict of the gate `integrity` on an open PEX, with an environment as evidence."""
    return integrity.judge(pex, distributions(pex), expected_files.expected_from_environment(installed), strict=strict)
