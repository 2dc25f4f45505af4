"""The report on files that do not ship although a program could import or read them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from nox_pex.project.default_rules import KEY, NO_MODULE, NO_PACKAGE, ORDINARY, OUTSIDE_ROOT, PROJECT
from nox_pex.project.tree import directories_above
from nox_pex.settings.model import Sources
from nox_pex.system.lazy import lazy
from nox_pex.system.outside_text import LINE_BREAK

if TYPE_CHECKING:
    from nox_pex.project import patterns
else:
    patterns = lazy("nox_pex.project.patterns")  # only needed for a report

IGNORED: Final = "Git ignores it"
HIDDEN: Final = "hidden"
NOT_IN_WHEEL: Final = "not in the project's wheel"

_OFFERED: Final = frozenset({NO_PACKAGE, NO_MODULE, OUTSIDE_ROOT})
"""Reasons for which the settings that include the files are suggested: a person probably forgot them."""


_MAX_SHOWN: Final = 12
"""The number of entries that one line names."""


_MAX_OFFERED: Final = 100
"""The number of entries that the suggested settings include."""


class LeftOut(Struct, frozen=True, kw_only=True):
    """A file or directory (with a final slash) that does not ship, and the `reason`.

    `include` is the pattern that includes it; None if no pattern can. `offered` says whether to suggest it without
    being asked. If any of the files in a directory has another reason, it is not.
    """

    path: str
    reason: str
    include: str | None = None
    offered: bool = False

    def __str__(self) -> str:
        return f"{self.path} ({self.reason})"


def as_record(entry: LeftOut) -> dict[str, str]:
    """Return an entry as the build record has it: `path`, `reason`, and `include` if there is a pattern."""
    return {"path": entry.path, "reason": entry.reason, **({"include": entry.include} if entry.include else {})}


def from_record(record: Mapping[str, Any]) -> tuple[LeftOut, ...]:
    """Return the entries in a build record; none if it has none, or another form."""
    try:
        return msgspec.convert(record.get("left-out", ()), tuple[LeftOut, ...])
    except msgspec.ValidationError:
        return ()


def report(
    reasons: Mapping[str, str],
    *,
    shipped: Iterable[str],
    projects: Collection[str],
    others: Iterable[LeftOut],
) -> tuple[LeftOut, ...]:
    """Return the entries for the files in `reasons`, each with its reason, sorted by path.

    Instead of a file, the outermost directory above it of which nothing ships is an entry; for a separate project, that
    is the directory in `projects`. `shipped` are the files that ship. `others` are further entries.
    """
    holds_shipped = {directory for name in shipped for directory in directories_above(name)}
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(_entry(name, reason, holds_shipped, projects), []).append(reason)
    deep = {part for name in reasons for part in name.split("/")[1:]}
    entries = (_left_out(path, found, holds_shipped, deep) for path, found in groups.items())
    return tuple(sorted((*entries, *others), key=lambda entry: entry.path))


def table(chosen: Sources, added: Iterable[str], *, key: str) -> str:
    """Return the table of the dotted name `key` in TOML: `chosen`, with the patterns `added` to `include`."""
    lines = [f"[{key}]", *([f"root = {patterns.quoted(chosen.root)}"] if chosen.root is not None else [])]
    for name, values in (("include", (*chosen.include, *added)), ("exclude", chosen.exclude)):
        if values:
            lines.append(f"{name} = [{', '.join(map(patterns.quoted, values))}]")
    return LINE_BREAK.join(lines)


def where_to_paste(chosen: Sources) -> str:
    """Return the end of a sentence that asks to paste the table: `chosen` may be in the settings already."""
    return "paste this table into pyproject.toml" + (", in place of the present one" if chosen != Sources() else "")


def messages(entries: Sequence[LeftOut], chosen: Sources, *, key: str, record: str) -> Iterator[str]:
    """Yield the messages for the user: what to include, with the table to paste, and what else is left out.

    `key` is the dotted name of the table `chosen`, and `record` the file that has all entries.
    """
    offered = [entry for entry in entries if entry.offered][:_MAX_OFFERED]
    if offered:
        toml = table(chosen, (entry.include for entry in offered if entry.include is not None), key=key)
        asked = f"left out: {_listed(offered, record)}; to ship what is needed, {where_to_paste(chosen)}:"
        yield f"{asked}{LINE_BREAK}{toml}"
    others = sorted((entry for entry in entries if not entry.offered), key=lambda entry: entry.reason in ORDINARY)
    if others:
        yield f"left out{' too' if offered else ''}: {_listed(others, record)}"


def _listed(entries: Sequence[LeftOut], record: str) -> str:
    more = f" and {len(entries) - _MAX_SHOWN} more, all in {record}" if len(entries) > _MAX_SHOWN else ""
    return ", ".join(map(str, entries[:_MAX_SHOWN])) + more


def _entry(name: str, reason: str, holds_shipped: Collection[str], projects: Collection[str]) -> str:
    """Return the path of the entry that the file `name` belongs to."""
    above = [*directories_above(name)][::-1]
    if reason == PROJECT:
        above = [directory for directory in above if directory in projects]
    directory = next((directory for directory in above if directory not in holds_shipped), None)
    in_package = reason == KEY and above and above[0] in holds_shipped
    return name if directory is None or in_package else f"{directory}/"


def _left_out(path: str, reasons: Sequence[str], holds_shipped: Collection[str], deep: Collection[str]) -> LeftOut:
    """Return the entry for files with these reasons. `deep` are the names of files and directories below others."""
    first = min(set(reasons), key=lambda reason: (-reasons.count(reason), reason))
    partial = any(directory in holds_shipped for directory in directories_above(path.rstrip("/")))
    pattern = patterns.literal(path)
    if "/" not in path.rstrip("/") and path.rstrip("/") in deep:  # the pattern would match in other directories too
        pattern = f"/{pattern}"
    reason = f"{first}, with {KEY}" if KEY in reasons and first != KEY else first
    return LeftOut(path=path, reason=reason, include=pattern, offered=set(reasons) <= _OFFERED and not partial)
