from __future__ import annotations

import os
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom import timestamp
from tests.support.git_repository import GitRepository


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", "1970-01-01T00:00:00+00:00"), ("1700000000", "2023-11-14T22:13:20+00:00"), ("253402300799", "9999-12-31T")],
)
def test_the_variable_counts_first(tmp_path: Path, text: str, expected: str) -> None:
    found = timestamp.of({"SOURCE_DATE_EPOCH": text}, root=tmp_path, commit="0" * 40)
    assert found.startswith(expected)


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", " 1", "٣", "253402300800", "9" * 5000, "1e3"])
def test_a_variable_that_is_no_time_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(NoxPexError) as caught:
        timestamp.of({"SOURCE_DATE_EPOCH": text}, root=tmp_path, commit=None)
    assert caught.value.code == "usage"
    assert len(str(caught.value)) < 300


def test_else_the_time_of_the_commit_or_the_year_1980(tmp_path: Path) -> None:
    environ = dict(os.environ) | {"GIT_COMMITTER_DATE": "1700000000 +0530", "GIT_AUTHOR_DATE": "1600000000 +0000"}
    environ.pop("SOURCE_DATE_EPOCH", None)
    commit = GitRepository(root=tmp_path, environ=environ).commit({"a": ""})
    assert timestamp.of(environ, root=tmp_path, commit=commit) == "2023-11-14T22:13:20+00:00"
    for unknown in (None, "0" * 40):
        assert timestamp.of(environ, root=tmp_path, commit=unknown) == "1980-01-01T00:00:00+00:00"
    assert timestamp.of({"SOURCE_DATE_EPOCH": ""}, root=tmp_path, commit=None) == "1980-01-01T00:00:00+00:00"
