from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from nox_pex.contents import difference as differences
from nox_pex.contents import read
from nox_pex.contents.compare import compare
from nox_pex.contents.model import BinaryContents, BootFacts, Group, PackedFile
from tests.support.small_pex import SmallPex
from tests.unit.contents.conftest import NEW, OLD, Differ, wheel_files

EMPTY = BinaryContents(
    file="x.pex",
    sha256="",
    size=0,
    layout="zipapp",
    distributions=(),
    own=Group(kind="own", stored=0, files=()),
    runtime=Group(kind="runtime", stored=0, files=()),
)


def with_own(*files: PackedFile) -> BinaryContents:
    return replace(EMPTY, own=Group(kind="own", stored=0, files=files))


def test_distributions_are_added_removed_and_changed(differ: Differ) -> None:
    found = {each.name: each for each in differ().distributions}

    assert {name: each.change for name, each in found.items()} == {
        "celery": "changed",
        "kombu": "removed",
        "redis": "added",
    }
    assert (found["celery"].old_version, found["celery"].new_version) == ("5.4.0", "5.5.0")
    assert found["celery"].is_new_version
    assert (found["redis"].old_version, found["redis"].new_version) == ("", "6.0")
    assert found["redis"].stored.old == 0 < found["redis"].stored.growth < found["redis"].unpacked.growth
    assert {file.path: file.change for file in found["celery"].files} == {
        "celery-5.4.0.dist-info/METADATA": "removed",
        "celery-5.5.0.dist-info/METADATA": "added",
        "celery/app.py": "changed",
    }


def test_own_code_is_compared_file_by_file(differ: Differ) -> None:
    found = differences.own_code(differ())
    assert [(file.path, file.change, file.old_size, file.new_size) for file in found] == [
        ("gone.py", "removed", 9, 0),
        ("main.py", "changed", 9, 10),
        ("shop/new.py", "added", 0, 8),
    ]


def test_the_own_code_of_a_packaged_project_is_that_of_its_distribution(differ: Differ) -> None:
    old, new = (
        SmallPex(wheels={f"shop-{version}-py3-none-any.whl": wheel_files("shop", version, app=text)})
        for version, text in (("1.0", b"a"), ("1.1", b"ab"))
    )
    difference = differ(old, new, project="shop")
    assert [(file.path, file.change) for file in differences.own_code(difference)] == [("shop/app.py", "changed")]
    assert [each.is_project for each in difference.distributions] == [True]
    assert differences.own_code(differ(old, new)) == ()  # nobody says which one it is


def test_facts_and_settings_are_compared(differ: Differ) -> None:
    difference = differ()
    assert [(each.key, each.old, each.new) for each in differences.facts(difference)] == [
        ("entry point", "main:main", "shop.new:main"),
        ("Python constraint", "CPython==3.11.*", "CPython==3.12.*"),
    ]
    assert [(each.key, each.old, each.new) for each in difference.settings] == [
        ("inject_env", "{}", '{"MODE": "fast"}')
    ]


def test_the_same_bytes_have_no_difference(differ: Differ) -> None:
    difference = differ(OLD, OLD)
    assert difference.is_same
    assert list(difference.groups) == []
    assert difference.settings == ()


def test_a_change_that_keeps_size_and_crc_is_found_by_the_content(tmp_path: Path) -> None:
    # CRC-32 is linear: these two texts differ, and have the same length and the same CRC-32.
    one, other = b"\0" * 5 + b"plumless", b"\0" * 5 + b"buckeroo"
    old, new = (
        read.read(SmallPex(sources={"main.py": text}).write(tmp_path / name))
        for name, text in (("old.pex", one), ("new.pex", other))
    )
    assert old.own.files[0].crc == new.own.files[0].crc
    found = compare(old, new)
    assert (found.by, [file.path for file in differences.own_code(found)]) == ("sha256", ["main.py"])

    fast = [read.read(tmp_path / name, digests=False) for name in ("old.pex", "new.pex")]
    assert compare(*fast).by == "crc32"


def test_two_names_of_one_version_are_no_change() -> None:
    old, new = (
        replace(EMPTY, distributions=(Group(kind="distribution", name="x", version=version, stored=1, files=()),))
        for version in ("1.0", "1.0.0")
    )
    assert compare(old, new).distributions == ()


def test_files_are_compared_by_what_is_known_of_both() -> None:
    by_digest = PackedFile(path="a", size=1, stored=1, crc=None, sha256="1" * 64)
    by_crc = PackedFile(path="a", size=1, stored=1, crc=7)
    assert compare(with_own(by_digest), with_own(by_crc)).own is None
    assert compare(with_own(by_crc), with_own(PackedFile(path="a", size=1, stored=1, crc=8))).own is not None
    assert compare(with_own(by_crc), with_own(PackedFile(path="a", size=2, stored=1))).own is not None


def test_a_distribution_that_is_there_twice_is_compared_in_order() -> None:
    one, two = (
        Group(kind="distribution", name="x", version=version, wheel=version, stored=1, files=())
        for version in ("1.0", "2.0")
    )
    (found,) = compare(replace(EMPTY, distributions=(one,)), replace(EMPTY, distributions=(one, two))).distributions
    assert (found.change, found.new_version) == ("added", "2.0")


def test_boots_are_paired_by_their_condition() -> None:
    cold = BootFacts(condition="cold", state="passed", ready_after=2.0)
    warm = BootFacts(condition="warm", state="failed")
    found = compare(replace(EMPTY, boots=(cold,)), replace(EMPTY, boots=(warm, cold)))
    assert [(each.condition, each.old, each.new) for each in found.boots] == [
        ("warm", None, warm),
        ("cold", cold, cold),
    ]


def test_the_summary_is_one_line(differ: Differ) -> None:
    difference = differ()
    growth = difference.size.growth
    assert differences.summary(difference) == f"{difference.new.size / 1000:.0f} kB (+{growth} B from old.pex)"
    again = differ(NEW, OLD, baseline="previous-build")
    assert differences.growth(again) == f"-{growth} B since the last build"
