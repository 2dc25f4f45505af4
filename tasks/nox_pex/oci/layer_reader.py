"""Read a layer that anybody may have written: its members, and their contents.

Nothing is written to disk here, and no name is used as a path of this machine. Memory and time are limited.
Fact sources: OCI image specification 1.1, "Image Layer Filesystem Changeset"; `archive/tar` of Go and containerd's
`archive/tar.go`, which unpack layers elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from nox_pex.oci import tar_header
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layer_stream import LayerError, LayerStream
from nox_pex.oci.tar_header import BLOCK, Header, Segments

MOST_MEMBERS: Final = 1_000_000
"""Members of all layers of an image. The largest images that people use have a few hundred thousand."""


MOST_NAMES: Final = 256 << 20
"""Bytes of all names and headers in all layers of an image."""


_PART: Final = 64
"""Bytes that count for each record of a header and each part of a sparse file: they need memory and time."""


_PADDING: Final = 1 << 18
"""Bytes after the end that are read at a time."""


_LARGEST_HEADER: Final = 1 << 20
"""Bytes of a PAX header, of a long name, and of the map of a sparse file (as in Go)."""


_MOST_HEADERS: Final = 8
"""Headers before that of a member: long names, PAX."""


LONGEST_PATH: Final = 4095
"""Bytes of a path (PATH_MAX of Linux, without the NUL)."""


_LONGEST_NAME: Final = 255
"""Bytes of one part of a path (NAME_MAX)."""


Kind: TypeAlias = Literal["file", "directory", "symlink", "device", "fifo"]


_KINDS: Final[dict[bytes, Kind]] = {
    b"0": "file",
    b"S": "file",
    b"2": "symlink",
    b"3": "device",
    b"4": "device",
    b"5": "directory",
    b"6": "fifo",
}


_HARD_LINK: Final = b"1"


class TreeEntry(Struct, frozen=True, array_like=True, gc=False):
    """A file, directory, link or device.

    `size` is in bytes, `mtime` in seconds of Unix time, `target` is that of a symbolic link as it is in the layer, and
    empty for all others. `layer` is the number of its layer, 0 for the lowest. `offset` is the position of its bytes in
    the layer's tar: entries with the same `layer` and `offset` are hard links to one file. `segments` are the parts of
    a sparse file that are stored, one after another; None for all others. Names that are not UTF-8 have surrogates
    (`surrogateescape`).
    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str
    layer: int
    offset: int
    segments: Segments | None = None

    @property
    def stored(self) -> int:
        """The bytes in the layer: all but the holes."""
        return self.size if self.segments is None else sum(length for _, length in self.segments)


class Member(Struct, frozen=True, array_like=True, gc=False):
    """A member of a layer: its path from the root, empty for the root itself, and its entry.

    A hard link has no entry, but `link`, the path of another file from the root.
    """

    path: str
    entry: TreeEntry | None
    link: str = ""


Content: TypeAlias = tuple[TreeEntry, Iterator[tuple[int, memoryview]]]
"""A regular file, and its pieces with their positions in it. Its holes are left out."""


class Allowance(Struct):
    """The members and the bytes of names and headers that the layers of an image may still have."""

    members: int = MOST_MEMBERS
    names: int = MOST_NAMES

    def take(self, names: int) -> None:
        """Count one member with `names` bytes of names. Raises `LayerError` if the limit is exceeded."""
        self.members -= 1
        if self.members < 0:
            msg = f"brings the members of the image to more than {MOST_MEMBERS}"
            raise LayerError(msg)
        self.charge(names)

    def charge(self, size: int) -> None:
        """Count `size` bytes of names. Raises `LayerError` if the limit is exceeded."""
        self.names -= size
        if self.names < 0:
            msg = f"brings the names in the image to more than {MOST_NAMES} bytes"
            raise LayerError(msg)


