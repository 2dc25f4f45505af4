"""The gate `budget`: the size of the binary against `[tool.nox-pex.binary.NAME.budget]`."""

from __future__ import annotations

from nox_pex.smoke.settings import Budget, size
from nox_pex.verify.verdict import Verdict


def judge(actual: int, budget: Budget) -> Verdict:
    """`actual` is in bytes. Without a `size` in `budget` there is nothing to judge."""
    details = {"size": actual}
    if budget.size is None:
        return Verdict(summary=f"{_megabytes(actual)}; no `size` in the budget", details=details, skipped=True)
    limit = size(budget.size)
    details["limit"] = limit
    if actual > limit:
        problem = f"it has {actual} bytes ({_megabytes(actual)}), {actual - limit} more than its budget {budget.size!r}"
        return Verdict(summary=f"{_megabytes(actual)} of {budget.size}", problems=(problem,), details=details)
    return Verdict(summary=f"{_megabytes(actual)} of {budget.size}", details=details)


def _megabytes(size_: int) -> str:
    return f"{size_ / 1e6:.1f} MB"
