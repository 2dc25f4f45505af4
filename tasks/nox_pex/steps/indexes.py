"""The index of the pages of several binaries: next to them, and for several projects in `dist` next to the noxfile.

It is written whichever of them has just got a page, from what is in the `dist` of each project at that moment.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.page import gather, mark, masking, render, rows
from nox_pex.page.gather import File
from nox_pex.page.mark import Mark
from nox_pex.page.model import Index, Row
from nox_pex.pex import build_record
from nox_pex.pex.target import Target
from nox_pex.steps import judging
from nox_pex.steps.context import Context
from nox_pex.system import files, locks, os_errors
from nox_pex.version import __version__

_NAME: Final = "index.html"


_KNOWN: Final[dict[tuple[str, int, int, int], str]] = {}
"""The SHA-256 of binaries, by path, inode, size and time of change, so that one run reads each of them once."""


class _Place(Struct, frozen=True, kw_only=True):
    """An index to write: its path, and the projects in it."""

    path: Path
    contexts: tuple[Context, ...]


def paths(context: Context) -> tuple[Path, ...]:
    """Return the paths of the indexes that this project is in. They may not exist."""
    return tuple(place.path for place in _places(context))


def write(context: Context) -> Iterator[str]:
    """Write the indexes that this project is in. Yield a line about each."""
    waiting = "report: waiting for another run that writes the index"
    with locks.locked(context.state.parent / "index.lock", waiting=lambda: context.say(waiting)):
        for place in _places(context):
            if context.arguments.binary is not None and not place.path.exists():
                continue  # nothing need be built here
            found = _rows(context, place)
            if any(row.name == "index" and row.href == _NAME for row in found):
                yield "report: no index of all binaries, because one of them is called index"
            elif len(found) > 1:
                _write(context, place.path, found)
                base = context.surroundings.directory or context.root
                shown = os.path.relpath(place.path, os.path.realpath(base))
                failed = sum(row.outcome == "failed" for row in found)
                yield f"report: {len(found)} binaries in {shown}{f', {failed} failed' if failed else ''}"


def _write(context: Context, path: Path, found: Sequence[Row]) -> None:
    files.require_replaceable(path)
    projects = {row.project for row in found}
    title = next(iter(projects)) if len(projects) == 1 else "All projects"
    index = masking.masked(Index(nox_pex=__version__, title=title, rows=tuple(found)), context.secrets.mask)
    digest = hashlib.sha256(msgspec.json.encode(index)).hexdigest()
    with os_errors.writing(str(path), place=path.parent):
        files.write_text(path, mark.marked(render.index(index), Mark(kind="index", digest=digest)))


def _places(context: Context) -> tuple[_Place, ...]:
    """Return the index next to the pages of this project, and that of all projects if they are in several places."""
    around = context.surroundings
    contexts = around.contexts or (context,)
    own = _directory(context)
    if own is None:
        return ()
    here = tuple(each for each in contexts if _directory(each) == own)
    places = [_Place(path=own / _NAME, contexts=here)]
    if len(here) < len(contexts) and around.directory is not None:
        of_all = _Place(path=Path(os.path.realpath(around.directory)) / "dist" / _NAME, contexts=contexts)
        places = [*(each for each in places if each.path != of_all.path), of_all]
    return tuple(places)


def _directory(context: Context) -> Path | None:
    """Return the real path of a project's `output-dir`; None if its settings cannot be read."""
    try:
        return Path(os.path.realpath(context.root / context.settings.output_dir))
    except NoxPexError:
        return None


def _rows(context: Context, place: _Place) -> tuple[Row, ...]:
    return tuple(row for each in place.contexts for row in _rows_of(each, place, base=context.surroundings.directory))


def _rows_of(context: Context, place: _Place, *, base: Path | None) -> Iterator[Row]:
    """Yield the row of each binary of one project: of the file that was built, never of one that the user names."""
    several = len({each.root for each in place.contexts}) > 1
    try:
        label = os.path.relpath(context.root, base or context.root) if several else context.project.name
        targets = [msgspec.structs.replace(each, prebuilt=None) for each in context.all_targets.values()]
    except NoxPexError as error:
        project = os.path.relpath(context.root, base or context.root)
        yield masking.masked(
            rows.broken(context.root.name, project=project, reason=f"{error.code}: {error.problem}"),
            context.secrets.mask,
        )
        return
    for target in targets:
        yield masking.masked(_row(context, target, index=place.path, project=label), context.secrets.mask)


def _row(context: Context, target: Target, *, index: Path, project: str) -> Row:
    file = _file(target)
    if file is None:
        return rows.row(target, None, None, (), index=index, project=project)
    results = gather.read_results(target, file)
    proven = gather.proofs_of(results, judging.sessions(context, target), judging.judgement(context, target, results))
    return rows.row(target, file, results, proven, index=index, project=project)


def _file(target: Target) -> File | None:
    """Return the built binary; None if there is none."""
    binary = target.binary
    try:
        sha256 = _sha256(binary)
        size = files.size(binary)
    except (OSError, PexError):
        return None
    if not sha256:
        return None
    record = build_record.read(target.record)
    return File(
        sha256=sha256,
        size=size,
        is_directory=binary.is_dir(),
        record=record if record.get("sha256") == sha256 else {},
    )


def _sha256(binary: Path) -> str:
    """Return the SHA-256 of a binary, as its record has it; empty if there is none."""
    status = binary.stat()
    if binary.is_dir():
        return pex_file.digest(binary)
    key = (str(binary), status.st_ino, status.st_size, status.st_mtime_ns)
    if key not in _KNOWN:
        _KNOWN[key] = files.digest(binary)
    return _KNOWN[key]
