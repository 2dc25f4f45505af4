"""A difference as Markdown, for a comment on a pull request or the summary of a CI job. Pure.

All names, versions, paths and values are from the binaries, so each stands in code, where nothing is markup, a link, a
mention or a reference. A code span in a table cannot hold every character: `<code>` with numeric references can.
Fact sources: GitHub Flavored Markdown 0.29 (4.10, 6.1, 6.2, 6.3, 6.10); GitHub's `html-pipeline`, which finds mentions
in the rendered text, and none in `code`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from nox_pex.contents import difference as differences
from nox_pex.contents.difference import BootChange, Difference, FileChange, GroupChange
from nox_pex.contents.model import BootFacts
from nox_pex.contents.text import cut
from nox_pex.system.outside_text import shown
from nox_pex.system.wording import counted, size_change, size_text

LONGEST: Final = 65_536
"""Characters of a comment on GitHub."""


_LONGEST_NAME: Final = 160
"""Characters of a name or a value that are shown."""


_PLAIN: Final = re.compile(r"(?! )[^`|\\]+(?<! )")
"""Matches what a code span in a table holds as it is."""


_MARKUP: Final = re.compile(r"[^A-Za-z0-9 ]")
"""Matches everything that could be a part of markup."""


class _Table(Struct, frozen=True, kw_only=True):
    """A section: a heading, the cells above the columns, and the rows. `collapsed`: the user opens it."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    collapsed: bool = True


def markdown(difference: Difference, *, limit: int = LONGEST) -> str:
    """Return a heading, tables and collapsed details, at most `limit` characters; a line says if rows are left out."""
    start = f"### {code(difference.new.file)}: {_headline(difference)}\n"
    end = f"\n{_footer(difference)}\n"
    if difference.is_same:
        return f"{start}\nBoth are the same bytes.\n{end}"
    room, parts = limit - len(start) - len(end) - _RESERVED, [start]
    left_out = 0
    for table in _tables(difference):
        text, missing = _section(table, room)
        parts.append(text)
        room -= len(text)
        left_out += missing
    if left_out:
        parts.append(f"\n{left_out:,} rows are left out, because a comment has at most {limit:,} characters.\n")
    return "".join((*parts, end))


_RESERVED: Final = 120
"""Characters for the line about what is left out."""


def code(text: str) -> str:
    """Return text from outside as code, on one line, cut off if it is long; a dash if there is none."""
    visible = cut(shown(text), longest=_LONGEST_NAME)
    if not visible:
        return "–"  # noqa: RUF001  # a dash, for an empty cell
    if _PLAIN.fullmatch(visible):
        return f"`{visible}`"
    return _html(visible)


def _html(text: str) -> str:
    """Return text as code for a place in which only HTML is read, such as the title of details."""
    return f"<code>{_MARKUP.sub(lambda match: f'&#{ord(match[0])};', text)}</code>"


def _headline(difference: Difference) -> str:
    since = "the last build" if difference.baseline == "previous-build" else code(difference.old.file)
    growth = size_change(difference.size.growth)
    return f"{size_text(difference.new.size)} ({growth} compared with {since})"


def _footer(difference: Difference) -> str:
    how = "the SHA-256 of their contents" if difference.by == "sha256" else "their CRC-32 and size"
    digests = " → ".join(code(f"sha256:{side.sha256[:_DIGITS]}") for side in (difference.old, difference.new))
    return f"<sub>{digests}; files are compared by {how}.</sub>"


_DIGITS: Final = 12
"""Digits of a digest that are shown. The JSON has all."""


def _tables(difference: Difference) -> Iterator[_Table]:
    yield _Table(title="", head=("", "before", "after", "change"), rows=list(_overview(difference)), collapsed=False)
    distributions = differences.largest(difference.distributions)
    yield from _distributions(distributions)
    if own := differences.own_code(difference):
        yield _files(f"Own code: {counted(own, 'file')}", own, collapsed=len(own) > _FEW)
    if difference.settings:
        settings = [(code(each.key), code(each.old or ""), code(each.new or "")) for each in difference.settings]
        yield _Table(title="Settings in PEX-INFO", head=("key", "before", "after"), rows=settings)
    if runtime := differences.runtime_files(difference):
        yield _files(f"pex's runtime: {counted(runtime, 'file')}", runtime)
    for each in distributions:
        if each.change == "changed" and not each.is_project:
            files = differences.without_derived(each.files) or each.files
            yield _files(f"{_html(cut(shown(each.name)))}: {counted(files, 'file')}", files)


