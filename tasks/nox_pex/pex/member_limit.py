"""The number of members of a PEX file, which decides whether it stores distributions as installed or as wheels.

Before Python 3.13, zipimport reads no ZIP64 archive, so a PEX file has at most 65,535 members: files and directories.
A distribution that is stored as its wheel is a single member.

Fact source: pex 2.105 (`common.Chroot.zip`, `pep_427.install_wheel`).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.distributions import pex_file
from nox_pex.distributions.entry_points import generated_scripts
from nox_pex.distributions.environment import Distribution, text_of
from nox_pex.distributions.record import record_rows
from nox_pex.errors import NoxPexError
from nox_pex.pex import zip_members
from nox_pex.pex.exclude import is_excluded
from nox_pex.pex.target import Contents, Target
from nox_pex.poetry.installed import Installed

MOST: Final = 65_535
"""Members of an archive that is not ZIP64."""


_READS_ZIP64: Final = (3, 13)
"""The first Python whose zipimport reads ZIP64 archives."""


_BOOTSTRAP: Final = ".bootstrap"


_DEPENDENCIES: Final = ".deps"


_OF_PEX: Final = ("PEX-INFO", "__main__.py", "__pex__/__init__.py")


_TOOLS: Final = 16
"""Members of pex's tools, which a dependency PEX does not have, but a binary with `execution-mode = "venv"` has."""


_NOT_PACKED: Final = re.compile(
    r"\.pyc$|\.dist-info/(?:INSTALLER|REQUESTED|direct_url\.json|uv_build\.json|uv_cache\.json)$"
)
"""Matches files of an installed distribution that pex does not pack."""


_DATA: Final = re.compile(r"[^/]+\.data/(?P<scheme>[^/]+)/(?P<rest>.+)")


_SCHEMES: Final = {"purelib": "", "platlib": "", "scripts": ".prefix/bin/", "headers": ".prefix/include/"}
"""The directory of a wheel's `.data` files in an installed wheel of pex; that of all others is `.prefix`."""


class MemberLimit(Struct, frozen=True, kw_only=True, dict=True):
    """Decides `pre-install-wheels` for the binary `target` of the distributions `installed`.

    Its project part is `wheel`, or the loose `sources`, paths from the root of the PEX.
    """

    target: Target
    installed: Contents
    wheel: Path | None
    sources: Collection[str]

    def pre_install(self, repository: Path | None = None) -> bool:
        """Whether the binary stores its distributions as installed: as its table says, or if they fit.

        `repository` is the dependency PEX of installed distributions, with which their number is exact. Without it, the
        number may be too low by the few files that pex adds.
        Raises `NoxPexError` `config` if a PEX file cannot hold what the settings demand.
        """
        wanted = self.target.table.pre_install_wheels
        if self.target.table.layout != "zipapp":
            return wanted is not False
        if wanted is not False:
            number = self.number(repository)
            if number <= MOST or (wanted and self._reads_zip64):
                return True
            if wanted:
                what = f"{self.target.key}.pre-install-wheels is true, and {self.target.name}"
                raise _too_many(what, number, 'remove the key, or set layout = "packed"')
        if (number := self._stored_number()) > MOST and not self._reads_zip64:
            what = f"{self.target.project.root}: {self.target.name}"
            raise _too_many(what, number, f'shorten {self.target.key}.sources.include, or set layout = "packed"')
        return False

    def number(self, repository: Path | None = None) -> int:
        """The members of a PEX file of installed distributions; `repository` is as for `pre_install`.

        With `compile`, it is too high by the modules of pex that pex does not compile.
        """
        if repository is None:
            return len(self._installed | self._project)
        members = _with_directories(_members_of_repository(repository, self._excluded)) | self._project
        table = self.target.table
        tools = _TOOLS if table.execution_mode == "venv" or table.include_tools else 0
        compiled = [name for name in members if name.endswith(".py") and not name.startswith(f"{_DEPENDENCIES}/")]
        return len(members) + tools + (len(compiled) if table.compile else 0)

    @property
    def _reads_zip64(self) -> bool:
        """Whether each Python that the binary is for can run one with more members."""
        return all(tuple(map(int, i.minor.split("."))) >= _READS_ZIP64 for i in self.installed.interpreters)

    @cached_property
    def _excluded(self) -> frozenset[str]:
        """The names of the distributions of which no version ships."""
        exclude, distributions = self.target.table.exclude, self.installed.distributions
        shipped = {d.name for d in distributions if not is_excluded(d.name, d.version, exclude)}
        return frozenset(d.name for d in distributions) - shipped

    @cached_property
    def _installed(self) -> set[str]:
        """The members for what is installed, without those that pex adds."""
        found: set[str] = set()
        for distribution in self.installed.distributions:
            if distribution.name not in self._excluded and isinstance(self.installed, Installed):
                found.update(f"{_DEPENDENCIES}/{distribution.name}/{name}" for name in _recorded(distribution))
        if not isinstance(self.installed, Installed):
            for each in self.installed.wheels:
                if each.name not in self._excluded:
                    found.update(_installed_wheel(self.installed.path(each)))
        return _with_directories(found)

    @cached_property
    def _project(self) -> set[str]:
        """The members of the project's part, and those that every PEX has."""
        names = [*self.sources, *_OF_PEX]
        if self.target.table.executable is not None:
            names.append("__pex_executable__.py")
        if self.wheel is not None:
            names += _installed_wheel(self.wheel)
        return _with_directories(names)

    def _stored_number(self) -> int:
        """The members of a PEX file that stores wheels, without pex's bootstrap."""
        wheels = [f"{_DEPENDENCIES}/{d.name}-{d.version}" for d in self.installed.distributions]
        return len(_with_directories([*wheels, *self.sources, *_OF_PEX]))


