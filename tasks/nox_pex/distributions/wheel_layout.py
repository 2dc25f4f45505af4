"""Lay out a distribution as pex does: its files, with scripts, headers and data below `.prefix`, and its RECORD.

The layout follows from the RECORD, the entry points and the files of an installed distribution, or of a wheel. A
distribution of a form that is not described here is refused, and pex packs it.
Fact source: pex 2.105 (`pex.pep_427.install_wheel`, `pex.wheel`).
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from packaging.tags import parse_tag

from nox_pex.distributions import dist_info, pex_scripts
from nox_pex.distributions.installed_wheel import (
    LAYOUT,
    STASH,
    InstalledWheel,
    LaidOutFile,
    UnsupportedDistributionError,
)
from nox_pex.distributions.record import encode_digest, record_digest

_BYTECODE: Final = re.compile(r"\.py[co]$|\.pyc\.[0-9]+$")


_ALGORITHMS: Final = ("sha256", "sha384", "sha512")
"""The algorithms of a digest in RECORD: SHA-256 or better, as the specification requires."""


_OF_INSTALLERS: Final = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")
"""The files of a `.dist-info` that installers write, and that do not ship."""


class _Source(Struct, frozen=True, kw_only=True):
    """The files of a distribution, and where they are.

    `info` is the name of its `.dist-info`, `texts` are the files in it that pex parses, by name, as the binary has
    them. `rows` are those of its RECORD, and `line_ending` separates them. `locate` returns the scheme of a path in
    RECORD (`library`, `scripts`, `headers`, `data`, …), its path in that scheme, and the file.
    """

    info: str
    texts: Mapping[str, bytes]
    rows: Sequence[tuple[str, str, str]]
    line_ending: str
    locate: Callable[[str], tuple[str, str, Path]]

    @property
    def raw_name(self) -> str:
        """The name of the distribution as its METADATA spells it."""
        return _field(self.texts.get(dist_info.METADATA, b""), "Name")

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags in WHEEL, in their order; those of a compressed set (PEP 425) are sorted."""
        found = re.findall(rb"^Tag:[ \t]*(.*?)\r?$", self.texts.get("WHEEL", b""), re.MULTILINE)
        try:
            return tuple(str(tag) for each in found for tag in sorted(parse_tag(each.decode()), key=str))
        except ValueError as error:
            msg = f"{self.info} has an invalid tag: {error}"
            raise UnsupportedDistributionError(msg) from error

    @property
    def is_pure(self) -> bool:
        """Whether WHEEL says that its root is `purelib`."""
        return _field(self.texts.get("WHEEL", b""), "Root-Is-Purelib") == "true"


def from_environment(directory: Path, *, root: Path, texts: Mapping[str, bytes]) -> InstalledWheel:
    """Lay out the distribution with the `.dist-info` `directory`, which is installed in the environment `root`.

    `texts` are the files in `directory` that pex parses, by name, as the binary has them.
    Raises `UnsupportedDistributionError`, and `OSError` if a file of its metadata cannot be read.
    """
    info, site_packages = directory.name, os.path.relpath(directory.parent, root)
    python = "".join(re.findall(r"\d+\.\d+", site_packages))
    headers = f"include/site/python{python}/{_field(texts[dist_info.METADATA], 'Name')}/"

    def locate(path: str) -> tuple[str, str, Path]:
        inner = os.path.normpath(os.path.join(site_packages, path))  # noqa: PTH118  # text; it may be absolute
        file = root / inner
        if inner.startswith(f"{site_packages}/"):
            return "library", inner[len(site_packages) + 1 :], file
        if inner.startswith("bin/"):
            return "scripts", inner[len("bin/") :], file
        if inner.startswith(("../", "/", "lib/", "lib64/")):
            msg = f"{info} has a file outside of its library: {path}"
            raise UnsupportedDistributionError(msg)
        return ("headers", inner[len(headers) :], file) if inner.startswith(headers) else ("data", inner, file)

    record = _decoded((directory / "RECORD").read_bytes())
    rows = _rows(record)
    originals = dist_info.read_directory(directory)
    changed = {f"{info}/{name}": content for name, content in texts.items() if content != originals.get(name)}
    is_rewritten = bool(changed) or (directory / "direct_url.json").exists()
    source = _Source(
        info=info,
        texts=texts,
        rows=[(row[0], *_row_of(changed[row[0]])) if row[0] in changed else row for row in rows],
        line_ending="\n" if is_rewritten or not record.partition("\n")[0].endswith("\r") else "\r\n",
        locate=locate,
    )
    return _lay_out(source, name=_wheel_name(source), contents=changed)


