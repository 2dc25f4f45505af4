"""Write the tree that layers make to a directory.

The tree is merged in memory first (`root_tree`), so every path is real: no part of it is a link. The directory is new,
and only this user can enter the directories above it. Links are made last. So no name can lead outside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci import layer_reader, root_tree, unpacked_seal
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layer_reader import TreeEntry
from nox_pex.oci.root_tree import RootTree
from nox_pex.system import files, locks, os_errors
from nox_pex.tools import cache
from nox_pex.tools.cache import Caches

_ROOT: Final = "root"
"""The directory with the tree, in its part of the cache. It appears when it is complete."""


_NEW: Final = ".new."
"""Begins the names of directories that are not complete."""


_OLD: Final = ".old."
"""Begins the names of directories that were damaged."""


_OVERLAID: Final = ".overlaid."
"""Begins the names of temporary trees."""


_KEPT_BITS: Final = 0o1777
"""The bits of a mode that are set: all but setuid and setgid."""


_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


_ZEROS: Final = bytes(1 << 20)
"""A piece of a file that becomes a hole: a layer of zeros needs no disk."""


_SMALL: Final = 1 << 12
"""Bytes of a piece that is written even if it has only zeros."""


_IMPOSSIBLE: Final = (errno.ENAMETOOLONG, errno.EFBIG, errno.EINVAL, errno.EILSEQ, errno.EMLINK, errno.EEXIST)
"""The errors of a file that the file system of the cache cannot have."""


_Place: TypeAlias = tuple[int, int]
"""Layer and offset: equal for all hard links to one file, and different for all others."""


def unpacked(
    layers: Sequence[LayerFile],
    *,
    image: str,
    caches: Caches,
    as_root: bool,
    unpacking: Callable[[], None] = lambda: None,
) -> Path:
    """Return the directory in the user's cache with the merged tree of `layers`, lowest first; unpack it if needed.

    The same layers are unpacked once, and again if something in the directory changed. It is not removed before this
    process ends. It must not be written to: mount it read-only. With `as_root`, each file gets the owner and group of
    its layer. Otherwise all belong to the user, who may enter every directory. Modes are as in the layer, but without
    setuid and setgid bits. There are no devices, no FIFOs and no extended attributes. `image` names the image in
    errors. `unpacking` is called before they are unpacked. Raises `NoxPexError`: `image-base` if a layer is not one
    that can be unpacked, `disk-full`, `cache-unsafe`.
    """
    part = caches.of_images("root-file-systems") / f"{root_tree.key_of(layers)}{'-root' if as_root else ''}"
    root = part / _ROOT
    with os_errors.writing(f"the files of {image} to {part.parent}", place=part.parent):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
        cache.mark_used(part)
        if not unpacked_seal.is_intact(root):
            with locks.locked(part.with_name(f"{part.name}.lock"), waiting=lambda: None):
                if not unpacked_seal.is_intact(root):
                    unpacking()
                    _set_aside(root)
                    tree = root_tree.tree_of(layers, image=image, caches=caches)
                    _write_new(tree, root, image=image, as_root=as_root)
        locks.lock_until_exit(root)
    locks.remove_abandoned(part, _OLD)
    return root


def _write_new(tree: RootTree, root: Path, *, image: str, as_root: bool) -> None:
    """Write `tree` to the directory `root`, which appears when it is complete."""
    with locks.scratch(_NEW, parent=root.parent) as scratch:
        _write(tree, scratch / _ROOT, {}, image=image, as_root=as_root)
        (scratch / _ROOT).rename(root)
    unpacked_seal.write(root)


def _set_aside(root: Path) -> None:
    """Move a damaged tree away, if there is one: a process may run something in it."""
    with contextlib.suppress(FileNotFoundError):
        root.rename(root.with_name(f"{_OLD}{secrets.token_hex(8)}"))


@contextlib.contextmanager
def overlaid(
    base: Sequence[LayerFile], added: Sequence[LayerFile], *, image: str, caches: Caches, as_root: bool
) -> Iterator[Path]:
    """Yield a temporary directory with the merged tree of `base` and `added`, and remove it after the block.

    It is fast if `base` is in the cache: `unpacked(base)` is made first if needed, and its files are hard links, so the
    directory must not be written to. Everything else is as for `unpacked`.
    """
    lower = unpacked(base, image=image, caches=caches, as_root=as_root)
    unpacked_seal.allow_links(lower)
    below = root_tree.tree_of(base, image=image, caches=caches)
    tree = root_tree.tree_of((*base, *added), image=image, caches=caches)
    known = {_place(entry): str(lower / path) for path, entry in below.entries.items() if entry.kind == "file"}
    with locks.scratch(_OVERLAID, parent=caches.of_images("root-file-systems")) as scratch:
        _write(tree, scratch / _ROOT, known, image=image, as_root=as_root)
        yield scratch / _ROOT


def _place(entry: TreeEntry) -> _Place:
    return entry.layer, entry.offset


def _write(tree: RootTree, root: Path, known: Mapping[_Place, str], *, image: str, as_root: bool) -> None:
    """Write `tree` to the new directory `root`. The files in `known` are hard links to the paths there."""
    root.mkdir(mode=0o700)
    descriptor = os.open(root, _DIRECTORY)
    try:
        writing = _Writing(directory=root, root=descriptor, as_root=as_root)
        with _writing_to(root, image=image):
            for path, entry in tree.entries.items():
                if entry.kind == "directory":
                    os.mkdir(_encoded(path), 0o700, dir_fd=descriptor)
            _write_files(tree, writing, known, image=image)
            for path, entry in tree.entries.items():
                if entry.kind == "symlink":
                    writing.symlink(path, entry)
            for path, entry in reversed(list(tree.entries.items())):
                if entry.kind == "directory":
                    writing.finish_directory(path, entry)
            os.fchmod(descriptor, 0o755)
    finally:
        os.close(descriptor)


def _write_files(tree: RootTree, writing: _Writing, known: Mapping[_Place, str], *, image: str) -> None:
    paths: dict[_Place, list[str]] = {}
    for path, entry in tree.entries.items():
        if entry.kind == "file":
            paths.setdefault(_place(entry), []).append(path)
    for number, layer in enumerate(tree.layers):
        wanted = [tree.entries[found[0]] for place, found in paths.items() if place[0] == number and place not in known]
        with root_tree.reporting(layer, image=image):
            for entry, pieces in layer_reader.contents(layer, wanted, to_end=True) if wanted else ():
                writing.file(paths[_place(entry)][0], entry, pieces)
    for place, (first, *others) in paths.items():
        if place in known:
            writing.link_from(known[place], first)
        for other in others:
            writing.link(first, other)


@contextlib.contextmanager
def _writing_to(root: Path, *, image: str) -> Iterator[None]:
    """Turn an `OSError` for a file that the file system cannot have into the `NoxPexError` `image-base`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _IMPOSSIBLE:
            raise
        problem = f"{image} has a file that cannot be written to {root.parent.parent}: {error.strerror}"
        raise NoxPexError("image-base", problem, "choose another base, or another file system for the cache") from error


