"""`image`: build a container image with each binary, run it and check its answers."""

from __future__ import annotations

import datetime as dt

from nox_pex.image import run as image_run
from nox_pex.image.job import Job
from nox_pex.pex import build_record, circumstances, own_results
from nox_pex.pex.target import Target
from nox_pex.smoke import report
from nox_pex.steps import parts
from nox_pex.steps.context import Context, shown_path
from nox_pex.steps.each_binary import each_binary, remove_results
from nox_pex.steps.outcome import Note
from nox_pex.steps.smoke import options, overrides, with_log
from nox_pex.system import files, outside_text
from nox_pex.system.messages import skipped


def run(context: Context) -> None:
    """Build and check the image of each binary that has one in the settings.

    Writes `NAME.image.json` and `NAME.image.xml`. Raises `NoxPexError` with the first failure, after all binaries.
    """
    context.check_prebuilt()
    image_run.check_wanted(context.targets, named=context.arguments.names)

    def image(target: Target) -> None:
        if target.table.image is None:
            reason = "it has no image in the settings"
            context.say(skipped(f"image: {target.name} skipped, {reason}"))
            context.journal.note(target.stem, Note(result="skipped", reason=reason))
            return
        result, junit, log = (target.file(f"image.{ending}") for ending in ("json", "xml", "log"))
        remove_results(result, junit, log)
        job = Job(
            target=target,
            image=target.table.image,
            record={} if context.arguments.from_source else build_record.of_file(target.binary),
            from_source=context.arguments.from_source,
            provisioner=context.provisioner,
        )
        under = circumstances.of_image(target)  # before the check: a file that it reads may change meanwhile
        found = image_run.run(job, environ=context.environ, options=options(context), say=context.say)
        tested = with_log(context, found.report, log)
        obtained = {**under.as_json(finished=dt.datetime.now(dt.UTC)), "overrides": overrides(context)}
        value = {**found.json_value, "failure": report.failure_as_json(tested), **obtained}
        own_results.write(target, "image", outside_text.json_text(value))
        if not context.arguments.serve:  # nothing was checked
            files.write_text(junit, report.junit_text(tested))
        made = ", ".join(found.json_value.get("tags") or [shown_path(context, found.report.binary)])
        context.journal.note(target.stem, Note(reason=made, parts=parts.of_boots(tested)))
        if tested.failure is not None:
            raise tested.failure

    each_binary(context, image)
