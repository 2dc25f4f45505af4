from __future__ import annotations

import inspect
from typing import get_args

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.sessions import SessionName
from nox_pex.steps import table
from nox_pex.steps.table import STEPS, Step


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.name)
def test_each_step_has_a_module_with_the_functions_that_the_table_names(step: Step) -> None:
    module = table.load(step)
    assert list(inspect.signature(module.run).parameters) == ["context"]
    assert hasattr(module, "prepare") == step.prepare
    if step.prepare:
        assert list(inspect.signature(module.prepare).parameters) == ["context"]


def test_the_sessions_that_a_noxfile_can_name_are_the_steps() -> None:
    assert get_args(SessionName) == tuple(STEPS)


def test_each_step_comes_after_the_steps_that_it_needs() -> None:
    names = list(STEPS)
    for position, step in enumerate(STEPS.values()):
        assert set(step.after) <= set(names[:position])


def test_a_step_brings_the_steps_that_it_needs() -> None:
    assert [step.name for step in table.with_needed(["smoke"])] == ["install", "freeze", "pex", "smoke"]
    assert [step.name for step in table.with_needed(["verify", "smoke"])][-2:] == ["smoke", "verify"]
    assert [step.name for step in table.with_needed(["clean"])] == ["clean"]
    assert table.with_needed([]) == ()
    assert table.with_needed(None) == tuple(STEPS.values())


def test_an_unknown_session_is_refused() -> None:
    with pytest.raises(NoxPexError) as caught:
        table.with_needed(["pex", "pecks"])
    assert caught.value.code == "usage"
    assert "'pecks'" in caught.value.problem
    assert "install, freeze, pex" in caught.value.remedy


def test_a_step_knows_the_options_of_the_steps_before_it() -> None:
    assert table.options(STEPS["install"]) == {"force"}
    assert table.options(STEPS["pex"]) == {"force", "jobs"}
    assert table.options(STEPS["clean"]) == {"dry-run"}


def test_only_cleaning_excludes_other_runs_and_only_builds_are_skipped_for_a_finished_binary() -> None:
    assert [step.name for step in STEPS.values() if step.exclusive] == ["clean"]
    assert [step.name for step in STEPS.values() if step.builds_binary] == ["install", "freeze", "pex"]


def test_a_report_comes_last_and_only_what_signs_may_have_a_key() -> None:
    assert [step.name for step in STEPS.values() if step.last] == ["attest", "push", "report"]
    assert [step.name for step in STEPS.values() if step.signs] == ["attest", "push"]
    assert all("key" in step.options for step in STEPS.values() if step.signs)


def test_only_what_is_about_several_projects_asks_for_them() -> None:
    assert [step.name for step in STEPS.values() if step.surveys] == ["report", "clean"]
