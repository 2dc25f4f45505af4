"""A difference as a few lines for a terminal or a log: the largest changes first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from nox_pex.contents import difference as differences
from nox_pex.contents.difference import BootChange, Difference, FileChange, GroupChange
from nox_pex.contents.model import BootFacts
from nox_pex.system.messages import Line, Meaning, Row
from nox_pex.system.wording import counted, size_change, size_text

_MOST: Final = 25
"""Lines that are shown."""


_MOST_SETTINGS: Final = 4


_MOST_BOOTS: Final = 3


_FEWEST_ROWS: Final = 6
"""Lines that distributions leave for own code, and own code for distributions."""


_LONGEST: Final = 60
"""Characters of a name or a value that are shown."""


_Cells = tuple[str, ...]
"""A label, and the cells of a row. The last one is by how many bytes something grew; empty if that has no meaning."""


def lines(difference: Difference, *, more: str) -> tuple[Line | Row, ...]:
    """Return the lines that a step shows, of which the first is a sentence.

    `more` is the file that has everything, as the user sees its path.
    """
    if difference.is_same:
        yours = "the last build" if difference.baseline == "previous-build" else difference.old.file
        text = f"{difference.new.file} and {yours} are the same bytes, {size_text(difference.new.size)}"
        return (Line(text=text, meaning="unchanged"),)
    whole = [*_whole(difference), *_facts(difference), *map(_boot_row, differences.new_boots(difference)[:_MOST_BOOTS])]
    distributions = [_distribution_row(each) for each in differences.largest(_other_distributions(difference))]
    own = [_file_row(file) for file in _largest_files(differences.own_code(difference))]
    left = max(0, _MOST - 2 - len(whole))  # the first line, and one for what is left out
    of_own = min(len(own), max(left - len(distributions), _FEWEST_ROWS))
    of_distributions = min(len(distributions), left - of_own)
    left_out = len(own) + len(distributions) - of_own - of_distributions
    shown = [*_aligned(whole, "plain"), *_aligned([*distributions[:of_distributions], *own[:of_own]], "changed")]
    if left_out:
        shown.append(Row(label="more", text=f"{left_out:,} in {more}"))
    if not (distributions or own):
        text = "the distributions and the project's own code are the same"
        shown.append(Row(label="same", text=text, meaning="unchanged"))
    return (Line(text=_title(difference)), *shown)


def cut(text: str, *, longest: int = _LONGEST) -> str:
    """Return `text`, with its middle left out if it is long."""
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def arrow(old: str | None, new: str | None) -> str:
    """Return `old → new`; `none` for what is not there."""
    return f"{cut(old or 'none')} → {cut(new or 'none')}"


def _title(difference: Difference) -> str:
    if difference.baseline == "file":
        return f"{difference.new.file} compared with {difference.old.file}"
    build = difference.old.build
    when = f"of {build.finished}" if build.finished else "before it"
    return f"{difference.new.file} compared with the build {when}"


def _whole(difference: Difference) -> Iterator[_Cells]:
    old, new = difference.old, difference.new
    for label, sizes in (("size", difference.size), ("unpacked", difference.unpacked)):
        yield label, arrow(size_text(sizes.old), size_text(sizes.new)), size_change(sizes.growth)
    if old.file_count != new.file_count:
        yield "files", arrow(f"{old.file_count:,}", f"{new.file_count:,}"), ""


def _facts(difference: Difference) -> Iterator[_Cells]:
    for fact in differences.facts(difference):
        yield fact.key.partition(" ")[0].lower(), arrow(fact.old, fact.new), ""
    for setting in difference.settings[:_MOST_SETTINGS]:
        yield "setting", f"{cut(setting.key)}: {arrow(setting.old, setting.new)}", ""
    if len(difference.settings) > _MOST_SETTINGS:
        yield "setting", f"{len(difference.settings) - _MOST_SETTINGS:,} more", ""


def _other_distributions(difference: Difference) -> list[GroupChange]:
    """Return the distributions to show, without the project's own if it only has other files."""
    return [
        each
        for each in difference.distributions
        if not each.is_project or each.change != "changed" or each.is_new_version
    ]


def _distribution_row(change: GroupChange) -> _Cells:
    if change.is_new_version:
        what = arrow(change.old_version, change.new_version)
    else:
        version = cut(change.new_version or change.old_version)
        what = f"{version}, {counted(change.files, 'file')}" if change.change == "changed" else version
    return change.change, cut(change.name), what, size_change(change.stored.growth)


def _largest_files(files: Sequence[FileChange]) -> list[FileChange]:
    return sorted(files, key=lambda file: (-abs(file.new_size - file.old_size), file.path))


def _file_row(file: FileChange) -> _Cells:
    return file.change, cut(file.path), "own code", size_change(file.new_size - file.old_size)


def _boot_row(boot: BootChange) -> _Cells:
    return "boot", f"{cut(boot.condition)}: {_booted(boot.old)} → {_booted(boot.new)}", ""


def _booted(boot: BootFacts | None) -> str:
    if boot is None:
        return "not run"
    if boot.ready_after is None:
        return boot.state
    memory = f", {boot.memory / 1e6:.0f} MB" if boot.memory is not None else ""
    failed = " (failed)" if boot.state == "failed" else ""
    return f"{boot.ready_after:.2f} s{memory}{failed}"


def _aligned(rows: Sequence[_Cells], meaning: Meaning) -> Iterator[Row]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for label, *cells in rows:
        *texts, growth = (cell.ljust(width) for cell, width in zip(cells, widths[1:], strict=True))
        text = "  ".join([*texts, growth.strip().rjust(widths[-1])]).rstrip()
        yield Row(label=label, text=text, meaning=meaning)
