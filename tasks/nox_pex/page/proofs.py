"""What each step proves about one file, in one line, and the verdict that follows from all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from nox_pex.page.model import Command, Outcome, Proof, Standing, Verdict
from nox_pex.page.result_files import Found
from nox_pex.page.result_forms import Boot, Failure, Image, Push, Smoke, Verify
from nox_pex.page.shown_results import cut
from nox_pex.smoke.report import AFTER_FAILURE
from nox_pex.system.wording import counted
from nox_pex.verify.report import GATES

REQUIRED: Final = ("smoke", "verify")
"""The steps that must have passed, so that everything has."""


_TESTS: Final = (*REQUIRED, "sbom", "image")
"""The steps whose outcome says something about the file: the others only pass it on."""


_AnyFound: TypeAlias = "Found[Smoke] | Found[Verify] | Found[Image] | Found[Push]"


_STANDINGS: Final[Mapping[Standing, str]] = {
    "not-run": "not run",
    "other-file": "not run on this file",
    "unreadable": "its result cannot be read",
}
"""The summary of a result that says nothing about the file."""


def of_smoke(found: Found[Smoke], *, file: str, command: Command | None) -> Proof:
    """Return the proof of the smoke test."""
    result = found.result
    if result is None:
        return _without_result("smoke", found, file=file, command=command)
    outcome, summary = _of_boots(result.conditions, result.failure, passed=result.passed)
    if str(result.overrides) and outcome != "failed":
        summary = f"{summary} (with {result.overrides})"
    return _judged("smoke", found, outcome, summary, file=file, command=command, finished=result.finished)


def of_verify(found: Found[Verify], *, file: str, command: Command | None) -> Proof:
    """Return the proof of `verify`."""
    result = found.result
    if result is None:
        return _without_result("verify", found, file=file, command=command)
    failed = [each.gate for each in result.gates if each.state == "failed"]
    missing = [gate for gate in GATES if gate not in {each.gate for each in result.gates}]
    passed = [each.gate for each in result.gates if each.state == "passed"]
    outcome: Outcome
    if failed or not result.passed:
        code = next((each.failure for each in result.gates if each.failure is not None), None)
        outcome, summary = "failed", f"{', '.join(failed) or 'it'} failed{_because(code)}"
    elif missing:
        outcome, summary = "incomplete", f"it leaves out {', '.join(missing)}"
    else:
        skipped = [each.gate for each in result.gates if each.state == "skipped"]
        without = f", {', '.join(skipped)} skipped" if skipped else ""
        outcome, summary = "passed", f"{counted(passed, 'gate')} passed{without}"
    return _judged("verify", found, outcome, summary, file=file, command=command, finished=result.finished)


def of_image(found: Found[Image], *, file: str, command: Command | None) -> Proof:
    """Return the proof of `image`."""
    result = found.result
    if result is None:
        return _without_result("image", found, file=file, command=command)
    outcome, summary = _of_boots(result.conditions, result.failure, passed=result.passed)
    return _judged("image", found, outcome, summary, file=file, command=command, finished=result.finished)


def of_push(found: Found[Push], *, file: str, command: Command | None) -> Proof:
    """Return the proof of `push`."""
    result = found.result
    if result is None:
        return _without_result("push", found, file=file, command=command)
    summary = f"pushed as {', '.join(result.tags) or ', '.join(result.names) or result.digest}"
    return _judged("push", found, "passed", summary, file=file, command=command, finished=result.finished)


def _of_boots(boots: Sequence[Boot], failure: Failure | None, *, passed: bool | None) -> tuple[Outcome, str]:
    """Return the outcome of a smoke test, and its summary: never that all passed if one of its parts has not."""
    failed = [each.condition for each in boots if each.state == "failed" or not all(v.passed for v in each.verdicts)]
    if failure is not None:
        return "failed", cut(f"{failure.code}: {failure.problem}")
    if failed or passed is False:
        return "failed", f"{', '.join(failed) or 'it'} failed"
    done = [each.condition for each in boots if each.state == "passed"]
    if passed is None or not done:
        return "incomplete", "nothing was checked" if not boots or passed is None else "all conditions were skipped"
    skipped = [
        f"{each.condition} skipped{f' ({each.reason})' if each.reason else ''}"
        for each in boots
        if each.state == "skipped" and each.reason != AFTER_FAILURE
    ]
    return "passed", ", ".join([f"{_listed(done)} passed", *skipped])


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _because(failure: Failure | None) -> str:
    return cut(f": {failure.code}: {failure.problem}") if failure is not None else ""


def _without_result(step: str, found: _AnyFound, *, file: str, command: Command | None) -> Proof:
    return absent(step, found.standing, note=found.note, file=file, command=command)


def absent(step: str, standing: Standing, *, note: str, file: str, command: Command | None) -> Proof:
    """Return the proof of a step without a result about this file."""
    return Proof(
        step=step,
        standing=standing,
        outcome="not-run",
        summary=_STANDINGS.get(standing, ""),
        note=note,
        file=file if standing != "not-run" else "",
        command=command,
    )


def _judged(
    step: str,
    found: _AnyFound,
    outcome: Outcome,
    summary: str,
    *,
    file: str,
    command: Command | None,
    finished: str | None,
) -> Proof:
    """Return the proof of a result about this file: if somebody has changed it, that it passed proves nothing."""
    if found.standing == "changed" and outcome != "failed":
        outcome, summary = "incomplete", f"its result was changed ({summary})"
    return Proof(
        step=step,
        standing=found.standing,
        outcome=outcome,
        summary=summary,
        note=found.note,
        finished=finished or "",
        file=file,
        command=command,
    )


def verdict(proofs: Iterable[Proof], *, problem: str = "") -> Verdict:
    """Return the verdict. `problem` says why the file cannot be read as a PEX, or is empty.

    It passed only if smoke test and verification passed on exactly this file, and nothing else failed.
    """
    by_step = {proof.step: proof for proof in proofs}
    failed = [proof for proof in by_step.values() if proof.outcome == "failed"]
    if problem:
        return Verdict(outcome="failed", reason=problem)
    if failed:
        return Verdict(outcome="failed", reason="; ".join(f"{each.step}: {each.summary}" for each in failed))
    missing = [by_step[step] for step in REQUIRED if step in by_step and by_step[step].outcome != "passed"]
    done = [step for step in _TESTS if step in by_step and by_step[step].outcome == "passed"]
    if not missing:
        return Verdict(outcome="passed", reason=f"{_listed(done)} passed on exactly this file")
    open_ = "; ".join(f"{each.step}: {each.summary}" for each in missing)
    if not done and all(each.outcome == "not-run" for each in missing):
        return Verdict(outcome="not-run", reason=open_)
    return Verdict(outcome="incomplete", reason=f"{open_}; {_listed(done)} passed" if done else open_)
