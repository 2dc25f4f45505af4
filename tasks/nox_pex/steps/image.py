"""`image`: build a container image with the binary, run it and check its answers."""

from __future__ import annotations

from nox_pex.build.target import Target
from nox_pex.image import run as image_run
from nox_pex.image.job import Job
from nox_pex.smoke import report
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary
from nox_pex.steps.smoke import options, show
from nox_pex.system import files


def run(context: Context) -> None:
    """Build the image of each binary that has one in the settings, check its container, and write what was seen.

    Raises `NoxPexError` with the first failure, after all of them have been tried.
    """
    context.check_prebuilt()
    image_run.check_wanted(context.targets, named=context.arguments.names)

    def image(target: Target) -> None:
        if target.table.image is None:
            context.say(f"image: {target.name} has none in the settings")
            return
        result, junit = target.file("image.json"), target.file("image.xml")
        for old in (result, junit):
            old.unlink(missing_ok=True)  # an older result must not stand beside a run that is cut short
        job = Job(
            target=target,
            image=target.table.image,
            record={} if context.arguments.prebuilt_reason else files.read_json(target.record),
            from_source=context.arguments.from_source,
            provisioner=context.provisioner,
        )
        done = image_run.run(job, environ=context.environ, options=options(context), say=context.say)
        files.write_json(result, done.as_json)
        files.write_text(junit, report.junit_text(done.report))
        show(context, done.report)

    each_binary(context, image)
