"""The request and the answer of a check, as reports show them. Pure."""

from __future__ import annotations

import os.path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.settings.checks import HttpCheck
from nox_pex.smoke.checks import charsets
from nox_pex.smoke.checks.charsets import NotTextError
from nox_pex.smoke.checks.http_client import Answer
from nox_pex.smoke.checks.texts import shorten
from nox_pex.smoke.plan import Endpoint
from nox_pex.smoke.process.program import describe_status
from nox_pex.system.secrets import Secrets

_BODY_SHOWN: Final = 300
"""Characters of a body that a report shows."""


_BODY_KEPT: Final = 16 * 1024
"""Bytes of a body that are kept until the secrets in it are masked: a secret that is cut is not masked."""


class CheckAnswer(Struct, frozen=True, kw_only=True):
    """The answer of a server, or the end of a command, as a report shows it.

    `status` is that of HTTP or the exit status (-N after signal N); None if there is none. `seconds` is how long it
    took, `size` the number of bytes, and `body` their beginning, or that of the command's output: at most 300
    characters after `masked`. `content_type` is empty if there is none. `is_command` says that a command gave it, and
    `is_cut` that there is more than `body` has before `masked`.
    """

    status: int | None = None
    seconds: float = 0.0
    size: int = 0
    content_type: str = ""
    body: str = ""
    is_command: bool = False
    is_cut: bool = False

    def masked(self, secrets: Secrets) -> CheckAnswer:
        """Return it without secrets, and with the beginning of the body that a report shows.

        If the body was cut, it may end within a secret, which is not recognised then. So only that is shown which is
        the same if half of it is masked.
        """
        body = secrets.mask(self.body)
        if self.is_cut:
            half = secrets.mask(self.body[: len(self.body) // 2])
            body = os.path.commonprefix([body, half])  # noqa: RUF071  # character by character is right
        shown = body if len(body) <= _BODY_SHOWN else f"{body[: _BODY_SHOWN - 1]}…"
        return replace(self, body=shown, content_type=secrets.mask(self.content_type))

    def says(self, actual: str) -> bool:
        """Whether `actual`, the text of what came instead of what a check expects, is the status of this answer."""
        if self.is_command:
            return self.status is not None and actual == self._status.removeprefix("exit status ")
        return f"{actual} ".startswith(f"status {self.status} ")

    @property
    def _status(self) -> str:
        if self.is_command:
            return "no exit status" if self.status is None else describe_status(self.status)
        return "no status" if self.status is None else f"status {self.status}"

    def __str__(self) -> str:
        """The answer on one line for people: `status 200 in 12 ms, 48 bytes, application/json: {"items": []}`."""
        parts = [f"{self._status} in {_duration(self.seconds)}", f"{self.size:,} bytes", self.content_type]
        text = ", ".join(part for part in parts if part)
        return f"{text}: {shorten(self.body)}" if self.body.strip() else text


def request_to(endpoint: Endpoint, check: HttpCheck) -> str:
    """Return the method and the URL of a request, and the Unix socket if there is one."""
    socket = "" if endpoint.unix_socket is None else f" on {endpoint.unix_socket}"
    return f"{check.method} {endpoint.url}{check.path}{socket}"


def of_server(answer: Answer) -> CheckAnswer:
    """Return the answer to a request, with secrets in it."""
    beginning = answer.body[:_BODY_KEPT]
    try:
        body = beginning.decode(charsets.codec_of(answer.headers), errors="backslashreplace")
    except (NotTextError, UnicodeError):
        body = beginning.decode(errors="backslashreplace")
    return CheckAnswer(
        status=answer.status,
        seconds=answer.seconds,
        size=len(answer.body),
        content_type=answer.headers.get("content-type", ""),
        body=body,
        is_cut=len(answer.body) > _BODY_KEPT,
    )


def of_command(*, status: int | None, stdout: bytes, stderr: bytes, seconds: float) -> CheckAnswer:
    """Return the end of a command, with secrets in it: the beginning of what it printed, of its errors if nothing."""
    shown = stdout if stdout.strip() else stderr
    return CheckAnswer(
        status=status,
        seconds=seconds,
        size=len(stdout) + len(stderr),
        body=shown[:_BODY_KEPT].decode(errors="backslashreplace"),
        is_command=True,
        is_cut=len(shown) > _BODY_KEPT,
    )


def as_json(answer: CheckAnswer) -> dict[str, Any]:
    """Return what a result file says about an answer."""
    return {
        "status": answer.status,
        "milliseconds": round(answer.seconds * 1000, 1),
        "bytes": answer.size,
        "content-type": answer.content_type,
        "body": answer.body,
    }


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
