"""The arguments after `--` that no session of a run can use. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.steps import table
from nox_pex.steps.arguments import HELP, OPTIONS, Arguments
from nox_pex.steps.table import Step
from nox_pex.system.wording import either

_OPPOSITES: Final = {
    ("key", "no-evidence"): "--key signs statements, and --no-evidence makes none",
    ("binary", "from-source"): "--binary names a finished file, and --from-source builds one",
}
"""Options that exclude each other, and why."""


_MAX_SHOWN: Final = 2
"""The number of sessions of which the whole command line is shown."""


def problems(arguments: Arguments, run: Collection[Step]) -> Iterator[NoxPexError]:
    """Yield an error for each argument that no step of the `run` uses, and for options that exclude each other."""
    usable = frozenset(name for step in run for name in table.options(step)) | {HELP}
    given = arguments.given
    for name in given:
        if name not in usable:
            yield _unusable(name)
    if arguments.names and not any(step.by_binary for step in run):
        steps = ", ".join(step.name for step in run)
        problem = f"{arguments.names[0]!r} names a binary, and {steps} does not work by binary"
        yield NoxPexError("usage", problem, "omit the name")
    for pair, reason in _OPPOSITES.items():
        if set(pair) <= set(given):
            yield NoxPexError("usage", reason, "omit one of them")


def _unusable(name: str) -> NoxPexError:
    """Return the error for an option that no step of the run uses. It names the sessions that do."""
    option = next(each for each in OPTIONS if each.name == name)
    text = f"--{name}{f' {option.value}' if option.value else ''}"
    steps = [step.name for step in table.STEPS.values() if name in step.options]
    lines = either([f"`nox -s {step} -- {text}`" for step in steps])
    remedy = f"omit it, or run {lines if len(steps) <= _MAX_SHOWN else f'{either(steps)} with it'}"
    return NoxPexError("usage", f"no session of this run uses --{name}", remedy)
