"""Why each distribution is in a file: the shortest way to it from what the project itself declares. Pure.

An edge is a requirement in the metadata of the file, as it applies on its Pythons. Poetry decides what ships, also if
the metadata does not ask for it, so what no such edge leads to is looked for in the lock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.evidence.sbom.bill import Bill
from nox_pex.evidence.sbom.licence_check import is_distribution
from nox_pex.poetry.lock import Lock
from nox_pex.poetry.selection import Selection
from nox_pex.project.pyproject import MAIN, Project

_DEEPEST: Final = 20
"""Groups that include each other."""


class Reason(Struct, frozen=True, kw_only=True):
    """The reason for which a distribution is in a file.

    `path` has the names from a direct dependency of the project to the distribution itself; it is empty if the
    distribution is the project itself, or if nothing is known to need it. `via` is the group or the extra that declares
    the first of them (`group docs`, `extra tls`); empty for the main group. `is_direct` is None if it is not known what
    the project declares.
    """

    path: tuple[str, ...] = ()
    via: str = ""
    is_direct: bool | None = None


def declared(project: Project, wanted: Selection) -> dict[NormalizedName, str]:
    """Return what `pyproject.toml` declares for the groups and extras `wanted`: the names, each with its `via`."""
    document = project.document
    table, poetry = document.get("project", {}), document.get("tool", {}).get("poetry", {})
    found = _of_main(table, poetry, wanted) if MAIN in wanted.groups else {}
    for extra, texts in table.get("optional-dependencies", {}).items():
        if canonicalize_name(extra) in wanted.extras:
            found = {**dict.fromkeys(_names(texts), f"extra {extra}"), **found}
    for group, names in _groups(document, poetry):
        if canonicalize_name(group) in wanted.groups and group != MAIN:
            found = {**dict.fromkeys(names, f"group {group}"), **found}
    return found


def _of_main(table: Mapping[str, Any], poetry: Mapping[str, Any], wanted: Selection) -> dict[NormalizedName, str]:
    """Return what the main group declares. An optional dependency may be there for one of Poetry's own extras."""
    names = [*map(canonicalize_name, poetry.get("dependencies", {})), *_names(table.get("dependencies", ()))]
    of_extras = _of_poetry_extras(poetry, wanted)
    return {name: of_extras.get(name, "") for name in names if name != "python"}


def _of_poetry_extras(poetry: Mapping[str, Any], wanted: Selection) -> dict[NormalizedName, str]:
    """Return the `via` of each optional dependency that one of Poetry's own extras brings."""
    found: dict[NormalizedName, str] = {}
    for extra, names in poetry.get("extras", {}).items():
        if canonicalize_name(extra) in wanted.extras:
            for name in _names(names):
                found.setdefault(name, f"extra {extra}")
    return found


def _groups(document: Mapping[str, Any], poetry: Mapping[str, Any]) -> Iterable[tuple[str, list[NormalizedName]]]:
    """Yield the name of each group, and the names that it declares."""
    standard = document.get("dependency-groups", {})
    for group in standard:
        yield group, _names(_with_included(standard, group))
    for group, content in poetry.get("group", {}).items():
        dependencies = content.get("dependencies", {}) if isinstance(content, dict) else {}
        yield group, [canonicalize_name(name) for name in dependencies]
    yield "dev", [canonicalize_name(name) for name in poetry.get("dev-dependencies", {})]


def _with_included(groups: Mapping[str, Any], group: str) -> list[Any]:
    """Return the entries of a group, and of the groups that it includes (PEP 735)."""
    by_name = {canonicalize_name(name): entries for name, entries in groups.items() if isinstance(entries, list)}
    found: list[Any] = []
    waiting, seen = [canonicalize_name(group)], set[str]()
    while waiting and len(seen) < _DEEPEST:
        name = waiting.pop()
        seen.add(name)
        for entry in by_name.get(name, ()):
            included = entry.get("include-group") if isinstance(entry, dict) else None
            if included is None:
                found.append(entry)
            elif (other := canonicalize_name(str(included))) not in seen:
                waiting.append(other)
    return found


def _names(texts: Any) -> list[NormalizedName]:
    """Return the names in requirements; what is none is left out."""
    found = []
    for text in texts if isinstance(texts, list | tuple) else ():
        try:
            found.append(canonicalize_name(Requirement(str(text)).name))
        except InvalidRequirement:
            continue
    return found


class _Graph(Struct, frozen=True, kw_only=True):
    """The distributions in a bill: the name of each by its ref, the refs of each name, and what each ref needs."""

    names: Mapping[str, NormalizedName]
    refs: Mapping[str, Sequence[str]]
    needed: Mapping[str, Sequence[str]]


def of_bill(
    bill: Bill, *, known: Mapping[NormalizedName, str] | None, lock: Lock | None, project: str
) -> dict[str, Reason]:
    """Return the reason for each distribution in `bill`, by its ref.

    `known` is what the project declares; None if nobody knows for which project the file was made. `lock` is the one
    that it was made from, if it is known. `project` is the name of the project.
    """
    graph = _graph(bill)
    starts = _unknown_starts(graph, project) if known is None else _starts(graph, known, project)
    locked = {package.name: package.dependencies for package in (lock.packages if lock is not None else ())}

    def by_lock(ref: str) -> list[str]:
        return [each for name in locked.get(graph.names[ref], ()) for each in graph.refs.get(name, ())]

    paths = _shortest(starts, lambda ref: graph.needed[ref], by_lock)
    found = dict.fromkeys(graph.names, Reason())
    for ref, path in paths.items():
        if graph.names[ref] != project:
            is_direct = None if known is None else len(path) == 1
            names = tuple(graph.names[each] for each in path)
            found[ref] = Reason(path=names, via=starts[path[0]], is_direct=is_direct)
    return found


def _graph(bill: Bill) -> _Graph:
    names = {each.ref: canonicalize_name(each.name) for each in bill.components if is_distribution(each)}
    refs: dict[str, list[str]] = {}
    for ref in sorted(names):
        refs.setdefault(names[ref], []).append(ref)
    needed = {ref: [each for each in bill.dependencies.get(ref, ()) if each in names] for ref in names}
    return _Graph(names=names, refs=refs, needed=needed)


def _starts(graph: _Graph, known: Mapping[NormalizedName, str], project: str) -> dict[str, str]:
    """Return the refs of what the project declares, each with its `via`: the main group first."""
    order = sorted(known, key=lambda name: (bool(known[name]), known[name], name))
    return {ref: known[name] for name in order if name != project for ref in graph.refs.get(name, ())}


def _unknown_starts(graph: _Graph, project: str) -> dict[str, str]:
    """Return the refs that the project's own wheel needs; without one, those that nothing needs."""
    own = graph.refs.get(project, ())
    needed = {each for refs in graph.needed.values() for each in refs}
    first = [each for ref in own for each in graph.needed[ref]] or [ref for ref in graph.names if ref not in needed]
    return dict.fromkeys(sorted(first), "")


def _shortest(starts: Iterable[str], *edges: Callable[[str], Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the shortest path to each ref, from one of `starts` to itself; that of smaller refs if two are as short.

    The second of `edges` only counts for what the first does not lead to.
    """
    paths: dict[str, tuple[str, ...]] = {ref: (ref,) for ref in starts}
    for follow in edges:
        waiting = [(len(path), path) for path in paths.values()]
        heapq.heapify(waiting)
        while waiting:
            length, path = heapq.heappop(waiting)
            for needed in follow(path[-1]):
                if needed not in paths:
                    paths[needed] = (*path, needed)
                    heapq.heappush(waiting, (length + 1, paths[needed]))
    return paths
