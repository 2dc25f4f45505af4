"""What a finished binary demands of the machine that it runs on, read from the binary itself."""

from __future__ import annotations

import contextlib
import email.parser
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from nox_pex.distributions.pex_file import distribution
from nox_pex.errors import NoxPexError
from nox_pex.image.base_image import ImagePython

_CONSTRAINT: Final = re.compile(r"(?P<implementation>[A-Za-z]*)(?P<variant>\+t|-t|\[[a-z-]+\])?(?P<versions>.*)")


_GLIBC: Final = re.compile(rb"GLIBC_2\.([0-9]{1,3})(?![0-9.])")


_MUSL: Final = re.compile(rb"libc\.musl-|ld-musl-")


_METADATA: Final = re.compile(r"\.deps/[^/]+/[^/]+\.dist-info/METADATA")


_MODULE: Final = re.compile(r"\.so(?:\.[0-9.]+)?$")


_PIECE: Final = 1 << 20


_OVERLAP: Final = 16
"""Bytes that two pieces share, so that no name is cut through."""


@dataclass(frozen=True, kw_only=True)
class BinaryRequirements:
    """The demands of a binary.

    `constraints` are interpreter constraints, one of which must hold. `wheels` are the file names of its distributions.
    `libc` has, for each wheel whose name promises no libc since it was compiled here, the one that its modules name:
    `("glibc", 34)`, `("musl", 0)`. `requires` has what each distribution requires (its `Requires-Dist`), by its name.
    """

    constraints: tuple[str, ...]
    wheels: tuple[str, ...]
    libc: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_requirements(binary: Path) -> BinaryRequirements:
    """The demands of a PEX of any layout."""
    with contextlib.closing(_Members(binary)) as members:
        info: Mapping[str, Any] = json.loads(members.content("PEX-INFO"))
        wheels = tuple(sorted(info["distributions"]))
        here = [wheel for wheel in wheels if re.search(r"-linux_[^-]+\.whl$", wheel)]
        named = {wheel: members.libc(f".deps/{wheel}/") for wheel in here}
        requires = dict(members.requirements())
    return BinaryRequirements(
        constraints=tuple(info.get("interpreter_constraints", ())),
        wheels=wheels,
        libc={wheel: found for wheel, found in named.items() if found is not None},
        requires=requires,
    )


def check(
    demands: BinaryRequirements, facts: ImagePython, *, name: str, base: str, built_with: str | None = None
) -> None:
    """Raise `NoxPexError` `image-python` where the binary `name` cannot run on `base`, and name both sides.

    `built_with` is the version of Python that Poetry installed for, where that is known: a lock may have more for
    another patch release (`async-timeout; python_full_version < "3.11.3"`).
    """
    wanted = _unmet(demands, facts) or (_unlocked(demands, facts, built_with) if built_with else None)
    if wanted is None:
        return
    problem = f"the binary {name} is for {wanted}, and the base {base} has {facts}"
    remedy = "choose another base, or build for this one with `nox -s image -- --from-source`"
    raise NoxPexError("image-python", problem, remedy)


def check_builder(builder_facts: ImagePython, facts: ImagePython, *, builder: str, base: str) -> None:
    """Raise `NoxPexError` `image-python` where what the image `builder` makes cannot run on `base`."""
    same = ("implementation", "minor", "gil", "machine", "libc")
    fits = all(getattr(builder_facts, name) == getattr(facts, name) for name in same)
    if not fits or builder_facts.libc_minor > facts.libc_minor:
        problem = f"the builder {builder} has {builder_facts}, and the base {base} has {facts}"
        remedy = "choose images of one family (python:3.12 and python:3.12-slim), the builder's system no newer"
        raise NoxPexError("image-python", problem, remedy)


def _unmet(demands: BinaryRequirements, facts: ImagePython) -> str | None:
    """The first demand that is not met, in words. One wheel of a distribution is enough, where it has several."""
    if demands.constraints and not any(_allows(constraint, facts) for constraint in demands.constraints):
        return " or ".join(demands.constraints)
    supported = facts.tags()
    unmet: dict[str, list[str | None]] = {}
    for wheel in demands.wheels:
        unmet.setdefault(distribution(wheel), []).append(_unmet_by(wheel, demands, facts, supported))
    return next((reasons[0] for reasons in unmet.values() if all(reasons)), None)


