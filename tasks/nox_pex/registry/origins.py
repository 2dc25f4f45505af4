"""The destinations of requests: schemes, hosts and ports, and the addresses in answers that nox-pex follows.

Fact sources: RFC 6454 for origins; RFC 1122 and RFC 4291 for the addresses of loopback.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazy("httpx2")  # only needed if a registry is asked

_PORTS: Final = {"https": 443, "http": 80}


_HIGHEST_PORT: Final = 65_535


_LOOPBACK_4: Final = ipaddress.IPv4Network("127.0.0.0/8")


_LOOPBACK_6: Final = ipaddress.IPv6Address("::1")


class ForbiddenAddressError(Exception):
    """An address that a registry sent and that nox-pex does not follow. The text is a phrase."""


class Origin(Struct, frozen=True, kw_only=True):
    """A scheme, a host (without brackets) and a port. Credentials are for one origin only."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Host and port as in a URL; without the port if it is the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine, by its name or address."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def origin_of(url: httpx2.URL) -> Origin:
    """Return the origin of a URL with the scheme https or http."""
    return Origin(scheme=url.scheme, host=url.host.lower(), port=url.port or _PORTS[url.scheme])


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets, is `localhost`, in 127.0.0.0/8, or `::1`. A name is never resolved for this."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in _LOOPBACK_4 if isinstance(address, ipaddress.IPv4Address) else address == _LOOPBACK_6


def _may_be_here(host: str) -> bool:
    """Whether a host, without brackets, may be this machine by its name or address alone.

    That are more than those that plain HTTP is spoken to: names below `localhost` (RFC 6761), `0.0.0.0`, IPv4 addresses
    in IPv6, and what the C library takes for an address (inet_aton(3)), such as `127.1`.
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(name))
        except (OSError, ValueError):
            return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified


def follow(base: httpx2.URL, text: str, *, registry: Origin) -> httpx2.URL:
    """Return the URL `text` that an answer from `base` names, without user, password and fragment.

    It must be https. Plain HTTP is allowed from loopback to loopback only, so that a registry elsewhere can neither
    lower the protection nor reach services of this machine. A registry behind a proxy that ends TLS may name itself
    with http: then https is used. Raises `ForbiddenAddressError`.
    """
    try:
        url = base.join(text)
        host, port = url.host, url.port
    except (httpx2.InvalidURL, ValueError) as error:
        msg = "an address that cannot be read"
        raise ForbiddenAddressError(msg) from error
    if url.scheme not in _PORTS or not host or (port is not None and not 0 < port <= _HIGHEST_PORT):
        msg = "an address that is neither https nor http" if host else "an address without a host"
        raise ForbiddenAddressError(msg)
    if _may_be_here(host) and not registry.loopback:
        msg = f"{url.scheme}://{host}, which is this machine"
        raise ForbiddenAddressError(msg)
    same_port = port == registry.port or (port is None and registry.port == _PORTS["https"])
    if url.scheme == "http" and registry.scheme == "https" and host.lower() == registry.host and same_port:
        url = url.copy_with(scheme="https", port=registry.port)
    elif url.scheme == "http" and not is_loopback(host):
        msg = f"http://{host}, where nothing is encrypted"
        raise ForbiddenAddressError(msg)
    return url.copy_with(username=None, password=None, fragment=None)
