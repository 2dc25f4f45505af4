from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.poetry.failures import failure, lock_failure
from nox_pex.project.pyproject import Project
from nox_pex.system.command import Outcome


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        (
            "pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock`",
            "lock-stale",
            "run `poetry lock`",
        ),
        ("The lock file is not compatible with the current version of Poetry.", "lock-unreadable", "poetry-version"),
        (
            "This project requires Poetry >=1.8,<2.0, but you are using Poetry 2.5.1",
            "poetry-version",
            'poetry-version = "1.8"',
        ),
        (
            "This project requires Poetry <2.0, but you are using Poetry 2.5.1",
            "poetry-version",
            'poetry-version = "…"',
        ),
        (
            "Current Python version (3.11.7) is not allowed by the project (>=3.12,<4.0).\nPlease change",
            "python-mismatch",
            "allows Python >=3.12,<4.0, but the session runs on 3.11.7",
        ),
        (
            "Current Python version (3.12.1) is not allowed by the project (3.11.7).\nPlease change",
            "python-mismatch",
            'register(python="3.11")',
        ),
        (
            "is likely not a problem with poetry but one of the following issues with greenlet (1.1.2)\n\n  - not",
            "no-wheel",
            "greenlet (1.1.2) in",
        ),
        (
            "[Errno -2] Name or service not known\n\nCannot install poetry-core.\n",
            "index-unreachable",
            "could not install poetry-core of",
        ),
        (
            "[Errno -2] Name or service not known\nMax retries exceeded: host='git.invalid'",
            "index-unreachable",
            "git.invalid",
        ),
        ("Group(s) not found: srv (via --only)", "poetry-missing-group", "srv"),
        (
            "Hash for idna (3.11) from archive idna-3.11-py3-none-any.whl not found in known hashes (was: sha256:0)",
            "hash-mismatch",
            "idna-3.11-py3-none-any.whl",
        ),
        (
            "Downloaded distributions for h11 (0.16.0) did not match any known checksums in your lock file.",
            "hash-mismatch",
            "h11 (0.16.0)",
        ),
        ("All attempts to connect to example.invalid failed.", "index-unreachable", "All attempts"),
        ("HTTPError: 401 Client Error: Unauthorized", "index-auth", "credentials"),
        ("OSError: [Errno 28] No space left on device", "disk-full", "make room"),
        ("something else", "install-failed", "exit status 1"),
    ],
)
def test_the_output_of_poetry_decides_the_error(service: Project, output: str, code: str, said: str) -> None:
    error = failure(Outcome(status=1, output=f"Installing\n  {output}\n", seconds=0.0), service)
    assert error.code == code
    assert said in str(error)
    assert "{" not in str(error)
    assert error.log[0] == "Installing"


@pytest.mark.parametrize(
    ("skipped", "code", "said"),
    [(31, "no-wheel", "no file of grpcio (1.60.0) in"), (0, "index-missing", "has no file of grpcio (1.60.0) that")],
)
def test_a_missing_file_is_of_the_platform_or_of_the_index(
    service: Project, skipped: int, code: str, said: str
) -> None:
    output = f"""
  Unable to find installation candidates for grpcio (1.60.0)

    - {skipped} candidate(s) were identified for the package
    - {skipped} wheel(s) were skipped as your project's environment does not support the identified abi tags
"""
    error = failure(Outcome(status=1, output=output, seconds=0.0), service)
    assert error.code == code
    assert said in error.problem


def test_refused_credentials_come_before_what_poetry_does_not_find_without_them(service: Project) -> None:
    output = "401 Client Error: Unauthorized\nUnable to find installation candidates for inner (1.0)"
    assert failure(Outcome(status=1, output=output, seconds=0.0), service).code == "index-auth"


def test_the_log_of_a_failed_build_ends_before_poetrys_message(service: Project) -> None:
    output = "gcc failed\nNote: This error is likely one of the following issues with answer (1.0)\n  - not the build"
    error = failure(Outcome(status=1, output=output, seconds=0.0), service)
    assert error.log[0] == "gcc failed"
    assert "not the build" not in "\n".join(error.log)


