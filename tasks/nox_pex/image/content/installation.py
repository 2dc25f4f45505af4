"""The distributions of a PEX in an environment: those that pex activates there, and the files that each provides.

If several have a file, one of them provides it, as with pex's tools. So the files of a distribution follow from its
wheel, and from the paths that something else provides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct
from packaging.utils import canonicalize_name

from nox_pex.distributions.pex_file import distribution_name
from nox_pex.image.content import activated, reinstall
from nox_pex.image.content.activated import ImageTarget
from nox_pex.image.content.open_pex import Member, OpenPex
from nox_pex.image.content.reinstall import Environment
from nox_pex.oci.layer_store import LayerStore, key_of
from nox_pex.oci.layer_writer import Entry
from nox_pex.system import recipe


class Installation(Struct, frozen=True, kw_only=True, dict=True):
    """The distributions of `pex` in `environment`, on `target`.

    `project` is the name of the project's distribution, None if it ships as loose files. `reserved` are paths that
    belong to the environment itself. `store` keeps what is known about distributions.
    """

    pex: OpenPex
    environment: Environment
    target: ImageTarget
    project: str | None
    reserved: frozenset[str]
    store: LayerStore

    @cached_property
    def own(self) -> str | None:
        """The project's own wheel, if pex activates it."""
        project = canonicalize_name(self.project or "")
        return next((wheel for wheel in self.wheels if distribution_name(wheel) == project), None)

    @cached_property
    def wheels(self) -> tuple[str, ...]:
        """The wheels that pex activates, in its order. Raises `PexError`."""
        info, project = self.pex.info, canonicalize_name(self.project or "")
        # The project's own wheel has another digest after each edit, but the same METADATA.
        known = {
            wheel: hashlib.sha256(self.pex.metadata(wheel)).hexdigest()
            if distribution_name(wheel) == project
            else digest
            for wheel, digest in info.distributions.items()
        }
        found = self.store.remembered(
            key_of("activated", recipe.digest_of("image"), known, info.requirements, self.target.identity),
            lambda: activated.activated(info, self.target, metadata=self.pex.metadata),
        )
        return tuple(found)

    def entries(self, wheel: str) -> Iterator[Entry]:
        """Yield the files that a wheel provides, with paths in the environment. Raises as `OpenPex.installed`.

        If another wheel provides a script of the same name, RECORD still has the digest of the wheel's own script. The
        RECORD that pex writes has the digest of the script that is installed.
        """
        dropped = set(self.dropped(wheel))
        for entry in reinstall.reinstall(wheel, self.pex.installed(wheel), self.environment):
            if entry.path not in dropped:
                yield entry

    def dropped(self, wheel: str) -> list[str]:
        """Return the paths of a wheel that something else provides: another wheel, or the project's loose files."""
        taken = {path for path, wheels in self._shared.items() if wheel in wheels[1:]}
        return sorted(taken | (self._paths[wheel] & (self.reserved | self._source_paths)))

    def collisions(self) -> Sequence[str]:
        """Return a line for each file that several distributions have with different contents."""
        wheels = {wheel: self.pex.identity(wheel) for shared in self._shared.values() for wheel in shared}
        key = key_of("collisions", recipe.digest_of("image"), self.environment.python, sorted(wheels.items()))
        lines: Sequence[str] = self.store.remembered(key, lambda: list(self._collisions())) if wheels else ()
        return lines

    @cached_property
    def _source_paths(self) -> frozenset[str]:
        library = self.environment.library
        return frozenset(f"{library}/{path}" for path, member in self.pex.sources.items() if member is not None)

    @cached_property
    def _paths(self) -> Mapping[str, frozenset[str]]:
        return {wheel: self._paths_of(wheel) for wheel in self.wheels}

    def _paths_of(self, wheel: str) -> frozenset[str]:
        if wheel in self.pex.wheels:
            return reinstall.installed_paths(self.pex.wheels[wheel], self.environment)
        key = key_of("paths", recipe.digest_of("image", "distributions"), wheel, self.pex.identity(wheel))
        noted = self.store.remembered(key, lambda: sorted(self.pex.installed(wheel)))
        return reinstall.installed_paths(noted, self.environment)

    @cached_property
    def _shared(self) -> Mapping[str, list[str]]:
        """The paths that several wheels have, with these wheels: the file of the first one is used."""
        owners: dict[str, list[str]] = {}
        for wheel in self.wheels:
            for path in self._paths[wheel]:
                owners.setdefault(path, []).append(wheel)
        return {path: self._by_use(path, wheels) for path, wheels in sorted(owners.items()) if len(wheels) > 1}

    def _by_use(self, path: str, wheels: Sequence[str]) -> list[str]:
        """Return `wheels`, which all have `path`, in pex's order, with the one first whose file is used.

        pex keeps the file that is there, but a script whose first line it replaces is always written.
        """
        for wheel in reversed(wheels[1:]) if path.startswith(reinstall.SCRIPTS) else ():
            member = self._member(wheel, path)
            if member is not None and reinstall.is_always_written(wheel, self.pex.installed(wheel), path, member):
                return [wheel, *(each for each in wheels if each != wheel)]
        return list(wheels)

    def _collisions(self) -> Iterator[str]:
        for path, wheels in self._shared.items():
            contents = {member.checksum for wheel in wheels if (member := self._member(wheel, path)) is not None}
            if len(contents) > 1 and ".dist-info/" not in path:
                names = " and ".join(map(distribution_name, wheels))
                yield f"{path} is in {names}; that of {distribution_name(wheels[0])} is used, as by pex"

    def _member(self, wheel: str, path: str) -> Member | None:
        members = self.pex.installed(wheel)
        return next((members[at] for at, to in reinstall.targets(members, self.environment) if to == path), None)
