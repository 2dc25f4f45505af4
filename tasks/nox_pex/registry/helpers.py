"""Credential helpers: programs that keep the passwords of `docker login`.

Fact source: docker/docker-credential-helpers, `client` and `credentials`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.system import command, strict_json
from nox_pex.system.environ import tool_environ
from nox_pex.system.lazy import pattern

TIMEOUT: Final = 30.0
"""Seconds that a helper has. Some ask the user for a passphrase."""


TOKEN_USER: Final = "<token>"  # noqa: S105  # the name that stands for an identity token
"""The name of the user if the secret is an identity token."""


_NAME: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


_NOT_FOUND: Final = pattern(
    r"credentials not found|no credentials (?:server URL|username|found|for)|could not be found in the keychain"
    r"|specified item could not be found",
    re.IGNORECASE,
)


_LARGEST: Final = 1 << 16
"""Bytes of the output of a helper. An identity token has a few thousand."""


_LONGEST: Final = 200
"""Characters of a helper's message that are shown."""


class Answer(Struct, frozen=True, kw_only=True):
    """The user and the secret that a helper keeps."""

    user: str
    secret: str


def get(helper: str, server: str, *, file: Path, environ: Mapping[str, str], timeout: float = TIMEOUT) -> Answer | None:
    """Return what `docker-credential-HELPER` has for `server`, None if it has nothing. `file` names the helper.

    Raises `NoxPexError` `registry-auth` if the helper does not exist, fails, or needs more than `timeout` seconds.
    """
    if not _NAME.fullmatch(helper):
        problem = f"{file} names the credential helper {helper!r}, which is not the name of a program"
        raise NoxPexError("registry-auth", problem, "correct the file: the name has no slash and no space")
    program = f"docker-credential-{helper}"
    env = tool_environ(environ)
    try:
        # In another directory than the project's, whose files must not be found as programs or modules.
        answer = command.capture(
            [program, "get"], cwd=Path("/"), env=env, timeout=timeout, given=server.encode(), most=_LARGEST
        )
    except FileNotFoundError as error:
        problem = f"{program}, the credential helper that {file} names, is not on PATH"
        raise NoxPexError(
            "registry-auth", problem, "install it, or remove it from the file and log in again"
        ) from error
    except TimeoutError as error:
        problem = f"{program}, the credential helper that {file} names, was still running after {timeout:g} s"
        raise NoxPexError("registry-auth", problem, f"try `echo {server} | {program} get`") from error
    except OverflowError as error:
        problem = f"{program}, the credential helper that {file} names, wrote {error}"
        raise NoxPexError("registry-auth", problem, f"try `echo {server} | {program} get`") from error
    except OSError as error:
        problem = f"{program}, the credential helper that {file} names, cannot be started: {error.strerror}"
        raise NoxPexError("registry-auth", problem, "install it again") from error
    if answer.returncode != 0:
        output = b"%b %b" % (answer.stdout, answer.stderr)
        _check_refusal(output, status=answer.returncode, program=program, file=file, server=server)
        return None
    return _parse(answer.stdout, program=program, file=file, server=server)


def _check_refusal(output: bytes, *, status: int, program: str, file: Path, server: str) -> None:
    """Return if the helper has no credentials, else raise. Helpers write their errors to the standard output."""
    text = " ".join(output.decode(errors="replace").split())
    if _NOT_FOUND.search(text):
        return
    # A helper that fails after it has begun to write the secret must not show it.
    shown = f": {text[:_LONGEST]}" if text and "{" not in text else ""
    problem = f"{program}, the credential helper that {file} names, failed with status {status}{shown}"
    raise NoxPexError("registry-auth", problem, f"try `echo {server} | {program} get`")


def _parse(text: bytes, *, program: str, file: Path, server: str) -> Answer | None:
    try:
        value = strict_json.parse(text)
    except ValueError:
        value = None
    user, secret = (value.get("Username", ""), value.get("Secret", "")) if isinstance(value, dict) else (None, None)
    if not isinstance(user, str) or not isinstance(secret, str):
        problem = f"{program}, the credential helper that {file} names, did not answer in JSON with Username and Secret"
        raise NoxPexError("registry-auth", problem, f"try `echo {server} | {program} get`")
    return Answer(user=user, secret=secret) if secret else None
