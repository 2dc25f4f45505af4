"""Under which circumstances what Poetry installed for another checkout counts as the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.poetry import install_cache

INPUTS = {"lock": {"poetry.lock": "abc"}, "python": {"python": "CPython 3.12.1"}}
INDEX = "https://index.invalid/simple"


def key(tmp_path: Path, project: str = "one", *, lock: str = "abc", **environ: str) -> str:
    (tmp_path / project).mkdir(exist_ok=True)
    told = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": INDEX, **environ}
    inputs = {**INPUTS, "lock": {"poetry.lock": lock}}
    found = install_cache.locate(inputs, home=tmp_path, environ=told, prefix=tmp_path, project=tmp_path / project)
    assert found.home.parent == tmp_path
    return found.home.name


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"POETRY_CACHE_DIR": "/elsewhere"},
        {"POETRY_VIRTUALENVS_PATH": "/elsewhere"},
        {"POETRY_HTTP_BASIC_SHOP_PASSWORD": "hunter2"},
        {"PIP_INDEX_URL": "https://me:hunter2@index.invalid/simple"},
        {"VIRTUAL_ENV": "/elsewhere", "LANG": "C"},
    ],
)
def test_what_does_not_decide(tmp_path: Path, environ: dict[str, str]) -> None:
    assert key(tmp_path, "two", **environ) == key(tmp_path)


@pytest.mark.parametrize(
    "environ",
    [
        {"lock": "other"},
        {"PIP_INDEX_URL": "https://other.invalid/simple"},
        {"POETRY_PYPI_MIRROR_URL": "https://other.invalid/simple"},
        {"POETRY_INSTALLER_NO_BINARY": ":all:"},
    ],
)
def test_what_decides(tmp_path: Path, environ: dict[str, str]) -> None:
    assert key(tmp_path, **environ) != key(tmp_path)


def test_a_setting_of_poetrys_own(tmp_path: Path) -> None:
    before = key(tmp_path, POETRY_CONFIG_DIR=str(tmp_path))
    (tmp_path / "config.toml").write_text("[installer]\nno-binary = [':all:']\n", "utf-8")
    assert key(tmp_path, POETRY_CONFIG_DIR=str(tmp_path)) != before
