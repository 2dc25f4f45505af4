"""The distributions in a file, as the page shows them: licence, locked file, and why each is there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from packaging.utils import NormalizedName

from nox_pex.contents.model import BinaryContents, Group
from nox_pex.evidence.sbom.bill import Bill, Component
from nox_pex.evidence.sbom.compose import NAMESPACE
from nox_pex.evidence.sbom.licence_check import is_distribution
from nox_pex.evidence.sbom.write import Declared
from nox_pex.page import bill_file, reasons
from nox_pex.page.bill_file import BillFile
from nox_pex.page.model import Distribution, Hash, Licence
from nox_pex.page.reasons import Reason
from nox_pex.pex.disagreements import Disagreement
from nox_pex.poetry.lock import Lock

_DEPENDENCIES: Final = ".deps/"


class Declarations(Struct, frozen=True, kw_only=True):
    """The facts about the project that a file was made from.

    `project` is its name. `names` is what it declares (`reasons.declared`) and `lock` its lock; both are None if it is
    not known that the file was made from them.
    """

    project: str
    names: Mapping[NormalizedName, str] | None = None
    lock: Lock | None = None


def distributions(
    bill: Bill, found: BillFile, contents: BinaryContents | None, declared: Declarations, record: Mapping[str, Any]
) -> tuple[Distribution, ...]:
    """Return the distributions of `bill`, sorted by name.

    `found` is the bill in `dist`, whose licences are better than those of the metadata: all are expressions of SPDX, as
    far as possible. `record` is the build record; empty if none describes the file.
    """
    why = reasons.of_bill(bill, known=declared.names, lock=declared.lock, project=declared.project)
    groups = {each.wheel: each for each in (contents.distributions if contents is not None else ())}
    notes = _notes(record)
    components = [each for each in bill.components if is_distribution(each)]
    return tuple(
        _distribution(each, found, groups, why[each.ref], notes, project=declared.project)
        for each in sorted(components, key=lambda each: (each.name, each.version, each.ref))
    )


def _distribution(
    component: Component,
    found: BillFile,
    groups: Mapping[str, Group],
    reason: Reason,
    notes: Mapping[tuple[str, str], list[str]],
    *,
    project: str,
) -> Distribution:
    properties = {name.removeprefix(f"{NAMESPACE}:"): value for name, value in component.properties}
    group = groups.get(properties.get("path", "").removeprefix(_DEPENDENCIES))
    declared = found.licences.get(component.ref) or bill_file.from_metadata(component.licences)
    return Distribution(
        name=component.name,
        version=component.version,
        summary=component.description,
        homepage=next((address for kind, address, _ in component.links if kind in ("website", "vcs")), ""),
        licences=tuple(_licences(declared)),
        locked=tuple(_locked(component, properties)),
        from_sdist="built-from-sdist" in properties,
        origin=component.purl,
        is_project=component.name == project,
        is_direct=reason.is_direct,
        path=reason.path,
        via=reason.via,
        stored=group.stored if group is not None else 0,
        size=group.size if group is not None else 0,
        notes=tuple(notes.get((component.name, component.version), ())),
    )


def _licences(declared: Declared) -> Iterator[Licence]:
    yield from (Licence(text=text, is_spdx=True) for text in declared.expressions)
    yield from (Licence(text=text, is_spdx=False) for text in declared.names)


def _locked(component: Component, properties: Mapping[str, str]) -> Iterator[Hash]:
    """Yield the locked file of a distribution, or all that it may have been."""
    for algorithm, digest in component.hashes:
        yield Hash(file=properties.get("locked-file", ""), hash=f"{algorithm}:{digest}")
    for name, value in component.properties:
        if name == f"{NAMESPACE}:candidate":
            file, _, digest = value.rpartition(" ")
            yield Hash(file=file, hash=digest)


def disagreements(record: Mapping[str, Any]) -> tuple[Disagreement, ...]:
    """Return the disagreements in a build record; those of another form are left out."""
    return tuple(_disagreements(record.get("disagreements", ())))


def _disagreements(entries: Iterable[Any]) -> Iterator[Disagreement]:
    for entry in entries:
        try:
            yield msgspec.convert(entry, Disagreement)
        except msgspec.ValidationError:
            continue


def _notes(record: Mapping[str, Any]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for each in disagreements(record):
        found.setdefault((each.distribution, each.version), []).append(str(each))
    return found
