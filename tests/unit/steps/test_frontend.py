from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.steps import frontend, table
from nox_pex.steps.context import Context
from nox_pex.steps.table import STEPS
from nox_pex.system import locks
from nox_pex.system.outside_text import LINE_BREAK
from tests.support.shown import say_into
from tests.unit.steps.conftest import MakeContext

SECRETS = {"LICENCE": "abcde-fghij", "API_TOKEN": "ghp_0123456789"}

Load = Callable[[Callable[[Context], None]], None]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Let every step do what is given, instead of its own work."""

    def set_work(work: Callable[[Context], None]) -> None:
        monkeypatch.setattr(table, "load", lambda _step: SimpleNamespace(run=work, prepare=work))

    return set_work


def nothing(_context: Context) -> None:
    """Do no work."""


@pytest.mark.parametrize("act", [frontend.perform, frontend.prepare])
def test_secrets_in_a_failure_are_masked(make_context: MakeContext, load: Load, act: Callable[..., None]) -> None:
    def fail(_context: Context) -> None:
        raise NoxPexError("leak", "abcde-fghij is there", "ask ghp_0123456789", log=("as it was read",))

    load(fail)
    with pytest.raises(NoxPexError) as caught:
        act(STEPS["pex"], make_context(environ=SECRETS))
    assert str(caught.value) == "error[leak]: **** is there; ask ****"
    assert caught.value.log == ("as it was read",)


def test_the_log_of_a_failure_and_any_other_exception_are_masked(make_context: MakeContext, load: Load) -> None:
    context = make_context(environ=SECRETS)
    failures = [NoxPexError("leak", "a", "b", log=("x ghp_01", "23456789 y")), ValueError("abcde-fghij", 1)]

    def fail(_context: Context) -> None:
        raise failures.pop(0) from KeyError("ghp_0123456789")

    load(fail)
    with pytest.raises(NoxPexError) as caught:
        frontend.perform(STEPS["pex"], context)
    assert caught.value.log == ("x **** y",)
    with pytest.raises(ValueError, match=r"\*\*\*\*") as other:
        frontend.perform(STEPS["pex"], context)
    assert other.value.args == ("****", 1)
    assert other.value.__cause__ is not None
    assert other.value.__cause__.args == ("****",)


def test_every_line_that_a_step_shows_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LICENCE", "abcde-fghij")
    (tmp_path / "pyproject.toml").write_text('[tool.nox-pex]\nsecrets = ["LICENCE"]\n', "utf-8")  # no name: not valid
    shown: list[str] = []
    context = context_of(tmp_path, say=shown.append)
    context.say("see abcde-fghij")
    context.emit('{"a": "abcde-fghij"}')
    assert shown == ["see ****"]
    assert capsys.readouterr().out == '{"a": "****"}\n'


def test_secrets_are_masked_although_the_settings_cannot_be_read(
    make_context: MakeContext, load: Load, tmp_path: Path
) -> None:
    def fail(context: Context) -> None:
        assert context.settings.binary

    load(fail)
    context = make_context(environ=SECRETS)
    (tmp_path / "pyproject.toml").write_text("ghp_0123456789 = [", "utf-8")
    with pytest.raises(NoxPexError) as caught:
        frontend.perform(STEPS["pex"], context)
    assert caught.value.code == "config"
    assert "ghp_0123456789" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"binary": Path("/dist/api.pex")}, "--binary /dist/api.pex is used"),
        ({"from_source": True}, "--from-source is used"),
    ],
)
def test_steps_that_build_a_binary_are_skipped_for_a_finished_one(
    make_context: MakeContext, load: Load, shown: list[str], arguments: dict[str, Any], said: str
) -> None:
    ran: list[Context] = []
    load(ran.append)
    context = make_context(**arguments)
    for step in ("install", "freeze", "pex"):
        frontend.perform(STEPS[step], context)
    assert shown == [f"{step}: skipped, {said}" for step in ("install", "freeze", "pex")]
    assert ran == []
    frontend.perform(STEPS["smoke"], context)
    assert ran == [context]


@pytest.mark.parametrize(("step", "free"), [("pex", False), ("smoke", False), ("clean", True)])
def test_a_step_holds_its_project_against_a_run_that_cleans(
    make_context: MakeContext, load: Load, step: str, *, free: bool
) -> None:
    seen: list[bool] = []

    def look(context: Context) -> None:
        context.state.mkdir(parents=True, exist_ok=True)
        with locks.try_lock(context.state) as alone:
            seen.append(alone)

    load(look)
    frontend.perform(STEPS[step], make_context())
    assert seen == [free]


def test_two_steps_of_a_project_may_run_at_the_same_time(make_context: MakeContext, load: Load) -> None:
    ran: list[Context] = []

    def run_another(context: Context) -> None:
        load(ran.append)
        frontend.perform(STEPS["verify"], context)

    load(run_another)
    context = make_context()
    frontend.perform(STEPS["smoke"], context)
    assert ran == [context]


def test_a_full_disk_is_a_failure_with_a_code(make_context: MakeContext, load: Load) -> None:
    def fail(_context: Context) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "state.json")

    load(fail)
    with pytest.raises(NoxPexError) as caught:
        frontend.perform(STEPS["pex"], make_context())
    assert caught.value.code == "disk-full"


def test_only_steps_with_something_to_install_are_prepared(make_context: MakeContext, load: Load) -> None:
    ran: list[str] = []
    for step in STEPS.values():
        load(lambda _context, name=step.name: ran.append(name))  # type: ignore[misc]  # the name of this round
        frontend.prepare(step, make_context())
    assert ran == ["install", "pex", "sbom"]


def context_of(
    root: Path, *posargs: str, python: str | None = None, say: Callable[[str], None] = print, **options: Any
) -> Context:
    return frontend.context_of(
        root,
        work=root / ".nox",
        python=python,
        suffix="",
        missing=LookupError,
        posargs=posargs,
        invoked_from=root,
        say=say_into(say),
        verbose=False,
        **options,
    )


def test_the_context_of_a_project(tmp_path: Path) -> None:
    context = context_of(tmp_path, "api", "--force")
    assert context.root == tmp_path.resolve()
    assert context.state.is_relative_to((tmp_path / ".nox" / ".cache").resolve())
    assert (context.arguments.names, context.arguments.force) == (("api",), True)
    assert context.base.find() == Path(sys.executable).resolve()
    assert (tmp_path / ".nox" / ".gitignore").read_text("utf-8") == "*\n"


def test_the_steps_of_one_run_share_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of(tmp_path)
    assert context_of(tmp_path) is context
    assert context_of(tmp_path, "--force") is not context
    assert context_of(tmp_path, parallel=True) is not context
    monkeypatch.setenv("NOX_PEX_TEST", "changed")
    assert context_of(tmp_path) is not context


def test_a_directory_that_git_ignores_already_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".nox").mkdir()
    (tmp_path / ".nox" / ".gitignore").write_text("*.log\n", "utf-8")
    context_of(tmp_path)
    assert (tmp_path / ".nox" / ".gitignore").read_text("utf-8") == "*.log\n"


def test_a_secret_among_the_arguments_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "ghp_0123456789")
    with pytest.raises(NoxPexError) as caught:
        context_of(tmp_path, "--port=ghp_0123456789")
    assert caught.value.code == "usage"
    assert caught.value.problem == "argument --port: '****' is not a port from 1 to 65535"
    monkeypatch.setenv("LICENCE", "abcde-fghij")
    (tmp_path / "pyproject.toml").write_text('[tool.nox-pex]\nsecrets = ["LICENCE"]\n', "utf-8")
    with pytest.raises(NoxPexError) as caught:
        context_of(tmp_path, "--jobs=abcde-fghij")
    assert caught.value.problem == "argument --jobs: '****' is not a positive whole number"


def test_a_line_cannot_begin_another_one_or_command_a_ci_system(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = context_of(tmp_path)
    context.say("pex: sources: a\n::error::b\x1b[0m, ##[group]c, ü …")
    context.say("::error::a")
    context.say(f"paste this:{LINE_BREAK}[table]")
    assert capsys.readouterr().out.splitlines() == [
        r"pex: sources: a\n::error::b\x1b[0m, #\#[group]c, ü …",
        r":\:error::a",
        "paste this:",
        "[table]",
    ]


def test_a_named_python_is_found_as_nox_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"3.12": SimpleNamespace(executable="/python/3.12"), "odd": SimpleNamespace(executable=None)}
    monkeypatch.setenv("PYTHONPATH", ".")  # with it, a Python that is looked at would import the project's modules

    def get_interpreter(name: str, *, env: Mapping[str, str]) -> Any:
        assert "PYTHONPATH" not in env
        assert env["PATH"] == os.environ["PATH"]
        return known.get(name)

    monkeypatch.setattr(frontend, "python_discovery", SimpleNamespace(get_interpreter=get_interpreter))
    context = context_of(tmp_path, python="3.12")
    assert (context.base.name, context.base.find()) == ("3.12", Path("/python/3.12"))
    for missing in ("3.99", "odd"):
        with pytest.raises(LookupError, match=missing):
            context_of(tmp_path, python=missing).base.find()


def test_libraries_that_log_every_request_are_silent(tmp_path: Path) -> None:
    logging.getLogger("httpx2").setLevel(logging.DEBUG)
    context_of(tmp_path)
    assert logging.getLogger("httpx2").level == logging.WARNING
