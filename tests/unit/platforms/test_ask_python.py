from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging import tags

from nox_pex.errors import NoxPexError
from nox_pex.platforms import ask_python
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets

SHELL = Shell(environ={}, secrets=Secrets(), say=print)


def test_this_python_prints_the_tags_that_packaging_computes_for_it() -> None:
    found = ask_python.ask(Path(sys.executable), SHELL)
    assert list(found.tags) == [str(tag) for tag in tags.sys_tags()]
    assert found.markers["sys_platform"] == sys.platform
    assert found.name == sys.executable


def test_a_program_that_is_not_a_python_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n", "utf-8")
    broken.chmod(0o755)
    with pytest.raises(NoxPexError, match=r"exit status 3") as caught:
        ask_python.ask(broken, SHELL)
    assert caught.value.code == "python-mismatch"


@pytest.mark.parametrize("answer", ["", "echo nonsense", "echo '{}'", "echo '[]'", "exit 3"])
def test_a_python_that_does_not_answer_is_an_error_with_a_code(tmp_path: Path, answer: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{answer}\n", "utf-8")
    python.chmod(0o755)
    with pytest.raises(NoxPexError) as caught:
        ask_python.ask(python, SHELL)
    assert caught.value.code == "python-mismatch"