class _Writing(Struct, frozen=True, kw_only=True):
    """Writes entries of a tree below `directory`, which has the descriptor `root` and no links."""

    directory: Path
    root: int
    as_root: bool

    def file(self, path: str, entry: TreeEntry, pieces: Iterator[tuple[int, memoryview]]) -> None:
        """Write a regular file; long runs of zeros become holes."""
        descriptor = os.open(_encoded(path), _WRITE, 0o600, dir_fd=self.root)
        try:
            for position, piece in pieces:
                if len(piece) < _SMALL or piece[0] or bytes(piece) != _ZEROS[: len(piece)]:
                    _write_all(descriptor, piece, position)
            os.ftruncate(descriptor, entry.size)
            if self.as_root:
                os.fchown(descriptor, entry.uid, entry.gid)
            os.fchmod(descriptor, entry.mode & _KEPT_BITS)
            os.utime(descriptor, (entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)

    def link_from(self, source: str, path: str) -> None:
        """Make `path` a hard link to a file of another tree, or a copy of it if the file system refuses."""
        files.link(source, f"{self.directory}/{path}")

    def link(self, source: str, path: str) -> None:
        """Make `path` a hard link to another file of the tree."""
        os.link(_encoded(source), _encoded(path), src_dir_fd=self.root, dst_dir_fd=self.root, follow_symlinks=False)

    def symlink(self, path: str, entry: TreeEntry) -> None:
        """Make a symbolic link, to whatever it leads."""
        os.symlink(_encoded(entry.target), _encoded(path), dir_fd=self.root)
        if self.as_root:
            os.chown(_encoded(path), entry.uid, entry.gid, dir_fd=self.root, follow_symlinks=False)

    def finish_directory(self, path: str, entry: TreeEntry) -> None:
        """Set owner, mode and time of a directory in which everything has been made."""
        descriptor = os.open(_encoded(path), _DIRECTORY, dir_fd=self.root)
        try:
            if self.as_root:
                os.fchown(descriptor, entry.uid, entry.gid)
            own = 0 if self.as_root else stat.S_IRUSR | stat.S_IXUSR  # the user must reach what is in it, as root can
            os.fchmod(descriptor, entry.mode & _KEPT_BITS | own)
            os.utime(descriptor, (entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, piece: memoryview, position: int) -> None:
    while piece:
        written = os.pwrite(descriptor, piece, position)
        piece, position = piece[written:], position + written


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
