from __future__ import annotations

import pytest

from nox_pex.settings.smoke import Budget
from nox_pex.verify.gates import budget


@pytest.mark.parametrize(
    ("size", "limit", "state"), [(100, None, "skipped"), (100, "100 B", "passed"), (101, "100 B", "failed")]
)
def test_a_binary_may_be_as_large_as_its_budget(size: int, limit: str | None, state: str) -> None:
    verdict = budget.judge(size, Budget(size=limit))
    assert ("skipped" if verdict.skipped else "failed" if verdict.problems else "passed") == state
    if state == "failed":
        assert verdict.problems == ("it has 101 bytes (0.0 MB), 1 more than its budget '100 B'",)
