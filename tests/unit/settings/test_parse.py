from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings.model import Binary, Settings
from nox_pex.settings.parse import is_declared, parse
from tests.support.settings import SERVICE, all_refused, parsed


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


def test_all_problems_are_reported_at_once() -> None:
    text = f"""
        [tool.nox-pex]
        grups = []
        secrets = 3
        [tool.nox-pex.binary.a]
        script = "x"
        executable = "y"
        layout = "zip"
        interpreter-constraints = ["a"]
        smoke.stop-signal = "NONE"
        smoke.http = [{{ status = 999 }}]
        [tool.nox-pex.binary."b c"]
        script = "x"
        {SERVICE}
    """
    assert [line.partition(": ")[0] for line in all_refused(text)] == [
        *(".grups", ".secrets", ".binary.a.layout"),
        *(".binary.a.smoke.http[0]", ".binary.a.smoke.http[0].status", ".binary.a.smoke.stop-signal"),
        *(".binary.a", ".binary.a.interpreter-constraints", '.binary."b c"'),
    ]


def test_a_problem_that_may_only_follow_from_another_is_not_reported() -> None:
    assert len(all_refused("[tool.nox-pex.binary.a]\nscript = 3")) == 1
    assert len(all_refused("[tool.nox-pex.binary.a]\nscipt = 'x'")) == 1
    assert len(all_refused(f"{SERVICE}smoke.conditions = ['hot']")) == 1


def test_each_problem_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(f"{SERVICE}layout = 'zip'\ncompress = 3\n\n[tool.nox-pex.binary.b]\n", "utf-8")
    with pytest.raises(NoxPexError) as caught:
        parse(tomllib.loads(file.read_text("utf-8")), file=str(file), project_name="a", scripts=())
    problems = [caught.value, *caught.value.others]
    assert [each.problem.removeprefix(f"{file}:").partition(":")[0] for each in problems] == ["3", "4", "6"]
    assert len([line for line in caught.value.lines if "error[" in line]) == 1
    assert caught.value.lines[-1] == str(caught.value)


@pytest.mark.parametrize(
    "table",
    [
        *("tool.nox_pex", "tool.noxpex", "tool.nox-pexx", "tool.Nox-Pex", "tool.nox-pec", "tool.nxo-pex"),
        *("tool.nox.pex", "nox-pex", "nox_pex", "tool-nox-pex", 'tool."nox-pex.binary.a"'),
    ],
)
def test_a_misspelt_table_is_an_error_even_next_to_the_right_one(table: str) -> None:
    for text in (f"[{table}]\noutput-dir = 'out'", f"[{table}]\noutput-dir = 'out'\n{SERVICE}"):
        with pytest.raises(NoxPexError) as caught:
            parsed(text)
        assert str(caught.value) == (
            f"error[config]: pyproject.toml: {table}: unknown table, which nothing reads; "
            "rename it to tool.nox-pex, as in [tool.nox-pex]"
        )
        assert not caught.value.others


def test_tables_of_other_tools_are_no_misspellings() -> None:
    for name in ("nox", "pex", "nox-poetry", "pixi", "poetry", "pex-tools", "next", "noxfile"):
        assert parsed(f"[tool.{name}]\nx = 1\n{SERVICE}").binary
