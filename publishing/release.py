"""Prepare a release, and check a tag before it is published.

`pyproject.toml` has the version. `prepare` writes `tasks/nox_pex/version.py` from it, because the installed library
must know its version without reading a file: that is in every run in which nothing changed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]

_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


_UNRELEASED: Final = "## [Unreleased]\n"


EXAMPLES: Final = "docs/ci/README.md"
"""The page with examples that name a release, by its tag."""


class ReleaseError(Exception):
    """A release cannot be prepared or published. The message is one line that says what to do."""


def main(arguments: Sequence[str]) -> int:
    """Run `prepare VERSION`, `check TAG` or `notes TAG`. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m publishing.release", description="Release nox-pex.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="write the version and the date into the files").add_argument("value")
    commands.add_parser("check", help="compare a tag such as v1.2.3 with the files").add_argument("value")
    commands.add_parser("notes", help="print what the changelog says about a tag").add_argument("value")
    options = parser.parse_args(arguments)
    try:
        if options.command == "prepare":
            prepare(ROOT, options.value, today=dt.datetime.now(dt.UTC).date())
        elif options.command == "check":
            check(ROOT, options.value)
        else:
            sys.stdout.write(notes(_read(ROOT, "CHANGELOG.md"), options.value.removeprefix("v")))
    except ReleaseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def prepare(root: Path, version: str, *, today: dt.date) -> None:
    """Write `version` into the files of the checkout `root`, and give the unreleased changes this version and a date.

    Raises `ReleaseError` if the version is malformed, lower than that of `pyproject.toml`, or in the changelog already,
    or if nothing is unreleased. Nothing is written then.
    """
    project = _read(root, "pyproject.toml")
    current = version_of(project)
    if _ordered(version) < _ordered(current):
        msg = f"{version} is lower than {current}, the version in pyproject.toml: give a higher one"
        raise ReleaseError(msg)
    repository = tomllib.loads(project)["project"]["urls"]["Source"]
    changelog = released(_read(root, "CHANGELOG.md"), version, today=today, repository=repository)
    written = project.replace(f'\nversion = "{current}"\n', f'\nversion = "{version}"\n', 1)
    (root / "pyproject.toml").write_text(written, "utf-8")
    (root / "tasks" / "nox_pex" / "version.py").write_text(version_module(version), "utf-8")
    (root / "CHANGELOG.md").write_text(changelog, "utf-8")
    examples = _read(root, EXAMPLES)
    (root / EXAMPLES).write_text(examples.replace(f"v{current}", f"v{version}"), "utf-8")


def version_of(pyproject: str) -> str:
    """Return the version of the project with this `pyproject.toml`."""
    project: dict[str, Any] = tomllib.loads(pyproject)["project"]
    return str(project["version"])


def version_module(version: str) -> str:
    """Return the text of `tasks/nox_pex/version.py`."""
    docstring = '"""The version of nox-pex. `nox -s release` writes this file, with the version of `pyproject.toml`."""'
    return f'{docstring}\n\n__version__ = "{version}"\n'


def released(changelog: str, version: str, *, today: dt.date, repository: str) -> str:
    """Return the changelog with the unreleased changes as those of `version`, and an empty section for the next ones.

    Raises `ReleaseError` if there are none, or if the changelog has the version already.
    """
    before, found, after = changelog.partition(_UNRELEASED)
    versions = re.findall(r"^## \[(\d[^]]*)\]", changelog, re.MULTILINE)
    if version in versions:
        msg = f"CHANGELOG.md already has the version {version}: give a higher one"
        raise ReleaseError(msg)
    if not found or not re.search(r"^- ", after.partition("\n## ")[0], re.MULTILINE):
        msg = "CHANGELOG.md has no change below '## [Unreleased]': write what changed"
        raise ReleaseError(msg)
    link = f"{repository}/compare/v{versions[0]}...v{version}" if versions else f"{repository}/releases/tag/v{version}"
    links = f"[Unreleased]: {repository}/compare/v{version}...main\n[{version}]: {link}"
    text = f"{before}{found}\n## [{version}] - {today.isoformat()}\n{after}"
    return re.sub(r"^\[Unreleased\]: .+$", links, text, count=1, flags=re.MULTILINE)


def check(root: Path, tag: str) -> None:
    """Raise `ReleaseError` if the files of the checkout `root` are not those of the release `tag`."""
    version = version_of(_read(root, "pyproject.toml"))
    if tag != f"v{version}":
        msg = f"the tag is {tag}, but pyproject.toml has the version {version}: run nox -s release before you tag"
        raise ReleaseError(msg)
    if (root / "tasks" / "nox_pex" / "version.py").read_text("utf-8") != version_module(version):
        msg = f"tasks/nox_pex/version.py does not have the version {version}: run nox -s release before you tag"
        raise ReleaseError(msg)
    notes(_read(root, "CHANGELOG.md"), version)


def notes(changelog: str, version: str) -> str:
    """Return what the changelog says about a version, as Markdown. Raises `ReleaseError` if it has no such section."""
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(?P<text>.*?)(?=^## \[|^\[[^]]+\]: |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        msg = f"CHANGELOG.md has no section '## [{version}]' with a date: run nox -s release before you tag"
        raise ReleaseError(msg)
    return found["text"].strip() + "\n"


def _ordered(version: str) -> tuple[int, ...]:
    """Return a version as numbers, which can be compared. Raises `ReleaseError` if these are not three."""
    found = _VERSION.fullmatch(version)
    if found is None:
        msg = f"{version!r} is no version: write three numbers, such as 1.2.3"
        raise ReleaseError(msg)
    return tuple(int(number) for number in found.groups())


def _read(root: Path, name: str) -> str:
    return (root / name).read_text("utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
