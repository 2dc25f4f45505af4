"""The build record, `dist/NAME.pex.json`: the inputs of a binary, and whether they have changed since."""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from nox_pex.distributions import pex_file
from nox_pex.pex.checkout import Commit
from nox_pex.pex.target import Target
from nox_pex.project.left_out import LeftOut
from nox_pex.project.pyproject import Project
from nox_pex.system import files
from nox_pex.system.fingerprint import Inputs, changes, digests

Sha256: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""A SHA-256 in hexadecimal."""


QuickDigest: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""A digest of `pex_file.quick_digest`. It is never empty, as that of a file that cannot be read is."""


Time: TypeAlias = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")]
"""A time in UTC (RFC 3339), in whole seconds."""


class Times(Struct, frozen=True, kw_only=True):
    """The times at which a build started and finished. An unchanged binary keeps those of its build."""

    started: Time
    finished: Time


class RecordedScie(Struct, frozen=True, kw_only=True):
    """A scie in the build record: its file name, pex's name of its platform, its digest, its bytes, its Python.

    `python` is the file name of the portable Python in it, or of the one that it downloads at its first start.
    """

    file: str
    sha256: Sha256
    platform: str = ""
    size: int = 0
    python: str | None = None


class _Form(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The types of the values in a build record. Each may be missing, and there may be others."""

    name: str = ""
    version: str | None = None
    sha256: Sha256 | None = None
    size: int = 0
    inputs: dict[str, str] = {}
    lock_hash: str = ""
    python: str = ""
    platform: str | list[str] = ""
    tools: dict[str, str] = {}
    git: Commit | None = None
    sources: dict[str, list[str]] = {}
    left_out: tuple[LeftOut, ...] = ()
    disagreements: list[dict[str, str]] = []
    distributions: list[dict[str, str]] = []
    seconds: dict[str, float] = {}
    scies: tuple[RecordedScie, ...] = ()
    built: Times | None = None


class LastBuild(Struct, frozen=True, kw_only=True):
    """The last build in the private state, which is kept because anybody may change the files in `dist`.

    `contents` are the quick digests of the binary and its scies by file name (`pex_file.quick_digest`), `record` is the
    SHA-256 of the file with its build record, and `inputs` are its inputs by item.
    """

    contents: dict[str, QuickDigest]
    record: Sha256
    inputs: dict[str, dict[str, str]]


class Change(Struct, frozen=True, kw_only=True):
    """The reasons why a binary has to be built again, for the user, and the kinds of inputs that differ.

    `kinds` is empty if there is no binary, or if it or its record is not as nox-pex wrote it. Nothing in them may then
    be reused.
    """

    reasons: tuple[str, ...]
    kinds: frozenset[str] = frozenset()


def read(path: Path) -> dict[str, Any]:
    """Return the build record in `path`; empty if there is none, or if a value has another type than nox-pex writes."""
    record = files.read_json(path)
    try:
        msgspec.convert(record, _Form)
    except (msgspec.ValidationError, UnicodeError):
        return {}
    return record


def read_last_build(path: Path) -> LastBuild | None:
    """Return what `write_last_build` wrote to `path`; None if there is no such file, or if it has another form."""
    try:
        return msgspec.convert(files.read_json(path), LastBuild)
    except (msgspec.ValidationError, UnicodeError):
        return None


def write_last_build(path: Path, *, contents: Mapping[str, str], record: Path, inputs: Inputs) -> None:
    """Write what the next build has to know: the fields of `LastBuild`.

    `contents` are taken before the files are in `dist`, where anybody may change them.
    """
    files.write_json(path, {"contents": contents, "record": files.digest(record), "inputs": inputs})


def change(reason: str | None, *, last: LastBuild | None, inputs: Inputs) -> Change | None:
    """Return what changed since the binary was built; None if it is exactly what was built from `inputs`.

    `reason` is the answer of `damage`. `last` is what the private state keeps of the last build.
    """
    if reason is not None or last is None:
        return Change(reasons=(reason or "its last build is not known here",))
    now, then = digests(inputs), digests(last.inputs)
    if now == then:
        return None
    kinds = frozenset(kind for kind in {*now, *then} if now.get(kind) != then.get(kind))
    return Change(reasons=changes(last.inputs, inputs), kinds=kinds)


_CHANGED_DIRECTORY: Final = "the directory was changed after it was built; to run it in place adds bytecode"


def damage(binary: Path, record: Path, known: Mapping[str, Any], *, last: LastBuild | None) -> str | None:
    """Return why the binary or its record is not known to be as nox-pex wrote it, for the user; None if it is.

    `record` is the file with the build record `known`. `last` is what the private state keeps of the last build. Both
    files must be as they were then.
    """
    if not binary.exists():
        return "not built yet"
    if not known:
        return "no build record next to it"
    if last is not None and _has_size(known, binary) and is_as_built(binary, last):
        return None if files.digest(record) == last.record else "its build record was changed after it was built"
    if not _describes(known, binary):
        return _CHANGED_DIRECTORY if binary.is_dir() else "the file was changed after it was built"
    return None if last is None else "the file and its build record were changed after it was built"


def is_as_built(file: Path, last: LastBuild) -> bool:
    """Whether a binary, or one of its scies, has the content that it had after the build `last`."""
    return file.name in last.contents and last.contents[file.name] == pex_file.quick_digest(file)


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


def times(record: Mapping[str, Any]) -> Times | None:
    """Return the times of the build in a record; None if it has none."""
    try:
        return msgspec.convert(record.get("built"), Times | None)
    except msgspec.ValidationError:
        return None


def built_since(started: dt.datetime) -> dict[str, str]:
    """Return the value of `built` in the record of a build that finishes now."""
    return {"started": timestamp(started), "finished": timestamp(dt.datetime.now(dt.UTC))}


def finished_now(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return `record`, that of a binary whose scies were made again, with the time of this as the end of its build."""
    if (known := times(record)) is None:
        return dict(record)
    return {**record, "built": {"started": known.started, "finished": timestamp(dt.datetime.now(dt.UTC))}}


def timestamp(time: dt.datetime) -> str:
    """Return a time as RFC 3339 has it, in UTC and in whole seconds: `2026-11-26T16:40:00Z`."""
    return f"{time.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def of_last_build(target: Target, *, sha256: str) -> dict[str, Any]:
    """Return the build record of `target` if it is about the file with this SHA-256; empty if it is no proof.

    It is one if it is the record that the last build in this checkout wrote: anybody may change the files in `dist`,
    and write a record next to a finished file.
    """
    record, last = read(target.record), read_last_build(target.state_file("build.json"))
    is_proof = last is not None and files.digest(target.record) == last.record and record.get("sha256") == sha256
    return record if is_proof else {}


def of_file(binary: Path) -> dict[str, Any]:
    """Return the build record next to `binary` if it is about exactly this file or directory; otherwise, empty."""
    record = read(binary.with_name(f"{binary.name}.json"))
    return record if record and _describes(record, binary) else {}


def _describes(record: Mapping[str, Any], binary: Path) -> bool:
    """Whether a build record is about exactly this file or directory."""
    return _has_size(record, binary) and bool(record.get("sha256")) and record["sha256"] == pex_file.digest(binary)


def _has_size(record: Mapping[str, Any], binary: Path) -> bool:
    """Whether a binary has the size in its record, or is a directory. A file of another size need not be read."""
    return not ("size" in record and binary.is_file() and binary.stat().st_size != record["size"])
