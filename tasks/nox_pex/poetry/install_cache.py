"""A cache of finished installs for the next fresh checkout of a lock: a CI job, a second clone, a new work tree.

The key of an entry covers everything that decides what Poetry would install, so Poetry does not run again. An entry is
copied into an environment file by file, and each file is checked against its RECORD. The result is the environment
that Poetry would have made. Only installs from the default index are cached; other sources (paths, Git, other indexes)
are read again each time.

An install for a lock that is not cached begins with the distributions that it has in common with a cached one, and
Poetry installs the rest.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import json
import os
import platform
import shlex
import sysconfig
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, convert, to_builtins

import nox_pex
from nox_pex.distributions import inventory
from nox_pex.distributions.entry_points import entry_points
from nox_pex.distributions.environment import Distribution, Environment, installed_files, snapshot
from nox_pex.distributions.record import encode_digest, record_with
from nox_pex.poetry import origins
from nox_pex.poetry.lock import Lock, Package
from nox_pex.poetry.origins import Origin
from nox_pex.system import files, locks
from nox_pex.system.command import Shell
from nox_pex.system.fingerprint import Inputs
from nox_pex.system.secrets import is_secret_name, public_url
from nox_pex.tools import cache, index

_MANIFEST: Final = "manifest.json"
"""The file of a cached install that describes it. It is next to the installed files, which may have any name."""


_FILES: Final = "files"
"""The directory of a cached install with the installed files, each at its `place`."""


_INFO: Final = "info"
"""The directory in it that is an environment with nothing but the `.dist-info` directories."""


_FLAT: Final = "flat"
"""The directory in it with all other files, each by a digest of its path: creating directories takes longest."""


_LOCATIONS: Final = (
    "POETRY_CACHE_DIR",
    "POETRY_CONFIG_DIR",
    "POETRY_DATA_DIR",
    "POETRY_HOME",
    "POETRY_VIRTUALENVS_",
)
"""Prefixes of Poetry's variables that set locations, which do not change what is installed."""


KEPT_BY_POETRY: Final = "pip"
"""The distribution that Poetry never removes, although the lock does not have it (`poetry/puzzle/transaction.py`)."""


_SHEBANG_LIMIT: Final = 127
"""Bytes of a first line, with `#!` and its line ending, that every kernel reads (execve(2))."""


_CHUNK: Final = 1 << 20
"""Bytes that are copied at a time."""


class _Manifest(Struct, frozen=True, kw_only=True):
    """The description of a cached install.

    `id` is unique. `python` is the interpreter that its scripts start with. `distributions` are those of `snapshot`.
    `executable` are the paths of files with the execute permission. `locked` are the digests of their packages in the
    lock, by name, and `family` is that of the cached install. `origins` are the files that Poetry chose, by name.
    """

    id: str
    python: str
    distributions: dict[str, list[str | None]]
    executable: frozenset[str]
    family: str
    locked: dict[str, str]
    origins: dict[str, Origin]


class CachedInstall(Struct, frozen=True, kw_only=True):
    """The cached install for one set of inputs, in the directory `home`. It may not exist yet.

    In all cached installs of a `family`, Poetry installs the same from the same package in a lock.
    """

    home: Path
    family: str

    def exists(self) -> bool:
        """Whether there is a cached install."""
        return (self.home / _MANIFEST).exists()

    def restore(self, environment: Environment) -> bool:
        """Copy the cached install into a new and empty `environment`.

        Returns False if the cached install is not whole: a file has another digest than its RECORD says or is in no
        RECORD, or a RECORD has a row without a strong digest. `environment` is then incomplete.
        """
        return _copy(self.home, environment) is not None

    def begin(self, environment: Environment, locked: Lock) -> int | None:
        """Copy what the most similar cached install has in common with the lock into a new and empty `environment`.

        Poetry then installs the rest, and removes what `environment` should not have. A distribution that shares a file
        with another one is left to Poetry, and so is pip, which it would never remove. Returns the number of
        distributions, or None if the cached install is not whole, as for `restore`. `environment` is then incomplete.
        """
        wanted = {_digest(package) for package in locked.packages}
        most, nearest, names = 0, self.home, frozenset[str]()
        for file in sorted(self.home.parent.glob(f"*/{_MANIFEST}")):
            with contextlib.suppress(ValueError):
                manifest = convert(files.read_json(file), _Manifest)
                common = frozenset(name for name, digest in manifest.locked.items() if digest in wanted)
                if manifest.family == self.family and len(common) > most:
                    most, nearest, names = len(common), file.parent, common - {KEPT_BY_POETRY}
        return _copy(nearest, environment, only=names) if most else 0

    def store(self, environment: Environment, locked: Lock, *, shell: Shell) -> None:
        """Store what Poetry has just installed from `locked` into `environment`, if all is from the default index."""
        found = environment.distributions()
        if any(package.source for package in locked.packages) or any(distribution.direct for distribution in found):
            return
        waiting = f"waiting until {self.home} is written"
        try:
            with (
                locks.locked(self.home.with_name(f"{self.home.name}.lock"), waiting=lambda: shell.say(waiting)),
                files.temporary_directory(prefix=f".{self.home.name}.", parent=self.home.parent) as directory,
                locks.try_lock(directory, shared=True),
            ):
                new = directory / self.home.name
                new.mkdir(0o700)  # nobody else may write to a directory of the cache, whatever the umask
                (new / _FILES / _FLAT).mkdir(parents=True)
                unreadable = set(environment.without_utf_8())  # by Poetry, which must install them itself
                paths = [path for distribution in found for path, _, _ in installed_files(distribution, environment)]
                executable = _link_all(paths, environment.path, new / _FILES)
                manifest = _Manifest(
                    id=uuid.uuid4().hex,
                    python=str(environment.python),
                    distributions=snapshot(found),
                    executable=executable,
                    family=self.family,
                    locked={name: digest for name, digest in _locked(found, locked).items() if name not in unreadable},
                    origins=origins.read(environment),
                )
                files.write_json(new / _MANIFEST, to_builtins(manifest, order="deterministic"))
                files.move_into_place(new, self.home)
                cache.mark_used(self.home)
        except OSError as error:
            shell.say(f"install: not stored in the install cache: {error.strerror} ({error.filename})")


