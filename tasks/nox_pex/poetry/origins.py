"""The files of the lock that the distributions of an environment were installed from.

Poetry chooses one file for each distribution from an index, and says nothing about it in the environment. So its choice
is written down next to the environment while it installs, and goes into the install cache with the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_version

from nox_pex.distributions.environment import Distribution, Environment
from nox_pex.system import files


class Origin(Struct, frozen=True, kw_only=True):
    """The version of a distribution, and the name of the file that it was installed from."""

    version: str
    file: str


def read(environment: Environment) -> dict[str, Origin]:
    """Return the origin of each distribution of `environment`, by its name in the lock; only those that are known."""
    try:
        return msgspec.convert(files.read_json(_file(environment)), dict[str, Origin])
    except (msgspec.ValidationError, ValueError):
        return {}


def of(distribution: Distribution, known: Mapping[str, Origin]) -> str | None:
    """Return the name of the file that `distribution` was installed from; None if it is not known."""
    origin = known.get(distribution.name)
    if origin is None or canonicalize_version(origin.version) != canonicalize_version(distribution.version):
        return None
    return origin.file


def add(environment: Environment, origins: Mapping[str, Origin]) -> None:
    """Write down the `origins` of distributions that were just installed into `environment`."""
    if origins:
        files.write_json(_file(environment), msgspec.to_builtins({**read(environment), **origins}))


def clear(environment: Environment) -> None:
    """Forget everything about `environment`, because it is made again."""
    files.remove(_file(environment))


def _file(environment: Environment) -> Path:
    return environment.path.with_name(f".{environment.path.name}.origins.json")
