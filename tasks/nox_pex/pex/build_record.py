"""The build record, `dist/NAME.pex.json`: the inputs of a binary, and whether they have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from nox_pex.distributions.pex_file import digest
from nox_pex.pex.checkout import Commit
from nox_pex.project.pyproject import Project
from nox_pex.system import files
from nox_pex.system.fingerprint import Inputs, changes, digests


class Change(Struct, frozen=True, kw_only=True):
    """The reasons why a binary has to be built again, for the user, and the kinds of inputs that differ.

    `kinds` is empty if there is no binary, or if it is not the one in the record.
    """

    reasons: tuple[str, ...]
    kinds: frozenset[str] = frozenset()


def change(binary: Path, record: Mapping[str, Any], *, remembered: Inputs, inputs: Inputs) -> Change | None:
    """Return what changed since `binary` was built; None if it is exactly what was built from `inputs`.

    `record` is the build record next to the binary. `remembered` are the inputs of the last build by item, if they are
    still known; only the reasons depend on them.
    """
    if not binary.exists():
        return Change(reasons=("not built yet",))
    if not record:
        return Change(reasons=("no build record next to it",))
    if record.get("sha256") != digest(binary):
        return Change(reasons=("the file was changed after it was built",))
    now, then = digests(inputs), record.get("inputs", {})
    if now == then:
        return None
    kinds = frozenset(kind for kind in {*now, *then} if now.get(kind) != then.get(kind))
    if digests(remembered) == then:
        return Change(reasons=changes(remembered, inputs), kinds=kinds)
    return Change(reasons=tuple(f"{kind} changed" for kind in sorted(kinds)), kinds=kinds)


def current(record: Mapping[str, Any], project: Project, *, commit: Commit | None) -> dict[str, Any]:
    """Return `record`, that of an unchanged binary, with the commit and the version of the checkout as it is now.

    The version of a packaged project is in its wheel, so the binary would have changed with it.
    """
    version = record.get("version") if project.package_mode else project.version
    return {**record, "version": version, "git": git(commit)}


def git(commit: Commit | None) -> dict[str, Any] | None:
    """Return the value of `git` in a record; None if there is no commit."""
    return None if commit is None else msgspec.structs.asdict(commit)


def commit(record: Mapping[str, Any]) -> Commit | None:
    """Return the commit in a record; None if it has none, or if `git` is not as `git` writes it."""
    try:
        return msgspec.convert(record.get("git"), Commit | None)
    except msgspec.ValidationError:
        return None


def of_file(binary: Path) -> dict[str, Any]:
    """Return the build record next to `binary` if it is about exactly this file or directory; otherwise, empty."""
    record = files.read_json(binary.with_name(f"{binary.name}.json"))
    return record if record and record.get("sha256") == digest(binary) else {}
