"""Arguments that no session of a run can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nox_pex.steps import table, usable
from nox_pex.steps.arguments import OPTIONS, Arguments

STEPS = table.STEPS


def problems(*steps: str, **arguments: Any) -> list[tuple[str, str]]:
    found = usable.problems(Arguments(**arguments), [STEPS[step] for step in steps])
    return [(error.problem, error.remedy) for error in found]


def test_an_option_of_another_session_names_that_session() -> None:
    assert problems("pex", only="warm") == [
        ("no session of this run uses --only", "omit it, or run `nox -s smoke -- --only CONDITION`")
    ]
    assert problems("pex", "smoke", key=Path("k"), deep=True) == [
        ("no session of this run uses --deep", "omit it, or run `nox -s verify -- --deep`"),
        (
            "no session of this run uses --key",
            "omit it, or run `nox -s attest -- --key PATH` or `nox -s push -- --key PATH`",
        ),
    ]


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.name)
def test_every_option_of_a_session_and_of_those_that_it_needs_can_be_used(step: table.Step) -> None:
    values = {"binary": Path("x"), "key": Path("x"), "jobs": 2, "only": "warm", "image": "x", "port": 1, "timeout": 1.0}
    for option in OPTIONS:
        if option.name in table.options(step):
            field = option.name.replace("-", "_")
            assert problems(step.name, **{field: values.get(field, True)}) == []


def test_all_options_can_be_used_if_the_run_is_not_known() -> None:
    assert problems(*STEPS, only="warm", deep=True, dry_run=True, force=True, help=True) == []


def test_a_name_needs_a_session_that_works_by_binary() -> None:
    assert problems("cache-key", names=("api",)) == [
        ("'api' names a binary, and cache-key does not work by binary", "omit the name")
    ]
    assert problems("cache-key", "pex", names=("api",)) == []


def test_options_that_exclude_each_other_are_refused() -> None:
    assert problems("push", key=Path("k"), no_evidence=True) == [
        ("--key signs statements, and --no-evidence makes none", "omit one of them")
    ]
    assert problems("image", binary=Path("b"), from_source=True) == [
        ("--binary names a finished file, and --from-source builds one", "omit one of them")
    ]
