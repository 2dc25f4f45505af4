from __future__ import annotations

import pytest

from nox_pex.distributions.entry_points import Script, entry_points, parse_entry_points, scripts_of
from nox_pex.distributions.environment import Environment
from tests.unit.distributions.conftest import install_distribution


def test_the_entry_points_of_an_installed_distribution_are_read_by_group(environment: Environment) -> None:
    info = install_distribution(environment, "alpha")
    distribution = environment.distributions()[0]
    assert entry_points(distribution) == {}
    text = "[console_scripts]\nRun-It = alpha:main [extra]\nother=alpha:other\n[gui_scripts]\nw = alpha:w\n"
    (info / "entry_points.txt").write_text(text, "utf-8")
    assert entry_points(distribution) == {"Run-It": "alpha:main [extra]", "other": "alpha:other"}
    assert entry_points(distribution, "gui_scripts") == {"w": "alpha:w"}


def test_a_percent_sign_a_colon_and_a_repeated_name_are_accepted() -> None:
    text = "[a]\nx = 100%\ny:z = m:f\nx = 2%\n"
    assert parse_entry_points(text, "a") == {"x": "2%", "y:z": "m:f"}
    assert parse_entry_points(text, "b") == {}


@pytest.mark.parametrize("text", ["x = a:b\n", "[a]\nno delimiter\n", "\x00"])
def test_a_text_in_another_format_has_no_entry_points(text: str) -> None:
    assert parse_entry_points(text, "a") == {}


def test_scripts_are_generated_from_two_groups_or_are_files_and_console_scripts_come_first() -> None:
    text = "[console_scripts]\nrun = a:run\n[gui_scripts]\nrun = a:gui\nshow = a:show\n[other]\nx = a:x\n"
    files = ["run", "show", "tool.sh", "__pycache__/tool.pyc"]
    assert set(scripts_of("a", entry_points=text, files=files)) == {
        Script(name="run", distribution="a", reference="a:run"),
        Script(name="show", distribution="a", reference="a:show"),
        Script(name="tool.sh", distribution="a"),
    }
