"""Make the bill of materials of a file, as one value, from everything that is known of it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from nox_pex.distributions import target_python
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.distributions.target_python import TargetPython
from nox_pex.evidence import materials
from nox_pex.evidence.materials import Material
from nox_pex.evidence.sbom import graph, metadata
from nox_pex.evidence.sbom.bill import Bill, Component, Kind, Licences, Tool
from nox_pex.evidence.sbom.graph import Node
from nox_pex.evidence.sbom.metadata import plain
from nox_pex.evidence.sbom.shipped import ShippedDistribution, ShippedFile, ShippedPython
from nox_pex.pex import disagreements
from nox_pex.pex.build_record import RecordedScie
from nox_pex.pex.target import Contents, Target
from nox_pex.platforms.wheelhouse import Wheelhouse
from nox_pex.poetry.lock import Lock
from nox_pex.poetry.selection import Selection
from nox_pex.version import __version__

NAMESPACE: Final = "nox-pex"
"""The beginning of the names of all properties (CycloneDX property taxonomy)."""


NO_SUPPLIER: Final = "NOASSERTION"
"""The supplier of a distribution that names none: the word of SPDX for what nobody has said."""


_LONGEST_TEXT: Final = 500
"""Characters of the value of a property."""


_MINOR: Final = re.compile(r"(?:CPython)?\s*(?:==|~=)\s*(?P<minor>3\.[0-9]+)(?:\.\*|\.[0-9]+)?")
"""An interpreter constraint that allows one minor version."""


_PORTABLE_PYTHON: Final = re.compile(r"(?P<name>cpython|pypy)-?(?P<version>[0-9]+\.[0-9]+(?:\.[0-9]+)?\w*)")
"""The beginning of the file name of a portable Python."""


class Built(Struct, frozen=True, kw_only=True):
    """The facts about a file that its build record describes: the record, what was installed for it, its lock.

    `scies` are the scies that were built with it, each with the Python in it.
    """

    record: Mapping[str, Any]
    contents: Contents
    lock: Lock
    scies: tuple[tuple[RecordedScie, ShippedPython | None], ...] = ()


def compose(
    target: Target, shipped: ShippedFile, *, built: Built | None, lock: Lock | None, file: str, timestamp: str
) -> Bill:
    """Return the bill of the file `shipped`, which has the name `file`.

    `built` is None if no build record describes this very file. `lock` is the project's lock, if there is one, which
    then may be of other versions. `timestamp` is in the form of RFC 3339.
    """
    root = _root(target, shipped, built=built, file=file)
    parts = tuple(_parts(shipped.distributions, _materials(target, shipped, built=built, lock=lock)))
    pythons, positions = _pythons(shipped, built)
    components = [_component(part, built) for part in parts]
    nodes = [_node(part, positions) for part in parts if part.shipped.wheel]
    edges = graph.edges(nodes, pythons) | {part.ref: set() for part in parts if not part.shipped.wheel}
    needed = set(_first(target, parts, built))
    dependencies = {**edges, root.ref: set(graph.connected(edges, needed))}
    runtimes = (_pex(shipped), *_pythons_inside(shipped, built))
    scies = tuple(_scie(scie, root) for scie, _ in (built.scies if built is not None else ()))
    dependencies |= {each.ref: set() for each in runtimes}
    dependencies[root.ref] |= {runtimes[0].ref, *(each.ref for each in runtimes[1:] if not scies)}
    for scie in scies:
        dependencies[scie.ref] = {root.ref, *(each.ref for each in runtimes[1:])}
    return Bill(
        root=root,
        components=(*components, *runtimes, *scies),
        dependencies={ref: tuple(sorted(refs)) for ref, refs in sorted(dependencies.items())},
        graph="complete" if built is not None else "unknown",
        timestamp=timestamp,
        author=root.supplier,
        tool=Tool(name="nox-pex", version=__version__),
        properties=tuple(_of_bill(target, built)),
    )


class _Part(Struct, frozen=True, kw_only=True):
    """A distribution in the file, the ref of its component, and its material."""

    ref: str
    shipped: ShippedDistribution
    material: Material


def _materials(
    target: Target, shipped: ShippedFile, *, built: Built | None, lock: Lock | None
) -> Mapping[ShippedDistribution, Material]:
    """Return the material of each distribution."""
    installed = built.contents.distributions if built is not None else ()
    known = {materials.key(each.name, each.version) for each in installed}
    wanted = {(each.name, each.version) for each in shipped.distributions if _key(each) in known}
    found: dict[tuple[str, str], list[Material]] = {}
    for material in materials.materials(wanted, built.contents, built.lock) if built is not None else ():
        found.setdefault(materials.key(material.name, material.version), []).append(material)

    def of(each: ShippedDistribution) -> Material:
        if _key(each) in found:
            return _of_wheel(each, found[_key(each)])
        if each.name == target.project.name:
            return materials.of_project(each.name, each.version)
        return materials.of_unknown_origin(each.name, each.version, built.lock if built is not None else lock)

    return {each: of(each) for each in shipped.distributions}


def _key(each: ShippedDistribution) -> tuple[str, str]:
    return materials.key(each.name, each.version)


def _of_wheel(shipped: ShippedDistribution, candidates: Sequence[Material]) -> Material:
    """Return the one of `candidates`, which are of the same distribution, that has the wheel in the file."""
    same = [each for each in candidates if [file.name for file in each.files] == [shipped.wheel]]
    if same or len(candidates) == 1:
        return (same or candidates)[0]
    files = tuple(file for each in candidates for file in each.files)
    return Material(name=candidates[0].name, version=candidates[0].version, purl=candidates[0].purl, files=files)


def _parts(
    distributions: Iterable[ShippedDistribution], found: Mapping[ShippedDistribution, Material]
) -> Iterator[_Part]:
    """Yield each distribution with a ref that is unique."""
    purls = Counter(found[each].purl for each in distributions)
    seen: Counter[str] = Counter()
    for each in distributions:
        ref = found[each].purl
        if purls[ref] > 1:
            ref = f"{ref}#{each.wheel or 'loose'}"
        seen[ref] += 1
        yield _Part(ref=ref if seen[ref] == 1 else f"{ref}#{seen[ref]}", shipped=each, material=found[each])


def _root(target: Target, shipped: ShippedFile, *, built: Built | None, file: str) -> Component:
    """Return the component of the file itself."""
    project = target.project
    table, poetry = project.document.get("project", {}), project.document.get("tool", {}).get("poetry", {})
    own = next((each for each in shipped.distributions if each.name == project.name), None)
    version = (own and own.version) or (built and built.record.get("version")) or (project.version if built else None)
    properties = [("file", file), ("size", str(shipped.size))]
    if shipped.is_directory:
        properties.append(("tree-sha256", shipped.sha256))
    if built is not None:
        properties += _of_record(built.record)
    authors = tuple(_people(table.get("authors")) or _people(poetry.get("authors")))
    return Component(
        ref=f"binary:{target.name}",
        type="application",
        name=target.name,
        version=plain(str(version or "0")),
        purl=materials.purl("generic", project.name, plain(str(version)) if version else None),
        description=plain(str(table.get("description") or poetry.get("description") or ""), _LONGEST_TEXT),
        supplier=(*authors, project.name)[0],
        authors=authors,
        hashes=() if shipped.is_directory else (("sha256", shipped.sha256),),
        licences=_own_licences(table, poetry),
        properties=tuple(_named(properties)),
    )


def _people(authors: Any) -> list[str]:
    """Return the names of authors in `pyproject.toml`: tables, or texts such as `Name <address>`."""
    found = []
    for each in authors if isinstance(authors, list) else ():
        name = each.get("name") or each.get("email") if isinstance(each, dict) else str(each).partition("<")[0]
        found += [plain(str(name))] if name and plain(str(name)) else []
    return found


def _own_licences(table: Mapping[str, Any], poetry: Mapping[str, Any]) -> Licences:
    """Return the licence of the project by its `pyproject.toml`."""
    licence = table.get("license")
    if isinstance(licence, str):
        return Licences(expression=plain(licence))
    text = licence.get("text", "") if isinstance(licence, dict) else poetry.get("license") or ""
    return Licences(text=plain(str(text)))


def _of_record(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the properties of a file that its build record has."""
    platforms = record.get("platform", "")
    for platform in [platforms] if isinstance(platforms, str) else platforms:
        yield "platform", str(platform)
    yield "python", str(record.get("python", ""))
    yield "lock-sha256", str(record.get("lock-hash", ""))
    if (git := record.get("git")) is not None:
        yield "git-commit", str(git["commit"])
        yield "git-dirty", "true" if git["dirty"] else "false"


