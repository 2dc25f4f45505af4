"""Read `poetry.lock`."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from nox_pex.distributions.environment import Distribution, address_of
from nox_pex.errors import NoxPexError
from nox_pex.system import files
from nox_pex.system.lazy import pattern


class Source(Struct, frozen=True, kw_only=True):
    """The source of a locked package that does not come from the default index.

    `type` is `legacy` (another index), `git`, `url`, `directory` or `file`. `reference` is the name of the index, or
    the branch, tag or commit of Git that `pyproject.toml` names. `resolved_reference` is the commit of Git that was
    locked. `subdirectory` is the directory of the project in the repository.
    """

    type: str
    url: str
    reference: str | None = None
    resolved_reference: str | None = None
    subdirectory: str | None = None


class LockedFile(Struct, frozen=True, kw_only=True):
    """A file of a package: its name, and its hash (`sha256:…`)."""

    name: str
    hash: str


class Package(Struct, frozen=True, kw_only=True):
    """One `[[package]]`: a version of a distribution, with its files and the hashes of all of them (`sha256:…`).

    `develop` is whether Poetry installs it as editable. `dependencies` are the names of the packages that it needs, on
    any platform and with any of its extras.
    """

    name: NormalizedName
    version: str
    hashes: tuple[str, ...]
    source: Source | None
    files: tuple[LockedFile, ...] = ()
    develop: bool = False
    dependencies: tuple[NormalizedName, ...] = ()

    @property
    def is_direct(self) -> bool:
        """Whether it comes from a path, a URL or Git. Its content is what is locked, not its version."""
        return self.source is not None and self.source.type != "legacy"


class Lock(Struct, frozen=True, kw_only=True):
    """The content of a `poetry.lock`. `digest` is the SHA-256 of the file."""

    path: Path
    digest: str
    packages: tuple[Package, ...]

    def file_digests(self) -> dict[str, str]:
        """Return a digest of the hashes of the locked files of each distribution, by its name."""
        hashes: dict[str, list[str]] = {}
        for package in self.packages:
            hashes.setdefault(package.name, []).extend(package.hashes)
        return {name: hashlib.sha256(" ".join(sorted(each)).encode()).hexdigest()[:16] for name, each in hashes.items()}

    def find(self, name: str, version: str) -> tuple[Package, ...]:
        """The locked packages of this name and version, in any spelling: one for each source."""
        wanted = _version(version)
        normalized = canonicalize_name(name)
        return tuple(p for p in self.packages if p.name == normalized and _version(p.version) == wanted)

    def direct(self, distribution: Distribution) -> tuple[Package, ...]:
        """The locked packages that `distribution` was installed from, if that was a path, a URL or Git.

        Its address identifies it (PEP 610), because its metadata may have another name and version than the lock.
        """
        if not distribution.direct:
            return ()
        directs = [package for package in self.packages if package.is_direct]
        source = distribution.source
        named = tuple(package for package in directs if package.name == distribution.name)
        return tuple(package for package in directs if self._address(package) == source) or named

    def renamed(self, distributions: Iterable[Distribution]) -> Mapping[NormalizedName, NormalizedName]:
        """The names in the metadata of those `distributions` that have another name in the lock, and that name."""
        found = {d.name: {package.name for package in self.direct(d)} for d in distributions}
        return {name: min(names) for name, names in found.items() if names and name not in names}

    def _address(self, package: Package) -> tuple[str, str | None]:
        """The address and the subdirectory of a package that does not come from an index, as `Distribution.source`."""
        source, path = package.source, self.path_of(package)
        if source is None:
            return "", None
        return str(path) if path is not None else address_of(source.url), source.subdirectory

    def path_of(self, package: Package) -> Path | None:
        """The path that a package comes from, without links; None if it is not from a path."""
        if package.source is None or package.source.type not in BY_PATH:
            return None
        return (self.path.parent / package.source.url).resolve()


BY_PATH: Final = ("directory", "file")
"""The types of the sources that are paths."""


def git_url(address: str) -> str:
    """Return `address`, or the URL for Git's short form of an SSH address; a path is returned as it is."""
    match = _SCP.fullmatch(address)
    return f"ssh://{match['user'] or ''}{match['host']}/{match['path'].lstrip('/')}" if match else address


_SCP: Final = pattern(r"(?P<user>[^/@:]+@)?(?P<host>[^/:@]{2,}):(?P<path>(?!//).+)")
"""The short form of an SSH address: `git@example.org:group/project.git` (git-clone(1), GIT URLS)."""


def digest(path: Path) -> str:
    """The SHA-256 of the lock at `path`. Raises `NoxPexError` `no-lock` or `lock-unreadable`."""
    return hashlib.sha256(_bytes(path)).hexdigest()


def read(path: Path) -> Lock:
    """Read the lock at `path`. Raises `NoxPexError` `no-lock` or `lock-unreadable`."""
    return parse(path, _bytes(path))


