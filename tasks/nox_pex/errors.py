"""Every way in which nox-pex can fail, in one place.

A failure that a user can cause is a `NoxPexError`: a stable code, what is wrong and where, and what to do.
`sessions` turns it into one line and an exit status; nothing below the sessions prints or exits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

Code = Literal[
    "usage",
    "config",
    "no-lock",
    "lock-stale",
    "lock-unreadable",
    "poetry-missing-group",
    "poetry-version",
    "python-mismatch",
    "tool-install",
    "install-failed",
    "index-unreachable",
    "index-auth",
    "index-missing",
    "hash-mismatch",
    "hash-missing",
    "not-locked",
    "source-missing",
    "entry-missing",
    "no-wheel",
    "build-failed",
    "disk-full",
    "leak",
    "closure",
    "integrity",
    "not-reproducible",
    "launch-failed",
    "exited-early",
    "port-taken",
    "wrong-listener",
    "startup-timeout",
    "check-failed",
    "crashed",
    "stop-timeout",
    "stop-exit-code",
    "left-processes",
    "log-forbidden",
    "log-missing",
    "budget",
    "engine-missing",
    "engine-down",
    "engine-failed",
    "image-base",
    "image-python",
    "image-build",
    "image-unreadable",
    "port-unreachable",
]
"""The stable codes, so that a type checker knows them."""

CODES: Final[dict[Code, str]] = {
    "usage": "The words after `--`, the arguments of `register()` or a flag of Nox cannot be used like that.",
    "config": "`[tool.nox-pex]`, or the project's `pyproject.toml` around it, has an error.",
    "no-lock": "The project has no `poetry.lock`.",
    "lock-stale": "`pyproject.toml` was changed after `poetry.lock` was written.",
    "lock-unreadable": "`poetry.lock` is damaged, or of a version that the pinned Poetry cannot read.",
    "poetry-missing-group": "A dependency group in the settings does not exist in the project.",
    "poetry-version": "The project's `requires-poetry` refuses the Poetry that nox-pex uses.",
    "python-mismatch": "The project does not allow the Python that the session runs on, or that Python is not there.",
    "tool-install": "Poetry, pex or a build backend could not be installed.",
    "install-failed": "Poetry could not install what is locked, for a reason that none of the other codes names.",
    "index-unreachable": "The package index does not answer.",
    "index-auth": "The package index refuses the credentials, or wants some.",
    "index-missing": "The package index does not have what is locked.",
    "hash-mismatch": "The index serves a file that is not the one that was locked.",
    "hash-missing": "The lock gives no hash for a distribution.",
    "not-locked": "The environment holds a distribution that the lock does not have.",
    "source-missing": "A file, pattern or module that the settings name is not there.",
    "entry-missing": "The binary has no entry point, or one that nothing in the binary provides.",
    "no-wheel": "A locked distribution has no wheel for the target.",
    "build-failed": "The project's build backend, or pex, failed.",
    "disk-full": "The disk is full, or may not be written to.",
    "leak": "The binary holds something that must not leave the machine.",
    "closure": "The binary does not hold exactly the distributions that Poetry would install.",
    "integrity": "A file in the binary is not the one that its distribution recorded.",
    "not-reproducible": "A second build gave other bytes.",
    "launch-failed": "The binary could not be started.",
    "exited-early": "The program ended before it was ready.",
    "port-taken": "Another program listens on the port.",
    "wrong-listener": "The port answers, but the listener is not the program under test.",
    "startup-timeout": "The program was not ready in time.",
    "check-failed": "The program gave another answer than the one expected.",
    "crashed": "The program ended while it was being checked.",
    "stop-timeout": "The program did not stop in time after the stop signal.",
    "stop-exit-code": "The program stopped with an exit status that is not among `stop-exit-codes`.",
    "left-processes": "The program left processes behind.",
    "log-forbidden": "The program's log has a line that `log-forbid` forbids.",
    "log-missing": "The program's log lacks a line that `log-require` requires.",
    "budget": "The binary is larger, slower or hungrier than its budget.",
    "engine-missing": "No container engine is installed.",
    "engine-down": "The container engine is installed, and does not answer.",
    "engine-failed": "The container engine could not start the container.",
    "image-base": "The base image is not there, and cannot be fetched.",
    "image-python": "The base image has no Python on which the binary runs.",
    "image-build": "The container engine could not build the image.",
    "image-unreadable": "The image's user may not read the binary.",
    "port-unreachable": "The program in the container listens where nobody outside can reach it.",
}
"""Every code, with the sentence that stands for it in `docs/errors.md`."""


class NoxPexError(Exception):
    """A failure that a user can cause and fix.

    `code` is one of `CODES`. `problem` says what is wrong and where, `remedy` what to do; both are one line without
    a full stop. `log` holds the last lines of a failed tool's or program's output, oldest first, secrets masked.
    """

    def __init__(self, code: Code, problem: str, remedy: str, *, log: tuple[str, ...] = ()) -> None:
        if code not in CODES:
            msg = f"unknown error code {code!r}"
            raise ValueError(msg)
        self.code = code
        self.problem = " ".join(problem.split())
        self.remedy = " ".join(remedy.split())
        self.log = log
        super().__init__(code, problem, remedy)

    def masked(self, mask: Callable[[str], str]) -> NoxPexError:
        """The same failure, with `mask` applied to what it says. The log has been masked where it was read."""
        return NoxPexError(self.code, mask(self.problem), mask(self.remedy), log=self.log)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that show the failure to a user: the log, and last the error itself."""
        return (*(f"  | {line}" for line in self.log), str(self))

    def __str__(self) -> str:
        return f"error[{self.code}]: {self.problem}; {self.remedy}"
