from __future__ import annotations

import tomllib

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings import names
from nox_pex.settings.parse import parse
from tests.support.settings import all_refused


@pytest.mark.parametrize("name", ["a", "a.b", "A_1-x", "x" * names.LONGEST])
def test_a_good_name_has_no_problem(name: str) -> None:
    assert names.problem_with(name) is None


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a\0b", "a\nb", "a ", " a", "-a", ".a", "_a", "ü", "a`b", "x" * 129, "\u202ea"],
)
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    assert names.problem_with(name) is not None
    escaped = "".join(f"\\u{ord(character):04x}" for character in name)
    (line,) = all_refused(f'[tool.nox-pex.binary."{escaped}"]\nscript = "x"\n')
    assert line.startswith(".binary")
    assert line.isprintable()


@pytest.mark.parametrize("pair", [("a.b", "a-b"), ("Api", "api"), ("api", "api.deps"), ("api.own", "api")])
def test_two_binaries_never_have_the_same_file(pair: tuple[str, str]) -> None:
    assert len(list(names.collisions(pair))) == 1
    text = "".join(f'[tool.nox-pex.binary."{name}"]\nscript = "x"\n' for name in pair)
    (line,) = all_refused(text)
    assert line.endswith("; rename one of them")


def test_names_that_only_look_alike_are_allowed() -> None:
    assert not list(names.collisions(["api", "api2", "a.b", "a-c", "deps", "x.deps"]))


@pytest.mark.parametrize("name", ["a/b", "..", "a\0b", "a\nb", "-a", ".", "é", "a ", "x" * 250])
@pytest.mark.parametrize("extends", ["", '[tool.nox-pex]\nextends = "base.toml"\n'])
def test_the_name_of_a_project_that_is_no_file_name_is_an_error_without_a_table(
    name: str, extends: str, tmp_path: object
) -> None:
    file = f"{tmp_path}/pyproject.toml"
    with open(f"{tmp_path}/base.toml", "w", encoding="utf-8"):  # noqa: PTH123  # an empty file
        pass
    with pytest.raises(NoxPexError) as caught:
        parse(tomllib.loads(extends), file=file, project_name=name, scripts=["serve"])
    assert caught.value.code == "config"
    assert caught.value.remedy == 'add [tool.nox-pex.binary.NAME], and under it the line script = "serve"'
