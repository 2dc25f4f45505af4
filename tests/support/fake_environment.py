"""Environments as Poetry leaves them, of small distributions, and without an interpreter that could be started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.record import record_digest
from nox_pex.poetry.installed import Installed
from nox_pex.poetry.selection import Selection

MAIN: Final = Selection(groups=("main",), extras=())
WHEEL: Final = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class FakeEnvironment:
    """An environment in the directory `path`, as Poetry leaves one, of the interpreter `python`."""

    def __init__(self, path: Path, *, python: Path, version: str = "3.11.7") -> None:
        self.path = path
        self.site_packages = path / "lib" / "python3.11" / "site-packages"
        self.site_packages.mkdir(parents=True)
        (path / "bin").mkdir()
        (path / "bin" / "python").symlink_to(python)
        (path / "pyvenv.cfg").write_text(f"implementation = CPython\nversion_info = {version}.final.0\n", "utf-8")

    def add(
        self,
        name: str,
        files: Mapping[str, str],
        *,
        version: str = "1.0",
        metadata: str = "",
        direct_url: str | None = None,
        scripts: Mapping[str, str] | None = None,
    ) -> Path:
        """Install a distribution; returns its `.dist-info`. `scripts` are the contents of files in `bin`.

        Its WHEEL is `WHEEL`, unless it is one of the `files`.
        """
        info = self.site_packages / f"{name}-{version}.dist-info"
        info.mkdir()
        texts = {
            f"{info.name}/WHEEL": WHEEL,
            **files,
            f"{info.name}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}\n",
            **({f"{info.name}/direct_url.json": direct_url} if direct_url is not None else {}),
            **{f"../../../bin/{script}": text for script, text in (scripts or {}).items()},
        }
        rows = []
        for relative, text in texts.items():
            path = self.site_packages / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            rows.append(f"{relative},sha256={record_digest('sha256', path)},{path.stat().st_size}")
        (info / "RECORD").write_text("\n".join([*rows, f"{info.name}/RECORD,,", ""]), "utf-8")
        return info

    def installed(self, **options: Any) -> Installed:
        environment = Environment(path=self.path)
        given = {"path_digests": {}, "seconds": 1.0, "id": "first", **options}
        return Installed(selection=MAIN, environment=environment, distributions=environment.distributions(), **given)
