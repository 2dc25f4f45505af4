"""Proxies, by the variables of an environment."""

from __future__ import annotations

import pytest

from nox_pex.registry.proxies import proxies


def test_the_proxy_of_a_scheme_comes_before_that_of_all() -> None:
    found = proxies({"HTTPS_PROXY": "proxy.example:3128", "all_proxy": "http://all.example"})
    assert found.proxy_for("https", "registry.example") == "http://proxy.example:3128"
    assert found.proxy_for("http", "registry.example") == "http://all.example"


def test_small_letters_come_before_capitals() -> None:
    found = proxies({"HTTPS_PROXY": "http://one.example", "https_proxy": "http://two.example"})
    assert found.proxy_for("https", "registry.example") == "http://two.example"


def test_whoever_asks_a_cgi_script_chooses_no_proxy() -> None:
    assert proxies({"HTTP_PROXY": "evil.example", "REQUEST_METHOD": "GET"}).proxy_for("http", "a.example") is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("registry.example", "registry.example", True),
        ("registry.example", "a.registry.example", True),
        ("registry.example", "notregistry.example", False),
        (".registry.example", "a.registry.example", True),
        ("*.registry.example", "a.registry.example", True),
        ("other, REGISTRY.example", "registry.example", True),
        ("*", "registry.example", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("[fd00::1]", "fd00::1", True),
        ("fd00::/8", "fd00::1", True),
        ("https://registry.example", "registry.example", True),
        ("", "registry.example", False),
        (",,.,", "registry.example", False),
        ("nonsense/99", "10.0.0.1", False),
    ],
)
def test_hosts_without_a_proxy(no_proxy: str, host: str, *, direct: bool) -> None:
    found = proxies({"https_proxy": "http://proxy.example", "no_proxy": no_proxy})
    assert (found.proxy_for("https", host) is None) == direct
