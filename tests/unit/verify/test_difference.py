from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.verify.archive import open_pex
from nox_pex.verify.difference import differences
from tests.support.pex_files import archive, wheel

INFO = json.dumps({"deps_are_wheel_files": True})


def first(one: Path, other: Path) -> str:
    with open_pex(one) as a, open_pex(other) as b:
        return str(next(differences(a, b), "nothing"))


@pytest.fixture
def pex(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, changes: dict[str, bytes | str] | None = None, *, head: bytes = b"") -> Path:
        members: dict[str, bytes | str] = {
            ".deps/x-1-py3-none-any.whl": wheel({"a.py": "a = 1\n", "b.py": "b = 1\n", "x-1.dist-info/RECORD": "r"}),
            "PEX-INFO": INFO,
            "main.py": "m = 1\n",
        }
        return archive(tmp_path / name, {**members, **(changes or {})}, head=head)

    return make


def test_causes_come_before_their_consequences(pex: Callable[..., Path]) -> None:
    one = pex("one.pex")
    assert first(one, pex("0.pex")) == "nothing"
    other = wheel({"a.py": "a = 1\n", "b.py": "b = 2\n", "x-1.dist-info/RECORD": "s"})
    changed = pex("1.pex", {".deps/x-1-py3-none-any.whl": other, "PEX-INFO": f"{INFO} "}, head=b"#!x\n")
    with open_pex(one) as a, open_pex(changed) as b:
        assert [str(difference) for difference in differences(a, b)] == [
            "x-1-py3-none-any.whl: b.py has different content, from byte 4",
            "x-1-py3-none-any.whl: x-1.dist-info/RECORD has different content, from byte 0",
            f"PEX-INFO has different content, from byte {len(INFO)}",
            "the head of the file differs",
        ]
    fewer = wheel({"a.py": "a = 1\n", "x-1.dist-info/RECORD": "r"})
    missing = pex("2.pex", {".deps/x-1-py3-none-any.whl": fewer})
    assert first(one, missing) == "x-1-py3-none-any.whl: b.py is not in the second build"
    assert first(missing, one) == "x-1-py3-none-any.whl: b.py is only in the second build"
    assert first(one, pex("3.pex", {"more.py": ""})) == "more.py is only in the second build"
    order = wheel({"b.py": "b = 1\n", "a.py": "a = 1\n", "x-1.dist-info/RECORD": "r"})
    swapped = pex("4.pex", {".deps/x-1-py3-none-any.whl": order})
    assert first(one, swapped) == "x-1-py3-none-any.whl: a.py is stored in a different order"
    assert first(one, pex("5.pex", {".deps/y-1-py3-none-any.whl": wheel({"y.py": ""})})) == (
        "y-1-py3-none-any.whl: the complete wheel is only in the second build"
    )


def test_permissions_and_dates_are_compared_if_the_content_is_the_same(tmp_path: Path) -> None:
    def directory(name: str, mode: int) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "PEX-INFO").write_text(INFO, "utf-8")
        (tmp_path / name / "main.py").write_text("m = 1", "utf-8")
        (tmp_path / name / "main.py").chmod(mode)
        return tmp_path / name

    one = directory("one", 0o644)
    assert first(one, directory("other", 0o755)) == "main.py has different permissions, 100644 and 100755"
    assert first(one, directory("private", 0o600)) == "nothing"  # what a umask may take away from a copy
    assert first(one, directory("open", 0o646)) == "main.py has different permissions, 100644 and 100646"
    for name in ("empty", "shared"):
        (directory(name, 0o644) / "d").mkdir()
    (tmp_path / "shared" / "d").chmod(0o777)
    assert first(one, tmp_path / "empty") == "d/ is only in the second build"
    assert first(tmp_path / "empty", tmp_path / "shared") == "d/ has different permissions, 40755 and 40777"
    dated = [archive(tmp_path / f"{year}.pex", {"PEX-INFO": INFO}) for year in (2001, 2002)]
    for year, path in zip((2001, 2002), dated, strict=True):
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(zipfile.ZipInfo("main.py", (year, 1, 1, 0, 0, 0)), "m = 1")
    assert first(*dated).startswith("main.py has different dates, (2001, 1, 1, ")


def test_a_file_that_is_a_beginning_of_another_differs_at_its_end(pex: Callable[..., Path]) -> None:
    one, longer = pex("one.pex", {"main.py": "m = 1"}), pex("longer.pex", {"main.py": "m = 1\n"})
    assert first(one, longer) == first(longer, one) == "main.py has different content, from byte 5"
