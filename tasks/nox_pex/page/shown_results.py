"""The boots, gates and failures of results, as the page shows them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nox_pex.page import result_forms as forms
from nox_pex.page.model import Answer, Boot, Check, Failure, Gate, Phase

_MILLISECONDS: Final = 1000


_LONGEST: Final = 2000
"""Characters of a text that the page shows."""


_MOST: Final = 200
"""Problems, notes, or lines of a log that the page shows of one gate or failure."""


def boots(found: Iterable[forms.Boot], *, platform: str = "") -> tuple[Boot, ...]:
    """Return boots in their order. `platform` is added to the names of the conditions."""
    return tuple(_boot(each, platform) for each in found)


def image_boots(image: forms.Image | None) -> tuple[Boot, ...]:
    """Return the boots of the containers of an image, with their platforms if there are several."""
    manifests = image.platforms if image is not None else ()
    several = len(manifests) > 1
    return tuple(
        boot for each in manifests for boot in boots(each.conditions, platform=each.platform if several else "")
    )


def _boot(found: forms.Boot, platform: str) -> Boot:
    return Boot(
        condition=f"{found.condition} ({platform})" if platform else found.condition,
        state=found.state,
        reason=cut(found.reason or ""),
        ready_after=found.ready_after,
        check_count=max(found.checks, len(found.verdicts)),
        checks=tuple(map(_check, found.verdicts)),
        phases=tuple(Phase(name=each.name, start=each.start, seconds=each.seconds) for each in found.phases),
        stop=_stop(found.stop) if found.stop is not None else "",
        stop_seconds=found.stop.seconds if found.stop is not None else None,
        memory=found.memory,
    )


def _stop(stop: forms.Stop) -> str:
    return f"killed, still running after SIG{stop.signal}" if stop.status is None else f"SIG{stop.signal}"


def _check(found: forms.Verdict) -> Check:
    answer = found.answer
    return Check(
        name=cut(found.check),
        passed=found.passed,
        expected=cut(found.expected),
        got=cut(found.came),
        seconds=found.seconds,
        request=cut(found.request),
        answer=None
        if answer is None
        else Answer(
            status=answer.status,
            seconds=answer.milliseconds / _MILLISECONDS,
            size=answer.bytes,
            content_type=cut(answer.content_type),
            body=cut(answer.body),
        ),
    )


def gates(found: forms.Verify | None) -> tuple[Gate, ...]:
    """Return the gates in their order."""
    return tuple(
        Gate(
            name=each.gate,
            state=each.state,
            summary=cut(each.summary),
            seconds=each.seconds,
            problems=_most(each.problems),
            notes=_most(each.notes),
            code=each.failure.code if each.failure is not None else "",
        )
        for each in (found.gates if found is not None else ())
    )


def failures(smoke: forms.Smoke | None, verify: forms.Verify | None, image: forms.Image | None) -> Iterator[Failure]:
    """Yield the failures, each cause once: several gates may have the same."""
    found = [("smoke", smoke.failure if smoke is not None else None)]
    found += [("verify", each.failure) for each in (verify.gates if verify is not None else ())]
    found += [("image", image.failure if image is not None else None)]
    yield from dict.fromkeys(_failure(step, each) for step, each in found if each is not None)


def _failure(step: str, failure: forms.Failure) -> Failure:
    return Failure(
        step=step,
        code=cut(failure.code),
        problem=cut(failure.problem),
        remedy=cut(failure.remedy),
        by_hand=cut(failure.by_hand or ""),
        subject=cut(failure.subject),
        rows=tuple((cut(label), cut(text)) for label, text in failure.rows[:_MOST]),
        log=tuple(map(cut, (failure.cause or failure.log)[-_MOST:])),
        log_count=failure.log_lines,
        log_file=cut(failure.log_file or ""),
    )


def cut(text: str) -> str:
    """Return the beginning of a text that may be long."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _most(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the first of many texts, and how many more there are."""
    more = len(texts) - _MOST
    return (*map(cut, texts[:_MOST]), *([f"and {more} more"] if more > 0 else []))
