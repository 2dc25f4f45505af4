from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from nox_pex.pex import zip_members
from nox_pex.pex.incremental import LoosePart, WheelPart, rebuild_project_part
from tests.support.small_pex import (
    Files,
    Member,
    SmallPex,
    as_json,
    installed,
    write_wheel,
    write_zip,
)

BEFORE: Final[Files] = {
    "main.py": b"def main():\n    print('one')\n" * 200,
    "shop/__init__.py": b"",
    "shop/.hidden": b"not in the code hash",
    "shop/data/prices.txt": b"1\n" * 9000,
    "run.sh": Member(b"#!/bin/sh\n", 0o755),
}
AFTER: Final[Files] = {
    "main.py": b"def main():\n    print('two')\n" * 300,
    "Another.py": b"ANSWER = 42\n",
    "shop/__init__.py": b"",
    "shop/.hidden": b"other, and not in the code hash",
    "shop/deep/deeper/naïve.txt": "é".encode() * 50_000,
    "run.sh": b"#!/bin/sh\n",
    "zz.py": Member(b"", 0o755),
}
WHEEL: Final = "shop-1.0-py3-none-any.whl"


def write_sources(root: Path, files: Files) -> LoosePart:
    """Write loose sources, and name them as the project's part."""
    for name, file in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content if isinstance(file, Member) else file)
        path.chmod(file.mode if isinstance(file, Member) else 0o644)
    return LoosePart(root=root, names=tuple(files))


def rebuild(
    tmp_path: Path,
    previous: Path,
    part: LoosePart | WheelPart,
    *,
    pre_install_wheels: bool = True,
    compress: bool = True,
    entry_point: str = "main:main",
) -> bytes | None:
    """The new PEX file, or None if pex has to build it."""
    scratch, output = tmp_path / "scratch", tmp_path / "output.pex"
    scratch.mkdir()
    output.write_bytes(b"the beginning of an output")
    if rebuild_project_part(
        previous,
        output,
        part=part,
        entry_point=entry_point,
        pre_install_wheels=pre_install_wheels,
        compress=compress,
        scratch=scratch,
    ):
        assert output.stat().st_mode == previous.stat().st_mode
        return output.read_bytes()
    assert not output.exists()
    return None


@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "stored"])
@pytest.mark.parametrize("kind", [0o100000, 0], ids=["file-types", "as-older-pex"])
@pytest.mark.parametrize(("before", "after"), [(BEFORE, AFTER), (AFTER, BEFORE), (BEFORE, BEFORE), (BEFORE, {})])
def test_the_result_is_the_pex_that_pex_would_write(
    tmp_path: Path, before: Files, after: Files, kind: int, *, compress: bool
) -> None:
    previous = SmallPex(sources=before, compress=compress, kind=kind).write(tmp_path / "previous.pex")
    expected = SmallPex(sources=after, compress=compress, kind=kind).write(tmp_path / "expected.pex")
    assert (
        rebuild(tmp_path, previous, write_sources(tmp_path / "sources", after), compress=compress)
        == expected.read_bytes()
    )


def test_every_other_byte_of_the_previous_pex_is_kept(tmp_path: Path) -> None:
    previous = SmallPex(sources=BEFORE).write(tmp_path / "previous.pex")
    assert rebuild(tmp_path, previous, write_sources(tmp_path / "sources", AFTER)) is not None
    before = {member.name: member for member in zip_members.read(previous).members}
    after = {member.name: member for member in zip_members.read(tmp_path / "output.pex").members}
    of_the_project = {*BEFORE, *AFTER, "shop/data/", "shop/deep/", "shop/deep/deeper/"}
    with_the_hash = {"PEX-INFO", "__main__.py", "__pex__/__init__.py"}
    same = {name for name in before.keys() & after.keys() if before[name].same_as(after[name])}
    assert same == before.keys() - with_the_hash - (of_the_project - {"shop/__init__.py"})
    assert before.keys() - of_the_project == after.keys() - of_the_project


