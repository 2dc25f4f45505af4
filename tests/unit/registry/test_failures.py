"""The failures of requests without an answer."""

from __future__ import annotations

import socket

import httpx2
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.registry import failures
from nox_pex.registry.failures import TryAgainError


def of_cause(url: str, cause: OSError) -> NoxPexError:
    """Return the failure of a request to `url` that httpx2 could not send because of `cause`."""
    error = httpx2.ConnectError(str(cause))
    error.__cause__ = cause
    found = failures.unreachable("GET", httpx2.URL(url), error)
    return found.failure if isinstance(found, TryAgainError) else found


@pytest.mark.parametrize(
    ("host", "remedy"),
    [
        ("registry.example", "check the name of the registry"),
        ("registry-1.docker.io", "a name without a registry, such as team/app:1, belongs to Docker Hub"),
    ],
)
def test_a_host_that_does_not_exist_is_named_with_the_next_step(host: str, remedy: str) -> None:
    error = of_cause(f"https://{host}/v2/", socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    assert f"there is no host {host}: Name or service not known" in error.problem
    assert remedy in error.remedy


def test_the_number_of_an_error_of_the_system_is_not_shown() -> None:
    error = of_cause("https://registry.example/v2/", ConnectionRefusedError(111, "Connection refused"))
    assert error.problem == "GET https://registry.example/v2/: Connection refused"
