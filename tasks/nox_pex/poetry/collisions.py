"""Files that more than one distribution installs, as `opencv-python` and `opencv-python-headless` do.

The file of the last one is there, and Poetry, which installs side by side, leaves it to chance which one that is; the
RECORDs of the others are wrong then. And when one of them goes, it takes the file with it from those that stay. So such
distributions are installed again, one after the other, and each RECORD (PEP 376: what is installed) says what is there:
a binary holds what Poetry's environment does, the same in every build.
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


class _Claim(Struct, frozen=True):
    """What the RECORD of a distribution says of a file: its path as it stands there, and its digest."""

    distribution: Distribution
    path: str
    digest: str


def colliding(environment: Environment) -> tuple[Distribution, ...]:
    """The distributions that have a file in common with another content, and those that have lost one."""
    found = {
        claim.distribution
        for inner, claims in _claims(environment).items()
        if _differ(claims) or not os.path.lexists(environment.path / inner)
        for claim in claims
    }
    return tuple(sorted(found, key=lambda distribution: distribution.name))


def record_winners(environment: Environment) -> tuple[str, ...]:
    """Let each RECORD say what is there of a file in common; gives what to tell of each two that have some."""
    changed: dict[Distribution, dict[str, tuple[str, str, str]]] = defaultdict(dict)
    common: dict[tuple[str, str], list[str]] = defaultdict(list)
    for inner, claims in _claims(environment).items():
        file = environment.path / inner
        last = next((claim for claim in claims if _is(file, claim.digest)), None) if _differ(claims) else None
        if last is not None:
            for claim in claims:
                if claim.digest != last.digest:
                    changed[claim.distribution][claim.path] = (claim.path, last.digest, str(file.stat().st_size))
                    common[claim.distribution.name, last.distribution.name].append(inner)
    for distribution, rows in changed.items():
        _rewrite(distribution, rows)
    return tuple(
        line
        for (name, other), inners in common.items()
        for line in _lines(name, other, [inner.partition("/site-packages/")[2] or inner for inner in inners])
    )


def _lines(name: str, other: str, common: Sequence[str]) -> Iterator[str]:
    # Pex makes scripts of its own, from the entry points.
    scripts = [path for path in common if path.startswith("bin/")]
    if rest := [path for path in common if path not in scripts]:
        more = f" and {len(rest) - 1} more" if len(rest) > 1 else ""
        yield f"{rest[0]}{more}: in {name} and in {other}, which came last, so that its content ships"
    if scripts:
        yield f"{', '.join(scripts)}: in {name} and in {other}; pex takes one of them, and warns at the first boot"


def _claims(environment: Environment) -> Mapping[str, list[_Claim]]:
    """Who has each file: path from the environment's directory to what the RECORDs say, in the order of the names."""
    found: dict[str, list[_Claim]] = defaultdict(list)
    for distribution in environment.distributions():
        with contextlib.suppress(OSError):  # no RECORD: what is made of the environment says so
            for inner, path, digest in installed_files(distribution, environment):
                found[inner].append(_Claim(distribution, path, digest))
    return found


def _differ(claims: Sequence[_Claim]) -> bool:
    return len({claim.digest for claim in claims}) > 1


def _is(file: Path, digest: str) -> bool:
    algorithm, _, expected = digest.partition("=")
    with contextlib.suppress(OSError, ValueError):
        return record_digest(algorithm, file) == expected
    return False


def _rewrite(distribution: Distribution, changed: Mapping[str, tuple[str, str, str]]) -> None:
    """Replace rows of a RECORD, by their paths; the file is another one then, since its inode may be shared."""
    record = distribution.directory / "RECORD"
    rows = record_rows(record.read_text("utf-8", "surrogateescape"))
    files.write_text(record, record_text(changed.get(row[0], row) for row in rows))
