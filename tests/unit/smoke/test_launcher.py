"""`nox_pex.smoke.launch`: its names, and the calls that it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nox_pex import smoke
from nox_pex.errors import NoxPexError


def test_the_package_exports_only_launch() -> None:
    assert smoke.__all__ == ["Launched", "launch"]
    assert set(smoke.__all__) <= vars(smoke).keys()
    assert not hasattr(smoke, "nothing")


def test_a_unix_socket_needs_a_path_that_answers(tmp_path: Path) -> None:
    binary = tmp_path / "program.pex"
    binary.write_bytes(b"#!/bin/sh\n")
    with (
        pytest.raises(NoxPexError, match=r"error\[usage\]"),
        smoke.launch(binary, unix_socket="{tmp}/app.sock", ready=None),
    ):
        pytest.fail("nothing can tell when it is ready")


def test_a_binary_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(NoxPexError, match=r"nowhere\.pex does not exist") as caught,
        smoke.launch(tmp_path / "nowhere.pex"),
    ):
        pytest.fail("there is no binary")
    assert caught.value.code == "launch-failed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"url": "ftp://x"}, "launch(url=…): 'ftp://x' is not the address of a server"),
        ({"stop_signal": "NONE"}, "launch(stop_signal=…): 'NONE' is not a signal"),
        ({"stop_exit_codes": [999]}, "launch(stop_exit_codes=…): 999 is not an exit status"),
        ({"args": "--port 8000"}, "launch(args=…): expected array, got string"),
        ({"env": {"A": 1}}, "launch(env.A=…): expected string, got integer 1"),
        ({"pass_env": "HOME"}, "launch(pass_env=…): expected array, got string"),
        ({"ready": "healthz"}, "launch(ready=…): 'healthz' must start with `/`"),
        ({"startup_timeout": "soon"}, "launch(startup_timeout=…): expected float, got string"),
        ({"url": "https://127.0.0.1:{port}", "ca_file": "gone.pem"}, "launch(ca_file='gone.pem') cannot be used: No"),
        ({"url": "https://127.0.0.1:{port}", "ca_file": __file__}, f"launch(ca_file={__file__!r}) cannot be used: "),
    ],
)
def test_a_bad_argument_is_an_error_with_a_code(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    binary = tmp_path / "program.pex"
    binary.write_text("#!/bin/sh\n", "utf-8")
    with pytest.raises(NoxPexError) as caught, smoke.launch(binary, **arguments):
        pytest.fail("it cannot be launched")
    assert caught.value.code == "usage"
    assert caught.value.problem.startswith(said)
