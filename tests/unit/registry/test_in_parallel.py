"""Work in several threads."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from nox_pex.registry.in_parallel import in_parallel


def test_results_are_in_the_order_of_the_work() -> None:
    def work(number: int) -> int:
        time.sleep(0.01 * (5 - number))
        return number

    assert in_parallel([partial(work, number) for number in range(5)], at_once=5) == [0, 1, 2, 3, 4]
    assert in_parallel([], at_once=5) == []


def test_a_failure_waits_for_nobody_and_begins_nothing_more() -> None:
    hang, begun = threading.Event(), []

    def fail() -> bool:
        msg = "failed"
        raise ValueError(msg)

    def begin() -> bool:
        begun.append(1)
        return True

    try:
        with pytest.raises(ValueError, match="failed"):
            in_parallel([hang.wait, fail, *[begin] * 100], at_once=2)
        assert len(begun) <= 100
    finally:
        hang.set()
