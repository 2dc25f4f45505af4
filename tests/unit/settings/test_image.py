from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.images import image


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"base": "two words"}, "`base`: 'two words' names nothing"),
        ({"base": ""}, "`base`: '' names nothing"),
        ({"tag": ["service:{commit}"]}, "has {commit}; there are {version} and {git-sha}"),
        ({"tag": ["service:{version"]}, "has {version; there are"),
        ({"tag": ["Service"]}, "is no name of an image"),
        ({"tag": ["service:a b"]}, "is no name of an image"),
        ({"user": "nobody"}, "`user`: 'nobody' is no number"),
        ({"user": -1}, "`user`: -1 is no number"),
        ({"expose": [0]}, "`expose`: 0 is no port"),
        ({"expose": ["80/http"]}, "`expose`: '80/http' is no port"),
        ({"env": {"A B": "1"}}, "`env`: 'A B' is no name"),
        ({"env": {"A": "1\n2"}}, "has more than one line"),
        ({"healthcheck": {}}, "expected exactly one of path, command"),
        ({"healthcheck": {"path": "/", "command": ["true"]}}, "expected exactly one of path, command"),
        ({"healthcheck": {"path": "/"}}, "it has a path and no port"),
        ({"healthcheck": {"path": "healthz"}, "expose": [1]}, "must start with `/`"),
        ({"containerfile": "Dockerfile", "user": 1}, "the file decides, and `user` would have no effect"),
        ({"containerfile": "Dockerfile", "env": {"A": "1"}}, "the file decides, and `env` would have no effect"),
    ],
)
def test_a_bad_value_says_what_to_write(values: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r".") as caught:
        image(**values)
    assert said in str(caught.value)


def test_valid_values_are_accepted() -> None:
    image(tag=["a", "registry.example:5000/team/a-b/c:{version}-{git-sha}"], user="10:20", expose=[80, "53/udp"])
    image(containerfile="Dockerfile", expose=[8000], args=["x"])
