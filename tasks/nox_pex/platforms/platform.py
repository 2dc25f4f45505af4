"""The description of a target, as `nox -s platform` and `pex3 interpreter inspect --markers --tags` print it.

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
from nox_pex.errors import NoxPexError
from nox_pex.system import files

MARKERS: Final = (
    *("implementation_name", "implementation_version", "os_name", "platform_machine"),
    *("platform_python_implementation", "platform_release", "platform_system", "platform_version"),
    *("python_full_version", "python_version", "sys_platform"),
)
"""The variables of an environment marker, but for `extra` (PEP 508)."""


_TAG: Final = re.compile(r"[a-z0-9_.]+-[a-z0-9_.]+-[a-z0-9_.]+")


_FREE_THREADED: Final = re.compile(r"cp\d+t")


_TELLING: Final = ("python_version", "platform_python_implementation", "sys_platform", "platform_machine")
"""The markers by which a binary for several targets tells, when it starts, which of them it is on: coarse ones, that
hold for every patch release and every kernel."""


class Platform(Struct, frozen=True, kw_only=True, dict=True):
    """A target.

    `name` is the path of its file, as the settings have it. `tags` are those of the wheels that it can install, the
    most specific first; `markers` is its marker environment, which has all of `MARKERS`.
    """

    name: str
    tags: tuple[str, ...]
    markers: Mapping[str, str]

    @property
    def tag(self) -> str:
        """Its most specific tag that says for which libc it is, where one does."""
        return next((tag for tag in self.tags if "-linux_" not in tag), self.tags[0])

    @property
    def minor(self) -> str:
        """Major and minor version of its Python: `3.11`."""
        return self.markers["python_version"]

    @property
    def interpreter(self) -> Interpreter:
        """Its Python, which is not here: under the name by which it is called there."""
        implementation = self.markers["platform_python_implementation"]
        if implementation == "CPython" and _FREE_THREADED.fullmatch(self.tag.split("-")[1]):
            implementation = "CPython+t"
        command = f"{'pypy' if implementation == 'PyPy' else 'python'}{self.minor}"
        version = self.markers["python_full_version"]
        return Interpreter(implementation=implementation, version=version, executable=Path(command))

    @property
    def digest(self) -> str:
        """The SHA-256 of what it says, however it is written."""
        decisive = json.dumps([self.tags, sorted(self.markers.items())])
        return hashlib.sha256(decisive.encode()).hexdigest()

    def indistinguishable_from(self, other: Platform) -> bool:
        """Whether nothing that a binary can tell when it starts distinguishes the two, but for the libc."""
        return all(self.markers[key] == other.markers[key] for key in _TELLING)

    def best_wheel(self, wheels: Iterable[str]) -> str | None:
        """The wheel that Poetry would install there, by file name; None where none of them can be.

        The highest build number wins, then the most specific tag.
        """
        ranked = [(build, -rank, wheel) for wheel in wheels for build, rank in self._ranks(wheel)]
        return max(ranked)[2] if ranked else None

    def _ranks(self, wheel: str) -> Sequence[tuple[BuildTag, int]]:
        """The build number of a wheel, and the position of its best tag; nothing where it cannot be installed."""
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
        """What a file that describes it holds."""
        return {"compatible_tags": list(self.tags), "marker_environment": dict(self.markers)}


def read(root: Path, names: Sequence[str], *, key: str) -> tuple[Platform, ...]:
    """The targets in the files `names`, from the directory `root`; `key` is the dotted key that names them.

    Raises `NoxPexError`: `source-missing` where a file is not there, `config` where it is no such description.
    """
    return tuple(_read(root, name, key=key) for name in dict.fromkeys(names))


def _read(root: Path, name: str, *, key: str) -> Platform:
    try:
        text = (root / name).read_text("utf-8")
    except OSError as error:
        problem = f"{key} names {name}, which cannot be read in {root}: {error.strerror}"
        remedy = f"correct the path, or make the file on that platform: `nox -s platform > {name}`"
        raise NoxPexError("source-missing", problem, remedy) from None
    except UnicodeDecodeError:
        text = ""
    try:
        return parse(name, json.loads(text))
    except ValueError as error:  # and so `json.JSONDecodeError`
        what = "it is no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        problem = f"{root / name}, which {key} names, describes no platform: {what}"
        raise NoxPexError("config", problem, f"make it on that platform: `nox -s platform > {name}`") from None


def parse(name: str, value: Any) -> Platform:
    """The target that a file's JSON describes; what else stands in it is left alone, as pex leaves it.

    Raises `ValueError` with a phrase.
    """
    if not isinstance(value, dict):
        msg = "it holds no JSON object"
        raise ValueError(msg)  # noqa: TRY004  # like all else that is wrong with a file
    tags, markers = value.get("compatible_tags"), value.get("marker_environment")
    if not (isinstance(tags, list) and tags and all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in tags)):
        msg = "compatible_tags is no list of tags such as cp312-cp312-manylinux_2_28_x86_64"
        raise ValueError(msg)
    if not (isinstance(markers, dict) and all(isinstance(marker, str) for marker in markers.values())):
        msg = "marker_environment is no object of strings"
        raise ValueError(msg)
    if unlike := sorted(set(MARKERS) ^ markers.keys()):
        state = "missing from" if unlike[0] in MARKERS else "unknown in"
        msg = f"{unlike[0]} is {state} marker_environment"
        raise ValueError(msg)
    try:
        full = Version(markers["python_full_version"])
    except InvalidVersion:
        msg = f"python_full_version {markers['python_full_version']!r} is no version"
        raise ValueError(msg) from None
    if markers["python_version"] != f"{full.major}.{full.minor}":
        msg = f"python_version {markers['python_version']!r} is not that of python_full_version {full}"
        raise ValueError(msg)
    return Platform(name=name, tags=tuple(tags), markers={marker: markers[marker] for marker in MARKERS})


def write(platforms: Sequence[Platform], into: Path) -> tuple[Path, ...]:
    """A file for each target in the directory `into`, as pex reads them."""
    described = tuple(into / f"{number}.json" for number, _ in enumerate(platforms))
    for file, platform in zip(described, platforms, strict=True):
        files.write_json(file, platform.as_json())
    return described


def marker(chosen: Sequence[Platform], platforms: Sequence[Platform], *, of: str) -> str:
    """The environment marker that holds on the targets `chosen` of `platforms`, and on none of the others.

    Empty where it holds on all. `of` is what it is for. Raises `NoxPexError` `config` where no marker can tell them
    apart when the binary starts.
    """
    rest = [platform for platform in platforms if platform not in chosen]
    if not rest:
        return ""
    for keys in (keys for size in range(1, len(_TELLING) + 1) for keys in combinations(_TELLING, size)):
        wanted = dict.fromkeys(tuple(platform.markers[key] for key in keys) for platform in chosen)
        if not any(tuple(platform.markers[key] for key in keys) in wanted for platform in rest):
            terms = (" and ".join(f'{k} == "{v}"' for k, v in zip(keys, one, strict=True)) for one in wanted)
            return " or ".join(f"({term})" if len(wanted) > 1 and len(keys) > 1 else term for term in terms)
    names = " and ".join(platform.name for platform in chosen)
    others = " and ".join(platform.name for platform in rest)
    problem = f"{of} belongs on {names} and not on {others}, and none of {', '.join(_TELLING)} tells them apart"
    raise NoxPexError("config", problem, "make a binary for each of them")
