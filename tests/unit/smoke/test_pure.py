"""The decisions that need no program: the plan, the verdicts, who would answer."""

from __future__ import annotations

import ipaddress
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import HttpCheck, Smoke
from nox_pex.smoke import plan
from nox_pex.smoke.checks.http_client import Answer
from nox_pex.smoke.checks.verdicts import differences, exit_allowed, http_result
from nox_pex.smoke.process import supervisor
from nox_pex.smoke.process.ports import Listener, matching_listeners
from nox_pex.smoke.process.program import clean_environment
from nox_pex.smoke.process.supervisor import ProcessRow, descendants


def smoke(**settings: Any) -> Smoke:
    return msgspec.convert({key.replace("_", "-"): value for key, value in settings.items()}, Smoke)


@pytest.mark.parametrize(
    ("conditions", "only", "expected"),
    [
        (["cold", "warm"], None, [("cold", "cold", False), ("warm", "cold", False)]),
        (["warm"], None, [("warm", "warm", True), ("warm", "warm", False)]),
        (["warm", "cold"], None, [("warm", "warm", True), ("warm", "warm", False), ("cold", "cold", False)]),
        (["cold"], "warm", [("warm", "warm", True), ("warm", "warm", False)]),
    ],
)
def test_boots(conditions: list[str], only: str | None, expected: list[tuple[str, str, bool]]) -> None:
    boots = plan.plan_boots(smoke(conditions=conditions), only)
    assert [(boot.condition, boot.state, boot.seed) for boot in boots] == expected


def test_exactly_three_tokens_are_filled_in() -> None:
    given = smoke(
        args=["{host}:{port}", "{x}", "{{port}}", "${port}", "{PORT}"],
        env={"A": "{tmp}/a"},
        http=[{"path": "/{port}", "json": {"at": ["{host}", 1]}, "matches": r"{host}\d{3}"}],
    )
    filled = plan.fill_settings(given, host="127.0.0.1", port=80, tmp=Path("/t/{port} (1)"))
    assert filled.args == ("127.0.0.1:80", "{x}", "{80}", "$80", "{PORT}")
    assert filled.env == {"A": "/t/{port} (1)/a"}
    assert filled.http[0].path == "/80"
    assert filled.http[0].json == {"at": ["127.0.0.1", 1]}
    assert filled.http[0].matches == r"127\.0\.0\.1\d{3}"


def test_ports_and_hosts() -> None:
    assert plan.fixed_port(smoke(), None) is None
    assert plan.fixed_port(smoke(), 8000) == 8000
    assert plan.fixed_port(smoke(url="http://127.0.0.1:81"), None) == 81
    assert plan.fixed_port(smoke(url="https://127.0.0.1"), None) == 443
    with pytest.raises(NoxPexError, match="contradicts"):
        plan.fixed_port(smoke(url="http://127.0.0.1:81"), 82)
    assert plan.host_of(smoke(url="http://[::1]:{port}")) == "::1"
    assert plan.host_of(smoke(url="http://{host}:{port}/")) == "127.0.0.1"


@pytest.mark.parametrize(
    ("status", "allowed"),
    [(0, True), (-15, True), (143, True), (1, False), (-9, False), (-2, True), (130, True), (7, True)],
)
def test_exit_statuses(status: int, allowed: bool) -> None:  # noqa: FBT001
    assert exit_allowed(status, (0, "TERM", "SIGINT", 7)) is allowed


@pytest.mark.parametrize(
    ("expected", "came", "found"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, [("$.a[1].b", "2", "3")]),
        ({"a b": 1}, {"c": 1}, [('$["a b"]', "1", "nothing"), ("$.c", "nothing", "1")]),
        ([1], [1, 2], [("$", "1 items", "2 items")]),
        (1, True, [("$", "1", "true")]),
        (1, 1.0, []),
        (None, 0, [("$", "null", "0")]),
    ],
)
def test_differences(expected: Any, came: Any, found: list[tuple[str, str, str]]) -> None:
    assert list(differences(expected, came)) == found


@pytest.mark.parametrize(
    ("paths", "passed"),
    [
        ({"$.items[0].id": 7}, True),
        ({"$.items[*].id": [7, 8]}, True),
        ({"$.items[?@.id > 7].id": 8}, True),
        ({"$.items[?@.id > 7].id": [8]}, True),
        ({"$.items": [{"id": 7}, {"id": 8}]}, True),
        ({"$.items[0].id": True}, False),
        ({"$.none": None}, False),
    ],
)
def test_json_path(paths: dict[str, Any], passed: bool) -> None:  # noqa: FBT001
    answer = Answer(status=200, body=b'{"items": [{"id": 7}, {"id": 8}]}')
    assert http_result(HttpCheck(path="/", json_path=paths), answer).passed is passed


def test_a_schema_is_never_fetched() -> None:
    schema = {"$ref": "http://example.invalid/schema.json"}
    verdict = http_result(HttpCheck(path="/", json_schema="s.json"), Answer(status=200, body=b"{}"), schema=schema)
    assert not verdict.passed
    assert "cannot be resolved" in verdict.actual


def test_whom_a_connection_meets() -> None:
    local, every, every6 = (ipaddress.ip_address(text) for text in ("127.0.0.1", "0.0.0.0", "::"))  # noqa: S104
    listeners = [
        Listener(address=every, port=80, inode=1),
        Listener(address=every6, port=80, inode=2),
        Listener(address=local, port=80, inode=3),
        Listener(address=local, port=81, inode=4),
    ]
    assert [each.inode for each in matching_listeners(listeners, {local}, 80)] == [3]
    assert [each.inode for each in matching_listeners(listeners[:2], {local}, 80)] == [1, 2]
    assert [each.inode for each in matching_listeners(listeners, {ipaddress.ip_address("::1")}, 80)] == [2]
    assert matching_listeners(listeners, {local}, 82) == []


def test_descendants() -> None:
    table = {pid: ProcessRow(parent, 0, 0) for pid, parent in [(2, 1), (3, 2), (4, 3), (5, 1), (9, 8), (8, 9)]}
    assert descendants(table, 2) == {3, 4}
    assert descendants(table, 1) == {2, 3, 4, 5}


def test_scrubbed() -> None:
    environ = {"PATH": f"/usr/bin{os.pathsep}{os.pathsep}bin", "PYTHONPATH": "x", "LANG": "C", "TOKEN": "t"}
    home, pex_root, tmp = Path("/h"), Path("/r"), Path("/t")
    assert clean_environment(environ, pass_env=["TOKEN", "NONE"], home=home, pex_root=pex_root, tmp=tmp) == {
        "PATH": "/usr/bin", "LANG": "C", "HOME": "/h", "PEX_ROOT": "/r", "TMPDIR": "/t", "TOKEN": "t",
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no `ps` here")
def test_processes_are_found_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LINUX", False)
    mine = supervisor.processes()[os.getpid()]
    assert mine.parent == os.getppid()
    assert mine.group == os.getpgrp()
    assert mine.resident > 1_000_000
    assert "py" in supervisor.command_line(os.getpid())
