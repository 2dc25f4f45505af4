"""`push`: send each image and its evidence to the registries that its tags name.

The image goes first, without a tag. Then the key is read, the statements are signed and attached, and the tags are
written. No process is started after the key is read: engines, Git, Poetry and credential helpers have run before.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.evidence.image import proof as image_proof
from nox_pex.evidence.image import referrers, statements
from nox_pex.evidence.image.referrers import Attachment
from nox_pex.evidence.keys import SigningKey
from nox_pex.evidence.kinds import Kind
from nox_pex.evidence.results import ImageResult
from nox_pex.image import push_plan
from nox_pex.image import run as image_run
from nox_pex.image.push_plan import Destination, Pushed
from nox_pex.oci.layout import WrittenImage
from nox_pex.pex.build_record import timestamp
from nox_pex.pex.target import Target
from nox_pex.registry import push
from nox_pex.registry.push import PushResult
from nox_pex.registry.repository import Repository, open_repository
from nox_pex.steps import attest, built_image, statement_inputs
from nox_pex.steps.context import Context, wording
from nox_pex.steps.each_binary import each_binary, remove_results
from nox_pex.steps.outcome import Note, Part
from nox_pex.system import files, os_errors, outside_text
from nox_pex.system.messages import Say, prefixed, skipped, warned, working
from nox_pex.system.wording import counted, megabytes

_MEGABYTE: Final = 10**6


class _Upload(Struct, frozen=True, kw_only=True):
    """An image that its registries have, without evidence and without tags.

    `predicates` are those of its statements, and `bill` is its bill of materials; None without evidence.
    """

    target: Target
    result: ImageResult
    written: WrittenImage
    places: Sequence[tuple[Destination, Repository, PushResult]]
    started: float
    predicates: Mapping[Kind, Mapping[str, Any]] | None
    bill: bytes | None


def run(context: Context) -> None:
    """Push the image of each binary that has one, attach its evidence, and write `NAME.push.json`.

    Raises `NoxPexError`: `not-proven`, `registry`, `registry-auth`, `signing`, `config`, `usage`. A failure of one
    binary does not stop the others.
    """
    context.check_prebuilt()
    image_run.check_wanted(context.targets, named=context.arguments.names)
    uploads: list[_Upload] = []
    failures: list[NoxPexError] = []
    with contextlib.ExitStack() as opened:

        def upload(target: Target) -> None:
            if target.table.image is None:
                reason = "it has no image in the settings"
                context.say(skipped(f"push: {target.name} skipped, {reason}"))
                context.journal.note(target.stem, Note(result="skipped", reason=reason))
                return
            with os_errors.one_line("push", place=target.directory):  # it does not stop the other binaries
                uploads.append(_upload(context, target, opened))

        try:
            each_binary(context, upload)
        except NoxPexError as error:
            failures.append(error)
        try:
            key = _key(context, uploads)
        except NoxPexError as error:
            raise NoxPexError.together([*failures, error]) from error
        for each in uploads:
            found: NoxPexError | None = None
            try:
                _finish(context, each, key)
            except NoxPexError as error:
                found = error
                failures.append(error)
            seconds, mask = time.monotonic() - each.started, wording(context)
            context.journal.ended(each.target.stem, error=found, mask=mask, seconds=seconds)
    if failures:
        raise NoxPexError.together(failures)


def _upload(context: Context, target: Target, opened: contextlib.ExitStack) -> _Upload:
    """Prove one image, and send it to its registries without a tag."""
    started = time.monotonic()
    remove_results(target.file("push.json"))
    result = built_image.result_of(target)
    destinations = push_plan.destinations(result.tags, key=f"{target.key}.image.tag")
    written = built_image.written(context, target, result, opened)
    stated = push_plan.stated(written, destinations[0], ids=push_plan.ids(written))
    predicates: Mapping[Kind, Mapping[str, Any]] | None = None
    bill: bytes | None = None
    if context.arguments.no_evidence:
        image_proof.require_same(target, result, stated)
        context.say(f"push: {target.name} goes without its evidence (--no-evidence)")
    else:
        sha256 = statement_inputs.digest(target)
        proven = image_proof.require(target, stated, sha256=sha256)
        found = statement_inputs.bill(context, target, sha256=sha256)
        bill = files.read_bytes(target.file("cdx.json"))
        record = statement_inputs.record(target, sha256=sha256)
        build = statement_inputs.build(context, target, record) if record else None
        if build is None:
            reason = "its binary is not the last build in this checkout"
            context.say(warned(f"push: {target.name} has no provenance: {reason}; `nox-pex check` needs --require"))
        predicates = statements.predicates(proven, build=build, bill=found, secrets=context.secrets)
    say = _say(context)
    places: list[tuple[Destination, Repository, PushResult]] = []
    for number, destination in enumerate(destinations):
        shell = context.provisioner.shell
        manager = open_repository(destination.name, environ=context.environ, shell=shell, say=say)
        repository = opened.enter_context(manager)
        plan = push_plan.content(written, destination, result, earlier=destinations[:number])
        with working(say, "sending", unit="B") as work:
            sent = push.upload(repository, plan, say=say, progress=lambda done, total, _: work.at(done, total=total))
        places.append((destination, repository, sent))
    return _Upload(
        target=target,
        result=result,
        written=written,
        places=places,
        started=started,
        predicates=predicates,
        bill=bill,
    )


def _key(context: Context, uploads: Sequence[_Upload]) -> SigningKey | None:
    """Return the signing key, if there is one and something to sign. The statements of `attest` are signed with it."""
    wanted = any(each.predicates is not None for each in uploads)
    if not attest.has_key(context) or not (wanted or context.unsigned):
        return None
    key = attest.signing_key(context)
    attest.sign(context, context.unsigned, key)
    context.unsigned.clear()
    return key


def _finish(context: Context, upload: _Upload, key: SigningKey | None) -> None:
    """Attach the evidence to an image in its registries, write the tags, and `NAME.push.json`."""
    written, name = upload.written, upload.target.name
    pushed = []
    for destination, repository, first in upload.places:
        repository.session.settle()  # no credential helper is started after the key is read
        attachments = _attachments(upload, destination, key)
        results = [first]
        if attachments:
            results.append(push.upload(repository, push_plan.attached(written, attachments), say=_say(context)))
        pushed.append(Pushed(destination=destination, results=tuple(results), attachments=attachments))
    targets = [(repository, tag) for destination, repository, _ in upload.places for tag in destination.tags]
    _, sent_last = push.write_tags(targets, push_plan.top(written))
    record = push_plan.record(
        upload.result,
        push_plan.stated(written, upload.places[0][0]),
        pushed,
        sent_last=sent_last,
        keyid=key.keyid if key is not None and upload.predicates is not None else None,
        seconds=time.monotonic() - upload.started,
        finished=timestamp(dt.datetime.now(dt.UTC)),
    )
    text = context.secrets.mask_json(outside_text.json_text(record))
    files.write_text(upload.target.file("push.json"), text)
    pushed_names = tuple(Part(name=each, result="passed") for each in record["names"])
    context.journal.note(upload.target.stem, Note(reason=", ".join(record["tags"]), parts=pushed_names))
    _show(context, name, record, key=key, has_evidence=upload.predicates is not None)


def _attachments(upload: _Upload, destination: Destination, key: SigningKey | None) -> tuple[Attachment, ...]:
    """Return what refers to the image in one repository: the bill of materials, and with a key the statements."""
    if upload.predicates is None or upload.bill is None:
        return ()
    image = push_plan.stated(upload.written, destination)
    made = statements.statements(upload.predicates, image)
    created = next((each.time for each in made if each.kind == "sbom"), None)
    bill = referrers.of_bill(image, upload.bill, file=upload.target.file("cdx.json").name, created=created)
    return (*bill, *(referrers.of_statements(image, statements.sign(made, key)) if key is not None else ()))


def _say(context: Context) -> Say:
    return prefixed(context.say, "push: ")


def _show(
    context: Context, name: str, record: Mapping[str, Any], *, key: SigningKey | None, has_evidence: bool
) -> None:
    """Show the names of the image by its digest, and what is attached to it."""
    size = record["bytes-sent"]
    shown = megabytes(size) if size >= _MEGABYTE else f"{size / 1000:.1f} kB"
    sent = f"{shown} sent in {record['seconds']:.1f} s"
    context.say(f"push: {', '.join(record['tags'])} pushed, {sent}")
    for each in record["names"]:
        context.say(f"push: {each}")
    if has_evidence and key is None:
        context.say(f"push: {name} has its bill of materials, and no statements: there is no key (-- --key PATH)")
    elif has_evidence:
        of_one = {each["digest"] for each in record["repositories"][0]["referrers"]}
        context.say(f"push: {name} has {counted(of_one, 'referrer')}; `nox-pex check --image NAME@sha256:…` reads them")