def test_the_new_hash_is_in_the_start_script_and_in_the_modules_that_boot(tmp_path: Path) -> None:
    old = SmallPex(sources=BEFORE)
    assert (
        rebuild(tmp_path, old.write(tmp_path / "previous.pex"), write_sources(tmp_path / "sources", AFTER)) is not None
    )
    new_hash, old_hash = SmallPex(sources=AFTER).info()["pex_hash"].encode(), old.info()["pex_hash"].encode()
    archive = zip_members.read(tmp_path / "output.pex")
    assert new_hash in archive.header()
    assert old_hash not in archive.header()
    for member in archive.members:
        assert old_hash not in member.read()


def test_a_source_that_is_as_it_was_is_not_packed_again(tmp_path: Path) -> None:
    """Its bytes are those of the previous PEX even if they are packed in another way than pex packs now."""
    files = SmallPex(sources=BEFORE).files()
    previous = write_zip(tmp_path / "previous.pex", files)
    slow = write_zip(tmp_path / "slow.pex", files, level=1)
    chosen = {member.name: member for member in zip_members.read(previous).members}
    odd = next(m for m in zip_members.read(slow).members if m.name == "shop/data/prices.txt")
    assert odd.size != chosen[odd.name].size
    zip_members.write(tmp_path / "odd.pex", b"", [{**chosen, odd.name: odd}[name] for name in chosen])
    assert (
        rebuild(tmp_path, tmp_path / "odd.pex", write_sources(tmp_path / "sources", {**BEFORE, "main.py": b"new"}))
        is not None
    )
    after = {member.name: member for member in zip_members.read(tmp_path / "output.pex").members}
    assert after[odd.name].same_as(odd)


# When pex has to build it


def with_info(**changes: Any) -> Callable[[SmallPex], Mapping[str, bytes | Member]]:
    def change(pex: SmallPex) -> Mapping[str, bytes | Member]:
        return {**pex.files(), "PEX-INFO": as_json({**pex.info(), **changes})}

    return change


def with_files(**changes: bytes | None) -> Callable[[SmallPex], Mapping[str, bytes | Member]]:
    """Change files by name, `__` being a slash; None removes one."""

    def change(pex: SmallPex) -> Mapping[str, bytes | Member]:
        files = {**pex.files(), **{name: content for name, content in changes.items() if content is not None}}
        return {name: file for name, file in files.items() if changes.get(name, b"") is not None}

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(with_info(pex_hash="0" * 40), id="another-pex-hash"),
        pytest.param(with_info(code_hash="0" * 40), id="another-code-hash"),
        pytest.param(with_info(code_hash=None), id="no-code-hash"),
        pytest.param(
            lambda pex: {**pex.files(), "PEX-INFO": json.dumps(pex.info(), sort_keys=True).encode()}, id="other-json"
        ),
        pytest.param(with_files(**{"PEX-INFO": None}), id="no-pex-info"),
        pytest.param(with_files(**{"PEX-INFO": b"{"}), id="broken-pex-info"),
        pytest.param(with_files(**{"__main__.py": b"boot()\n"}), id="main-without-the-hash"),
        pytest.param(with_files(**{"__main__.py": None}), id="no-main"),
        pytest.param(with_files(**{"__pex__/__init__.py": b""}), id="package-without-the-hash"),
        pytest.param(with_files(**{"main.py": b"changed since\n"}), id="a-source-changed-in-it"),
        pytest.param(with_files(**{"more.py": b"added since\n"}), id="a-source-added-to-it"),
    ],
)
def test_a_previous_pex_that_is_not_as_computed_here_is_left_to_pex(
    tmp_path: Path, change: Callable[[SmallPex], Files]
) -> None:
    previous = write_zip(tmp_path / "previous.pex", change(SmallPex(sources=BEFORE)))
    assert rebuild(tmp_path, previous, write_sources(tmp_path / "sources", AFTER)) is None


def with_hash(pex: SmallPex, new: str, info: bytes) -> Mapping[str, bytes | Member]:
    """The files of a PEX that was written with the PEX hash `new` and the PEX-INFO `info`."""
    old = pex.info()["pex_hash"].encode()
    files = {name: file if isinstance(file, Member) else Member(file) for name, file in pex.files().items()}
    changed = {name: replace(file, content=file.content.replace(old, new.encode())) for name, file in files.items()}
    return {**changed, "PEX-INFO": info}