def members(layer: LayerFile, number: int, allowance: Allowance) -> Iterator[Member]:
    """Yield the members of `layer`, which is layer `number` of its image, in order. Its digest is checked at the end.

    Raises `LayerError` if it is damaged or hostile, or if a name leads outside of the root.
    """
    with LayerStream(layer) as stream:
        while (header := _next_header(stream, allowance)) is not None:
            fields, size, segments = header
            allowance.take(len(fields.name) + len(fields.link) + _PART * len(segments or ()))
            yield _member(fields, size, segments, number=number, offset=stream.position)
            stored = fields.stored
            stream.skip(stored + -stored % BLOCK)
        while rest := stream.read(_PADDING):
            if rest.strip(b"\0"):
                msg = "has data after its end"
                raise LayerError(msg)
        stream.finish()


def contents(layer: LayerFile, wanted: Iterable[TreeEntry], *, to_end: bool = False) -> Iterator[Content]:
    """Yield the regular files `wanted`, in the order of their bytes.

    All pieces of a file must be taken before the next file. With `to_end`, the whole layer is read, and its digest is
    checked. Raises as `LayerStream` does.
    """
    with LayerStream(layer) as stream:
        for entry in sorted(wanted, key=lambda each: each.offset):
            stream.skip(entry.offset - stream.position)
            yield entry, _content(stream, entry)
        if to_end:
            stream.finish()


def _content(stream: LayerStream, entry: TreeEntry) -> Iterator[tuple[int, memoryview]]:
    for start, length in entry.segments if entry.segments is not None else ((0, entry.size),):
        position = start
        for chunk in stream.chunks(length):
            yield position, chunk
            position += len(chunk)
        if position < start + length:
            msg = "ends too early"
            raise LayerError(msg)


def _next_header(stream: LayerStream, allowance: Allowance) -> tuple[Header, int, Segments | None] | None:
    """Return the next member's header, the size of its file, and its segments if it is sparse; None at the end."""
    long: dict[bytes, bytes] = {}
    pax: dict[str, str] = {}
    pairs: list[str] = []
    for _ in range(_MOST_HEADERS):
        block = stream.read(BLOCK)
        if not block or not any(block):
            if long or pax or (block and any(stream.read(BLOCK))):
                msg = "has no member after a header, or data after its end"
                raise LayerError(msg)
            return None
        if len(block) < BLOCK:
            msg = "ends too early"
            raise LayerError(msg)
        header = tar_header.parse(block)
        if header.type in (b"L", b"K"):
            long[header.type] = _small(stream, header, allowance).partition(b"\0")[0]
        elif header.type in (b"x", b"g"):
            found = list(tar_header.records(_small(stream, header, allowance)))
            allowance.charge(_PART * len(found))
            if header.type == b"x":  # a global one counts nothing to engines
                pax, pairs = dict(found), [text for key, text in found if key in _PAIRS]
        else:
            header.name, header.link = long.get(b"L", header.name), long.get(b"K", header.link)
            tar_header.apply(header, pax)
            tar_header.check(header)
            return _sized(stream, header, block, pax, pairs)
    msg = "has too many headers for one member"
    raise LayerError(msg)


_PAIRS: Final = ("GNU.sparse.offset", "GNU.sparse.numbytes")


def _small(stream: LayerStream, header: Header, allowance: Allowance) -> bytes:
    """Return the content of a header that belongs to the next member. Raises `LayerError`."""
    if header.stored > _LARGEST_HEADER:
        msg = f"has a header of {header.stored} bytes"
        raise LayerError(msg)
    allowance.charge(header.stored)
    data = stream.read(header.stored)
    stream.skip(header.stored - len(data) + -header.stored % BLOCK)
    return data


