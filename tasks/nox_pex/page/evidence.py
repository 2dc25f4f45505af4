"""The evidence that travels with a file: bill of materials, statements and signatures, image, push. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from nox_pex.evidence.kinds import KINDS
from nox_pex.page import commands
from nox_pex.page.bill_file import BillFile
from nox_pex.page.commands import Sessions
from nox_pex.page.model import Command, Evidence, Outcome, Proof, SignedKind
from nox_pex.page.result_files import Found
from nox_pex.page.result_forms import Image, Push
from nox_pex.page.statement_files import Signed, Statements
from nox_pex.system.wording import counted, megabytes


class Papers(Struct, frozen=True, kw_only=True):
    """All evidence about one file, with the names of the files that it is in."""

    file: str
    bill: BillFile
    bill_name: str
    statements: Statements
    statements_name: str
    signed: Signed
    bundle: str
    image: Found[Image]
    image_name: str
    push: Found[Push]
    push_name: str


def kinds(papers: Papers) -> tuple[SignedKind, ...]:
    """Return each kind of statement: whether it is there, and who claims to have signed it."""
    return tuple(
        SignedKind(
            kind=kind,
            is_stated=kind in papers.statements.kinds or kind in papers.signed.keyids,
            keyids=papers.signed.keyids.get(kind, ()),
        )
        for kind in KINDS
    )


def attested(papers: Papers, *, command: Command | None) -> Proof:
    """Return what `attest` has stated."""
    statements, signed = papers.statements, papers.signed
    stated = [kind for kind in KINDS if kind in statements.kinds or kind in signed.keyids]
    outcome: Outcome = "passed" if stated else "not-run"
    if not stated:
        summary = {"other-file": "not run on this file", "unreadable": "its result cannot be read"}
        text = summary.get(statements.standing, "not run")
    else:
        names = "all" if set(signed.keyids) == set(stated) else ", ".join(signed.keyids)
        by_whom = f"{names} signed (signatures are not verified here)" if names else "not signed"
        text = f"{counted(stated, 'statement')} ({', '.join(stated)}), {by_whom}"
    return Proof(
        step="attest",
        standing=statements.standing if statements.standing == "current" or not stated else "current",
        outcome=outcome,
        summary=text,
        note=statements.note,
        file=papers.statements_name if stated else "",
        command=command,
    )


def pieces(papers: Papers, sessions: Sessions) -> Iterator[Evidence]:
    """Yield each piece of evidence, also if it is not there: then it has the command that makes it."""
    yield _bill(papers, sessions)
    yield _statements(papers, sessions)
    if papers.signed.standing != "not-run" or papers.statements.standing == "current":
        yield _signatures(papers)
    if papers.image.standing != "not-run":
        yield _image(papers, sessions)
    if papers.push.standing != "not-run":
        yield _push(papers, sessions)


def _maker(sessions: Sessions, step: str, *, is_current: bool, purpose: str) -> tuple[Command, ...]:
    """Return the command that makes a piece, if it is not there."""
    command = None if is_current else sessions.command(step, purpose=purpose)
    return () if command is None else (command,)


def _bill(papers: Papers, sessions: Sessions) -> Evidence:
    bill = papers.bill
    facts = [("Format", "CycloneDX 1.6")] if bill.standing == "current" else []
    facts += [("Serial number", bill.serial)] if bill.serial else []
    return Evidence(
        title="Bill of materials",
        standing=bill.standing,
        file=papers.bill_name,
        note=bill.note,
        facts=tuple(facts),
        commands=_maker(sessions, "sbom", is_current=bill.standing == "current", purpose="write it"),
    )


def _statements(papers: Papers, sessions: Sessions) -> Evidence:
    found = papers.statements
    return Evidence(
        title="Statements",
        standing=found.standing,
        file=papers.statements_name,
        note=found.note,
        facts=(("Kinds", ", ".join(found.kinds)),) if found.kinds else (),
        commands=_maker(sessions, "attest", is_current=found.standing == "current", purpose="write them"),
    )


def _signatures(papers: Papers) -> Evidence:
    found = papers.signed
    facts = [(kind, f"key {', '.join(keyids) or 'without an id'}") for kind, keyids in found.keyids.items()]
    if found.standing == "current":
        lines = tuple(commands.check(papers.file, bundle=papers.bundle, kinds=tuple(found.keyids)))
    else:
        lines = (commands.sign(papers.statements_name, where="the directory of the statements"),)
    note = found.note or ("the statements are not signed" if found.standing == "not-run" else "")
    return Evidence(
        title="Signatures",
        standing=found.standing,
        file=papers.bundle,
        note=note,
        facts=tuple(facts),
        commands=lines,
    )


def _image(papers: Papers, sessions: Sessions) -> Evidence:
    found, result = papers.image, papers.image.result
    facts: list[tuple[str, str]] = []
    if result is not None:
        facts += [("Tag", tag) for tag in result.tags]
        facts += [("Digest", result.digest)] if result.digest else []
        facts += [("Id", result.id)] if result.id else []
        facts += [("Base", result.base.name)]
        facts += [("Base digest", result.base.digest)] if result.base.digest else []
        facts += [("Engine", result.engine), ("Form", result.form)]
        facts += [("Platform", each.platform) for each in result.platforms]
        facts += [("Over base", megabytes(result.bytes_over_base))] if result.bytes_over_base is not None else []
    return Evidence(
        title="Image",
        standing=found.standing,
        file=papers.image_name,
        note=found.note,
        facts=tuple(facts),
        commands=_maker(sessions, "image", is_current=result is not None, purpose="build the image of this file"),
    )


def _push(papers: Papers, sessions: Sessions) -> Evidence:
    found, result = papers.push, papers.push.result
    facts: list[tuple[str, str]] = []
    lines: tuple[Command, ...] = _maker(sessions, "push", is_current=result is not None, purpose="push its image")
    if result is not None:
        facts += [("Name", name) for name in result.names]
        facts += [("Tag", tag) for tag in result.tags]
        facts += [("Signed by", result.signed_by or "nobody")]
        refer = {each.kind for repository in result.repositories for each in repository.referrers}
        facts += [("Referrers", ", ".join(sorted(refer)) or "none")]
        signed = refer if result.signed_by is not None else set[str]()
        lines = tuple(each for name in result.names for each in commands.check_image(name, kinds=signed))
    return Evidence(
        title="Pushed image",
        standing=found.standing,
        file=papers.push_name,
        note=found.note,
        facts=tuple(facts),
        commands=lines,
    )
