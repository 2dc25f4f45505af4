"""Whether the results in `dist` prove something about a file: read, bounded, typed, and compared with today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.evidence.results import Boot, Gate, ImageResult, SmokeResult, VerifyResult
from nox_pex.pex import circumstances, own_results
from nox_pex.pex.circumstances import Circumstances
from nox_pex.pex.target import Target
from nox_pex.settings.smoke import Smoke
from nox_pex.system import files, strict_json
from nox_pex.verify.report import GATES

_SHOWN: Final = 12
"""Characters of a SHA-256 that a message shows."""


_LONGEST: Final = 400
"""Characters of a problem that are shown: the file is from anybody, and so is the text that it names."""


_SCIE: Final = "scie"
"""The condition under which a smoke test starts the scie."""


class Proof(Struct, frozen=True, kw_only=True):
    """The results that prove one file, each with the circumstances under which it was obtained.

    `scies` are the SHA-256 of the scies that the results prove too, by file name.
    """

    smoke: SmokeResult
    verify: VerifyResult
    smoke_circumstances: Circumstances
    verify_circumstances: Circumstances
    scies: Mapping[str, str] = {}


def require(target: Target, *, sha256: str, scies: Mapping[str, str]) -> Proof:
    """Return the results of `smoke` and `verify` that prove the file of `target` with this SHA-256.

    `scies` are the SHA-256 of the scies in its build record, by file name. Only one that the same smoke test started,
    and that the same `verify` compared with the PEX, is in the proof; one for another platform is not.
    Raises `NoxPexError` `not-proven` with all problems.
    """
    of_smoke, of_verify = circumstances.of_smoke(target), circumstances.of_verify(target)
    smoke, smoke_problem = read(target, "smoke", SmokeResult)
    verify, verify_problem = read(target, "verify", VerifyResult)
    problems = []
    if smoke is not None:
        found = (*of_any(smoke, target, of_smoke, sha256), *_of_smoke(smoke, target, scies))
        problems += [not_proven(target, "smoke", problem) for problem in found]
    if smoke_problem is not None:
        problems.append(not_proven(target, "smoke", smoke_problem))
    if verify is not None:
        found = (*of_any(verify, target, of_verify, sha256), *_of_verify(verify, scies))
        problems += [not_proven(target, "verify", problem) for problem in found]
    if verify_problem is not None:
        problems.append(not_proven(target, "verify", verify_problem))
    if problems or smoke is None or verify is None:
        raise NoxPexError.together(problems)
    started = {smoke.scie.file: smoke.scie.sha256} if smoke.scie is not None and _is_booted(smoke) else {}
    proven = scies.items() & started.items() & dict(_compared(verify.gates)).items()
    return Proof(
        smoke=smoke,
        verify=verify,
        smoke_circumstances=of_smoke,
        verify_circumstances=of_verify,
        scies=dict(proven),
    )


_R = TypeVar("_R", SmokeResult, VerifyResult, ImageResult)


def read(target: Target, step: str, form: type[_R]) -> tuple[_R | None, str | None]:
    """Return the result of a step, if there is one in the form that nox-pex writes, and what is wrong with its file."""
    try:
        content = files.read_bytes(target.file(f"{step}.json"))
        result = msgspec.convert(strict_json.parse(content), form)
    except (FileNotFoundError, NotADirectoryError):
        return None, "there is none"
    except OSError as error:
        return None, f"it cannot be read: {error.strerror}"
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        return None, f"it is not one that this nox-pex wrote: {error}"
    own = own_results.is_own(target, step, content)
    return result, None if own else f"it is not the one that the last `{step}` in this checkout wrote"


def not_proven(target: Target, step: str, problem: str) -> NoxPexError:
    """Return the error for a `problem` of the result of a step, which names its file and the session to run."""
    problem = problem if len(problem) <= _LONGEST else f"{problem[:_LONGEST]}…"
    file = target.settings.output_dir / target.file(f"{step}.json").name
    binary = f" -- {target.name} --binary {target.prebuilt}" if target.prebuilt is not None else ""
    return NoxPexError(
        "not-proven", f"the result of `{step}` for {target.stem} ({file}): {problem}", f"run `nox -s {step}{binary}`"
    )


def of_any(
    result: SmokeResult | VerifyResult | ImageResult, target: Target, today: Circumstances, sha256: str
) -> Iterator[str]:
    """Yield what is wrong with a result of any kind."""
    if result.name != target.name:
        yield f"it is about the binary {result.name}"
    if result.sha256 != sha256:
        of_other = f"SHA-256 {result.sha256[:_SHOWN]}…" if result.sha256 else "one that could not be read"
        yield f"it is about another file ({of_other}; this one has {sha256[:_SHOWN]}…)"
    if result.settings != today.settings:
        yield "it was obtained with other settings than today's"
    for name, version in sorted(today.tools.items()):
        if (other := result.tools.get(name)) != version:
            yield f"it was obtained with {name} {other or 'of an unknown version'}, and today's is {version}"


def _of_smoke(result: SmokeResult, target: Target, scies: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the result of a smoke test."""
    yield from smoke_failures(result)
    yield from _weakened(result, target)
    started = result.scie
    if started is not None and _is_booted(result) and scies.get(started.file, started.sha256) != started.sha256:
        yield f"it is about another {started.file}"


