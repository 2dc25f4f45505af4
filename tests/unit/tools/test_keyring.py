from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.tools import keyring

PLUGINS = '[tool.poetry.requires-plugins]\nkeyrings-codeartifact = "*"\n'


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a project without a keyring."""
    (tmp_path / "pyproject.toml").write_text("[tool.poetry]\npackage-mode = false\n", "utf-8")
    return {"HOME": str(tmp_path / "home")}


def test_there_is_no_keyring_without_a_bus_a_configuration_and_plugins(tmp_path: Path, environ: dict[str, str]) -> None:
    assert not keyring.may_exist(environ, project=tmp_path, platform="linux")


@pytest.mark.parametrize("place", ["home/.config", "configuration"])
def test_a_configuration_file_can_name_a_keyring(tmp_path: Path, environ: dict[str, str], place: str) -> None:
    (tmp_path / place / "python_keyring").mkdir(parents=True)
    (tmp_path / place / "python_keyring" / "keyringrc.cfg").write_text("", "utf-8")
    chosen = {"XDG_CONFIG_HOME": str(tmp_path / place)} if place == "configuration" else {}
    assert keyring.may_exist({**environ, **chosen}, project=tmp_path, platform="linux")


@pytest.mark.parametrize("text", [PLUGINS, "= 3", "tool = 3", "\udcff"])
def test_a_plugin_of_the_project_can_bring_a_keyring(tmp_path: Path, environ: dict[str, str], text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text, "utf-8", "surrogateescape")
    assert keyring.may_exist(environ, project=tmp_path, platform="linux")


def test_a_session_bus_and_another_system_can_have_a_keyring(tmp_path: Path, environ: dict[str, str]) -> None:
    bus = {**environ, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1000/bus"}
    assert keyring.may_exist(bus, project=tmp_path, platform="linux")
    assert keyring.may_exist(environ, project=tmp_path, platform="darwin")
