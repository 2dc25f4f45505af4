"""The parts of a step's outcome: the conditions of a smoke test, and the gates. Pure."""

from __future__ import annotations

from nox_pex.smoke.report import BootResult, SmokeReport
from nox_pex.steps.outcome import Part
from nox_pex.verify.report import VerifyReport


def of_boots(report: SmokeReport) -> tuple[Part, ...]:
    """Return a part for each boot of a smoke test, on this machine or in a container."""
    return tuple(
        Part(name=boot.label, result=boot.state, text=_text(boot), seconds=boot.ready_after, memory=boot.memory)
        for boot in report.boot_results
    )


def of_gates(report: VerifyReport) -> tuple[Part, ...]:
    """Return a part for each gate of `verify`."""
    return tuple(
        Part(name=each.gate, result=each.state, text=each.summary, seconds=each.seconds) for each in report.results
    )


def _text(boot: BootResult) -> str:
    """Return why a boot failed or was skipped, or what was checked."""
    if boot.state != "passed":
        return boot.reason or ""
    if boot.served is not None:
        return f"served for {boot.served:.0f} s"
    return f"{boot.passed_checks} of {boot.check_count} checks" if boot.check_count else ""
