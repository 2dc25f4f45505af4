"""The smoke and budget tables, which are checked when they are read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nox_pex.settings.checks import HttpCheck
from nox_pex.settings.smoke import Budget, Smoke
from nox_pex.settings.values import parse_size, signal_number, statuses


@pytest.mark.parametrize(
    ("text", "expected"),
    [("60 MB", 60_000_000), ("1.5MiB", 1_572_864), ("0", 0), ("7 B", 7), ("2 kB", 2000), ("1 GiB", 2**30)],
)
def test_a_size_is_a_number_of_bytes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


def test_statuses_are_ranges() -> None:
    assert statuses(("2xx", 301)) == (range(200, 300), range(301, 302))


def test_a_signal_is_named_with_or_without_sig() -> None:
    assert signal_number("TERM") == signal_number("SIGTERM") == 15


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"startup-timeout": -1}, r"\$\.startup-timeout"),
        ({"startup-timeout": float("inf")}, r"\$\.startup-timeout"),
        ({"soak": -0.5}, r"\$\.soak"),
        ({"stop-signal": "HALT"}, "'HALT' is not a signal"),
        ({"stop-exit-codes": ["TERM", "HALT"]}, "'HALT' is not a signal"),
        ({"stop-exit-codes": [900]}, "900 is not an exit status"),
        ({"conditions": ["hot"]}, r"'hot' - at `\$\.conditions\[0\]`"),
        ({"conditions": []}, "`conditions`: expected at least one condition, and none twice"),
        ({"conditions": ["cold", "cold"]}, "none twice"),
        ({"skips": "ignore"}, r"\$\.skips"),
        ({"before": [["x"], []]}, "`before`: a command is empty"),
        ({"after": [[]]}, "`after`: a command is empty"),
        ({"url": "127.0.0.1:{port}"}, "is not the address of a server"),
        ({"unix-socket": "app.sock"}, "`unix-socket`: 'app.sock' is not an absolute path"),
        ({"unix-socket": "@app"}, "is not an absolute path"),
        ({"unix-socket": "/run/a\0b"}, "is not an absolute path"),
        ({"url": "ftp://127.0.0.1"}, "is not the address of a server"),
        ({"url": "http://u:p@127.0.0.1"}, "is not the address of a server"),
        ({"url": "http://127.0.0.1:x"}, "is not the address of a server"),
        ({"log-forbid": ["("]}, r"`log-forbid`: '\(' is not a regular expression"),
        ({"log-require": ["["]}, "`log-require`"),
        ({"unknown": 1}, "unknown field `unknown`"),
        ({"ready": {"path": "healthz"}}, "must start with `/`"),
        ({"ready": {"path": "/", "status": "9xx"}}, "`status`: '9xx' is not an HTTP status"),
        ({"http": [{"path": "/", "status": []}]}, "`status`: the list must not be empty"),
        ({"http": [{"path": "/", "status": 20}]}, "`status`: 20 is not an HTTP status"),
        ({"http": [{"path": "/", "status": True}]}, "got `bool`"),
        ({"http": [{"path": "/", "matches": ["x", "*"]}]}, r"`matches`: '\*' is not a regular .* at `\$\.http\[0\]`"),
        ({"http": [{"path": "/", "max-size": "big"}]}, "`max-size`: 'big' is not a size"),
        ({"http": [{"path": "/", "method": "get it"}]}, "not an HTTP method"),
        ({"http": [{"path": "/", "json-path": {"a.b": 1}}]}, r"'a\.b' is not a JSONPath"),
        ({"http": [{"path": "/", "request-body": "x", "request-json": 1}]}, "keep one"),
        ({"http": [{}]}, "missing required field `path`"),
        ({"command": [{"exit-code": 256}]}, "256 is not an exit status"),
        ({"command": [{"stdout-matches": "("}]}, "`stdout-matches`"),
        ({"command": [{"script": ""}]}, "`script`: '' is not the name of a script"),
        ({"command": [{"script": "bin/x"}]}, "`script`: 'bin/x' is not the name of a script"),
        ({"command": [{"script": "x", "env": {"PEX_MODULE": "y"}}]}, "`env`: PEX_MODULE contradicts `script`"),
        ({"tcp": [{"port": "{tmp}"}]}, "is not a port"),
        ({"ready": {}}, "by either `path` or `log`"),
        ({"ready": {"path": "/", "log": "x"}}, "by either `path` or `log`"),
        ({"ready": {"log": "("}}, "`log`"),
        ({"ready": {"log": "x", "request-headers": {"Host": "a"}}}, "`log`: a line of the log has no `status`"),
        ({"http": [{"path": "x"}]}, r"`path`: 'x' must start with `/`"),
        ({"http": [{"path": "{x}"}]}, r"'\{x\}' must start with `/`"),
        ({"http": [{"path": "/", "until": "("}]}, "`until`"),
        ({"http": [{"path": "/", "request-headers": {"X Y": "a"}}]}, "`request-headers`: 'X Y' is not the name of a h"),
        ({"http": [{"path": "/", "request-headers": {"X": "a\nb"}}]}, "`request-headers`: the value of 'X' cannot be"),
        ({"http": [{"path": "/", "request-headers": {"X": "ü"}}]}, "cannot be sent; write one line of ASCII"),
        ({"http": [{"path": "/", "headers": {"X:": {"matches": "a"}}}]}, "`headers`: 'X:' is not the name of a header"),
        ({"http": [{"path": "/", "capture": {"id": {"header": ""}}}]}, "`header`: '' is not the name of a header"),
        ({"ready": {"path": "/", "request-headers": {"X": "a "}}}, "the value of 'X' cannot be sent"),
        ({"http": [{"path": "/", "headers": {"ETag": {}}}]}, "needs `contains` or `matches`"),
        ({"http": [{"path": "/", "headers": {"ETag": {"matches": "("}}}]}, "`matches`"),
        ({"http": [{"path": "/", "capture": {"id": "id"}}]}, "`capture`: 'id' is not a JSONPath"),
        ({"http": [{"path": "/", "capture": {"id": {}}}]}, "from either `matches` or `header`"),
        ({"http": [{"path": "/", "capture": {"id": {"matches": "a", "header": "b"}}}]}, "from either"),
        ({"http": [{"path": "/", "capture": {"port": "$.port"}}]}, r"`capture`: \{port\} already means the server's"),
        ({"http": [{"path": "/", "capture": {"a b": "$.id"}}]}, "`capture`: 'a b' is not a name"),
        (
            {"http": [{"path": "/{id}"}, {"path": "/", "capture": {"id": "$"}}]},
            r"`http\[0\]`: uses \{id\}, but no earlier",
        ),
        ({"http": [{"path": "/{id}", "capture": {"id": "$"}}]}, r"`http\[0\]`: uses \{id\}, but no earlier"),
        ({"args": ["{id}"], "http": [{"path": "/", "capture": {"id": "$"}}]}, r"`args`: uses \{id\}, but it is needed"),
        ({"before-all": [["x"], []]}, "`before-all`: a command is empty"),
        ({"after-all": [["rm", "{tmp}/x"]]}, "`after-all`: it runs once"),
        ({"before-timeout": 0}, r"\$\.before-timeout"),
        ({"args": ["x"], "command": [{"args": []}]}, "`args`: it is for a program that keeps running"),
        ({"tcp": [{"port": 70000}]}, "is not a port"),
    ],
)
def test_a_wrong_value_is_refused_with_the_reason(table: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(table, Smoke)


def test_a_budget_has_sizes_and_seconds() -> None:
    msgspec.convert({"size": "60 MB", "cold-boot": 10, "warm-boot": 0.5, "memory": "1 GiB"}, Budget)
    for table in ({"size": "-1"}, {"memory": "200 MBs"}, {"cold-boot": 0}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(table, Budget)


def test_expected_json_may_be_null() -> None:
    assert HttpCheck(path="/").json is msgspec.UNSET
    assert msgspec.convert({"path": "/", "json": None}, HttpCheck).json is None
