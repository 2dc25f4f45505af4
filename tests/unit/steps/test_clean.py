from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from nox_pex.steps import clean


def halves(directory: Path) -> list[Path]:
    found = [directory / "service-py3.12.deps.pex", directory / "service-py3.12.own.pex"]
    for path in found:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("PEX-INFO", "{}")
    return found


@pytest.mark.parametrize("imaged", [True, False])
def test_the_halves_of_a_binary_are_ours_beside_the_result_of_an_image(tmp_path: Path, *, imaged: bool) -> None:
    expected = halves(tmp_path)
    if imaged:
        result = {"name": "service", "base": "base", "layers": []}
        (tmp_path / "service-py3.12.image.json").write_text(json.dumps(result), "utf-8")
    found = {output.path: output.is_ours for output in clean.outputs(tmp_path, ["service-py3.12"], suffix=None)}
    assert [found[path] for path in expected] == [imaged, imaged]
