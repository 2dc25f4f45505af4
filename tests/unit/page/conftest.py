from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from nox_pex.pex.target import Target
from nox_pex.settings.model import Settings
from tests.support.targets import target_of

MakeTarget = Callable[..., Target]


@pytest.fixture
def make_target(tmp_path: Path) -> MakeTarget:
    """Make the target `service`, which nox-pex builds; the arguments are its table and the project's settings."""

    def make(*, settings: dict[str, Any] | None = None, **table: Any) -> Target:
        whole = {**(settings or {}), "binary": {"service": {"entry-point": "main", **table}}}
        target = target_of(tmp_path / "service.pex", root=tmp_path, name="service")
        return replace(target, settings=msgspec.convert(whole, Settings), prebuilt=None)

    return make
