"""From Poetry's output to an error with a code and a remedy."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from nox_pex.errors import Code, NoxPexError
from nox_pex.poetry.git_failures import git_failure
from nox_pex.project.pyproject import Project
from nox_pex.system import log_excerpt, outside_text
from nox_pex.system.command import Outcome
from nox_pex.tools.index_failures import network_failure

_ADVICE: Final = re.compile(
    r"(?:Probable |Possible )?Causes:|Solutions:|This is likely not a Poetry issue"
    r"|If any of those solutions worked|If neither works|You can also run your poetry command"
)
"""Matches the first line of what Poetry says after a problem: its remedies are for those who run Poetry themselves."""


def failure(outcome: Outcome, project: Project) -> NoxPexError:
    """The error that Poetry's output reports; `install-failed` if the output is not known."""
    error = _failure(outcome, project)
    lines = [*outside_text.log_lines(outcome.output)] if error.log == outcome.tail else [*error.log]
    return error if error.cause else error.replaced(cause=log_excerpt.excerpt([*_messages(lines)] or lines))


def _messages(lines: Iterable[str]) -> Iterator[str]:
    """Yield the messages in the boxes of Poetry's output, without its advice and each once; all lines without a box.

    A line outside of a box, which may be blank, ends it.
    """
    every = list(lines)
    if not any(map(_is_boxed, every)):
        yield from every
        return
    seen: set[str] = set()
    advice = False
    for line in every:
        text = line.strip(" |")
        advice = _is_boxed(line) and (advice or _ADVICE.match(text) is not None)
        if text and _is_boxed(line) and not advice and text not in seen:
            seen.add(text)
            yield text


def _is_boxed(line: str) -> bool:
    return line.lstrip().startswith("|")


def lock_failure(outcome: Outcome, project: Project) -> NoxPexError:
    """The error that the output of Poetry's `lock` reports; `lock-failed` if the output is not known."""
    what = f"Poetry could not lock {project.root}"
    known = git_failure(outcome, project) or network_failure(what, outcome)
    for pattern, code, problem, remedy in () if known else _LOCK_FAILURES:
        if match := re.search(pattern, outcome.output, re.MULTILINE):
            details = {key: value.strip(" .") for key, value in match.groupdict().items() if value}
            details["fitting"] = _fitting(details.get("wanted", ""))
            known = NoxPexError(code, problem.format(project=project.root, **details), remedy.format(**details))
            break
    error = known or NoxPexError("lock-failed", f"{what} (exit status {outcome.status})", "read Poetry's reason above")
    lines = [line.strip() for line in _messages(outside_text.log_lines(outcome.output))]
    own = itertools.takewhile(lambda line: not (line.startswith("* ") or _ADVICE.match(line)), lines)
    reason = dict.fromkeys(line for line in own if line and not _PROGRESS.match(line))
    return error.replaced(log=outcome.tail, cause=error.cause or log_excerpt.excerpt([*reason] or [*outcome.tail]))


_PROGRESS: Final = re.compile(
    r"(?:Updating dependencies|Resolving dependencies|Creating virtualenv|Using virtualenv)\b"
)
"""Matches the lines in the output of Poetry's `lock` that are no reason of a failure."""


def _failure(outcome: Outcome, project: Project) -> NoxPexError:
    part = re.search(r"^\s*Cannot install (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*?)\.?$", outcome.output, re.MULTILINE)
    what = (
        f"Poetry could not install {part['name']} of {project.lock}"
        if part
        else f"Poetry could not install {project.lock}"
    )
    if (git := git_failure(outcome, project)) is not None:
        return git
    network = network_failure(what, outcome)
    if network is not None and network.code == "index-auth":
        return network  # Poetry goes on without that index, and does not find packages that only it has
    for pattern, code, problem, remedy in _FAILURES:
        if match := re.search(pattern, outcome.output, re.MULTILINE):
            details = {key: value.strip() for key, value in match.groupdict().items() if value}
            details["distribution"] = part["name"] if part else "a distribution"
            details["fitting"] = _fitting(details.get("wanted", ""))
            details["python"] = _allowed_python(details.get("wanted", ""))
            return NoxPexError(
                code, problem.format(project=project.root, **details), remedy.format(**details), log=outcome.tail
            )
    if network is None and (match := re.search(_NOT_BUILT, outcome.output)):
        problem = f"{match['package']} in {project.lock} has no wheel for this Python and cannot be built here"
        remedy = "lock a version that has a wheel, use another Python, or fix the build errors above"
        return NoxPexError("no-wheel", problem, remedy, log=_before(match, outcome))
    return network or NoxPexError(
        "install-failed", f"{what} (exit status {outcome.status})", "read Poetry's last lines above", log=outcome.tail
    )


_NOT_BUILT: Final = re.compile(r"one of the following issues with\s+(?P<package>\S+ \([^)]+\))")
"""Poetry's message after the output of a build backend that failed for an sdist."""


def _before(match: re.Match[str], outcome: Outcome) -> tuple[str, ...]:
    """The last lines of a build's output, before Poetry's message about it."""
    return msgspec.structs.replace(outcome, output=outcome.output[: match.start()]).tail


def _allowed_python(wanted: str) -> str:
    """A minor version of Python that the specifiers `wanted` allow, preferably a common one; `…` if none is known."""
    with contextlib.suppress(InvalidSpecifier):
        allowed = SpecifierSet(wanted if re.match(r"\s*[<>=!~]", wanted) else f"=={wanted}")
        patches = ((minor, patch) for minor in (13, 12, 11, 10, 9, 8, 14) for patch in range(30))
        return next((f"3.{minor}" for minor, patch in patches if allowed.contains(f"3.{minor}.{patch}")), "…")
    return "…"


