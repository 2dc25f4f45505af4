"""pex's command line for a scie, and what its failures mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.pex import scie_command
from nox_pex.settings.model import Binary
from nox_pex.system.command import Outcome

PYTHON = Interpreter(implementation="CPython", version="3.11.7", executable=Path("/python/3.11"))
PYPY = Interpreter(implementation="PyPy", version="3.10.13", executable=Path("/python/pypy"))
SCIENCE = (
    "Failed to build 1 scie:\n\n1. For CPython 3.11 on linux-x86_64: Command `/science lift` failed with exit code 1:\n"
)


def argv_of(
    *, root: Path = Path("/shop"), interpreter: Interpreter = PYTHON, platforms: int = 0, **keys: Any
) -> list[str]:
    return scie_command.scie_argv(
        Binary(script="serve", **{"scie": "eager", **keys}),
        python=Path("/tools/python"),
        pex=Path("/build/scie/service.pex"),
        root=root,
        python_path=Path("/environment/bin"),
        interpreters=(interpreter,),
        platforms=[Path(f"/build/{number}.json") for number in range(platforms)],
        pex_root=Path("/cache/pex"),
    )


def test_a_scie_is_made_of_the_finished_pex_with_the_platform_in_its_name() -> None:
    assert argv_of() == [
        *("/tools/python", "-m", "pex.cli", "scie", "create", "/build/scie/service.pex", "--style", "eager"),
        *("--scie-name-style", "platform-file-suffix", "--pex-root", "/cache/pex"),
        *("--python-path", "/environment/bin", "--scie-python-version", "3.11"),
    ]


def test_a_python_that_the_user_chooses_is_not_overruled() -> None:
    argv = argv_of(pex_args=("--scie-python-version", "3.11.13", "-v"))
    assert argv[-1] == "--scie-python-version=3.11.13"
    assert "--scie-python-version" not in argv
    assert "-v" not in argv


def test_pypy_has_no_version_to_choose() -> None:
    assert "--scie-python-version" not in argv_of(interpreter=PYPY)


def test_other_platforms_decide_the_python_themselves() -> None:
    argv = argv_of(platforms=2)
    assert argv[1] == "-c"
    assert argv[3:5] == ["scie", "create"]
    assert [argv[at + 1] for at, word in enumerate(argv) if word == "--complete-platform"] == [
        "/build/0.json",
        "/build/1.json",
    ]
    assert "--scie-python-version" not in argv


def test_files_are_relative_to_the_project(tmp_path: Path) -> None:
    (tmp_path / "science").touch()
    argv = argv_of(root=tmp_path, pex_args=("--scie-science-binary", "science", "--scie-icon=missing.png"))
    assert argv[-2:] == [f"--scie-science-binary={tmp_path / 'science'}", "--scie-icon=missing.png"]


@pytest.mark.parametrize(
    ("output", "pex_args", "code", "said"),
    [
        (
            "<urlopen error [Errno -2] Name or service not known>",
            (),
            "index-unreachable",
            "pex could not download science from github.com, for the scie of shop: <urlopen error",
        ),
        (
            "<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed>",
            (),
            "index-unreachable",
            "science from github.com",
        ),
        (
            "HTTP Error 404: Not Found",
            ("--scie-science-binary", "https://mirror.example/science"),
            "index-unreachable",
            "pex could not download science from mirror.example, for the scie of shop: HTTP Error 404",
        ),
        (
            f"{SCIENCE}httpx.ConnectError: [Errno 111] Connection refused",
            (),
            "index-unreachable",
            "science could not download scie-jump or a Python from github.com",
        ),
        (
            f"{SCIENCE}httpx.HTTPStatusError: Client error '404 Not Found' for url 'https://mirror.example/x'",
            ("--scie-assets-base-url=https://mirror.example",),
            "index-unreachable",
            "science could not download scie-jump or a Python from mirror.example",
        ),
        (
            f"{SCIENCE}Something else",
            (),
            "build-failed",
            "science could not make the scie of shop (exit status 1): Some",
        ),
        ("The science binary at /x is version 0.1", (), "build-failed", "pex could not make the scie of shop"),
        ("", (), "build-failed", "no output"),
    ],
)
def test_a_failure_says_who_could_not_reach_whom(output: str, pex_args: tuple[str, ...], code: str, said: str) -> None:
    binary = Binary(script="serve", scie="eager", pex_args=pex_args)
    error = scie_command.failure(Outcome(status=1, output=output, seconds=1.0), binary, of="shop")
    assert error.code == code
    assert said in error.problem
    assert "pip config" not in str(error)
    assert ("--scie-science-binary" in error.remedy) is (code == "index-unreachable")
