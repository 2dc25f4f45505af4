"""The proof of each step about one file, in one line, and the verdict that follows from all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias, get_args

from nox_pex.evidence.results import State
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


_STATES: Final = get_args(State)


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
    outcome, summary = _of_gates(result)
    return _judged("verify", found, outcome, summary, file=file, command=command, finished=result.finished)


def _of_gates(result: Verify) -> tuple[Outcome, str]:
    """Return the outcome of `verify`, and its summary."""
    by_state = {state: [each.gate for each in result.gates if each.state == state] for state in _STATES}
    if by_state["failed"] or not result.passed:
        failure = next((each.failure for each in result.gates if each.failure is not None), None)
        return "failed", f"{', '.join(by_state['failed']) or 'it'} failed{_because(failure)}"
    present = {each.gate for each in result.gates}
    if missing := [gate for gate in GATES if gate not in present]:
        return "incomplete", f"it leaves out {', '.join(missing)}"
    without = f", {', '.join(by_state['skipped'])} skipped" if by_state["skipped"] else ""
    return "passed", f"{counted(by_state['passed'], 'gate')} passed{without}"


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
    failed = [each.condition for each in boots if _has_failed(each)]
    if failure is not None:
        return "failed", cut(f"{failure.code}: {failure.problem}")
    if failed or passed is False:
        return "failed", f"{', '.join(failed) or 'it'} failed"
    done = [each.condition for each in boots if each.state == "passed"]
    if passed is None or not boots:
        return "incomplete", "nothing was checked"
    if not done:
        return "incomplete", "all conditions were skipped"
    return "passed", ", ".join([f"{_listed(done)} passed", *map(_skipped, _really_skipped(boots))])


def _has_failed(boot: Boot) -> bool:
    return boot.state == "failed" or not all(verdict.passed for verdict in boot.verdicts)


def _really_skipped(boots: Sequence[Boot]) -> list[Boot]:
    return [each for each in boots if each.state == "skipped" and each.reason != AFTER_FAILURE]


def _skipped(boot: Boot) -> str:
    return cut(f"{boot.condition} skipped{f' ({boot.reason})' if boot.reason else ''}")


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
    found = list(proofs)
    failed = _reasons(_with_outcome(found, "failed"))
    if problem or failed:
        return Verdict(outcome="failed", reason=problem or failed)
    done = [each.step for each in _with_outcome(found, "passed") if each.step in _TESTS]
    missing = [each for each in found if each.step in REQUIRED and each.step not in done]
    if not missing:
        return Verdict(outcome="passed", reason=f"{_listed(done)} passed on exactly this file")
    if done:
        return Verdict(outcome="incomplete", reason=f"{_reasons(missing)}; {_listed(done)} passed")
    is_begun = any(each.outcome != "not-run" for each in missing)
    return Verdict(outcome="incomplete" if is_begun else "not-run", reason=_reasons(missing))


def _with_outcome(found: Iterable[Proof], outcome: Outcome) -> list[Proof]:
    return [each for each in found if each.outcome == outcome]


def _reasons(proofs: Iterable[Proof]) -> str:
    return "; ".join(f"{each.step}: {each.summary}" for each in proofs)
