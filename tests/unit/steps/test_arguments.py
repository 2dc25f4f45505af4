from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.steps.arguments import OPTIONS, Arguments, Option, parse, select_binaries

HERE = Path("/here")


def usage_error(*posargs: str) -> NoxPexError:
    with pytest.raises(NoxPexError) as caught:
        parse(posargs, invoked_from=HERE)
    assert caught.value.code == "usage"
    return caught.value


def test_without_arguments_every_option_has_its_default() -> None:
    assert parse([], invoked_from=HERE) == Arguments()


def test_names_and_options_in_any_order() -> None:
    found = parse(["api", "--force", "worker", "--timeout", "2.5", "api", "--port=80", "--keep"], invoked_from=HERE)
    assert found == Arguments(names=("api", "worker"), force=True, timeout=2.5, port=80, keep=True)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_each_option_is_a_field_of_the_arguments(option: Option) -> None:
    field = option.name.replace("-", "_")
    text = "cold" if field == "only" else "7"
    given = parse([f"--{option.name}", *([text] if option.value else [])], invoked_from=HERE)
    value = HERE / "7" if field in ("binary", "key", "against") else option.convert(text) if option.value else True
    expected: dict[str, Any] = {field: value}
    assert given == Arguments(**expected)


@pytest.mark.parametrize(("given", "path"), [("dist/x.pex", HERE / "dist/x.pex"), ("/abs/x.pex", Path("/abs/x.pex"))])
def test_a_path_is_relative_to_the_directory_that_nox_was_called_in(given: str, path: Path) -> None:
    assert parse(["--binary", given], invoked_from=HERE).binary == path


@pytest.mark.parametrize(("given", "jobs"), [("1", 1), ("2", 2), ("16", 16)])
def test_jobs_are_at_least_one(given: str, jobs: int) -> None:
    assert parse(["--jobs", given], invoked_from=HERE).jobs == jobs


@pytest.mark.parametrize("given", ["0", "-1", "many", "1.5", ""])
def test_a_number_of_jobs_that_makes_no_sense_is_refused(given: str) -> None:
    assert usage_error(f"--jobs={given}").problem == f"argument --jobs: {given!r} is not a positive whole number"


@pytest.mark.parametrize(
    ("posargs", "problem"),
    [
        (["--forse"], "there is no option '--forse'"),
        (["--forc"], "there is no option '--forc'"),
        (["api", "--helpp=1", "--wrong"], "there is no option '--helpp'"),
        (["-x"], "there is no option '-x'"),
        (["--force=1"], "argument --force: it takes no value, got '1'"),
        (["--port=1", "--port", "2"], "--port is given 2 times"),
        (["--port", "eighty"], "argument --port: 'eighty' is not a port from 1 to 65535"),
        (["--timeout", "soon"], "argument --timeout: 'soon' is not a number of seconds above 0, up to 86400 (a day)"),
        (["--binary"], "argument --binary: expected one argument"),
    ],
)
def test_an_argument_that_cannot_be_used_is_one_line(
    posargs: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = usage_error(*posargs)
    assert error.problem == problem
    assert error.remedy.endswith("`nox -s SESSION -- --help` lists the arguments")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (Arguments(), None),
        (Arguments(force=True, names=("api",)), None),
        (Arguments(binary=Path("/dist/x.pex")), "--binary /dist/x.pex"),
        (Arguments(from_source=True), "--from-source"),
        (Arguments(binary=Path("/dist/x.pex"), from_source=True), "--binary /dist/x.pex"),
    ],
)
def test_a_finished_binary_is_the_reason_to_build_none(arguments: Arguments, reason: str | None) -> None:
    assert arguments.skip_build_reason == reason


@pytest.mark.parametrize(
    ("unknown", "near"), [("--helpp", "--help"), ("--binray=x", "--binary"), ("--zzz", None), ("-x", None)]
)
def test_an_unknown_option_suggests_the_nearest(unknown: str, near: str | None) -> None:
    assert ("did you mean" in usage_error(unknown).remedy) is (near is not None)
    assert near is None or f"(did you mean {near}?)" in usage_error(unknown).remedy


def test_the_given_options_are_named_in_their_order() -> None:
    assert parse(["--keep", "--force", "api", "--port=1"], invoked_from=HERE).given == ("force", "keep", "port")
    assert Arguments().given == ()


def test_help_has_a_short_form() -> None:
    assert parse(["-h"], invoked_from=HERE) == parse(["--help"], invoked_from=HERE) == Arguments(help=True)


def test_a_binary_of_another_project_may_be_named() -> None:
    assert select_binaries(Arguments(names=("cron",)), ("api",), elsewhere={"cron"}) == ()


def test_the_names_select_binaries_in_the_order_of_the_settings() -> None:
    known = ("api", "worker", "cron")
    assert select_binaries(Arguments(), known) == known
    assert select_binaries(Arguments(names=("cron", "api")), known) == ("api", "cron")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("wroker", "correct the name (did you mean 'worker'?); `nox"), ("zzz", "there are api, worker; `nox")],
)
def test_an_unknown_binary_is_refused(name: str, remedy: str) -> None:
    with pytest.raises(NoxPexError) as caught:
        select_binaries(Arguments(names=("api", name)), ("api", "worker"))
    assert caught.value.code == "usage"
    assert caught.value.problem == f"no binary is called {name!r}"
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    "argument",
    [
        *("--binary=", "--binary=a\0b", "--timeout=nan", "--timeout=inf", "--timeout=-1", "--timeout=0", "--timeout=x"),
        *("--port=0", "--port=65536", "--port=-1", f"--port={'9' * 5000}", "--port=²", f"--jobs={'9' * 5000}"),
        *("--only=", "--only=hot", "--image=", "--image=a\nb", "--image=-v", "--x\x1b[31m\n\udcff", "--python"),
    ],
)
def test_nonsense_is_refused_in_one_short_printable_line(argument: str) -> None:
    with pytest.raises(NoxPexError) as caught:
        parse([argument], invoked_from=Path("/here"))
    assert caught.value.code == "usage"
    assert str(caught.value).isprintable()
    assert len(caught.value.problem) < 200
