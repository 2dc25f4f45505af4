"""The boots, the address of the server and the tokens of a smoke test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings.checks import CommandCheck, HttpCheck, TextMatch
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke import plan
from nox_pex.smoke.plan import Boot


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
def test_a_warm_boot_follows_a_cold_one_or_a_seed(
    conditions: list[str], only: str | None, expected: list[tuple[str, str, bool]]
) -> None:
    boots = plan.plan_boots(smoke(conditions=conditions), only)
    assert [(boot.condition, boot.state, boot.warms_up) for boot in boots] == expected


def test_an_unknown_condition_is_refused() -> None:
    with pytest.raises(NoxPexError, match="no such condition") as caught:
        plan.plan_boots(smoke(), "hot")
    assert caught.value.code == "usage"


def test_the_boot_of_the_scie_comes_last_unless_another_one_is_chosen() -> None:
    scie = Boot(condition="scie", state="scie")
    assert [boot.condition for boot in plan.plan_boots(smoke(), None, has_scie=True)] == ["cold", "warm", "scie"]
    assert plan.plan_boots(smoke(), "scie", has_scie=True) == (scie,)
    assert [boot.condition for boot in plan.plan_boots(smoke(), "cold", has_scie=True)] == ["cold"]


def test_the_scie_of_a_binary_without_one_is_refused() -> None:
    with pytest.raises(NoxPexError, match="has no scie") as caught:
        plan.plan_boots(smoke(), "scie")
    assert caught.value.code == "usage"


def test_the_first_boot_with_a_network_is_served() -> None:
    offline, cold = Boot(condition="offline", state="offline"), Boot(condition="cold", state="cold")
    assert plan.boot_to_serve((offline, cold)) == cold
    with pytest.raises(NoxPexError, match="offline") as caught:
        plan.boot_to_serve((offline,))
    assert caught.value.code == "usage"


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


def test_values_are_escaped_in_regular_expressions_and_not_in_data_with_the_same_keys() -> None:
    given = smoke(
        ready={"log": "^on {host}$"},
        http=[
            {
                "path": "/",
                "request-json": {"until": "{host}", "log": ["{host}"], "matches": {"matches": "{host}"}},
                "headers": {"Until": "{host}", "matches": {"matches": "{host}", "contains": "{host}"}},
                "json": {"matches": "{host}"},
            }
        ],
    )
    filled = plan.fill_settings(given, host="a.b", port=80, tmp=Path("/t"))
    assert filled.ready is not None
    assert filled.ready.log == r"^on a\.b$"
    (check,) = filled.http
    assert check.request_json == {"until": "a.b", "log": ["a.b"], "matches": {"matches": "a.b"}}
    assert check.headers == {"Until": "a.b", "matches": TextMatch(matches=r"a\.b", contains="a.b")}
    assert check.json == {"matches": "a.b"}


def test_a_token_that_makes_a_setting_invalid_is_an_error() -> None:
    with pytest.raises(NoxPexError, match="with the tokens filled in: `url`") as caught:
        plan.fill_settings(smoke(url="http://{tmp}"), host="127.0.0.1", port=80, tmp=Path("/t"))
    assert caught.value.code == "config"


def test_a_port_comes_from_the_option_or_the_url() -> None:
    assert plan.fixed_port(smoke(), None) is None
    assert plan.fixed_port(smoke(), 8000) == 8000
    assert plan.fixed_port(smoke(url="http://127.0.0.1:81"), None) == 81
    assert plan.fixed_port(smoke(url="https://127.0.0.1"), None) == 443
    with pytest.raises(NoxPexError, match="contradicts"):
        plan.fixed_port(smoke(url="http://127.0.0.1:81"), 82)


@pytest.mark.parametrize("port", [0, 70000])
def test_a_number_that_is_not_a_port_is_refused(port: int) -> None:
    with pytest.raises(NoxPexError, match="no such port") as caught:
        plan.fixed_port(smoke(), port)
    assert caught.value.code == "usage"


def test_a_host_comes_from_the_url_without_brackets() -> None:
    assert plan.host_of(smoke(url="http://[::1]:{port}")) == "::1"
    assert plan.host_of(smoke(url="http://{host}:{port}/")) == "127.0.0.1"


def test_the_path_of_a_unix_socket_fits_every_system() -> None:
    plan.endpoint(smoke(unix_socket="/" + "x" * 102), host="127.0.0.1", port=80)
    with pytest.raises(NoxPexError, match="longer than 103 bytes") as caught:
        plan.endpoint(smoke(unix_socket="/" + "x" * 103), host="127.0.0.1", port=80)
    assert caught.value.code == "config"


def test_the_request_of_ready_says_when_the_server_is_ready() -> None:
    ready = {"path": "/healthz", "status": 204, "request-headers": {"Host": "a"}}
    assert plan.answer_check(smoke(ready=ready, http=[{"path": "/a", "ca-file": "ca.pem"}])) == HttpCheck(
        path="/healthz", status=204, request_headers={"Host": "a"}, ca_file="ca.pem"
    )
    assert plan.answer_check(smoke(ready={"log": "ready"}, http=[{"path": "/a"}])) is None


@pytest.mark.parametrize(
    "changing",
    [
        {"method": "POST"},
        {"request-body": "x"},
        {"request-json": {}},
        {"path": "/{id}"},
        {"request-headers": {"X-Token": "{id}"}},
    ],
)
def test_only_a_request_that_can_be_sent_twice_says_when_the_server_is_ready(changing: dict[str, Any]) -> None:
    first, second = {"path": "/", "capture": {"id": "$.id"}, "method": "PUT"}, {"path": "/b", "method": "HEAD"}
    checks = smoke(http=[first, {"path": "/a", **changing}, second])
    assert plan.answer_check(checks) == checks.http[2]
    assert plan.answer_check(smoke(http=[first, {"path": "/a", **changing}])) is None


def test_the_boots_of_a_condition_are_together() -> None:
    boots = plan.plan_boots(smoke(conditions=["warm", "cold"]), None)
    assert [len(each) for each in plan.by_condition(boots)] == [2, 1]


def test_the_commands_for_all_conditions_have_no_temporary_directory() -> None:
    settings = smoke(env={"A": "{tmp}/a", "B": "{port}"}, before_all=[["x", "{host}:{port}"]])
    filled = plan.fill_for_all(settings, host="::1", port=7)
    assert filled.env == {"B": "7"}
    assert filled.before_all == (("x", "::1:7"),)


def test_settings_without_a_check_are_refused() -> None:
    with pytest.raises(NoxPexError, match=r"\[\[tool\.nox-pex\.binary\.program\.smoke\.http\]\]") as caught:
        plan.require_checks(smoke(), name="program")
    assert caught.value.code == "config"
    with pytest.raises(NoxPexError, match=r'paste \[tool\.nox-pex\.binary\.program\], .* script = "greet"'):
        plan.require_checks(smoke(), name="program", undeclared="greet")
    with pytest.raises(NoxPexError, match=r'paste \[\[tool\.nox-pex\.binary\."a\.b"\.smoke\.http\]\]'):
        plan.require_checks(smoke(), name="a.b")
    plan.require_checks(smoke(command=[{"args": []}]), name="program")
    plan.require_checks(smoke(ready={"log": "ready"}), name="program")


def test_a_command_may_run_another_script() -> None:
    settings = Smoke(env={"A": "1", "PEX_MODULE": "x", "PEX_INTERPRETER": "1"})
    own = CommandCheck(env={"B": "2"})
    assert plan.command_variables(settings, own) == {**settings.env, "B": "2"}
    other = CommandCheck(script="alembic", env={"B": "2"})
    assert plan.command_variables(settings, other) == {"A": "1", "B": "2", "PEX_SCRIPT": "alembic"}