def _sized(
    stream: LayerStream, header: Header, block: bytes, pax: dict[str, str], pairs: list[str]
) -> tuple[Header, int, Segments | None]:
    """Return the header, the size of the file, and its segments if it is sparse. `stored` becomes what follows now."""
    if header.type not in (b"0", b"S"):
        header.stored = 0
        return header, 0, None
    if header.old_sparse:
        size, numbers = tar_header.number(block[483:495]), list(tar_header.old_segments(block[386:482]))
        more = block[482]
        while more:
            block = stream.read(BLOCK)
            if len(block) < BLOCK or len(numbers) > _LARGEST_HEADER:
                msg = "has a sparse file with a map that is not valid"
                raise LayerError(msg)
            numbers += tar_header.old_segments(block[:504])
            more = block[504]
        segments = tar_header.segments(numbers)
    elif (pax.get("GNU.sparse.major"), pax.get("GNU.sparse.minor")) == ("1", "0"):
        size = tar_header.decimal(pax.get("GNU.sparse.realsize", ""))
        segments = _leading_segments(stream, header)
    elif "GNU.sparse.map" in pax or pairs:
        size, segments = tar_header.decimal(pax.get("GNU.sparse.size", "")), tar_header.pax_segments(pax, pairs)
    else:
        return header, header.stored, None
    tar_header.check_segments(segments, size=size, stored=header.stored)
    return header, size, segments


def _leading_segments(stream: LayerStream, header: Header) -> Segments:
    """Read the map of a sparse file in the format 1.0, which is before its content: decimal numbers, one a line."""
    blocks: list[bytes] = []
    lines, expected = 0, 1
    while lines < expected:
        block = stream.read(BLOCK)
        header.stored -= BLOCK
        if len(block) < BLOCK or header.stored < 0 or len(blocks) * BLOCK > _LARGEST_HEADER:
            msg = "has a sparse file with a map that is not valid"
            raise LayerError(msg)
        if not blocks:
            expected = 1 + 2 * tar_header.decimal(block.partition(b"\n")[0].decode("latin-1"))
        blocks.append(block)
        lines += block.count(b"\n")
    numbers = b"".join(blocks).decode("latin-1").split("\n")[1:expected]
    return tar_header.segments([tar_header.decimal(text) for text in numbers])


def _member(header: Header, size: int, segments: Segments | None, *, number: int, offset: int) -> Member:
    path = clean(header.name)
    if header.type == _HARD_LINK:
        link = clean(header.link)
        if not path or not link:
            msg = f"has a hard link {_shown(header.name)} from or to the root"
            raise LayerError(msg)
        return Member(path, None, link)
    kind = _KINDS.get(header.type)
    if kind is None:
        msg = f"has {_shown(header.name)}, whose type {header.type!r} is not known"
        raise LayerError(msg)
    if not path and kind != "directory":
        msg = f"has a {kind} in place of the root"
        raise LayerError(msg)
    target = ""
    if kind == "symlink":
        if not header.link or b"\0" in header.link or len(header.link) > LONGEST_PATH:
            msg = f"has a link {_shown(header.name)} to a name that no system has"
            raise LayerError(msg)
        target = header.link.decode("utf-8", "surrogateescape")
    entry = TreeEntry(kind, header.mode, header.uid, header.gid, size, header.mtime, target, number, offset, segments)
    return Member(path, entry)


def clean(name: bytes) -> str:
    """Return the path that a name in a layer is, from the root, without `.` and empty parts; empty for the root.

    An absolute name is relative to the root, as to every runtime. Raises `LayerError` if the name has a `..`, a NUL, or
    more bytes than a path can have.
    """
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts or b"\0" in name or not name:
        msg = f"has the name {_shown(name)}, which could lead outside of the image"
        raise LayerError(msg)
    path = b"/".join(parts)
    if len(path) > LONGEST_PATH or max(map(len, parts), default=0) > _LONGEST_NAME:
        msg = f"has the name {_shown(name)}, which is too long for any system"
        raise LayerError(msg)
    return path.decode("utf-8", "surrogateescape")


_SHOWN: Final = 80
"""Bytes of a wrong name that are shown."""


def _shown(name: bytes) -> str:
    shown = name[:_SHOWN].decode("utf-8", "backslashreplace")
    return f"{shown!r}{'…' if len(name) > _SHOWN else ''}"