def _unmet_by(wheel: str, demands: BinaryRequirements, facts: ImagePython, supported: frozenset[Tag]) -> str | None:
    """The demand of one wheel that is not met, in words."""
    try:
        of = parse_wheel_filename(wheel)[3]
    except InvalidWheelFilename:
        return None
    if supported.isdisjoint(of):
        return f"{' or '.join(sorted(map(str, of)))} ({wheel.partition('-')[0]})"
    libc, minor = demands.libc.get(wheel, (facts.libc, 0))
    if libc != facts.libc or (libc == "glibc" and minor > facts.libc_minor):
        version = f" 2.{minor}" if minor else ""
        return f"{libc}{version} ({wheel.partition('-')[0]}, which was compiled here)"
    return None


def _unlocked(demands: BinaryRequirements, facts: ImagePython, built_with: str) -> str | None:
    """The first requirement that holds on the base's patch release alone, and that is not in the binary, in words."""
    if facts.version == built_with:
        return None
    there, here = _environment(facts, facts.version), _environment(facts, built_with)
    every = {name: [Requirement(text) for text in texts] for name, texts in demands.requires.items()}
    asked: dict[str, set[str]] = {name: {""} for name in every}
    for requirement in (each for requirements in every.values() for each in requirements):
        asked.get(canonicalize_name(requirement.name), set()).update(requirement.extras)
    for name, requirements in every.items():
        for requirement in requirements:
            marker = requirement.marker
            if marker is None or canonicalize_name(requirement.name) in every:
                continue
            for extra in sorted(asked[name]):
                if marker.evaluate({**there, "extra": extra}) and not marker.evaluate({**here, "extra": extra}):
                    return f"Python {built_with} ({name} needs {requirement.name} where {marker})"
    return None


def _environment(facts: ImagePython, version: str) -> dict[str, str]:
    """The environment markers (PEP 508) of the base, had its Python this version."""
    return {
        "implementation_name": facts.implementation.lower(),
        "implementation_version": version,
        "os_name": "posix",
        "platform_machine": facts.machine,
        "platform_python_implementation": facts.implementation,
        "platform_system": "Linux",
        "python_full_version": version,
        "python_version": facts.minor,
        "sys_platform": "linux",
    }


def _allows(constraint: str, facts: ImagePython) -> bool:
    """Whether an interpreter constraint holds; the variants of a GIL are left to the wheels' tags."""
    match = _CONSTRAINT.fullmatch(constraint.strip())
    if match is None or match["implementation"] not in ("", facts.implementation):
        return False
    try:
        return SpecifierSet(match["versions"]).contains(facts.version, prereleases=True)
    except InvalidSpecifier:
        return True


class _Members:
    """The members of a PEX, a file or a directory, read in pieces."""

    def __init__(self, binary: Path) -> None:
        self._directory = binary if binary.is_dir() else None
        self._archive = None if binary.is_dir() else zipfile.ZipFile(binary)

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()

    def content(self, name: str) -> bytes:
        with self._open(name) as file:
            return file.read()

    def libc(self, prefix: str) -> tuple[str, int] | None:
        """The libc that the modules under `prefix` name, and the highest minor version of glibc 2 among them."""
        highest: int | None = None
        for name in self._names():
            if not (name.startswith(prefix) and _MODULE.search(name)):
                continue
            for piece in self._pieces(name):
                if _MUSL.search(piece):
                    return "musl", 0
                found = [int(minor) for minor in _GLIBC.findall(piece)]
                highest = max([*found, highest if highest is not None else -1], default=-1)
        return None if highest is None or highest < 0 else ("glibc", highest)

    def requirements(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The name of each distribution, and what it requires."""
        for name in self._names():
            if _METADATA.fullmatch(name):
                parsed = email.parser.BytesHeaderParser().parsebytes(self.content(name))
                yield canonicalize_name(str(parsed["Name"])), tuple(map(str, parsed.get_all("Requires-Dist", ())))

    def _names(self) -> Sequence[str]:
        if self._archive is not None:
            return self._archive.namelist()
        assert self._directory is not None  # noqa: S101  # for the type checker: it is one of the two
        return [path.relative_to(self._directory).as_posix() for path in self._directory.rglob("*") if path.is_file()]

    def _pieces(self, name: str) -> Iterator[bytes]:
        with self._open(name) as file:
            before = b""
            while piece := file.read(_PIECE):
                yield before + piece
                before = piece[-_OVERLAP:]

    def _open(self, name: str) -> IO[bytes]:
        if self._archive is not None:
            return self._archive.open(name)
        assert self._directory is not None  # noqa: S101  # likewise
        return (self._directory / name).open("rb")
