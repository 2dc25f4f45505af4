"""PEX files that are composed are those that pex writes: `small_pex` computes their bytes a second time."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from nox_pex.distributions.installed_wheel import InstalledWheel, LaidOutFile
from nox_pex.pex import compose, packed_wheels, zip_members
from nox_pex.pex.compose import LooseSources, Parts, Runtime
from nox_pex.pex.packed_wheels import PackedWheel
from nox_pex.pex.zip_members import UnsupportedArchiveError, ZipMember
from tests.support.small_pex import LIBRARY, LIBRARY_FILES, Files, Member, SmallPex, as_json, write_zip

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
EVERYWHERE: Final[Files] = {
    name: name.encode()
    for name in (
        *(".a.py", ".bn/x", ".bootstrap-x/y", ".bootstrapx", ".c/x", ".deps_more/x", ".hid/.hidden", ".hid/seen.py"),
        *("A-x/y", "A.py", "A/b", "A/c/d", "A0", "PEX-INFO.txt", "Z.py", "__main__.py.txt", "__pex__-a/b"),
        *("__pex__x.py", "shop/.hidden", "shop/data.txt", "é.py"),
    )
}
"""Files that are before, between and after the parts of pex."""

OTHER: Final = "board-1.0-py3-none-any.whl"
OTHER_FILES: Final = {"board.py": b"1", "board-1.0.dist-info/RECORD": b"", ".prefix/bin/board": b"#!python\n"}


def packed(directory: Path, name: str, files: Mapping[str, bytes], *, compress: bool = True) -> PackedWheel:
    laid_out = tuple(LaidOutFile(path=path, content=files[path]) for path in sorted(files))
    info = next(path.partition("/")[0] for path in files if ".dist-info/" in path)
    wheel = InstalledWheel(name=name, files=laid_out, record=f"{info}/RECORD", is_pure=False)
    return packed_wheels.pack(wheel, directory / f"{name}.zip", compress=compress)


def write_sources(root: Path, files: Files) -> LooseSources:
    for name, file in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content if isinstance(file, Member) else file)
        path.chmod(file.mode if isinstance(file, Member) else 0o644)
    return LooseSources(root=root, names=tuple(files))


def runtime_of(path: Path, **options: Any) -> Runtime:
    """A runtime from a PEX with a probe, of another entry point, and with other sources."""
    probe = {"probe-1-py3-none-any.whl": {"probe.py": b"", "probe-1.dist-info/RECORD": b""}}
    given = {"library": False, "wheels": probe, "sources": {"probe.py": b"1"}, "entry_point": "probe", **options}
    return Runtime(archive=zip_members.read(SmallPex(**given).write(path)))


class Composing:
    """Composes PEX files in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.output = directory / "output.pex"

    def __call__(
        self,
        sources: Files | LooseSources | None,
        *,
        runtime: Runtime | None = None,
        wheels: Mapping[str, Mapping[str, bytes]] | None = None,
        compress: bool = True,
        previous: Path | None = None,
        **info: Any,
    ) -> bytes:
        scratch = self.directory / f"scratch{len(list(self.directory.glob('scratch*')))}"
        scratch.mkdir()
        if sources is not None and not isinstance(sources, LooseSources):
            sources = write_sources(scratch / "sources", sources)
        chosen = {LIBRARY: LIBRARY_FILES} if wheels is None else wheels
        parts = Parts(
            runtime=runtime or runtime_of(scratch / "runtime.pex", compress=compress),
            wheels=[packed(scratch, name, files, compress=compress) for name, files in sorted(chosen.items())],
            sources=sources,
            info={"entry_point": "main:main", **info},
        )
        self.output.write_bytes(b"the beginning of an output")
        compose.compose(parts, self.output, compress=compress, scratch=scratch, previous=previous)
        return self.output.read_bytes()


@pytest.fixture
def composing(tmp_path: Path) -> Composing:
    return Composing(tmp_path)


def written(tmp_path: Path, **options: Any) -> bytes:
    return SmallPex(**options).write(tmp_path / "expected.pex").read_bytes()


@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "stored"])
@pytest.mark.parametrize("sources", [BEFORE, AFTER, EVERYWHERE, {}], ids=["before", "after", "everywhere", "none"])
def test_the_result_is_the_pex_that_pex_would_write(
    composing: Composing, tmp_path: Path, sources: Files, *, compress: bool
) -> None:
    expected = written(tmp_path, sources=sources, compress=compress)
    assert composing(sources, compress=compress) == expected
    assert composing.output.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "wheels", [{}, {OTHER: OTHER_FILES}, {LIBRARY: LIBRARY_FILES, OTHER: OTHER_FILES}], ids=["none", "one", "two"]
)
def test_all_wheels_are_in_it_and_no_probe(
    composing: Composing, tmp_path: Path, wheels: Mapping[str, Mapping[str, bytes]]
) -> None:
    assert composing(BEFORE, wheels=wheels) == written(tmp_path, library=False, wheels=wheels, sources=BEFORE)


def test_a_package_has_no_loose_sources(composing: Composing, tmp_path: Path) -> None:
    assert composing(None) == written(tmp_path)