def locate(inputs: Inputs, *, home: Path, environ: Mapping[str, str], prefix: Path, project: Path) -> CachedInstall:
    """Return the place below `home` for an install from `inputs`, with Poetry's settings in `environ` and its files.

    `prefix` is the Python environment whose pip configuration is used, and `project` the project's directory.
    Raises `NoxPexError` `config` if a configuration file of pip or Poetry cannot be parsed.
    """
    mirror = index.poetry_index_environ(environ, prefix=prefix, project=project).get("POETRY_PYPI_MIRROR_URL")
    settings = {name: value for name, value in environ.items() if _is_setting(name)}
    # The lock, groups and extras decide which packages are installed, but not what is installed for one of them.
    settings_of_poetry = {"poetry.toml": inputs.get("settings", {}).get("poetry.toml", "")}
    of_family = {"python": inputs.get("python"), "tools": inputs.get("tools"), "settings": settings_of_poetry}
    decisive = [
        {name: public_url(value) for name, value in {**settings, "index": mirror or ""}.items()},
        files.digest(index.poetry_config(environ)),
        # The cache may be copied to another system, which may need other wheels.
        [sysconfig.get_platform(), *platform.libc_ver(), platform.mac_ver()[0]],
        [nox_pex.__version__, _INFO, _FLAT],
    ]
    return CachedInstall(home=home / _key([inputs, decisive]), family=_key([of_family, decisive]))


