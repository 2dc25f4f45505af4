"""The end of a page: the evidence that travels with the file, what changed, and how the file was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from htpy import Element, Node, code, dd, div, dl, dt, p, span

from nox_pex.contents import difference as differences
from nox_pex.contents.difference import Difference, FileChange, GroupChange
from nox_pex.page import html
from nox_pex.page.html import text
from nox_pex.page.model import Evidence, Page
from nox_pex.system.wording import counted, size_change

_MOST_FILES: Final = 200
"""The changed files of which each has a row."""


_NONE: Final = "not set"


_WORK: Final = {
    "install": "Poetry's install",
    "wheel": "the project's wheel",
    "disagreements": "pex's own check",
    "runtime": "pex's runtime",
    "pack": "packing",
    "dependencies": "packing",
    "compose": "putting together",
    "validate": "check of the result",
    "scie": "executables",
}
"""The names for people of the parts of a build, as the build record has them."""


_STANDINGS: Final = {
    "current": ("passed", "about this file"),
    "changed": ("incomplete", "changed since it was written"),
    "other-file": ("not-run", "about another file"),
    "not-run": ("not-run", "not there"),
    "unreadable": ("failed", "cannot be read"),
}


def evidence(page: Page) -> Node:
    """Return the evidence: what there is, and the commands that check it."""
    if not page.evidence:
        return None
    return html.part("evidence", "Evidence", *map(_piece, page.evidence))


def _piece(each: Evidence) -> Element:
    state, word = _STANDINGS[each.standing]
    return div(".piece")[
        html.subtitle(text(each.title)),
        p[html.state(state, word), each.file and [" ", code[text(each.file)]]],
        html.facts((text(label), text(value)) for label, value in each.facts) if each.facts else None,
        each.note and html.note(html.sentence(each.note)),
        *map(html.command, each.commands),
    ]


def changes(page: Page) -> Element:
    """Return what differs from the build before, or from the file that was named."""
    found = page.difference
    if found is None:
        return html.part("changes", "What changed", html.note(html.sentence(page.baseline)))
    if found.is_same:
        return html.part("changes", "What changed", html.note("Nothing: it is the same file, byte by byte."))
    named = "the build before" if found.baseline == "previous-build" else text(found.old.file)
    by = "by SHA-256" if found.by == "sha256" else "by CRC-32 and size, which is what is kept of the build before"
    stored, unpacked = size_change(found.size.growth), size_change(found.unpacked.growth)
    said = f"Compared with {named}: {stored} in the file, {unpacked} unpacked. Files are compared {by}."
    return html.part(
        "changes",
        "What changed",
        html.note([said, " The SHA-256 of the old file begins with ", html.digest(found.old.sha256), "."]),
        _facts(found),
        _distributions(found),
        _files("The project's own code", differences.own_code(found)),
        _files("Files of pex's runtime", differences.runtime_files(found)),
    )


def _facts(found: Difference) -> Node:
    every = [*differences.facts(found), *found.settings]
    if not every:
        return None
    rows = [(text(each.key), text(each.old or _NONE), text(each.new or _NONE)) for each in every]
    return html.table("Settings and facts that differ", ("What", "Before", "Now"), rows)


def _distributions(found: Difference) -> Node:
    others = [each for each in differences.largest(found.distributions) if not each.is_project]
    if not others:
        return html.note("No distribution was added, removed or changed.")
    rows = [
        (text(each.name), each.change, _versions(each), size_change(each.stored.growth), str(len(each.files)))
        for each in others
    ]
    head = ("Distribution", "Change", "Version", "Size", "Files that differ")
    return html.table("Distributions that differ", head, rows, numbers=(3, 4))


def _versions(each: GroupChange) -> str:
    if each.change == "added":
        return text(each.new_version)
    if each.change == "removed":
        return text(each.old_version)
    return f"{text(each.old_version)} → {text(each.new_version)}" if each.is_new_version else text(each.new_version)


def _files(title: str, files: Sequence[FileChange]) -> Node:
    if not files:
        return None
    rows = [
        (code[text(each.path)], each.change, size_change(each.new_size - each.old_size)) for each in files[:_MOST_FILES]
    ]
    more = len(files) - _MOST_FILES
    return [
        html.table(
            f"{title}: {counted(files, 'file')} that differ{'s' if len(files) == 1 else ''}",
            ("File", "Change", "Size"),
            rows,
            numbers=(2,),
        ),
        html.note(f"And {more} more.") if more > 0 else None,
    ]


def making(page: Page) -> Node:
    """Return how the file was made, and how to make it again."""
    made = page.making
    if not (made.seconds or made.inputs or made.commands):
        return None
    whole = sum(seconds for _, seconds in made.seconds)
    return html.part(
        "making",
        "How it was made",
        _bars(made.seconds, whole) if whole else None,
        html.fold(
            "Inputs that decide its bytes",
            html.table(
                "Digests of the inputs",
                ("Input", "SHA-256"),
                [(text(kind), code(".long")[text(value)]) for kind, value in made.inputs],
            ),
        )
        if made.inputs
        else None,
        html.facts([("Lock", html.digest(made.lock)), ("Own files in it", _sources(made.sources))]),
        *map(html.command, made.commands),
    )


def _bars(seconds: Sequence[tuple[str, float]], whole: float) -> Element:
    return dl(".bars")[
        (
            div[
                dt[text(_WORK.get(name, name))],
                dd[span(".n")[html.seconds_text(each)], span(".share")[f" {each / whole * 100:.0f} %"]],
            ]
            for name, each in seconds
        )
    ]


def _sources(sources: Sequence[tuple[str, int]]) -> str:
    """Return how many of the project's files are in the binary."""
    return str(dict(sources).get("taken", ""))
