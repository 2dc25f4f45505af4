from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import invoke.context
import pytest
from invoke.collection import Collection
from invoke.config import Config
from invoke.exceptions import Exit

from nox_pex import invoke as front
from nox_pex.errors import NoxPexError
from nox_pex.steps import frontend
from nox_pex.steps.table import STEPS, Step
from nox_pex.system import withheld


class Asked:
    """The contexts that the front end asks for, and the steps in each."""

    def __init__(self) -> None:
        self.contexts: list[dict[str, Any]] = []
        self.steps: list[tuple[str | None, str]] = []
        self.fails: Callable[[Step], bool] = lambda _step: False

    def context_of(self, directory: Path, **given: Any) -> Any:
        self.contexts.append({"directory": directory, **given})
        return SimpleNamespace(python=given["python"], steps=set())

    def perform(self, step: Step, context: Any) -> None:
        self.steps.append((context.python, step.name))
        if self.fails(step):
            raise NoxPexError("leak", f"{step.name} of {context.python}", "stop it", log=("the log",))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    monkeypatch.chdir(tmp_path)
    fake = Asked()
    monkeypatch.setattr(frontend, "context_of", fake.context_of)
    monkeypatch.setattr(frontend, "perform", fake.perform)
    monkeypatch.setattr(frontend, "find_problems", lambda _context, _steps: ())
    return fake


def run(tasks: Collection, step: str, **options: Any) -> None:
    """Run a task as Invoke does, with the configuration of its collection."""
    config = Config()
    config.load_collection(tasks.configuration())
    body = tasks[step].body
    names = [name for name in body.__signature__.parameters if name != "context"]
    body(invoke.context.Context(config), **{name: {"name": [], **options}.get(name) for name in names})


def test_each_step_is_a_task_with_its_options() -> None:
    tasks = front.collection()
    assert list(tasks.tasks) == list(STEPS)
    for name, step in STEPS.items():
        assert tasks[name].__doc__ == step.help
        assert "name" in tasks[name].help or not step.by_binary
    assert set(tasks["verify"].help) == {"name", "force", "jobs", "binary", "deep"}
    assert set(tasks["cache-key"].help) == set()
    assert front.ns.configuration()["nox-pex"] == {"project": ".", "python": None, "state": ".nox"}


def test_tasks_of_two_projects_differ_although_their_code_is_the_same() -> None:
    api, worker = front.collection("api")["pex"], front.collection("worker")["pex"]
    assert api != worker
    assert api == api  # noqa: PLR0124  # equality with itself is what is tested
    assert len({api, worker}) == 2


def test_a_task_runs_the_steps_that_it_needs(asked: Asked, tmp_path: Path) -> None:
    run(front.collection("services/api"), "smoke")
    assert asked.steps == [(None, name) for name in ("install", "freeze", "pex", "smoke")]
    (context,) = asked.contexts
    assert (context["directory"], context["work"]) == (tmp_path / "services/api", tmp_path / ".nox")
    assert (context["suffix"], context["posargs"], context["invoked_from"]) == ("", [], tmp_path)


def test_the_options_are_the_arguments_of_nox(asked: Asked) -> None:
    run(front.collection(), "smoke", name=["api", "worker"], force=True, timeout="2.5", keep=False, port="0")
    assert asked.contexts[0]["posargs"] == ["api", "worker", "--force", "--timeout=2.5", "--port=0"]


def test_each_python_is_worked_on_and_a_failure_stops_no_other(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    asked.fails = lambda step: step.name == "install"
    with pytest.raises(Exit) as caught:
        run(front.collection(python=["3.11", "3.12"]), "freeze")
    assert asked.steps == [("3.11", "install"), ("3.12", "install")]
    assert [context["suffix"] for context in asked.contexts] == ["-py3.11", "-py3.12"]
    assert (caught.value.code, caught.value.message) == (1, "error[leak]: install of 3.12; stop it")
    block = (
        "FAILED    freeze\nits log   | the log\nsee       https://nox-pex.readthedocs.io/en/latest/errors.html#leak\n"
    )
    assert capsys.readouterr() == ("", f"{block}error[leak]: install of 3.11; stop it\n{block}")


def test_an_error_names_the_tasks_and_not_the_sessions_of_nox(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def perform(_step: Step, _context: Any) -> None:
        raise NoxPexError(
            "no-lock", "there is no lock", "run `nox -s lock -- --force` or `nox -s pex -- api`, not `nox -s x`"
        )

    monkeypatch.setattr(frontend, "perform", perform)
    with pytest.raises(Exit, match=r"run `inv lock --force` or `inv pex --name=api`, not `nox -s x`$"):
        run(front.collection(), "pex")
    assert asked.contexts[0]["named"]("again: `nox -s diff`") == "again: `inv diff`"


def test_a_missing_python_is_an_error_with_a_code(asked: Asked) -> None:
    run(front.collection(python="3.99"), "install")
    assert asked.contexts[0]["suffix"] == ""
    error = asked.contexts[0]["missing"]("3.99")
    assert error.code == "python-mismatch"
    assert "3.99" in error.problem


def test_the_key_is_withheld_before_any_task_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withheld, "_VALUES", {})
    monkeypatch.setenv(withheld.KEY, "canary-key")
    monkeypatch.setenv(withheld.WITHHELD, "")
    front.collection()
    assert withheld.KEY not in os.environ
    assert withheld.value(withheld.KEY) == "canary-key"
