from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from nox_pex.settings.model import Sources
from nox_pex.settings.table import Timeout
from reference import words


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, "string"),
        (Path, "string"),
        (Timeout | None, "seconds"),
        (Any, "any"),
        (Sources, "table"),
        (int | str, "integer or string"),
        (str | tuple[str, ...], "string, or an array of them"),
        (int | str | tuple[int | str, ...], "integer, string, or an array of them"),
        (tuple[tuple[str, ...], ...], "array of arrays of strings"),
        (tuple[int | str, ...] | None, "array of integers and strings"),
        (tuple[Literal["b", "a"], ...], 'array of `"b"`, `"a"`'),
        (dict[str, Any], "table"),
        (dict[str, str | Sources], "table of strings and tables"),
        (dict[str, Sources], "table of tables"),
        (Annotated[int, msgspec.Meta(ge=1)], "integer"),
    ],
)
def test_a_type_in_words(annotation: Any, expected: str) -> None:
    assert words.kind_in_words(annotation) == expected


def test_a_type_without_words_is_refused() -> None:
    with pytest.raises(KeyError):
        words.kind_in_words(bytes)


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (msgspec.NODEFAULT, "required"),
        (None, ""),
        (msgspec.UNSET, ""),
        (True, "`true`"),
        (30.0, "`30.0`"),
        (Path("dist"), '`"dist"`'),
        ((0, "TERM"), '`[0, "TERM"]`'),
        (Sources(root="src"), "`{}`"),
    ],
)
def test_a_default_as_toml_writes_it(default: Any, expected: str) -> None:
    assert words.default_in_toml(default) == expected
