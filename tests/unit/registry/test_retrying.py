"""When a registry can be asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.registry.failures import TryAgainError
from nox_pex.registry.retrying import retried, retry_after
from nox_pex.registry.transport import Patience


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), ("", None), ("7", 7.0), (" 0 ", 0.0), ("soon", None), ("-1", None), ("9" * 50, 999_999_999.0)],
)
def test_seconds(value: str | None, expected: float | None) -> None:
    assert retry_after(value) == expected


def test_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert 50 < (retry_after(format_datetime(later, usegmt=True)) or 0) <= 60
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize(
    "value",
    [
        f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT",
        f"Mon, 01 Jan 2026 {'9' * 30}:00:00 GMT",
        f"Mon, 01 Jan 2026 00:00:00 +{'9' * 30}",
        "Mon, 31 Feb 2026 00:00:00 GMT",
    ],
)
def test_a_date_that_cannot_be_is_none(value: str) -> None:
    assert retry_after(value) is None


def test_a_failure_that_is_not_temporary_is_raised_at_once() -> None:
    waited: list[float] = []

    def work() -> None:
        raise NoxPexError("registry", "a", "b")

    with pytest.raises(NoxPexError):
        retried(work, patience=Patience(), sleep=waited.append, say=lambda _: None)
    assert waited == []


def test_an_interruption_while_waiting_is_raised_at_once() -> None:
    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        raise TryAgainError(NoxPexError("registry", "a", "b"))

    with pytest.raises(KeyboardInterrupt):
        retried(work, patience=Patience(), sleep=sleep, say=lambda _: None)
