"""Wheel files (PEP 427): read, cleaned, unpacked."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct
from packaging.utils import NormalizedName, parse_wheel_filename

from nox_pex.distributions import dist_info, metadata, record
from nox_pex.distributions.entry_points import Script, scripts_of
from nox_pex.distributions.record import record_rows, record_text
from nox_pex.system import files

_LARGE: Final = 1 << 31
"""Bytes of a member above which its sizes may need the ZIP64 format."""


_LIBRARY: Final = re.compile(r"[^/]+\.data/(?:pure|plat)lib/")
"""The directories in a wheel whose content goes to site-packages, as that of its root does (PEP 427)."""


_SCRIPT: Final = re.compile(r"[^/]+\.data/scripts/(?P<name>[^/]+)")


def clean(wheel: Path) -> None:
    """Remove local paths and credentials from the METADATA in a wheel, and correct its RECORD.

    A wheel without any is left as it is.
    """
    text = metadata.cleaned(_member(wheel, dist_info.METADATA))
    with_dist_info(wheel, {dist_info.METADATA: text.encode("utf-8", "surrogateescape")})


def with_dist_info(wheel: Path, contents: Mapping[str, bytes], *, output: Path | None = None) -> Path:
    """Return the path of a wheel that has `contents`, by name, in its `.dist-info`, and their rows in its RECORD.

    Its scripts are executable, as pip and uv install them; pex keeps their modes. It is `wheel` itself if it is so
    already. Otherwise the new wheel is `output`, or replaces `wheel` if that is None.
    """
    with zipfile.ZipFile(wheel) as archive:
        directory = _dist_info_directory(archive)
        named = {f"{directory}/{name}": content for name, content in contents.items()}
        new = {path: content for path, content in named.items() if archive.read(path) != content}
        passive = {entry.filename for entry in archive.infolist() if _is_passive_script(entry)}
        if not new and not passive:
            return wheel
        record_path = f"{directory}/RECORD"
        rows = archive.read(record_path).decode("utf-8", "surrogateescape")
        for path, content in new.items():
            rows = record.record_with(rows, path=path, content=content)
        new[record_path] = rows.encode("utf-8", "surrogateescape")
        final = output or wheel
        with files.temporary_directory(prefix=".rewriting.", parent=final.parent) as scratch:
            rewritten = scratch / wheel.name
            with zipfile.ZipFile(rewritten, "w") as written:
                for entry in archive.infolist():
                    # a copy, because `open` writes the offset in the new archive into the entry
                    entry_copy = copy(entry)
                    if entry.filename in passive:
                        entry_copy.external_attr = _EXECUTABLE << 16
                    with written.open(entry_copy, "w", force_zip64=entry.file_size > _LARGE) as target:
                        if entry.filename in new:
                            target.write(new[entry.filename])
                        else:
                            with archive.open(entry.filename) as source:
                                shutil.copyfileobj(source, target)
            return rewritten.replace(final)


_EXECUTABLE: Final = 0o100755


def _is_passive_script(entry: zipfile.ZipInfo) -> bool:
    return _SCRIPT.fullmatch(entry.filename) is not None and not entry.external_attr >> 16 & 0o100


def read_dist_info(wheel: Path) -> dict[str, bytes]:
    """Return the content of the files in a wheel's `.dist-info` that pex parses, by name."""
    with zipfile.ZipFile(wheel) as archive:
        directory, names = _dist_info_directory(archive), set(archive.namelist())
        paths = {name: f"{directory}/{name}" for name in dist_info.PARSED_FILES}
        return {name: archive.read(path) for name, path in paths.items() if path in names}


def dist_info_directory(wheel: Path) -> str:
    """Return the name of the `.dist-info` directory in a wheel. Raises `ValueError` if there is not exactly one."""
    with zipfile.ZipFile(wheel) as archive:
        return _dist_info_directory(archive)


def name_and_version(wheel: Path) -> tuple[NormalizedName, str]:
    """Return the normalized name and version in a wheel's file name."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return name, str(version)


def scripts(wheel: Path, *, distribution: str) -> tuple[Script, ...]:
    """Return the scripts of the wheel of `distribution`: of its entry points, and the files in `.data/scripts`."""
    files = [match["name"] for path in wheel_files(wheel) if (match := _SCRIPT.fullmatch(path))]
    return tuple(scripts_of(distribution, entry_points=_member(wheel, "entry_points.txt"), files=files))


def installed_path(member: str) -> str:
    """Return the path from site-packages at which a member of a wheel is installed."""
    return _LIBRARY.sub("", member, count=1)


class WheelLibrary(Struct, frozen=True, dict=True):
    """The files of the wheel `path`, by their paths from site-packages."""

    path: Path

    @cached_property
    def _members(self) -> dict[str, str]:
        return {installed_path(member): member for member in wheel_files(self.path)}

    def names_in(self, directory: str) -> Iterable[str]:
        """Return the names in a directory."""
        start = f"{directory}/"
        return {path[len(start) :].partition("/")[0] for path in self._members if path.startswith(start)}

    def source(self, path: str) -> str | None:
        """Return the text of a file; None if it does not exist."""
        if path not in self._members:
            return None
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(self._members[path]).decode("utf-8", "surrogateescape")


def is_pure(wheel: Path) -> bool:
    """Whether a wheel, by its tags (PEP 425), is for every platform and every Python 3."""
    tags = parse_wheel_filename(wheel.name)[3]
    return any(tag.interpreter == "py3" and tag.abi == "none" and tag.platform == "any" for tag in tags)


def wheel_files(wheel: Path) -> tuple[str, ...]:
    """Return the paths of all members of a wheel, sorted."""
    with zipfile.ZipFile(wheel) as archive:
        return tuple(sorted(archive.namelist()))


def unpack(wheel: Path, *, site_packages: Path, prefix: Path) -> None:
    """Install the files of a wheel, and its RECORD with their new paths; no scripts are made for its entry points."""
    schemes = {"purelib": site_packages, "platlib": site_packages, "scripts": prefix / "bin", "data": prefix}
    moved: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            match = re.fullmatch(r"[^/]+\.data/(?P<scheme>[^/]+)/(?P<rest>.+)", entry.filename)
            if entry.is_dir() or (match and match["scheme"] not in schemes):
                continue
            target = schemes[match["scheme"]] / match["rest"] if match else site_packages / entry.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.write_bytes(archive.read(entry))
            executable = entry.external_attr >> 16 & 0o100 or (match and match["scheme"] == "scripts")
            target.chmod(0o755 if executable else 0o644)
            moved[entry.filename] = os.path.relpath(target, site_packages)
    (record,) = (site_packages / name for name in moved if re.fullmatch(r"[^/]+\.dist-info/RECORD", name))
    rows = record_rows(record.read_text("utf-8"))
    record.write_text(record_text((moved[p], d, s) for p, d, s in rows if p in moved), "utf-8")


def _dist_info_directory(archive: zipfile.ZipFile) -> str:
    """The name of the `.dist-info` directory. Raises `ValueError` if there is not exactly one."""
    (directory,) = {name.partition("/")[0] for name in archive.namelist() if _IN_DIST_INFO.match(name)}
    return directory


_IN_DIST_INFO: Final = re.compile(r"[^/]+\.dist-info/")


def _member(wheel: Path, name: str) -> str:
    """Return the text of the file `name` in a wheel's `.dist-info`; empty if there is none."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(f".dist-info/{name}"):
                return archive.read(member).decode("utf-8", "surrogateescape")
    return ""
