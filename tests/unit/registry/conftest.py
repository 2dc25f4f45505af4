"""A registry that fails when a test wants it to, and repositories of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from nox_pex.oci import reference
from nox_pex.registry.repository import Repository, open_repository
from nox_pex.registry.transport import Patience
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.support.faulty_registry import FaultyRegistry, serve_registry
from tests.support.shown import say_into


class Client(Struct, frozen=True, kw_only=True):
    """Opens repositories. `said` has the lines for the user, `waited` the seconds between attempts."""

    stack: contextlib.ExitStack
    environ: dict[str, str]
    said: list[str] = msgspec.field(default_factory=list)
    waited: list[float] = msgspec.field(default_factory=list)

    def open(self, name: str, **limits: float) -> Repository:
        """Open a repository; nothing really waits."""
        patience = msgspec.structs.replace(
            Patience(connect=10.0, read=10.0, allowance=10.0, helper=10.0, sleep=self.waited.append), **limits
        )
        shell = Shell(environ=self.environ, secrets=Secrets(), say=say_into(self.said.append))
        opened = open_repository(
            reference.parse(name), environ=self.environ, shell=shell, say=say_into(self.said.append), patience=patience
        )
        return self.stack.enter_context(opened)


@pytest.fixture
def server() -> Iterator[FaultyRegistry]:
    with serve_registry() as registry:
        yield registry


@pytest.fixture
def other() -> Iterator[FaultyRegistry]:
    """A second server, which is not the registry: it must get no credentials."""
    with serve_registry() as registry:
        yield registry


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    home = tmp_path / "home"
    home.mkdir()
    environ = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "PATH": "/usr/bin:/bin"}
    with contextlib.ExitStack() as stack:
        yield Client(stack=stack, environ=environ)


@pytest.fixture
def repository(server: FaultyRegistry, client: Client) -> Repository:
    return client.open(f"{server.host}/team/app")


@pytest.fixture
def log_in(client: Client) -> Callable[..., Path]:
    """Write an entry of `auths` into the Docker configuration."""

    def write(host: str, **entry: str) -> Path:
        file = Path(client.environ["HOME"]) / ".docker" / "config.json"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(msgspec.json.encode({"auths": {host: entry}}))
        return file

    return write
