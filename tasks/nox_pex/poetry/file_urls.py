"""The addresses of locked files on their package indexes.

`poetry.lock` has only the names and hashes of files. Poetry finds their addresses when it installs, and they are then
kept in the user's shared cache. Poetry is asked again for those that are not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.poetry.cli import poetry_argv, poetry_environ
from nox_pex.poetry.lock import Lock, Package
from nox_pex.project.pyproject import Project
from nox_pex.system import files, locks
from nox_pex.system.environ import tool_environ
from nox_pex.system.secrets import public_url
from nox_pex.tools import cache, index, pinned
from nox_pex.tools.index_failures import network_failure
from nox_pex.tools.provision import Provisioner

_Form = TypeVar("_Form")

_SCRIPT: Final = Path(__file__).with_name("file_urls_script.py")


class FileUrls(Struct, frozen=True, kw_only=True):
    """The addresses of the files of one locked package, without passwords.

    `name` is the name of the package, and `source` that of its source in the lock (None for the default index). `index`
    is the address of its index, and `files` has the address of each file by its name.
    """

    name: str
    version: str
    source: str | None
    index: str
    files: Mapping[str, str]


class KnownUrls(Struct, frozen=True, kw_only=True):
    """The addresses that are remembered in the user's shared cache for `project`, each by its locked package.

    So the next lock only needs those of the packages that differ.
    """

    project: Project
    provisioner: Provisioner

    def of(self, packages: Collection[Package]) -> dict[Package, FileUrls]:
        """Return what is remembered about `packages`."""
        root, indexes = self.provisioner.caches.urls, self._indexes()
        found = {package: _read(root / _file_name(package, indexes), FileUrls) for package in packages}
        if root.is_dir():
            cache.mark_used(root)
        return {package: urls for package, urls in found.items() if urls is not None}

    def add(self, answers: Iterable[FileUrls], locked: Lock) -> None:
        """Remember the `answers` of indexes that are about packages in the lock, without passwords.

        An answer without a locked file is not remembered, because the index may have the file the next time.
        """
        root, indexes = self.provisioner.caches.urls, self._indexes()
        for answer in answers:
            for package in locked.find(answer.name, answer.version):
                names = {file.name for file in package.files} & answer.files.keys()
                if names and _reference(package) == answer.source:
                    kept = {name: url for name, url in answer.files.items() if name in names}
                    remembered = _public(msgspec.structs.replace(answer, files=kept))
                    with contextlib.suppress(OSError):  # a read-only cache does not grow
                        files.write_json(root / _file_name(package, indexes), msgspec.to_builtins(remembered))

    def _indexes(self) -> list[Any]:
        """Everything that decides which index Poetry asks for a package, besides the package itself."""
        environ, project = tool_environ(self.provisioner.shell.environ), self.project
        added = index.poetry_index_environ(environ, prefix=Path(sys.prefix), project=project.root)
        return [
            project.document.get("tool", {}).get("poetry", {}).get("source"),
            public_url(added.get("POETRY_PYPI_MIRROR_URL") or environ.get("POETRY_PYPI_MIRROR_URL", "")),
            files.digest(project.root / "poetry.toml"),
            files.digest(index.poetry_config(environ)),
        ]


def _file_name(package: Package, indexes: Sequence[Any]) -> str:
    """The name of the file with the addresses of `package`. It has the content of the lock, and so all hashes."""
    decisive = json.dumps([indexes, msgspec.to_builtins(package)], default=str)
    return f"{hashlib.sha256(decisive.encode()).hexdigest()[:16]}.json"


def _reference(package: Package) -> str | None:
    """The name of the index of a package; None for the default one."""
    return package.source.reference if package.source is not None else None


class FileLocator(Struct, frozen=True, kw_only=True):
    """Asks the indexes of `project` with Poetry, or remembers what they answered.

    `poetry_version` replaces the pinned Poetry if it is not None. `force` asks again.
    """

    project: Project
    provisioner: Provisioner
    poetry_version: str | None
    force: bool

    def locate(self, packages: Collection[Package], *, locked: Lock) -> tuple[FileUrls, ...]:
        """Return the addresses of the files of `packages`, which are in the lock `locked`.

        A file that its index no longer has is left out. Raises `NoxPexError` if an index cannot be asked:
        `index-unreachable`, `index-auth`, `tool-install`, `install-failed`.
        """
        known = KnownUrls(project=self.project, provisioner=self.provisioner)
        found = {} if self.force else known.of(packages)
        unknown = sorted({package.name for package in packages if package not in found})
        if not unknown:
            return tuple(found.values())
        answers = self._ask(unknown)
        known.add(answers, locked)
        return (*found.values(), *answers)

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
                environment=Environment(path=scratch / "environment"),
                environments=environments,
                project=self.project.root,
            )
            argv = poetry_argv(poetry, str(_SCRIPT), str(request), str(answer))
            outcome = shell.run(argv, what="freeze: Poetry", env=environ, cwd=self.project.root)
            found = _read(answer, tuple[FileUrls, ...]) if outcome.status == 0 else None
        if found is None:
            what = "Poetry could not ask the package index for the addresses of the locked files"
            raise network_failure(what, outcome) or NoxPexError(
                "install-failed", f"{what} (exit status {outcome.status})", _REMEDY, log=outcome.tail
            )
        return tuple(_public(each) for each in found)


_REMEDY: Final = "run it again with --verbose to see Poetry's output"


def _read(path: Path, form: type[_Form]) -> _Form | None:
    """The value of this type in a JSON file; None if there is no such file, or if it was damaged."""
    try:
        return msgspec.json.decode(files.read_bytes(path), type=form)
    except (OSError, msgspec.DecodeError):
        return None


def _public(answer: FileUrls) -> FileUrls:
    """An answer without the passwords that may be in its addresses."""
    urls = {name: public_url(url) for name, url in answer.files.items()}
    return msgspec.structs.replace(answer, index=public_url(answer.index), files=urls)
