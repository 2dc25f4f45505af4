"""The top of a page: the verdict and the file that it is about, three numbers, what failed, and what was run."""

from __future__ import annotations

from collections.abc import Iterator

import htpy
from htpy import Element, Node, code, div, h1, header, p, span, strong

from nox_pex.page import html
from nox_pex.page.html import text
from nox_pex.page.model import Boot, Failure, Identity, Page, Proof
from nox_pex.system.wording import size_change

_TITLES = {"passed": "Passed", "failed": "Failed", "incomplete": "Not complete", "not-run": "Not run"}


def band(page: Page) -> Element:
    """Return the verdict, and the identity of the file."""
    identity, verdict = page.identity, page.verdict
    version = f" {identity.version}" if identity.version else ""
    return header(f".band.{verdict.outcome}")[
        p(".verdict")[html.state(verdict.outcome, _TITLES[verdict.outcome])],
        h1[text(identity.name), span(".version")[text(version)]],
        p(".reason")[html.sentence(verdict.reason)],
        html.facts(_identity(identity)),
        html.note(html.sentence(identity.note), kind="warn") if identity.note else None,
        html.fold("Compare a file with this digest", html.command(identity.checksum)) if identity.checksum else None,
    ]


def _identity(identity: Identity) -> Iterator[tuple[str, Node]]:
    commit = html.digest(identity.commit)
    dirty = {True: ", with uncommitted changes", False: "", None: ""}[identity.dirty]
    file = f"{identity.file}/" if identity.is_directory else identity.file
    yield "File", [code[text(file)], f" {html.bytes_text(identity.size)}"]
    yield "SHA-256", code(".long")[text(identity.sha256)]
    yield "Commit", [commit, dirty] if identity.commit else ""
    yield "Built", html.time_text(identity.finished)
    yield "For", text(", ".join(part for part in (identity.python, *identity.platforms) if part))
    yield "With", text(", ".join(f"{name} {version}" for name, version in identity.tools))
    for scie in identity.scies:
        yield "Executable", [code[text(scie.file)], f" {html.bytes_text(scie.size)}, ", html.digest(scie.sha256)]


def numbers(page: Page) -> Element:
    """Return the three numbers that people compare: the size, the boot, and the distributions."""
    difference, count = page.difference, len(page.contents.distributions) if page.contents else None
    more = difference.new.distribution_count - difference.old.distribution_count if difference else None
    growth = difference.size.growth if difference else None
    return div(".numbers")[
        _number("size", html.bytes_text(page.identity.size), growth, "" if growth is None else size_change(growth)),
        _boot_number(page, _boot(page.boots)),
        _number("distributions", "unknown" if count is None else str(count), more, f"{more:+d}" if more else ""),
    ]


def _number(label: str, value: str, difference: float | None, change: str) -> Element:
    """Return a number with its `change`, and whether there is a `difference`; None if that is not known."""
    said = "" if difference is None else f"{change} since the last build" if difference else "as in the last build"
    return div[p(".label")[label], p(".value")[value], p(".change")[said or "\N{NO-BREAK SPACE}"]]


def _boot(boots: tuple[Boot, ...]) -> Boot | None:
    """Return the warm boot, or else the first that became ready."""
    ready = [boot for boot in boots if boot.ready_after is not None]
    return next((boot for boot in ready if boot.condition == "warm"), ready[0] if ready else None)


def _boot_number(page: Page, boot: Boot | None) -> Element:
    if boot is None or boot.ready_after is None:
        return _number("boot", "never ready" if page.boots else "not run", None, "")
    known = page.difference.boots if page.difference else ()
    old = next((each.old for each in known if each.condition == boot.condition), None)
    more = None if old is None or old.ready_after is None else round(boot.ready_after - old.ready_after, 2)
    label = f"{text(boot.condition)} boot"
    return _number(label, html.seconds_text(boot.ready_after), more, f"{more:+.2f} s" if more else "")


def failures(page: Page) -> Node:
    """Return what failed, each with its cause; nothing if nothing did."""
    if not page.failures:
        return None
    title = "What failed" if len(page.failures) > 1 else "Why it failed"
    return html.part("failed", title, *map(_failure, page.failures))


def _failure(failure: Failure) -> Element:
    rows = [(text(label), code[text(value)]) for label, value in failure.rows]
    more = ""
    if failure.log_count > len(failure.log):
        has_all = f"; {failure.log_file} has all" if failure.log_file else ""
        more = f"{len(failure.log)} of {failure.log_count} lines{has_all}"
    return htpy.article(".failure")[
        htpy.h3[text(failure.subject or failure.step)],
        html.facts(rows) if rows else p[strong[text(failure.problem)]],
        [p(".label")["Its log"], html.block(failure.log), more and html.note(html.sentence(more))]
        if failure.log
        else None,
        [p(".label")["By hand"], html.block([failure.by_hand])] if failure.by_hand else None,
        failure.remedy and p[html.sentence(f"What to do: {failure.remedy}")],
        p(".note")[code[text(f"error[{failure.code}]")], " in ", text(failure.step)],
    ]


def proofs(page: Page) -> Element:
    """Return what was run on exactly this file, and what was not."""
    rows = [
        (text(proof.step), html.state(proof.outcome), _said(proof), html.time_text(proof.finished))
        for proof in page.proofs
    ]
    commands = [proof.command for proof in page.proofs if proof.command and proof.outcome == "not-run"]
    return html.part(
        "proofs",
        "What was run",
        html.table("Each step, on exactly this file", ("Step", "Result", "What came out", "When"), rows),
        html.fold("Run what is missing", *map(html.command, commands)) if commands else None,
    )


def _said(proof: Proof) -> Node:
    said = (
        None if proof.outcome == "not-run" and proof.summary == "not run" else html.prose(html.capital(proof.summary))
    )
    return [said, htpy.span(".note")[" ", html.sentence(proof.note)] if proof.note else None]
