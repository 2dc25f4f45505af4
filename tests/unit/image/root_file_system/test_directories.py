"""The directories of an image's root."""

from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.image.root_file_system import directories
from nox_pex.tools.cache import Caches
from tests.support.shown import say_into
from tests.support.untrusted_layers import layer, member, tar


def test_a_line_says_that_large_layers_are_unpacked_and_none_if_they_are_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [layer(tmp_path / "layers", tar(member(name, bytes(9000))), "none") for name in ("usr/a", "app/b")]
    caches, said = Caches(chosen=tmp_path / "cache"), list[str]()
    monkeypatch.setattr(directories, "_LARGE", 9000)

    for _ in range(2):
        with directories.unpacked(
            layers[:1], layers[1:], image="app:1", caches=caches, say=say_into(said.append)
        ) as root:
            assert [Path(lower).is_dir() for lower in root.lower] == [True, True]

    assert said == ["image: unpacking 1 layer, 0.0 MB, into the cache"] * 2
