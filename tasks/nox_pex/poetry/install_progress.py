"""The progress of an install, from the lines that Poetry prints."""

from __future__ import annotations

from typing import Final, final

from nox_pex.system.lazy import pattern
from nox_pex.system.messages import Work

_PLAN: Final = pattern(r"Package operations: (\d{1,6}) installs?, (\d{1,6}) updates?, (\d{1,6}) removals?")


_OPERATION: Final = pattern(r"\s*- (?:Installing|Updating|Downgrading|Removing) ([A-Za-z0-9][A-Za-z0-9._-]{0,199}) ")


@final
class InstallProgress:
    """Reads Poetry's output: the number of its operations, and a line when each begins (Poetry's `executor.py`)."""

    def __init__(self) -> None:
        self._begun: set[str] = set()
        self._total: int | None = None

    def __call__(self, line: str, work: Work) -> None:
        """Show the progress that `line` tells. Another line, and another form of it, tell nothing."""
        if (plan := _PLAN.search(line)) is not None:
            self._total, self._begun = sum(map(int, plan.groups())), set()
            work.at(0, total=self._total)
        elif self._total is not None and (operation := _OPERATION.match(line)) is not None:
            self._begun.add(operation[1])  # Poetry prints a line again if the operation fails or is skipped
            work.at(min(len(self._begun), self._total), operation[1])
