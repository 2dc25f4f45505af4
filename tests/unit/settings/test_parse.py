from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings.model import Binary, Settings
from nox_pex.settings.parse import is_declared
from tests.support.settings import SERVICE, parsed


def test_keys_that_are_not_written_have_their_defaults() -> None:
    assert parsed(SERVICE) == Settings(binary={"service": Binary(script="uvicorn")})
    assert parsed(SERVICE).output_dir == Path("dist")
    assert parsed(SERVICE).groups == ("main",)


def test_the_tables_of_other_tools_are_ignored() -> None:
    assert parsed(f"[tool.other]\nx = 1\n{SERVICE}").binary


def test_only_the_projects_own_table_declares_a_binary() -> None:
    document = tomllib.loads(SERVICE)
    assert is_declared(document, "service")
    assert not is_declared(document, "worker")
    assert not is_declared({}, "service")


def test_without_a_table_the_only_script_is_that_of_the_only_binary() -> None:
    settings = parsed("", scripts={"serve": "app.main:run"})
    assert settings.binary == {"my-app": Binary(script="serve")}
    assert parsed("[tool.nox-pex.binary]\n", scripts={"serve": "app.main:run"}) == settings


@pytest.mark.parametrize(
    ("scripts", "name", "line"),
    [
        (
            {},
            "My_App",
            'under it the line entry-point = "MODULE:FUNCTION", or script = "…" for the script of a dependency',
        ),
        (
            {"serve": "a:b", "admin": "a:c"},
            "My_App",
            '(admin, serve) to choose from; add [tool.nox-pex.binary.my-app], and under it the line script = "admin"',
        ),
        (
            {"administer-my-app": "a:b", "my-app": "a:b"},
            "My_App",
            'add [tool.nox-pex.binary.my-app], and under it the line script = "my-app"',
        ),
        (
            {"serve": "a:b"},
            None,
            'add [tool.nox-pex.binary.NAME], and under it the line script = "serve"',
        ),
    ],
)
def test_without_a_table_and_exactly_one_script_the_error_shows_the_table_to_add(
    scripts: dict[str, str], name: str | None, line: str
) -> None:
    with pytest.raises(NoxPexError) as caught:
        parsed("", project_name=name, scripts=scripts)
    assert caught.value.code == "entry-missing"
    assert str(caught.value).endswith(line)


@pytest.mark.parametrize(
    ("scripts", "found"),
    [({}, "no script to use instead"), ({"serve": "a:b"}, "1 script (serve) to choose from")],
)
def test_without_a_table_and_exactly_one_script_the_error_says_what_the_project_has(
    scripts: dict[str, str], found: str
) -> None:
    with pytest.raises(NoxPexError) as caught:
        parsed("", project_name=None, scripts=scripts)
    expected = f"pyproject.toml has no [tool.nox-pex.binary.NAME] table, and the project has {found}"
    assert caught.value.problem == expected
