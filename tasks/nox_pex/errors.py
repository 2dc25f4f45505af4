"""All error codes of nox-pex, and `NoxPexError`.

Every failure that a user can cause is a `NoxPexError`: a stable code, the problem and its place, and the remedy. The
front ends (`sessions`, `invoke`) turn it into one line and an exit status.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from nox_pex import site
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.system import log_excerpt, outside_text
else:  # only needed for an error
    log_excerpt, outside_text = lazy("nox_pex.system.log_excerpt"), lazy("nox_pex.system.outside_text")

Code = Literal[
    "usage",
    "config",
    "no-lock",
    "lock-stale",
    "lock-unreadable",
    "lock-failed",
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
    "git",
    "entry-missing",
    "no-wheel",
    "build-failed",
    "disk-full",
    "os-error",
    "cache-unsafe",
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
    "registry",
    "registry-auth",
    "license",
    "not-proven",
    "signing",
    "signature",
]
"""The error codes, as a type. They are stable: scripts may search for them."""

CODES: Final[dict[Code, str]] = {
    "usage": "The arguments after `--`, of `register()` or of `launch()`, or a flag of Nox, cannot be used like this.",
    "config": "`[tool.nox-pex]`, or the rest of the project's `pyproject.toml`, has an error.",
    "no-lock": "The project has no `poetry.lock`.",
    "lock-stale": "The dependencies in `pyproject.toml` changed after `poetry.lock` was written.",
    "lock-unreadable": "`poetry.lock` is damaged, or the pinned Poetry cannot read its version.",
    "lock-failed": "Poetry could not write `poetry.lock`: no versions fit, or a requirement is wrong.",
    "poetry-missing-group": "The settings name a dependency group that the project does not have.",
    "poetry-version": "The project's `requires-poetry` does not allow the Poetry that nox-pex uses.",
    "python-mismatch": "The project does not allow the Python of the session, or that Python is not installed.",
    "tool-install": "Poetry, pex or a build backend could not be installed.",
    "install-failed": "Poetry could not install from the lock, for a reason that no other code covers.",
    "index-unreachable": "The package index, or another server that a build needs, does not answer.",
    "index-auth": "The package index, or a Git server, requires credentials, or refuses those that it got.",
    "index-missing": "The package index does not have a file that is in the lock.",
    "hash-mismatch": "The package index serves a file with another hash than the lock, or nox-pex for its tools, says.",
    "hash-missing": "The lock has no hash for a distribution.",
    "not-locked": "The environment contains a distribution that is not in the lock.",
    "source-missing": "A file, pattern or module that the settings name does not exist.",
    "git": "The project is in a Git repository, and Git refuses to list its files or is not installed.",
    "entry-missing": "The binary has no entry point, or nothing in the binary provides it.",
    "no-wheel": "A locked distribution has no wheel for the target.",
    "build-failed": "The project's build backend or pex failed.",
    "disk-full": "The disk is full or cannot be written to.",
    "os-error": "The system refused to read, write or start something, for a reason that no other code covers.",
    "cache-unsafe": "Another user owns a directory of the shared cache, or may write to it.",
    "leak": "The binary contains something that must not leave the machine.",
    "closure": "The binary does not contain exactly the distributions that Poetry would install.",
    "integrity": "A file in the binary is not what Poetry installed, or not what pex makes of the settings.",
    "not-reproducible": "A second build gave different bytes.",
    "launch-failed": "The binary could not be started.",
    "exited-early": "The program ended before it was ready.",
    "port-taken": "Another program listens on the port.",
    "wrong-listener": "The port answers, but the listener is not the program under test.",
    "startup-timeout": "The program was not ready in time.",
    "check-failed": "The program gave an answer that differs from the expected one.",
    "crashed": "The program ended while it was being checked.",
    "stop-timeout": "The program did not stop in time after the stop signal.",
    "stop-exit-code": "The program stopped with an exit status that is not in `stop-exit-codes`.",
    "left-processes": "The program left processes running.",
    "log-forbidden": "The program's log has a line that `log-forbid` forbids.",
    "log-missing": "The program's log has no line that `log-require` requires.",
    "budget": "The binary is larger or slower than its budget, needs more memory, or grew by more than allowed.",
    "engine-missing": "No container engine is installed.",
    "engine-down": "A container engine is installed, but does not answer.",
    "engine-failed": "The container engine could not start the container.",
    "image-base": "The base image does not exist, cannot be pulled, or is not one that nox-pex reads.",
    "image-python": "The base image has no Python that can run the binary.",
    "image-build": "The image could not be built.",
    "image-unreadable": "The image's user cannot read the binary.",
    "port-unreachable": "The program in the container listens where nothing outside can reach it.",
    "registry": "The registry does not answer, or refuses a request.",
    "registry-auth": "The registry requires credentials, or refuses those that it got.",
    "license": "A distribution in the binary has a licence that the settings do not allow.",
    "not-proven": "A proof of the binary is missing, has failed, or is about another file or other settings.",
    "signing": "The signing key cannot be used.",
    "signature": "No given key has signed a statement that is required.",
}
"""The sentence for each code, which `docs/errors.md` repeats."""


def docs_page(code: Code) -> str:
    """Return the address of the section about a code in the documentation: `https://…/errors.html#lock-stale`."""
    return site.page("errors", anchor=code)


_SHORT: Final = 12
"""The number of lines up to which a log is shown whole."""


_FIELDS: Final = (
    *("code", "problem", "remedy", "log", "others", "by_hand", "subject", "rows"),
    *("cause", "whole_log", "log_file", "log_count", "paste"),
)
"""The arguments of `NoxPexError`, which are its attributes too."""


class NoxPexError(Exception):
    """A failure that a user can cause and fix.

    These are the arguments, and attributes of the same names:

    - `code` is one of the error codes (`CODES`), such as `lock-stale`.
    - `problem` says what is wrong and where, `remedy` what to do, both without a full stop.
    - `log` has the last output lines of the tool or program that failed, oldest first, with secrets masked.
    - `others` are failures that were found together with this one.
    - `by_hand` is a line for a shell that repeats what failed, or "".
    - `subject` names what failed, as in `service, warm: GET /items`, or is "".
    - `rows` are labels and texts that explain it, such as `expected` and `got`.
    - `cause` are the lines of the log that say why it failed, if they are chosen from more than `log`.
    - `whole_log` is the text for a file with the whole log, or "".
    - `log_file` is the path of that file, as the user sees it, or "", and `log_count` the number of lines in it.
    - `paste` are lines of TOML for the user's `pyproject.toml`, after a line that says what they are.

    All texts may come from outside as they are: `lines`, `block` and `str()` escape them, so that the error is one
    line. `whole_log` is escaped already.
    """

    def __init__(
        self,
        code: Code,
        problem: str,
        remedy: str,
        *,
        log: tuple[str, ...] = (),
        others: tuple[NoxPexError, ...] = (),
        by_hand: str = "",
        subject: str = "",
        rows: tuple[tuple[str, str], ...] = (),
        cause: tuple[str, ...] = (),
        whole_log: str = "",
        log_file: str = "",
        log_count: int = 0,
        paste: tuple[str, ...] = (),
    ) -> None:
        if code not in CODES:
            msg = f"unknown error code {code!r}"
            raise ValueError(msg)
        self.code = code
        self.problem = problem
        self.remedy = remedy
        self.log = log
        self.others = others
        self.by_hand = by_hand
        self.subject = subject
        self.rows = rows
        self.cause = cause
        self.whole_log = whole_log
        self.log_file = log_file
        self.log_count = log_count
        self.paste = paste
        super().__init__(code, problem, remedy)

    def replaced(self, **changes: Any) -> NoxPexError:
        """Return this failure with other values: `changes` are those of the constructor by their names."""
        return NoxPexError(**{**{name: getattr(self, name) for name in _FIELDS}, **changes})

    def masked(self, mask: Callable[[str], str]) -> NoxPexError:
        """Return this failure with `mask` applied to each of its texts, and to the other failures."""
        return self.replaced(
            problem=mask(self.problem),
            remedy=mask(self.remedy),
            log=_masked_lines(self.log, mask),
            cause=_masked_lines(self.cause, mask),
            others=tuple(other.masked(mask) for other in self.others),
            by_hand=mask(self.by_hand),
            subject=mask(self.subject),
            rows=tuple((label, mask(text)) for label, text in self.rows),
            whole_log=mask(self.whole_log) if self.whole_log else "",
            paste=_masked_lines(self.paste, mask),
        )

    @classmethod
    def together(cls, failures: Sequence[NoxPexError]) -> NoxPexError:
        """Return the first of `failures`, of which there is at least one, with the others."""
        first, *others = failures
        return first.replaced(others=(*first.others, *others))

    @property
    def page(self) -> str:
        """The place in the documentation that explains the code."""
        return docs_page(self.code)

    def block(self, subject: str) -> tuple[tuple[str, str], ...]:
        """Return what a front end shows before the error itself: rows of a label and a text, both on one line.

        An empty label continues the row before. `subject` is for a failure that does not name one. Of the log, the rows
        have the lines that say the cause, each after `| `, and where the others are.
        """
        rows = [("FAILED", self.subject or subject), *self.rows]
        cause = self.cause or (self.log if len(self.log) <= _SHORT else log_excerpt.excerpt(self.log))
        rows += [("" if number else "its log", f"| {line}") for number, line in enumerate(cause)]
        rows += [("", each) for each in self._where_the_rest_is(sum(line != log_excerpt.GAP for line in cause))]
        rows += [("by hand", self.by_hand)] if self.by_hand else []
        rows += [("also", f"{other.problem}; {other.remedy}") for other in self.others]
        return tuple((label, outside_text.log_line(text)) for label, text in [*rows, ("see", self.page)])

    def _where_the_rest_is(self, shown: int) -> tuple[str, ...]:
        """Return the note on the lines of the log that are not `shown`; none if there are no others."""
        if shown >= max(self.log_count, len(self.log)):
            return ()
        number = "1 line" if shown == 1 else f"{shown} lines"
        if not self.log_count:
            return (f"({number} of the last {len(self.log)})",)
        return (f"({number} of {self.log_count}{f'; {self.log_file} has all' if self.log_file else ''})",)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that a front end without sessions shows: the log, the other failures, and the error itself."""
        log = (f"  | {outside_text.log_line(line)}" for line in self.log)
        also = (outside_text.shown(f"also: {other.problem}; {other.remedy}") for other in self.others)
        by_hand = (outside_text.shown(f"by hand: {self.by_hand}"),) if self.by_hand else ()
        return (*log, *also, *by_hand, *self.to_paste, str(self))

    @property
    def to_paste(self) -> tuple[str, ...]:
        """The lines to paste of this failure and of the others, each group once, escaped.

        What is said of a further group is a comment in TOML, so that all lines after the first can be pasted at once.
        """
        first, *others = dict.fromkeys(each.paste for each in (self, *self.others) if each.paste) or ((),)
        lines = [*first, *(line for said, *table in others for line in ("", f"# {said}", *table))]
        return tuple(map(outside_text.shown, lines))

    def __str__(self) -> str:
        return outside_text.shown(f"error[{self.code}]: {self.problem}; {self.remedy}")


def _masked_lines(lines: tuple[str, ...], mask: Callable[[str], str]) -> tuple[str, ...]:
    """Return the lines masked as one text: a secret may have several lines."""
    return tuple(mask("\n".join(lines)).split("\n")) if lines else ()
