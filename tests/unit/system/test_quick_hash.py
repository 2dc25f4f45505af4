from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import blake3
import pytest

from nox_pex.system import processors, quick_hash

PIECE = 1 << 12
"""Bytes. The pieces of these tests are small, so that many threads get some and no test writes a large file."""
WriteFile: TypeAlias = Callable[[bytes | bytearray], Path]

SIZES = (0, 1, PIECE - 1, PIECE, PIECE + 1, 9 * PIECE, 20 * PIECE + 7)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_hash, "_PIECE", PIECE)


def digest(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return quick_hash.of_file(descriptor)
    finally:
        os.close(descriptor)


def content(size: int) -> bytes:
    return bytes((at * 7 + at // 251) % 256 for at in range(4099)) * (size // 4099 + 1)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes | bytearray], Path]:
    def write(data: bytes | bytearray) -> Path:
        path = tmp_path / "file"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_any_number_of_threads_finds_the_digest_of_the_digests_of_the_pieces(
    file: WriteFile, monkeypatch: pytest.MonkeyPatch, size: int, count: int
) -> None:
    monkeypatch.setattr(processors, "count", lambda: count)
    data = content(size)[:size]
    pieces = [data[start : start + PIECE] for start in range(0, size + 1, PIECE)]
    expected = blake3.blake3(b"".join(blake3.blake3(piece).digest() for piece in pieces)).digest()
    before = threading.active_count()
    assert digest(file(data)) == expected
    assert threading.active_count() == before


@pytest.mark.parametrize("at", [0, PIECE - 1, PIECE, 5 * PIECE + 3, 9 * PIECE - 1, 9 * PIECE + 99])
def test_each_changed_byte_is_another_digest(file: WriteFile, at: int) -> None:
    data = bytearray(content(9 * PIECE + 100)[: 9 * PIECE + 100])
    before = digest(file(data))
    data[at] ^= 1
    assert digest(file(data)) != before


def test_no_two_contents_with_the_same_bytes_in_other_places_have_one_digest(file: WriteFile) -> None:
    data = content(6 * PIECE)[: 6 * PIECE]
    changed = (
        data,
        data[:-1],
        data[:PIECE],
        data[: 5 * PIECE],
        data + b"\0",
        data + data[:PIECE],
        data[PIECE : 2 * PIECE] + data[:PIECE] + data[2 * PIECE :],
        data[1:] + data[:1],
        bytes(6 * PIECE),
        bytes(5 * PIECE),
        blake3.blake3(data[:PIECE]).digest() + blake3.blake3(b"").digest(),
        b"",
    )
    assert len({digest(file(each)) for each in changed}) == len(changed)


@pytest.mark.parametrize("new_size", [10 * PIECE + 5, 0, 60 * PIECE])
def test_a_file_that_is_truncated_or_grows_meanwhile_has_another_digest(
    file: WriteFile, monkeypatch: pytest.MonkeyPatch, new_size: int
) -> None:
    path = file(content(30 * PIECE)[: 30 * PIECE])
    before, read = digest(path), os.pread

    def change_and_read(descriptor: int, size: int, offset: int) -> bytes:
        os.truncate(path, new_size)
        return read(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", change_and_read)
    assert digest(path) != before


def test_a_read_that_returns_less_is_continued(file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(content(9 * PIECE + 5)[: 9 * PIECE + 5])
    before, read = digest(path), os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, size, at: read(descriptor, min(size, 1001), at))
    assert digest(path) == before


@pytest.mark.parametrize("failing", [0, 7, 19])
def test_an_error_of_any_thread_is_raised(file: WriteFile, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    path, read = file(bytes(20 * PIECE)), os.pread

    def failing_read(descriptor: int, size: int, offset: int) -> bytes:
        if offset == failing * PIECE:
            raise OSError(5, "Input/output error")
        return read(descriptor, size, offset)

    monkeypatch.setattr(processors, "count", lambda: 4)
    monkeypatch.setattr(os, "pread", failing_read)
    with pytest.raises(OSError, match="Input/output error"):
        digest(path)


def test_a_file_of_many_megabytes(file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    data, piece = content(9_000_000), 1 << 20
    pieces = (data[start : start + piece] for start in range(0, len(data) + 1, piece))
    assert digest(file(data)) == blake3.blake3(b"".join(blake3.blake3(each).digest() for each in pieces)).digest()


def test_without_another_thread_the_digest_is_the_same(file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(content(20 * PIECE)[: 20 * PIECE])
    before = digest(path)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(processors, "count", lambda: 64)
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            assert digest(path) == before
    assert digest(path) == before


def test_many_files_at_once_start_few_threads(file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read, most = file(bytes(20 * PIECE)), os.pread, []

    def counting_read(descriptor: int, size: int, offset: int) -> bytes:
        most.append(threading.active_count())
        return read(descriptor, size, offset)

    monkeypatch.setattr(processors, "count", lambda: 64)
    monkeypatch.setattr(os, "pread", counting_read)
    before, found = threading.active_count(), []
    readers = [threading.Thread(target=lambda: found.append(digest(path))) for _ in range(10)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len({*found}) == 1
    assert len(found) == len(readers)
    assert max(most) <= before + len(readers) + 7