def from_wheel(wheel: Path, into: Path) -> InstalledWheel:
    """Lay out the file `wheel`, unpacked into the empty directory `into`.

    Its metadata must be as pex accepts it. Raises `UnsupportedDistributionError`, and `OSError`.
    """
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
        _unpack(archive, into)
    infos = {top for entry in entries if (top := entry.filename.partition("/")[0]).endswith(".dist-info")}
    if len(infos) != 1:
        msg = f"{wheel.name} has {len(infos)} directories for metadata"
        raise UnsupportedDistributionError(msg)
    info = infos.pop()
    data = f"{info.removesuffix('.dist-info')}.data/"
    own_library = "purelib" if _is_pure_wheel(into / info) else "platlib"

    def locate(path: str) -> tuple[str, str, Path]:
        if not path.startswith(data):
            return "library", path, into / path
        scheme, _, rest = path[len(data) :].partition("/")
        if scheme == own_library:
            msg = f"{wheel.name} has files in {data}{scheme}"
            raise UnsupportedDistributionError(msg)
        return scheme, rest, into / path

    record = _decoded((into / info / "RECORD").read_bytes())
    source = _Source(
        info=info,
        texts=dist_info.read_directory(into / info),
        rows=_rows(record),
        line_ending="\r\n" if record.partition("\n")[0].endswith("\r") else "\n",
        locate=locate,
    )
    _check_wheel(wheel, source, [entry.filename for entry in entries])
    original = {
        "filename": wheel.name,
        "entries": [[entry.filename, entry.date_time, entry.external_attr] for entry in entries],
    }
    noted = json.dumps(original, sort_keys=True, separators=(",", ":")).encode()
    added = LaidOutFile(path=f"{info.removesuffix('.dist-info')}.pex-info/original-whl-info.json", content=noted)
    listed = {path for path, _, _ in source.rows}
    unlisted = [
        _file(name, name, into / name, "", {})
        for name in (entry.filename for entry in entries)
        if name not in listed and not name.endswith("/") and not name.startswith(data) and not _BYTECODE.search(name)
    ]
    return _lay_out(source, name=wheel.name, added=added, unlisted=unlisted)


def _check_wheel(wheel: Path, source: _Source, members: Iterable[str]) -> None:
    """Raise `UnsupportedDistributionError` if a wheel has what only an installer writes, or a path that leaves it."""
    reserved = {f"{source.info}/{name}" for name in _OF_INSTALLERS}
    for path in (*(path for path, _, _ in source.rows), *members):
        if path in reserved or path.startswith("/") or ".." in path.split("/"):
            msg = f"{wheel.name} has the file {path}"
            raise UnsupportedDistributionError(msg)


class _Row(Struct, frozen=True, kw_only=True):
    """A file of an installed wheel, with the digest and the size in its row of RECORD."""

    file: LaidOutFile
    digest: str
    size: str


