from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nox_pex.image.job import BuiltImage
from tests.support.images import PYTHON, TIMES, image_target, job_of, shell


def built(description: dict[str, Any], base: dict[str, Any]) -> BuiltImage:
    return BuiltImage(
        identity="i", tags=(), description=description, base=base, python=PYTHON, seconds=1.0, times=TIMES
    )


def test_layers_are_those_above_the_base() -> None:
    assert built({"RootFS": {"Layers": ["a", "b", "c"]}}, {"RootFS": {"Layers": ["a"]}}).layers == ("b", "c")
    assert built({"RootFS": None}, {}).layers == ()


@pytest.mark.parametrize(("sizes", "added"), [((7, 5), 2), ((7, None), None), ((None, 5), None)])
def test_the_added_bytes_are_known_only_if_the_engine_says_both_sizes(
    sizes: tuple[int | None, int | None], added: int | None
) -> None:
    assert built({"Size": sizes[0]}, {"Size": sizes[1]}).added_bytes == added


def test_a_job_knows_python_from_the_build_record(tmp_path: Path) -> None:
    target = image_target(tmp_path)
    recorded = job_of(target, shell(), record={"python": "CPython 3.11.7"})
    assert (recorded.python, recorded.minor) == ("3.11.7", "3.11")
    unknown = job_of(target, shell())
    assert (unknown.python, unknown.minor, unknown.distribution) == (None, None, None)
    assert unknown.file == tmp_path / "dist" / "service.Dockerfile"
    assert unknown.key == "tool.nox-pex.binary.service.image"
