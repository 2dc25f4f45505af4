from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.steps.arguments import Arguments, parse, select_binaries

HERE = Path("/here")


def test_no_words() -> None:
    assert parse([], invoked_from=HERE) == Arguments()


def test_names_and_flags_in_any_order() -> None:
    found = parse(["api", "--force", "worker", "--timeout", "2.5", "api", "--port=80", "--keep"], invoked_from=HERE)
    assert found == Arguments(names=("api", "worker"), force=True, timeout=2.5, port=80, keep=True)


@pytest.mark.parametrize(("given", "taken"), [("dist/x.pex", HERE / "dist/x.pex"), ("/abs/x.pex", Path("/abs/x.pex"))])
def test_a_path_is_taken_from_where_nox_was_called(given: str, taken: Path) -> None:
    assert parse(["--binary", given], invoked_from=HERE).binary == taken


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--forse"], "--forse"),
        (["--forc"], "--forc"),
        (["--port", "eighty"], "--port"),
        (["--jobs", "0"], "--jobs"),
        (["--binary"], "--binary"),
        (["-x"], "-x"),
    ],
)
def test_a_word_that_none_knows(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NoxPexError) as caught:
        parse(words, invoked_from=HERE)
    assert caught.value.code == "usage"
    assert said in caught.value.problem
    assert "[--force]" in caught.value.remedy
    assert capsys.readouterr() == ("", "")


def test_the_binaries_that_are_meant() -> None:
    known = ("api", "worker", "cron")
    assert select_binaries(Arguments(), known) == known
    assert select_binaries(Arguments(names=("cron", "api")), known) == ("api", "cron")


@pytest.mark.parametrize(("name", "said"), [("wroker", "did you mean 'worker'"), ("zzz", "there are api, worker")])
def test_a_binary_that_is_not_there(name: str, said: str) -> None:
    with pytest.raises(NoxPexError) as caught:
        select_binaries(Arguments(names=(name,)), ("api", "worker"))
    assert caught.value.code == "usage"
    assert said in caught.value.remedy
