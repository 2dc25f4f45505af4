"""The tree of files that the layers of an image make together.

Fact source: OCI image specification 1.1, "Image Layer Filesystem Changeset" (whiteouts; a file in place of a directory
and the reverse). Links in the names of members are followed inside the root, as containerd's `fs.RootPath` does it.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci import layer_reader
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layer_reader import Allowance, Member, TreeEntry
from nox_pex.oci.layer_stream import LayerError
from nox_pex.system import files, os_errors
from nox_pex.tools import cache
from nox_pex.tools.cache import Caches

WHITEOUT: Final = ".wh."
"""Begins the name of an empty file that removes the file of the rest of its name from lower layers."""


OPAQUE: Final = ".wh..wh..opq"
"""The name of an empty file that removes everything that lower layers have in its directory."""


_AUFS: Final = ".wh..wh."
"""Begins the names of files that AUFS kept for itself, which are no part of the tree."""


_MOST_LINKS: Final = 40
"""Symbolic links that are followed for one path (path_resolution(7))."""


_MOST_STEPS: Final = 30_000_000
"""Parts of names, and links, that are followed for all members of an image. It takes some seconds."""


_FORMAT: Final = 3
"""The form of the stored members of a layer, which follow the digest of their bytes."""


_REMEDY: Final = "choose another base, or fetch it again"


class _Node:
    """An entry of the tree while it is put together. `children` is None for what is no directory."""

    __slots__ = ("children", "entry")

    def __init__(self, entry: TreeEntry) -> None:
        self.entry = entry
        self.children: dict[str, _Node] | None = {} if entry.kind == "directory" else None


class RootTree(Struct, frozen=True, kw_only=True, dict=True):
    """The merged tree of `layers`, lowest first.

    `entries` are by their path from the root, without a leading slash; a directory comes before what is in it, and no
    path leads through a link. The root itself is not among them.
    """

    layers: tuple[LayerFile, ...]
    entries: Mapping[str, TreeEntry]

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """The names in each directory that is not empty, by its path; that of the root is empty."""
        names: dict[str, list[str]] = {}
        for path in self.entries:
            directory, _, name = path.rpartition("/")
            names.setdefault(directory, []).append(name)
        return {directory: tuple(found) for directory, found in names.items()}

    def resolve(self, path: str) -> str | None:
        """Return the real path of `path` after all links, inside the root; None if there is no such file.

        A leading slash counts nothing, and `..` in the root is the root (chroot(2)). That of the root is empty.
        """
        waiting, done, links = path.split("/")[::-1], list[str](), 0
        while waiting:
            part = waiting.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]
                continue
            here = "/".join((*done, part))
            entry = self.entries.get(here)
            if entry is None or (done and self.entries["/".join(done)].kind != "directory"):
                return None
            if entry.kind != "symlink":
                done.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            if entry.target.startswith("/"):
                done.clear()
            waiting += entry.target.split("/")[::-1]
        return "/".join(done)

    def file(self, path: str) -> TreeEntry | None:
        """Return the regular file that `path` leads to; None if there is none."""
        real = self.resolve(path)
        entry = self.entries.get(real) if real else None
        return entry if entry is not None and entry.kind == "file" else None

    def read(self, path: str, *, largest: int) -> bytes | None:
        """Return the content of the file that `path` leads to; None if there is none of at most `largest` bytes.

        Raises `LayerError`, and `OSError` if the layer cannot be read.
        """
        return self.read_all([path], largest=largest).get(path)

    def read_all(self, paths: Iterable[str], *, largest: int) -> Mapping[str, bytes]:
        """Return the contents of the files that `paths` lead to, the first ones that have `largest` bytes together.

        Each layer is decompressed once, at most up to the last file. Raises as `read` does.
        """
        found: dict[str, TreeEntry] = {}
        for path in paths:
            entry = self.file(path)
            if entry is not None and sum(each.size for each in found.values()) + entry.size <= largest:
                found[path] = entry
        by_place: dict[tuple[int, int], bytes] = {}
        for number in sorted({entry.layer for entry in found.values()}):
            wanted = {entry.offset: entry for entry in found.values() if entry.layer == number}
            for entry, pieces in layer_reader.contents(self.layers[number], wanted.values()):
                data = bytearray(entry.size)
                for position, piece in pieces:
                    data[position : position + len(piece)] = piece
                by_place[number, entry.offset] = bytes(data)
        return {path: by_place[entry.layer, entry.offset] for path, entry in found.items()}


class _Stored(Struct, array_like=True, frozen=True):
    """The members of a layer as they are in the cache, as those of the lowest layer."""

    format: int
    key: str
    members: list[Member]


def key_of(layers: Sequence[LayerFile]) -> str:
    """Return a key of everything that decides the tree of `layers`.

    It has the digests of the compressed layers too: a configuration may name diff ids of other layers.
    """
    decisive = [(each.descriptor.digest, each.descriptor.media_type, each.diff_id) for each in layers]
    return hashlib.sha256(msgspec.json.encode(decisive)).hexdigest()[:32]


def tree_of(layers: Sequence[LayerFile], *, image: str, caches: Caches) -> RootTree:
    """Return the tree of `layers`, lowest first. A layer that was read before is not read again.

    `image` names the image in errors. Raises `NoxPexError`: `image-base` if a layer is damaged, hostile or lies,
    `disk-full`, `cache-unsafe`.
    """
    directory = caches.of_images("trees")
    directory.mkdir(parents=True, exist_ok=True)
    cache.mark_used(directory)

    def members(layer: LayerFile, allowance: Allowance) -> list[Member]:
        key = key_of([layer])
        path = directory / f"{key}.msgpack"
        stored = _load(path, key)
        if stored is None:
            found = list(layer_reader.members(layer, 0, allowance))
            _store(path, _Stored(_FORMAT, key, found))
            return found
        for member in stored.members:
            allowance.take(len(member.path) + len(member.link))
        return stored.members

    return RootTree(layers=tuple(layers), entries=merge(layers, members, image=image))


def _load(path: Path, key: str) -> _Stored | None:
    try:
        with files.open_regular(path) as file:
            digest, data = file.read(hashlib.sha256().digest_size), file.read()
        if hashlib.sha256(data).digest() != digest:  # a damaged one would put other files into the tree
            return None
        stored = msgspec.msgpack.decode(data, type=_Stored)
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    return stored if (stored.format, stored.key) == (_FORMAT, key) else None


def _store(path: Path, stored: _Stored) -> None:
    """Keep a layer's members in the cache, unless one has a name that is not UTF-8, which msgspec does not write."""
    try:
        data = msgspec.msgpack.encode(stored)
    except UnicodeEncodeError:
        return
    with os_errors.writing(f"the list of the files in a layer to {path.parent}", place=path.parent):
        files.write_bytes(path, hashlib.sha256(data).digest() + data)


