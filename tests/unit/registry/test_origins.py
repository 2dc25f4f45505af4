"""Which addresses may follow from the answer of a registry."""

from __future__ import annotations

import httpx2
import pytest

from nox_pex.registry import origins
from nox_pex.registry.origins import ForbiddenAddressError

FAR = httpx2.URL("https://registry.example/v2/team/app/blobs/x?y=1")
NEAR = httpx2.URL("http://127.0.0.1:5000/v2/team/app/blobs/x")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1"])
def test_these_hosts_are_loopback(host: str) -> None:
    assert origins.is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",  # noqa: S104  # a name to look at, not to listen on
        "::",
        "128.0.0.1",
        "10.0.0.1",
        "localhost.example",
        "127.0.0.1.example",
        "127.1",
        "::ffff:127.0.0.1",
    ],
)
def test_these_hosts_are_not(host: str) -> None:
    assert not origins.is_loopback(host)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v2/other", "https://registry.example/v2/other"),
        ("other?z=%2F", "https://registry.example/v2/team/app/blobs/other?z=%2F"),
        ("//storage.example/x", "https://storage.example/x"),
        ("https://user:pass@storage.example:8443/x#part", "https://storage.example:8443/x"),
        ("https://registry.example:443/x", "https://registry.example/x"),
    ],
)
def test_an_address_is_relative_or_https(target: str, expected: str) -> None:
    assert str(origins.follow(FAR, target, registry=origins.origin_of(FAR))) == expected


@pytest.mark.parametrize(
    "target",
    [
        "http://registry.example:5000/x",
        "http://127.0.0.1/x",
        "https://127.0.0.1/x",
        "https://localhost:8443/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::]/",
        "https://0.0.0.0/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://localhost./",
        "https://a.localhost/",
    ],
)
def test_a_registry_elsewhere_leads_neither_to_plain_http_nor_to_this_machine(target: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        origins.follow(FAR, target, registry=origins.origin_of(FAR))


@pytest.mark.parametrize("target", ["http://localhost:9/x", "https://127.0.0.1/x", "https://storage.example/x", "/x"])
def test_a_registry_on_loopback_leads_anywhere_on_loopback_and_to_https(target: str) -> None:
    origins.follow(NEAR, target, registry=origins.origin_of(NEAR))


def test_an_origin_has_a_scheme_a_host_and_a_port() -> None:
    assert origins.origin_of(httpx2.URL("https://A.example")) == origins.origin_of(
        httpx2.URL("https://a.example:443/x")
    )
    assert origins.origin_of(httpx2.URL("https://a.example")) != origins.origin_of(httpx2.URL("http://a.example"))
    assert origins.origin_of(FAR) != origins.origin_of(httpx2.URL("https://registry.example:8443"))
    assert str(origins.origin_of(httpx2.URL("http://[::1]:5000/x"))) == "http://[::1]:5000"


@pytest.mark.parametrize(
    ("registry", "target", "expected"),
    [
        ("https://registry.example/v2/", "http://registry.example/x", "https://registry.example/x"),
        ("https://registry.example:5000/v2/", "http://registry.example:5000/x", "https://registry.example:5000/x"),
        ("https://127.0.0.1:5000/v2/", "http://127.0.0.1:5000/x", "https://127.0.0.1:5000/x"),
    ],
)
def test_a_registry_with_tls_that_names_itself_without_is_asked_with_tls(
    registry: str, target: str, expected: str
) -> None:
    base = httpx2.URL(registry)
    assert str(origins.follow(base, target, registry=origins.origin_of(base))) == expected
