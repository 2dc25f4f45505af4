"""`verify`: check the finished PEX file at every gate."""

from __future__ import annotations

from nox_pex.build.target import Target
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary
from nox_pex.system import files
from nox_pex.verify import report
from nox_pex.verify import run as verify_run


def run(context: Context) -> None:
    """Check each binary at the gates of `nox_pex.verify`, and write `NAME.verify.json`.

    Raises `NoxPexError` with the first failure, after all gates of all binaries.
    """
    context.check_prebuilt()

    def verify(target: Target) -> None:
        result = target.file("verify.json")
        result.unlink(missing_ok=True)  # an older result must not stand beside a run that is cut short
        done = verify_run.run(
            target,
            installed=None if target.prebuilt else context.installed(target),
            installer=context.installer,
            deep=context.arguments.deep,
        )
        files.write_text(result, report.json_text(done))
        for line in report.table(done):
            context.say(line)
        if done.failure is not None:
            raise done.failure

    each_binary(context, verify)
