"""Files that more than one distribution installs, as `opencv-python` and `opencv-python-headless` do.

Poetry installs in parallel, so either file may win, and the RECORD of the other distribution is wrong. If one of the
distributions is removed, its files are removed from the others too. So such distributions are installed again, one at a
time, and then each RECORD (PEP 376) is changed to name the file that is installed. The binary then contains the same
files in every build.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from nox_pex.distributions.environment import Distribution, Environment, installed_files
from nox_pex.distributions.record import record_digest, record_rows, record_text
from nox_pex.system import files


class _RecordedFile(Struct, frozen=True):
    """A file in the RECORD of a distribution: its path and its digest, as in the RECORD."""

    distribution: Distribution
    path: str
    digest: str


def colliding(environment: Environment) -> tuple[Distribution, ...]:
    """The distributions that share a file but record different contents of it, and those with a missing file."""
    root = str(environment.path)
    found = {
        entry.distribution
        for path, entries in _recorded_files(environment).items()
        if _contents_differ(entries) or not os.path.lexists(f"{root}/{path}")
        for entry in entries
    }
    return tuple(sorted(found, key=lambda distribution: distribution.name))


def record_winners(environment: Environment) -> tuple[str, ...]:
    """Change each RECORD to name the installed content of the files it shares with other distributions.

    Returns lines for the user: for each pair of distributions, the shared files and the distribution that won.
    """
    rows: dict[Distribution, dict[str, tuple[str, str, str]]] = defaultdict(dict)
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, entries in _recorded_files(environment).items():
        if not _contents_differ(entries) or (winner := _winner(file := environment.path / path, entries)) is None:
            continue
        for entry in entries:
            if entry.digest != winner.digest:
                rows[entry.distribution][entry.path] = (entry.path, winner.digest, str(file.stat().st_size))
                shared[entry.distribution.name, winner.distribution.name].append(path)
    for distribution, changed in rows.items():
        _replace_rows(distribution, changed)
    return tuple(
        line
        for (loser, name), paths in shared.items()
        for line in _lines(loser, name, [path.partition("/site-packages/")[2] or path for path in paths])
    )


def _lines(loser: str, winner: str, shared: Sequence[str]) -> Iterator[str]:
    # pex creates its own scripts from the entry points, so the installed ones do not ship.
    scripts = [path for path in shared if path.startswith("bin/")]
    if rest := [path for path in shared if path not in scripts]:
        more = f" and {len(rest) - 1} more" if len(rest) > 1 else ""
        yield f"{rest[0]}{more}: in {loser} and in {winner}; {winner} was installed last, so its content ships"
    if scripts:
        yield f"{', '.join(scripts)}: in {loser} and in {winner}; pex uses one of them, and warns at the first boot"


def _recorded_files(environment: Environment) -> Mapping[str, list[_RecordedFile]]:
    """All files in RECORDs: path from the environment's directory to its entries, by name of the distribution."""
    found: dict[str, list[_RecordedFile]] = defaultdict(list)
    for distribution in environment.distributions():
        with contextlib.suppress(OSError):  # without a RECORD, the build reports the distribution
            for path, recorded_path, digest in installed_files(distribution, environment):
                found[path].append(_RecordedFile(distribution, recorded_path, digest))
    return found


def _contents_differ(entries: Sequence[_RecordedFile]) -> bool:
    return len(entries) > 1 and len({entry.digest for entry in entries}) > 1


def _winner(file: Path, entries: Sequence[_RecordedFile]) -> _RecordedFile | None:
    """The entry with the digest of the installed `file`; None if no entry has it."""
    return next((entry for entry in entries if _has_digest(file, entry.digest)), None)


def _has_digest(file: Path, digest: str) -> bool:
    """Whether `digest`, as in a RECORD (`algorithm=digest`), is that of `file`."""
    algorithm, _, expected = digest.partition("=")
    with contextlib.suppress(OSError, ValueError):
        return record_digest(algorithm, file) == expected
    return False


def _replace_rows(distribution: Distribution, changed: Mapping[str, tuple[str, str, str]]) -> None:
    """Replace rows of a RECORD, by their paths. Writes a new file, because the old one may be a shared hard link."""
    record = distribution.directory / "RECORD"
    rows = record_rows(record.read_text("utf-8", "surrogateescape"))
    files.write_text(record, record_text(changed.get(row[0], row) for row in rows))
