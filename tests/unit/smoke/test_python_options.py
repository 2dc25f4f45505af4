"""The variables that the Python of a binary ignores, and the output that it holds back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nox_pex.settings.checks import CommandCheck
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke import python_options
from nox_pex.smoke.python_options import PythonOptions, buffer_remedy

ISOLATED = PythonOptions()
OPEN = PythonOptions(hermetic=False)
ZIPAPP = PythonOptions(is_venv=False)


def of_info(tmp_path: Path, **values: Any) -> PythonOptions | None:
    (tmp_path / "PEX-INFO").write_text(json.dumps(values), "utf-8")
    return python_options.of_binary(tmp_path)


def test_the_options_are_those_in_the_file(tmp_path: Path) -> None:
    assert of_info(tmp_path) == ZIPAPP
    assert of_info(tmp_path, venv=True, inherit_path="false", inject_python_args=[]) == ISOLATED
    assert of_info(tmp_path, venv=True, venv_hermetic_scripts=False) == OPEN
    assert of_info(tmp_path, inherit_path="fallback") == PythonOptions(is_venv=False, inherits_path=True)
    assert of_info(tmp_path, inject_python_args=3) == ZIPAPP
    assert of_info(tmp_path, venv=True, script="serve") == PythonOptions(takes_arguments=False)
    assert python_options.of_binary(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("argument", "unbuffered"), [("-u", True), ("-Ou", True), ("-uI", True), ("-Xutf8", False), ("--u", False)]
)
def test_an_option_among_others_makes_the_output_unbuffered(tmp_path: Path, argument: str, *, unbuffered: bool) -> None:
    found = of_info(tmp_path, venv=True, inject_python_args=["-O", argument])
    assert found == PythonOptions(unbuffered=unbuffered)


def test_an_isolated_python_ignores_the_variables_of_python() -> None:
    names = {"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHON_VERSION", "PYTHONTZPATH", "PYTHONSAFEPATH", "DEBUG"}
    assert ISOLATED.ignored(names) == ["PYTHONPATH", "PYTHONUNBUFFERED"]
    assert OPEN.ignored(names) == []
    assert ZIPAPP.ignored(names) == ["PYTHONPATH", "PYTHONUNBUFFERED"]
    assert ZIPAPP.ignored(names - {"PYTHONPATH"}) == []
    assert PythonOptions(is_venv=False, inherits_path=True).ignored(names) == []


def test_a_line_names_each_setting_without_effect_and_the_cause() -> None:
    smoke = Smoke(
        env={"PYTHONPATH": "extra", "DEBUG": "1"},
        pass_env=("PYTHONWARNINGS", "PYTHONHASHSEED"),
        command=(CommandCheck(), CommandCheck(env={"PYTHONUTF8": "1", "PYTHONPATH": "x"})),
    )
    lines = list(python_options.warnings(ISOLATED, smoke, environ={"PYTHONWARNINGS": "error"}, key="tool.nox-pex"))
    cause = "on the program: its Python is isolated (`venv-hermetic-scripts`); "
    assert [line.partition(cause)[0] for line in lines] == [
        "PYTHONWARNINGS in tool.nox-pex.smoke.pass-env has no effect ",
        "PYTHONPATH in tool.nox-pex.smoke.env has no effect ",
        "PYTHONPATH, PYTHONUTF8 in tool.nox-pex.smoke.command[1].env have no effect ",
    ]
    assert list(python_options.warnings(OPEN, smoke, environ={}, key="x")) == []


def test_the_remedy_for_a_full_buffer_is_one_that_works() -> None:
    assert buffer_remedy(ISOLATED, {"PYTHONUNBUFFERED": "1"}) == (
        'set inject-python-args = ["-u"] in the table of the binary (PYTHONUNBUFFERED has no effect on it)'
    )
    assert buffer_remedy(PythonOptions(takes_arguments=False), {}) == (
        'set venv-hermetic-scripts = false in the table of the binary, and PYTHONUNBUFFERED = "1" in `env`'
    )
    assert buffer_remedy(OPEN, {}) == buffer_remedy(ZIPAPP, {}) == 'set PYTHONUNBUFFERED = "1" in `env`'
    assert buffer_remedy(OPEN, {"PYTHONUNBUFFERED": "1"}) is None
    assert buffer_remedy(PythonOptions(unbuffered=True), {}) is None
