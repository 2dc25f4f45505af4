"""The signing key is in no child's environment, and not in the block of memory that the kernel shows as the first one.

Each test runs a new process, because only a process that began with the variables has them in that block.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nox_pex.system import withheld

PROGRAM = """
import os, pathlib, subprocess
from nox_pex.system import withheld
withheld.withhold()
print(withheld.value(withheld.KEY), withheld.value(withheld.PASSPHRASE), len(withheld.values()))
shown = subprocess.run(["env"], capture_output=True, check=True).stdout
of_parent = pathlib.Path(f"/proc/{os.getpid()}/environ")
shown += of_parent.read_bytes() if of_parent.exists() else b""
print(shown.count(b"canary"), b"HARMLESS=yes" in shown, withheld.WITHHELD in os.environ)
withheld.withhold()
print(withheld.value(withheld.KEY))
"""


def run(**variables: str) -> list[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NOX_PEX_SIGNING")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environ, "PYTHONPATH": str(Path(withheld.__file__).parents[2]), "HARMLESS": "yes", **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()


def test_no_other_process_sees_the_key() -> None:
    key, passphrase = "canary-key/with=signs", "canary-passphrase"
    assert run(NOX_PEX_SIGNING_KEY=key, NOX_PEX_SIGNING_PASSPHRASE=passphrase) == [
        f"{key} {passphrase} 2",
        "0 True True",
        key,
    ]


def test_a_key_of_many_lines_is_withheld_whole() -> None:
    key = "-----BEGIN canary-----" + "\\n" + "canary" * 20_000
    assert run(NOX_PEX_SIGNING_KEY=key)[1:] == ["0 True True", key]


@pytest.mark.parametrize("variables", [{}, {withheld.KEY: ""}])
def test_without_a_key_there_is_no_value(variables: dict[str, str]) -> None:
    assert run(**variables)[0].startswith("None None")


def test_only_a_key_that_is_not_empty_is_noted_for_child_processes() -> None:
    """A CI system without the secret sets empty variables, for the workflow of a fork for example."""
    assert run(NOX_PEX_SIGNING_KEY="", NOX_PEX_SIGNING_PASSPHRASE="canary")[1] == "0 True False"


def test_a_session_that_signs_is_noted_if_the_command_line_names_it() -> None:
    for argv, noted in (
        (["nox", "-j2", "-s", "docs", "attest"], withheld.ASKED_FOR),
        (["nox", "-s", "pex", "--", "attest"], "1"),
        (["nox", "-f", "attest.py"], "1"),
    ):
        signing = {withheld.WITHHELD: "1"}
        withheld.note_signing(["attest"], argv=argv, environ=signing)
        assert signing == {withheld.WITHHELD: noted}
    environ: dict[str, str] = {}
    withheld.note_signing(["attest"], argv=["nox", "-s", "attest"], environ=environ)
    assert environ == {}
