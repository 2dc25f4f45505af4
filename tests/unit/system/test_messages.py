"""The messages of a step: lines with a meaning, and the progress of work."""

from __future__ import annotations

import pytest

from nox_pex.system.messages import Line, Message, Progress, prefixed, working


def test_each_kind_of_message_gets_the_prefix() -> None:
    shown: list[Message] = []
    say = prefixed(shown.append, "api | ")
    say("pex: one")
    say(Line(text="two", meaning="failed"))
    say(Progress(work="pex: packing", done=1))
    assert shown == [
        "api | pex: one",
        Line(text="api | two", meaning="failed"),
        Progress(work="api | pex: packing", done=1),
    ]


def test_work_counts_what_is_finished_and_ends_even_after_a_failure() -> None:
    shown: list[Message] = []

    def pack() -> None:
        with working(shown.append, "pex: packing", total=3) as work:
            work.finished("celery")
            work.at(3, "rich", total=4)
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        pack()
    packing = "pex: packing"
    assert shown == [
        Progress(work=packing, total=3),
        Progress(work=packing, current="celery", done=1, total=3),
        Progress(work=packing, current="rich", done=3, total=4),
        Progress(work=packing, current="rich", done=3, total=4, ended=True),
    ]
