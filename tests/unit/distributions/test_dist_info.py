from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.tags import parse_tag

from nox_pex.distributions import dist_info
from nox_pex.distributions.dist_info import PackableDistInfo
from nox_pex.distributions.launcher import Directory
from nox_pex.distributions.target_python import TargetPython

MARKERS = {
    "python_version": "3.11",
    "python_full_version": "3.11.7",
    "sys_platform": "linux",
    "platform_release": "6.1-custom+x",
}


PYTHON = TargetPython(markers=MARKERS, tags=parse_tag("cp311-cp311-manylinux_2_17_x86_64") | parse_tag("py3-none-any"))


def packable(contents: Mapping[str, bytes], *, direct: bool = False) -> PackableDistInfo:
    return dist_info.packable(contents, direct=direct, pythons=[PYTHON])


def metadata(fields: str, *, body: str = "\nRequires-Dist: text (>=1.*)\n") -> bytes:
    return f"Metadata-Version: 2.1\nName: x\nVersion: 1\n{fields}{body}".encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Requires-Python: >=3.6.*", ""),
        ("Requires-Python: <3.8", ""),
        ("Requires-Python: ==3.11.*, !=3.11.4", "Requires-Python: ==3.11.*, !=3.11.4"),
        ("Requires-Dist: a (>=1.0.*)", "Requires-Dist: a"),
        ("Requires-Dist: a (>dev)", "Requires-Dist: a"),
        ("Requires-Dist: a[b, c] (>=5.1.*) ; extra == 'x'", "Requires-Dist: a[b, c] ; extra == 'x'"),
        ("Requires-Dist: a (>=7.0,<8.0 || >=8.0,<9.0)", "Requires-Dist: a"),
        ("Requires-Dist: a>=7,<8 || >=8,<9; python_version > '3'", "Requires-Dist: a ; python_version > '3'"),
        ("requires-dist: a (~1.0)", "requires-dist: a"),
        ("Requires-Dist: a\n  (>=1.0)", "Requires-Dist: a (>=1.0)"),
        ("Requires-Dist: a ; python_version >= 3", ""),
        ("Requires-Dist: a ; 'x' in extras", ""),
        ("Requires-Dist: >=1.0", ""),
        ("Requires-Dist: a (>=1.0)", "Requires-Dist: a (>=1.0)"),
        ("Requires-Dist: a @ https://host.example/a.whl", "Requires-Dist: a @ https://host.example/a.whl"),
        ("Requires: a (>=1.*)", "Requires: a (>=1.*)"),
        ("Summary: a (>=1.*)", "Summary: a (>=1.*)"),
    ],
)
def test_a_field_of_metadata_is_rewritten_only_if_pex_does_not_accept_it(before: str, after: str) -> None:
    original = metadata(f"Keywords: y\n{before}\nAuthor: z\n")
    found = packable({"METADATA": original})
    expected = metadata(f"Keywords: y\n{after}\nAuthor: z\n" if after else "Keywords: y\nAuthor: z\n")
    assert found.contents["METADATA"].decode() == expected.decode()
    assert [rewrite.after for rewrite in found.rewrites] == ([] if after == before else [after])
    assert packable(found.contents) == PackableDistInfo(contents=found.contents)  # a second time changes nothing


def test_a_requirement_whose_marker_cannot_be_read_is_left_out() -> None:
    found = packable({"METADATA": metadata("Requires-Dist: a ; python_version ?? 3\nRequires-Dist: b\n")})
    assert found.requirements == ("b",)


def test_metadata_in_latin_1_becomes_utf_8() -> None:
    original = metadata("Author: Müller\nRequires-Dist: a (>1)\n").decode().encode("latin-1")
    found = packable({"METADATA": original})
    assert found.contents["METADATA"] == metadata("Author: Müller\nRequires-Dist: a (>1)\n")
    assert len(found.rewrites) == 1


