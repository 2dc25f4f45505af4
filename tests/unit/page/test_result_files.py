"""The results about one file, whoever wrote them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nox_pex.page import result_files
from nox_pex.page.result_files import Found
from nox_pex.page.result_forms import Push, Smoke, Verify
from nox_pex.pex.target import Target
from tests.support.results import SHA256, boot, write_smoke, write_verify
from tests.unit.page.conftest import MakeTarget


def smoke_of(target: Target, *, sha256: str = SHA256) -> Found[Smoke]:
    return result_files.read(target, "smoke", Smoke, sha256=sha256)


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")


def test_a_result_that_this_checkout_wrote_about_the_file_is_current(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target, boot("cold", "GET /"))
    write_verify(target)
    found = smoke_of(target)
    assert (found.standing, found.note) == ("current", "")
    assert found.result is not None
    assert [(each.condition, each.state, len(each.verdicts)) for each in found.result.conditions] == [
        ("cold", "passed", 1)
    ]
    verified = result_files.read(target, "verify", Verify, sha256=SHA256).result
    assert verified is not None
    assert verified.gates[-1].state == "skipped"


def test_without_a_result_the_step_has_not_run(make_target: MakeTarget) -> None:
    assert smoke_of(make_target()) == Found(standing="not-run")


def test_a_result_about_another_file_counts_as_not_run_and_is_named(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target)
    found = smoke_of(target, sha256="0b" * 32)
    assert (found.standing, found.result) == ("other-file", None)
    assert found.note == "there is one of 2026-11-26T16:00:05Z, about another file (SHA-256 3a3a3a3a3a3a…)"


def test_a_result_of_another_binary_counts_as_not_run(make_target: MakeTarget) -> None:
    target = make_target()
    edit(write_smoke(target), name="worker")
    assert smoke_of(target).standing == "other-file"


def test_a_result_that_somebody_edited_is_told_from_the_one_that_was_written(make_target: MakeTarget) -> None:
    target = make_target()
    edit(write_smoke(target), passed=False)
    found = smoke_of(target)
    assert found.standing == "changed"
    assert found.result is not None
    assert found.note == "it was changed after `smoke` wrote it; run `smoke` again"


def test_a_result_from_another_checkout_counts_and_is_noted(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target)
    target.state_file("smoke.json").unlink()
    found = smoke_of(target)
    assert found.standing == "current"
    assert found.note.startswith("it comes from another checkout or machine")
    assert "run `smoke` here" in found.note, "the note says what to do"


HOSTILE = {
    "no-json": b"{",
    "not-utf-8": b'{"name": "\xff"}',
    "array": b"[]",
    "nothing": b"",
    "deep": b"[" * 100_000,
    "nan": b'{"name": NaN}',
    "twice": b'{"name": "service", "name": "service"}',
    "surrogate": b'{"name": "\\ud800"}',
    "many-tables": b'{"name": "service", "x": [' + b"[]," * 1_000_000 + b"1]}",
    "huge-number": b'{"name": "service", "sha256": "", "passed": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_damaged_result_is_unreadable(make_target: MakeTarget, content: bytes) -> None:
    target = make_target()
    write_smoke(target).write_bytes(content)
    found = smoke_of(target)
    assert (found.standing, found.result) == ("unreadable", None)
    assert found.note.startswith("it is not one that this nox-pex writes: ")
    assert len(found.note) < 400


WRONG: dict[str, dict[str, Any]] = {
    "text-for-conditions": {"conditions": "all"},
    "negative-time": {"conditions": [{"condition": "cold", "state": "passed", "ready-after": -1}]},
    "endless-time": {"conditions": [{"condition": "cold", "state": "passed", "ready-after": 1e300}]},
    "unknown-state": {"conditions": [{"condition": "cold", "state": "fine"}]},
    "too-many": {"conditions": [{"condition": "cold", "state": "passed"}] * 101},
    "long-name": {"conditions": [{"condition": "c" * 101, "state": "passed"}]},
    "log": {"failure": {"code": "crashed", "problem": "p", "log": "text"}},
}


@pytest.mark.parametrize("values", WRONG.values(), ids=WRONG)
def test_a_result_of_another_form_is_unreadable(make_target: MakeTarget, values: dict[str, Any]) -> None:
    target = make_target()
    edit(write_smoke(target), **values)
    assert smoke_of(target).standing == "unreadable"


def test_a_result_that_is_far_too_large_is_not_parsed(make_target: MakeTarget) -> None:
    target = make_target()
    with write_smoke(target).open("ab") as file:
        file.truncate(result_files.LARGEST + 1)
    found = smoke_of(target)
    assert (found.standing, found.note) == ("unreadable", f"it cannot be read: {os.strerror(errno.EFBIG)}")


def test_a_directory_or_a_fifo_in_its_place_is_unreadable(make_target: MakeTarget) -> None:
    target = make_target()
    target.file("smoke.json").mkdir(parents=True)
    found = smoke_of(target)
    assert found.standing == "unreadable"
    assert found.note.startswith("it cannot be read: ")


def test_a_push_needs_no_state(make_target: MakeTarget) -> None:
    target = make_target()
    target.directory.mkdir()
    value = {"name": "service", "binary": "service.pex", "sha256": SHA256, "digest": f"sha256:{'1' * 64}"}
    target.file("push.json").write_text(json.dumps(value), "utf-8")
    found = result_files.read(target, "push", Push, sha256=SHA256)
    assert (found.standing, found.note) == ("current", "")
