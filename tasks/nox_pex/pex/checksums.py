"""The checksum file next to each file that ships, such as `dist/service.pex.sha256`, for `sha256sum -c`.

A line has the SHA-256 in hexadecimal, two spaces, and the base name. For a PEX directory there is a line for each file
in it, with its path from the output directory. Fact source: "Digest utilities" and "md5 invocation" in the manual of
the GNU coreutils.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from nox_pex.distributions import pex_file
from nox_pex.pex import scies
from nox_pex.pex.build_record import LastBuild, RecordedScie, is_as_built
from nox_pex.pex.target import Target
from nox_pex.system import files

SUFFIX: Final = ".sha256"
"""The end of the name of a checksum file, after that of the file."""


def of_file(shipped: Path) -> Path:
    """Return the path of the checksum file of a file that ships."""
    return shipped.with_name(f"{shipped.name}{SUFFIX}")


def remove(target: Target) -> None:
    """Remove the checksum of the binary, which is about to be replaced.

    Raises `NoxPexError` `os-error` if a directory is in its place.
    """
    checksum = of_file(target.output)
    files.require_replaceable(checksum)
    checksum.unlink(missing_ok=True)


def remove_former(target: Target, record: Mapping[str, Any], current: Sequence[RecordedScie]) -> None:
    """Remove the checksums of the scies in an older build `record` that are not among the `current` ones.

    Their scies may be gone, or changed. A checksum file that nox-pex did not write stays.
    """
    names = {scie.file for scie in current}
    for scie in scies.recorded(record, stem=target.stem):
        checksum = of_file(target.directory / scie.file)
        written = _line(scie.sha256, scie.file).encode("utf-8")
        if scie.file not in names and checksum.is_file() and checksum.read_bytes() == written:
            checksum.unlink()


def write(target: Target, record: Mapping[str, Any]) -> dict[str, str]:
    """Write the checksum of each file that ships, and return their quick digests by file name, for `LastBuild`.

    `record` is the build record of these files. A PEX directory is read again.
    """
    contents = {}
    for shipped, sha256 in _shipped(target, record).items():
        checksum = of_file(shipped)
        files.require_replaceable(checksum)
        files.write_text(checksum, text(shipped, sha256))
        contents[checksum.name] = pex_file.quick_digest(checksum)
    return contents


def are_current(target: Target, record: Mapping[str, Any], last: LastBuild) -> bool:
    """Whether each file that ships has the checksum file that nox-pex wrote."""
    return all(is_as_built(of_file(shipped), last) for shipped in _shipped(target, record))


def text(shipped: Path, sha256: str) -> str:
    """Return the content of a checksum file; `sha256` is the digest of `shipped` if that is a file."""
    if not shipped.is_dir():
        return _line(sha256, shipped.name)
    parent = shipped.parent
    return "".join(_line(files.digest(path), os.path.relpath(path, parent)) for path in sorted(_files_in(shipped)))


def _shipped(target: Target, record: Mapping[str, Any]) -> dict[Path, str]:
    """The binary and its scies, with the digests in their record."""
    found = {target.output: str(record.get("sha256", ""))}
    if "scies" in record:
        of_scies = scies.recorded(record, stem=target.stem)
        found |= {target.directory / scie.file: scie.sha256 for scie in of_scies}
    return found


def _files_in(directory: Path) -> Iterator[Path]:
    for place, _, names in os.walk(directory):
        yield from (path for path in (Path(place, name) for name in names) if path.is_file())


def _line(sha256: str, name: str) -> str:
    """Return a line as `sha256sum` writes it: a name with a backslash or a line break is escaped."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{sha256}  {escaped}\n"