def merge(
    layers: Sequence[LayerFile], members: Callable[[LayerFile, Allowance], Iterable[Member]], *, image: str
) -> dict[str, TreeEntry]:
    """Return the entries of the merged tree, a directory before what is in it. Errors: see `tree_of`.

    `members` returns the members of a layer as those of the lowest one.
    """
    allowance = Allowance()
    merging = _Merging(allowance)
    enabled = gc.isenabled()
    gc.disable()  # many objects, and none of them is garbage
    try:
        for number, layer in enumerate(layers):
            with reporting(layer, image=image):
                merging.add([_of_layer(member, number) for member in members(layer, allowance)], number)
                if number == len(layers) - 1:
                    return dict(merging.entries())
        return {}
    finally:
        if enabled:
            gc.enable()


def _of_layer(member: Member, number: int) -> Member:
    """Return a member of the lowest layer as one of layer `number`."""
    if number == 0 or member.entry is None:
        return member
    return msgspec.structs.replace(member, entry=msgspec.structs.replace(member.entry, layer=number))


@contextlib.contextmanager
def reporting(layer: LayerFile, *, image: str) -> Iterator[None]:
    """Turn a `LayerError` in the block into the `NoxPexError` `image-base` that names the image and the layer."""
    try:
        yield
    except LayerError as error:
        problem = f"the layer {layer.descriptor.digest} of {image} {error}"
        raise NoxPexError("image-base", problem, _REMEDY) from error


