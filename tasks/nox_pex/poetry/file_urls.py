"""The addresses of locked files on their package indexes.

`poetry.lock` has only the names and hashes of files. Poetry finds their addresses each time it installs, so this asks
Poetry too. The answer is kept in the user's shared cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.poetry.cli import poetry_environ
from nox_pex.poetry.lock import Package
from nox_pex.project.pyproject import Project
from nox_pex.system import files, locks
from nox_pex.system.environ import tool_environ
from nox_pex.system.secrets import public_url
from nox_pex.tools import cache, index, pinned
from nox_pex.tools.index_failures import network_failure
from nox_pex.tools.provision import Provisioner

_SCRIPT: Final = Path(__file__).with_name("file_urls_script.py")


class FileUrls(Struct, frozen=True, kw_only=True):
    """The addresses of the files of one locked package, without passwords.

    `name` is the name of the package, and `source` that of its source in the lock (None for the default index). `index`
    is the address of its index, and `files` has the address of each file by its name.
    """

    name: str
    source: str | None
    index: str
    files: Mapping[str, str]


class FileLocator(Struct, frozen=True, kw_only=True):
    """Asks the indexes of `project` with Poetry, or remembers what they answered.

    `poetry_version` replaces the pinned Poetry if it is not None. `force` asks again.
    """

    project: Project
    provisioner: Provisioner
    poetry_version: str | None
    force: bool

    def locate(self, packages: Collection[Package], *, lock_digest: str) -> tuple[FileUrls, ...]:
        """Return the addresses of the files of `packages`, and perhaps of others in the same lock.

        `lock_digest` is the SHA-256 of the lock. A file that its index no longer has is left out. Raises `NoxPexError`
        if an index cannot be asked: `index-unreachable`, `index-auth`, `tool-install`, `install-failed`.
        """
        root = self.provisioner.caches.urls
        remembered = root / f"{self._key(lock_digest)}.json"
        known = () if self.force else _read(remembered) or ()
        unknown = sorted({package.name for package in packages} - {each.name for each in known})
        if unknown:
            known = (*known, *self._ask(unknown))
            with contextlib.suppress(OSError):  # a read-only cache does not grow
                files.write_json(remembered, msgspec.to_builtins(known))
        if root.is_dir():
            cache.mark_used(root)
        return known

    def _key(self, lock_digest: str) -> str:
        """A name for the answers, made from everything that decides which index Poetry asks for what."""
        environ, project = tool_environ(self.provisioner.shell.environ), self.project
        added = index.poetry_index_environ(environ, prefix=Path(sys.prefix), project=project.root, default="")
        decisive = [
            lock_digest,
            project.dependency_digest(),
            public_url(added.get("POETRY_PYPI_MIRROR_URL") or environ.get("POETRY_PYPI_MIRROR_URL", "")),
            files.digest(project.root / "poetry.toml"),
            files.digest(index.poetry_config(environ)),
        ]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]

    def _ask(self, names: Sequence[str]) -> tuple[FileUrls, ...]:
        shell = self.provisioner.shell
        poetry = pinned.provide_poetry(self.provisioner, self.poetry_version)
        shell.say(f"freeze: Poetry {poetry.version} asks the package index for the addresses of the locked files")
        with locks.scratch("nox-pex-urls-") as scratch:
            (environments := scratch / "environments").mkdir()
            request, answer = scratch / "names.json", scratch / "answer.json"
            files.write_json(request, names)
            environ = poetry_environ(
                shell.environ,
                poetry=poetry,
                environment=Environment(path=scratch / "environment"),
                environments=environments,
                project=self.project.root,
            )
            argv = [str(poetry.python), "-I", str(_SCRIPT), str(request), str(answer)]
            outcome = shell.run(argv, what="freeze: Poetry", env=environ, cwd=self.project.root)
            found = _read(answer) if outcome.status == 0 else None
        if found is None:
            what = "Poetry could not ask the package index for the addresses of the locked files"
            raise network_failure(what, outcome) or NoxPexError(
                "install-failed", f"{what} (exit status {outcome.status})", _REMEDY, log=outcome.tail
            )
        return tuple(_public(each) for each in found)


_REMEDY: Final = "run it again with --verbose to see Poetry's output"


def _read(path: Path) -> tuple[FileUrls, ...] | None:
    """The answers in a file; None if there is no such file, or if it was damaged."""
    try:
        return msgspec.json.decode(files.read_bytes(path), type=tuple[FileUrls, ...])
    except (OSError, msgspec.DecodeError):
        return None


def _public(answer: FileUrls) -> FileUrls:
    """An answer without the passwords that may be in its addresses."""
    urls = {name: public_url(url) for name, url in answer.files.items()}
    return msgspec.structs.replace(answer, index=public_url(answer.index), files=urls)
