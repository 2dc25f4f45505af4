"""The proxies that the environment names, for a given environment rather than that of this process.

Fact sources: httpx, "Environment Variables", and curl, CURLOPT_NOPROXY(3).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from msgspec import Struct


class Proxies(Struct, frozen=True, kw_only=True):
    """The address of the proxy for each scheme, and the hosts that are reached without one."""

    of_scheme: Mapping[str, str]
    direct: tuple[str, ...]

    def proxy_for(self, scheme: str, host: str) -> str | None:
        """Return the address of the proxy for a host (without brackets), None if there is none."""
        return None if self._is_direct(host.lower()) else self.of_scheme.get(scheme, self.of_scheme.get("all"))

    def _is_direct(self, host: str) -> bool:
        return any(_matches(host, entry) for entry in self.direct)


def proxies(environ: Mapping[str, str]) -> Proxies:
    """Return the proxies of `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy`, which may be in capitals.

    The name in small letters counts first. In a CGI script (`REQUEST_METHOD`), whoever asks sets `HTTP_PROXY`.
    """
    found: dict[str, str] = {}
    for scheme in ("https", "http", "all"):
        names = [f"{scheme}_proxy", f"{scheme}_proxy".upper()]
        if scheme == "http" and "REQUEST_METHOD" in environ:
            del names[1]
        value = next((environ[name].strip() for name in names if environ.get(name, "").strip()), "")
        if value:
            found[scheme] = value if "://" in value else f"http://{value}"
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return Proxies(of_scheme=found, direct=tuple(entry for entry in map(_entry, listed.split(",")) if entry))


def _entry(text: str) -> str:
    entry = text.strip().lower()
    entry = entry.partition("://")[2] or entry
    return entry.removeprefix("[").replace("]", "")


def _matches(host: str, entry: str) -> bool:
    """Whether an entry of `no_proxy` covers a host: all, a domain with what is below it, an address or a network."""
    if entry == "*":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = entry.removeprefix("*").removeprefix(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
