from __future__ import annotations

import sys

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.system.supported import check_supported


def test_windows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(NoxPexError, match=r"^error\[usage\]: nox-pex does not run on Windows; use WSL"):
        check_supported()


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_linux_and_macos_are_supported(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    check_supported()
