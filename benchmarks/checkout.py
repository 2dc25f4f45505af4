"""A fresh checkout of a benchmark project, and what people do in one."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECTS: Final = Path(__file__).resolve().parent / "projects"

_NOXFILE: Final = """\
import nox
import nox_pex

nox.options.default_venv_backend = "uv|virtualenv"

nox_pex.register()
"""
EMPTY_NOXFILE: Final = """\
import nox

nox.options.default_venv_backend = "uv|virtualenv"


@nox.session(venv_backend="none")
def install(session):
    session.log("nothing")


@nox.session(venv_backend="none", requires=["install"])
def freeze(session):
    session.log("nothing")


@nox.session(venv_backend="none", requires=["freeze"])
def pex(session):
    session.log("nothing")
"""
"""As many sessions as a build has, that do nothing: what Nox itself costs."""

_IDENTITY: Final = ("-c", "user.name=bench", "-c", "user.email=bench@example.invalid")


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A copy of a project at `root`, committed to Git."""

    root: Path

    @classmethod
    def of(cls, project: Path, root: Path) -> Checkout:
        """A new one at `root`, whatever was there."""
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(project, root, ignore=shutil.ignore_patterns("__pycache__", ".*", "dist"))
        made = cls(root=root)
        (root / "noxfile.py").write_text(_NOXFILE, "utf-8")
        (root / ".gitignore").write_text("__pycache__/\n.nox/\n.venv/\ndist/\n", "utf-8")
        made.git("init", "--quiet")
        made.commit()
        return made

    def git(self, *words: str) -> None:
        """Run Git here."""
        subprocess.run(["git", *_IDENTITY, *words], cwd=self.root, check=True, stdout=subprocess.DEVNULL)  # noqa: S607

    def commit(self) -> None:
        """Commit all that is here."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "as it is")

    @property
    def sources(self) -> tuple[str, ...]:
        """The top-level modules and packages of the project."""
        own = (path for path in self.root.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
        return tuple(sorted(path.name for path in own if path.name != "noxfile.py"))

    def edit(self, word: object) -> None:
        """Change one source file."""
        with (self.root / "main.py").open("a", encoding="utf-8") as file:
            file.write(f"\n# {word}\n")

    def bump(self) -> None:
        """Exchange the lock for the other one, in which one small package has another version."""
        lock, other = self.root / "poetry.lock", self.root / "bumped.lock"
        aside = self.root / "aside.lock"
        lock.rename(aside)
        other.rename(lock)
        aside.rename(other)

    def settings(self, *lines: str) -> None:
        """Let the binary's table have its script and `lines`, and nothing else."""
        file = self.root / "pyproject.toml"
        table = "\n".join(["[tool.nox-pex.binary.service]", 'script = "uvicorn"', *lines])
        text = file.read_text("utf-8")
        made = re.sub(r"\[tool\.nox-pex\.binary\.service\]\n(?:[^\[\n].*\n)*", lambda _: f"{table}\n", text)
        file.write_text(made, "utf-8")
