"""Which certificates are trusted: those of the system, or of the files that the environment names.

For the registry's own host, also those that Podman and Docker read. Fact sources: containers-certs.d(5); OpenSSL,
SSL_CTX_load_verify_locations(3), for `SSL_CERT_FILE` and `SSL_CERT_DIR`.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nox_pex.errors import NoxPexError
from nox_pex.system.environ import home_directory
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazy("httpx2")  # only needed if a registry is asked

_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The first one that is set counts. pip and requests read the last two."""


_SYSTEM: Final = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


def context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the settings for a host that is not the registry's. Raises `NoxPexError` `registry`."""
    for variable in _VARIABLES:
        if value := environ.get(variable):
            file, directory = (None, value) if Path(value).is_dir() else (value, None)
            if variable == "SSL_CERT_DIR":
                file, directory = None, value
            # Not `ssl.create_default_context`: since 3.13 it refuses private authorities that every other tool accepts.
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                made.load_verify_locations(cafile=file, capath=directory)
            except OSError as error:
                raise _unreadable(Path(value), variable, error) from error
            return made
    return httpx2.create_ssl_context(trust_env=False)


def context_for(host: str, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the settings for the registry `host` (with its port): also what its directory in `certs.d` has.

    The first directory counts: `*.crt` are further authorities, and `NAME.cert` and `NAME.key` identify the user.
    """
    made = context(environ)
    for directory in _directories(host, environ):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # as Podman does
            listed = sorted(directory.iterdir())
            _add(made, listed)
            break
    return made


def _directories(host: str, environ: Mapping[str, str]) -> Iterator[Path]:
    if "/" not in host and host not in (".", ".."):
        yield from (
            parent / host for parent in (home_directory(environ) / ".config" / "containers" / "certs.d", *_SYSTEM)
        )


def _add(made: ssl.SSLContext, listed: Iterable[Path]) -> None:
    for file in listed:
        try:
            if file.suffix == ".crt":
                made.load_verify_locations(cafile=str(file))
            elif file.suffix == ".cert":
                made.load_cert_chain(file, file.with_suffix(".key"), password=_no_passphrase)
        except OSError as error:
            raise _unreadable(file, str(file.parent), error) from error


def _no_passphrase() -> str:
    """Return no passphrase: OpenSSL would ask for it on the terminal."""
    return ""


def _unreadable(file: Path, named: str, error: OSError) -> NoxPexError:
    reason = "it has no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
    problem = f"{file} ({named}) cannot be used to verify the registry: {reason}"
    return NoxPexError("registry", problem, "correct or remove it")
