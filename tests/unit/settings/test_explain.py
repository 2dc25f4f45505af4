from __future__ import annotations

import datetime as dt
import tomllib
from typing import Any

import msgspec
import pytest

from nox_pex.settings.explain import Refusal, dotted, explain
from tests.support.settings import HTTP, SERVICE, SMOKE, refused


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[tool]\nnox-pex = 3", ": expected table, got integer 3; write a table"),
        ("[[tool.nox-pex]]", ": expected table, got array; write a table"),
        ("[tool.nox-pex]\ngroup = []", ".group: unknown key; use groups, the nearest valid key"),
        ("[tool.nox-pex]\nimage = {}", ".image: unknown key; valid keys are poetry-version, pex-version, output-dir"),
        (f"{SERVICE}sh_boot = true", ".binary.service.sh_boot: unknown key; use sh-boot, the nearest valid key"),
        (f"{SERVICE}platforms = []", ".binary.service.platforms: unknown key; use complete-platforms"),
        (f"{SERVICE}complete-platforms = 'x.json'", ".binary.service.complete-platforms: expected array, got string"),
        (f"{SERVICE}sources = {{ inclued = [] }}", ".binary.service.sources.inclued: unknown key; use include"),
        (f"{HTTP}path = '/'\nbody = 'x'", ".binary.service.smoke.http[0].body: unknown key; "),
        (f"{SERVICE}'sh boot' = true", '.binary.service."sh boot": unknown key; use sh-boot'),
        (
            f'{SERVICE}sh-boot = "yes"',
            '.binary.service.sh-boot: expected boolean, got string "yes"; write true',
        ),
        ("[tool.nox-pex]\noutput-dir = 3", '.output-dir: expected string, got integer 3; write "3"'),
        ('[tool.nox-pex]\ngroups = "main"', '.groups: expected array, got string "main"; write ["main"]'),
        ("[tool.nox-pex]\ngroups = [1]", ".groups[0]: expected string, got integer 1; "),
        (f"{SERVICE}max-install-jobs = 1.5", ".binary.service.max-install-jobs: expected integer, got float 1.5; "),
        (f"{SERVICE}inject-env = {{ PORT = 80 }}", ".binary.service.inject-env.PORT: expected string, got integer 80"),
        (f"{SERVICE}smoke = 'x'", '.binary.service.smoke: expected table, got string "x"; '),
        (f"{SMOKE}env = {{ A = 2020-01-01 }}", ".binary.service.smoke.env.A: expected string, got date 2020-01-01; "),
        (f"{SMOKE}startup-timeout = 'x'", '.binary.service.smoke.startup-timeout: expected float, got string "x"'),
        (f"{SMOKE}ready = {{ path = 1 }}", ".binary.service.smoke.ready.path: expected string, got integer 1"),
        (f"{SMOKE}before = ['seed']", '.binary.service.smoke.before[0]: expected array, got string "seed"; write ["s'),
        (
            f"{HTTP}path = '/'\nstatus = 1.5",
            ".binary.service.smoke.http[0].status: expected integer or string or array, got float 1.5; ",
        ),
        (f'{SMOKE}conditions = ["cold", "warmth"]', '.binary.service.smoke.conditions[1]: expected one of "cold", '),
        (f"{HTTP}status = 200", ".binary.service.smoke.http[0]: the key path is missing; add path"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_to_write(text: str, line: str) -> None:
    assert refused(text).startswith(line)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("[tool.nox-pex]\noutput-dir = 3", 'write "3"'),
        (f"{SERVICE}max-install-jobs = 'two'", "write a whole number, without quotes"),
        (f"{SMOKE}soak = 'long'", "write a number, without quotes"),
        (f"{SERVICE}compress = 1", "write true"),
        (f"{SERVICE}compress = 3", "write true or false, without quotes"),
        ("[tool.nox-pex]\ngroups = {}", 'write a list, as in ["a", "b"]'),
        ('[tool.nox-pex]\ngroups = "für"', 'write ["für"]'),
        (f"{SERVICE}smoke = 3", "write a table, as in {}"),
        (f"{SERVICE}max-install-jobs = -2", "write a value within that limit"),
        (f"{SERVICE}layout = 'zip'", 'use "zipapp"'),
        (f"{SERVICE}layout = 'x'", "use one of them"),
    ],
)
def test_the_remedy_says_how_to_write_the_value(text: str, remedy: str) -> None:
    assert refused(text).rpartition("; ")[2] == remedy