def test_another_pex_hash_that_all_of_the_pex_agrees_on_is_left_to_pex(tmp_path: Path) -> None:
    pex = SmallPex(sources=BEFORE)
    files = with_hash(pex, "0" * 40, as_json({**pex.info(), "pex_hash": "0" * 40}))
    previous = write_zip(tmp_path / "previous.pex", files)
    assert rebuild(tmp_path, previous, write_sources(tmp_path / "sources", AFTER)) is None


def test_keys_of_pex_info_in_another_order_are_left_to_pex(tmp_path: Path) -> None:
    pex = SmallPex(sources=BEFORE)
    info = dict(reversed([item for item in pex.info().items() if item[0] != "pex_hash"]))
    pex_hash = hashlib.sha1(json.dumps(info, separators=(",", ":")).encode()).hexdigest()  # noqa: S324  # pex's choice
    text = json.dumps({**info, "pex_hash": pex_hash}, separators=(",", ":")).encode()
    previous = write_zip(tmp_path / "previous.pex", with_hash(pex, pex_hash, text))
    assert rebuild(tmp_path, previous, write_sources(tmp_path / "sources", AFTER)) is None


def test_directories_that_are_packed_in_another_way_are_left_to_pex(tmp_path: Path) -> None:
    archive = zip_members.read(SmallPex(sources=BEFORE).write(tmp_path / "previous.pex"))
    attributes = slice(38, 42)  # of a central record (APPNOTE 4.3.12)
    members = [
        replace(m, central=m.central[: attributes.start] + b"\0" + m.central[attributes.start + 1 :])
        if m.name == "__pex__/"
        else m
        for m in archive.members
    ]
    zip_members.write(tmp_path / "other.pex", archive.header(), members)
    assert rebuild(tmp_path, tmp_path / "other.pex", write_sources(tmp_path / "sources", AFTER)) is None


def test_a_previous_pex_that_is_unchanged_is_not_left_to_pex(tmp_path: Path) -> None:
    previous = write_zip(tmp_path / "previous.pex", with_info()(SmallPex(sources=BEFORE)))
    assert rebuild(tmp_path, previous, write_sources(tmp_path / "sources", AFTER)) is not None


def test_members_that_are_compressed_in_another_way_are_left_to_pex(tmp_path: Path) -> None:
    boot = "__pex__/__init__.py"
    files = SmallPex(sources=BEFORE).files()
    content = files[boot]
    assert isinstance(content, bytes)
    files[boot] = content + b"import sys; sys.exit(0)  # 0123456789\n" * 2000
    pexes = [write_zip(tmp_path / f"{level}.pex", files, level=level) for level in (None, 1)]
    usual, odd = ({m.name: m for m in zip_members.read(pex).members}[boot] for pex in pexes)
    assert not usual.same_as(odd)
    part = write_sources(tmp_path / "sources", AFTER)
    for pex, rebuilt in zip(pexes, (True, False), strict=True):
        directory = tmp_path / pex.stem
        directory.mkdir()
        assert (rebuild(directory, pex, part) is not None) == rebuilt


@pytest.mark.parametrize("compress", [True, False])
def test_the_setting_must_be_that_of_the_previous_pex(tmp_path: Path, *, compress: bool) -> None:
    previous = SmallPex(sources=BEFORE, compress=compress).write(tmp_path / "previous.pex")
    assert rebuild(tmp_path, previous, write_sources(tmp_path / "sources", AFTER), compress=not compress) is None


def test_members_in_another_order_are_left_to_pex(tmp_path: Path) -> None:
    archive = zip_members.read(SmallPex(sources=BEFORE).write(tmp_path / "previous.pex"))
    sources = [member for member in archive.members if member.name in BEFORE]
    others = [member for member in archive.members if member.name not in BEFORE]
    zip_members.write(tmp_path / "other.pex", archive.header(), [*sources, *others])
    assert rebuild(tmp_path, tmp_path / "other.pex", write_sources(tmp_path / "sources", AFTER)) is None


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"#!/bin/sh\n" * 100])
def test_a_file_that_is_no_archive_is_left_to_pex(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "previous.pex").write_bytes(content)
    assert rebuild(tmp_path, tmp_path / "previous.pex", write_sources(tmp_path / "sources", AFTER)) is None


