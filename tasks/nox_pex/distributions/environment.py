"""A virtual environment as data: its interpreter, and the distributions that are installed in it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.distributions.record import record_digest, record_rows
from nox_pex.errors import NoxPexError


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
        for path, _, _ in record_rows(text_of(distribution.directory / "RECORD")):
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
    return bool(re.search(r"^Tag: \S+-linux_", text_of(distribution.directory / "WHEEL"), re.MULTILINE))


def snapshot(distributions: Sequence[Distribution]) -> dict[str, list[str | None]]:
    """What distributions are by name, as JSON has it: version, and the SHA-256 of the RECORD."""
    return {d.name: [d.version, d.record] for d in distributions}


def installed_files(distribution: Distribution, environment: Environment) -> Iterator[tuple[str, str, str]]:
    """The files of a distribution: path from the environment's directory, path as its RECORD has it, digest or empty.

    Raises `OSError` where there is no RECORD, or a file lies elsewhere.
    """
    root = distribution.directory.parent
    place = str(root.relative_to(environment.path))
    for path, digest, _ in record_rows((distribution.directory / "RECORD").read_text("utf-8", "surrogateescape")):
        inner = os.path.normpath(os.path.join(place, path))  # noqa: PTH118  # for ten thousand files
        if inner.startswith(("../", "/")):
            msg = f"{distribution.name} has a file outside of its environment"
            raise OSError(0, msg, path)
        yield inner, path, digest


def _distribution(directory: Path) -> Distribution:
    name, _, version = directory.name.removesuffix(".dist-info").partition("-")
    for line in text_of(directory / "METADATA").splitlines():
        if not line:
            break
        key, _, value = line.partition(":")
        if key == "Name":
            name = value.strip()
        elif key == "Version":
            version = value.strip()
    record = text_of(directory / "RECORD")
    return Distribution(
        name=canonicalize_name(name),
        version=version,
        directory=directory,
        record=hashlib.sha256(record.encode("utf-8", "surrogateescape")).hexdigest() if record.strip() else None,
        direct=(directory / "direct_url.json").exists(),
    )


def _unlike_record(directory: Path) -> Iterator[str]:
    root = directory.parent
    for path, digest, _ in record_rows(text_of(directory / "RECORD")):
        algorithm, _, expected = digest.partition("=")
        file = root / path
        try:
            if (expected and record_digest(algorithm, file) != expected) or not file.exists():
                yield path
        except (OSError, ValueError):
            yield path


def text_of(path: Path) -> str:
    """The text of a metadata file, UTF-8 with other bytes escaped (PEP 383); empty if it cannot be read."""
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
