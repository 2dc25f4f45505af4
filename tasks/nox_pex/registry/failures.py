"""Failures of a registry, in its own words."""

from __future__ import annotations

import http
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from nox_pex.errors import NoxPexError
from nox_pex.oci.reference import DOCKER_HUB_ENDPOINT
from nox_pex.system import strict_json
from nox_pex.system.lazy import lazy, pattern

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazy("httpx2")  # only needed if a registry is asked

LARGEST: Final = 64 << 10
"""Bytes of the body of an error that are read."""


_LONGEST: Final = 300
"""Characters of the registry's words that are shown."""


_MOST: Final = 3
"""Errors of one answer that are shown."""


TEMPORARY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""


_LOST: Final = frozenset({"BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
"""Codes of a registry that does not see yet, or any more, what was sent: another client writes the same blob."""


_REMEDIES: Final = {
    400: "read the registry's words",
    404: "check the name, and that you may read it",
    405: "the registry does not allow this: read its documentation",
    413: "raise the limit of the registry, or of the proxy in front of it",
    429: "wait, or log in: many registries allow users more than others",
}


class TryAgainError(Exception):
    """A failure after which the request may succeed, at the earliest after `after` seconds if the registry says so."""

    def __init__(self, failure: NoxPexError, *, after: float | None = None) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.after = after


def shown_url(url: httpx2.URL) -> str:
    """Return a URL without its query, which may have a signature that gives access."""
    return _cut(str(url.copy_with(username=None, password=None, query=None, fragment=None)))


def status_line(status: int) -> str:
    """Return a status with its usual phrase: `404 Not Found`."""
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def words(body: bytes) -> str:
    """Return the registry's own words in the body of an error, on one line, "" if there are none."""
    try:
        value = strict_json.parse(body)
    except ValueError:
        text = body.decode("utf-8", errors="replace")
        found = "" if "<" in text else text  # a page of HTML says nothing in its first characters
    else:
        found = "; ".join(_errors(value))
    return _cut(" ".join(found.split()))


def is_temporary(method: str, status: int, body: bytes) -> bool:
    """Whether the same request may succeed later."""
    if status in TEMPORARY or method not in ("PUT", "PATCH"):
        return status in TEMPORARY
    try:
        value = strict_json.parse(body)
    except ValueError:
        return False
    listed = value.get("errors") if isinstance(value, dict) else None
    codes = [error.get("code") for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []
    return any(isinstance(code, str) and code in _LOST for code in codes)


def refusal(method: str, url: httpx2.URL, status: int, body: bytes) -> NoxPexError:
    """Return the failure `registry` of a request that was answered with another status than expected."""
    said = words(body)
    problem = f"{method} {shown_url(url)}: {status_line(status)}{f': {said}' if said else ''}"
    later = "try again later" if status in TEMPORARY else "read the registry's words, or ask who runs it"
    return NoxPexError("registry", problem, _REMEDIES.get(status, later))


def broken(method: str, url: httpx2.URL, problem: str) -> NoxPexError:
    """Return the failure `registry` of a registry that answers something else than it must."""
    remedy = "ask who runs the registry, or the proxy in front of it"
    return NoxPexError("registry", f"{method} {shown_url(url)}: {_cut(problem)}", remedy)


def unreachable(method: str, url: httpx2.URL, error: Exception) -> NoxPexError | TryAgainError:
    """Return the failure of a request without an answer, as something to try again if that may help."""
    where = f"{method} {shown_url(url)}"
    causes = tuple(_causes(error))
    untrusted = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        problem = f"{where}: the certificate of {url.host} is not trusted: {untrusted.verify_message}"
        place = f"/etc/containers/certs.d/{url.netloc.decode()}/ca.crt"
        remedy = f"name the file of its authority in SSL_CERT_FILE, or copy it to {place}"
        return NoxPexError("registry", problem, remedy)
    if any(isinstance(cause, ssl.SSLError) and _NO_TLS.intersection({cause.reason}) for cause in causes):
        problem = f"{where}: {url.host} does not answer with TLS"
        return NoxPexError("registry", problem, "give it a certificate: plain HTTP is for loopback only")
    unknown = next((cause for cause in causes if isinstance(cause, socket.gaierror)), None)
    if unknown is not None and unknown.errno != socket.EAI_AGAIN:
        problem = f"{where}: there is no host {url.host}: {unknown.strerror}"
        remedy = "check the name of the registry"
        if url.host == DOCKER_HUB_ENDPOINT:
            remedy = "check the network; a name without a registry, such as team/app:1, belongs to Docker Hub"
        return NoxPexError("registry", problem, remedy)
    reason = _reason(error)
    return TryAgainError(NoxPexError("registry", f"{where}: {reason}", "check the network, and that the registry runs"))


_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


_ERROR_NUMBER: Final = pattern(r"^\[Errno -?[0-9]+\] ")


def _reason(error: Exception) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time" if isinstance(error, httpx2.ReadTimeout) else "no connection in time"
    return _ERROR_NUMBER.sub("", str(error)).strip() or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _errors(value: Any) -> Iterator[str]:
    """Yield the errors in a JSON value, as the distribution specification, or a token server, writes them."""
    listed = value.get("errors") if isinstance(value, dict) else None
    if isinstance(listed, list):
        for error in listed[:_MOST]:
            if isinstance(error, dict):
                parts = [error.get(key) for key in ("code", "message")]
                text = ": ".join(part for part in parts if isinstance(part, str) and part)
                yield f"{text}{_detail(error.get('detail'))}"
    elif isinstance(value, dict):
        parts = [value.get(key) for key in ("error", "details", "message", "error_description")]
        yield ": ".join(part for part in parts if isinstance(part, str) and part)


def _detail(detail: Any) -> str:
    """Return the detail of an error, if it says something: Docker's registry gives the name or the digest."""
    if isinstance(detail, str) and detail:
        return f" ({detail})"
    if isinstance(detail, dict):
        found = [f"{key}: {value}" for key, value in detail.items() if isinstance(value, str | int)]
        return f" ({', '.join(found[:_MOST])})" if found else ""
    return ""
