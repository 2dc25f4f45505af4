"""The smoke and budget tables, judged when they are read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nox_pex.settings.smoke import Budget, HttpCheck, Smoke, signal_number, size, statuses


@pytest.mark.parametrize(
    ("text", "expected"),
    [("60 MB", 60_000_000), ("1.5MiB", 1_572_864), ("0", 0), ("7 B", 7), ("2 kB", 2000), ("1 GiB", 2**30)],
)
def test_size(text: str, expected: int) -> None:
    assert size(text) == expected


def test_statuses() -> None:
    assert statuses(("2xx", 301)) == (range(200, 300), range(301, 302))


def test_signals() -> None:
    assert signal_number("TERM") == signal_number("SIGTERM") == 15


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"startup-timeout": -1}, r"\$\.startup-timeout"),
        ({"startup-timeout": float("inf")}, r"\$\.startup-timeout"),
        ({"soak": -0.5}, r"\$\.soak"),
        ({"stop-signal": "HALT"}, "'HALT' is no signal"),
        ({"stop-exit-codes": ["TERM", "HALT"]}, "'HALT' is no signal"),
        ({"stop-exit-codes": [900]}, "900 is no exit status"),
        ({"conditions": ["hot"]}, r"'hot' - at `\$\.conditions\[0\]`"),
        ({"conditions": []}, "at least one condition"),
        ({"conditions": ["cold", "cold"]}, "none twice"),
        ({"skips": "ignore"}, r"\$\.skips"),
        ({"before": [[]]}, "each a list of words"),
        ({"url": "127.0.0.1:{port}"}, "is no address"),
        ({"url": "ftp://127.0.0.1"}, "is no address"),
        ({"url": "http://u:p@127.0.0.1"}, "is no address"),
        ({"url": "http://127.0.0.1:x"}, "is no address"),
        ({"log-forbid": ["("]}, r"`log-forbid`: '\(' is no regular expression"),
        ({"log-require": ["["]}, "`log-require`"),
        ({"unknown": 1}, "unknown field `unknown`"),
        ({"ready": {"path": "healthz"}}, "must start with `/`"),
        ({"ready": {"path": "/", "status": "9xx"}}, "'9xx' is no HTTP status"),
        ({"http": [{"path": "/", "status": []}]}, "must not be empty"),
        ({"http": [{"path": "/", "status": 20}]}, "20 is no HTTP status"),
        ({"http": [{"path": "/", "status": True}]}, "got `bool`"),
        ({"http": [{"path": "/", "matches": ["x", "*"]}]}, r"`matches`: '\*' is no regular .* at `\$\.http\[0\]`"),
        ({"http": [{"path": "/", "max-size": "big"}]}, "`max-size`: 'big' is no size"),
        ({"http": [{"path": "/", "method": "get it"}]}, "no HTTP method"),
        ({"http": [{"path": "/", "json-path": {"a.b": 1}}]}, r"'a\.b' is no JSONPath"),
        ({"http": [{"path": "/", "request-body": "x", "request-json": 1}]}, "exclude each other"),
        ({"http": [{}]}, "missing required field `path`"),
        ({"command": [{"exit-code": 256}]}, "256 is no exit status"),
        ({"command": [{"stdout-matches": "("}]}, "`stdout-matches`"),
        ({"tcp": [{"port": "{tmp}"}]}, "is no port"),
        ({"tcp": [{"port": 70000}]}, "is no port"),
    ],
)
def test_mistakes_are_found_and_explained(table: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(table, Smoke)


def test_budget() -> None:
    msgspec.convert({"size": "60 MB", "cold-boot": 10, "warm-boot": 0.5, "memory": "1 GiB"}, Budget)
    for table in ({"size": "-1"}, {"memory": "200 MBs"}, {"cold-boot": 0}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(table, Budget)


def test_absent_and_null_differ() -> None:
    assert HttpCheck(path="/").json is msgspec.UNSET
    assert msgspec.convert({"path": "/", "json": None}, HttpCheck).json is None