def _key(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _is_setting(name: str) -> bool:
    """Whether a variable can change what Poetry installs."""
    return name.startswith("POETRY_") and not (name.startswith(_LOCATIONS) or is_secret_name(name))


def _digest(package: Package) -> str:
    """The digest of a package in the lock: its version, and the hashes of all of its files."""
    return _key(to_builtins(package))


def _locked(found: Iterable[Distribution], locked: Lock) -> dict[str, str]:
    """The digest of the locked package that each distribution was installed from, by name, if there is only one."""
    packages = {distribution.name: locked.find(distribution.name, distribution.version) for distribution in found}
    return {name: _digest(candidates[0]) for name, candidates in packages.items() if len(candidates) == 1}


def _copy(home: Path, environment: Environment, *, only: frozenset[str] | None = None) -> int | None:
    """Copy the cached install in `home` into a new and empty `environment`; return the number of distributions.

    With `only`, copy only the distributions of these names that share no file with another one. Returns None if the
    cached install is not whole. `environment` is then incomplete.
    """
    try:
        manifest = convert(files.read_json(home / _MANIFEST), _Manifest)
        cache.mark_used(home)
        source = Environment(path=home / _FILES / _INFO)
        found = source.distributions()
        listed = {distribution: inventory.listed(distribution, source) for distribution in found}
        copied = listed
        if only is not None:
            owners = Counter(path for rows in listed.values() for path in rows)
            copied = {
                distribution: rows
                for distribution, rows in listed.items()
                if distribution.name in only and all(owners[path] == 1 for path in rows)
            }
        complete = (
            snapshot(found) == manifest.distributions
            and inventory.files_in(home / _FILES) == {place(path) for rows in listed.values() for path in rows}
            and all(
                _copy_distribution(distribution, rows=rows, home=home, environment=environment, manifest=manifest)
                for distribution, rows in copied.items()
            )
        )
        names = {distribution.name for distribution in copied}
        origins.add(environment, {name: origin for name, origin in manifest.origins.items() if name in names})
        # Another run may have replaced the cached install meanwhile, with scripts for another interpreter.
        return len(copied) if complete and files.read_json(home / _MANIFEST).get("id") == manifest.id else None
    except (OSError, ValueError, configparser.Error):
        return None


def _copy_distribution(
    distribution: Distribution,
    *,
    rows: Mapping[str, tuple[str, str]],
    home: Path,
    environment: Environment,
    manifest: _Manifest,
) -> bool:
    """Copy a distribution from the cached install in `home` to `environment`.

    Returns False if a file does not match its RECORD.

    `rows` are those of the RECORD, as `inventory.listed` returns them.

    The scripts get the interpreter of `environment`, and so new rows in the RECORD.
    """
    record = f"{distribution.directory.name}/RECORD"
    rewritten = (distribution.directory / "RECORD").read_text("utf-8", "surrogateescape")
    launchers = {**entry_points(distribution), **entry_points(distribution, "gui_scripts")}
    for path, (recorded_path, digest) in rows.items():
        original, copy = home / _FILES / place(path), environment.path / path
        mode = 0o755 if path in manifest.executable else 0o644
        if recorded_path == record:
            continue
        if path.startswith("bin/"):
            content = original.read_bytes()
            if not inventory.has_digest(content, digest):
                return False
            script = _with_interpreter(
                content, manifest.python, str(environment.python), launcher=copy.name in launchers
            )
            if script is None:
                return False
            _write(copy, [script], mode=mode)
            if script != content:
                rewritten = record_with(rewritten, path=recorded_path, content=script)
        elif not _copy_file(original, copy, digest=digest, mode=mode):
            return False
    target = environment.path / distribution.directory.relative_to(home / _FILES / _INFO) / "RECORD"
    _write(target, [rewritten.encode("utf-8", "surrogateescape")], mode=0o644)
    return True


def _copy_file(original: Path, copy: Path, *, digest: str, mode: int) -> bool:
    """Copy a file. Returns False if it does not have `digest`, as in a RECORD; an empty one matches any file."""
    algorithm, _, expected = digest.partition("=")
    hasher = hashlib.new(algorithm or "sha256")
    with original.open("rb", buffering=0) as file:

        def chunks() -> Iterator[bytes]:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
                yield chunk

        _write(copy, chunks(), mode=mode)
    return not digest or encode_digest(hasher.digest()) == expected


def _write(copy: Path, chunks: Iterable[bytes], *, mode: int) -> None:
    """Write a file, and create its directories. Raises `OSError` if it is a link (`bin/python` leads elsewhere)."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(copy, flags, mode)
    except FileNotFoundError:
        copy.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(copy, flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(chunks)
        os.fchmod(descriptor, mode)


def _with_interpreter(content: bytes, old: str, new: str, *, launcher: bool) -> bytes | None:
    """A script with the interpreter `new` instead of `old`. `launcher` is whether it is that of an entry point.

    Returns None if the script has another interpreter than `old`, as after a checkout was moved.
    """
    beginning = _shebang(old, launcher=launcher)
    if content.startswith(beginning):
        return _shebang(new, launcher=launcher) + content.removeprefix(beginning)
    foreign = launcher or os.fsencode(old) in content or content.partition(b"\n")[0].endswith(b"/bin/python")
    return None if foreign else content


def _shebang(python: str, *, launcher: bool) -> bytes:
    """The beginning of a script for the interpreter at `python`, as `installer` writes it, which Poetry uses.

    A launcher gets a path that the kernel cannot read through `/bin/sh`.
    """
    path = os.fsencode(python)
    if launcher and (b" " in path or len(path) + 3 > _SHEBANG_LIMIT):
        return b"#!/bin/sh\n'''exec' " + os.fsencode(shlex.quote(python)) + b" \"$0\" \"$@\"\n' '''\n"
    return b"#!" + path + b"\n"


def place(path: str) -> str:
    """Return the place of the installed file `path` among the files of a cached install."""
    if ".dist-info/" in path:
        return f"{_INFO}/{path}"
    return f"{_FLAT}/{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}"


def _link_all(paths: Iterable[str], source: Path, target: Path) -> frozenset[str]:
    """Create hard links to the files `paths` below `source`, each at its `place` below `target`.

    They are copies if the file systems do not support links. Returns the paths of those with the execute permission.
    """
    here, there = str(source), str(target)  # pathlib takes longer than the links, for ten thousand files
    executable, directories = set(), {f"{there}/{_FLAT}"}
    for path in paths:
        copy = f"{there}/{place(path)}"
        if (directory := copy.rpartition("/")[0]) not in directories:
            Path(directory).mkdir(parents=True, exist_ok=True)
            directories.add(directory)
        with contextlib.suppress(FileExistsError):  # two distributions share the file, and both RECORDs have its digest
            files.link(f"{here}/{path}", copy)
        if os.stat(copy).st_mode & 0o100:  # noqa: PTH116  # pathlib is slow
            executable.add(path)
    return frozenset(executable)
