from __future__ import annotations

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.system.command import Outcome
from nox_pex.tools.index_failures import network_failure


def failure(output: str) -> NoxPexError | None:
    return network_failure("could not install pex", Outcome(status=1, output=output, seconds=0.0))


@pytest.mark.parametrize(
    "line",
    [
        "Authorization error accessing https://index.example/simple/",
        "401 Client Error: Unauthorized for url: https://index.example/simple/pex/",
        "HTTP status client error (403 Forbidden) for url (https://index.example/simple/pex/)",
        "ERROR: HTTP error 401 while getting https://index.example/pex.whl",
    ],
)
def test_an_index_that_refuses_the_credentials(line: str) -> None:
    error = failure(f"Resolving\n  {line}\nend")
    assert error is not None
    assert (error.code, error.problem) == ("index-auth", f"could not install pex: {line}")
    assert error.remedy == "check the credentials of Poetry, pip or uv for that index"
    assert error.log == ("Resolving", f"  {line}", "end")


@pytest.mark.parametrize(
    "line",
    [
        "All attempts to connect to index.example failed.",
        "error sending request for url (https://index.example/simple/)",
        "503 Server Error: Service Unavailable for url: https://index.example/simple/",
        "HTTPSConnectionPool(host='index.example', port=443): Read timed out.",
    ],
)
def test_an_index_that_does_not_answer(line: str) -> None:
    error = failure(f"{line}\n")
    assert error is not None
    assert (error.code, error.problem) == ("index-unreachable", f"could not install pex: {line.rstrip('.')}")


def test_the_box_of_poetry_is_no_part_of_the_reason() -> None:
    error = failure("    | All attempts to connect to index.example failed.\n    | \n")
    assert error is not None
    assert error.problem == "could not install pex: All attempts to connect to index.example failed"


def test_the_line_that_names_the_host_is_shown() -> None:
    error = failure("dns error\nConnectError: https://index.example\nConnectError: https://other.example\n")
    assert error is not None
    assert error.problem == "could not install pex: ConnectError: https://index.example"
    error = failure("dns error\nConnectError\n")
    assert error is not None
    assert error.problem == "could not install pex: dns error"


def test_refused_credentials_come_before_an_unreachable_host() -> None:
    error = failure("dns error\n401 Unauthorized\nNo space left on device")
    assert error is not None
    assert error.code == "index-auth"


def test_a_full_disk() -> None:
    error = failure("OSError: [Errno 28] No space left on device: '/x'")
    assert error is not None
    assert (error.code, error.problem) == ("disk-full", "could not install pex: no space left on device")


def test_any_other_failure_is_not_one_of_the_index() -> None:
    assert failure("No solution found when resolving dependencies") is None
    assert failure("") is None