class _Merging:
    """The tree of the layers so far."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._steps = _MOST_STEPS
        self._root = _Node(TreeEntry("directory", 0o755, 0, 0, 0, 0, "", 0, -1))
        self._parents: dict[str, dict[str, _Node]] = {}

    def add(self, members: Sequence[Member], number: int) -> None:
        """Add the members of layer `number`. Raises `LayerError`."""
        self._parents.clear()
        for member in members:  # whiteouts remove what is in lower layers, wherever they are in their own
            directory, name = _split(member.path)
            if name.startswith(WHITEOUT):
                self._white_out(directory, name)
        for member in members:
            directory, name = _split(member.path)
            if not name.startswith(WHITEOUT) and f"/{_AUFS}" not in f"/{directory}":
                self._add(member, directory, name, number)

    def entries(self) -> Iterator[tuple[str, TreeEntry]]:
        """Yield path and entry of everything but the root, a directory before what is in it. Raises `LayerError`."""
        waiting, total = [("", self._root)], 0
        while waiting:
            directory, node = waiting.pop()
            for name, child in (node.children or {}).items():
                path = f"{directory}/{name}" if directory else name
                total += len(path)
                if len(path) > layer_reader.LONGEST_PATH or total > layer_reader.MOST_NAMES:
                    msg = f"brings the paths in the image to more than {layer_reader.MOST_NAMES} bytes"
                    raise LayerError(msg)
                yield path, child.entry
                if child.children:
                    waiting.append((path, child))

    def _white_out(self, directory: str, name: str) -> None:
        hidden = name.removeprefix(WHITEOUT)
        if hidden in ("", ".", ".."):
            msg = f"has the whiteout {name!r}, which hides no name"
            raise LayerError(msg)
        parent = self._find(directory)
        if parent is None or parent.children is None:
            return
        if name == OPAQUE:
            parent.children.clear()
        elif not name.startswith(_AUFS):
            parent.children.pop(hidden, None)
        self._parents.clear()

    def _add(self, member: Member, directory: str, name: str, number: int) -> None:
        if not name:
            if member.entry is not None:
                self._root.entry = member.entry
            return
        siblings = self._parents.get(directory)
        if siblings is None:
            siblings = self._parents[directory] = self._make(directory, number)
        old, entry = siblings.get(name), member.entry
        if old is not None and old.children is not None and entry is not None and entry.kind == "directory":
            old.entry = entry
            return
        new = _Node(entry if entry is not None else self._linked(member))
        if old is not None and (old.children is not None or old.entry.kind == "symlink"):
            self._parents.clear()  # some of them may be below it
        siblings[name] = new

    def _linked(self, member: Member) -> TreeEntry:
        """Return the entry of the file to which a member is a hard link. Raises `LayerError`."""
        directory, name = _split(member.link)
        parent = self._find(directory)
        target = (parent.children or {}).get(name) if parent is not None else None
        if target is None or target.children is not None:
            msg = f"has a hard link {member.path!r} to {member.link!r}, which is not a file before it"
            raise LayerError(msg)
        return target.entry

    def _find(self, path: str) -> _Node | None:
        """Return the node to which a path leads, after all links; None if there is none."""
        return self._walk(path, None)

    def _make(self, path: str, number: int) -> dict[str, _Node]:
        """Return what is in the directory to which a path leads; those that do not exist are made."""
        node = self._walk(path, TreeEntry("directory", 0o755, 0, 0, 0, 0, "", number, -1))
        if node is None or node.children is None:
            msg = f"has a file in {path!r}, which is not a directory"
            raise LayerError(msg)
        return node.children

    def _walk(self, path: str, new: TreeEntry | None) -> _Node | None:
        """Follow a path from the root; what does not exist becomes a directory if `new` is one."""
        waiting, nodes, links = path.split("/")[::-1], [self._root], 0
        while waiting:
            part = waiting.pop()
            self._count_step()
            if part == "..":
                del nodes[max(1, len(nodes) - 1) :]
            if part in ("", ".", ".."):
                continue
            child = self._child(nodes[-1], part, new)
            if child is None:
                return None
            if child.entry.kind != "symlink":
                nodes.append(child)
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            if child.entry.target.startswith("/"):
                del nodes[1:]
            waiting += child.entry.target.split("/")[::-1]
        return nodes[-1]

    def _child(self, node: _Node, name: str, new: TreeEntry | None) -> _Node | None:
        """Return the node `name` in another one; if there is none, a directory with the entry `new`, or None."""
        if node.children is None:
            return None
        child = node.children.get(name)
        if child is None and new is not None:
            self._allowance.take(len(name))
            child = node.children[name] = _Node(new)
        return child

    def _count_step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            msg = "has more links in its names than any honest layer"
            raise LayerError(msg)


def _split(path: str) -> tuple[str, str]:
    directory, _, name = path.rpartition("/")
    return directory, name
