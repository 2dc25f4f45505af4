"""A virtual environment as data: its interpreter, and the distributions that are installed in it."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.errors import NoxPexError

_CHUNK: Final = 1 << 20

_AROUND: Final = b"#!/bin/sh\n'''exec' "
"""How a script begins whose interpreter has a path that no kernel reads: three lines long (`installer`, distlib)."""


class Interpreter(Struct, frozen=True, kw_only=True):
    """The Python of an environment.

    `implementation` and `version` are as its `pyvenv.cfg` has them (`CPython`, `3.11.7`), `executable` is the base
    interpreter that it links to.
    """

    implementation: str
    version: str
    executable: Path

    @property
    def minor(self) -> str:
        """Major and minor version: `3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def identity(self) -> str:
        """What distinguishes this interpreter from another one, as one line."""
        try:
            size = self.executable.stat().st_size
        except OSError:
            size = 0
        return f"{self.implementation} {self.version} at {self.executable} ({size} bytes)"


class Distribution(Struct, frozen=True, kw_only=True):
    """An installed distribution (PEP 376).

    `record` is the SHA-256 of its RECORD, or None where that is missing or empty. `direct` is whether it came from a
    path, a URL or Git (it has a `direct_url.json`, PEP 610).
    """

    name: NormalizedName
    version: str
    directory: Path
    record: str | None
    direct: bool


class Environment(Struct, frozen=True, kw_only=True):
    """A virtual environment made by uv or virtualenv, by its directory."""

    path: Path

    @property
    def python(self) -> Path:
        """Its interpreter, as it is called."""
        return self.path / "bin" / "python"

    @property
    def usable(self) -> bool:
        """Whether its interpreter is there: a removed or upgraded base leaves a dangling link."""
        return self.python.exists() and (self.path / "pyvenv.cfg").is_file()

    def interpreter(self) -> Interpreter:
        """Its interpreter, read from `pyvenv.cfg` (PEP 405), so that no process is started for it.

        Raises `NoxPexError` `python-mismatch` where it is not a usable environment.
        """
        try:
            lines = (self.path / "pyvenv.cfg").read_text("utf-8").splitlines()
            facts = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
            version = ".".join((facts.get("version_info") or facts["version"]).split(".")[:3])
            executable = self.python.resolve(strict=True)
        except (OSError, KeyError) as error:
            problem = f"{self.path} is not a virtual environment that works ({error})"
            raise NoxPexError("python-mismatch", problem, "remove the directory and run it again") from error
        return Interpreter(
            implementation=facts.get("implementation", "CPython"), version=version, executable=executable
        )

    @property
    def site_packages(self) -> tuple[Path, ...]:
        """The directories that distributions are installed in, of whatever minor version."""
        return tuple(sorted((self.path / "lib").glob("py*/site-packages")))

    def distributions(self) -> tuple[Distribution, ...]:
        """What is installed, by name. Raises nothing: a damaged distribution has no `record`."""
        found = (
            _distribution(Path(entry.path))
            for directory in self.site_packages
            for entry in os.scandir(directory)
            if entry.name.endswith(".dist-info") and entry.is_dir()
        )
        return tuple(sorted(found, key=lambda distribution: (distribution.name, distribution.version)))

    def remove(self, distribution: Distribution) -> None:
        """Remove what the RECORD of `distribution` lists, and its `.dist-info` last, so that it is installed anew."""
        root = distribution.directory.parent
        for path, _, _ in record_rows(_text(distribution.directory / "RECORD")):
            file = Path(os.path.normpath(root / path))
            if file.is_relative_to(self.path):
                file.unlink(missing_ok=True)
        shutil.rmtree(distribution.directory, ignore_errors=True)

    def damaged(self) -> Iterator[str]:
        """Every file that is not as the RECORD of its distribution says, as `distribution: file`."""
        for distribution in self.distributions():
            if distribution.record is None:
                yield f"{distribution.name}: no RECORD"
                continue
            yield from (f"{distribution.name}: {file}" for file in _unlike_record(distribution.directory))


def is_compiled_here(distribution: Distribution) -> bool:
    """Whether a distribution was compiled on this machine: an index takes no wheel with the tag `linux_…` (PEP 513)."""
    return bool(re.search(r"^Tag: \S+-linux_", _text(distribution.directory / "WHEEL"), re.MULTILINE))


def snapshot(distributions: Sequence[Distribution]) -> dict[str, list[str | None]]:
    """What distributions are by name, as JSON has it: version, and the SHA-256 of the RECORD."""
    return {d.name: [d.version, d.record] for d in distributions}


def entry_points(distribution: Distribution, group: str = "console_scripts") -> Mapping[str, str]:
    """The entry points of `group` that an installed distribution declares, name to object reference."""
    return parse_entry_points(_text(distribution.directory / "entry_points.txt"), group)


def parse_entry_points(text: str, group: str = "console_scripts") -> Mapping[str, str]:
    """The entry points of `group` in the text of an `entry_points.txt`."""
    from configparser import ConfigParser  # noqa: PLC0415 (not needed where nothing changed)

    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of entry points are case-sensitive
    parser.read_string(text)
    return dict(parser[group]) if parser.has_section(group) else {}


def record_rows(text: str) -> Iterator[tuple[str, str, str]]:
    """The rows of a RECORD: path relative to site-packages, `algorithm=digest` or empty, size or empty."""
    for row in csv.reader(text.splitlines()):
        if row:
            path, digest, size = (*row, "", "")[:3]
            yield path, digest, size


def installed_files(distribution: Distribution, environment: Environment) -> Iterator[tuple[str, str, str]]:
    """The files of a distribution: path from the environment's directory, path as its RECORD has it, digest or empty.

    Raises `OSError` where there is no RECORD, or a file lies elsewhere.
    """
    root = distribution.directory.parent
    place = str(root.relative_to(environment.path))
    for path, digest, _ in record_rows((distribution.directory / "RECORD").read_text("utf-8", "surrogateescape")):
        inner = os.path.normpath(os.path.join(place, path))  # noqa: PTH118 (for ten thousand files)
        if inner.startswith(("../", "/")):
            msg = f"{distribution.name} has a file outside of its environment"
            raise OSError(0, msg, path)
        yield inner, path, digest


def body_digest(content: bytes) -> bytes:
    """A digest of a script without its beginning where that names an interpreter."""
    if content.startswith(_AROUND):
        return hashlib.sha256(content.split(b"\n", 3)[-1]).digest()
    first, newline, rest = content.partition(b"\n")
    return hashlib.sha256(rest if first.startswith(b"#!") else first + newline + rest).digest()


def record_digest(algorithm: str, path: Path) -> str:
    """The digest of a file in the form that a RECORD has it: urlsafe base64 without padding."""
    hasher = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return encoded(hasher.digest())


def encoded(digest: bytes) -> str:
    """A digest as a RECORD has it."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _distribution(directory: Path) -> Distribution:
    name, _, version = directory.name.removesuffix(".dist-info").partition("-")
    for line in _text(directory / "METADATA").splitlines():
        if not line:
            break
        key, _, value = line.partition(":")
        if key == "Name":
            name = value.strip()
        elif key == "Version":
            version = value.strip()
    record = _text(directory / "RECORD")
    return Distribution(
        name=canonicalize_name(name),
        version=version,
        directory=directory,
        record=hashlib.sha256(record.encode("utf-8", "surrogateescape")).hexdigest() if record.strip() else None,
        direct=(directory / "direct_url.json").exists(),
    )


def _unlike_record(directory: Path) -> Iterator[str]:
    root = directory.parent
    for path, digest, _ in record_rows(_text(directory / "RECORD")):
        algorithm, _, expected = digest.partition("=")
        file = root / path
        try:
            if (expected and record_digest(algorithm, file) != expected) or not file.exists():
                yield path
        except (OSError, ValueError):
            yield path


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
