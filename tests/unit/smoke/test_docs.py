"""The examples in `docs/smoke.md` work, and the page is complete."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from nox_pex import smoke
from nox_pex.errors import CODES
from nox_pex.settings import parse
from nox_pex.settings.smoke import Condition
from nox_pex.smoke.plan import Options, plan_boots
from nox_pex.steps import arguments

TEXT = (Path(__file__).parents[3] / "docs" / "smoke.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SETTINGS = [block for kind, block in BLOCKS if kind == "toml"]
CODES_OF_SMOKE = tuple(CODES)[tuple(CODES).index("launch-failed") : tuple(CODES).index("engine-missing")]


@pytest.mark.parametrize("block", SETTINGS)
def test_the_settings_in_the_examples_are_valid(block: str) -> None:
    parsed = parse.parse(tomllib.loads(block), file="docs/smoke.md", project_name=None, scripts={})
    for binary in parsed.binary.values():
        assert binary.smoke is not None
        assert plan_boots(binary.smoke, None)
        assert binary.smoke.http or binary.smoke.tcp or binary.smoke.command


def test_there_are_examples_of_the_main_keys() -> None:
    assert len(SETTINGS) >= 5
    for key in ("before", "after", "pass-env", "stdin", "json-path", "unix-socket", "skips", "conditions", "budget"):
        assert key in TEXT


def test_the_python_example_calls_launch_correctly() -> None:
    (block,) = [block for kind, block in BLOCKS if kind == "python"]
    compile(block, "docs/smoke.md", "exec")
    used = set(re.findall(r"^        (\w+)=", block, re.MULTILINE))
    assert used
    assert used <= set(inspect.signature(smoke.launch).parameters)


def test_every_code_is_explained() -> None:
    rows = re.findall(r"^\| \[`([a-z-]+)`\]\(errors\.md#([a-z-]+)\) \| .+ \| .+ \|$", TEXT, re.MULTILINE)
    assert tuple(code for code, _ in rows) == CODES_OF_SMOKE
    assert all(code == anchor for code, anchor in rows)


def test_every_condition_is_explained() -> None:
    table = TEXT[TEXT.index("| condition | what") :]
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \|$", table, re.MULTILINE)
    assert tuple(rows[: len(get_args(Condition))]) == get_args(Condition)


def test_every_argument_is_explained() -> None:
    shown = re.findall(r"^\| `nox -s smoke -- (.+?)` \|", TEXT, re.MULTILINE)
    for line in shown:
        arguments.parse(line.split(), invoked_from=Path())
    options = {f"--{name}" for name in inspect.signature(Options).parameters}
    assert options <= {argument for line in shown for argument in line.split()}
