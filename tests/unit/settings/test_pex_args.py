from __future__ import annotations

import msgspec
import pytest

from nox_pex.settings.model import Binary
from tests.support.settings import SERVICE, parsed, refused


@pytest.mark.parametrize(
    ("argument", "key"),
    [
        ("-c", "script"),
        ("-cserve", "script"),
        ("--console-script=serve", "script"),
        ("-m", "entry-point"),
        ("--exe", "executable"),
        ("--venv=prepend", "execution-mode"),
        ("--no-sh-boot", "sh-boot"),
        ("--layout", "layout"),
        ("-D", "sources"),
        ("--exclude", "exclude"),
        ("--no-compile", "compile"),
        ("--python-shebang", "python-shebang"),
        ("--", "inject-args"),
    ],
)
def test_an_option_that_a_key_sets_names_the_key(argument: str, key: str) -> None:
    option = argument.partition("=")[0]
    line = refused(f"{SERVICE}pex-args = ['--scie', 'lazy', '{argument}']")
    assert line == f".binary.service.pex-args: {option} conflicts with the key {key}; use {key}"


@pytest.mark.parametrize(
    "argument", ["-o", "-oout.pex", "-r", "--project", "--venv-repository", "--pex-root=/x", "--python"]
)
def test_an_option_that_nox_pex_passes_itself_is_refused(argument: str) -> None:
    assert refused(f"{SERVICE}pex-args = ['{argument}']").endswith(
        "conflicts with an option that nox-pex passes to pex; leave it out"
    )


def test_a_file_of_arguments_is_refused() -> None:
    assert refused(f"{SERVICE}pex-args = ['@args.txt']") == (
        ".binary.service.pex-args: '@args.txt' reads arguments from a file; write them into `pex-args`"
    )


def test_an_option_that_only_resembles_a_refused_one_is_accepted() -> None:
    arguments = ["--scie", "eager", "--pip-version", "latest", "--no-pypi", "--python-implementation", "-j2"]
    text = f"{SERVICE}pex-args = {arguments!r}"
    assert parsed(text).binary["service"].pex_args == tuple(arguments)


def test_every_key_that_is_an_option_of_pex_is_refused_in_pex_args() -> None:
    not_options = {
        *("script", "entry-point", "executable", "groups", "extras", "sources", "execution-mode", "smoke", "budget"),
        *("image", "complete-platforms"),
        *("interpreter-constraints", "venv-hermetic-scripts", "venv-bin-path", "pex-args"),
    }
    for field in msgspec.structs.fields(Binary):
        if field.encode_name not in not_options:
            assert "conflicts with the key" in refused(f"{SERVICE}pex-args = ['--{field.encode_name}']")
    assert "conflicts with the key complete-platforms" in refused(f"{SERVICE}pex-args = ['--complete-platform=x']")
