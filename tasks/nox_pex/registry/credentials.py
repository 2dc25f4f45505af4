"""Credentials for registries, from the files that `podman login` and `docker login` write.

Fact sources: containers-auth.json(5); containers/image, `pkg/docker/config`, for the default of `XDG_RUNTIME_DIR` and
for keys with a scheme; docker/cli, `cli/config`, for `credsStore`, identity tokens and the key of Docker Hub.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci.reference import DOCKER_HUB, DOCKER_HUB_ENDPOINT, ImageName
from nox_pex.registry import helpers
from nox_pex.system import files, strict_json
from nox_pex.system.environ import home_directory

_LARGEST: Final = 1 << 20
"""Bytes of a file with credentials that are read."""


_HUB_URL: Final = "https://index.docker.io/v1/"
"""The name of Docker Hub in Docker's files and for helpers."""


_HUB_NAMES: Final = (DOCKER_HUB, "index.docker.io", DOCKER_HUB_ENDPOINT)


_CHECK_FILE: Final = "correct the file, or log in again with `podman login` or `docker login`"


class Credentials(Struct, frozen=True, kw_only=True):
    """The credentials of the user: a name and a password, or a token; nothing if nobody has logged in.

    `identity_token` is exchanged for tokens of the registry, `registry_token` is such a token. `source` names the file
    or the helper that they come from, or the files that were searched.
    """

    source: str
    user: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    @property
    def known(self) -> bool:
        """Whether there are any credentials."""
        return bool(self.password or self.identity_token or self.registry_token)

    @property
    def basic(self) -> str:
        """The value of a header for basic authentication (RFC 7617)."""
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"

    @property
    def values(self) -> tuple[str, ...]:
        """Everything that must be masked."""
        pair = (self.basic.removeprefix("Basic "), self.password) if self.password else ()
        return tuple(value for value in (*pair, self.identity_token, self.registry_token) if value)


def find(name: ImageName, environ: Mapping[str, str], *, timeout: float = helpers.TIMEOUT) -> Credentials:
    """Return the credentials for the registry of `name`, from the first file that has some.

    In each file come the helper for the registry (`credHelpers`), the entry with the longest part of the name
    (`auths`), and the helper for all registries (`credsStore`). A helper has `timeout` seconds. Raises `NoxPexError`
    `registry-auth` if a file or a helper cannot be used.
    """
    looked: list[str] = []
    for file, named in _files(environ):
        content = _read(file)
        if content is None and named:
            looked.append(f"{file} (REGISTRY_AUTH_FILE, which does not exist)")
        else:
            looked.append(str(file))
        if content is not None:
            found = _in_file(content, file, name, environ, timeout=timeout)
            if found is not None:
                return found
    return Credentials(source=", ".join(looked))


def _files(environ: Mapping[str, str]) -> Iterator[tuple[Path, bool]]:
    """Yield the files in their order, and whether `REGISTRY_AUTH_FILE` names each."""
    if explicit := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(explicit), True
    runtime = environ.get("XDG_RUNTIME_DIR")
    directory = Path(runtime) / "containers" if runtime else Path(f"/run/containers/{os.getuid()}")
    yield directory / "auth.json", False
    yield (
        Path(environ.get("XDG_CONFIG_HOME") or home_directory(environ) / ".config") / "containers" / "auth.json",
        False,
    )
    yield Path(environ.get("DOCKER_CONFIG") or home_directory(environ) / ".docker") / "config.json", False


def _read(file: Path) -> dict[str, Any] | None:
    """Return the content of a file, None if it does not exist. Its text is in no error."""
    try:
        with files.open_regular(file) as opened:
            data = opened.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problem = f"{file} cannot be read: {error.strerror}"
        raise NoxPexError("registry-auth", problem, "make it a file that you may read") from error
    try:
        content = strict_json.parse(data) if len(data) <= _LARGEST else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        problem = f"{file} is not a JSON object of credentials for registries"
        raise NoxPexError("registry-auth", problem, _CHECK_FILE)
    return content


