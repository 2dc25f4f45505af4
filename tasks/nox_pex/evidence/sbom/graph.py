"""Which distribution in a file needs which other one, by their metadata, on the Pythons that the file is for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions import dist_info
from nox_pex.distributions.target_python import TargetPython
from nox_pex.evidence.sbom import metadata
from nox_pex.pex import disagreements
from nox_pex.pex.disagreements import Member
from nox_pex.poetry.selection import Selection
from nox_pex.project.pyproject import MAIN, Project


class Node(Struct, frozen=True, kw_only=True):
    """A distribution in the file: its `ref`, and its METADATA. `targets` are the positions of its Pythons."""

    ref: str
    name: NormalizedName
    version: str
    metadata: str
    targets: frozenset[int]


def edges(nodes: Iterable[Node], pythons: Sequence[TargetPython]) -> dict[str, set[str]]:
    """Return the refs of what each of `nodes` needs: extras and markers count as they apply on one of `pythons`."""
    every = list(nodes)
    found: dict[str, set[str]] = {node.ref: set() for node in every}
    infos = {node.ref: _packable(node, pythons) for node in every}
    for target, python in enumerate(pythons):
        here = {node.name: node for node in every if target in node.targets}
        members = {
            name: Member(name=name, version=node.version, info=infos[node.ref], targets=node.targets)
            for name, node in here.items()
        }
        for member, requirement, _ in disagreements.applying(members, python):
            needed = here.get(canonicalize_name(requirement.name))
            if needed is not None and needed.name != member.name:
                found[here[member.name].ref].add(needed.ref)
    return found


def connected(found: Mapping[str, set[str]], first: Iterable[str]) -> tuple[str, ...]:
    """Return `first` and what else the file must need directly, so that it needs everything; sorted.

    Those are the refs that nothing needs, and one of each circle.
    """
    starts = set(first)
    seen = _reachable(found, starts)
    needed = {ref for refs in found.values() for ref in refs}
    for ref in (*sorted(found.keys() - needed), *sorted(found)):
        if ref not in seen:
            starts.add(ref)
            seen |= _reachable(found, [ref])
    return tuple(sorted(starts))


def declared(project: Project, wanted: Selection) -> frozenset[NormalizedName]:
    """Return the names of the dependencies that `pyproject.toml` declares for the groups and extras `wanted`."""
    document = project.document
    table, poetry = document.get("project", {}), document.get("tool", {}).get("poetry", {})
    texts: list[Any] = []
    names: list[str] = []
    if MAIN in wanted.groups:
        texts += table.get("dependencies", ())
        names += poetry.get("dependencies", {})
    for extra, requirements in table.get("optional-dependencies", {}).items():
        texts += requirements if canonicalize_name(extra) in wanted.extras else ()
    for group, requirements in document.get("dependency-groups", {}).items():
        texts += requirements if canonicalize_name(group) in wanted.groups else ()
    for group, content in poetry.get("group", {}).items():
        names += content.get("dependencies", {}) if canonicalize_name(group) in wanted.groups else ()
    return frozenset([*map(canonicalize_name, names), *_names(texts)])


def _names(texts: Iterable[Any]) -> Iterable[NormalizedName]:
    for text in texts:
        try:
            yield canonicalize_name(Requirement(str(text)).name)
        except InvalidRequirement:  # another group that is included
            continue


def _reachable(found: Mapping[str, set[str]], starts: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        ref = waiting.pop()
        if ref not in seen:
            seen.add(ref)
            waiting += found.get(ref, ())
    return seen


def _packable(node: Node, pythons: Sequence[TargetPython]) -> dist_info.PackableDistInfo:
    """Return the METADATA of a distribution as pex accepts it; another tool may have made the file."""
    content = node.metadata[: metadata.LONGEST_HEADER].encode("utf-8", "surrogateescape")
    return dist_info.packable({dist_info.METADATA: content}, direct=False, pythons=pythons)
