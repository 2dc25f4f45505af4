"""Descriptions of targets, as `nox -s platform` and `pex3 interpreter inspect --markers --tags` print them.

Fact sources: pex's `target_options.py` (its `--complete-platform`), PEP 425 for the tags, PEP 508 for the markers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from packaging.tags import Tag, parse_tag
from packaging.utils import BuildTag, InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.distributions.target_python import TargetPython
from nox_pex.errors import NoxPexError
from nox_pex.system import files

MARKERS: Final = (
    *("implementation_name", "implementation_version", "os_name", "platform_machine"),
    *("platform_python_implementation", "platform_release", "platform_system", "platform_version"),
    *("python_full_version", "python_version", "sys_platform"),
)
"""The variables of an environment marker, without `extra` (PEP 508)."""


_TAG: Final = re.compile(r"[a-z0-9_.]+-[a-z0-9_.]+-[a-z0-9_.]+")


_FREE_THREADED: Final = re.compile(r"cp\d+t")


_DISTINGUISHING: Final = ("python_version", "platform_python_implementation", "sys_platform", "platform_machine")
"""The markers by which a binary for several targets finds out, when it starts, which of them it runs on. They are the
same for every patch release and every kernel."""


class Platform(Struct, frozen=True, kw_only=True, dict=True):
    """A platform that a binary is for: its Python, with the tags and markers that decide what is installed there.

    `name` is the path of its file in the settings. `tags` are the tags of wheels that it can install, the most specific
    first. `markers` is its marker environment, with all of `MARKERS`.
    """

    name: str
    tags: tuple[str, ...]
    markers: Mapping[str, str]

    @property
    def tag(self) -> str:
        """Its most specific tag that names a libc, or the first tag if none does."""
        return next((tag for tag in self.tags if "-linux_" not in tag), self.tags[0])

    @property
    def minor(self) -> str:
        """Major and minor version of its Python: `3.11`."""
        return self.markers["python_version"]

    @property
    def interpreter(self) -> Interpreter:
        """Its Python. `executable` is its command name there, because it is not on this machine."""
        implementation = self.markers["platform_python_implementation"]
        if implementation == "CPython" and _FREE_THREADED.fullmatch(self.tag.split("-")[1]):
            implementation = "CPython+t"
        command = f"{'pypy' if implementation == 'PyPy' else 'python'}{self.minor}"
        version = self.markers["python_full_version"]
        return Interpreter(implementation=implementation, version=version, executable=Path(command))

    @property
    def python(self) -> TargetPython:
        """Its markers; no tags, because pex compares these with the name of a wheel, and not with its file WHEEL."""
        return TargetPython(markers=self.markers)

    @property
    def digest(self) -> str:
        """The SHA-256 of its tags and markers, regardless of the layout of its file."""
        decisive = json.dumps([self.tags, sorted(self.markers.items())])
        return hashlib.sha256(decisive.encode()).hexdigest()

    def indistinguishable_from(self, other: Platform) -> bool:
        """Whether a binary that starts cannot distinguish the two, except by the libc."""
        return _values(self, _DISTINGUISHING) == _values(other, _DISTINGUISHING)

    def best_wheel(self, wheels: Iterable[str]) -> str | None:
        """The one of `wheels` (file names) that Poetry would install on the target; None if none is compatible.

        The highest build number wins, then the most specific tag.
        """
        ranked = [(build, -rank, wheel) for wheel in wheels for build, rank in self._ranks(wheel)]
        return max(ranked)[2] if ranked else None

    def _ranks(self, wheel: str) -> Sequence[tuple[BuildTag, int]]:
        """The build number of a wheel and the position of its best tag; empty if the wheel is not compatible."""
        try:
            _, _, build, tags = parse_wheel_filename(wheel)
        except InvalidWheelFilename:
            return ()
        ranks = [self._positions[tag] for tag in tags if tag in self._positions]
        return [(build, min(ranks))] if ranks else []

    @cached_property
    def _positions(self) -> Mapping[Tag, int]:
        single = [tag for text in self.tags for tag in parse_tag(text)]
        return {tag: position for position, tag in reversed(list(enumerate(single)))}

    def as_json(self) -> dict[str, Any]:
        """The content of a file that describes the target."""
        return {"compatible_tags": list(self.tags), "marker_environment": dict(self.markers)}


def read(root: Path, names: Sequence[str], *, key: str) -> tuple[Platform, ...]:
    """Read the targets in the files `names`, relative to `root`. `key` is the dotted key that names them.

    Raises `NoxPexError` `source-missing` if a file cannot be read, and `config` if it does not describe a target.
    """
    return tuple(_read(root, name, key=key) for name in dict.fromkeys(names))


def _read(root: Path, name: str, *, key: str) -> Platform:
    try:
        text = files.read_text(root / name)
    except OSError as error:
        problem = f"{key} names {name}, which cannot be read in {root}: {error.strerror}"
        remedy = f"correct the path, or create the file on that platform: `nox -s platform > {name}`"
        raise NoxPexError("source-missing", problem, remedy) from None
    except UnicodeDecodeError:
        text = ""
    try:
        return parse(name, json.loads(text))
    except (ValueError, RecursionError) as error:  # `json.JSONDecodeError` is one
        reason = "it is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        problem = f"{root / name}, which {key} names, does not describe a platform: {reason}"
        raise NoxPexError("config", problem, f"create it on that platform: `nox -s platform > {name}`") from None


def parse(name: str, value: Any) -> Platform:
    """Return the target that the JSON of a file describes. Other keys are ignored, as pex ignores them.

    Raises `ValueError` with a phrase if it does not describe one.
    """
    if not isinstance(value, dict):
        msg = "it is not a JSON object"
        raise ValueError(msg)  # noqa: TRY004  # the caller expects one type of error for a wrong file
    tags, markers = value.get("compatible_tags"), value.get("marker_environment")
    if not (isinstance(tags, list) and tags and all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in tags)):
        msg = "compatible_tags is not a list of tags such as cp312-cp312-manylinux_2_28_x86_64"
        raise ValueError(msg)
    if not (isinstance(markers, dict) and all(isinstance(marker, str) for marker in markers.values())):
        msg = "marker_environment is not an object of strings"
        raise ValueError(msg)
    if unlike := sorted(set(MARKERS) ^ markers.keys()):
        state = "missing from" if unlike[0] in MARKERS else "unknown in"
        msg = f"{unlike[0]} is {state} marker_environment"
        raise ValueError(msg)
    try:
        full = Version(markers["python_full_version"])
    except InvalidVersion:
        msg = f"python_full_version {markers['python_full_version']!r} is not a version"
        raise ValueError(msg) from None
    if markers["python_version"] != f"{full.major}.{full.minor}":
        msg = f"python_version {markers['python_version']!r} does not match python_full_version {full}"
        raise ValueError(msg)
    return Platform(name=name, tags=tuple(tags), markers={marker: markers[marker] for marker in MARKERS})


def write(platforms: Sequence[Platform], into: Path) -> tuple[Path, ...]:
    """Write a file for each target into the directory `into`, as pex reads them, and return their paths."""
    written = paths(platforms, into)
    for path, platform in zip(written, platforms, strict=True):
        files.write_json(path, platform.as_json())
    return written


def paths(platforms: Sequence[Platform], directory: Path) -> tuple[Path, ...]:
    """Return the paths of the files that `write` writes into `directory`."""
    return tuple(directory / f"{number}.json" for number, _ in enumerate(platforms))


def marker(chosen: Sequence[Platform], platforms: Sequence[Platform], *, of: str) -> str:
    """The environment marker that holds on the targets `chosen` of `platforms`, and on none of the others.

    It is empty if it holds on all. `of` names the distribution for the error. Raises `NoxPexError` `config` if no
    marker that is known when the binary starts distinguishes them.
    """
    rest = [platform for platform in platforms if platform not in chosen]
    if not rest:
        return ""
    keys = _distinguishing_keys(chosen, rest)
    if keys is None:
        names = " and ".join(platform.name for platform in chosen)
        others = " and ".join(platform.name for platform in rest)
        problem = f"{of} belongs on {names} and not on {others}, but none of {', '.join(_DISTINGUISHING)} differs"
        raise NoxPexError("config", problem, "build a separate binary for each of them")
    wanted = dict.fromkeys(_values(platform, keys) for platform in chosen)
    terms = [" and ".join(f'{key} == "{value}"' for key, value in zip(keys, values, strict=True)) for values in wanted]
    return " or ".join(f"({term})" if len(terms) > 1 and len(keys) > 1 else term for term in terms)


def _distinguishing_keys(chosen: Sequence[Platform], rest: Sequence[Platform]) -> Sequence[str] | None:
    """The fewest markers whose values on each of `chosen` differ from those on all of `rest`; None if none do."""
    for size in range(1, len(_DISTINGUISHING) + 1):
        for keys in combinations(_DISTINGUISHING, size):
            wanted = {_values(platform, keys) for platform in chosen}
            if wanted.isdisjoint(_values(platform, keys) for platform in rest):
                return keys
    return None


def _values(platform: Platform, keys: Sequence[str]) -> tuple[str, ...]:
    """The values of the markers `keys` on a target."""
    return tuple(platform.markers[key] for key in keys)