def _of_bill(target: Target, built: Built | None) -> Iterator[tuple[str, str]]:
    """Yield the properties of the whole bill."""
    if built is None:
        reason = "no build record describes this file, so it is not known which locked files it was made of"
        yield from _named([("hashes", f"unknown: {reason}")])
        return
    yield from _named([("excluded", text) for text in target.table.exclude])


def _component(part: _Part, built: Built | None) -> Component:
    """Return the component of a distribution."""
    shipped, material = part.shipped, part.material
    described = metadata.describe(shipped.metadata)
    certain = material.files if len(material.files) == 1 else ()
    properties = [("path", f".deps/{shipped.wheel}" if shipped.wheel else "")]
    properties += [("locked-file", file.name) for file in certain]
    properties += [("candidate", f"{file.name} {file.hash}") for file in material.files if not certain]
    properties += [("built-from-sdist", "true")] if material.from_sdist else []
    properties += [("git-commit", material.commit)] if material.commit else []
    if built is not None:
        properties += _of_contents(shipped, built)
    hashes = tuple(_hash(file.hash) for file in certain)
    return Component(
        ref=part.ref,
        type="library",
        name=shipped.name,
        version=shipped.version,
        purl=material.purl,
        description=described.summary,
        supplier=described.supplier or NO_SUPPLIER,
        authors=described.authors,
        hashes=hashes,
        links=described.links,
        licences=described.licences,
        properties=tuple(_named(properties)),
    )


