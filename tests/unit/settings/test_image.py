from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from nox_pex.settings.image import Image, port_number


def image(**values: Any) -> Image:
    return msgspec.convert({"base": "python:3.11-slim", **{k.replace("_", "-"): v for k, v in values.items()}}, Image)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"base": "two words"}, "`base`: 'two words' is empty or has a blank"),
        ({"base": ""}, "`base`: '' is empty or has a blank"),
        ({"tag": ["service:{commit}"]}, "has the unknown token {commit}; use {version}, {git-sha} or {python}"),
        ({"tag": ["service:{version"]}, "has the unknown token {version; use"),
        ({"tag": ["Service"]}, "is not a name of an image"),
        ({"tag": ["service:a b"]}, "is not a name of an image"),
        ({"user": "nobody"}, "`user`: 'nobody' is not a number"),
        ({"user": -1}, "`user`: -1 is not a number"),
        ({"expose": [0]}, "`expose`: 0 is not a port"),
        ({"expose": ["80/http"]}, "`expose`: '80/http' is not a port"),
        ({"env": {"A B": "1"}}, "`env`: 'A B' is not a name"),
        ({"env": {"A": "1\n2"}}, "has more than one line"),
        ({"healthcheck": {}}, "expected exactly one of path, command"),
        ({"healthcheck": {"path": "/", "command": ["true"]}}, "expected exactly one of path, command"),
        ({"healthcheck": {"path": "/"}}, "it has a path, but neither it nor `expose` names a port"),
        ({"healthcheck": {"path": "healthz"}, "expose": [1]}, "must start with `/`"),
        ({"builder": "a b"}, "`builder`: 'a b' is empty or has a blank; write a name without blanks"),
        ({"builder": ""}, 'write a name without blanks, such as "python:3.12"'),
        ({"containerfile": ""}, 'write a name without blanks, such as "Dockerfile"'),
        ({"user": "a"}, 'write one such as 65532, or with a group "65532:65532"'),
        ({"expose": [65536]}, "`expose`: 65536 is not a port"),
        ({"labels": {"a\n": "1"}}, "`labels`: 'a\\n' is not a name of a label"),
        ({"labels": {'a="1" b': "1"}}, "is not a name of a label; write one such as org.example.team"),
        ({"labels": {"a \\": "1"}}, "is not a name of a label"),
        ({"labels": {"a": "1\x0bRUN x"}}, "has more than one line"),
        ({"labels": {"a": "1\u2028"}}, "has more than one line"),
        ({"env": {"A": "1\0"}}, "`env`: '1\\x00' has a NUL character; remove it"),
        ({"base": "a\0b"}, "`base`: 'a\\x00b' has an invisible character"),
        ({"builder": "a\x1b[31m"}, "has an invisible character"),
        ({"healthcheck": {"path": "/", "port": 0}}, "`port`: 0 is not a port"),
        ({"containerfile": "Dockerfile", "user": 1}, "with it, `user` would have no effect"),
        ({"containerfile": "Dockerfile", "env": {"A": "1"}}, "with it, `env` would have no effect"),
    ],
)
def test_a_bad_value_says_what_to_write(values: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(message)):
        image(**values)


def test_valid_values_are_accepted() -> None:
    image(tag=["a", "registry.example:5000/team/a-b/c:{version}-{git-sha}"], user="10:20", expose=[80, "53/udp"])
    image(containerfile="Dockerfile", expose=[8000], args=["x"])


def test_the_number_of_a_port_has_no_protocol() -> None:
    assert [port_number("expose", port) for port in (1, "8000", "53/udp", 65535)] == [1, 8000, 53, 65535]
