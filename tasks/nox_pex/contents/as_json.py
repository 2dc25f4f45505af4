"""A difference as JSON values: the content of `NAME.diff.json`, which `docs/diff.md` documents. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from nox_pex.contents.difference import BootChange, Difference, FileChange, GroupChange, Side, Sizes
from nox_pex.contents.model import BootFacts

SCHEMA: Final = 1
"""The version of the form. It grows if a key gets another meaning or is removed; new keys may come at any time."""


def as_json(difference: Difference, *, name: str, max_growth: int | None) -> dict[str, Any]:
    """Return the difference of the binary `name`. `max_growth` is the limit in bytes, None if there is none."""
    growth = difference.size.growth
    return {
        "schema": SCHEMA,
        "name": name,
        "baseline": difference.baseline,
        "compared-by": difference.by,
        "same": difference.is_same,
        "growth": growth,
        "max-growth": max_growth,
        "passed": max_growth is None or growth <= max_growth,
        "old": _side(difference.old),
        "new": _side(difference.new),
        "distributions": {
            change: [_distribution(each) for each in difference.distributions if each.change == change]
            for change in ("added", "removed", "changed")
        },
        "own": _files(difference.own.files if difference.own is not None else ()),
        "runtime": _files(difference.runtime.files if difference.runtime is not None else ()),
        "settings": [{"key": each.key, "old": each.old, "new": each.new} for each in difference.settings],
        "boots": [_boot(each) for each in difference.boots],
    }


def _side(side: Side) -> dict[str, Any]:
    build = side.build
    return {
        "file": side.file,
        "sha256": side.sha256,
        "size": side.size,
        "unpacked": side.unpacked,
        "files": side.file_count,
        "distributions": side.distribution_count,
        "layout": side.layout,
        "pex": side.pex_version,
        "entry-point": side.entry_point,
        "interpreter-constraints": list(side.constraints),
        "python": side.python or None,
        "version": build.version or None,
        "commit": build.commit or None,
        "dirty": build.dirty,
        "built": build.finished or None,
    }


def _distribution(change: GroupChange) -> dict[str, Any]:
    files = _files(change.files) if change.change == "changed" else []
    return {
        "name": change.name,
        "from": change.old_version or None,
        "to": change.new_version or None,
        "project": change.is_project,
        "stored": _sizes(change.stored),
        "unpacked": _sizes(change.unpacked),
        "file-count": len(change.files),
        "files": files,
    }


def _sizes(sizes: Sizes) -> dict[str, int]:
    return {"old": sizes.old, "new": sizes.new}


def _files(files: Iterable[FileChange]) -> list[dict[str, Any]]:
    return [
        {
            "path": file.path,
            "change": file.change,
            "size": {"old": file.old_size, "new": file.new_size},
            "stored": {"old": file.old_stored, "new": file.new_stored},
        }
        for file in files
    ]


def _boot(boot: BootChange) -> dict[str, Any]:
    return {"condition": boot.condition, "old": _booted(boot.old), "new": _booted(boot.new)}


def _booted(boot: BootFacts | None) -> dict[str, Any] | None:
    if boot is None:
        return None
    return {"state": boot.state, "ready-after": boot.ready_after, "memory": boot.memory}
