from __future__ import annotations

import json

import pytest

from nox_pex.distributions import pex_info

DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000


def test_the_values_have_types_and_defaults() -> None:
    info = pex_info.parse(b'{"distributions": {"a.whl": "1"}, "requirements": ["a==1"], "unknown": 1}')
    assert (info.distributions, info.requirements, info.code_hash) == ({"a.whl": "1"}, ("a==1",), "")
    assert info.values == {"distributions": {"a.whl": "1"}, "requirements": ["a==1"], "unknown": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no valid JSON"),
        ("[]", "no PEX-INFO: Expected `object`, got `array`"),
        ("null", "no PEX-INFO: Expected `object`, got `null`"),
        (DEEP, "no valid JSON: it has more than 20 levels"),
        ('{"a": 1, "a": 2}', "no valid JSON: a key is there twice"),
        ('{"distributions": []}', "no PEX-INFO: Expected `object`, got `array` - at `$.distributions`"),
        ('{"distributions": {"a.whl": null}}', "no PEX-INFO"),
        ('{"distributions": null}', "no PEX-INFO"),
        ('{"requirements": "a==1"}', "no PEX-INFO"),
        ('{"requirements": [1]}', "no PEX-INFO"),
        ('{"overridden": {}}', "no PEX-INFO"),
        ('{"code_hash": 1}', "no PEX-INFO"),
        ('{"pex_hash": []}', "no PEX-INFO"),
        ('{"deps_are_wheel_files": "yes"}', "no PEX-INFO"),
        ('{"inject_env": ["A"]}', "no PEX-INFO"),
        ('{"build_properties": {"pex_version": 2}}', "no PEX-INFO"),
    ],
)
def test_what_is_no_pex_info_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match="it is no ") as caught:
        pex_info.parse(text.encode())
    assert problem in str(caught.value)


def test_the_hash_does_not_depend_on_the_hash_itself() -> None:
    values = {"b": 1, "a": "ö"}
    assert pex_info.text_of(values) == b'{"a":"\\u00f6","b":1}'
    assert pex_info.pex_hash({**values, "pex_hash": "x"}) == pex_info.pex_hash(values)
    assert json.loads(pex_info.text_of(values)) == values