def _in_file(
    content: dict[str, Any], file: Path, name: ImageName, environ: Mapping[str, str], *, timeout: float
) -> Credentials | None:
    """Return the credentials that a file has for `name`, None if it has none."""
    of_registry = _table(content, "credHelpers", file)
    for key in (*_names(name.registry), _HUB_URL):
        if key in of_registry and (key != _HUB_URL or name.registry == DOCKER_HUB):
            helper = _string(of_registry[key], "credHelpers", file)
            if (found := _ask(helper, name, file, environ, timeout=timeout)) is not None:
                return found
    auths = _table(content, "auths", file)
    for entry in _entries(auths, name):
        if (found := _decode(auths[entry], file)) is not None:
            return found
    store = _string(content.get("credsStore") or "", "credsStore", file)
    return _ask(store, name, file, environ, timeout=timeout) if store else None


def _names(registry: str) -> tuple[str, ...]:
    """Return the names by which a registry may be listed."""
    return _HUB_NAMES if registry == DOCKER_HUB else (registry,)


def _entries(auths: Mapping[str, Any], name: ImageName) -> Iterator[str]:
    """Yield the keys of `auths` for `name`, the one with the longest part of the name first.

    A key with a scheme stands for its whole host, as `docker login` once wrote it.
    """
    parts = name.repository.split("/")
    for count in range(len(parts), -1, -1):
        for registry in _names(name.registry):
            key = "/".join([registry, *parts[:count]])
            if key in auths:
                yield key
    yield from (key for key in auths if "://" in key and _host(key) in _names(name.registry))
    # A name of a host does not depend on case, and people type a slash after it.
    hosts = {host.lower() for host in _names(name.registry)}
    yield from (key for key in auths if "://" not in key and key.rstrip("/").lower() in hosts and key not in hosts)


def _host(key: str) -> str:
    scheme, _, rest = key.partition("://")
    return rest.partition("/")[0].lower() if scheme in ("http", "https") else ""


def _decode(entry: object, file: Path) -> Credentials | None:
    """Return the credentials of an entry in `auths`. Docker leaves an empty entry if a helper has the password."""
    fields = entry if isinstance(entry, dict) else {}
    if entry is not None and not isinstance(entry, dict):
        raise _nonsense("auths", file)
    encoded, user, password, identity, token = (
        _string(fields.get(key) or "", f"auths.*.{key}", file)
        for key in ("auth", "username", "password", "identitytoken", "registrytoken")
    )
    if encoded:
        try:
            # Docker writes padding, but not everybody does.
            decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise _nonsense("auth", file) from error
        user, _, password = decoded.partition(":")
        password = password.strip("\0")
    if not (password or identity or token):
        return None
    if not (identity + token).isascii() or not (identity + token).isprintable() or " " in token:
        raise _nonsense("registrytoken" if token else "identitytoken", file)
    return Credentials(source=str(file), user=user, password=password, identity_token=identity, registry_token=token)


def _ask(helper: str, name: ImageName, file: Path, environ: Mapping[str, str], *, timeout: float) -> Credentials | None:
    """Return what a helper has for the registry: as Docker names it, and, for Docker Hub, as Podman does too."""
    asked = (_HUB_URL, DOCKER_HUB) if name.registry == DOCKER_HUB else (name.registry,)
    for server in asked:
        answer = helpers.get(helper, server, file=file, environ=environ, timeout=timeout)
        if answer is not None:
            source = f"docker-credential-{helper} ({file})"
            if answer.user == helpers.TOKEN_USER:
                return Credentials(source=source, identity_token=answer.secret)
            return Credentials(source=source, user=answer.user, password=answer.secret)
    return None


def _table(content: Mapping[str, Any], key: str, file: Path) -> Mapping[str, Any]:
    value = content.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _nonsense(key, file)
    return value


def _string(value: object, key: str, file: Path) -> str:
    if not isinstance(value, str):
        raise _nonsense(key, file)
    return value


def _nonsense(key: str, file: Path) -> NoxPexError:
    problem = f"{file} has a value for `{key}` that is not what Docker or Podman write"
    return NoxPexError("registry-auth", problem, _CHECK_FILE)