@pytest.mark.parametrize(
    "name", ["PEX-INFO", "__main__.py", "__pex__/more.py", ".deps/x.py", ".bootstrap/x.py", "cache.pyc", "cache.pyo"]
)
def test_a_source_that_pex_treats_in_another_way_is_left_to_pex(tmp_path: Path, name: str) -> None:
    previous = SmallPex(sources=BEFORE).write(tmp_path / "previous.pex")
    assert rebuild(tmp_path, previous, write_sources(tmp_path / "sources", {**AFTER, name: b""})) is None


# The project's wheel


MODULE: Final = "shop/__init__.py"
WHEEL_FILES: Final[Files] = {MODULE: b"ONE = 1\n" * 500, "shop/main.py": b"", "shop/run": Member(b"#!\n", 0o755)}


def with_wheel(wheel: Path, **options: Any) -> SmallPex:
    return SmallPex(wheels={wheel.name: installed(wheel)}, **options)


def wheel_in(directory: Path, files: Files = WHEEL_FILES, **options: Any) -> Path:
    directory.mkdir(exist_ok=True)
    return write_wheel(directory / WHEEL, files, **options)


@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "stored"])
@pytest.mark.parametrize(
    "edits", [{MODULE: b"TWO = 2\n" * 700}, {MODULE: b"", "shop/main.py": b"print()\n"}, {}], ids=["one", "two", "none"]
)
def test_a_wheel_with_other_contents_gives_the_pex_that_pex_would_write(
    tmp_path: Path, edits: Files, *, compress: bool
) -> None:
    before = wheel_in(tmp_path / "before")
    after = wheel_in(tmp_path / "after", {**WHEEL_FILES, **edits})
    previous = with_wheel(before, compress=compress).write(tmp_path / "previous.pex")
    expected = with_wheel(after, compress=compress).write(tmp_path / "expected.pex")
    assert rebuild(tmp_path, previous, WheelPart(path=after), compress=compress) == expected.read_bytes()


@pytest.mark.parametrize(
    ("files", "options"),
    [
        pytest.param({**WHEEL_FILES, "shop/more.py": b""}, {}, id="one-more-file"),
        pytest.param({MODULE: b"", "shop/run": Member(b"#!\n", 0o755)}, {}, id="one-file-less"),
        pytest.param({**WHEEL_FILES, "shop/run": b"#!\n"}, {}, id="another-mode"),
        pytest.param(WHEEL_FILES, {"date": (2024, 1, 1, 0, 0, 0)}, id="another-date"),
        pytest.param(
            {**WHEEL_FILES, "shop-1.0.dist-info/METADATA": b"Name: shop\nRequires-Dist: h11\n"}, {}, id="metadata"
        ),
    ],
)
def test_a_wheel_of_other_files_is_left_to_pex(tmp_path: Path, files: Files, options: Mapping[str, Any]) -> None:
    previous = with_wheel(wheel_in(tmp_path / "before")).write(tmp_path / "previous.pex")
    assert rebuild(tmp_path, previous, WheelPart(path=wheel_in(tmp_path / "after", files, **options))) is None


@pytest.mark.parametrize("name", ["shop-1.0.data/scripts/run", "shop/cache.pyc", "shop/cache.pyo"])
def test_a_wheel_whose_files_pex_moves_is_left_to_pex(tmp_path: Path, name: str) -> None:
    files = {**WHEEL_FILES, name: b""}
    previous = with_wheel(wheel_in(tmp_path / "before", files)).write(tmp_path / "previous.pex")
    after = wheel_in(tmp_path / "after", {**files, MODULE: b"TWO = 2\n"})
    assert rebuild(tmp_path, previous, WheelPart(path=after)) is None


def test_a_wheel_of_another_version_is_left_to_pex(tmp_path: Path) -> None:
    previous = with_wheel(wheel_in(tmp_path / "before")).write(tmp_path / "previous.pex")
    other = write_wheel(tmp_path / "shop-1.1-py3-none-any.whl", WHEEL_FILES)
    assert rebuild(tmp_path, previous, WheelPart(path=other)) is None


