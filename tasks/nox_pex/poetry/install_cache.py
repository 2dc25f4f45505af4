"""What Poetry installed from a lock, kept for the next fresh checkout of it: a CI job, a second clone, a new work tree.

It is known by all that decides what Poetry would install, so nothing is asked of Poetry again; and it is copied file by
file, each checked against its RECORD on the way, into an environment that ends as Poetry would have left it there. Kept
is only what comes from the default index: what a path, Git or another source gives has to come from there anew.
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
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, convert, to_builtins

import nox_pex
from nox_pex.distributions.entry_points import entry_points
from nox_pex.distributions.environment import Distribution, Environment, installed_files, snapshot
from nox_pex.distributions.record import encoded, record_with
from nox_pex.poetry.lock import Lock
from nox_pex.system import files, locks
from nox_pex.system.command import Shell
from nox_pex.system.fingerprint import Inputs
from nox_pex.system.secrets import is_secret_name, public_url
from nox_pex.tools import cache, index

_MANIFEST: Final = "nox-pex.json"


_PLACES: Final = (
    "POETRY_CACHE_DIR",
    "POETRY_CONFIG_DIR",
    "POETRY_DATA_DIR",
    "POETRY_HOME",
    "POETRY_VIRTUALENVS_",
)
"""Prefixes of Poetry's variables that say where something lies, not what it is."""


_SHEBANG: Final = 127
"""Bytes of a first line with `#!` and its end: what every kernel reads."""


_PIECE: Final = 1 << 20
"""Bytes that are copied at a time."""


class _Manifest(Struct, frozen=True, kw_only=True):
    """What is noted with what is kept: an `id`, the interpreter that its scripts begin with, what is in it."""

    id: str
    python: str
    distributions: dict[str, list[str | None]]
    executable: frozenset[str]


class CachedInstall(Struct, frozen=True, kw_only=True):
    """What one set of inputs gives, in the directory `home`, which all checkouts share; it may not be there yet."""

    home: Path

    def exists(self) -> bool:
        """Whether there is something to take over."""
        return (self.home / _MANIFEST).exists()

    def restore(self, environment: Environment) -> bool:
        """Put it into a new and empty `environment`.

        False where it is not whole: what is in `environment` then is of no use.
        """
        try:
            manifest = convert(files.read_json(self.home / _MANIFEST), _Manifest)
            cache.mark_used(self.home)
            source = Environment(path=self.home)
            found = source.distributions()
            whole = snapshot(found) == manifest.distributions and all(
                _transplant(distribution, source=source, environment=environment, manifest=manifest)
                for distribution in found
            )
            # Another run may have put a new one in its place meanwhile, with scripts for another interpreter.
            return whole and files.read_json(self.home / _MANIFEST).get("id") == manifest.id
        except (OSError, ValueError, configparser.Error):
            return False

    def store(self, environment: Environment, locked: Lock, *, shell: Shell) -> None:
        """Keep what Poetry has just installed from `locked` into `environment`, where that may be shared."""
        found = environment.distributions()
        if any(package.source for package in locked.packages) or any(distribution.direct for distribution in found):
            return
        waiting = f"waiting for another run that keeps {self.home}"
        try:
            with (
                locks.locked(self.home.with_name(f"{self.home.name}.lock"), waiting=lambda: shell.say(waiting)),
                tempfile.TemporaryDirectory(prefix=f".{self.home.name}.", dir=self.home.parent) as directory,
                locks.try_lock_directory(Path(directory), shared=True),
            ):
                new = Path(directory) / self.home.name
                new.mkdir()
                inners = [inner for distribution in found for inner, _, _ in installed_files(distribution, environment)]
                for inner in inners:
                    _link(environment.path / inner, new / inner)
                manifest = _Manifest(
                    id=uuid.uuid4().hex,
                    python=str(environment.python),
                    distributions=snapshot(found),
                    executable=frozenset(inner for inner in inners if (new / inner).stat().st_mode & 0o100),
                )
                files.write_json(new / _MANIFEST, to_builtins(manifest, order="deterministic"))
                files.move_into_place(new, self.home)
                cache.mark_used(self.home)
        except OSError as error:
            shell.say(f"install: not kept for other checkouts: {error.strerror} ({error.filename})")


