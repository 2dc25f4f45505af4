from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Target
from nox_pex.steps.each_binary import each_binary
from nox_pex.steps.journal import Journal, Place, cause_of
from nox_pex.steps.outcome import Note, Part
from tests.unit.steps.conftest import MakeContext

HERE = Place(label="shop", root=Path("/src/shop"), checkout=Path("/src"))


def mask(text: str) -> str:
    return text.replace("hunter2", "****")


def test_each_binary_has_an_outcome_with_what_its_step_noted(make_context: MakeContext) -> None:
    context = make_context()

    def work(target: Target) -> None:
        context.journal.note(target.stem, Note(size=5, parts=(Part(name="cold", result="passed"),)))
        if target.name == "worker":
            raise NoxPexError("crashed", "it ended", "see its log", log=("bye",))

    with context.journal.during("smoke", HERE, mask=context.secrets.mask), pytest.raises(NoxPexError):
        each_binary(context, work)
    found = {each.binary: each for each in context.journal.outcomes}
    assert {name: each.result for name, each in found.items()} == {
        "api": "passed",
        "worker": "failed",
        "cron": "passed",
    }
    assert {(each.project, each.step, each.size, len(each.parts)) for each in found.values()} == {
        ("shop", "smoke", 5, 1)
    }
    cause = found["worker"].cause
    assert cause is not None
    assert (cause.code, cause.problem, cause.log, cause.subject) == ("crashed", "it ended", ("bye",), "worker")


def test_a_failure_is_reported_once_however_often_it_arrives() -> None:
    journal, error = Journal(), NoxPexError("lock-stale", "the lock is old", "run `poetry lock`")
    with pytest.raises(NoxPexError), journal.during("install", HERE, mask=mask):
        raise error
    journal.failed(error.masked(mask), "install", HERE)
    assert [(each.step, each.binary, each.result) for each in journal.outcomes] == [("install", "", "failed")]
    journal.failed(error, "install", HERE._replace(label="other"))
    assert [each.name for each in journal.outcomes] == ["shop", "other"]


def test_failures_that_were_found_together_are_outcomes_of_their_own() -> None:
    journal = Journal()
    both = NoxPexError.together([NoxPexError("config", "one", "fix it"), NoxPexError("config", "two", "fix it")])
    journal.failed(both, "install", HERE)
    assert [each.explanation for each in journal.outcomes] == ["config: one", "config: two"]


def test_a_step_that_comes_back_to_a_binary_replaces_its_outcome() -> None:
    journal = Journal()
    with journal.during("push", HERE, mask=mask):
        journal.ended("api", error=None, mask=mask, seconds=1.0)
        journal.ended("api", error=NoxPexError("registry", "no", "try again"), mask=mask, seconds=2.0)
    assert [(each.result, each.seconds) for each in journal.outcomes] == [("failed", 2.0)]


def test_every_text_is_masked_escaped_and_cut() -> None:
    nasty = "hunter2\n::error::\x1b[2J"
    error = NoxPexError("crashed", nasty, nasty, log=(nasty,), by_hand=nasty, rows=(("got", nasty),), subject=nasty)
    journal = Journal()
    with journal.during("smoke", HERE, mask=mask):
        journal.note("api", Note(reason=nasty, file=nasty, parts=(Part(name=nasty, result="failed", text=nasty),)))
        journal.ended("api", error=error, mask=mask, seconds=0.0)
    shown = repr(journal.outcomes)
    assert "hunter2" not in shown
    (outcome,) = journal.outcomes
    assert outcome.cause is not None
    for text in (outcome.reason, outcome.file, outcome.parts[0].text, outcome.cause.problem, outcome.cause.by_hand):
        assert text == r"****\n::error::\x1b[2J"
    long = cause_of(NoxPexError("crashed", "x" * 10_000, "y", log=("z" * 10_000,) * 500), HERE, mask=mask)
    assert len(long.problem) < 2100
    assert sum(map(len, long.log)) < 100_000


@pytest.mark.parametrize(
    ("code", "problem", "file", "line"),
    [
        ("config", "/src/shop/pyproject.toml:7: tool.nox-pex.x: unknown key", "shop/pyproject.toml", 7),
        ("config", "/src/nox-pex.toml: binary: no table", "nox-pex.toml", 0),
        ("config", "/elsewhere/pyproject.toml:7: x", "", 7),
        ("lock-stale", "the lock is old", "shop/poetry.lock", 0),
        ("crashed", "it ended", "", 0),
    ],
)
def test_a_cause_names_the_place_in_the_checkout(code: str, problem: str, file: str, line: int) -> None:
    cause = cause_of(NoxPexError(code, problem, "fix /src/shop/x"), HERE, mask=mask)  # type: ignore[arg-type]  # a code
    assert (cause.file, cause.line, cause.remedy) == (file, line, "fix shop/x")
