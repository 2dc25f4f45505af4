"""Checks of images without an engine, each in a separate process, so that it may also run as an ordinary user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nox_pex.image.root_file_system.image import ContainerImage
from nox_pex.oci.image import LayerFile
from tests.support import small_root
from tests.support.images import PYTHON
from tests.support.processes import IMPORTABLE, assert_nothing_left
from tests.support.small_root import Member

PROGRAMS = Path(__file__).parents[1] / "programs" / "programs"
DRIVER = PROGRAMS.with_name("container_driver.py")
SMOKE: dict[str, Any] = {"startup-timeout": 15.0, "stop-timeout": 5.0, "soak": 0.05}
Result = dict[str, Any]


class Base(msgspec.Struct, frozen=True):
    """The layer with Python, and a cache in which it stays unpacked for all tests."""

    layer: LayerFile
    cache: Path


class Containers:
    """Checks images whose program is `in_container.py`."""

    def __init__(self, base: Base, directory: Path, temporary: Path, prefix: tuple[str, ...]) -> None:
        self.base = base
        self.directory = directory
        self.temporary = temporary
        self.prefix = prefix
        self.cache = base.cache / ("user" if prefix else "root")
        self.said = ""
        self.python = small_root.PYTHON

    def argv(
        self,
        mode: str,
        *arguments: str,
        image: Mapping[str, Any] | None = None,
        container: Mapping[str, Any] | None = None,
        members: Mapping[str, bytes | Member] | None = None,
        options: Mapping[str, Any] | None = None,
        asks: str = "",
        architecture: str | None = None,
        **smoke: Any,
    ) -> list[str]:
        """The command line that checks an image whose layer has the program, and the `members`."""
        files = {f"app/{file}": (PROGRAMS / file).read_bytes() for file in ("in_container.py", "serving.py")}
        own = small_root.layer({"app": Member(None), **files}, self.directory)
        more = (small_root.layer(members, self.directory),) if members else ()
        layers = (self.base.layer, own, *more)
        image = dict(image or {})
        entrypoint = (self.python, "/app/in_container.py")
        values = {"user": "65532:65532", "entrypoint": entrypoint, "cmd": image.get("args")}
        configured = small_root.config(layers, **{**values, **(container or {})})
        if architecture is not None:
            configured = msgspec.structs.replace(configured, architecture=architecture)
        call = {
            "root": self.directory,
            "temporary": self.temporary,
            "cache": self.cache,
            "container": ContainerImage(identity="it", config=configured, layers=layers, base_layers=1, python=PYTHON),
            "image": image,
            "smoke": {
                **SMOKE,
                "args": [mode, "{host}", "{port}", *arguments],
                "http": [{"path": "/"}],
                **{key.replace("_", "-"): value for key, value in smoke.items()},
            },
            "options": options or {},
            "asks": asks,
        }
        file = self.directory / "call.json"
        file.write_bytes(msgspec.json.encode(call, enc_hook=str))
        return [*self.prefix, sys.executable, str(DRIVER), str(file)]

    def check(self, mode: str, *arguments: str, environ: Mapping[str, str] | None = None, **values: Any) -> Result:
        """Check an image. Afterwards nothing is left."""
        done = subprocess.run(
            self.argv(mode, *arguments, **values), capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": IMPORTABLE, **(environ or {})},
        )  # fmt: skip
        self.said = done.stdout
        assert done.returncode == 0, done.stdout + done.stderr
        assert_nothing_left(self.temporary)
        result: Result = json.loads(done.stdout.splitlines()[-1])
        return result
