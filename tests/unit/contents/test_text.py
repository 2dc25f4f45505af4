from __future__ import annotations

from msgspec.structs import replace

from nox_pex.contents import text
from nox_pex.contents.difference import BootChange, Difference, SettingChange
from nox_pex.contents.model import BootFacts, BuildFacts
from nox_pex.screen import lines
from tests.support.small_pex import SmallPex
from tests.unit.contents.conftest import OLD, Differ, wheel_files


def shown(differ: Differ, *pexes: SmallPex) -> list[str]:
    return in_a_log(differ(*pexes))


def in_a_log(difference: Difference) -> list[str]:
    return [lines.of_log(line) for line in text.lines(difference, more="dist/shop.diff.md")]


def test_the_largest_changes_come_first_and_columns_are_aligned(differ: Differ) -> None:
    first, *more = shown(differ)
    assert first == "new.pex compared with old.pex"
    assert [line.split()[0] for line in more] == [
        *("size", "unpacked", "entry", "python", "setting"),
        *("added", "removed", "changed", "removed", "added", "changed"),
    ]
    assert [line.split()[1] for line in more[5:]] == ["redis", "kombu", "celery", "gone.py", "shop/new.py", "main.py"]
    assert len({len(line) for line in more[5:]}) == 1  # the sizes end in one column
    assert "celery       5.4.0 → 5.5.0" in more[7]


def test_many_changes_are_cut_and_the_file_with_all_is_named(differ: Differ) -> None:
    wheels = {f"pkg{n}-1-py3-none-any.whl": wheel_files(f"pkg{n}", "1", a=b"x" * n) for n in range(60)}
    sources = {f"module{n}.py": b"x" * n for n in range(60)}
    said = shown(differ, OLD, SmallPex(wheels=wheels, sources=sources))

    assert len(said) == 25
    assert sum("own code" in line for line in said) == 6
    total = 2 + 60 + 2 + 60  # celery and kombu are removed, `main.py` and `gone.py` too
    named = sum(line.startswith(("added", "removed", "changed")) for line in said)
    assert said[-1] == f"more      {total - named} in dist/shop.diff.md"


def test_the_same_bytes_are_one_line(differ: Differ) -> None:
    (line,) = text.lines(differ(OLD, OLD), more="x")
    assert (line.meaning, line.text.partition(",")[0]) == ("unchanged", "new.pex and old.pex are the same bytes")


def test_only_pex_differs(differ: Differ) -> None:
    newer = replace(OLD, values={**OLD.values, "build_properties": {"pex_version": "2.106.0"}})
    said = shown(differ, OLD, newer)
    assert any(line.startswith("pex ") and "2.105.2 → 2.106.0" in line for line in said)
    assert said[-1] == "same      the distributions and the project's own code are the same"


def test_the_previous_build_is_named_by_its_time(differ: Differ) -> None:
    difference = replace(differ(), baseline="previous-build")
    dated = replace(difference, old=replace(difference.old, build=BuildFacts(finished="2026-11-26T16:40:00Z")))
    assert in_a_log(dated)[0] == "new.pex compared with the build of 2026-11-26T16:40:00Z"
    assert in_a_log(difference)[0] == "new.pex compared with the build before it"


def test_boots_are_shown_if_the_new_binary_was_booted(differ: Differ) -> None:
    old = BootFacts(condition="cold", state="passed", ready_after=2.2, memory=60_000_000)
    new = BootFacts(condition="cold", state="failed", ready_after=2.4)
    boots = (
        BootChange(condition="cold", old=old, new=new),
        BootChange(condition="warm", old=old, new=None),
        BootChange(condition="offline", old=None, new=BootFacts(condition="offline", state="skipped")),
    )
    said = [line for line in in_a_log(replace(differ(), boots=boots)) if line.startswith("boot ")]
    assert said == ["boot      cold: 2.20 s, 60 MB → 2.40 s (failed)", "boot      offline: not run → skipped"]


def test_long_names_and_many_settings_keep_the_text_short(differ: Differ) -> None:
    settings = tuple(SettingChange(key=f"key{n}" + "k" * 500, old="o" * 9000, new=None) for n in range(50))
    said = in_a_log(replace(differ(), settings=settings))
    assert max(map(len, said)) < 220
    assert any("46 more" in line for line in said)
