"""The examples in `docs/smoke.md` work, and the page is complete."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

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
EXAMPLES = [block for block in SETTINGS if TEXT.index(block) > TEXT.index("## Examples")]
PROJECTS = Path(__file__).parents[2] / "integration" / "servers" / "projects"
CODES_OF_SMOKE = tuple(CODES)[tuple(CODES).index("launch-failed") : tuple(CODES).index("engine-missing")]


@pytest.mark.parametrize("block", SETTINGS)
def test_the_settings_in_the_examples_are_valid(block: str) -> None:
    parsed = parse.parse(tomllib.loads(block), file="docs/smoke.md", project_name=None, scripts={})
    for binary in parsed.binary.values():
        assert binary.smoke is not None
        assert plan_boots(binary.smoke, None)
        assert binary.smoke.is_server or binary.smoke.command


@pytest.mark.parametrize("name", ["service", "site", "on-a-socket", "events", "worker", "scheduler", "report", "greet"])
def test_an_example_is_part_of_a_project_that_the_integration_tests_run(name: str) -> None:
    examples = [table for table in tables(EXAMPLES) if table.keys() == {name}]
    projects = tables(path.read_text("utf-8") for path in PROJECTS.glob("*/pyproject.toml"))
    assert examples
    for example in examples:
        assert any(is_part(example, whole) for whole in projects)


def tables(texts: Iterable[str]) -> list[dict[str, Any]]:
    """The tables of the binaries in each of the TOML texts."""
    return [tomllib.loads(text)["tool"]["nox-pex"]["binary"] for text in texts]


def is_part(example: object, whole: object) -> bool:
    """Whether each value of `example` is in `whole`: keys at the same place, elements of arrays in the same order."""
    if isinstance(example, dict) and isinstance(whole, dict):
        return all(key in whole and is_part(value, whole[key]) for key, value in example.items())
    if isinstance(example, list) and isinstance(whole, list) and all(isinstance(each, dict) for each in example):
        rest = iter(whole)
        return all(any(is_part(each, other) for other in rest) for each in example)
    return example == whole


def test_there_are_examples_of_the_main_keys() -> None:
    for key in (
        "before-all",
        "before",
        "after-all",
        "pass-env",
        "stdin",
        "json-path",
        "unix-socket",
        "skips",
        "budget",
    ):
        assert key in "".join(SETTINGS)
    for key in ("capture", "until", "follow-redirects", "matches", "soak", "log-require", "log-forbid", "conditions"):
        assert key in "".join(SETTINGS)


def test_the_python_example_calls_launch_correctly() -> None:
    (block,) = [block for kind, block in BLOCKS if kind == "python" and "launch(" in block]
    compile(block, "docs/smoke.md", "exec")
    used = set(re.findall(r"^        (\w+)=", block, re.MULTILINE))
    assert used
    assert used <= set(inspect.signature(smoke.launch).parameters)


def test_every_code_is_explained() -> None:
    rows = re.findall(r"^\| \[`([a-z-]+)`\]\(errors\.md#([a-z-]+)\) \| .+ \|$", TEXT, re.MULTILINE)
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
