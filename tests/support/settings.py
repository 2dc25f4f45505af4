"""Settings from the text of a `pyproject.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings.model import Settings
from nox_pex.settings.parse import parse

SERVICE = '[tool.nox-pex.binary.service]\nscript = "uvicorn"\n'
"""A binary; the keys of its table may follow."""

SMOKE = f"{SERVICE}[tool.nox-pex.binary.service.smoke]\n"
HTTP = f"{SERVICE}[[tool.nox-pex.binary.service.smoke.http]]\n"


def parsed(text: str, *, project_name: str | None = "My_App", scripts: Mapping[str, str] | None = None) -> Settings:
    document: dict[str, Any] = tomllib.loads(text)
    return parse(document, file="pyproject.toml", project_name=project_name, scripts=scripts or {})


def refused(text: str) -> str:
    """The one line of the error in the settings `text`, from the dotted path of the refused key, without its prefix."""
    (line,) = (line for line in all_refused(text) if "has no [tool.nox-pex.binary.NAME] table" not in line)
    return line


def all_refused(text: str) -> list[str]:
    """The lines of all errors in the settings `text`, in the form of `refused`."""
    with pytest.raises(NoxPexError) as caught:
        parsed(text)
    assert caught.value.code == "config"
    *others, line = caught.value.lines
    lines = [line.removeprefix("error[config]: "), *(other.removeprefix("also: ") for other in others)]
    assert not any("\n" in line for line in lines)
    return [line.removeprefix("pyproject.toml: tool.nox-pex") for line in lines]
