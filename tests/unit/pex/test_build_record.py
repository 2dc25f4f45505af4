from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions import pex_file
from nox_pex.pex import build_record
from nox_pex.pex.build_record import Change, LastBuild
from nox_pex.pex.checkout import Commit
from nox_pex.system import files
from nox_pex.system.fingerprint import Inputs, digests
from tests.unit.pex.conftest import MakeTarget

COMMIT = Commit(commit="a" * 40, dirty=True)
CHANGED_DIRECTORY = "the directory was changed after it was built; to run it in place adds bytecode"

INPUTS: Inputs = {"sources": {"main.py": "1"}, "settings": {"layout": "1"}}
OTHER: Inputs = {"sources": {"main.py": "2"}, "settings": {"layout": "1"}}


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "service.pex"
    path.write_bytes(b"binary")
    return path


@pytest.fixture
def built(binary: Path) -> Callable[..., LastBuild | None]:
    """Write a record of the binary and the state, as a build does, and return the state as the next build reads it."""

    def write(inputs: Inputs = INPUTS) -> LastBuild | None:
        record, state = record_of(binary), binary.with_name("state.json")
        files.write_json(record, {"sha256": pex_file.digest(binary), "inputs": digests(inputs)})
        contents = {binary.name: pex_file.quick_digest(binary)}
        build_record.write_last_build(state, contents=contents, record=record, inputs=inputs)
        return build_record.read_last_build(state)

    return write


def record_of(binary: Path) -> Path:
    return binary.with_name(f"{binary.name}.json")


def change_of(binary: Path, last: LastBuild | None) -> Change | None:
    record = record_of(binary)
    damage = build_record.damage(binary, record, build_record.read(record), last=last)
    return build_record.change(damage, last=last, inputs=INPUTS)


def reasons(binary: Path, last: LastBuild | None) -> tuple[str, ...]:
    change = change_of(binary, last)
    return change.reasons if change is not None else ()


def test_a_binary_is_unchanged_only_if_its_file_its_record_and_all_of_its_inputs_are(
    binary: Path, built: Callable[..., LastBuild | None]
) -> None:
    last = built()
    assert reasons(binary, last) == ()
    assert reasons(binary, None) == ("its last build is not known here",)
    assert reasons(binary.with_name("other.pex"), last) == ("not built yet",)
    binary.write_bytes(b"binarx")
    assert reasons(binary, last) == ("the file was changed after it was built",)
    record = {"sha256": pex_file.digest(binary), "inputs": digests(INPUTS)}
    files.write_json(record_of(binary), record)
    assert reasons(binary, last) == ("the file and its build record were changed after it was built",)
    binary.write_bytes(b"binary")
    files.write_json(record_of(binary), {**record, "sha256": pex_file.digest(binary), "disagreements": [{}]})
    assert reasons(binary, last) == ("its build record was changed after it was built",)
    files.write_json(record_of(binary), {"inputs": digests(INPUTS)})
    assert reasons(binary, last) == ("its build record was changed after it was built",)
    assert reasons(binary, None) == ("the file was changed after it was built",)
    record_of(binary).unlink()
    assert reasons(binary, last) == ("no build record next to it",)


def test_each_changed_item_is_named(binary: Path, built: Callable[..., LastBuild | None]) -> None:
    assert reasons(binary, built(OTHER)) == ("main.py changed",)
    assert reasons(binary, built({})) == ("layout added", "main.py added")


def test_the_kinds_that_differ_are_named_if_the_binary_is_the_one_in_the_state(
    binary: Path, built: Callable[..., LastBuild | None]
) -> None:
    last = built(OTHER)
    change = change_of(binary, last)
    assert change is not None
    assert change.kinds == {"sources"}
    binary.write_bytes(b"another")
    files.write_json(record_of(binary), {"sha256": pex_file.digest(binary), "inputs": digests(OTHER)})
    change = change_of(binary, last)
    assert change is not None
    assert change.kinds == frozenset()


def test_the_state_of_a_version_without_quick_digests_is_no_state(
    binary: Path, built: Callable[..., LastBuild | None]
) -> None:
    built()
    state = binary.with_name("state.json")
    older = {name: value for name, value in files.read_json(state).items() if name != "contents"}
    files.write_json(state, {**older, "binary": pex_file.digest(binary)})
    assert build_record.read_last_build(state) is None
    files.write_json(state, {**older, "contents": {}})
    assert reasons(binary, build_record.read_last_build(state)) != ()
    files.write_json(state, {**older, "contents": {binary.name: ""}})
    assert build_record.read_last_build(state) is None


@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_a_directory_is_unchanged_only_if_its_whole_tree_is(tmp_path: Path, mode: int) -> None:
    binary = tmp_path / "service.pex"
    (binary / "package").mkdir(parents=True)
    (binary / "main.py").touch(mode=mode)
    files.write_json(record_of(binary), {"sha256": pex_file.digest(binary)})
    contents = {binary.name: pex_file.quick_digest(binary)}
    build_record.write_last_build(tmp_path / "state", contents=contents, record=record_of(binary), inputs=INPUTS)
    last = build_record.read_last_build(tmp_path / "state")
    assert reasons(binary, last) == ()
    (binary / "main.py").chmod(mode ^ 0o100)
    assert reasons(binary, last) == (CHANGED_DIRECTORY,)
    (binary / "main.py").chmod(mode)
    assert reasons(binary, last) == ()
    (binary / "empty").mkdir()
    assert reasons(binary, last) == (CHANGED_DIRECTORY,)


