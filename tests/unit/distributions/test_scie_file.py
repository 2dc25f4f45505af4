"""The lift manifest of a scie, and the digests of the files in it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from nox_pex.distributions import scie_file
from nox_pex.distributions.scie_file import ScieError
from tests.support.small_scie import JUMP, PYTHON, write_scie, zipped

GOOD = b'"scie": {"jump": {}, "lift": {"name": "x", "files": []}}}'


@pytest.mark.parametrize("comment", [b"", b"a comment of the archive"])
def test_the_files_in_a_scie_have_their_offsets_and_digests(tmp_path: Path, comment: bytes) -> None:
    pex = zipped(comment)
    path = write_scie(tmp_path / "shop-linux-x86_64", pex)
    scie = scie_file.read(path)
    assert (scie.name, scie.python) == ("shop", PYTHON)
    assert [part.name for part in scie.parts] == [PYTHON, "configure-binding.py", "shop.pex"]
    assert scie.parts[0].offset == len(JUMP)
    assert scie.pex is not None
    assert scie.pex.offset is not None
    assert path.read_bytes()[scie.pex.offset :][: scie.pex.size] == pex
    whole, digests = scie_file.read_whole(path)
    assert whole == scie
    assert digests.whole == hashlib.sha256(path.read_bytes()).hexdigest()
    assert digests.parts == {part.name: part.sha256 for part in scie.parts}


def test_digests_are_right_for_files_that_are_longer_than_a_piece(tmp_path: Path) -> None:
    path = write_scie(tmp_path / "shop-linux-x86_64", zipped(), python=os.urandom((1 << 20) + 17))
    scie, digests = scie_file.read_whole(path)
    assert digests.parts == {part.name: part.sha256 for part in scie.parts}


def test_a_scie_that_is_replaced_meanwhile_is_read_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_scie(tmp_path / "x", zipped())
    content, read_tail = path.read_bytes(), scie_file._read_tail  # noqa: SLF001  # it is replaced after the first of two reads

    def then_replace(file: IO[bytes]) -> bytes:
        tail = read_tail(file)
        write_scie(tmp_path / "new", zipped(), python=b"an evil Python").replace(path)
        return tail

    monkeypatch.setattr(scie_file, "_read_tail", then_replace)
    assert scie_file.read_whole(path)[1].whole == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("change", [lambda content: content[:-9], lambda content: content + b" ", bytes.upper])
def test_a_scie_that_is_changed_meanwhile_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]
) -> None:
    path = write_scie(tmp_path / "x", zipped())
    read_tail = scie_file._read_tail  # noqa: SLF001  # it is changed after the first of two reads

    def then_change(file: IO[bytes]) -> bytes:
        tail = read_tail(file)
        path.write_bytes(change(path.read_bytes()))
        return tail

    monkeypatch.setattr(scie_file, "_read_tail", then_change)
    with pytest.raises(ScieError, match="it was changed while it was read"):
        scie_file.read_whole(path)


def test_a_file_that_is_downloaded_at_the_first_start_has_no_offset(tmp_path: Path) -> None:
    scie = scie_file.read(write_scie(tmp_path / "x", zipped(), lazy=True))
    assert scie.python == PYTHON
    assert [part.offset is None for part in scie.parts] == [True, False, False]


def test_the_pex_of_an_application_named_pex_has_no_key(tmp_path: Path) -> None:
    scie = scie_file.read(write_scie(tmp_path / "x", zipped(), name="pex", changes={"name": "pex", "key": None}))
    assert scie.pex is not None
    assert scie.pex.name == "pex"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it does not end in a ZIP archive"),
        (b"\x7fELF" + bytes(200_000), "it does not end in a ZIP archive"),
        (b"PK\5\6", "it does not end in a ZIP archive"),
        (zipped(), "its lift manifest cannot be read"),
        (zipped() + b"\nnot json\n", "its lift manifest cannot be read"),
        (zipped() + b"[" * 60_000, "its lift manifest cannot be read"),
        (zipped() + b"[" * 900 + b"]" * 900, "its lift manifest cannot be read"),
        (zipped() + b'{"x": "\\ud800", ' + GOOD, "its lift manifest cannot be read"),
        (zipped() + b'{"x": NaN, ' + GOOD, "its lift manifest cannot be read"),
        (zipped() + b'{"x": ' + b"9" * 5000 + b", " + GOOD, "its lift manifest cannot be read"),
        (zipped() + b'{"x": ' + b"[" * 40 + b"]" * 40 + b", " + GOOD, "its lift manifest cannot be read"),
        (zipped() + b'{"scie": null}', "its lift manifest cannot be read"),
        (zipped() + b'{"scie": {"jump": {"size": "x"}, "lift": {"files": []}}}', "its lift manifest cannot be read"),
        (zipped() + b'{"scie": {"jump": {"size": 10}, "lift": {"name": "x", "files": []}}}', "accounts for 10 bytes"),
    ],
)
def test_other_bytes_are_no_scie(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ScieError, match=said):
        scie_file.read(tmp_path / "x")


@pytest.mark.parametrize(
    "changes", [{"size": 1 << 62}, {"size": -1}, {"size": 1.5}, {"hash": None, "size": None}, {"name": PYTHON}]
)
def test_a_manifest_must_account_for_each_byte_once(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ScieError):
        scie_file.read(write_scie(tmp_path / "x", zipped(), changes=changes))


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        for path in (tmp_path / "fifo", tmp_path, Path(os.devnull), tmp_path / "socket"):
            with pytest.raises(ScieError, match=r"it is a (FIFO|directory|device|socket)"):
                scie_file.read_whole(path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ScieError, match="Too many levels of symbolic links"):
        scie_file.read(tmp_path / "loop")
    with pytest.raises(ScieError, match="No such file"):
        scie_file.read(tmp_path / "missing")


def test_a_long_manifest_ends_where_scie_jump_stops_to_search(tmp_path: Path) -> None:
    more = {"x": "y" * 65_000}
    with pytest.raises(ScieError):
        scie_file.read(write_scie(tmp_path / "x", zipped(), more=more, tail=json.dumps(more).encode() * 2))


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("shop-linux-x86_64", "linux-x86_64"),
        ("shop-musl-linux-aarch64", "musl-linux-aarch64"),
        ("shop-windows-x86_64.exe", "windows-x86_64"),
        ("shop-linux-x86_64.sha256", None),
        ("shop.pex", None),
        ("shopping-linux-x86_64", None),
        ("../shop-linux-x86_64", None),
        ("shop-linux-../x", None),
    ],
)
def test_the_platform_is_in_the_name(name: str, platform: str | None) -> None:
    assert scie_file.platform_in(name, stem="shop") == platform


def test_this_machine_has_a_platform() -> None:
    assert scie_file.platform_in(f"a.b-{scie_file.this_platform()}", stem="a.b") == scie_file.this_platform()
