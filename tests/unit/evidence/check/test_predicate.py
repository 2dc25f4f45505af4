from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from msgspec import Raw

from nox_pex.evidence.check import predicate
from nox_pex.evidence.kinds import KINDS, Kind
from tests.support.statements import COMMIT, PREDICATES, REPOSITORY


def raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode("utf-8"))


NOON = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-26T12:00:00Z", NOON),
        ("2026-11-26t12:00:00z", NOON),
        ("2026-11-26T13:30:00+01:30", NOON),
        ("2026-11-26T12:00:00-00:00", NOON),
        ("2026-11-26T12:00:00.5Z", NOON.replace(microsecond=500_000)),
        ("2026-11-26T12:00:00.123456789123Z", NOON.replace(microsecond=123_456)),
        ("2026-12-31T23:59:60Z", dt.datetime(2026, 12, 31, 23, 59, 59, tzinfo=dt.UTC)),
    ],
)
def test_times_of_rfc_3339(text: str, expected: dt.datetime) -> None:
    assert predicate.parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "now",
            "2026-11-26",
            "2026-11-26T12:00:00",
            "2026-11-26 12:00:00Z",
            "2026-11-26T12:00Z",
            "20261126T120000Z",
        ),
        *("2026-W48-4T12:00:00Z", "2026-02-31T12:00:00Z", "2026-11-26T24:00:01Z", "2026-11-26T12:00:00+25:00"),
        *(
            "2026-11-26T12:00:00Z\n",
            " 2026-11-26T12:00:00Z",
            "2026-11-26T12:00:00,5Z",
            "\uff12\uff1026-11-26T12:00:00Z",
        ),
        *("0001-01-01T00:00:00+01:00", "1764158400", "2026-11-26T12:00:00 +00:00"),
    ],
)
def test_all_other_times_are_none(text: str) -> None:
    assert predicate.parse_time(text) is None


def test_the_end_of_the_last_year_in_another_zone_is_in_the_future() -> None:
    assert predicate.parse_time("9999-12-31T23:59:59-01:00") == dt.datetime.max.replace(tzinfo=dt.UTC)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_time(kind: Kind) -> None:
    expected = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) if kind == "sbom" else NOON

    assert predicate.time(kind, raw(PREDICATES[kind])) == expected


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"startedOn": "2026-11-26T12:00:00Z"}, NOON),
        ({"startedOn": "2026-11-26T12:00:00Z", "finishedOn": None}, NOON),
        ({"startedOn": "2026-11-26T12:00:00Z", "finishedOn": "soon"}, None),
        ({"startedOn": 1, "finishedOn": [NOON.isoformat()]}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_time_of_a_build(details: object, expected: dt.datetime | None) -> None:
    assert predicate.time("provenance", raw({"runDetails": {"metadata": details}})) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["2026-11-25T00:00:00Z", "2026-11-26T12:00:00Z", "2026-11-24T00:00:00Z"], NOON),
        (["x", "2026-11-26T12:00:00Z"], NOON),
        (["x"], None),
        ([], None),
    ],
)
def test_the_latest_time_of_a_smoke_test(times: list[str], expected: dt.datetime | None) -> None:
    configuration = [{"annotations": {"finishedOn": time}} for time in times]

    assert predicate.time("smoke", raw({"configuration": [{}, None, 1, *configuration]})) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"result": "PASSED"}, "PASSED"),
        ({"result": "passed"}, "passed"),
        ({"result": None}, None),
        ({"result": True}, None),
        ({"result": ["PASSED"]}, None),
        ({"verificationResult": "PASSED"}, None),
        ({}, None),
        ([], None),
        ("PASSED", None),
        (None, None),
    ],
)
def test_the_result_of_a_smoke_test(value: object, expected: str | None) -> None:
    assert predicate.result("smoke", raw(value)) == expected


def provenance(**changes: Any) -> Raw:
    return raw({"buildDefinition": {**PREDICATES["provenance"]["buildDefinition"], **changes}})


def test_the_sources_of_a_build() -> None:
    found = predicate.source(raw(PREDICATES["provenance"]))

    assert found.repository is not None
    assert (found.repository.host, found.repository.path) == ("git.example.org", "team/service")
    assert found.commits == {COMMIT}
    assert found.clean


@pytest.mark.parametrize("dirty", [True, None, 0, "", "false", [], {}])
def test_a_tree_is_clean_only_if_the_provenance_says_so(dirty: object) -> None:
    assert not predicate.source(provenance(internalParameters={"dirty": dirty})).clean
    assert not predicate.source(provenance(internalParameters={})).clean
    assert not predicate.source(provenance(internalParameters=dirty)).clean


def test_only_commits_of_the_repository_count() -> None:
    dependencies = [
        {"uri": f"git+{REPOSITORY}@main", "digest": {"gitCommit": "A" * 40}},
        {"uri": "git+https://other.example.org/a/b@main", "digest": {"gitCommit": "b" * 40}},
        {"uri": "pkg:pypi/a@1", "digest": {"gitCommit": "c" * 40}},
        {"name": "sources", "digest": {"gitCommit": "d" * 40}},
        {"uri": f"git+{REPOSITORY}", "digest": {"sha1": "e" * 40}},
        {"uri": f"git+{REPOSITORY}", "digest": None},
        {"uri": 1, "digest": {"gitCommit": 2}},
        None,
        "x",
    ]

    assert predicate.source(provenance(resolvedDependencies=dependencies)).commits == {"a" * 40}


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([None, "git+https://other.example.org/a/b@main", "pkg:pypi/a@1"], {"0" * 40}),
        (["pkg:pypi/a@1", "git+https://other.example.org/a/b@main", None], {"2" * 40}),
        (["git+https://other.example.org/a/b@main", "pkg:pypi/a@1"], {"0" * 40}),
        ([None, None], {"0" * 40, "1" * 40}),
        ([1, "pkg:pypi/a@1"], set()),
    ],
)
def test_the_commit_of_sources_without_an_address_is_not_that_of_a_dependency(
    addresses: list[object], expected: set[str]
) -> None:
    dependencies = [
        {**({} if address is None else {"uri": address}), "digest": {"gitCommit": str(number) * 40}}
        for number, address in enumerate(addresses)
    ]

    assert predicate.source(provenance(resolvedDependencies=dependencies, externalParameters={})).commits == expected


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [[]], {"buildDefinition": []}])
def test_a_provenance_of_any_form(value: object) -> None:
    found = predicate.source(raw(value))

    assert (found.repository, found.commits, found.clean) == (None, frozenset(), False)


def test_a_predicate_of_any_depth() -> None:
    deep = b'{"runDetails":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    assert predicate.time("provenance", Raw(deep)) is None
