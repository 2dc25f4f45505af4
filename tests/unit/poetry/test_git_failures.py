from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import pytest

from nox_pex.poetry import git_failures
from nox_pex.poetry.failures import failure
from nox_pex.project.pyproject import Project
from nox_pex.system.command import Outcome

URL: Final = "ssh://git@git.example:2222/group/board.git"
SHOWN: Final = URL.replace("git@", "")
_PACKAGE: Final = """
[[package]]
name = "{name}"
version = "1.0"
files = []

[package.source]
type = "git"
url = "{url}"
reference = "main"
resolved_reference = "0123"
"""
_METADATA: Final = '\n[metadata]\nlock-version = "2.1"\n'
_DULWICH: Final = """
  - Installing board (1.0 0123456)

  HangupException

  The remote server unexpectedly closed the connection.

  at /lib/dulwich/protocol.py:511 in read_pkt_line
        507| sizestr = read(4)

The following error occurred when trying to handle this error:

  {exception}

  {message}

  at /lib/dulwich/client.py:2326 in fetch_pack
     -> 2326| raise _remote_error_from_stderr(stderr) from exc

Cannot install board.
"""
"""The output of Poetry if dulwich fails."""


_GIT: Final = """
  - Installing board (1.0 0123456)

    | Failed to clone {url}, check your git configuration and permissions for this repository.
    |
    | Exception:
    |     | Command '['git', 'clone', '--', '{url}', '/src/board']' returned non-zero exit status 128.
    |
    | Errors:
    |     | Cloning into '/src/board'...
    |     | {message}
    |     | fatal: Could not read from remote repository.
    |
    | Note: This error arises from interacting with the specified vcs source and is likely not a Poetry issue.
    | - the remote ({url}) you have specified
    |     - requires credentials that were either not configured or are incorrect
    |     - is inaccessible due to network issues
"""
"""The output of `poetry -v` if Git fails."""


@pytest.fixture
def board(service: Project) -> Project:
    """A project that has locked the dependency `board` from Git."""
    write_lock(service.root, board=URL)
    return service


def write_lock(root: Path, **packages: str) -> None:
    text = "".join(_PACKAGE.format(name=name, url=url) for name, url in packages.items())
    (root / "poetry.lock").write_text(text + _METADATA, "utf-8")


def failed(output: str) -> Outcome:
    return Outcome(status=1, output=output, seconds=0.0)


@pytest.mark.parametrize(
    ("message", "code", "remedy"),
    [
        ("git@git.example: Permission denied (publickey).", "index-auth", "ssh-add"),
        ("Received disconnect from 10.0.0.1: 2: Too many authentication failures", "index-auth", "ssh-add"),
        ("Host key verification failed.", "install-failed", "ssh-keyscan -p 2222 git.example"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "install-failed", "ssh-keygen -R"),
        ("fatal: could not read Username for 'https://git.example': terminal prompts disabled", "index-auth", "helper"),
        ("fatal: Authentication failed for 'https://git.example/board.git/'", "index-auth", "helper"),
        ("remote: HTTP Basic: Access denied", "index-auth", "helper"),
        ("unexpected http resp 403 for https://git.example/board.git/info/refs", "index-auth", "helper"),
        ("Repository not found.", "install-failed", "address"),
        ("fatal: repository 'https://git.example/board.git/' not found", "install-failed", "address"),
        ("No git repository was found at /srv/board", "install-failed", "address"),
        ("fatal: '/srv/board' does not appear to be a git repository", "install-failed", "address"),
        ("remote: ERROR: The project you were looking for could not be found", "install-failed", "address"),
        ("fatal: reference is not a tree: 0123", "install-failed", "poetry update --lock board"),
        ("ssh: Could not resolve hostname git.example: Name or service not known", "index-unreachable", "git.example"),
        ("ssh: connect to host git.example port 22: Connection timed out", "index-unreachable", "network"),
        ("kex_exchange_identification: Connection closed by remote host", "index-unreachable", "network"),
        (
            "fatal: unable to access 'https://git.example/': Could not resolve host: a",
            "index-unreachable",
            "proxy",
        ),
        ("unexpected http resp 503 for https://git.example/board.git", "index-unreachable", "network"),
        ("error: cannot run ssh: No such file or directory", "install-failed", "OpenSSH"),
        ("[Errno 2] No such file or directory: 'ssh'", "install-failed", "OpenSSH"),
        ("fatal: the earth is flat", "install-failed", "git ls-remote"),
    ],
)
def test_the_reason_of_git_or_ssh_is_in_the_line(board: Project, message: str, code: str, remedy: str) -> None:
    for output in (
        _DULWICH.format(exception="HangupException", message=message),
        _DULWICH.format(exception="GitProtocolError", message=message),
        _GIT.format(url=URL, message=message),
    ):
        error = failure(failed(output), board)
        assert error.code == code
        assert f"Poetry could not fetch board from {SHOWN}: {message}" in error.problem
        assert remedy in error.remedy
        assert "{" not in str(error)