@functools.lru_cache(maxsize=16)  # each step reads the file again and finds the same content
def parse(path: Path, content: bytes) -> Lock:
    """Return the lock in `content`, which is that of `path`. Raises `NoxPexError` `lock-unreadable`."""
    try:
        document = tomllib.loads(content.decode("utf-8"))
        packages = tuple(_packages(document))
        lock_version = str(document["metadata"]["lock-version"])
    except (ValueError, RecursionError) as error:
        raise NoxPexError("lock-unreadable", f"{path} is damaged: {error}", _RELOCK) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise NoxPexError("lock-unreadable", f"{path} is not a lock file of Poetry ({error!r})", _RELOCK) from error
    if not lock_version.startswith(("1.", "2.")):
        problem = f"{path} has lock-version {lock_version}; nox-pex reads 1.x and 2.x"
        raise NoxPexError("lock-unreadable", problem, "lock it with Poetry 2, or use a newer nox-pex")
    return Lock(path=path, digest=hashlib.sha256(content).hexdigest(), packages=packages)


_RELOCK: Final = "restore it from version control, or run `poetry lock` (`nox -s lock -- --force`)"


def _bytes(path: Path) -> bytes:
    try:
        return files.read_bytes(path)
    except FileNotFoundError:
        raise _no_lock(path) from None
    except OSError as error:
        raise NoxPexError("lock-unreadable", f"cannot read {path}: {error.strerror}", _RELOCK) from error


_LOCKS: Final = (
    ("uv.lock", "uv's", "`uv export --format pylock.toml`, then `pex --pylock`"),
    ("pdm.lock", "PDM's", "`pdm export`, then `pex -r`"),
    ("Pipfile.lock", "Pipenv's", "`pipenv requirements`, then `pex -r`"),
    ("pixi.lock", "pixi's", "`pex -r` with its requirements"),
)
"""Locks of other tools: the name of the file, whose it is, and the way to a PEX without nox-pex."""


_LISTS: Final = (
    ("pylock.toml", "a PEP 751 file", "`pex --pylock pylock.toml`"),
    ("requirements.txt", "a requirements file", "`pex -r requirements.txt`"),
)
"""Files like `_LOCKS` that many projects of Poetry have too, because they are exported from its lock."""


_POETRY_ONLY: Final = frozenset({"dependencies", "dev-dependencies", "group"})
"""Tables of `[tool.poetry]` whose dependencies no other tool reads."""


def _no_lock(path: Path) -> NoxPexError:
    """The error if there is no lock at `path`. It names the lock of another tool, if the project is for that tool."""
    problem = f"there is no {path.name} in {path.parent}"
    for name, owner, way in _candidates(path.parent):
        if file := _find(name, path.parent):
            problem += f", but {file}: nox-pex reads Poetry's lock, not {owner}"
            return NoxPexError("no-lock", problem, f"move the project to Poetry, or build it with pex itself ({way})")
    return NoxPexError("no-lock", problem, "run `poetry lock` there, or `nox -s lock`, and commit the file")


def _candidates(root: Path) -> Iterable[tuple[str, str, str]]:
    """Those of `_LOCKS` and `_LISTS` that may be what the project in `root` has in place of a lock of Poetry."""
    document: Mapping[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, RecursionError):
        document = tomllib.loads(files.read_text(root / "pyproject.toml"))
    poetry = document.get("tool", {}).get("poetry")
    if poetry is not None and _POETRY_ONLY & poetry.keys():
        return ()
    backend = str(document.get("build-system", {}).get("build-backend", ""))
    return _LOCKS if poetry is not None or backend.startswith("poetry") else (*_LOCKS, *_LISTS)


def _find(name: str, root: Path) -> Path | None:
    """The lock `name` for the project in `root`; None if there is none. A workspace of uv has one lock at its root."""
    if (root / name).is_file():
        return Path(name)
    if name == "uv.lock":
        for parent in root.parents:
            if (parent / name).is_file() and _is_workspace(parent / "pyproject.toml"):
                return parent / name
    return None


def _is_workspace(file: Path) -> bool:
    """Whether a `pyproject.toml` is that of the root of a workspace of uv."""
    try:
        return re.search(r"^\s*\[tool\.uv\.workspace\]", files.read_text(file), re.MULTILINE) is not None
    except (OSError, ValueError):
        return False


def _packages(document: Mapping[str, Any]) -> Iterable[Package]:
    # Up to lock-version 1.1, the files are in a table under [metadata]. Since 2.0, each package has its own.
    shared = {canonicalize_name(name): files for name, files in document["metadata"].get("files", {}).items()}
    for entry in document.get("package", ()):
        name = canonicalize_name(entry["name"])
        files = entry.get("files") or _of_version(shared.get(name, ()), entry["version"])
        source = entry.get("source")
        yield Package(
            name=name,
            version=entry["version"],
            develop=bool(entry.get("develop", False)),
            dependencies=tuple(map(canonicalize_name, entry.get("dependencies", ()))),
            hashes=tuple(sorted({file["hash"] for file in files})),
            files=tuple(LockedFile(name=file["file"], hash=file["hash"]) for file in files),
            source=None
            if source is None
            else Source(
                type=source.get("type", "legacy"),
                url=source["url"],
                reference=source.get("reference"),
                resolved_reference=source.get("resolved_reference"),
                subdirectory=source.get("subdirectory"),
            ),
        )


def _of_version(files: Sequence[Mapping[str, str]], version: str) -> Sequence[Mapping[str, str]]:
    """Those of `files` that belong to `version` by their names; all if none does. They may be of several versions."""
    ending = re.compile(rf"-{re.escape(version)}(-|\.tar\.|\.tgz|\.zip)")
    return [file for file in files if ending.search(file["file"])] or files


def _version(text: str) -> Version | str:
    try:
        return Version(text)
    except InvalidVersion:
        return text
