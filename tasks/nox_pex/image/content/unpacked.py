"""The layers of the form `unpacked`: the virtual environment that pex's tools make of a binary, cut into layers.

The lowest layer is the environment itself, with the launcher. Each distribution follows in a layer, and the last one is
the project's own code. A layer is found again by what it is made from, so that nothing in it is read: the digest that
PEX-INFO has of each wheel, and the paths that another distribution has too.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Final

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_name

from nox_pex.distributions.pex_file import distribution_name, distribution_version
from nox_pex.image.content import bytecode, environment_files, grouping
from nox_pex.image.content.activated import ImageTarget
from nox_pex.image.content.bytecode import Compiler
from nox_pex.image.content.installation import Installation
from nox_pex.image.content.open_pex import INFO, Member, OpenPex
from nox_pex.image.content.reinstall import Environment
from nox_pex.image.content.request import ContentRequest
from nox_pex.oci.layer_store import LayerStore, StoredLayer, key_of
from nox_pex.oci.layer_writer import Entry, Stream
from nox_pex.system import processors, recipe
from nox_pex.system.command import Shell

OWN_LAYERS: Final = 2
"""Layers that are not of distributions: the environment itself, and the project's own code."""


class PlannedLayer(Struct, frozen=True, kw_only=True):
    """A layer to write if none is kept with the `key`. `entries` returns its entries, with paths in the environment.

    `size` are the bytes of its files, more or less.
    """

    title: str
    key: str
    size: int
    entries: Callable[[], list[Entry]]


class Unpacked(Struct, frozen=True, kw_only=True, dict=True):
    """The environment of `pex` in the image that `request` is about. `compiler` is None if nothing is compiled."""

    request: ContentRequest
    pex: OpenPex
    store: LayerStore
    shell: Shell
    compiler: Compiler | None

    def layers(self) -> Iterator[tuple[str, StoredLayer]]:
        """Yield each layer with its title, the lowest first. Raises as `write_content` does."""
        planned = [self._environment_layer(), *self._distribution_layers(), self._own_layer()]
        found = {layer.key: stored for layer in planned if (stored := self.store.find(layer.key)) is not None}
        found.update(self._write([layer for layer in planned if layer.key not in found]))
        for layer in planned:
            yield layer.title, found[layer.key]

    @cached_property
    def environment(self) -> Environment:
        """The virtual environment in the image."""
        python = self.request.python
        return Environment(root=self.request.root, python=f"python{python.minor}{'' if python.gil else 't'}")

    @cached_property
    def installation(self) -> Installation:
        """The distributions in it."""
        return Installation(
            pex=self.pex,
            environment=self.environment,
            target=ImageTarget.of(self.request.python, self.request.platform),
            project=self.request.project,
            reserved=frozenset(entry.path for entry in self._environment_entries(())),
            store=self.store,
        )

    def _key(self, *decisive: object) -> str:
        compiled_by = self.compiler.identity if self.compiler is not None else None
        code = recipe.digest_of("image", "oci", "distributions")
        return key_of(code, self.environment.root, self.environment.python, compiled_by, *decisive)

    def _environment_layer(self) -> PlannedLayer:
        wheels, info = self.installation.wheels, self.pex.info.values
        values = {name: value for name, value in info.items() if name not in ("code_hash", "distributions", "pex_hash")}
        python, main = self.request.python, self.pex.archive.getinfo("__main__.py").CRC
        return PlannedLayer(
            title="environment",
            key=self._key("environment", values, main, wheels, python.executable, python.version),
            size=1 << 16,
            entries=functools.partial(self._environment_entries, wheels),
        )

    def _environment_entries(self, wheels: Sequence[str]) -> list[Entry]:
        return [
            *environment_files.environment_files(self.request.python, self.environment),
            *environment_files.pex_files(
                self.pex,
                self.environment,
                version=self.request.python.version,
                distributions=wheels,
                store=self.store,
                shell=self.shell,
            ),
        ]

    def _distribution_layers(self) -> Iterator[PlannedLayer]:
        installation = self.installation
        wheels = {distribution_name(wheel): wheel for wheel in installation.wheels if wheel != installation.own}
        sizes = {str(name): self.pex.size(wheel) for name, wheel in wheels.items()}
        for group in grouping.groups(sizes, most=self.request.most_layers - OWN_LAYERS):
            members = [wheels[canonicalize_name(name)] for name in group]
            decisive = [[self.pex.identity(wheel), installation.dropped(wheel)] for wheel in members]
            yield PlannedLayer(
                title=" ".join(f"{distribution_name(wheel)} {distribution_version(wheel)}" for wheel in members),
                key=self._key("distributions", decisive),
                size=sum(sizes[name] for name in group),
                entries=functools.partial(self._distribution_entries, members),
            )

    def _distribution_entries(self, wheels: Sequence[str]) -> list[Entry]:
        return [entry for wheel in wheels for entry in self.installation.entries(wheel)]

    def _own_layer(self) -> PlannedLayer:
        own = self.installation.own
        decisive = [
            [[path, file and [file.checksum, file.executable]] for path, file in sorted(self._sources.items())],
            [self.pex.identity(own), self.installation.dropped(own)] if own is not None else None,
            hashlib.sha256(self.pex.info_text).hexdigest(),
        ]
        key = self._key("own", decisive)
        return PlannedLayer(title="own code", key=key, size=1 << 20, entries=self._own_entries)

    @cached_property
    def _sources(self) -> Mapping[str, Member | None]:
        """The project's loose files, by their path in the environment."""
        named = {f"{self.environment.library}/{path}": file for path, file in self.pex.sources.items()}
        return {path: file for path, file in named.items() if path not in self.installation.reserved}

    def _own_entries(self) -> list[Entry]:
        own = self.installation.own
        entries = list(self.installation.entries(own)) if own is not None else []
        for path, file in self._sources.items():
            content, executable = (file.content, file.executable) if file is not None else (None, False)
            entries.append(Entry(path=path, content=content, executable=executable))
        entries.append(Entry(path=INFO, content=self.pex.info_text))
        return entries

    def _write(self, missing: Sequence[PlannedLayer]) -> dict[str, StoredLayer]:
        """Write the layers, the largest first, so that no processor waits for one of them at the end."""
        entries = {layer.key: layer.entries() for layer in missing}
        compiled = self._compiled(entry for each in entries.values() for entry in each)
        root, minor = self.request.root, self.request.python.minor

        def write(layer: PlannedLayer) -> StoredLayer:
            content = bytecode.with_bytecode(entries[layer.key], compiled, root=root, minor=minor)
            named = (msgspec.structs.replace(entry, path=f"{root[1:]}/{entry.path}") for entry in content)
            return self.store.add(layer.key, named)

        ordered = sorted(missing, key=lambda layer: -layer.size)
        with ThreadPoolExecutor(max_workers=processors.count()) as pool:
            return dict(zip((layer.key for layer in ordered), pool.map(write, ordered), strict=True))

    def _compiled(self, entries: Iterable[Entry]) -> Mapping[str, Stream]:
        if self.compiler is None:
            return {}
        sources = {
            f"{self.request.root}/{entry.path}": entry.content
            for entry in entries
            if entry.content is not None and entry.path.endswith(".py")
        }
        return bytecode.compile_all(sources, self.compiler, scratch=self.pex.scratch, shell=self.shell)