def _hash(text: str) -> tuple[str, str]:
    algorithm, _, digest = text.partition(":")
    return algorithm, digest


def _of_contents(shipped: ShippedDistribution, built: Built) -> Iterator[tuple[str, str]]:
    """Yield what was found about a distribution when it was installed and packed."""
    if digest := built.contents.path_digests.get(shipped.name):
        yield "source-digest", digest
    if isinstance(built.contents, Wheelhouse):
        targets = {name for each in _wheels(built.contents, shipped) for name in each.targets}
        yield from (("target", Path(name).name) for name in sorted(targets))
    for each in built.record.get("disagreements", ()):
        if (each.get("distribution"), each.get("version")) == (shipped.name, shipped.version):
            other = each.get("installed") or each.get("replacement")
            yield "disagreement", f"{each.get('kind')}: {each.get('text')}{f' -> {other}' if other else ''}"


def _named(properties: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield properties with their full names, each plain; one without a value is left out."""
    for name, value in properties:
        if text := plain(value, _LONGEST_TEXT):
            yield f"{NAMESPACE}:{name}", text


def _wheels(contents: Wheelhouse, shipped: ShippedDistribution) -> list[Any]:
    """Return the wheels for other platforms that a distribution in the file may be: one, if its file name is known."""
    same = [each for each in contents.wheels if materials.key(each.name, each.version) == _key(shipped)]
    return [each for each in same if each.file == shipped.wheel] or same


def _pythons(
    shipped: ShippedFile, built: Built | None
) -> tuple[tuple[TargetPython, ...], Mapping[ShippedDistribution, frozenset[int]]]:
    """Return the Pythons that the file is for, and the positions of those that each distribution is for."""
    if built is None:
        pythons: tuple[TargetPython, ...] = (_python_of(shipped.constraints),)
    else:
        pythons = disagreements.target_pythons(built.contents)
    everywhere = frozenset(range(len(pythons)))
    positions = dict.fromkeys(shipped.distributions, everywhere)
    if built is not None and isinstance(built.contents, Wheelhouse):
        names = {platform.name: position for position, platform in enumerate(built.contents.platforms)}
        for each in shipped.distributions:
            targets = {names[name] for wheel in _wheels(built.contents, each) for name in wheel.targets}
            positions[each] = frozenset(targets) or everywhere  # the project's own wheel is for all of them
    return pythons, positions


def _python_of(constraints: Iterable[str]) -> TargetPython:
    """Return a Python that the file may run on, by its interpreter constraints, on this machine."""
    minors = [match["minor"] for text in constraints if (match := _MINOR.fullmatch(text.strip()))]
    version = f"{minors[0]}.0" if minors else "3.11.0"
    return target_python.of_this_machine(
        Interpreter(implementation="CPython", version=version, executable=Path("python"))  # it is never started
    )


def _node(part: _Part, positions: Mapping[ShippedDistribution, frozenset[int]]) -> Node:
    shipped = part.shipped
    return Node(
        ref=part.ref,
        name=shipped.name,
        version=shipped.version,
        metadata=shipped.metadata,
        targets=positions[shipped],
    )


def _first(target: Target, parts: Iterable[_Part], built: Built | None) -> Iterator[str]:
    """Yield the refs that the file needs directly: the project's own wheel, or what `pyproject.toml` declares."""
    every = list(parts)
    own = [part.ref for part in every if part.shipped.name == target.project.name]
    if own or built is None:
        yield from own
        return
    wanted: Selection = built.contents.selection
    names = graph.declared(target.project, wanted)
    yield from (part.ref for part in every if part.shipped.name in names)


def _pex(shipped: ShippedFile) -> Component:
    """Return the component of pex's own code, which starts the file, with the libraries in it."""
    version = shipped.pex_version
    return Component(
        ref=f"runtime:pex@{version}",
        type="library",
        name="pex",
        version=version or "0",
        purl=materials.purl("pypi", "pex", version),
        description="The code of pex that starts the file.",
        supplier="The PEX developers",
        licences=Licences(expression="Apache-2.0"),
        properties=tuple(_named([("path", ".bootstrap"), *(("vendored", name) for name in shipped.vendored)])),
    )


def _pythons_inside(shipped: ShippedFile, built: Built | None) -> Iterator[Component]:
    """Yield the components of the portable Pythons: of the file if it is a scie, or of the scies built with it."""
    found = [shipped.python, *(python for _, python in (built.scies if built is not None else ()))]
    for python in {each.file: each for each in found if each is not None}.values():
        match = _PORTABLE_PYTHON.match(python.file)
        name, version = (match["name"], match["version"]) if match else ("python", "0")
        kind: Kind = "platform"
        state = "included" if python.included else "downloaded at the first start"
        yield Component(
            ref=f"python:{plain(python.file)}",
            type=kind,
            name=name,
            version=version,
            purl=materials.purl("generic", name, version),
            description="The Python in the scie.",
            supplier="Python Software Foundation" if name == "cpython" else NO_SUPPLIER,
            hashes=(("sha256", python.sha256),),
            licences=Licences(expression="Python-2.0" if name == "cpython" else ""),
            properties=tuple(_named([("file", python.file), ("python", state)])),
        )


def _scie(scie: RecordedScie, root: Component) -> Component:
    """Return the component of an executable that was built with the file."""
    return Component(
        ref=f"scie:{scie.file}",
        type="file",
        name=scie.file,
        version=root.version,
        supplier=root.supplier,
        hashes=(("sha256", scie.sha256),),
        properties=tuple(_named([("file", scie.file), ("platform", scie.platform)])),
    )
