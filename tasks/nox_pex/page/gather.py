"""Everything that is known of one file, as the data of its page. Reads `dist`, and runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from nox_pex.contents.difference import Difference
from nox_pex.contents.model import BinaryContents
from nox_pex.evidence.sbom.bill import Bill
from nox_pex.page import (
    bill_file,
    evidence,
    masking,
    proofs,
    result_files,
    shown_distributions,
    shown_results,
    statement_files,
)
from nox_pex.page.bill_file import BillFile
from nox_pex.page.commands import Sessions, checksum
from nox_pex.page.evidence import Papers
from nox_pex.page.model import Command, Identity, LeftOut, Making, Outcome, Page, Proof, ScieFile
from nox_pex.page.result_files import Found
from nox_pex.page.result_forms import Image, Push, Smoke, Verify
from nox_pex.page.shown_distributions import Declarations
from nox_pex.pex import build_record, checksums, scies
from nox_pex.pex.target import Target
from nox_pex.project import left_out
from nox_pex.version import __version__

_BUNDLE: Final = "pex.intoto.jsonl"


_MOST_LEFT_OUT: Final = 2000
"""Entries that did not ship and that the page lists."""


class File(Struct, frozen=True, kw_only=True):
    """A finished file: its SHA-256, its size in bytes, its form. `problem` says why it is no PEX; empty if it is one.

    `record` is the build record that describes exactly this file; empty if there is none. `note` says what is odd about
    the record; empty if nothing is.
    """

    sha256: str
    size: int
    is_directory: bool
    record: Mapping[str, Any] = {}
    problem: str = ""
    note: str = ""


class Results(Struct, frozen=True, kw_only=True):
    """The results and the evidence in `dist` about one file."""

    smoke: Found[Smoke]
    verify: Found[Verify]
    papers: Papers


class Inside(Struct, frozen=True, kw_only=True):
    """The inside of a file: its distributions as a bill of materials, its content, and what differs from before.

    `baseline` says why there is no `difference`.
    """

    bill: Bill
    contents: BinaryContents
    declared: Declarations
    difference: Difference | None = None
    baseline: str = ""


class Judgement(Struct, frozen=True, kw_only=True):
    """The part of the verdict that needs the project: whether `sbom` would write the same bill today, and the policy.

    `refused` are the distributions whose licences the policy does not allow.
    """

    is_bill_current: bool = False
    refused: tuple[str, ...] = ()


def read_results(target: Target, file: File) -> Results:
    """Read the results in `dist` about a file. None of them makes this fail, whoever wrote it."""
    sha256, name = file.sha256, target.binary.name
    bundle = target.file(_BUNDLE)
    beside = target.binary.with_name(f"{name}.intoto.jsonl")
    if not bundle.is_file() and beside.is_file():
        bundle = beside
    return Results(
        smoke=result_files.read(target, "smoke", Smoke, sha256=sha256),
        verify=result_files.read(target, "verify", Verify, sha256=sha256),
        papers=Papers(
            file=name,
            bill=bill_file.read(target.file("cdx.json"), sha256=sha256),
            bill_name=target.file("cdx.json").name,
            statements=statement_files.read(target.file("attestations"), sha256=sha256),
            statements_name=target.file("attestations").name,
            signed=statement_files.read_signed(bundle, sha256=sha256),
            bundle=bundle.name,
            image=result_files.read(target, "image", Image, sha256=sha256),
            image_name=target.file("image.json").name,
            push=result_files.read(target, "push", Push, sha256=sha256),
            push_name=target.file("push.json").name,
        ),
    )


def proofs_of(results: Results, sessions: Sessions, judgement: Judgement) -> tuple[Proof, ...]:
    """Return what each step proves about the file. Those of an image are there if it has one, or had one."""
    papers, command = results.papers, sessions.command
    stem = papers.bill_name.removesuffix("cdx.json")
    found = [
        proofs.of_smoke(results.smoke, file=f"{stem}smoke.json", command=command("smoke")),
        proofs.of_verify(results.verify, file=f"{stem}verify.json", command=command("verify")),
        _of_bill(papers.bill, judgement, file=papers.bill_name, command=command("sbom")),
        evidence.attested(papers, command=command("attest")),
    ]
    if papers.image.standing != "not-run":
        found.append(proofs.of_image(papers.image, file=papers.image_name, command=command("image")))
    if papers.push.standing != "not-run":
        found.append(proofs.of_push(papers.push, file=papers.push_name, command=command("push")))
    return tuple(found)


def _of_bill(bill: BillFile, judgement: Judgement, *, file: str, command: Command | None) -> Proof:
    """Return what `sbom` proves: that the licences are those that the settings allow."""
    if bill.standing != "current":
        return proofs.absent("sbom", bill.standing, note=bill.note, file=file, command=command)
    outcome: Outcome = "passed"
    summary, note = "bill of materials written", ""
    if judgement.refused:
        outcome = "failed"
        summary = f"licences that the settings do not allow: {', '.join(judgement.refused)}"
    elif not judgement.is_bill_current:
        note = "`sbom` would write it differently today; run it again"
    return Proof(
        step="sbom", standing="current", outcome=outcome, summary=summary, note=note, file=file, command=command
    )


def page(
    target: Target,
    file: File,
    results: Results,
    inside: Inside | None,
    *,
    sessions: Sessions,
    judgement: Judgement,
    mask: Callable[[str], str],
) -> Page:
    """Return the data of the page of a file, with every secret masked by `mask`.

    `inside` is None if the file is no PEX.
    """
    proven = proofs_of(results, sessions, judgement)
    papers, record = results.papers, file.record
    smoke, verify, image = results.smoke.result, results.verify.result, papers.image.result
    left = left_out.from_record(record)
    found = Page(
        nox_pex=__version__,
        identity=_identity(target, file, inside),
        verdict=proofs.verdict(proven, problem=file.problem),
        proofs=proven,
        failures=tuple(shown_results.failures(smoke, verify, image)),
        contents=inside.contents if inside is not None else None,
        problem=file.problem,
        boots=shown_results.boots(smoke.conditions if smoke is not None else ()),
        image_boots=shown_results.image_boots(image),
        gates=shown_results.gates(verify),
        distributions=()
        if inside is None
        else shown_distributions.distributions(inside.bill, papers.bill, inside.contents, inside.declared, record),
        graph_is_complete=inside is not None and inside.bill.graph == "complete",
        left_out=tuple(
            LeftOut(path=each.path, reason=each.reason, include=each.include or "") for each in left[:_MOST_LEFT_OUT]
        ),
        disagreements=tuple(str(each) for each in shown_distributions.disagreements(record)),
        statements=evidence.kinds(papers),
        evidence=tuple(evidence.pieces(papers, sessions)),
        difference=inside.difference if inside is not None else None,
        baseline=inside.baseline if inside is not None else "",
        making=_making(target, record, sessions),
    )
    return masking.masked(found, mask)


def _identity(target: Target, file: File, inside: Inside | None) -> Identity:
    record, binary = file.record, target.binary
    commit, times = build_record.commit(record), build_record.times(record)
    platforms = record.get("platform", ())
    contents = inside.contents if inside is not None else None
    return Identity(
        name=target.name,
        project=target.project.name,
        file=binary.name,
        sha256=file.sha256,
        size=file.size,
        is_directory=file.is_directory,
        is_scie=contents is not None and contents.is_scie,
        is_recorded=bool(record),
        version=str(record.get("version") or next(_own_versions(target, inside), "")),
        commit=commit.commit if commit is not None else "",
        dirty=commit.dirty if commit is not None else None,
        started=times.started if times is not None else "",
        finished=times.finished if times is not None else "",
        python=str(record.get("python", "")) or ", ".join(contents.constraints if contents is not None else ()),
        platforms=(platforms,) if isinstance(platforms, str) else tuple(platforms),
        tools=tuple(_tools(record, contents)),
        scies=tuple(
            ScieFile(file=each.file, platform=each.platform, size=each.size, sha256=each.sha256)
            for each in scies.recorded(record, stem=target.stem)
        ),
        checksum=checksum(
            binary.name,
            sha256=file.sha256,
            is_directory=file.is_directory,
            has_checksums=binary.with_name(f"{binary.name}{checksums.SUFFIX}").is_file(),
        ),
        note=file.note,
    )


def _tools(record: Mapping[str, Any], contents: BinaryContents | None) -> Iterator[tuple[str, str]]:
    """Yield the tools that made a file; without a build record, that is the pex in it."""
    yield from sorted(record.get("tools", {}).items())
    if "tools" not in record and contents is not None and contents.pex_version:
        yield "pex", contents.pex_version


def _own_versions(target: Target, inside: Inside | None) -> Iterator[str]:
    """Yield the version of the project's own wheel in the file."""
    for each in inside.bill.components if inside is not None else ():
        if each.name == target.project.name and each.version:
            yield each.version


def _making(target: Target, record: Mapping[str, Any], sessions: Sessions) -> Making:
    """Return how the file was made. To do it again, the commit must be checked out, and its inputs be the same."""
    commit = build_record.commit(record)
    steps = []
    if commit is not None and not commit.dirty:
        where = "a clone of the repository"
        steps.append(Command(text=f"git checkout {commit.commit}", where=where, purpose="take the same sources"))
    if (build := sessions.command("pex", purpose="build it")) is not None and record and target.prebuilt is None:
        steps.append(build)
    sources = record.get("sources", {})
    return Making(
        seconds=tuple(record.get("seconds", {}).items()),
        inputs=tuple(sorted(record.get("inputs", {}).items())),
        lock=str(record.get("lock-hash", "")),
        sources=tuple((kind, len(names)) for kind, names in sorted(sources.items())),
        commands=tuple(steps),
    )