@pytest.mark.parametrize("put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_what_is_no_file_is_not_the_binary(
    binary: Path, built: Callable[..., LastBuild | None], put: Callable[[Path], object]
) -> None:
    last = built()
    binary.unlink()
    put(binary)
    changed = CHANGED_DIRECTORY if binary.is_dir() else "the file was changed after it was built"
    assert reasons(binary, last) == (changed,)


NONSENSE: tuple[Any, ...] = (None, 1, 1.5, True, "text", [], [1], {"x": None}, {"x": []}, [[None]], [{"file": 1}])


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "version",
        "sha256",
        "size",
        "inputs",
        "lock-hash",
        "python",
        "platform",
        "tools",
        "git",
        "sources",
        "left-out",
        "disagreements",
        "distributions",
        "seconds",
        "scies",
    ],
)
def test_a_record_with_a_value_of_another_type_counts_as_not_there(binary: Path, key: str) -> None:
    sha256 = pex_file.digest(binary)
    allowed = 0
    for value in NONSENSE:
        record_of(binary).write_text(json.dumps({"sha256": sha256, key: value}), "utf-8")
        found = build_record.read(record_of(binary))
        assert found in ({}, {"sha256": sha256, key: value})
        allowed += bool(found)
        assert build_record.of_file(binary) in ({}, found)
    assert allowed < 3


def test_a_record_may_have_keys_that_this_version_does_not_know(binary: Path) -> None:
    files.write_json(record_of(binary), {"sha256": pex_file.digest(binary), "new": [1, None]})
    assert build_record.of_file(binary)["new"] == [1, None]


@pytest.mark.parametrize("key", ["contents", "record", "inputs"])
def test_a_state_with_a_value_of_another_type_counts_as_not_there(
    binary: Path, built: Callable[..., LastBuild | None], key: str
) -> None:
    assert built() is not None
    state = binary.with_name("state.json")
    good = files.read_json(state)
    for value in (*NONSENSE, "0" * 63, f"{'0' * 64}\n"):
        state.write_text(json.dumps({**good, key: value}), "utf-8")
        assert build_record.read_last_build(state) is None or value == []
    state.write_text(json.dumps({name: value for name, value in good.items() if name != key}), "utf-8")
    assert build_record.read_last_build(state) is None
    state.write_text(json.dumps({**good, "new": 1, "\udcff": 1}), "utf-8")
    assert build_record.read_last_build(state) is None


def test_the_record_of_an_unchanged_binary_gets_the_commit_and_the_version_of_the_checkout(
    make_target: MakeTarget,
) -> None:
    old = {"name": "shop", "version": "0.9", "git": None, "seconds": {"pex": 1.0}}
    new = build_record.current(old, make_target().project, commit=COMMIT)
    assert new == {**old, "version": "1.0", "git": {"commit": "a" * 40, "dirty": True}}
    assert list(new) == list(old)
    assert build_record.commit(new) == COMMIT
    packaged = build_record.current(old, make_target(package_mode=True).project, commit=None)
    assert packaged == old  # its version is in its wheel
    assert build_record.commit(packaged) is None


def test_a_record_is_only_about_the_file_with_its_digest(binary: Path) -> None:
    record = binary.with_name(f"{binary.name}.json")
    assert build_record.of_file(binary) == {}
    for text in ("nonsense", "[]", "{}", '{"sha256": "00"}'):
        record.write_text(text, "utf-8")
        assert build_record.of_file(binary) == {}
    record.write_text(json.dumps({"sha256": pex_file.digest(binary), "version": "1"}), "utf-8")
    assert build_record.of_file(binary)["version"] == "1"
    binary.unlink()
    assert build_record.of_file(binary) == {}


def test_an_unchanged_binary_keeps_the_times_of_its_build() -> None:
    built = {"started": "2026-11-26T16:00:00Z", "finished": "2026-11-26T16:00:09Z"}
    found = build_record.times(build_record.finished_now({"sha256": "x", "built": built}))
    assert found is not None
    assert found.started == built["started"]
    assert found.finished != built["finished"]  # its scies were made later
    started = dt.datetime(2026, 1, 1, 1, 0, 0, 999_999, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    since = build_record.times({"built": build_record.built_since(started)})
    assert since is not None
    assert since.started == "2026-01-01T00:00:00Z"
    assert since.finished != since.started


@pytest.mark.parametrize("record", [{}, {"built": None}, {"built": {}}, {"built": {"started": "x", "finished": "y"}}])
def test_a_record_without_times_gets_none(record: dict[str, Any]) -> None:
    assert build_record.times(record) is None
    assert build_record.finished_now(record) == record


def test_only_the_record_of_the_last_build_here_proves_something_about_a_file(make_target: MakeTarget) -> None:
    target = make_target()
    target.directory.mkdir(parents=True, exist_ok=True)
    sha256, state = "ab" * 32, target.state_file("build.json")
    files.write_json(target.record, {"sha256": sha256})
    assert build_record.of_last_build(target, sha256=sha256) == {}
    state.parent.mkdir(parents=True, exist_ok=True)
    build_record.write_last_build(state, contents={}, record=target.record, inputs=INPUTS)
    assert build_record.of_last_build(target, sha256=sha256) == {"sha256": sha256}
    assert build_record.of_last_build(target, sha256="cd" * 32) == {}
    files.write_json(target.record, {"sha256": sha256, "git": {"commit": "0" * 40, "dirty": False}})
    assert build_record.of_last_build(target, sha256=sha256) == {}
