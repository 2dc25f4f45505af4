from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.project.patterns import literal, matching, matching_any, nothing_matches, quoted

NAMES = frozenset({"main.py", "data/a.txt", "app/data/b.txt", "app/data.txt", "app/x/y/data/c.txt"})


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("data", {"data/a.txt", "app/data/b.txt", "app/x/y/data/c.txt"}),
        ("data/", {"data/a.txt", "app/data/b.txt", "app/x/y/data/c.txt"}),
        ("/data", {"data/a.txt"}),
        ("./data", {"data/a.txt"}),
        ("app/data", {"app/data/b.txt"}),
        ("app//data/", {"app/data/b.txt"}),
        ("data.txt", {"app/data.txt"}),
        ("data.txt/", set()),
        ("main.py/", set()),
        ("main.py", {"main.py"}),
        ("app/*/data", set()),
        ("app/**/data", {"app/data/b.txt", "app/x/y/data/c.txt"}),
        ("**/c.txt", {"app/x/y/data/c.txt"}),
        ("app/**", {"app/data/b.txt", "app/data.txt", "app/x/y/data/c.txt"}),
        ("app/x/y/data/c.txt/deeper", set()),
        ("[d-e]ata/?.txt", {"data/a.txt"}),
        ("DATA", set()),
    ],
)
def test_a_pattern_matches_as_in_a_gitignore(pattern: str, expected: set[str]) -> None:
    assert matching(pattern, NAMES) == expected


def test_one_of_several_patterns_is_enough() -> None:
    assert matching_any(["main.py", "/data"], iter(NAMES)) == {"main.py", "data/a.txt"}
    assert matching_any([], NAMES) == set()


def test_a_text_is_quoted_as_in_toml() -> None:
    assert quoted('a "ü"') == '"a \\"ü\\""'
    assert quoted("a\n\x1b\x7f\u202e##[x]") == r'"a\n\u001b\u007f\u202e#\u0023[x]"'


def test_the_nearest_name_is_suggested(tmp_path: Path) -> None:
    error = nothing_matches("app/dtaa/", tmp_path, NAMES, key="sources.include")
    assert str(error) == (
        f'error[source-missing]: sources.include: "app/dtaa/" matches no file in {tmp_path}; use "app/data/"'
    )
    assert nothing_matches("zzz", tmp_path, NAMES, key="x").remedy == "correct or remove the pattern"
    assert nothing_matches("mian.py", tmp_path, NAMES, key="x").remedy == 'use "main.py"'


def test_a_name_that_exists_but_may_not_ship_has_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / ".env").touch()
    for pattern in ("app/.env", "/app/.env", "app/.env/"):
        error = nothing_matches(pattern, tmp_path, NAMES, key="x")
        assert error.problem.endswith(" that may ship")
        assert error.remedy.startswith("remove it: secrets such as .env, ")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("static/.well-known/", {"static/.well-known/a.txt", "static/.well-known/.b"}),
        (".well-known", {"static/.well-known/a.txt", "static/.well-known/.b"}),
        ("static/.well-known/*", {"static/.well-known/a.txt", "static/.well-known/.b"}),
        ("static/.*", {"static/.well-known/a.txt", "static/.well-known/.b", "static/.top"}),
        ("static/", {"static/x.txt"}),
        ("**", {"static/x.txt"}),
        ("static/*", {"static/x.txt"}),
        ("*.txt", {"static/x.txt"}),
    ],
)
def test_a_hidden_file_is_only_matched_by_a_pattern_that_names_it(pattern: str, expected: set[str]) -> None:
    names = {"static/x.txt", "static/.top", "static/.well-known/a.txt", "static/.well-known/.b"}
    assert matching(pattern, names, hidden=False) == expected
    assert matching(pattern, names) >= expected


@pytest.mark.parametrize("name", ["a [1]*?.txt", "!x", "#x", "a\\b", " x ", "[!a]", "a\nb", "caf\udce9"])
def test_a_literal_pattern_matches_its_file_and_no_other(name: str) -> None:
    names = {name, "a 1.txt", "x", "b", "ab", "!y"}
    assert matching(literal(name), names) == {name}
    assert matching(literal(f"{name}/"), {f"{name}/y", f"{name}z/y", name}) == {f"{name}/y"}