def test_a_wheel_that_is_packed_as_a_file_is_left_to_pex(tmp_path: Path) -> None:
    before = wheel_in(tmp_path / "before")
    files = {**SmallPex().files(), f".deps/{WHEEL}": before.read_bytes()}
    previous = write_zip(tmp_path / "previous.pex", files)
    assert rebuild(tmp_path, previous, WheelPart(path=before)) is None


@pytest.mark.parametrize(
    ("path", "change"),
    [
        pytest.param(".layout.json", lambda content: content.replace(b'":"', b'": "'), id="layout-written-otherwise"),
        pytest.param(".layout.json", lambda _: as_json({"fingerprint": "0" * 64}), id="another-fingerprint"),
        pytest.param(".layout.json", lambda _: None, id="no-layout"),
        pytest.param(
            "shop-1.0.dist-info/pex-info/original-whl-info.json", lambda _: None, id="the-original-wheel-is-not-noted"
        ),
        pytest.param("shop-1.0.dist-info/RECORD", lambda text: text.replace(b",sha256=", b",sha256=0"), id="record"),
        pytest.param("shop-1.0.dist-info/RECORD", lambda _: None, id="no-record"),
        pytest.param("shop/main.py", lambda _: b"changed since", id="a-file-changed-in-it"),
    ],
)
def test_an_installed_wheel_that_is_not_as_computed_here_is_left_to_pex(
    tmp_path: Path, path: str, change: Callable[[bytes], bytes | None]
) -> None:
    before, after = wheel_in(tmp_path / "before"), wheel_in(tmp_path / "after", {**WHEEL_FILES, MODULE: b"TWO = 2\n"})
    pex = with_wheel(before)
    files = {name: file.content if isinstance(file, Member) else file for name, file in pex.files().items()}
    content = change(files.pop(f".deps/{WHEEL}/{path}"))
    if content is not None:
        files[f".deps/{WHEEL}/{path}"] = content
    previous = write_zip(tmp_path / "previous.pex", {**files, "__main__.py": pex.files()["__main__.py"]})
    assert rebuild(tmp_path, previous, WheelPart(path=after)) is None


def test_a_record_in_another_form_is_left_to_pex(tmp_path: Path) -> None:
    """Its hashes are all right: only the text differs from the one that would be written."""
    before, after = wheel_in(tmp_path / "before"), wheel_in(tmp_path / "after", {**WHEEL_FILES, MODULE: b"TWO = 2\n"})
    files = installed(before)
    path = "shop-1.0.dist-info/RECORD"
    for line_end, same in ((b"\n", True), (b"\r\n", False)):
        files[path] = installed(before)[path].replace(b"\n", line_end)
        pex = replace(with_wheel(before), wheels={WHEEL: files})
        directory = tmp_path / line_end.hex()
        directory.mkdir()
        assert (rebuild(directory, pex.write(directory / "previous.pex"), WheelPart(path=after)) is not None) == same


def test_the_umask_does_not_change_the_mode(tmp_path: Path) -> None:
    previous = SmallPex(sources=BEFORE).write(tmp_path / "previous.pex")
    part = write_sources(tmp_path / "sources", AFTER)
    before = os.umask(0o077)
    try:
        assert rebuild(tmp_path, previous, part) is not None
    finally:
        os.umask(before)
    with zipfile.ZipFile(tmp_path / "output.pex") as archive:
        assert archive.testzip() is None


def test_pex_builds_if_the_binary_starts_something_else_after_an_edit(tmp_path: Path) -> None:
    previous = SmallPex(sources=BEFORE).write(tmp_path / "previous.pex")
    part = write_sources(tmp_path / "sources", AFTER)
    assert rebuild(tmp_path, previous, part, entry_point="main:cli.main") is None


def test_a_binary_that_stores_its_distributions_in_another_way_is_built_by_pex(tmp_path: Path) -> None:
    previous = SmallPex(sources=BEFORE).write(tmp_path / "previous.pex")
    part = write_sources(tmp_path / "sources", AFTER)
    assert rebuild(tmp_path, previous, part, pre_install_wheels=False) is None
