"""Check that an image has what a finished binary requires, which is read from the binary itself."""

from __future__ import annotations

import contextlib
import email.parser
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from nox_pex.distributions import pex_file, tree
from nox_pex.distributions.pex_file import PexError, distribution_name
from nox_pex.distributions.pex_info import PexInfo
from nox_pex.errors import NoxPexError
from nox_pex.image.base_image import ImagePython
from nox_pex.system import files

_CONSTRAINT: Final = re.compile(r"(?P<implementation>[A-Za-z]*)(?P<variant>\+t|-t|\[[a-z-]+\])?(?P<versions>.*)")


_GLIBC: Final = re.compile(rb"GLIBC_2\.([0-9]{1,3})(?![0-9.])")


_MUSL: Final = re.compile(rb"libc\.musl-|ld-musl-")


_METADATA: Final = re.compile(r"\.deps/[^/]+/[^/]+\.dist-info/METADATA")


_MODULE: Final = re.compile(r"\.so(?:\.[0-9.]+)?$")


_PIECE: Final = 1 << 20
"""Bytes that are read at a time."""


_LARGEST_METADATA: Final = 16 << 20
"""Bytes of a METADATA that are read."""


_OVERLAP: Final = 16
"""Bytes of a piece that are searched again together with the next piece, so that no name is cut in two."""


class BinaryRequirements(Struct, frozen=True, kw_only=True):
    """The requirements of a binary.

    `constraints` are interpreter constraints, one of which must hold. `wheels` are the file names of its distributions.
    `libc` is for wheels that were compiled here, whose names promise no libc: the libc that their modules name, such as
    `("glibc", 34)` or `("musl", 0)`. `requires` is the `Requires-Dist` of each distribution, by normalized name.
    """

    constraints: tuple[str, ...]
    wheels: tuple[str, ...]
    libc: Mapping[str, tuple[str, int]] = {}
    requires: Mapping[str, tuple[str, ...]] = {}


def read_requirements(binary: Path) -> BinaryRequirements:
    """Return the requirements of the PEX at `binary`, of any layout. Raises `PexError` if it is none."""
    info = pex_file.info(binary)
    wheels = tuple(sorted(info.distributions))
    compiled_here = [wheel for wheel in wheels if re.search(r"-linux_[^-]+\.whl$", wheel)]
    with pex_file.reporting_damage(), contextlib.closing(_Members(binary)) as members:
        libc = {wheel: members.libc(f".deps/{wheel}/") for wheel in compiled_here}
        requires = dict(members.requirements())
    return BinaryRequirements(
        constraints=_constraints(info),
        wheels=wheels,
        libc={wheel: found for wheel, found in libc.items() if found is not None},
        requires=requires,
    )


def _constraints(info: PexInfo) -> tuple[str, ...]:
    try:
        return msgspec.convert(info.values.get("interpreter_constraints", ()), tuple[str, ...])
    except msgspec.ValidationError as error:
        msg = f"it is no PEX-INFO: {error} in interpreter_constraints"
        raise PexError(msg) from error


def check(
    required: BinaryRequirements,
    python: ImagePython,
    *,
    name: str,
    base: str,
    built_with: str | None = None,
    has_engine: bool = True,
) -> None:
    """Raise `NoxPexError` `image-python`, which names both sides, if the binary `name` cannot run on the image `base`.

    `built_with` is the version of Python that Poetry installed for, if it is known. A lock may require more
    distributions on another patch release (`async-timeout; python_full_version < "3.11.3"`). Only with an engine can
    the image's own build build the binary.
    """
    unmet = _unmet(required, python) or (_not_locked(required, python, built_with) if built_with else None)
    if unmet is None:
        return
    problem = f"the binary {name} is for {unmet}, but the base {base} has {python}"
    otherwise = "build for this one with `nox -s image -- --from-source`"
    if not has_engine:
        otherwise = "list its platform in `complete-platforms`, so that the binary has wheels for it"
    raise NoxPexError("image-python", problem, f"choose another base, or {otherwise}")


def check_builder(builder_python: ImagePython, python: ImagePython, *, builder: str, base: str) -> None:
    """Raise `NoxPexError` `image-python` if a binary that is built in the image `builder` cannot run on `base`."""
    same = ("implementation", "minor", "gil", "machine", "libc")
    fits = all(getattr(builder_python, name) == getattr(python, name) for name in same)
    if not fits or builder_python.libc_minor > python.libc_minor:
        problem = f"the builder {builder} has {builder_python}, but the base {base} has {python}"
        remedy = "choose images of one family (python:3.12 and python:3.12-slim), and a builder whose libc is no newer"
        raise NoxPexError("image-python", problem, remedy)