def test_metadata_with_other_line_ends_stays_as_it_is() -> None:
    original = metadata("Requires-Dist: a (>1)\nAuthor: \u2028 x\n").replace(b"\n", b"\r\n")
    assert packable({"METADATA": original}) == PackableDistInfo(contents={"METADATA": original})


def test_a_direct_distribution_has_no_path_of_this_machine() -> None:
    original = metadata("Requires-Dist: shelf @ file:///home/joe/shelf\n", body="")
    assert packable({"METADATA": original}, direct=True).contents["METADATA"] == metadata(
        "Requires-Dist: shelf\n", body=""
    )
    assert packable({"METADATA": original}).contents["METADATA"] == original


@pytest.mark.parametrize("tag", ["cp310-cp310-manylinux1_x86_64", "cp311-cp311-macosx_11_0_arm64", "nonsense"])
def test_a_wheel_whose_tags_do_not_fit_this_python_is_for_every_python(tag: str) -> None:
    text = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"
    found = packable({"WHEEL": f"{text}Tag: {tag}\n".encode()})
    assert found.contents["WHEEL"].decode() == f"{text}Tag: py3-none-any\n"
    assert [rewrite.before for rewrite in found.rewrites] == [f"Tag: {tag}"]


@pytest.mark.parametrize(
    "text",
    [
        "Wheel-Version: 1.0\nTag: cp310-cp310-linux_x86_64\nTag: cp311-cp311-manylinux_2_17_x86_64\n",
        "Wheel-Version: 1.0\r\nTag: py2.py3-none-any\r\n",
        "Wheel-Version: 1.0\n",
    ],
)
def test_a_wheel_with_a_tag_that_fits_stays_as_it_is(text: str) -> None:
    assert packable({"WHEEL": text.encode()}).rewrites == ()


def test_entry_points_are_written_so_that_pex_can_read_them() -> None:
    scripts = "# comment\n[console_scripts]\nserve =\n    shop.cli:serve\nOther = shop:other [x]\n"
    text = f"{scripts}[tests]\nodd = a:b=c\nempty =\n"
    found = packable({"entry_points.txt": text.encode()})
    assert found.contents["entry_points.txt"].decode() == (
        "[console_scripts]\nserve = shop.cli:serve\nOther = shop:other [x]\n[tests]\n"
    )
    assert [(rewrite.before, rewrite.after) for rewrite in found.rewrites] == [
        ("serve = \nshop.cli:serve", "serve = shop.cli:serve"),
        ("odd = a:b=c", ""),
        ("empty =", ""),
    ]


def test_scripts_refer_to_modules_that_pex_imports(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "cli.py").write_text("def main(): ...\n", "utf-8")
    text = "[console_scripts]\nshop=shop:cli.main\r\n# shop = shop:cli.main\nother = shop.cli:main [x]\n"
    text += "[gui_scripts]\nwindow = shop : cli.main [x]\n[plugins]\na = shop:cli.main\n"
    found = dist_info.packable(
        {"entry_points.txt": text.encode()}, direct=False, pythons=[PYTHON], libraries=[Directory(tmp_path)]
    )
    assert found.contents["entry_points.txt"].decode() == text.replace(
        "\nshop=shop:cli.main", "\nshop = shop.cli:main"
    ).replace("shop : cli.main", "shop.cli:main")
    assert [(rewrite.before, rewrite.after) for rewrite in found.rewrites] == [
        ("shop=shop:cli.main", "shop = shop.cli:main"),
        ("window = shop : cli.main [x]", "window = shop.cli:main [x]"),
    ]


@pytest.mark.parametrize("text", ["[console_scripts]\nx=a:b\n\n; \n", "", "# only\n", "[a.b]\nc = some text\n"])
def test_entry_points_that_pex_can_read_stay_as_they_are(text: str) -> None:
    found = packable({"entry_points.txt": text.replace("; \n", "").encode()})
    assert found.contents["entry_points.txt"] == text.replace("; \n", "").encode()
    assert found.rewrites == ()
