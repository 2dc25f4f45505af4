"""A copy of the installed environment that pex may take from as it is.

What Poetry installed from a path, a URL or Git notes where it came from in its `direct_url.json` (PEP 610): a path of
this machine, or a URL with a password, and pex would pack it. And what was installed for editing is not there at all.
Where neither is the case, which is most of the time, the environment itself serves.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from nox_pex.distributions import metadata, wheel
from nox_pex.distributions.environment import Distribution, Environment
from nox_pex.distributions.record import record_rows, record_with
from nox_pex.poetry.installed import Installed
from nox_pex.project import build_wheel, pyproject
from nox_pex.system import files
from nox_pex.tools.provision import Provisioner

_DIRECT_URL: Final = "direct_url.json"


def editable_wheels(installed: Installed, provisioner: Provisioner, *, into: Path) -> Mapping[str, Path]:
    """A wheel for each distribution that is installed for editing (`develop = true`), by its name, built in `into`.

    Raises `NoxPexError` `build-failed` where its build backend fails.
    """
    found: dict[str, Path] = {}
    for distribution in installed.distributions:
        if (directory := _edited(distribution)) is not None:
            into.mkdir(exist_ok=True)
            found[distribution.name] = build_wheel.build_wheel(
                pyproject.read_source(directory),
                into=into,
                interpreter=installed.environment.interpreter(),
                provisioner=provisioner,
            )
    return found


def environment(installed: Installed, *, into: Path, wheels: Mapping[str, Path]) -> Path:
    """The directory of an environment with all that is installed, and without a trace of this machine.

    The distributions in `wheels` (by name) are there from their wheel, not as they are installed. It is the installed
    one itself, where that is clean; else a copy in `into`, of hard links where the file system has them.
    """
    source = installed.environment.path
    if not installed.is_direct:
        return source
    shutil.copytree(source, into, symlinks=True, copy_function=files.link, ignore=shutil.ignore_patterns("__pycache__"))
    for distribution in installed.distributions:
        copied = into / distribution.directory.relative_to(source)
        if distribution.name in wheels:
            Environment(path=into).remove(msgspec.structs.replace(distribution, directory=copied))
            wheel.unpack(wheels[distribution.name], site_packages=copied.parent, prefix=into)
        elif distribution.direct:
            _forget_origin(copied)
    return into


def _edited(distribution: Distribution) -> Path | None:
    """The directory that a distribution is edited in; None where it is an ordinary install."""
    if not distribution.direct:
        return None
    origin = json.loads((distribution.directory / _DIRECT_URL).read_text("utf-8"))
    if not origin.get("dir_info", {}).get("editable", False):
        return None
    return _path(origin["url"])


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _forget_origin(dist_info: Path) -> None:
    """Remove `direct_url.json` and its row in RECORD, and such addresses in METADATA.

    The files are replaced, since their inodes are the originals'.
    """
    (dist_info / _DIRECT_URL).unlink()
    record = dist_info / "RECORD"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in record_rows(record.read_text("utf-8")):
        if row[0] != f"{dist_info.name}/{_DIRECT_URL}":
            writer.writerow(row)
    rows, described = text.getvalue(), dist_info / "METADATA"
    before = described.read_text("utf-8", "surrogateescape")
    if (cleaned := metadata.cleaned(before)) != before:
        content = cleaned.encode("utf-8", "surrogateescape")
        rows = record_with(rows, path=f"{dist_info.name}/METADATA", content=content)
        described.unlink()
        described.write_bytes(content)
    record.unlink()
    record.write_text(rows, "utf-8")