def test_values_replace_those_of_the_runtime(composing: Composing, tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path / "runtime.pex", values={"strip_pex_env": True, "requirements": ["probe==1"]})
    info: dict[str, Any] = {"requirements": ["idna==3.11"], "inject_env": {"A": "ü"}}
    expected = written(tmp_path, sources=BEFORE, values={"strip_pex_env": True, **info})
    assert composing(BEFORE, runtime=runtime, **info) == expected


def test_a_value_of_the_runtime_can_be_removed(composing: Composing, tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path / "runtime.pex", values={"script": "probe", "venv": True})
    assert composing(BEFORE, runtime=runtime, script=None) == written(tmp_path, sources=BEFORE, values={"venv": True})


def test_the_new_hash_is_in_the_start_script_and_in_the_modules_that_boot(composing: Composing, tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path / "runtime.pex")
    composing(AFTER, runtime=runtime)
    old, new = str(runtime.info["pex_hash"]).encode(), SmallPex(sources=AFTER).info()["pex_hash"].encode()
    archive = zip_members.read(composing.output)
    assert new in archive.header()
    assert old not in archive.header()
    assert [member.name for member in archive.members if old in member.read()] == []
    with_the_hash = {"PEX-INFO", "__main__.py", "__pex__/__init__.py"}
    assert {member.name for member in archive.members if new in member.read()} == with_the_hash


def test_the_bytes_of_the_runtime_are_copied(composing: Composing, tmp_path: Path) -> None:
    """The runtime is compressed in another way than it would be here, so its bytes can be told apart."""
    files = SmallPex(library=False, entry_point="probe").files()
    header = SmallPex(library=False, entry_point="probe").info()["pex_hash"].encode()
    runtime = Runtime(archive=zip_members.read(write_zip(tmp_path / "odd.pex", files, level=1, header=header)))
    composing(BEFORE, runtime=runtime, wheels={})
    after = members(composing.output)
    name = ".bootstrap/pex/pex_bootstrapper.py"
    assert bytes_of(after[name]) == bytes_of(runtime.members[name])
    usual = members(SmallPex().write(tmp_path / "usual.pex"))
    assert bytes_of(after[name]) != bytes_of(usual[name])


def members(path: Path) -> dict[str, ZipMember]:
    return {member.name: member for member in zip_members.read(path).members}


def bytes_of(member: ZipMember) -> bytes:
    return member.archive.read_bytes()[member.start : member.end]


def test_every_member_reads_as_its_source(composing: Composing) -> None:
    composing(AFTER)
    with zipfile.ZipFile(composing.output) as archive:
        assert archive.testzip() is None
        for name, file in AFTER.items():
            member = file if isinstance(file, Member) else Member(file)
            assert archive.read(name) == member.content
            assert archive.getinfo(name).external_attr >> 16 == 0o100000 | member.mode


def test_the_umask_does_not_change_the_mode(composing: Composing) -> None:
    before = os.umask(0o077)
    try:
        composing(BEFORE)
    finally:
        os.umask(before)
    assert composing.output.stat().st_mode & 0o777 == 0o755


# The previous binary


def odd_previous(tmp_path: Path, sources: Files) -> Path:
    """A previous binary whose sources are compressed in another way than they would be here."""
    return write_zip(tmp_path / "previous.pex", SmallPex(sources=sources).files(), level=1)


def test_a_source_that_is_as_it_was_is_not_packed_again(composing: Composing, tmp_path: Path) -> None:
    previous = odd_previous(tmp_path, BEFORE)
    composing({**BEFORE, "main.py": b"new\n" * 5000}, previous=previous)
    after, before = members(composing.output), members(previous)
    name = "shop/data/prices.txt"
    assert bytes_of(after[name]) == bytes_of(before[name])
    composing(BEFORE)
    assert bytes_of(members(composing.output)[name]) != bytes_of(before[name])


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(b"1\n" * 8999 + b"2\n", id="same-size"),
        pytest.param(b"1\n" * 9001, id="longer"),
        pytest.param(b"", id="empty"),
        pytest.param(Member(b"1\n" * 9000, 0o755), id="executable"),
    ],
)
def test_a_source_that_differs_is_packed_again(composing: Composing, tmp_path: Path, now: bytes | Member) -> None:
    previous = odd_previous(tmp_path, BEFORE)
    name = "shop/data/prices.txt"
    composing({**BEFORE, name: now}, previous=previous)
    found = members(composing.output)[name]
    content = now.content if isinstance(now, Member) else now
    assert found.read() == content
    assert found.mode == (0o100755 if isinstance(now, Member) else 0o100644)
    first = bytes_of(found)
    composing({**BEFORE, name: now})
    assert bytes_of(members(composing.output)[name]) == first


@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "stored"])
def test_a_source_that_is_stored_in_another_way_is_packed_again(
    composing: Composing, tmp_path: Path, *, compress: bool
) -> None:
    previous = SmallPex(sources=BEFORE, compress=not compress).write(tmp_path / "previous.pex")
    expected = written(tmp_path, sources=BEFORE, compress=compress)
    assert composing(BEFORE, compress=compress, previous=previous) == expected


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"#!/bin/sh\n" * 100])
def test_a_previous_file_that_is_no_archive_is_not_used(composing: Composing, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "previous.pex").write_bytes(content)
    assert composing(BEFORE, previous=tmp_path / "previous.pex") == written(tmp_path, sources=BEFORE)


