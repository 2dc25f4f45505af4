"""A copy of the installed environment that pex can pack as it is.

For what Poetry installed from a path, a URL or Git, `direct_url.json` (PEP 610) names the origin: a path of this
machine, or a URL with a password, and pex would pack it. An editable install has no files to pack at all. Metadata that
pex does not accept has to be rewritten (`distributions.dist_info`). Most environments have none of these, and are
packed without a copy.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from nox_pex.distributions import dist_info, target_python, wheel
from nox_pex.distributions.environment import Distribution, Environment
from nox_pex.distributions.launcher import Library
from nox_pex.distributions.record import record_rows, record_text, record_with
from nox_pex.distributions.target_python import TargetPython
from nox_pex.distributions.wheel import WheelLibrary
from nox_pex.pex.tool import works_in
from nox_pex.poetry.installed import Installed
from nox_pex.project import build_wheel, pyproject
from nox_pex.system import files
from nox_pex.tools.provision import Provisioner

_DIRECT_URL: Final = "direct_url.json"


def editable_wheels(
    distributions: Iterable[Distribution], installed: Installed, provisioner: Provisioner, *, into: Path
) -> Mapping[str, Path]:
    """Build a wheel in `into` for each editable install (`develop = true`) among the installed `distributions`.

    Return the wheels by distribution name.

    Raises `NoxPexError` `build-failed` if a build backend fails.
    """
    wheels: dict[str, Path] = {}
    for distribution in distributions:
        if (directory := editable_directory(distribution)) is not None:
            into.mkdir(exist_ok=True)
            built = build_wheel.build_wheel(
                pyproject.read_source(directory),
                into=into,
                interpreter=installed.interpreter,
                provisioner=provisioner,
            )
            pythons = [target_python.of_this_machine(installed.interpreter)]
            info = dist_info.packable(
                wheel.read_dist_info(built),
                direct=True,
                pythons=pythons,
                libraries=(WheelLibrary(built), *installed.libraries()),
            )
            wheels[distribution.name] = wheel.with_dist_info(built, info.contents)
    return wheels


def packable_environment(
    installed: Installed, *, into: Path, wheels: Mapping[str, Path], rewritten: Collection[str]
) -> Path:
    """Return the directory of an environment with everything that is installed, as pex can pack it.

    It has no trace of this machine. The distributions in `wheels` (by name) are unpacked from their wheel. Those in
    `rewritten` have metadata that pex does not accept.
    It is the installed environment itself if nothing in it has to be changed and pex can read it where it is. Otherwise
    it is a copy in `into`, of hard links if the file system has them. The original is never changed.
    """
    source = installed.environment.path
    if not installed.is_direct and not rewritten and works_in(source):
        return source
    pythons = [target_python.of_this_machine(installed.interpreter)]
    files.copy_tree(source, into, skip=("__pycache__",), copy=files.link)
    for distribution in installed.distributions:
        copied = into / distribution.directory.relative_to(source)
        if distribution.name in wheels:
            Environment(path=into).remove(msgspec.structs.replace(distribution, directory=copied))
            wheel.unpack(wheels[distribution.name], site_packages=copied.parent, prefix=into)
        elif distribution.direct or distribution.name in rewritten:
            _make_packable(copied, direct=distribution.direct, pythons=pythons, libraries=installed.libraries())
    return into


def editable_directory(distribution: Distribution) -> Path | None:
    """Return the source directory of an editable install; None for any other distribution."""
    if not distribution.direct:
        return None
    origin = json.loads((distribution.directory / _DIRECT_URL).read_text("utf-8"))
    if not origin.get("dir_info", {}).get("editable", False):
        return None
    return Path(unquote(urlsplit(origin["url"]).path))


def _make_packable(
    directory: Path, *, direct: bool, pythons: Sequence[TargetPython], libraries: Sequence[Library]
) -> None:
    """Rewrite the files in a `.dist-info` that pex does not accept, and their rows in RECORD.

    If it is `direct`, remove `direct_url.json`, and such addresses in METADATA. Changed files are replaced, because
    they are hard links to those of the original environment.
    """
    record, origin = directory / "RECORD", directory / _DIRECT_URL
    origin_row = f"{directory.name}/{_DIRECT_URL}"
    rows = record_text(row for row in record_rows(record.read_text("utf-8", "surrogateescape")) if row[0] != origin_row)
    origin.unlink(missing_ok=True)
    before = dist_info.read_directory(directory)
    info = dist_info.packable(before, direct=direct, pythons=pythons, libraries=libraries)
    for name, content in info.contents.items():
        if content != before[name]:
            rows = record_with(rows, path=f"{directory.name}/{name}", content=content)
            (directory / name).unlink()
            (directory / name).write_bytes(content)
    record.unlink()
    record.write_text(rows, "utf-8", "surrogateescape")