class Limits(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    least: int = 0
    most: int = 9
    names: tuple[str, ...] = ()
    rule: str = ""

    def __post_init__(self) -> None:
        if self.least > self.most:
            msg = "least is above most; make it smaller"
            raise ValueError(msg)
        if self.rule:
            raise ValueError(self.rule)


def explained(value: Any, kind: Any = Limits) -> Refusal:
    (refusal,) = explain(value, kind, path="t", dec_hook=lambda _, value: value).refusals
    return refusal


def test_of_a_valid_value_nothing_is_refused() -> None:
    found = explain({"a": 1}, dict[str, int], path="t", dec_hook=lambda _, value: value)
    assert (found.refusals, found.rest) == ((), {"a": 1})


def test_a_broken_rule_is_about_the_key_that_it_names() -> None:
    assert explained({"rule": "`most`: it is wrong; correct most", "least": 1}) == Refusal(
        path="t.most", problem="it is wrong", remedy="correct most"
    )


def test_a_broken_rule_that_names_no_key_is_about_the_only_key_without_which_the_table_is_valid() -> None:
    found = Refusal(path="t.least", problem="least is above most", remedy="make it smaller")
    assert explained({"least": 10, "names": ["a"]}) == found


def test_a_broken_rule_of_two_keys_is_about_the_table() -> None:
    assert explained({"least": 10, "most": 3}).path == "t.least"  # without `most`, 10 is still above 9
    assert explained({"least": 5, "most": 3}) == Refusal(
        path="t", problem="least is above most", remedy="make it smaller"
    )


def test_a_problem_may_have_a_semicolon_and_may_have_no_remedy() -> None:
    assert explained({"rule": "`rule`: a; b; do c"}) == Refusal(path="t.rule", problem="a; b", remedy="do c")
    assert explained({"rule": "`rule`: a"}) == Refusal(path="t.rule", problem="a", remedy="correct it")


def test_the_smallest_wrong_part_is_named_before_a_broken_rule() -> None:
    found = explain({"least": 10, "names": ["a", 3]}, Limits, path="t", dec_hook=lambda _, value: value)
    assert [refusal.path for refusal in found.refusals] == ["t.names[1]", "t.least"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('say "hi"\n', 'string "say \\"hi\\"\\n"'),
        (True, "boolean true"),
        (float("inf"), "float inf"),
        (dt.datetime(2020, 1, 2, 3, 4, 5), "date-time 2020-01-02 03:04:05"),  # noqa: DTZ001  # TOML has local times
        (dt.time(3, 4, 5), "time 03:04:05"),
        ({"a": 1}, "table"),
        ([1], "array"),
    ],
)
def test_a_value_is_shown_as_toml_writes_it(value: Any, shown: str) -> None:
    found = explained({"least": value})
    assert (found.path, found.problem) == ("t.least", f"expected integer, got {shown}")
    if shown not in {"table", "array"}:
        assert tomllib.loads(f"x = {shown.partition(' ')[2]}") == {"x": value}


def test_a_text_in_place_of_a_list_is_shown_as_a_list_if_it_fits() -> None:
    assert explained({"names": "it's"}).remedy == 'write ["it\'s"]'
    long = explained({"names": "x" * 500})
    assert long.problem == f'expected array, got string "{"x" * 59}…'
    assert long.remedy == 'write a list, as in ["a", "b"]'


def test_a_key_is_quoted_in_a_dotted_path_as_toml_needs_it() -> None:
    keys = ["sh-boot", "a b", "*", "", 'say "hi"', "ü"]
    assert [dotted("", key) for key in keys] == ["sh-boot", '"a b"', '"*"', '""', '"say \\"hi\\""', '"ü"']
    for key in keys:
        assert tomllib.loads(f"{dotted('t', key)} = 1") == {"t": {key: 1}}
