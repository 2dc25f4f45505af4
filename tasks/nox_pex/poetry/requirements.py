"""The frozen requirements: the installed versions, with the hashes from the lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from nox_pex.distributions.environment import Distribution
from nox_pex.errors import NoxPexError
from nox_pex.poetry.lock import Lock, Package, Source
from nox_pex.system.secrets import public_url

_DIRECT: Final = ("git", "directory", "file")
"""Sources that pip accepts no hash for (`git`, `directory`), or whose address is a path of this machine (`file`)."""


class Pin(Struct, frozen=True, kw_only=True):
    """One line of the frozen file: a requirement (PEP 508) and its hashes, `sha256:…`."""

    requirement: str
    hashes: tuple[str, ...]


class Frozen(Struct, frozen=True, kw_only=True):
    """The pins that `pip install --require-hashes` accepts (`indexed`), and those that it does not (`direct`)."""

    indexed: tuple[Pin, ...]
    direct: tuple[Pin, ...]


def freeze(
    distributions: Sequence[Distribution],
    lock: Lock,
    *,
    path_digests: Mapping[str, str],
    marker: Callable[[str, str], str] = lambda _name, _version: "",
) -> Frozen:
    """Match the installed `distributions` to the lock.

    `path_digests` are the SHA-256 digests of the path dependencies' content, by name. `marker` returns the environment
    marker (PEP 508) under which a name and version is installed; an empty one means always.
    Raises `NoxPexError` `not-locked` if a distribution is not in the lock, and `hash-missing` if the lock has no hash
    for one that comes from an index.
    """
    indexed: list[Pin] = []
    direct: list[Pin] = []
    for distribution in distributions:
        package = locked(distribution, lock)
        condition = _condition(marker(distribution.name, distribution.version))
        if package.source is not None and package.source.type in _DIRECT:
            pin = _direct_pin(package, package.source, path_digests)
            direct.append(Pin(requirement=f"{pin.requirement}{condition}", hashes=pin.hashes))
            continue
        if not package.hashes:
            problem = f"{lock.path} has no hash for {package.name} {package.version}"
            raise NoxPexError("hash-missing", problem, "run `poetry lock --regenerate` with a current Poetry")
        address = f" @ {public_url(package.source.url)}" if package.source and package.source.type == "url" else ""
        requirement = f"{package.name}{address}" if address else f"{package.name}=={package.version}"
        indexed.append(Pin(requirement=f"{requirement}{condition}", hashes=package.hashes))
    return Frozen(indexed=tuple(indexed), direct=tuple(direct))


def requirements_text(frozen: Frozen, *, direct_file: str) -> str:
    """The text of `NAME.requirements.txt`. `direct_file` is the name of the file with the other pins."""
    return "".join(_lines(frozen, direct_file=direct_file))


def direct_text(frozen: Frozen) -> str:
    """The text of `NAME.requirements-direct.txt`: pinned by commit or by content digest."""
    return "".join(
        [
            "# What pip takes no hash for: pinned by commit, or by the SHA-256 of its content.\n",
            *map(_line, frozen.direct),
        ]
    )


def pylock_name(stem: str) -> str:
    """The name of the PEP 751 file for a binary whose file names begin with `stem`. That part may have no dot."""
    return f"pylock.{stem.replace('.', '-')}.toml"


def _lines(frozen: Frozen, *, direct_file: str) -> Iterable[str]:
    yield "# What Poetry installed from poetry.lock, made by nox-pex.\n"
    yield "# pip install --require-hashes --no-deps -r THIS_FILE\n"
    if frozen.direct:
        yield f"# Not in this file, because pip accepts no hash for them; see {direct_file}:\n"
        yield from (f"#   {pin.requirement}\n" for pin in frozen.direct)
    yield from map(_line, frozen.indexed)


def _line(pin: Pin) -> str:
    return " \\\n    ".join([pin.requirement, *(f"--hash={value}" for value in pin.hashes)]) + "\n"


def locked(distribution: Distribution, lock: Lock) -> Package:
    """The package in the lock that `distribution` was installed from. Raises `NoxPexError` `not-locked`."""
    # What comes from a path is known by its path: its version may have moved since the lock, its name may differ.
    candidates = lock.find(distribution.name, distribution.version) or lock.direct(distribution)
    if not candidates:
        versions = ", ".join(sorted(p.version for p in lock.packages if p.name == distribution.name))
        instead = f"it locks {versions}" if versions else "it has no version of it"
        problem = f"{distribution.name} {distribution.version} is installed but not in {lock.path}: {instead}"
        raise NoxPexError("not-locked", problem, "run `nox -s install -- --force`")
    # One version can be locked from two sources, such as an index and Git. Take the one that it was installed from.
    same = [p for p in candidates if p.is_direct == distribution.direct]
    return (same or candidates)[0]


def _direct_pin(package: Package, source: Source, path_digests: Mapping[str, str]) -> Pin:
    if source.type == "git":
        commit = f"@{source.resolved_reference}" if source.resolved_reference else ""
        subdirectory = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
        requirement = f"{package.name} @ git+{public_url(source.url)}{commit}{subdirectory}"
        return Pin(requirement=requirement, hashes=())
    digest = path_digests.get(package.name)
    hashes = package.hashes or ((f"sha256:{digest}",) if digest else ())
    return Pin(requirement=f"{package.name} @ {source.url}", hashes=hashes)


def pins(
    distributions: Iterable[Distribution], marker: Callable[[str, str], str] = lambda _name, _version: ""
) -> Iterator[str]:
    """`name==version` for each distribution: the requirements that pex resolves. `marker` is as for `freeze`."""
    for distribution in distributions:
        name, version = distribution.name, distribution.version
        yield f"{name}=={version}{_condition(marker(name, version))}"


def _condition(marker: str) -> str:
    return f" ; {marker}" if marker else ""
