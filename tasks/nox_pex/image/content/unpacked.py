"""The layers of the form `unpacked`: the virtual environment that pex's tools make of a binary, cut into layers.

The lowest layer is the environment itself, with the launcher. Each distribution follows in a layer, and the last one is
the project's own code. A layer is found again by what it is made from, so that nothing in it is read: the digest that
PEX-INFO has of each wheel, and the paths that another distribution has too.
"""

from __future__ import annotations

import hashlib
import posixpath
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_name

from nox_pex.distributions import pex_info
from nox_pex.distributions.pex_file import PexError, distribution_name
from nox_pex.distributions.pex_info import PexInfo
from nox_pex.image import scanner_files
from nox_pex.image.content import bytecode, environment_files, grouping, pex_members, reinstall
from nox_pex.image.content.activated import ImageTarget, activated
from nox_pex.image.content.bytecode import Compiler
from nox_pex.image.content.pex_members import INFO, Members, PexMembers
from nox_pex.image.content.reinstall import Environment
from nox_pex.image.content.request import ContentRequest
from nox_pex.oci.layer_store import LayerStore, StoredLayer, key_of
from nox_pex.oci.layer_writer import Entry
from nox_pex.system import processors, recipe
from nox_pex.system.command import Shell

OWN_LAYERS: Final = 2
"""Layers that are not of distributions: the environment itself, and the project's own code."""


class PlannedLayer(Struct, frozen=True, kw_only=True):
    """A layer to write, if none is kept with the `key`. `entries` returns its entries, with paths in the environment.

    `size` are the bytes of its files, more or less.
    """

    title: str
    key: str
    size: int
    entries: Callable[[], list[Entry]]


