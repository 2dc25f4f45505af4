from __future__ import annotations

import tomllib

import pytest

from nox_pex.project.default_rules import KEY, NO_MODULE, NO_PACKAGE, PROJECT, TESTS
from nox_pex.project.left_out import IGNORED, LeftOut, as_record, from_record, messages, report, table
from nox_pex.settings.model import Sources
from nox_pex.system.outside_text import message

SHIPPED = ("main.py", "app/__init__.py", "app/deep/x.py")
KEY_NAME = "tool.nox-pex.binary.shop.sources"


def entries(
    reasons: dict[str, str], *, projects: tuple[str, ...] = (), others: tuple[LeftOut, ...] = ()
) -> tuple[LeftOut, ...]:
    return report(reasons, shipped=SHIPPED, projects=projects, others=others)


def said(found: tuple[LeftOut, ...], chosen: Sources | None = None) -> list[str]:
    found_messages = messages(found, chosen or Sources(), key=KEY_NAME, record="dist/shop.pex.json")
    return [message(text) for text in found_messages]


def test_the_outermost_directory_of_which_nothing_ships_is_one_entry() -> None:
    found = entries({"templates/b.html": NO_PACKAGE, "templates/deep/a.html": NO_PACKAGE, "settings.ini": NO_MODULE})
    assert [str(entry) for entry in found] == ["settings.ini (no module)", "templates/ (in no package)"]
    assert [entry.include for entry in found] == ["settings.ini", "templates/"]
    assert all(entry.offered for entry in found)


def test_in_a_package_an_ignored_directory_is_an_entry_and_each_key() -> None:
    found = entries({"app/static/a.css": IGNORED, "app/local.py": IGNORED, "app/keys/a.pem": KEY, "app/b.pem": KEY})
    assert [entry.path for entry in found] == ["app/b.pem", "app/keys/a.pem", "app/local.py", "app/static/"]
    assert not any(entry.offered for entry in found)


def test_a_separate_project_is_an_entry_wherever_it_is() -> None:
    found = entries({"libs/shelf/x.py": PROJECT, "app/tool/x.py": PROJECT}, projects=("libs/shelf", "app/tool"))
    assert [str(entry) for entry in found] == ["app/tool/ (a separate project)", "libs/shelf/ (a separate project)"]


def test_a_directory_with_a_key_is_not_offered() -> None:
    (found,) = entries({"certs/README": NO_PACKAGE, "certs/x.txt": NO_PACKAGE, "certs/server.key": KEY})
    assert str(found) == "certs/ (in no package, with a private key, by its name)"
    assert not found.offered


def test_a_directory_of_which_a_person_chose_a_file_is_not_offered() -> None:
    (found,) = report({"app/x.txt": NO_PACKAGE}, shipped=["app/y.txt"], projects=(), others=())
    assert (found.path, found.offered) == ("app/x.txt", False)


def test_what_no_pattern_can_include_has_none() -> None:
    found = LeftOut(path="shared", reason="a link that leads out of the project")
    assert entries({}, others=(found,)) == (found,)
    assert as_record(found) == {"path": "shared", "reason": "a link that leads out of the project"}


@pytest.mark.parametrize(
    ("path", "pattern"),
    [('odd [1] "ü".txt', 'odd [[]1] "ü".txt'), ("!x", "\\!x"), ("a\\b", "a\\\\b"), ("x?/", "x[?]/")],
)
def test_the_pattern_matches_the_path_and_no_other(path: str, pattern: str) -> None:
    (found,) = entries({f"{path}y" if path.endswith("/") else path: NO_MODULE})
    assert found.include == pattern


def test_the_pattern_is_tied_to_the_root_if_it_would_match_elsewhere() -> None:
    found = entries({"config/a.ini": NO_PACKAGE, "deploy/config/b.ini": NO_PACKAGE})
    assert [entry.include for entry in found] == ["/config/", "deploy/"]


def test_one_table_says_what_to_include_and_keeps_the_present_settings() -> None:
    found = entries({"templates/a.html": NO_PACKAGE, 'q"u\n': NO_MODULE, "tests/x.py": TESTS, "app/l.py": IGNORED})
    chosen = Sources(root="src", include=("static/",), exclude=("*.log",))
    first, second = said(found, chosen)
    assert first.startswith('left out: q"u\\n (no module), templates/ (in no package); to ship what is needed, ')
    assert "in place of the present one:\n" in first
    parsed = tomllib.loads(first.partition(":\n")[2])["tool"]["nox-pex"]["binary"]["shop"]["sources"]
    assert parsed == {"root": "src", "include": ["static/", 'q"u\n', "templates/"], "exclude": ["*.log"]}
    assert second == "left out too: app/l.py (Git ignores it), tests/ (tests)"


def test_without_settings_the_table_is_new() -> None:
    (line,) = said(entries({"templates/a.html": NO_PACKAGE}))
    assert line == (
        "left out: templates/ (in no package); to ship what is needed, paste this table into pyproject.toml:\n"
        '[tool.nox-pex.binary.shop.sources]\ninclude = ["templates/"]'
    )
    assert said(entries({"tests/x.py": TESTS})) == ["left out: tests/ (tests)"]
    assert said(()) == []


def test_a_long_report_is_cut_and_names_the_record() -> None:
    found = entries({f"{number:03}.csv": NO_MODULE for number in range(200)})
    (line,) = said(found)
    assert "011.csv (no module) and 88 more, all in dist/shop.pex.json; " in line
    assert (
        len(tomllib.loads(line.partition(":\n")[2])["tool"]["nox-pex"]["binary"]["shop"]["sources"]["include"]) == 100
    )


def test_the_record_gives_the_entries_back() -> None:
    found = entries({"templates/a.html": NO_PACKAGE}, others=(LeftOut(path="shared", reason="a link"),))
    record = {"left-out": [as_record(entry) for entry in found]}
    assert [(entry.path, entry.reason, entry.include) for entry in from_record(record)] == [
        ("shared", "a link", None),
        ("templates/", "in no package", "templates/"),
    ]
    for broken in ({}, {"left-out": ["templates/"]}, {"left-out": 3}):
        assert from_record(broken) == ()


def test_a_table_without_patterns_has_only_its_name() -> None:
    assert table(Sources(), (), key="a.b") == "[a.b]"
