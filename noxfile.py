# /// script
# requires-python = ">=3.10"
# dependencies = [
#     "build>=1.4",
#     "httpx2>=2.14",
#     "jsonschema>=4.26",
#     "msgspec>=0.22",
#     "nox[uv]>=2026.10.20",
#     "packaging>=26.0",
#     "platformdirs>=4.5",
#     "psutil>=7.2",
#     "python-jsonpath>=2.2",
#     "tomli>=2.3; python_version < '3.11'",
# ]
# ///
"""nox-pex's own sessions, and those that it gives to everyone, here for `sample_app`.

A project of yours lists `nox-pex` itself in the header above. Here it is taken from this checkout, so the header lists
what it depends on, as `pyproject.toml` has it.
"""

import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tasks"))

import nox_pex  # noqa: E402 (found by the line above)

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]

nox_pex.register("sample_app")

PYPROJECT = nox.project.load_toml("pyproject.toml")


def dependencies(*groups: str) -> list[str]:
    """What the library needs at run time, and what `groups` add to it."""
    return [*PYPROJECT["project"]["dependencies"], *nox.project.dependency_groups(PYPROJECT, *groups)]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install(*dependencies("types", "test"))
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; `-- -m "not integration"` for those that take seconds."""
    session.install(*dependencies("test"))
    session.run("pytest", *(session.posargs or ["--numprocesses", "auto", "--dist", "worksteal"]))


if __name__ == "__main__":
    nox.main()