def _unmet(required: BinaryRequirements, python: ImagePython) -> str | None:
    """Return the first requirement that is not met, for the message; None if all are met.

    If the binary has several wheels of a distribution, one that fits is enough.
    """
    if required.constraints and not any(_allows(constraint, python) for constraint in required.constraints):
        return " or ".join(required.constraints)
    supported = python.tags()
    reasons: dict[str, list[str | None]] = {}
    for wheel in required.wheels:
        reasons.setdefault(distribution_name(wheel), []).append(_unmet_by_wheel(wheel, required, python, supported))
    return next((of_wheels[0] for of_wheels in reasons.values() if all(of_wheels)), None)


def _unmet_by_wheel(
    wheel: str, required: BinaryRequirements, python: ImagePython, supported: frozenset[Tag]
) -> str | None:
    """Return the requirement of one wheel that is not met, for the message; None if the wheel fits."""
    try:
        tags = parse_wheel_filename(wheel)[3]
    except InvalidWheelFilename:
        return None
    name = wheel.partition("-")[0]
    if supported.isdisjoint(tags):
        return f"{' or '.join(sorted(map(str, tags)))} ({name})"
    libc, minor = required.libc.get(wheel, (python.libc, 0))
    if libc != python.libc or (libc == "glibc" and minor > python.libc_minor):
        version = f" 2.{minor}" if minor else ""
        return f"{libc}{version} ({name}, which was compiled here)"
    return None


def _not_locked(required: BinaryRequirements, python: ImagePython, built_with: str) -> str | None:
    """Return the first requirement that only the patch release of the base has, and that is not in the binary."""
    if python.version == built_with:
        return None
    on_base, on_builder = marker_environment(python, python.version), marker_environment(python, built_with)
    requirements = {name: list(_parsed(texts)) for name, texts in required.requires.items()}
    extras: dict[str, set[str]] = {name: {""} for name in requirements}
    for requirement in (each for of_distribution in requirements.values() for each in of_distribution):
        extras.get(canonicalize_name(requirement.name), set()).update(requirement.extras)
    for name, of_distribution in requirements.items():
        for requirement in of_distribution:
            marker = requirement.marker
            if marker is None or canonicalize_name(requirement.name) in requirements:
                continue
            for extra in sorted(extras[name]):
                if marker.evaluate({**on_base, "extra": extra}) and not marker.evaluate({**on_builder, "extra": extra}):
                    return f"Python {built_with} ({name} needs {requirement.name} if {marker})"
    return None


def _parsed(texts: Iterable[str]) -> Iterator[Requirement]:
    """Yield the requirements; one that is not valid, which Poetry has installed nevertheless, is left out."""
    for text in texts:
        with contextlib.suppress(InvalidRequirement):
            yield Requirement(text)


def marker_environment(python: ImagePython, version: str) -> dict[str, str]:
    """Return the environment markers (PEP 508) of the base if its Python had this version."""
    return {
        "implementation_name": python.implementation.lower(),
        "implementation_version": version,
        "os_name": "posix",
        "platform_machine": python.machine,
        "platform_python_implementation": python.implementation,
        "platform_system": "Linux",
        "python_full_version": version,
        "python_version": python.minor,
        "sys_platform": "linux",
    }


def _allows(constraint: str, python: ImagePython) -> bool:
    """Whether an interpreter constraint holds; a variant without the GIL is checked by the tags of the wheels."""
    match = _CONSTRAINT.fullmatch(constraint.strip())
    if match is None or match["implementation"] not in ("", python.implementation):
        return False
    try:
        return SpecifierSet(match["versions"]).contains(python.version, prereleases=True)
    except InvalidSpecifier:
        return True


class _Members:
    """The members of a PEX, a file or a directory, read in pieces."""

    def __init__(self, binary: Path) -> None:
        self._source = binary if binary.is_dir() else zipfile.ZipFile(binary)

    def close(self) -> None:
        if isinstance(self._source, zipfile.ZipFile):
            self._source.close()

    def content(self, name: str) -> bytes:
        with self._open(name) as file:
            return file.read(_LARGEST_METADATA)

    def libc(self, prefix: str) -> tuple[str, int] | None:
        """Return the libc that the modules under `prefix` name, with the highest minor version of glibc 2 they name."""
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
        """Yield the normalized name of each distribution with its `Requires-Dist`."""
        for name in self._names():
            if _METADATA.fullmatch(name):
                headers = email.parser.BytesHeaderParser().parsebytes(self.content(name))
                yield canonicalize_name(str(headers["Name"])), tuple(map(str, headers.get_all("Requires-Dist", ())))

    def _names(self) -> Sequence[str]:
        if isinstance(self._source, zipfile.ZipFile):
            return self._source.namelist()
        with pex_file.opened(self._source) as descriptor:
            return list(tree.files(descriptor))

    def _pieces(self, name: str) -> Iterator[bytes]:
        with self._open(name) as file:
            overlap = b""
            while piece := file.read(_PIECE):
                yield overlap + piece
                overlap = piece[-_OVERLAP:]

    def _open(self, name: str) -> IO[bytes]:
        if isinstance(self._source, zipfile.ZipFile):
            return self._source.open(name)
        return files.open_regular(self._source / name)
