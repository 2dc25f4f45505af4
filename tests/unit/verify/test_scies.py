"""The verdict of `verify` on scies: good ones, damaged ones, and any bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.pex.target import Target
from nox_pex.system import files
from nox_pex.verify import scies
from nox_pex.verify.gates.verdict import Verdict
from tests.support.small_scie import PYTHON, entry, write_scie, zipped
from tests.support.targets import target_of

PEX = zipped()
NAME = "program-linux-x86_64"
GOOD = Verdict(summary="13 files")


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A binary with a scie, which nox-pex built."""
    made = target_of(tmp_path / "x.pex", root=tmp_path)
    table = replace(made.table, scie="eager")
    made = replace(made, prebuilt=None, settings=replace(made.settings, binary={"program": table}))
    made.directory.mkdir()
    made.output.write_bytes(PEX)
    return made


@pytest.fixture
def judged(target: Target) -> Callable[..., Verdict]:
    """Write a scie and its record, change the file, and return the verdict."""

    def judge(*, change: Callable[[Path], object] = bool, **keys: Any) -> Verdict:
        path = write_scie(target.directory / NAME, keys.pop("pex", PEX), name="program", **keys)
        record = {"file": NAME, "platform": "linux-x86_64", "sha256": files.digest(path), "size": 1, "python": None}
        files.write_json(target.record, {"scies": [record]})
        change(path)
        return scies.with_scies(GOOD, scies.open_scies(target), pex_sha256=files.digest(target.output))

    return judge


def test_a_good_scie_adds_to_the_verdict(judged: Callable[..., Verdict]) -> None:
    verdict = judged()
    assert verdict.problems == ()
    assert verdict.summary == "13 files; 1 scie with this PEX"
    assert verdict.details["scies"][0]["file"] == NAME
    assert judged(lazy=True).problems == ()


def test_another_pex_is_found(judged: Callable[..., Verdict]) -> None:
    assert judged(pex=zipped(b"another")).problems == (f"{NAME} holds another PEX",)


def test_a_file_with_another_content_than_the_manifest_says_is_found(judged: Callable[..., Verdict]) -> None:
    verdict = judged(change=lambda path: path.write_bytes(path.read_bytes().replace(b"a portable", b"A portable")))
    assert verdict.problems == (
        f"{NAME} is not the file in the build record",
        f"{NAME}: {PYTHON} in it does not match the digest in the lift manifest",
    )


def test_a_manifest_that_lies_about_the_pex_is_found(judged: Callable[..., Verdict]) -> None:
    digest = entry("x", b"another")["hash"]
    assert judged(changes={"hash": digest}).problems == (
        f"{NAME}: program.pex in it does not match the digest in the lift manifest",
    )
    assert judged(changes={"key": "other"}).problems == (f"{NAME} holds no PEX",)


def test_a_changed_manifest_is_found(judged: Callable[..., Verdict]) -> None:
    verdict = judged(change=lambda path: path.write_bytes(path.read_bytes().replace(b"{python}", b"/bin/sh ")))
    assert verdict.problems == (f"{NAME} is not the file in the build record",)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", PEX, os.urandom(300_000)])
def test_any_bytes_have_a_verdict(judged: Callable[..., Verdict], content: bytes) -> None:
    (problem,) = judged(change=lambda path: path.write_bytes(content)).problems
    assert problem.startswith(f"{NAME}: it is no scie: ")


@pytest.mark.parametrize("put", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo, Path.mkdir])
def test_what_is_no_file_has_a_verdict(judged: Callable[..., Verdict], put: Callable[[Path], object]) -> None:
    def replace_file(path: Path) -> None:
        path.unlink()
        put(path)

    (problem,) = judged(change=replace_file).problems
    assert re.fullmatch(f"{NAME}: it is a (device|FIFO|directory).*", problem)


def test_a_missing_scie_and_a_missing_record_are_problems(judged: Callable[..., Verdict], target: Target) -> None:
    assert judged(change=Path.unlink).problems == (f"{NAME}: it cannot be read: No such file or directory",)
    files.write_json(target.record, {})
    verdict = scies.with_scies(GOOD, scies.open_scies(target), pex_sha256="")
    assert verdict.problems == ("the build record has no scie, and the settings ask for one",)


def test_a_binary_without_a_scie_keeps_its_verdict(target: Target) -> None:
    for other in (
        replace(target, prebuilt=target.output),
        replace(target, settings=replace(target.settings, binary={"program": replace(target.table, scie=None)})),
    ):
        assert scies.open_scies(other) is None
    assert scies.with_scies(GOOD, None, pex_sha256="") is GOOD
    assert scies.manifests(None) == {}