@pytest.mark.parametrize("before", [{}, AFTER, EVERYWHERE], ids=["none", "after", "everywhere"])
def test_nothing_but_equal_sources_is_taken_from_the_previous_binary(
    composing: Composing, tmp_path: Path, before: Files
) -> None:
    previous = SmallPex(sources=before, entry_point="other", values={"venv": True}).write(tmp_path / "previous.pex")
    assert composing(BEFORE, previous=previous) == written(tmp_path, sources=BEFORE)


# When pex has to build it


def refused(composing: Composing, match: str, sources: Files | LooseSources | None = None, **options: Any) -> None:
    with pytest.raises(UnsupportedArchiveError, match=match):
        composing(sources, **options)
    assert not composing.output.exists()


@pytest.mark.parametrize(
    "name",
    [
        *("PEX-INFO", "__main__.py", "__pex__/more.py", "__pex__/__init__.py", ".deps/x.py", ".bootstrap/x.py"),
        *("cache.pyc", "shop/cache.pyo", "__pycache__/x.txt", "shop/__pycache__/x.py"),
    ],
)
def test_a_source_that_pex_treats_in_another_way_is_left_to_pex(composing: Composing, name: str) -> None:
    refused(composing, "has the name of a part of the PEX, or is bytecode", {**AFTER, name: b""})


def without(name: str) -> Callable[[dict[str, bytes | Member]], object]:
    return lambda files: files.pop(name)


def with_content(name: str, content: bytes) -> Callable[[dict[str, bytes | Member]], object]:
    return lambda files: files.update({name: content})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(without("PEX-INFO"), id="no-pex-info"),
        pytest.param(with_content("PEX-INFO", b"{"), id="broken-pex-info"),
        pytest.param(with_content("PEX-INFO", as_json({"code_hash": ""})), id="no-pex-hash"),
        pytest.param(without("__main__.py"), id="no-main"),
        pytest.param(without("__pex__/__init__.py"), id="no-import-hook"),
        pytest.param(
            lambda files: [files.pop(name) for name in list(files) if name.startswith(".b")], id="no-bootstrap"
        ),
        pytest.param(lambda files: [files.pop(name) for name in list(files) if name.startswith(".d")], id="no-deps"),
    ],
)
def test_a_runtime_of_an_unknown_form_is_left_to_pex(
    composing: Composing, tmp_path: Path, change: Callable[[dict[str, bytes | Member]], object]
) -> None:
    files = SmallPex(entry_point="probe").files()
    change(files)
    runtime = Runtime(archive=zip_members.read(write_zip(tmp_path / "odd.pex", files)))
    refused(composing, ".", BEFORE, runtime=runtime)


@pytest.mark.parametrize("fits", [True, False])
def test_an_archive_that_would_be_zip64_is_left_to_pex(
    composing: Composing, monkeypatch: pytest.MonkeyPatch, *, fits: bool
) -> None:
    composing(BEFORE)
    number = len(zip_members.read(composing.output).members)
    monkeypatch.setattr(zip_members, "ZIP64_COUNT", number + fits)
    if fits:
        assert composing(BEFORE)
    else:
        refused(composing, "ZIP64", BEFORE)


def test_a_source_that_vanishes_leaves_no_output(composing: Composing, tmp_path: Path) -> None:
    sources = write_sources(tmp_path / "sources", BEFORE)
    (tmp_path / "sources" / "main.py").unlink()
    with pytest.raises(FileNotFoundError):
        composing(sources)


def test_a_wheel_that_is_stored_as_a_file_is_one_member(composing: Composing, tmp_path: Path) -> None:
    assert composing.output.parent == tmp_path
    (tmp_path / LIBRARY).write_bytes(b"a wheel")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    stored = packed_wheels.store(tmp_path / LIBRARY, scratch, fingerprint="0123")
    parts = Parts(
        runtime=runtime_of(tmp_path / "runtime.pex"),
        wheels=[stored],
        sources=write_sources(tmp_path / "sources", BEFORE),
        info={"entry_point": "main:main", "deps_are_wheel_files": True},
    )
    compose.compose(parts, composing.output, compress=True, scratch=scratch)
    with zipfile.ZipFile(composing.output) as archive:
        assert archive.read(f".deps/{LIBRARY}") == b"a wheel"
        assert [name for name in archive.namelist() if name.startswith(".deps")] == [".deps/", f".deps/{LIBRARY}"]
    info = Runtime(archive=zip_members.read(composing.output)).info
    assert info["distributions"] == {LIBRARY: "0123"}


def test_the_parts_are_as_they_were(composing: Composing, tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path / "runtime.pex")
    before = runtime.archive.path.read_bytes()
    first = composing(BEFORE, runtime=runtime)
    assert composing(BEFORE, runtime=replace(runtime)) == first
    assert runtime.archive.path.read_bytes() == before
