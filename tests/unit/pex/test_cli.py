from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.pex import cli
from nox_pex.settings.model import Binary
from nox_pex.system.command import Outcome

PYTHON = Interpreter(implementation="CPython", version="3.11.7", executable=Path("/python/3.11"))


def argv_of(entry_point: Any = None, **keys: Any) -> list[str]:
    """The command line of pex for a binary with these keys, whose entry was resolved to `entry_point`."""
    kinds = {"script", "executable"}
    binary = Binary(**(keys if kinds & keys.keys() else {"executable": "run.py", **keys}))
    return cli.pex_argv(
        binary,
        python=Path("/tools/python"),
        output=Path("/build/service.pex"),
        inputs=cli.PexInputs(
            distributions=cli.repository_options(
                Path("/build/dependencies.pex"), pins=Path("/build/pins.txt"), wheels=(Path("/build/shop.whl"),)
            ),
            python_path=Path("/usr/bin/python3.11"),
            sources=Path("/build/sources"),
            executable=Path("/project/run.py"),
            entry_point=entry_point,
        ),
        interpreters=(PYTHON,),
        pex_root=Path("/cache/pex"),
    )


def after(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def test_options_that_are_always_given() -> None:
    argv = argv_of()
    assert argv[:4] == ["/tools/python", "-I", "-m", "pex"]
    assert "--pre" in argv
    assert after(argv, "--requirement") == "/build/pins.txt"
    assert after(argv, "--pex-root") == "/cache/pex"
    assert after(argv, "--project") == "/build/shop.whl"
    assert after(argv, "--sources-directory") == "/build/sources"
    assert after(argv, "--python-shebang") == "/usr/bin/env python3.11"
    assert after(argv, "--interpreter-constraint") == "CPython==3.11.*"
    assert after(argv, "--max-install-jobs") == "1"


@pytest.mark.parametrize(
    ("keys", "option", "value"),
    [
        ({"script": "run.sh"}, "--console-script", "run.sh"),
        ({"script": "serve", "entry_point": "a.b:c"}, "--entry-point", "a.b:c"),
        ({"entry_point": "a.b:c"}, "--entry-point", "a.b:c"),
        ({"executable": "run.py"}, "--executable", "/project/run.py"),
        ({"layout": "packed"}, "--layout", "packed"),
        ({"check": "warn"}, "--check", "warn"),
        ({"python_shebang": "/bin/py"}, "--python-shebang", "/bin/py"),
        ({"interpreter_constraints": ("CPython>=3.9",)}, "--interpreter-constraint", "CPython>=3.9"),
        ({"runtime_pex_root": "/var/pex"}, "--runtime-pex-root", "/var/pex"),
        ({"max_install_jobs": -1}, "--max-install-jobs", "-1"),
        ({"exclude": ("idna",)}, "--exclude", "idna"),
    ],
)
def test_a_key_with_a_value_is_an_option_with_a_value(keys: dict[str, Any], option: str, value: str) -> None:
    assert after(argv_of(**keys), option) == value


@pytest.mark.parametrize(
    "option",
    [
        *("sh-boot", "compress", "compile", "pre-install-wheels", "strip-pex-env", "emit-warnings", "venv-copies"),
        "venv-site-packages-copies",
    ],
)
def test_a_switch_is_always_given_one_way_or_the_other(option: str) -> None:
    key = option.replace("-", "_")
    assert f"--{option}" in argv_of(**{key: True})
    assert f"--no-{option}" in argv_of(**{key: False})


def test_a_switch_that_has_one_way_only_is_given_or_not() -> None:
    assert "--include-tools" in argv_of(include_tools=True)
    assert "--include-tools" not in argv_of()
    assert "--non-hermetic-venv-scripts" in argv_of(venv_hermetic_scripts=False)
    assert "--non-hermetic-venv-scripts" not in argv_of()


def test_the_option_venv_is_given_for_that_execution_mode_only() -> None:
    assert "--venv" in argv_of()
    assert "--venv=append" in argv_of(venv_bin_path="append")
    assert not [option for option in argv_of(execution_mode="zipapp") if option.partition("=")[0] == "--venv"]


def test_injected_arguments_are_quoted_once() -> None:
    argv = argv_of(inject_args=("--port", "a b"), inject_python_args=("-X", "dev"))
    assert [option for option in argv if option.startswith("--inject-")] == [
        "--inject-args=--port",
        "--inject-args='a b'",
        "--inject-python-args=-X",
        "--inject-python-args=dev",
    ]


def test_injected_variables_are_not_in_the_command_line_but_in_the_environment() -> None:
    injected = {"B_TOKEN": "x y-canary", "A": "="}
    argv = argv_of(inject_env=injected)
    assert "canary" not in " ".join(argv)
    assert argv[:3] == ["/tools/python", "-I", "-c"]
    program = argv[3].replace("from pex.bin import pex\npex.main()", "print(sys.argv)")
    environ = cli.inject_environ(Binary(executable="run.py", inject_env=injected))
    shown = subprocess.run([sys.executable, "-I", "-c", program, "z"], env=environ, capture_output=True, check=True)
    assert shown.stdout.decode().strip() == str(["-c", "--inject-env=A==", "--inject-env=B_TOKEN=x y-canary", "z"])
    assert cli.inject_environ(Binary(executable="run.py")) == {}


def test_further_arguments_for_pex_come_last() -> None:
    assert argv_of(pex_args=("--retries", "3"))[-2:] == ["--retries", "3"]


def test_options_for_the_scie_are_for_another_run_of_pex() -> None:
    given = ("--scie-base", "/var/x", "--retries", "3", "--scie-load-dotenv")
    argv = argv_of(scie="eager", pex_args=given)
    assert argv[-2:] == ["--retries", "3"]
    assert not [argument for argument in argv if "scie" in argument]


@pytest.mark.parametrize(
    ("constraint", "allowed"),
    [
        ("CPython==3.11.*", True),
        (">=3.10,<3.12", True),
        ("CPython>=3.12", False),
        ("PyPy>=3.9", False),
        ("==3.9.*", False),
        ("CPython", True),
    ],
)
def test_constraints_must_allow_the_python_that_it_is_built_with(constraint: str, *, allowed: bool) -> None:
    binary = Binary(script="x", interpreter_constraints=(constraint,))
    if allowed:
        cli.check_constraints(binary, PYTHON, key="tool.nox-pex.binary.x")
        return
    with pytest.raises(NoxPexError) as caught:
        cli.check_constraints(binary, PYTHON, key="tool.nox-pex.binary.x")
    assert caught.value.code == "python-mismatch"
    assert "3.11.7" in str(caught.value)


def test_one_of_several_constraints_is_enough() -> None:
    binary = Binary(script="x", interpreter_constraints=("PyPy", "CPython>=3.11"))
    cli.check_constraints(binary, PYTHON, key="tool.nox-pex.binary.x")


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("one\nlast line", "build-failed", "exit status 3): last line"),
        ("", "build-failed", "no output"),
        ("OSError: [Errno 28] No space left on device", "disk-full", "no space left"),
        ("Connection refused", "index-unreachable", "Connection refused"),
    ],
)
def test_a_failure_of_pex_has_a_code_and_its_last_line(output: str, code: str, said: str) -> None:
    error = cli.failure(Outcome(status=3, output=output, seconds=1.0), of="service")
    assert error.code == code
    assert said in error.problem
    assert error.log == tuple(output.splitlines())


