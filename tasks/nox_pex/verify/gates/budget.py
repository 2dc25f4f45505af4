"""The gate `budget`: the size of the binary is within `[tool.nox-pex.binary.NAME.budget]`."""

from __future__ import annotations

from nox_pex.settings.smoke import Budget
from nox_pex.settings.values import parse_size
from nox_pex.system.wording import megabytes
from nox_pex.verify.gates.verdict import Verdict


def judge(actual: int, budget: Budget) -> Verdict:
    """Compare `actual`, the binary's size in bytes, with the `size` in `budget`; skipped if that has none."""
    details = {"size": actual}
    if budget.size is None:
        return Verdict(summary=f"{megabytes(actual)}; no `size` in the budget", details=details, skipped=True)
    limit = parse_size(budget.size)
    details["limit"] = limit
    if actual > limit:
        problem = f"it has {actual} bytes ({megabytes(actual)}), {actual - limit} more than its budget {budget.size!r}"
        return Verdict(summary=f"{megabytes(actual)} of {budget.size}", problems=(problem,), details=details)
    return Verdict(summary=f"{megabytes(actual)} of {budget.size}", details=details)
