from __future__ import annotations

from pathlib import Path

from nox_pex.distributions.interpreter import Interpreter


def test_an_interpreter_is_identified_by_kind_version_path_and_size(tmp_path: Path) -> None:
    executable = tmp_path / "python3.11"
    executable.write_bytes(b"12345")
    found = Interpreter(implementation="CPython", version="3.11.7", executable=executable)
    assert found.minor == "3.11"
    assert found.identity == f"CPython 3.11.7 at {executable} (5 bytes)"


def test_an_interpreter_that_was_removed_has_an_identity_too(tmp_path: Path) -> None:
    found = Interpreter(implementation="PyPy", version="3.11.13", executable=tmp_path / "missing")
    assert found.identity == f"PyPy 3.11.13 at {tmp_path / 'missing'} (0 bytes)"
