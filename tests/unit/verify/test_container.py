from __future__ import annotations

import tracemalloc

import pytest

from nox_pex.verify.container import DamageError, check_names


@pytest.mark.parametrize(
    ("files", "directories"),
    [
        (["a", "a/b"], []),
        (["a/b", "a"], []),
        (["a", "a-c", "a.d", "a/b"], []),
        (["a", "a!", "a/b/c"], []),
        (["a"], ["a"]),
        (["a"], ["a/b"]),
        (["x/a", "x/a/b"], ["x"]),
    ],
)
def test_a_file_that_is_also_a_directory_is_damage(files: list[str], directories: list[str]) -> None:
    with pytest.raises(DamageError, match=r"'(x/)?a' is a file and also a directory"):
        check_names(files, directories)


def test_names_that_only_begin_alike_are_none() -> None:
    check_names(["a/b", "a/c/d", "ab", "a.b", "a-b", "b"], ["a", "a/c", "e", "e/f"])


def test_a_name_of_many_levels_needs_little_memory() -> None:
    names = [f"{first}/{'a/' * 32_000}b" for first in "abcdefgh"]
    tracemalloc.start()
    try:
        check_names(names, [])
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
