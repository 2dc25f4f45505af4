"""A fresh checkout of a benchmark project, and the changes that people make in one."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import locks

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
"""As many sessions as a build has, but they do nothing. This measures the cost of Nox itself."""

_IDENTITY: Final = ("-c", "user.name=bench", "-c", "user.email=bench@example.invalid")


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A copy of a project at `root`, committed to Git."""

    root: Path

    @classmethod
    def of(cls, project: Path, root: Path) -> Checkout:
        """Copy `project` to `root`, and replace anything that is there."""
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(project, root, ignore=shutil.ignore_patterns("__pycache__", ".*", "dist"))
        checkout = cls(root=root)
        (root / "noxfile.py").write_text(_NOXFILE, "utf-8")
        (root / ".gitignore").write_text("__pycache__/\n.nox/\n.venv/\ndist/\n", "utf-8")
        checkout.git("init", "--quiet")
        checkout.commit()
        return checkout

    def git(self, *arguments: str) -> None:
        """Run Git in the checkout."""
        argv = ["git", *_IDENTITY, *arguments]
        subprocess.run(argv, cwd=self.root, check=True, stdout=subprocess.DEVNULL)

    def commit(self) -> None:
        """Commit all files."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "as it is")

    @property
    def sources(self) -> tuple[str, ...]:
        """The top-level modules and packages of the project."""
        found = (path for path in self.root.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
        return tuple(sorted(path.name for path in found if path.name != "noxfile.py"))

    def edit(self, comment: str) -> None:
        """Change one source file: append `comment` to it."""
        with (self.root / "main.py").open("a", encoding="utf-8") as file:
            file.write(f"\n# {comment}\n")

    def lock(self, releases: locks.Releases) -> None:
        """Replace the lock by that of the project with these `releases`, as in `locks.with_releases`."""
        self.git("checkout", "--quiet", "HEAD", "--", "poetry.lock")
        file = self.root / "poetry.lock"
        file.write_text(locks.with_releases(file.read_text("utf-8"), releases), "utf-8")

    def settings(self, *lines: str) -> None:
        """Replace the content of the binary's table by its script and `lines`."""
        file = self.root / "pyproject.toml"
        table = "\n".join(["[tool.nox-pex.binary.service]", 'script = "uvicorn"', *lines])
        text = file.read_text("utf-8")
        changed = re.sub(r"\[tool\.nox-pex\.binary\.service\]\n(?:[^\[\n].*\n)*", lambda _: f"{table}\n", text)
        file.write_text(changed, "utf-8")