UNPARSED = """\
Found 2 invalid Requires-Dist metadata values in a 1.0 metadata from a-1.0.dist-info/METADATA at /env/site-packages:
1. 'helper (>=1.0.*)': Expected matching RIGHT_PARENTHESIS for LEFT_PARENTHESIS, after version specifier
    helper (>=1.0.*)
           ~~~~~^
2. 'other (>dev)': Expected matching RIGHT_PARENTHESIS
    other (>dev)
          ~^
"""


UNRESOLVED = """\
Failed to resolve requirements from PEX environment @ /cache/dependencies.pex.
Needed cp311-cp311-linux_x86_64 compatible dependencies for:
 1: click>=8.2
    Required by:
      shelf 1.0
    But this pex only contains:
      click-8.1.8-py3-none-any.whl
"""


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (UNPARSED, "a 1.0: 'helper (>=1.0.*)': Expected matching RIGHT_PARENTHESIS for LEFT_PARENTHESIS"),
        ("one\nhelper (>=1.0.*)\n       ~~~~~^", "helper (>=1.0.*)"),
        (UNRESOLVED, "1: click>=8.2, Required by, shelf 1.0, But this pex only contains, click-8.1.8-py3-none-any.whl"),
        (
            "Invalid Requires-Python metadata found in a 1 metadata from a-1.0.dist-info/METADATA at /env '>=3.*': no",
            "a 1: ",
        ),
    ],
)
def test_a_failure_of_pex_names_the_distribution_and_the_requirement(output: str, reason: str) -> None:
    problem = cli.failure(Outcome(status=1, output=output, seconds=1.0), of="the dependencies").problem
    assert reason in problem
    assert not problem.endswith("^")


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("pre_install_wheels", [True, False])
def test_a_dependency_pex_is_packed_in_the_format_that_is_asked_for(
    *, compress: bool, pre_install_wheels: bool
) -> None:
    wheel_format = cli.WheelFormat(pre_install_wheels=pre_install_wheels, compress=compress)
    options = cli.RepositoryOptions(
        output=Path("/build/dependencies.pex"),
        pins=Path("/build/pins.txt"),
        overrides=("a==1", "a==2"),
        excludes=("gone",),
        wheel_format=wheel_format,
        pex_root=Path("/cache/pex"),
    )
    wheels, python = [Path("/wheels/a.whl"), Path("/wheels/b.whl")], Path("/tools/python")
    from_environment = cli.repository_argv(options, python=python, environment=Path("/environment"))
    from_wheels = cli.wheels_argv(options, python=python, wheels=wheels, platforms=[Path("/there.json")])
    for argv in (from_environment, from_wheels):
        assert argv[:4] == ["/tools/python", "-I", "-m", "pex"]
        assert after(argv, "--output-file") == "/build/dependencies.pex"
        assert after(argv, "--pex-root") == "/cache/pex"
        assert after(argv, "--requirement") == "/build/pins.txt"
        assert after(argv, "--layout") == "packed"
        assert "--pre" in argv
        assert [value for option, value in itertools.pairwise(argv) if option == "--override"] == ["a==1", "a==2"]
        assert after(argv, "--exclude") == "gone"
        assert ("--compress" in argv, "--no-compress" in argv) == (compress, not compress)
        assert ("--pre-install-wheels" in argv) == pre_install_wheels
        assert ("--no-pre-install-wheels" in argv) == (not pre_install_wheels)
    assert after(from_environment, "--venv-repository") == "/environment"
    pairs = list(itertools.pairwise(from_wheels))
    assert [value for option, value in pairs if option == "--pre-resolved-dist"] == ["/wheels/a.whl", "/wheels/b.whl"]
    assert [value for option, value in pairs if option == "--complete-platform"] == ["/there.json"]