def locate(inputs: Inputs, *, home: Path, environ: Mapping[str, str], prefix: Path, project: Path) -> CachedInstall:
    """The place below `home` for what `inputs` give, under what Poetry is told by `environ` and its files.

    `prefix` is the Python environment whose pip configuration counts, `project` the project's directory.
    Raises `NoxPexError` `config` where a configuration file, pip's or Poetry's, cannot be parsed.
    """
    mirror = index.poetry_environ(environ, prefix=prefix, project=project, default="").get("POETRY_PYPI_MIRROR_URL")
    told = {name: value for name, value in environ.items() if _tells(name)}
    decisive = [
        inputs,
        {name: public_url(value) for name, value in {**told, "index": mirror or ""}.items()},
        files.digest(index.poetry_config(environ)),
        # A wheel that fits here may not fit another system that the cache is carried to.
        [sysconfig.get_platform(), *platform.libc_ver(), platform.mac_ver()[0]],
        nox_pex.__version__,
    ]
    return CachedInstall(home=home / hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16])


def _tells(name: str) -> bool:
    return name.startswith("POETRY_") and not (name.startswith(_PLACES) or is_secret_name(name))


def _transplant(
    distribution: Distribution, *, source: Environment, environment: Environment, manifest: _Manifest
) -> bool:
    """Bring a distribution over from `source`; False where a file is not as its RECORD says.

    Its scripts, and so their rows in the RECORD, get the interpreter of `environment`.
    """
    record = f"{distribution.directory.name}/RECORD"
    rewritten = (distribution.directory / "RECORD").read_text("utf-8", "surrogateescape")
    launchers = {**entry_points(distribution), **entry_points(distribution, "gui_scripts")}
    for inner, path, digest in installed_files(distribution, source):
        copy, mode = environment.path / inner, 0o755 if inner in manifest.executable else 0o644
        if path == record:
            continue
        if inner.startswith("bin/"):
            content = (source.path / inner).read_bytes()
            algorithm, _, expected = digest.partition("=")
            if expected and encoded(hashlib.new(algorithm, content).digest()) != expected:
                return False
            moved = _moved(content, manifest.python, str(environment.python), launcher=copy.name in launchers)
            if moved is None:
                return False
            _write(copy, [moved], mode=mode)
            if moved != content:
                rewritten = record_with(rewritten, path=path, content=moved)
        elif not _copied(source.path / inner, copy, digest=digest, mode=mode):
            return False
    copied = environment.path / distribution.directory.relative_to(source.path) / "RECORD"
    _write(copied, [rewritten.encode("utf-8", "surrogateescape")], mode=0o644)
    return True


def _copied(original: Path, copy: Path, *, digest: str, mode: int) -> bool:
    """Copy a file; False where it is not the one of `digest`, as a RECORD has it (or empty)."""
    algorithm, _, expected = digest.partition("=")
    hasher = hashlib.new(algorithm or "sha256")
    with original.open("rb", buffering=0) as file:

        def pieces() -> Iterator[bytes]:
            while piece := file.read(_PIECE):
                hasher.update(piece)
                yield piece

        _write(copy, pieces(), mode=mode)
    return not expected or encoded(hasher.digest()) == expected


def _write(copy: Path, pieces: Iterable[bytes], *, mode: int) -> None:
    """Write a file anew, with its directories; raises `OSError` where a link stands (`bin/python` leads far away)."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(copy, flags, mode)
    except FileNotFoundError:
        copy.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(copy, flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(pieces)
        os.fchmod(descriptor, mode)


def _moved(content: bytes, then: str, now: str, *, launcher: bool) -> bytes | None:
    """A script of the interpreter `then` for the one `now`; None for one of another, as a moved checkout has it."""
    before = _first_line(then, launcher=launcher)
    if content.startswith(before):
        return _first_line(now, launcher=launcher) + content.removeprefix(before)
    foreign = launcher or os.fsencode(then) in content or content.partition(b"\n")[0].endswith(b"/bin/python")
    return None if foreign else content


def _first_line(python: str, *, launcher: bool) -> bytes:
    """How a script for the interpreter at `python` begins, as `installer` writes it, which Poetry installs with.

    A `launcher`, which it makes for an entry point, takes a way around what the kernel does not read.
    """
    path = os.fsencode(python)
    if launcher and (b" " in path or len(path) + 3 > _SHEBANG):
        return b"#!/bin/sh\n'''exec' " + os.fsencode(shlex.quote(python)) + b" \"$0\" \"$@\"\n' '''\n"
    return b"#!" + path + b"\n"


def _link(original: Path, copy: Path) -> None:
    """A hard link, or a copy where the file systems have none."""
    with contextlib.suppress(FileExistsError):  # of two distributions: the RECORD of each says what it is
        try:
            files.link(original, copy)
        except FileNotFoundError:
            copy.parent.mkdir(parents=True, exist_ok=True)
            files.link(original, copy)
