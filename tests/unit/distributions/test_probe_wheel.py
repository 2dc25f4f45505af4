from __future__ import annotations

import zipfile
from pathlib import Path

from nox_pex.distributions import probe_wheel, wheel


def test_the_probe_is_a_wheel_of_always_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / probe_wheel.FILE_NAME, tmp_path / "second.whl"
    probe_wheel.write(first)
    probe_wheel.write(second)
    assert first.read_bytes() == second.read_bytes()
    assert wheel.name_and_version(first) == (probe_wheel.NAME, probe_wheel.VERSION)
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        listed = archive.read("nox_pex_probe-1.dist-info/RECORD").decode().splitlines()
        assert [row.partition(",")[0] for row in listed] == archive.namelist()
        schemes = {name.split("/")[1] for name in archive.namelist() if name.startswith("nox_pex_probe-1.data/")}
    assert schemes == {"scripts", "headers", "data"}
