from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.project.discovery import find_projects, labels, names_several


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for project in ("services/worker", "services/api", "services/.hidden", "tools/api", "deep/down/cron"):
        (tmp_path / project).mkdir(parents=True)
        (tmp_path / project / "pyproject.toml").touch()
    (tmp_path / "services" / "notes").mkdir()
    (tmp_path / "services" / "README").touch()
    monkeypatch.chdir(tmp_path)


def names(*patterns: str) -> list[str]:
    return [directory.as_posix() for directory in find_projects(patterns)]


def test_a_pattern_names_the_projects_that_it_matches() -> None:
    assert names("services/*") == ["services/api", "services/worker"]
    assert names("**") == ["deep/down/cron", "services/api", "services/worker", "tools/api"]


def test_a_plain_path_is_returned_as_it_is_and_each_project_once() -> None:
    assert names("services/gone", "./services/worker/", "services/*") == [
        *("services/gone", "services/worker", "services/api"),
    ]


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(NoxPexError, match=r"servises/\*") as caught:
        find_projects(["servises/*"])
    assert caught.value.code == "usage"


def test_several_projects_are_more_than_one_path_or_a_pattern() -> None:
    assert not names_several(["services/api"])
    assert names_several(["services/api", "services/worker"])
    assert names_several([Path("services/*")])


def test_a_label_is_as_much_of_the_path_as_makes_it_unique() -> None:
    directories = [Path("services/api"), Path("tools/api"), Path("services/worker"), Path("x/tools/api")]
    assert list(labels(directories).values()) == [
        *("services/api", f"{Path.cwd().name}/tools/api", "worker", "x/tools/api"),
    ]


def test_a_label_is_one_line_and_no_command() -> None:
    directory = Path("services/a\n::error::b\x1b[0m")
    assert labels([directory, Path("services/b")])[directory] == r"a\n::error::b\x1b[0m"


def test_the_label_of_the_noxfiles_directory_is_its_name() -> None:
    assert list(labels([Path(), Path("services/api")]).values()) == [Path.cwd().name, "api"]
