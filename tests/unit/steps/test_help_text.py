"""The explanation of the arguments."""

from __future__ import annotations

import pytest

from nox_pex.steps import help_text, table
from nox_pex.steps.arguments import OPTIONS, parse
from nox_pex.steps.help_text import _EXAMPLES
from tests.unit.steps.test_arguments import HERE

STEPS = table.STEPS


def lines(*steps: str, binaries: tuple[str, ...] = (), width: int = 80) -> list[str]:
    return list(help_text.lines({step: STEPS[step] for step in steps}, binaries, width=width))


def test_a_session_has_its_line_its_names_its_options_and_examples() -> None:
    assert lines("cache-key") == [
        "usage  nox -s cache-key -- [options]",
        "",
        "cache-key  Print a key for CI caches, made from the lock, the Python and the",
        "           tool versions.",
        "",
        "  --help             explain these arguments, and do nothing else",
    ]
    heads = [line for line in lines("smoke", "diff") if line.startswith(("smoke ", "diff "))]
    assert {line.index(line.split(maxsplit=1)[1]) for line in heads} == {len("smoke  ")}, "they are a column"
    shown = lines("pex", binaries=("api", "worker"))
    assert "  NAME               work on these binaries only: api, worker (default: all)" in shown
    assert [line.split()[0] for line in shown if line.startswith("  --")] == ["--force", "--jobs", "--help"]
    assert shown[-3:] == ["examples", "  nox -s pex -- api", "  nox -s pex -- --force"]


@pytest.mark.parametrize("step", STEPS)
def test_exactly_the_options_that_the_session_can_use_are_explained(step: str) -> None:
    shown = [line.split()[0].removeprefix("--") for line in lines(step) if line.startswith("  --")]
    usable = table.options(STEPS[step]) | {"help"}
    assert shown == [option.name for option in OPTIONS if option.name in usable]


@pytest.mark.parametrize("width", [0, 20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    shown = lines(*STEPS, binaries=("a" * 10, "b" * 10), width=width)
    examples = shown.index("examples")
    assert max(map(len, shown[1:examples])) <= max(width, 40)


@pytest.mark.parametrize(("step", "example"), [(step, each) for step, found in _EXAMPLES.items() for each in found])
def test_each_example_can_be_used(step: str, example: str) -> None:
    given = parse(example.format(name="api").split(), invoked_from=HERE)
    assert set(given.given) <= table.options(STEPS[step])