def test_pex_runs_without_what_would_change_the_bytes() -> None:
    user = {
        "XDG_CACHE_HOME": "/home/joe/.cache",
        "PEX_VERBOSE": "1",
        "PYTHONPATH": "/x",
        "LC_ALL": "C",
        "HOME": "/home/joe",
    }
    environ = cli.pex_environ(user)
    assert environ["HOME"] == "/home/joe"
    assert not environ.keys() & {"XDG_CACHE_HOME", "PEX_VERBOSE", "PYTHONPATH"}
    assert (environ["SOURCE_DATE_EPOCH"], environ["PEX_IGNORE_RCFILES"]) == ("315532800", "1")
    assert environ["LC_ALL"] == "C.UTF-8"


# A PEX of one wheel


def test_one_wheel_is_named_by_its_requirement() -> None:
    found = cli.wheel_options(Path("/a/probe.whl"), requirement="probe==1", overrides=["b==1", "c==2"], excludes=["d"])
    assert list(found) == [
        *("--pre-resolved-dist", "/a/probe.whl", "probe==1", "--pre"),
        *("--override", "b==1", "--override", "c==2", "--exclude", "d"),
    ]


def test_a_binary_without_any_entry_has_no_option_for_one() -> None:
    inputs = cli.PexInputs(distributions=("--distribution",), python_path=Path("/python/3.11"))
    argv = cli.pex_argv(
        Binary(executable="run.py"),
        python=Path("/tools/python"),
        output=Path("/build/service.pex"),
        inputs=inputs,
        interpreters=(PYTHON,),
        pex_root=Path("/cache/pex"),
    )
    assert "--distribution" in argv
    assert not {"--entry-point", "--console-script", "--executable", "None"} & set(argv)
