"""The layers that nox-pex has written, in the user's cache: by their diff ids, and by keys of what they were made from.

Two machines with other compressors give a layer other digests. So a layer with a known diff id is not compressed again:
an image that is built again keeps its digest, also after an update of the compressor.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from nox_pex.distributions import pex_file
from nox_pex.oci import layer_writer
from nox_pex.oci.descriptor import Descriptor, Digest, hexadecimal
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layer_writer import Entry
from nox_pex.system import files, locks, os_errors
from nox_pex.tools import cache
from nox_pex.tools.cache import Caches

_BLOB: Final = "layer.tar.gz"


_FACTS: Final = "layer.json"


_NOTES: Final = "notes"
"""The directory of the notes: the diff ids of layers, and other facts, by key."""


class StoredLayer(Struct, frozen=True, kw_only=True):
    """A layer in the cache, and the library that compressed it."""

    layer: LayerFile
    compressor: str


class _Facts(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The facts about a layer in the cache. `quick` is the quick digest of its file."""

    descriptor: Descriptor
    diff_id: Digest
    quick: str
    compressor: str


class LayerStore(Struct, frozen=True, kw_only=True):
    """The layers in the user's `caches`."""

    caches: Caches

    def find(self, key: str) -> StoredLayer | None:
        """Return the layer that was made from what `key` says; None if it is not there, or is damaged."""
        diff_id = self.recall(key)
        return self._intact(diff_id) if isinstance(diff_id, str) else None

    def add(self, key: str, entries: Iterable[Entry]) -> StoredLayer:
        """Write a layer, and note that it was made from what `key` says.

        Raises as `layer_writer.write_layer`, and `NoxPexError` `disk-full`, `cache-unsafe`.
        """
        return self.keep(key, lambda path: layer_writer.write_layer(entries, path))

    def keep(self, key: str, write: Callable[[Path], LayerFile]) -> StoredLayer:
        """Keep the layer that `write` writes to a path, and note that it was made from what `key` says.

        A layer with the same diff id is used again. Raises as `write`, and `NoxPexError` `disk-full`, `cache-unsafe`.
        """
        root = self.caches.layers
        with (
            os_errors.writing("a layer of the image", place=root),
            files.temporary_directory(prefix=".new.", parent=root) as scratch,
            locks.try_lock(scratch, shared=True),  # so that no other process evicts it
        ):
            new = scratch / "layer"
            new.mkdir(0o700)
            written = write(new / _BLOB)
            known = self._intact(written.diff_id)
            if known is None:
                facts = _Facts(
                    descriptor=written.descriptor,
                    diff_id=written.diff_id,
                    quick=pex_file.quick_digest(new / _BLOB),
                    compressor=layer_writer.COMPRESSOR,
                )
                files.write_json(new / _FACTS, msgspec.to_builtins(facts))
                files.move_into_place(new, self._home(written.diff_id))
                known = self._intact(written.diff_id)
            self.note(key, written.diff_id)
        if known is None:
            msg = "a layer changed while it was written"
            raise ValueError(msg)
        return known

    def recall(self, key: str) -> Any:  # a JSON value
        """Return the JSON value that was noted for `key`; None if none was."""
        return files.read_json(self._note(key)).get("value")

    def note(self, key: str, value: object) -> None:
        """Note a JSON value for `key`."""
        path = self._note(key)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(OSError):
            os.utime(path.parent)
        files.write_json(path, {"value": value})

    def remembered(self, key: str, compute: Callable[[], Any]) -> Any:  # a JSON value
        """Return the JSON value that is noted for `key`, or the one that `compute` returns, which is noted then."""
        value = self.recall(key)
        if value is None:
            value = compute()
            self.note(key, value)
        return value

    def _note(self, key: str) -> Path:
        return self.caches.layers / _NOTES / f"{key}.json"

    def _home(self, diff_id: str) -> Path:
        return self.caches.layers / hexadecimal(diff_id)

    def _intact(self, diff_id: str) -> StoredLayer | None:
        """Return the layer with a diff id, if its file is as it was written."""
        home = self._home(diff_id)
        try:
            facts = msgspec.convert(files.read_json(home / _FACTS), _Facts)
        except msgspec.ValidationError:
            return None
        blob = home / _BLOB
        if facts.diff_id != diff_id or facts.quick != pex_file.quick_digest(blob):
            return None
        cache.mark_used(home)
        layer = LayerFile(descriptor=facts.descriptor, diff_id=facts.diff_id, path=blob)
        return StoredLayer(layer=layer, compressor=facts.compressor)


def key_of(*decisive: object) -> str:
    """Return a key of JSON values."""
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:40]