def test_a_changed_host_key_has_another_remedy_than_an_unknown_one(board: Project) -> None:
    says = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n  Host key verification failed."
    error = failure(failed(_DULWICH.format(exception="HangupException", message=says)), board)
    assert error.problem.endswith(f"{SHOWN}: Host key verification failed.")
    assert "ssh-keygen -R git.example" in error.remedy


def test_a_reason_of_several_lines_and_none_is_shown(board: Project) -> None:
    two = _DULWICH.format(exception="HangupException", message="one thing\n  and another")
    assert failure(failed(two), board).problem.endswith(f"{SHOWN}: one thing and another")
    none = _DULWICH.format(exception="HangupException", message="The remote server unexpectedly closed the connection.")
    assert failure(failed(none), board).problem.endswith("The remote server unexpectedly closed the connection.")
    nothing = "NotGitRepository\n\n\n  at /lib/dulwich/client.py:5519 in _http_request\n"
    error = failure(failed(nothing), board)
    assert error.problem.endswith(f"from {SHOWN}: there is no Git repository")
    assert "address" in error.remedy


def test_a_commit_that_is_gone_is_to_be_pushed_or_locked_again(board: Project) -> None:
    output = f"    | Failed to clone {URL} at '0123', verify ref exists on remote.\n    | - was misspelled\n"
    error = failure(failed(output), board)
    assert error.code == "install-failed"
    assert "Failed to clone" in error.problem
    assert "poetry update --lock board" in error.remedy


def test_of_several_dependencies_the_one_in_the_output_is_named(service: Project) -> None:
    write_lock(service.root, board="https://t0ken@git.example/board.git", shelf="git@git.example:shelf.git")
    output = _GIT.format(url="https://****@git.example/board.git", message="fatal: the earth is flat")
    assert "fetch board from https://git.example/board.git: fatal" in failure(failed(output), service).problem
    output = _DULWICH.format(exception="HangupException", message="Host key verification failed.")
    output = output.replace("Cannot install board", "Cannot install shelf")
    error = failure(failed(output), service)
    assert "fetch shelf from git@git.example:shelf.git: Host key" in error.problem
    assert "`ssh-keyscan git.example`" in error.remedy
    unknown = failure(failed(output.replace("Cannot install shelf", "")), service)
    assert "Poetry could not fetch a Git dependency: Host key verification failed." in unknown.problem


def test_other_failures_are_not_those_of_git(board: Project) -> None:
    assert git_failures.git_failure(failed("All attempts to connect to git.example failed."), board) is None
    assert failure(failed("git@git.example: Permission denied (publickey)."), board).code == "install-failed"


def test_git_hides_its_reason_from_an_output_that_is_not_verbose() -> None:
    shown = _GIT.format(url=URL, message="fatal: no")
    hidden = "    | Failed to clone x, check your git configuration and permissions for this repository.\n    | Note"
    assert git_failures.hides_reason(hidden)
    assert not git_failures.hides_reason(shown)
    assert not git_failures.hides_reason(f"Failed to clone {URL} at '0123', verify ref exists on remote.")
    assert git_failures.hides_reason("Failed to checkout x at 'main'.")


def test_the_log_of_the_failure_is_shown(board: Project) -> None:
    outcome = msgspec.structs.replace(failed(_DULWICH.format(exception="HangupException", message="no")), status=7)
    assert failure(outcome, board).log == outcome.tail


def test_the_cause_is_the_reason_and_not_the_exception_of_dulwich(board: Project) -> None:
    message = "ssh: connect to host 127.0.0.1 port 9: Connection refused"
    found = failure(failed(_DULWICH.format(exception="HangupException", message=message)), board)
    assert found.cause == (message,)
