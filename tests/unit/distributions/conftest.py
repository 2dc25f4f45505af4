"""A virtual environment of a few files, and distributions in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.record import record_digest


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    path = tmp_path / "environment"
    (path / "bin").mkdir(parents=True)
    base = tmp_path / "python3.11"
    base.write_bytes(b"12345")
    (path / "bin" / "python").symlink_to(base)
    (path / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (path / "pyvenv.cfg").write_text(f"home = {tmp_path}\nimplementation = CPython\nversion_info = 3.11.7.final.0\n")
    return Environment(path=path)


def install_distribution(environment: Environment, name: str, version: str = "1.0", *, record: bool = True) -> Path:
    (site,) = environment.site_packages
    module = site / f"{name.lower()}.py"
    module.write_text("VALUE = 1\n", "utf-8")
    info = site / f"{name.lower()}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: nobody\n", "utf-8"
    )
    if record:
        listed = (module, info / "METADATA")
        rows = [f"{file.relative_to(site)},sha256={record_digest('sha256', file)},10\n" for file in listed]
        (info / "RECORD").write_text("".join([*rows, f"{info.name}/RECORD,,\n"]), "utf-8")
    return info