def smoke_failures(result: SmokeResult) -> Iterator[str]:
    """Yield why a smoke test did not pass."""
    failure = result.failure
    if result.passed is None:
        yield "the program was served, and nothing was checked"
    elif not result.passed:
        yield f"it failed{f' ({failure.code}: {failure.problem})' if failure is not None else ''}"
    elif failure is not None or any(_has_failed(boot) for boot in result.conditions):
        yield "it contradicts itself: it says that it passed, and names a failure"


def _has_failed(boot: Boot) -> bool:
    return boot.state == "failed" or not all(verdict.passed for verdict in boot.verdicts)


def _weakened(result: SmokeResult, target: Target) -> Iterator[str]:
    """Yield how the command line made a smoke test prove less than the settings ask for."""
    smoke, overrides = target.table.smoke or Smoke(), result.overrides
    wanted = [*smoke.conditions, *([_SCIE] if target.table.scie is not None and target.prebuilt is None else [])]
    tested = {boot.condition for boot in result.conditions}
    if missing := [condition for condition in wanted if condition not in tested]:
        only = f" (`--only {overrides.only}`)" if overrides.only is not None else ""
        yield f"it leaves out {', '.join(missing)}{only}"
    if overrides.timeout is not None and overrides.timeout > smoke.startup_timeout:
        yield f"`--timeout {overrides.timeout:g}` allowed more than `startup-timeout`"


def _is_booted(result: SmokeResult) -> bool:
    """Whether a smoke test started the scie, and that passed."""
    return any(boot.condition == _SCIE and boot.state == "passed" for boot in result.conditions)


def _of_verify(result: VerifyResult, scies: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the result of `verify`."""
    failed = [gate.gate for gate in result.gates if gate.state == "failed"]
    if failed:
        yield f"it failed ({', '.join(failed)})"
    elif not result.passed:
        yield "it failed"
    if missing := [gate for gate in GATES if gate not in {each.gate for each in result.gates}]:
        yield f"it leaves out {', '.join(missing)}"
    for file, sha256 in _compared(result.gates):
        if scies.get(file, sha256) != sha256:
            yield f"it is about another {file}"


def _compared(gates: tuple[Gate, ...]) -> list[tuple[str, str]]:
    """Return file name and SHA-256 of the scies that the gate `integrity` compared with the PEX."""
    return [(scie.file, scie.sha256) for gate in gates if gate.gate == "integrity" for scie in gate.details.scies]