def _lay_out(
    source: _Source,
    *,
    name: str,
    contents: Mapping[str, bytes] | None = None,
    added: LaidOutFile | None = None,
    unlisted: Sequence[LaidOutFile] = (),
) -> InstalledWheel:
    """Lay out the files of `source`. `contents` replace files by their path.

    `added` is a file that has a row in RECORD after all others, `unlisted` are files that have none.
    """
    record = f"{source.info}/RECORD"
    try:
        scripts = pex_scripts.generated(source.texts.get(dist_info.ENTRY_POINTS, b""))
    except ValueError as error:
        msg = f"{source.info}: {error}"
        raise UnsupportedDistributionError(msg) from error
    listed = [
        *_listed(source, scripts, contents or {}),
        *(
            _generated(f"{STASH}/bin/{name}", pex_scripts.launcher(ref), executable=True)
            for name, ref in scripts.items()
        ),
    ]
    if added is not None:
        listed.append(_generated(added.path, added.content))
    rows = [(row.file.path, row.digest, row.size) for row in listed]
    files = [
        *(row.file for row in listed if row.file.path != record),
        *unlisted,
        LaidOutFile(path=record, content=_record_text(rows, source.line_ending)),
    ]
    _check(source, files, rows)
    library = f"{STASH}/{'platlib' if source.is_pure else 'purelib'}"
    stashed = any(file.path.startswith(f"{library}/") for file in files)
    return InstalledWheel(
        name=name,
        files=tuple(sorted(files, key=lambda file: file.path)),
        record=record,
        is_pure=source.is_pure,
        libraries=(".", library) if stashed else (".",),
    )


def _listed(source: _Source, scripts: Mapping[str, str], contents: Mapping[str, bytes]) -> Iterator[_Row]:
    """Yield the files with a row in RECORD, in their order, without those that installers generate."""
    record, left_out = f"{source.info}/RECORD", {f"{source.info}/{each}" for each in _OF_INSTALLERS}
    for path, digest, size in source.rows:
        if path == record:
            yield _Row(file=LaidOutFile(path=record, content=b""), digest="", size="")
            continue
        if path in left_out or path.endswith(".pyc"):
            continue
        scheme, rest, origin = source.locate(path)
        if scheme != "scripts":
            yield _Row(
                file=_file(_target(source, scheme, rest), path, origin, digest, contents), digest=digest, size=size
            )
        elif rest.rpartition("/")[2] not in scripts:
            target, script = f"{STASH}/bin/{rest}", pex_scripts.for_any_python(origin)
            if script is not None:
                yield _generated(target, script)
            else:
                yield _Row(file=_file(target, path, origin, digest, contents), digest=digest, size=size)


def _file(target: str, path: str, origin: Path, digest: str, contents: Mapping[str, bytes]) -> LaidOutFile:
    if path in contents:
        return LaidOutFile(path=target, content=contents[path])
    # Rows of signatures have no digest, and some build backends write none at all.
    known = digest or f"sha256={record_digest('sha256', origin)}"
    return LaidOutFile(path=target, content=origin, executable=os.access(origin, os.X_OK), digest=known)


def _generated(path: str, content: Path | bytes, *, executable: bool = False) -> _Row:
    digest, size = _row_of(content)
    return _Row(file=LaidOutFile(path=path, content=content, executable=executable), digest=digest, size=size)


def _check(source: _Source, files: Sequence[LaidOutFile], rows: Sequence[tuple[str, str, str]]) -> None:
    """Raise `UnsupportedDistributionError` if pex could lay out these files in another way."""
    paths = [file.path for file in files]
    reason = None
    if not any(path == f"{source.info}/RECORD" for path, _, _ in rows):
        reason = "its RECORD does not list itself"
    elif len(set(paths)) != len(paths):
        reason = "two of its files have the same path"
    elif any(path.endswith("/") or path.startswith(("/", "../")) or path == LAYOUT for path in paths):
        reason = "a path in its RECORD is not that of a file in it"
    elif any(file.digest.partition("=")[0] not in _ALGORITHMS for file in files if file.digest):
        reason = "a digest in its RECORD is of an unknown kind"
    elif any("__pycache__/" in path or _BYTECODE.search(path) for path in paths):
        reason = "it has files in __pycache__, or bytecode"
    if reason is not None:
        msg = f"{source.info}: {reason}"
        raise UnsupportedDistributionError(msg)


