"""Environments, distributions and tools that are made by hand, so that no real tool runs."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nox_pex.distributions.environment import Distribution, Environment, snapshot
from nox_pex.distributions.record import encode_digest, record_text
from nox_pex.poetry import install_state
from nox_pex.poetry.install_state import InstallState, PathDependencies
from nox_pex.system.command import Outcome, Shell
from nox_pex.tools.provision import Provisioner


def create(path: Path, *, base: Path, version: str = "3.11.7") -> Environment:
    """An empty environment at `path`, whose interpreter is a link to the file `base`."""
    environment = Environment(path=path)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(base)
    (path / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (path / "pyvenv.cfg").write_text(f"implementation = CPython\nversion_info = {version}.final.0\n", "utf-8")
    return environment


def install(
    environment: Environment,
    name: str,
    files: Mapping[str, str],
    *,
    version: str = "1.0",
    scripts: Mapping[str, str] | None = None,
    direct: bool = False,
) -> Distribution:
    """Install a distribution with `files`, by their paths from site-packages (`../../../bin/tool` too).

    `scripts` are the console scripts that it declares; their files have to be among `files`.
    """
    (site,) = environment.site_packages
    info = f"{name}-{version}.dist-info"
    contents = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    if scripts:
        lines = [f"{script} = {reference}" for script, reference in scripts.items()]
        contents[f"{info}/entry_points.txt"] = "\n".join(["[console_scripts]", *lines, ""])
    if direct:
        contents[f"{info}/direct_url.json"] = "{}"
    rows = [(f"{info}/RECORD", "", "")]
    for path, text in contents.items():
        file = site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        digest = encode_digest(hashlib.sha256(text.encode()).digest())
        rows.append((path, f"sha256={digest}", str(len(text.encode()))))
    (site / info / "RECORD").write_text(record_text(rows), "utf-8")
    return next(found for found in environment.distributions() if found.directory == site / info)


def write_state(environment: Environment, **fields: Any) -> None:
    """Write the state of a finished install of what is in `environment`; `fields` replace those of the state."""
    state = InstallState(
        selection="main",
        id="4711",
        inputs={"paths": {}},
        path_dependencies=PathDependencies(lock="0", paths={}),
        distributions=snapshot(environment.distributions()),
        top=environment.top_names(),
        seconds=1.5,
    )
    install_state.write(environment, msgspec.structs.replace(state, **fields))


class FakeShell(Shell, frozen=True, kw_only=True):
    """A shell that starts nothing: `tool` gets the arguments and the environment, and returns status and output."""

    tool: Callable[[Sequence[str], Mapping[str, str]], tuple[int, str]]

    def run(self, argv: Any, *, env: Mapping[str, str], **_: Any) -> Outcome:
        status, output = self.tool(argv, env)
        return Outcome(status=status, output=output, seconds=0.0)


class FakeProvisioner(Provisioner, frozen=True, kw_only=True):
    """A provisioner that makes environments by hand, and notes their paths in `created`."""

    created: list[Path] = []  # noqa: RUF012  # msgspec copies it for each instance

    def create(self, path: Path, *, python: Path, seed: bool) -> None:  # noqa: ARG002  # the signature of Provisioner
        self.created.append(path)
        shutil.rmtree(path, ignore_errors=True)
        create(path, base=python)
