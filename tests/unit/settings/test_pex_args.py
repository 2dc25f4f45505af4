from __future__ import annotations

import msgspec
import pytest

from nox_pex.settings.model import Binary
from nox_pex.settings.pex_args import scie_options, without_scie_options
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
        ("--scie", "scie"),
        ("--scie=eager", "scie"),
        ("--par", "scie"),
        ("--scie-only", "scie"),
    ],
)
def test_an_option_that_a_key_sets_names_the_key(argument: str, key: str) -> None:
    option = argument.partition("=")[0]
    line = refused(f"{SERVICE}pex-args = ['--inherit-path', 'false', '{argument}']")
    assert line == f".binary.service.pex-args: {option} conflicts with the key {key}; use {key}"


@pytest.mark.parametrize(
    "argument",
    [
        *("-o", "-oout.pex", "-r", "--project", "--venv-repository", "--pex-root=/x", "--python"),
        *("--scie-name-style", "--scie-hash-alg=sha256"),
    ],
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
    arguments = ["--source", "a=b", "--rc", "--pip-version", "latest", "--no-pypi", "--python-implementation", "-j2"]
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


@pytest.mark.parametrize(
    ("abbreviation", "option"),
    [("--lay", "--layout"), ("--complete-plat=x", "--complete-platform"), ("--sci", "--scie")],
)
def test_the_beginning_of_a_refused_option_is_refused(abbreviation: str, option: str) -> None:
    """pex takes it for the whole option."""
    shown = abbreviation.partition("=")[0]
    assert refused(f"{SERVICE}pex-args = ['{abbreviation}']").endswith(
        f"pex may take {shown} for {option}, which must not be there; write the option in full"
    )


SCIE = f'{SERVICE}scie = "eager"\n'


@pytest.mark.parametrize("option", ["--scie-exe", "--scie-args=x", "--scie-env", "--scie-busybox"])
def test_a_scie_starts_what_the_binary_starts(option: str) -> None:
    assert "lets the scie start something other than the binary does" in refused(f"{SCIE}pex-args = ['{option}', 'x']")


@pytest.mark.parametrize("option", ["--scie-plat", "--scie-of-the-future", "--no-scie-of-the-future"])
def test_an_unknown_option_for_a_scie_is_refused(option: str) -> None:
    assert f"{option} is not an option for a scie that nox-pex knows" in refused(f"{SCIE}pex-args = ['{option}', 'x']")


def test_options_for_a_scie_need_the_key() -> None:
    assert refused(f"{SERVICE}pex-args = ['-v', '--scie-platform', 'current']") == (
        ".binary.service.pex-args: --scie-platform has no effect without the key scie; "
        'write scie = "eager", or leave it out'
    )


def test_an_option_without_its_value_is_refused() -> None:
    assert "--scie-base has no value" in refused(f"{SCIE}pex-args = ['--scie-base']")
    assert parsed(f"{SCIE}pex-args = ['--scie-desktop-file']").binary["service"].scie == "eager"


@pytest.mark.parametrize("url", ["https://joe:hunter2@mirror.example/scie", "https://ghp_token@mirror.example"])
@pytest.mark.parametrize("option", ["--scie-assets-base-url", "--scie-science-binary"])
def test_a_password_in_a_url_is_refused_and_not_shown(url: str, option: str) -> None:
    for arguments in ([option, url], [f"{option}={url}"]):
        line = refused(f"{SCIE}pex-args = {arguments!r}")
        assert f"the URL of {option} has a password or token" in line
        assert "hunter2" not in line
        assert "ghp_token" not in line


def test_options_for_a_scie_are_told_from_the_others() -> None:
    arguments = (
        *("-v", "--scie-science-binary", "tools/science", "--inherit-path=false", "--scie-platform=current"),
        *("--scie-load-dotenv", "--scie-desktop-file", "--scie-python-version", "3.11.7", "--retries", "3"),
        "--scie-desktop-file=app.desktop",
    )
    assert without_scie_options(arguments) == ("-v", "--inherit-path=false", "--retries", "3")
    assert scie_options(arguments) == (
        ("--scie-science-binary", "tools/science"),
        ("--scie-platform", "current"),
        ("--scie-load-dotenv", None),
        ("--scie-desktop-file", None),
        ("--scie-python-version", "3.11.7"),
        ("--scie-desktop-file", "app.desktop"),
    )


@pytest.mark.parametrize("layout", ["packed", "loose"])
def test_a_scie_holds_a_pex_that_is_one_file(layout: str) -> None:
    assert "remove layout" in refused(f'{SCIE}layout = "{layout}"')


def test_a_scie_needs_a_pex_that_can_make_one() -> None:
    line = refused(f'[tool.nox-pex]\npex-version = "2.79.0"\n{SCIE}')
    assert line == (".pex-version: pex 2.79.0 cannot make the scie of service; write 2.80.0 or later, or remove scie")
    assert parsed(f'[tool.nox-pex]\npex-version = "2.80.0"\n{SCIE}').binary["service"].scie == "eager"
