"""`nox_pex.smoke.launch`: its names, and the calls that it refuses."""

from __future__ import annotations

from pathlib import Path

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