class Unpacked(Struct, frozen=True, kw_only=True, dict=True):
    """The environment of the open PEX file `archive`, for the image that `request` is about.

    `scratch` is an empty directory. `compiler` is None if nothing is compiled.
    """

    request: ContentRequest
    archive: zipfile.ZipFile
    store: LayerStore
    shell: Shell
    scratch: Path
    compiler: Compiler | None

    def layers(self) -> Iterator[tuple[str, StoredLayer]]:
        """Yield the title and the layer of each, the lowest first. Raises as `write_content` does."""
        planned = [self._environment_layer(), *self._distribution_layers(), self._own_layer()]
        found = {layer.key: self.store.find(layer.key) for layer in planned}
        missing = [layer for layer in planned if found[layer.key] is None]
        found.update(self._write(missing))
        for layer in planned:
            stored = found[layer.key]
            assert stored is not None  # noqa: S101  # for the type checker: all that were missing are written
            yield layer.title, stored

    def collisions(self) -> Sequence[str]:
        """Return a line for each file that several distributions have with different contents."""
        wheels = {wheel: self._digest(wheel) for shared in self._shared.values() for wheel in shared}
        key = key_of("collisions", recipe.digest_of("image"), self.environment.python, sorted(wheels.items()))
        lines: Sequence[str] = self.store.remembered(key, lambda: list(self._collisions())) if wheels else ()
        return lines

    def _collisions(self) -> Iterator[str]:
        for path, wheels in self._shared.items():
            contents = {member.checksum for wheel in wheels if (member := self._member(wheel, path)) is not None}
            if len(contents) > 1 and ".dist-info/" not in path:
                names = " and ".join(distribution_name(wheel) for wheel in wheels)
                yield f"{path} is in {names}; that of {distribution_name(wheels[0])} is used, as by pex"

    @cached_property
    def environment(self) -> Environment:
        """The virtual environment in the image."""
        python = self.request.python
        return Environment(root=self.request.root, python=f"python{python.minor}{'' if python.gil else 't'}")

    @cached_property
    def _info_text(self) -> bytes:
        return self.archive.read(INFO)

    @cached_property
    def _info(self) -> PexInfo:
        return pex_info.parse(self._info_text)

    @cached_property
    def _members(self) -> PexMembers:
        return pex_members.read(self.archive)

    @cached_property
    def _wheels(self) -> tuple[str, ...]:
        """The wheels that pex activates in the image, in its order."""
        target = ImageTarget.of(self.request.python, self.request.platform)
        rest = {name: digest for name, digest in self._info.distributions.items() if name != self._own}
        own = hashlib.sha256(self._metadata(self._own)).hexdigest() if self._own is not None else None
        ranked = self.request.platform.tags if self.request.platform is not None else sorted(map(str, target.tags))
        key = key_of(
            "activated",
            recipe.digest_of("image"),
            rest,
            self._own,
            own,
            self._info.requirements,
            target.markers,
            ranked,
        )
        found = self.store.remembered(key, lambda: activated(self._info, target, metadata=self._metadata))
        return tuple(found)

    @cached_property
    def _own(self) -> str | None:
        """The project's own wheel; None if it ships as loose files."""
        project = canonicalize_name(self.request.project or "")
        return next((each for each in self._info.distributions if distribution_name(each) == project), None)

    @cached_property
    def _environment_paths(self) -> frozenset[str]:
        return frozenset(entry.path for entry in self._environment_entries())

    @cached_property
    def _paths(self) -> Mapping[str, frozenset[str]]:
        """The paths that each wheel has in the environment."""
        return {wheel: self._paths_of(wheel) for wheel in self._wheels}

    @cached_property
    def _shared(self) -> Mapping[str, list[str]]:
        """The paths that several wheels have, with these wheels: the file of the first one is used."""
        owners: dict[str, list[str]] = {}
        for wheel in self._wheels:
            for path in self._paths[wheel]:
                owners.setdefault(path, []).append(wheel)
        return {path: self._by_use(path, wheels) for path, wheels in sorted(owners.items()) if len(wheels) > 1}

    def _by_use(self, path: str, wheels: Sequence[str]) -> list[str]:
        """Return `wheels`, which all have `path`, in pex's order, with the one first whose file is used.

        pex keeps the file that is there, but a script whose first line it replaces is always written.
        """
        for wheel in reversed(wheels[1:]) if path.startswith(reinstall.SCRIPTS) else ():
            member = self._member(wheel, path)
            if member is not None and reinstall.is_always_written(wheel, self._installed(wheel), path, member):
                return [wheel, *(each for each in wheels if each != wheel)]
        return list(wheels)

    @cached_property
    def _source_paths(self) -> Mapping[str, str]:
        """The paths of the project's loose files in the binary, by their paths in the environment."""
        return {f"{self.environment.library}/{path}": path for path in self._members.sources}

    def _dropped(self, wheel: str) -> list[str]:
        """Return the paths of a wheel that something else in the environment provides."""
        taken = {path for path, wheels in self._shared.items() if wheel in wheels[1:]}
        taken.update(self._paths[wheel] & self._environment_paths)
        files = self._members.sources
        taken.update(p for p in self._paths[wheel] if p in self._source_paths and files[self._source_paths[p]])
        return sorted(taken)

    def _paths_of(self, wheel: str) -> frozenset[str]:
        if wheel in self._members.wheels:
            return reinstall.installed_paths(self._members.wheels[wheel], self.environment)
        key = key_of(
            "paths", recipe.digest_of("image", "distributions"), wheel, self._digest(wheel), self.environment.python
        )
        found = self.store.remembered(
            key, lambda: sorted(reinstall.installed_paths(self._installed(wheel), self.environment))
        )
        return frozenset(found)

    def _installed(self, wheel: str) -> Members:
        if wheel not in self._laid_out:
            self._laid_out[wheel] = pex_members.installed(self._members, wheel, self.scratch)
        return self._laid_out[wheel]

    @cached_property
    def _laid_out(self) -> dict[str, Members]:
        return {}

    def _member(self, wheel: str, path: str) -> pex_members.Member | None:
        members = self._installed(wheel)
        return next((members[at] for at, to in reinstall.targets(members, self.environment) if to == path), None)

    def _metadata(self, wheel: str) -> bytes:
        if wheel in self._members.wheels:
            members = self._members.wheels[wheel]
            name = next((path for path in members if path.endswith(".dist-info/METADATA")), None)
            return members[name].read() if name is not None else b""
        if wheel not in self._members.stored:
            msg = f"it has no {wheel}, which its PEX-INFO names"
            raise PexError(msg)
        with self.archive.open(self._members.stored[wheel]) as file, zipfile.ZipFile(file) as packed:
            return next(iter(scanner_files.of_archive(packed).values()), b"")

    def _digest(self, wheel: str) -> list[object]:
        """Return what decides the files of a wheel."""
        members = self._members.wheels.get(wheel, {})
        return [wheel, self._info.distributions[wheel], sorted(p for p, m in members.items() if m.executable)]

    def _size(self, wheel: str) -> int:
        members = self._members.wheels.get(wheel)
        if members is None:
            return self._members.stored[wheel].file_size
        return sum(member.content.size for member in members.values())

    def _key(self, *decisive: object) -> str:
        compiled_by = self.compiler.version if self.compiler is not None else None
        code = recipe.digest_of("image", "oci", "distributions")
        return key_of(code, self.environment.root, self.environment.python, compiled_by, *decisive)

    def _environment_layer(self) -> PlannedLayer:
        python = self.request.python
        values = {key: value for key, value in self._info.values.items() if key not in ("code_hash", "pex_hash")}
        values["distributions"] = sorted(self._wheels)
        main = self.archive.getinfo("__main__.py").CRC
        key = self._key("environment", values, main, self._wheels, python.executable, python.version)
        return PlannedLayer(title="environment", key=key, size=1 << 16, entries=self._environment_entries)

    def _environment_entries(self) -> list[Entry]:
        return [
            *environment_files.environment_files(self.request.python, self.environment),
            *environment_files.pex_files(
                self.archive,
                self._info.values,
                self.environment,
                version=self.request.python.version,
                distributions=self._wheels,
                store=self.store,
                shell=self.shell,
            ),
        ]

    def _distribution_layers(self) -> Iterator[PlannedLayer]:
        wheels = {distribution_name(wheel): wheel for wheel in self._wheels if wheel != self._own}
        sizes = {str(name): self._size(wheel) for name, wheel in wheels.items()}
        for group in grouping.groups(sizes, most=self.request.most_layers - OWN_LAYERS):
            members = [wheels[name] for name in map(canonicalize_name, group)]
            yield PlannedLayer(
                title=grouping.title(wheel_title(wheel) for wheel in members),
                key=self._key("distributions", [[self._digest(wheel), self._dropped(wheel)] for wheel in members]),
                size=sum(sizes[name] for name in group),
                entries=lambda members=members: [  # type: ignore[misc]  # mypy infers no type for a default value
                    entry for wheel in members for entry in self._entries_of(wheel)
                ],
            )

    def _entries_of(self, wheel: str) -> Iterator[Entry]:
        dropped = set(self._dropped(wheel))
        for entry in reinstall.reinstall(wheel, self._installed(wheel), self.environment):
            if entry.path not in dropped:
                yield entry

    def _own_layer(self) -> PlannedLayer:
        sources = sorted(
            [path, member.checksum if member else None, bool(member and member.executable)]
            for path, member in self._members.sources.items()
        )
        own = [[self._digest(self._own), self._dropped(self._own)]] if self._own in self._wheels else []
        key = self._key("own", sources, own, hashlib.sha256(self._info_text).hexdigest())
        return PlannedLayer(title="own code", key=key, size=1 << 20, entries=self._own_entries)

    def _own_entries(self) -> list[Entry]:
        entries = list(self._entries_of(self._own)) if self._own in self._wheels else []
        for path, member in self._members.sources.items():
            target = f"{self.environment.library}/{path}"
            if target in self._environment_paths:
                continue
            if member is None:
                entries.append(Entry(path=target))
            else:
                entries.append(Entry(path=target, content=member.content, executable=member.executable))
        entries.append(Entry(path=INFO, content=self._info_text))
        return entries

    def _write(self, missing: Sequence[PlannedLayer]) -> dict[str, StoredLayer]:
        """Write the layers, the largest first, so that no processor waits for one of them at the end."""
        entries = {layer.key: layer.entries() for layer in missing}
        compiled = self._compiled(entry for each in entries.values() for entry in each)
        minor = self.request.python.minor

        def write(layer: PlannedLayer) -> StoredLayer:
            content = bytecode.with_bytecode(entries[layer.key], compiled, root=self.request.root, minor=minor)
            return self.store.add(layer.key, map(self._in_image, content))

        ordered = sorted(missing, key=lambda layer: -layer.size)
        with ThreadPoolExecutor(max_workers=processors.count()) as pool:
            return dict(zip((layer.key for layer in ordered), pool.map(write, ordered), strict=True))

    def _compiled(self, entries: Iterable[Entry]) -> Mapping[str, bytecode.Stream]:
        if self.compiler is None:
            return {}
        sources = {
            f"{self.request.root}/{entry.path}": entry.content
            for entry in entries
            if entry.content is not None and entry.path.endswith(".py")
        }
        return bytecode.compile_all(sources, self.compiler, scratch=self.scratch, shell=self.shell)

    def _in_image(self, entry: Entry) -> Entry:
        return msgspec.structs.replace(entry, path=f"{self.request.root[1:]}/{entry.path}")


def wheel_title(wheel: str) -> str:
    """Return the name and the version of a wheel."""
    return "-".join(wheel.split("-")[:2])
