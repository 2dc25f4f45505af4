from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from nox_pex.build import pex_cli
from nox_pex.distributions import pex_file
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.settings.model import Binary
from nox_pex.system.command import Outcome

PYTHON = Interpreter(implementation="CPython", version="3.11.7", executable=Path("/python/3.11"))


def words(**keys: Any) -> list[str]:
    """pex's command line for a binary with these keys."""
    kinds = {"script", "entry_point", "executable"}
    binary = Binary(**(keys if kinds & keys.keys() else {"entry_point": "main:app", **keys}))
    return pex_cli.argv(
        binary,
        python=Path("/tools/python"),
        output=Path("/build/service.pex"),
        inputs=pex_cli.PexInputs(
            repository=Path("/build/dependencies.pex"),
            pins=Path("/build/pins.txt"),
            python_path=Path("/environment/bin"),
            wheels=(Path("/build/own.whl"),),
            sources=Path("/build/sources"),
            executable=Path("/project/run.py"),
        ),
        interpreters=(PYTHON,),
        pex_root=Path("/cache/pex"),
    )


def after(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def test_what_is_always_said() -> None:
    argv = words()
    assert argv[:3] == ["/tools/python", "-m", "pex"]
    assert "--pre" in argv
    assert after(argv, "--requirement") == "/build/pins.txt"
    assert after(argv, "--pex-root") == "/cache/pex"
    assert after(argv, "--project") == "/build/own.whl"
    assert after(argv, "--sources-directory") == "/build/sources"
    assert after(argv, "--python-shebang") == "/usr/bin/env python3.11"
    assert after(argv, "--interpreter-constraint") == "CPython==3.11.*"
    assert after(argv, "--max-install-jobs") == "1"


@pytest.mark.parametrize(
    ("keys", "option", "value"),
    [
        ({"script": "serve"}, "--console-script", "serve"),
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
def test_a_key_with_a_value(keys: dict[str, Any], option: str, value: str) -> None:
    assert after(words(**keys), option) == value


@pytest.mark.parametrize(
    "option",
    [
        *("sh-boot", "compress", "compile", "pre-install-wheels", "strip-pex-env", "emit-warnings", "venv-copies"),
        "venv-site-packages-copies",
    ],
)
def test_a_switch_is_always_said_one_way_or_the_other(option: str) -> None:
    key = option.replace("-", "_")
    assert f"--{option}" in words(**{key: True})
    assert f"--no-{option}" in words(**{key: False})


def test_switches_that_have_one_way_only() -> None:
    assert "--include-tools" in words(include_tools=True)
    assert "--include-tools" not in words()
    assert "--validate-entry-point" in words(validate_entry_point=True)
    assert "--validate-entry-point" not in words()
    assert "--non-hermetic-venv-scripts" in words(venv_hermetic_scripts=False)
    assert "--non-hermetic-venv-scripts" not in words()


def test_the_execution_mode() -> None:
    assert "--venv" in words()
    assert "--venv=append" in words(venv_bin_path="append")
    assert not [word for word in words(execution_mode="zipapp") if word.startswith("--venv=") or word == "--venv"]


def test_injected_words_are_quoted_once() -> None:
    argv = words(inject_args=("--port", "a b"), inject_env={"B": "x y", "A": "="}, inject_python_args=("-X", "dev"))
    assert [word for word in argv if word.startswith("--inject-")] == [
        "--inject-args=--port",
        "--inject-args='a b'",
        "--inject-python-args=-X",
        "--inject-python-args=dev",
        "--inject-env=A==",
        "--inject-env=B=x y",
    ]


def test_the_escape_hatch_comes_last() -> None:
    assert words(pex_args=("--scie", "eager"))[-2:] == ["--scie", "eager"]


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
        pex_cli.check_constraints(binary, PYTHON, key="tool.nox-pex.binary.x")
        return
    with pytest.raises(NoxPexError) as caught:
        pex_cli.check_constraints(binary, PYTHON, key="tool.nox-pex.binary.x")
    assert caught.value.code == "python-mismatch"
    assert "3.11.7" in str(caught.value)


def test_one_of_several_constraints_is_enough() -> None:
    binary = Binary(script="x", interpreter_constraints=("PyPy", "CPython>=3.11"))
    pex_cli.check_constraints(binary, PYTHON, key="tool.nox-pex.binary.x")


@pytest.mark.parametrize("packed", [True, False])
def test_what_is_packed_is_read_from_the_binary(tmp_path: Path, *, packed: bool) -> None:
    info = json.dumps({"distributions": {"Idna_x-3.11-py3-none-any.whl": "aa", "h11-0.16-py3-none-any.whl": "bb"}})
    binary = tmp_path / "x.pex"
    if packed:
        binary.mkdir()
        (binary / "PEX-INFO").write_text(info, "utf-8")
    else:
        with zipfile.ZipFile(binary, "w") as archive:
            archive.writestr("PEX-INFO", info)
    assert pex_file.packed(binary) == {"idna-x", "h11"}


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("one\nlast words", "build-failed", "exit status 3): last words"),
        ("", "build-failed", "no output"),
        ("OSError: [Errno 28] No space left on device", "disk-full", "no space left"),
        ("Connection refused", "index-unreachable", "Connection refused"),
    ],
)
def test_how_pex_fails(output: str, code: str, said: str) -> None:
    error = pex_cli.failure(Outcome(status=3, output=output, seconds=1.0), of="service")
    assert error.code == code
    assert said in error.problem
    assert error.log == tuple(output.splitlines())