REFUSED_HASH = """
    - Installing click (8.5.1)

      | Downloaded distributions for click (8.5.1) did not match any known checksums in your lock file.
      |
      | Causes:
      |   - invalid or corrupt cache either during locking or installation
      |
      | If any of those solutions worked, you will have to clear your caches.
      |
      | You can also run your poetry command with -v to see more information.
"""
UNREACHABLE = """
      | All attempts to connect to index.invalid failed.
      |
      | Probable Causes:
      |     - the hostname cannot be resolved by your DNS
      |     - your network is not connected to the internet
      |
      | You can also run your poetry command with -v to see more information.

      | All attempts to connect to index.invalid failed.
"""


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (
            REFUSED_HASH,
            "Downloaded distributions for click (8.5.1) did not match any known checksums in your lock file.",
        ),
        (UNREACHABLE * 20, "All attempts to connect to index.invalid failed."),
    ],
)
def test_the_cause_is_what_poetry_found_and_not_its_guesses(service: Project, output: str, cause: str) -> None:
    shown = failure(Outcome(status=1, output=output, seconds=0.0), service).cause
    assert shown == (cause,)


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        (
            "Resolving dependencies...\n\nBecause shop depends on flask (>99) which doesn't match any versions, so no.",
            "lock-failed",
            "/shop/pyproject.toml allows: shop depends on flask (>99); correct the name or the version of flask",
        ),
        (
            "Because no versions of flask match >3.1,<4.0\n and shop depends on werkzeug (<2), version solving failed.",
            "lock-failed",
            "allow more versions of one of the packages",
        ),
        (
            "Python range (>=3.9) is not compatible with:\n  - iniconfig requires Python >=3.10, so\n * Check your",
            "lock-failed",
            "allows Python >=3.9, and iniconfig requires Python >=3.10; correct `requires-python`",
        ),
        ('The requirement is invalid: invalid version constraint "=="', "config", "pyproject.toml: The requirement is"),
        (
            "The Poetry configuration is invalid:\n  - tool.poetry.group.dev.x must be valid",
            "config",
            "tool.poetry.group.dev.x must be valid",
        ),
        ("Unable to read the lock file (Invalid statement).", "lock-unreadable", "`nox -s lock -- --force`"),
        ("This project requires Poetry <2.0, but you are using Poetry 2.5.1", "poetry-version", "poetry-version = "),
        ("Max retries exceeded: host='index.invalid'", "index-unreachable", "could not lock /shop"),
        ("401 Client Error: x for url: https://index.invalid/", "index-auth", "could not lock /shop"),
        ("[Errno 13] Permission denied: '/shop/poetry.lock'", "disk-full", "Permission denied ('/shop/poetry.lock'); "),
        ("The Poetry configuration is invalid:\n  - It has no version.", "config", "It has no version; correct it"),
        ("something else", "lock-failed", "could not lock /shop (exit status 1)"),
    ],
)
def test_the_output_of_lock_becomes_an_error(service: Project, output: str, code: str, said: str) -> None:
    error = lock_failure(Outcome(status=1, output=output, seconds=1), replace(service, root=Path("/shop")))
    assert error.code == code
    assert said in f"{error.problem}; {error.remedy}"
    assert error.cause
    assert not {"Resolving", "Check"} & set("".join(error.cause).split())


def test_the_cause_of_a_failed_lock_is_said_once_and_without_guesses(service: Project) -> None:
    advice = "\nProbable Causes:\n    - the hostname cannot be resolved by your DNS\n"
    reason = "All attempts to connect to 127.0.0.1:9 failed.\n"
    output = f"Resolving dependencies...\n\n{reason * 3}{advice}"
    shown = lock_failure(Outcome(status=1, output=output, seconds=0.0), service).cause
    assert shown == ("All attempts to connect to 127.0.0.1:9 failed.",)
