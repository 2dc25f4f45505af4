"""Further attempts after a failure that may be temporary."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, TypeVar

from nox_pex.errors import NoxPexError
from nox_pex.registry.failures import TryAgainError
from nox_pex.registry.transport import Patience
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import Say

if TYPE_CHECKING:
    import tenacity
else:
    tenacity = lazy("tenacity")  # only needed if a registry is asked

_T = TypeVar("_T")


_LONGEST_WAIT: Final = 20.0
"""Seconds between two attempts at most, if the registry says nothing about it."""


def retried(work: Callable[[], _T], *, patience: Patience, sleep: Callable[[float], None], say: Say) -> _T:
    """Return the result of `work`, after at most `patience.attempts` attempts.

    The waits between them are random, up to a limit that doubles each time, so that several clients do not come back at
    the same moment. If the registry says when it can be asked again, that counts. Raises the `NoxPexError` of the last
    `TryAgainError`.
    """
    backoff = tenacity.wait_random_exponential(multiplier=patience.first_wait, max=_LONGEST_WAIT)

    def wait(state: tenacity.RetryCallState) -> float:
        asked = _error(state).after
        return float(backoff(state)) if asked is None else asked

    def stop(state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= patience.attempts or (_error(state).after or 0) > patience.longest

    def announce(state: tenacity.RetryCallState) -> None:
        seconds = state.next_action.sleep if state.next_action else 0
        say(f"{_error(state).failure.problem}; trying again in {seconds:.1f} s")

    try:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TryAgainError),
            wait=wait,
            stop=stop,
            sleep=sleep,
            before_sleep=announce,
            reraise=True,
        )(work)
    except TryAgainError as error:
        raise _final(error, patience) from error


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a header `Retry-After` (RFC 9110, section 10.2.3) asks to wait; None if it has none."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, (date - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def _final(error: TryAgainError, patience: Patience) -> NoxPexError:
    failure = error.failure
    if error.after is not None and error.after > patience.longest:
        problem = f"{failure.problem}; it asks to wait for {error.after:.0f} s"
        return NoxPexError(failure.code, problem, failure.remedy)
    return failure


def _error(state: tenacity.RetryCallState) -> TryAgainError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, TryAgainError)  # noqa: S101  # for the type checker: nothing else is tried again
    return error
