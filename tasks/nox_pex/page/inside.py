"""The part of a page about what is in the file: sizes, distributions and why each is there, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from htpy import Node, code, li, p, span, ul

from nox_pex.contents.model import BinaryContents, Group
from nox_pex.page import html
from nox_pex.page.html import text
from nox_pex.page.model import Distribution, Page
from nox_pex.page.treemap import treemap
from nox_pex.system.wording import counted

_MOST_LEFT_OUT: Final = 200
"""The files that were left out of which each has a row."""


def sizes(page: Page) -> Node:
    """Return the sizes of everything in the file, as a treemap and as a table."""
    contents = page.contents
    if contents is None:
        return html.part("sizes", "Size", html.note(html.sentence(page.problem), kind="warn"))
    rows = [
        (
            _name(group),
            html.bytes_text(group.stored),
            html.bytes_text(group.size),
            str(len(group.files)),
            _share(group, contents),
        )
        for group in sorted(contents.groups, key=lambda group: -group.stored)
        if group.files
    ]
    head = ("Part", "In the file", "Unpacked", "Files", "Share")
    said = f"{html.bytes_text(contents.size)} in the file, {html.bytes_text(contents.unpacked)} unpacked, "
    return html.part(
        "sizes",
        "Size",
        html.note(f"{said}{counted(range(contents.file_count), 'file')}. The area is the size in the file."),
        treemap(page),
        html.fold("The sizes as a table", html.table("Size of each part", head, rows, numbers=(1, 2, 3, 4))),
    )


def _name(group: Group) -> Node:
    if group.kind == "own":
        return "the project's own files"
    if group.kind == "runtime":
        return "pex's runtime"
    return [text(group.name), span(".version")[f" {text(group.version)}"]]


def _share(group: Group, contents: BinaryContents) -> str:
    return f"{group.stored / contents.size * 100:.1f} %" if contents.size else ""


def distributions(page: Page) -> Node:
    """Return the distributions: version, licence, why each is there, and its size."""
    if not page.distributions:
        return None
    rows = [
        (
            [text(each.name), span(".version")[f" {text(each.version)}"]],
            _licences(each),
            _why(each),
            html.bytes_text(each.stored),
            html.bytes_text(each.size),
            _locked(each),
        )
        for each in page.distributions
    ]
    head = ("Distribution", "Licence", "Why it is there", "In the file", "Unpacked", "Locked file")
    direct = sum(each.is_direct is True for each in page.distributions)
    said = f"{counted(page.distributions, 'distribution')}, {direct} of them required by the project itself."
    incomplete = None if page.graph_is_complete else html.note("Not every requirement could be read.", kind="warn")
    return html.part(
        "distributions",
        "Distributions",
        html.note(said),
        incomplete,
        html.table("Distributions in the file", head, rows, numbers=(3, 4)),
        _disagreements(page),
    )


def _licences(each: Distribution) -> Node:
    if not each.licences:
        return span(".note")["not stated"]
    return ", ".join(f"{text(one.text)}{'' if one.is_spdx else ' (not SPDX)'}" for one in each.licences)


def _why(each: Distribution) -> Node:
    via = f" ({text(each.via)})" if each.via else ""
    notes = [p(".note")[text(one)] for one in each.notes]
    if each.is_project:
        return ["the project itself", *notes]
    if each.is_direct:
        return [f"required by the project{via}", *notes]
    if each.path:
        return [" → ".join(map(text, each.path)), via, *notes]
    return [span(".note")["not known"], *notes]


def _locked(each: Distribution) -> Node:
    if not each.locked:
        return span(".note")[text(each.origin) if each.origin else "not known"]
    if len(each.locked) > 1:
        return f"one of {len(each.locked)}"
    (one,) = each.locked
    built = " (built from it here)" if each.from_sdist else ""
    return [code(title=text(one.hash))[text(one.hash[:19])], built]


def _disagreements(page: Page) -> Node:
    if not page.disagreements:
        return None
    return [
        html.subtitle("Where pex and Poetry disagree"),
        html.note("The binary is as Poetry installed it."),
        ul[(li[text(each)] for each in page.disagreements)],
    ]


def left_out(page: Page) -> Node:
    """Return the files of the project that do not ship, and the pattern that would include each."""
    if not page.left_out:
        return None
    rows: Iterator[tuple[Node, ...]] = (
        (code[text(each.path)], text(each.reason), code[text(each.include)] if each.include else "")
        for each in page.left_out[:_MOST_LEFT_OUT]
    )
    more = len(page.left_out) - _MOST_LEFT_OUT
    return html.part(
        "left-out",
        "Left out",
        html.table("Files that do not ship", ("File", "Why", "Pattern for sources.include"), rows),
        html.note(f"And {more} more.") if more > 0 else None,
    )
