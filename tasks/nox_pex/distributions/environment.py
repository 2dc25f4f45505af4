"""A virtual environment, read from its files: its interpreter and its installed distributions."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.distributions.record import record_rows
from nox_pex.errors import NoxPexError
from nox_pex.system import files


class Distribution(Struct, frozen=True, kw_only=True):
    """An installed distribution (PEP 376).

    `record` is the SHA-256 of its RECORD, or None if that is missing or empty. `direct` says whether it came from a
    path, a URL or Git: it then has a `direct_url.json` (PEP 610).
    """

    name: NormalizedName
    version: str
    directory: Path
    record: str | None
    direct: bool

    @property
    def source(self) -> tuple[str, str | None] | None:
        """The address that it was installed from, and the subdirectory there; None if it is from an index.

        The address is a URL, or the path without links of a directory or an archive.
        """
        try:
            content = json.loads(text_of(self.directory / "direct_url.json"))
            return address_of(str(content["url"])), content.get("subdirectory")
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


class Environment(Struct, frozen=True, kw_only=True):
    """A virtual environment that uv or virtualenv made, by its directory."""

    path: Path

    @property
    def python(self) -> Path:
        """The path of its interpreter, as a process calls it."""
        return self.path / "bin" / "python"

    @property
    def usable(self) -> bool:
        """Whether its interpreter exists; a base interpreter that was removed or upgraded leaves a dangling link."""
        return self.python.exists() and (self.path / "pyvenv.cfg").is_file()

    def interpreter(self) -> Interpreter:
        """Return its interpreter, read from `pyvenv.cfg` (PEP 405); no process is started.

        Raises `NoxPexError` `python-mismatch` if the environment is not usable.
        """
        try:
            lines = (self.path / "pyvenv.cfg").read_text("utf-8").splitlines()
            facts = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
            version = ".".join((facts.get("version_info") or facts["version"]).split(".")[:3])
            executable = self.python.resolve(strict=True)
        except (OSError, KeyError) as error:
            problem = f"{self.path} is not a usable virtual environment ({error})"
            raise NoxPexError("python-mismatch", problem, "remove the directory and run it again") from error
        return Interpreter(
            implementation=facts.get("implementation", "CPython"), version=version, executable=executable
        )

    @property
    def site_packages(self) -> tuple[Path, ...]:
        """The directories that distributions are installed in, of any minor version of Python."""
        return tuple(sorted((self.path / "lib").glob("py*/site-packages")))

    def distributions(self) -> tuple[Distribution, ...]:
        """Return the installed distributions, sorted by name; a damaged one has no `record`."""
        found = (
            _distribution(Path(entry.path))
            for directory in self.site_packages
            for entry in os.scandir(directory)
            if entry.name.endswith(".dist-info") and entry.is_dir()
        )
        return tuple(sorted(found, key=lambda distribution: (distribution.name, distribution.version)))

    def find(self, name: str) -> Distribution | None:
        """Return the installed distribution with this normalized name, by its directory; None if there is none."""
        for directory in self.site_packages:
            for entry in os.listdir(directory):  # noqa: PTH208  # only names
                if entry.endswith(".dist-info") and canonicalize_name(entry.partition("-")[0]) == name:
                    return _distribution(directory / entry)
        return None

    def make_scripts_executable(self) -> None:
        """Make all scripts executable, as pip and uv do. Poetry gives each the mode that it has in its wheel."""
        for distribution in self.distributions():
            with contextlib.suppress(OSError):  # without a RECORD, the build reports the distribution
                for path, _, _ in installed_files(distribution, self):
                    if path.startswith("bin/") and not (file := self.path / path).is_symlink():
                        file.chmod(0o755)

    def without_utf_8(self) -> Iterator[NormalizedName]:
        """Yield the name of each distribution whose METADATA is not UTF-8, as the specification requires it to be."""
        for distribution in self.distributions():
            try:
                (distribution.directory / "METADATA").read_text("utf-8")
            except UnicodeDecodeError:
                yield distribution.name
            except OSError:
                continue

    def remove(self, distribution: Distribution) -> None:
        """Remove the files in the RECORD of `distribution`, then its `.dist-info`; it can then be installed again."""
        root = distribution.directory.parent
        with contextlib.suppress(ValueError):
            for path, _, _ in record_rows(text_of(distribution.directory / "RECORD")):
                file = Path(os.path.normpath(root / path))
                if file.is_relative_to(self.path):
                    file.unlink(missing_ok=True)
        files.remove(distribution.directory)

    def top_names(self) -> list[str]:
        """Return the names of the files and directories at the top of site-packages, sorted, without bytecode."""
        return sorted(name for root in self.site_packages for name in os.listdir(root) if name != "__pycache__")  # noqa: PTH208  # only names


def address_of(url: str) -> str:
    """Return the path without links that a `file:` URL means; any other `url` is returned as it is."""
    parts = urlsplit(url)
    return str(Path(unquote(parts.path)).resolve()) if parts.scheme == "file" else url


def is_compiled_here(distribution: Distribution) -> bool:
    """Whether a distribution was compiled on this machine; no index accepts a wheel with a tag `linux_…` (PEP 513)."""
    return bool(re.search(r"^Tag: \S+-linux_", text_of(distribution.directory / "WHEEL"), re.MULTILINE))


def wheel_tags(distribution: Distribution) -> tuple[str, ...]:
    """Return the tags of the wheel that a distribution was installed from, as its WHEEL has them."""
    return tuple(re.findall(r"^Tag:[ \t]*(\S+)", text_of(distribution.directory / "WHEEL"), re.MULTILINE))


def snapshot(distributions: Sequence[Distribution]) -> dict[str, list[str | None]]:
    """Return the version and the SHA-256 of the RECORD of each distribution, by name, as JSON values."""
    return {d.name: [d.version, d.record] for d in distributions}


def installed_files(distribution: Distribution, environment: Environment) -> Iterator[tuple[str, str, str]]:
    """Yield the files of a distribution: path from the environment's directory, path in RECORD, digest or empty.

    Raises `OSError` if there is no RECORD that can be parsed, or if a file is outside of the environment.
    """
    root = distribution.directory.parent
    place = str(root.relative_to(environment.path))
    try:
        rows = tuple(record_rows((distribution.directory / "RECORD").read_text("utf-8", "surrogateescape")))
    except ValueError as error:
        raise OSError(0, f"the RECORD of {distribution.name} cannot be parsed", str(distribution.directory)) from error
    for path, digest, _ in rows:
        if path and path[0] != "/" and path[-1] not in "./" and "//" not in path and "./" not in path:
            # Most paths need no normalization, which takes most of the time for ten thousand files.
            yield f"{place}/{path}", path, digest
            continue
        inner = os.path.normpath(os.path.join(place, path))  # noqa: PTH118  # faster than pathlib, for ten thousand files
        if inner.startswith("/"):  # Poetry lists the files of an editable install like this
            above = environment.path if Path(inner).is_relative_to(environment.path) else environment.path.resolve()
            inner = os.path.relpath(inner, above)
        if inner == ".." or inner.startswith("../"):
            msg = f"{distribution.name} has a file outside of its environment"
            raise OSError(0, msg, path)
        yield inner, path, digest


def _distribution(directory: Path) -> Distribution:
    place = str(directory)  # text, because this runs for every distribution even if nothing changed
    named = directory.name.removesuffix(".dist-info").partition("-")
    name, version = _name_and_version(f"{place}/METADATA")
    record = _record(f"{place}/RECORD")
    return Distribution(
        name=canonicalize_name(named[0] if name is None else name),
        version=named[2] if version is None else version,
        directory=directory,
        record=hashlib.sha256(record).hexdigest() if record.strip() else None,
        direct=os.path.exists(f"{place}/direct_url.json"),  # noqa: PTH110  # see above
    )


def _name_and_version(metadata: str) -> tuple[str | None, str | None]:
    """Return the first Name and the first Version in a metadata file, each None if there is none.

    They are among the first headers. Nothing after them is read: it may be a long description.
    """
    found: dict[str, str] = {}
    with contextlib.suppress(OSError), open(metadata, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123  # see `_distribution`
        for line in file:
            key, _, value = line.partition(":")
            if key in ("Name", "Version"):
                found.setdefault(key, value.strip())
            if line == "\n" or len(found) == len(("Name", "Version")):
                break
    return found.get("Name"), found.get("Version")


def _record(path: str) -> bytes:
    """Return the content of a RECORD with the line breaks of POSIX; empty if it is not readable."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # see `_distribution`
            content = file.read()
    except OSError:
        return b""
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content


def text_of(path: Path) -> str:
    """Return the text of a metadata file, as UTF-8 with other bytes escaped (PEP 383); empty if it is not readable."""
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
