"""Compare two binaries. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from packaging.version import InvalidVersion, Version

from nox_pex.contents.difference import (
    BootChange,
    Change,
    Difference,
    FileChange,
    GroupChange,
    SettingChange,
    Side,
    Sizes,
)
from nox_pex.contents.model import BinaryContents, Group, PackedFile
from nox_pex.verify.pex_distributions import LAYOUT


def compare(
    old: BinaryContents,
    new: BinaryContents,
    *,
    baseline: Literal["file", "previous-build"] = "file",
    project: str = "",
    mask: Callable[[str], str] = str,
) -> Difference:
    """Return the difference between two binaries.

    `baseline` says where the old one comes from. `project` is the normalized name of the project, if it is known.
    `mask` masks the secrets in settings, before they are compared: a kept list has them masked.
    """
    same = bool(old.sha256) and old.sha256 == new.sha256
    return Difference(
        old=_side(old),
        new=_side(new),
        by="sha256" if old.complete and new.complete else "crc32",
        baseline=baseline,
        distributions=() if same else tuple(_distributions(old, new, project=project)),
        own=None if same else _group(old.own, new.own),
        runtime=None if same else _group(old.runtime, new.runtime),
        settings=tuple(_settings(old.settings, new.settings, mask)),
        boots=tuple(_boots(old, new)),
    )


def _side(contents: BinaryContents) -> Side:
    return Side(
        file=contents.file,
        sha256=contents.sha256,
        size=contents.size,
        unpacked=contents.unpacked,
        file_count=contents.file_count,
        distribution_count=len(contents.distributions),
        layout="scie" if contents.is_scie else contents.layout,
        pex_version=contents.pex_version,
        entry_point=contents.entry_point,
        constraints=contents.constraints,
        python=contents.python.file if contents.python is not None else "",
        build=contents.build,
    )


def _distributions(old: BinaryContents, new: BinaryContents, *, project: str) -> Iterator[GroupChange]:
    before, after = _by_name(old.distributions), _by_name(new.distributions)
    for key in sorted({*before, *after}):
        is_project = bool(project) and key[0] == project
        if (changed := _group(before.get(key), after.get(key), is_project=is_project)) is not None:
            yield changed


def _by_name(groups: Sequence[Group]) -> dict[tuple[str, int], Group]:
    """Return distributions by their names. A damaged binary may have one twice: then also by a number."""
    seen: Counter[str] = Counter()
    found = {}
    for group in groups:
        found[group.name, seen[group.name]] = group
        seen[group.name] += 1
    return found


_NOTHING: Final = Group(kind="own", stored=0, files=())
"""The value in place of a group that is not there."""


def _group(old: Group | None, new: Group | None, *, is_project: bool = False) -> GroupChange | None:
    """Return how a group differs; None if it does not. At least one of the two is there."""
    before, after = old or _NOTHING, new or _NOTHING
    files = tuple(_files(before.files, after.files))
    change: Change = "added" if old is None else "removed" if new is None else "changed"
    same_version = change == "changed" and _same_version(before.version, after.version)
    if same_version and not files:
        return None
    present = after if new is not None else before
    return GroupChange(
        kind=present.kind,
        change=change,
        name=present.name,
        old_version=before.version,
        new_version=before.version if same_version else after.version,
        stored=Sizes(old=before.stored, new=after.stored),
        unpacked=Sizes(old=before.size, new=after.size),
        files=files,
        is_project=is_project,
    )


def _same_version(old: str, new: str) -> bool:
    try:
        return old == new or Version(old) == Version(new)
    except InvalidVersion:
        return False


def _files(old: Sequence[PackedFile], new: Sequence[PackedFile]) -> Iterator[FileChange]:
    """Yield the files that differ, without pex's note of where it installed a wheel, which follows from the others."""
    before, after = ({file.path: file for file in files if file.path != LAYOUT} for files in (old, new))
    for path in sorted({*before, *after}):
        a, b = before.get(path), after.get(path)
        if a is not None and b is not None and _same_content(a, b):
            continue
        yield FileChange(
            path=path,
            change="added" if a is None else "removed" if b is None else "changed",
            old_size=0 if a is None else a.size,
            new_size=0 if b is None else b.size,
            old_stored=0 if a is None else a.stored,
            new_stored=0 if b is None else b.stored,
        )


def _same_content(old: PackedFile, new: PackedFile) -> bool:
    """Whether two files are the same, by the SHA-256 of their contents if both are known."""
    if old.sha256 and new.sha256:
        return old.sha256 == new.sha256
    if old.crc is not None and new.crc is not None and old.crc != new.crc:
        return False
    return old.size == new.size


def _settings(old: Mapping[str, Any], new: Mapping[str, Any], mask: Callable[[str], str]) -> Iterator[SettingChange]:
    for key in sorted({*old, *new}):
        before, after = (mask(_compact(values[key])) if key in values else None for values in (old, new))
        if before != after:
            yield SettingChange(key=key, old=before, new=after)


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _boots(old: BinaryContents, new: BinaryContents) -> Iterator[BootChange]:
    before, after = ({boot.condition: boot for boot in each.boots} for each in (old, new))
    for condition in {**after, **before}:
        yield BootChange(condition=condition, old=before.get(condition), new=after.get(condition))