def _too_many(what: str, number: int, remedy: str) -> NoxPexError:
    problem = f"{what} has {number:,} files and directories, and a PEX file holds {MOST:,} before Python 3.13"
    return NoxPexError("config", problem, remedy)


def _members_of_repository(repository: Path, excluded: Collection[str]) -> Iterator[str]:
    """Yield the members of the archives in a dependency PEX, by the names that they have in a PEX file."""
    archives = {_BOOTSTRAP: repository / _BOOTSTRAP}
    for path in (repository / _DEPENDENCIES).glob("*.whl"):
        if pex_file.distribution_name(path.name) not in excluded:
            archives[f"{_DEPENDENCIES}/{path.name}"] = path
    for prefix, path in archives.items():
        with zipfile.ZipFile(path) as archive:
            yield from (f"{prefix}/{name}" for name in archive.namelist())


def _recorded(distribution: Distribution) -> Iterator[str]:
    """Yield the files of an installed distribution that pex packs."""
    for path, _, _ in record_rows(text_of(distribution.directory / "RECORD")):
        if not _NOT_PACKED.search(path):
            yield f".prefix/{path.rpartition('../')[2]}" if path.startswith("../") else path


def _installed_wheel(wheel: Path) -> list[str]:
    """The files that a wheel has after pex has installed it."""
    names = []
    scripts: set[str] = set()
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            match = _DATA.fullmatch(name)
            if not name.endswith(("/", ".pyc")):
                names.append(_SCHEMES.get(match["scheme"], ".prefix/") + match["rest"] if match else name)
            if re.fullmatch(r"[^/]+\.dist-info/entry_points\.txt", name):
                scripts.update(generated_scripts(archive.read(name).decode("utf-8", "replace")))
            if re.fullmatch(r"[^/]+\.dist-info/WHEEL", name):
                names.append(f"{name.removesuffix('.dist-info/WHEEL')}.pex-info/original-whl-info.json")
    names += [".layout.json", *(f".prefix/bin/{script}" for script in scripts)]
    return [f"{_DEPENDENCIES}/{wheel.name}/{name}" for name in names]


def _with_directories(names: Iterable[str]) -> set[str]:
    """Return `names` and the directories above them, as pex writes them."""
    found = set(names)
    return found | zip_members.directories(found)