def _target(source: _Source, scheme: str, rest: str) -> str:
    """The path in an installed wheel of the file `rest` of a scheme (`pex.pep_427.InstallPaths.chroot`)."""
    match scheme:
        case "library":
            return rest
        case "data" | "purelib" | "platlib":
            return f"{STASH}/{scheme}/{rest}"
        case "headers":
            return f"{STASH}/include/site/python{_header_version(source.tags)}/{source.raw_name}/{rest}"
    msg = f"{source.info} has files of the scheme {scheme}"
    raise UnsupportedDistributionError(msg)


def _header_version(tags: Iterable[str]) -> str:
    """The version in the directory of headers: the Python of the wheel if there is one, or else `X.Y`."""
    versions = set()
    for tag in tags:
        match = re.search(r"\d+(?:_\d+)*", tag.partition("-")[0])
        if match is None:
            return "X.Y"
        parts = match[0].split("_")
        versions.add((parts[0][0], parts[0][1:]) if len(parts) == 1 else (parts[0], parts[1]))
    (version, *more) = versions
    return "X.Y" if more or not version[1] else ".".join(version)


def _wheel_name(source: _Source) -> str:
    """The name that pex gives to the wheel of an installed distribution (`pex.wheel.Wheel.wheel_file_name`)."""
    tags = [tag.split("-", 2) for tag in source.tags]
    if not tags or not all(len(tag) == len(("python", "abi", "platform")) for tag in tags):
        msg = f"{source.info} has no tags"
        raise UnsupportedDistributionError(msg)
    version = _field(source.texts[dist_info.METADATA], "Version")
    compressed = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*tags, strict=True))
    return f"{re.sub(r'[-_.]+', '_', source.raw_name)}-{version.replace('-', '_')}-{compressed}.whl"


def _field(text: bytes, name: str) -> str:
    """The value of the first field of this name in the header of a metadata file; empty if there is none."""
    header = re.split(rb"\r?\n\r?\n", text, maxsplit=1)[0]
    match = re.search(rb"^%s:[ \t]*(.*?)[ \t]*\r?$" % name.encode(), header, re.MULTILINE | re.IGNORECASE)
    return match[1].decode("utf-8", "surrogateescape") if match else ""


def _decoded(record: bytes) -> str:
    try:
        return record.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = "its RECORD is not UTF-8"
        raise UnsupportedDistributionError(msg) from error


def _rows(record: str) -> list[tuple[str, str, str]]:
    """The rows of a RECORD, with sizes as pex writes them."""
    found = []
    try:
        for row in csv.reader(line for line in record.splitlines() if line):
            path, digest, size = row
            found.append((path, digest, str(int(size)) if size else ""))
    except (csv.Error, ValueError) as error:
        msg = f"its RECORD has another form: {error}"
        raise UnsupportedDistributionError(msg) from error
    return found


def _record_text(rows: Iterable[tuple[str, str, str]], line_ending: str) -> bytes:
    text = _Lines()
    csv.writer(text, lineterminator=line_ending).writerows(rows)
    return "".join(text.lines).encode()


class _Lines:
    """A text file in memory that keeps every line ending."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, text: str) -> None:
        self.lines.append(text)


def _row_of(content: Path | bytes) -> tuple[str, str]:
    """The digest and the size of a content, as in a row of RECORD."""
    read = content.read_bytes() if isinstance(content, Path) else content
    return f"sha256={encode_digest(hashlib.sha256(read).digest())}", str(len(read))


def _is_pure_wheel(info: Path) -> bool:
    return _field((info / "WHEEL").read_bytes(), "Root-Is-Purelib") == "true"


def _unpack(archive: zipfile.ZipFile, into: Path) -> None:
    """Unpack a wheel with the permissions in it, as pex does."""
    for entry in archive.infolist():
        path = Path(archive.extract(entry, into))
        mode = entry.external_attr >> 16
        if mode and not entry.is_dir():
            path.chmod(stat.S_IMODE(mode))
