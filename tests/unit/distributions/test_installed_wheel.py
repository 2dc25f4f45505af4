from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.distributions import installed_wheel
from nox_pex.distributions.installed_wheel import InstalledWheel, LaidOutFile
from tests.support.small_pex import fingerprint


def files_of(**changes: Any) -> InstalledWheel:
    given = {
        "name": "board-1.0-py3-none-any.whl",
        "files": (LaidOutFile(path="a", content=b"1"), LaidOutFile(path="b", content=Path("b"), digest="sha256=2")),
        "record": "board-1.0.dist-info/RECORD",
        "is_pure": True,
    }
    return InstalledWheel(**{**given, **changes})


def test_the_key_of_a_wheel_does_not_depend_on_where_its_files_are() -> None:
    elsewhere = LaidOutFile(path="b", content=Path("elsewhere/b"), digest="sha256=2")
    assert files_of(files=(files_of().files[0], elsewhere)).key == files_of().key


@pytest.mark.parametrize(
    "change",
    [
        {"name": "board-1.1-py3-none-any.whl"},
        {"record": "other-1.0.dist-info/RECORD"},
        {"is_pure": False},
        {"libraries": (".", ".prefix/platlib")},
        {"files": files_of().files[:1]},
        *(
            {"files": (replace(files_of().files[0], **each), files_of().files[1])}
            for each in ({"path": "c"}, {"content": b"2"}, {"executable": True})
        ),
        *(
            {"files": (files_of().files[0], replace(files_of().files[1], **each))}
            for each in ({"path": "c"}, {"digest": "sha256=3"}, {"digest": "md5=2"}, {"executable": True})
        ),
    ],
    ids=str,
)
def test_the_key_of_a_wheel_changes_with_everything_that_decides_its_bytes(change: dict[str, Any]) -> None:
    assert files_of(**change).key != files_of().key


# Order


@pytest.mark.parametrize("arrange", [sorted, lambda names: sorted(names, reverse=True)])
def test_the_files_of_a_directory_are_packed_before_its_subdirectories(
    arrange: Callable[[list[str]], list[str]],
) -> None:
    order = ["B", "a", "z", "a.d/x", "b/z", "b/a/y", "b/a-b/x"]
    assert list(installed_wheel.walk(arrange(order))) == order


def test_a_fingerprint_does_not_depend_on_how_contents_are_divided() -> None:
    expected = fingerprint({"a": b"12", "b": b"345"})
    assert installed_wheel.fingerprint([("a", [b"12"]), ("b", [b"34", b"", b"5"])]) == expected
    assert installed_wheel.fingerprint([("a", [b"123"]), ("b", [b"45"])]) == expected  # pex does not separate files
    assert installed_wheel.fingerprint([("b", [b"12"]), ("a", [b"345"])]) != expected