def _fitting(wanted: str) -> str:
    """A version that the specifiers `wanted` both name and allow; `…` if there is none."""
    try:
        specifiers = SpecifierSet(wanted)
    except InvalidSpecifier:
        return "…"
    named = sorted((specifier.version.removesuffix(".*") for specifier in specifiers), key=Version)
    return next((version for version in named if specifiers.contains(version)), "…")


_Known = tuple[str, Code, str, str]
"""A known failure: a pattern of Poetry's output, and the error's code, problem and remedy."""


_WRONG_POETRY: Final[_Known] = (
    r"This project requires Poetry (?P<wanted>.+?), but you are using Poetry (?P<used>\S+)",
    "poetry-version",
    "{project} requires Poetry {wanted}, but nox-pex uses {used}",
    'set tool.nox-pex.poetry-version to a version that it allows, such as poetry-version = "{fitting}"',
)


_LOCK_FAILURES: Final[tuple[_Known, ...]] = (
    _WRONG_POETRY,
    (
        r"The lock file is not compatible|Invalid lock file|Unable to read the lock file",
        "lock-unreadable",
        "Poetry cannot read {project}/poetry.lock, whose versions it would keep",
        "restore it from version control, or run `nox -s lock -- --force`, which chooses the newest versions of all",
    ),
    (
        r"The Poetry configuration is invalid:\s+- (?P<reason>.+)",
        "config",
        "{project}/pyproject.toml: {reason}",
        "correct it; Poetry's documentation describes each key",
    ),
    (
        r"^\s*(?:So, )?(?:[Bb]ecause )?(?P<reason>.+ depends on (?P<package>\S+) \(.+\)) which doesn't match any v",
        "lock-failed",
        "the package index has no version that {project}/pyproject.toml allows: {reason}",
        "correct the name or the version of {package}, or check which index is used (`pip config list`)",
    ),
    (
        r"Python range \((?P<allowed>.+)\) is not compatible .*\s+- (?P<reason>(?P<package>\S+) requires .+?),",
        "lock-failed",
        "{project}/pyproject.toml allows Python {allowed}, and {reason}",
        "correct `requires-python`, or allow another version of {package}",
    ),
    (
        r"version solving failed",
        "lock-failed",
        "no set of versions is what {project}/pyproject.toml asks for",
        "allow more versions of one of the packages that Poetry names",
    ),
    (
        r"^\s*\[Errno \d+\] (?P<reason>Read-only file system|Permission denied): (?P<file>.+)$",
        "disk-full",
        "Poetry could not lock {project}: {reason} ({file})",
        "give this user the permission to write there",
    ),
    (
        r"^\s*(?P<reason>The requirement is invalid.*|Invalid PEP 508.*|Could not parse version constraint.*)$",
        "config",
        "{project}/pyproject.toml: {reason}",
        "correct the requirement",
    ),
)
"""The failures of Poetry's `lock`, most specific first."""


_FAILURES: Final[tuple[_Known, ...]] = (
    (
        r"Unable to find installation candidates for (?P<package>[^\n]+)(?s:.+?)[1-9]\d* wheel\(s\) were skipped",
        "no-wheel",
        "no file of {package} in {project}/poetry.lock can be installed on this Python and platform",
        "choose a version that has a wheel for them and run `poetry lock`, or run the session on another Python",
    ),
    (
        r"Unable to find installation candidates for (?P<package>.+)",
        "index-missing",
        "the package index has no file of {package} that {project}/poetry.lock knows",
        "check which index is used (`pip config list`, [[tool.poetry.source]]), or run `poetry lock`",
    ),
    (
        r"pyproject\.toml changed significantly since poetry\.lock was last generated",
        "lock-stale",
        "{project}/poetry.lock is older than the dependencies in pyproject.toml",
        "run `poetry lock` there, or `nox -s lock`, and commit the file",
    ),
    (
        r"The lock file is not compatible|Invalid lock file|Unable to read the lock file",
        "lock-unreadable",
        "Poetry cannot read {project}/poetry.lock",
        "run `poetry lock` there, or set tool.nox-pex.poetry-version to the Poetry that wrote it",
    ),
    _WRONG_POETRY,
    (
        r"Current Python version \((?P<used>[^)]+)\) is not allowed by the project \((?P<wanted>[^)]+)\)",
        "python-mismatch",
        "{project} allows Python {wanted}, but the session runs on {used}",
        'use one that it allows, such as register(python="{python}"), or run Nox with --force-python',
    ),
    (
        r"a distribution may not replace (?P<path>.+), which belongs to the environment",
        "install-failed",
        "{distribution} of {project}/poetry.lock installs {path}, which belongs to the environment",
        "lock another version of {distribution}, or remove it, and report it to its authors",
    ),
    (
        r"Group\(s\) not found: (?P<groups>.+)",
        "poetry-missing-group",
        "{project} has no dependency group {groups}",
        "correct `groups` in [tool.nox-pex]",
    ),
    (
        r"Hash for (?P<package>(?P<name>\S+).*?) from archive (?P<archive>\S+) not found in known hashes",
        "hash-mismatch",
        "{archive} of {package} has another hash than {project}/poetry.lock says",
        "find out why first; if the new file is the right one, run `poetry update --lock {name}`",
    ),
    (
        r"Downloaded distributions for (?P<package>(?P<name>\S+).*?) did not match any known checksums",
        "hash-mismatch",
        "the index serves files of {package} with other hashes than {project}/poetry.lock says",
        "find out why first; if the new files are the right ones, run `poetry update --lock {name}`",
    ),
)