def _distributions(distributions: Sequence[GroupChange]) -> Iterator[_Table]:
    """Yield the table of all distributions that differ, if there are any."""
    if distributions:
        numbers = Counter(each.change for each in distributions)
        title = ", ".join(f"{numbers[kind]} {kind}" for kind in ("added", "removed", "changed") if numbers[kind])
        rows = [_distribution_row(each) for each in distributions]
        head = ("", "distribution", "version", "size")
        yield _Table(title=f"Distributions: {title}", head=head, rows=rows, collapsed=len(rows) > _FEW)


_FEW: Final = 12
"""Rows that are shown without a click."""


def _overview(difference: Difference) -> Iterator[tuple[str, ...]]:
    old, new = difference.old, difference.new
    for label, sizes in (("Size", difference.size), ("Unpacked", difference.unpacked)):
        yield label, size_text(sizes.old), size_text(sizes.new), size_change(sizes.growth)
    yield "Files", f"{old.file_count:,}", f"{new.file_count:,}", _signed(new.file_count - old.file_count)
    counts = old.distribution_count, new.distribution_count
    yield "Distributions", str(counts[0]), str(counts[1]), _signed(counts[1] - counts[0])
    for fact in differences.facts(difference):
        yield _capital(fact.key), code(fact.old or ""), code(fact.new or ""), ""
    for boot in differences.new_boots(difference):
        yield from _boot_rows(boot)


def _capital(label: str) -> str:
    return label if label == "pex" else f"{label[0].upper()}{label[1:]}"


def _signed(number: int) -> str:
    return f"{number:+,}" if number else "0"


def _boot_rows(boot: BootChange) -> Iterator[tuple[str, ...]]:
    before, after = (each.ready_after if each is not None else None for each in (boot.old, boot.new))
    change = f"{after - before:+.2f} s" if before is not None and after is not None else ""
    yield f"Boot {code(boot.condition)}", _ready(boot.old), _ready(boot.new), change
    used, uses = (each.memory if each is not None else None for each in (boot.old, boot.new))
    if used is not None or uses is not None:
        change = size_change(uses - used) if used is not None and uses is not None else ""
        yield f"Memory {code(boot.condition)}", _memory(used), _memory(uses), change


def _memory(size: int | None) -> str:
    return "not known" if size is None else size_text(size)


def _ready(boot: BootFacts | None) -> str:
    if boot is None:
        return "not run"
    return (
        boot.state if boot.ready_after is None else f"{boot.ready_after:.2f} s{' (failed)' * (boot.state == 'failed')}"
    )


def _distribution_row(change: GroupChange) -> tuple[str, ...]:
    if change.is_new_version:
        version = f"{code(change.old_version)} → {code(change.new_version)}"
    else:
        version = code(change.new_version or change.old_version)
    return change.change, code(change.name), version, size_change(change.stored.growth)


def _files(title: str, files: Sequence[FileChange], *, collapsed: bool = True) -> _Table:
    rows = [(file.change, code(file.path), size_change(file.new_size - file.old_size)) for file in files]
    return _Table(title=title, head=("", "file", "size"), rows=rows, collapsed=collapsed)


def _section(table: _Table, room: int) -> tuple[str, int]:
    """Return a table of at most `room` characters, and the number of rows that it lacks."""
    title = f"<details><summary>{table.title}</summary>\n\n" if table.collapsed else ""
    if table.title and not table.collapsed:
        title = f"**{table.title}**\n\n"
    aligned = ["---:" if cell in _NUMBERS else "---" for cell in table.head]
    start = f"\n{title}{_row(table.head)}{_row(aligned)}"
    end = "\n</details>\n" if table.collapsed else ""
    room -= len(start) + len(end)
    rows: list[str] = []
    for cells in table.rows:
        row = _row(cells)
        if len(row) > room:
            break
        room -= len(row)
        rows.append(row)
    if not rows:
        return "", len(table.rows)
    return f"{start}{''.join(rows)}{end}", len(table.rows) - len(rows)


_NUMBERS: Final = ("size", "change")
"""The heads of columns with numbers."""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
