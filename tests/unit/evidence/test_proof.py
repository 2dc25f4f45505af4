"""The rules by which results prove a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.evidence import proof
from nox_pex.evidence.proof import Proof
from nox_pex.pex.target import Target
from nox_pex.verify.report import GATES, GateResult
from tests.support.results import SCIE, SHA256, TIME, boot, write_smoke, write_verify
from tests.unit.evidence.conftest import MakeTarget

OTHER = "0b" * 32


def require(target: Target, *, sha256: str = SHA256, scies: dict[str, str] | None = None) -> Proof:
    return proof.require(target, sha256=sha256, scies=scies or {})


def problems(target: Target, **options: Any) -> list[str]:
    """The lines of the error; each is one line that names the result, and what to run."""
    with pytest.raises(NoxPexError) as caught:
        require(target, **options)
    errors = [caught.value, *caught.value.others]
    assert {error.code for error in errors} == {"not-proven"}
    assert all("\n" not in line for line in caught.value.lines)
    for error in errors:
        step = "smoke" if "`smoke`" in error.problem else "verify"
        assert error.problem.startswith(f"the result of `{step}` for service (dist/service.{step}.json): ")
        assert error.remedy.startswith(f"run `nox -s {step}")
    return [error.problem.partition(".json): ")[2] for error in errors]


def test_two_results_about_the_file_prove_it(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target)
    write_verify(target)
    found = require(target)
    assert (found.smoke.finished, found.verify.finished) == (TIME, TIME)
    assert (found.smoke.settings, found.scies) == (found.smoke_circumstances.settings, {})


def test_a_skipped_condition_is_proven(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target, boot("cold", "GET /"), boot("warm", state="skipped"))
    write_verify(target)
    assert require(target).smoke.passed


def test_every_missing_result_is_named_at_once(make_target: MakeTarget) -> None:
    assert problems(make_target()) == ["there is none", "there is none"]


def test_every_problem_of_both_results_is_named_at_once(make_target: MakeTarget) -> None:
    then = make_target(settings={"pex-version": "2.100.0"})
    write_smoke(then, boot("cold", "GET /"), overrides={"only": "cold"})
    write_verify(then)
    now = make_target(settings={"pex-version": "2.105.2"}, **{"inject-args": ["-v"]})
    shown = problems(now, sha256=OTHER)
    another = f"it is about another file (SHA-256 {SHA256[:12]}…; this one has {OTHER[:12]}…)"
    other_pex = "it was obtained with pex 2.100.0, and today's is 2.105.2"
    settings = "it was obtained with other settings than today's"
    assert shown == [another, settings, other_pex, "it leaves out warm (`--only cold`)", another, settings, other_pex]


def test_the_remedy_names_the_file_of_the_user(make_target: MakeTarget, tmp_path: Path) -> None:
    target = replace(make_target(), prebuilt=tmp_path / "given.pex")
    with pytest.raises(NoxPexError) as caught:
        require(target)
    assert caught.value.remedy == f"run `nox -s smoke -- service --binary {tmp_path}/given.pex`"


def test_a_failed_or_served_smoke_test_proves_nothing(make_target: MakeTarget) -> None:
    target = make_target()
    write_verify(target)
    error = NoxPexError("check-failed", "warm: GET /: \x1b[31m\nwrong", "fix it")
    write_smoke(target, boot("cold"), boot("warm", "GET /", state="failed", wrong="GET /"), failure=error)
    assert problems(target) == ["it failed (check-failed: warm: GET /: \x1b[31m\nwrong)"]
    write_smoke(target, replace(boot("cold"), served=3.0), boot("warm"))
    assert problems(target) == ["the program was served, and nothing was checked"]


@pytest.mark.parametrize(
    "boots",
    [(boot("cold", "GET /", wrong="GET /"), boot("warm")), (boot("cold", state="failed"), boot("warm"))],
    ids=["a check", "a boot"],
)
def test_a_result_that_contradicts_itself_proves_nothing(make_target: MakeTarget, boots: Any) -> None:
    target = make_target()
    write_verify(target)
    write_smoke(target, *boots)
    assert problems(target) == ["it contradicts itself: it says that it passed, and names a failure"]


def test_a_longer_timeout_than_the_settings_allow_proves_nothing(make_target: MakeTarget) -> None:
    target = make_target()
    write_verify(target)
    write_smoke(target, overrides={"timeout": 31.0})
    assert problems(target) == ["`--timeout 31` allowed more than `startup-timeout`"]
    write_smoke(target, overrides={"timeout": 5.0, "port": 8000})
    assert require(target).smoke.passed


def test_a_failed_gate_or_one_that_was_left_out_proves_nothing(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target)
    failed = [
        GateResult(gate=gate, state="failed", summary="", failure=NoxPexError("leak", "a", "b")) for gate in GATES
    ]
    write_verify(target, *failed, sha256="")
    assert problems(target) == [
        f"it is about another file (one that could not be read; this one has {SHA256[:12]}…)",
        "it failed (closure, integrity, leaks, reproducible, budget)",
    ]
    write_verify(target, GateResult(gate="closure", state="passed", summary=""))
    assert problems(target) == ["it leaves out integrity, leaks, reproducible, budget"]


def test_a_scie_is_proven_if_both_results_are_about_it(make_target: MakeTarget) -> None:
    target, (file, sha256) = make_target(scie="eager"), SCIE
    boots = (boot("cold"), boot("warm"), boot("scie"))
    write_smoke(target, *boots, scie=SCIE)
    write_verify(target, scies=[SCIE])
    assert require(target, scies={file: sha256, "service-macos-aarch64": OTHER}).scies == {file: sha256}
    assert problems(target, scies={file: OTHER}) == [f"it is about another {file}", f"it is about another {file}"]
    write_verify(target)
    assert require(target, scies={file: sha256}).scies == {}
    write_verify(target, scies=[SCIE])
    write_smoke(target, *boots[:2], boot("scie", state="skipped"))
    assert require(target, scies={file: sha256}).scies == {}
    write_smoke(target, *boots[:2])
    assert problems(target, scies={file: sha256}) == ["it leaves out scie"]


ODD = [
    *("", "{}", "[]", "null", "\ufeff{}", '{"a": NaN}', '{"sha256": "\\ud800"}', "[" * 100_000, '{"a": ' * 30),
    *('{"size": 1' + "0" * 5000 + "}", "\x00", '{"name": 1, "name": 2}'),
]


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text)[:20])
def test_a_file_of_anybody_is_one_line(make_target: MakeTarget, text: str) -> None:
    target = make_target()
    write_smoke(target)
    write_verify(target).write_text(text, "utf-8")
    (shown,) = problems(target)
    assert shown.startswith("it is not one that this nox-pex wrote: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("sha256", value) for value in (None, 5, "3A" * 32, f"{SHA256}\n", [SHA256])],
        *[("passed", 1), ("settings", ""), ("tools", []), ("tools", {"pex": 2}), ("finished", "yesterday")],
        *[("finished", "2026-11-26T16:00:05+01:00"), ("conditions", {}), ("conditions", [{"condition": "cold"}])],
        *[("conditions", [{"condition": "cold", "state": "maybe"}]), ("scie", "x"), ("overrides", {"timeout": "1"})],
    ],
)
def test_a_value_of_another_type_is_one_line(make_target: MakeTarget, key: str, value: Any) -> None:
    target = make_target()
    write_verify(target)
    path = write_smoke(target)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), key: value}), "utf-8")
    (shown,) = problems(target)
    assert shown.startswith("it is not one that this nox-pex wrote: ")


def test_a_directory_in_the_place_of_a_result_is_one_line(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target)
    target.file("verify.json").mkdir()
    assert problems(target) == ["it cannot be read: it is not a regular file"]


def test_a_result_of_an_older_nox_pex_is_no_proof(make_target: MakeTarget) -> None:
    target = make_target()
    write_verify(target)
    path = write_smoke(target)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "tools": {"pex": "2.105.2"}}), "utf-8")
    assert any(line.startswith("it was obtained with nox-pex of an unknown version") for line in problems(target))


@pytest.mark.parametrize(
    ("step", "old", "new"),
    [
        ("smoke", TIME, "2030-01-01T00:00:00Z"),
        ("smoke", '"check": "GET /"', '"check": "GET /admin"'),
        ("smoke", '"state": "passed"', '"state": "skipped"'),
        ("smoke", '"passed": true', '"passed":  true'),
        ("verify", TIME, "2030-01-01T00:00:00Z"),
        ("verify", '"state": "skipped"', '"state": "passed"'),
    ],
)
def test_a_result_that_somebody_changed_is_no_proof(make_target: MakeTarget, step: str, old: str, new: str) -> None:
    target = make_target()
    path = {"smoke": write_smoke(target), "verify": write_verify(target)}[step]
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    assert problems(target) == [f"it is not the one that the last `{step}` in this checkout wrote"]
    path.write_text(text, "utf-8")
    assert require(target).smoke.passed


def test_a_result_of_another_checkout_is_no_proof(make_target: MakeTarget, tmp_path: Path) -> None:
    target = make_target()
    write_verify(target)
    write_smoke(target)
    foreign = replace(target, state=tmp_path / "other")
    shown = problems(foreign)
    assert shown == [f"it is not the one that the last `{step}` in this checkout wrote" for step in ("smoke", "verify")]


def test_a_result_of_another_binary_is_no_proof(make_target: MakeTarget) -> None:
    target = make_target()
    write_verify(target)
    write_smoke(target, name="other\x1b")
    assert problems(target) == ["it is about the binary other\x1b"]


def test_a_text_of_anybody_is_shortened(make_target: MakeTarget) -> None:
    target = make_target()
    write_verify(target)
    write_smoke(target, failure=NoxPexError("crashed", "x" * 100_000, "y"))
    assert len(problems(target)[0]) < 500
