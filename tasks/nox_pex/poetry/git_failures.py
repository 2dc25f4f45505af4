"""From Poetry's output to the error of a Git dependency that could not be fetched, with the reason of Git or SSH.

Poetry fetches with dulwich, which starts `ssh` for an SSH address, or with Git itself: if the setting
`system-git-client` is on, and after a server has answered 401. Fact sources: Poetry's `vcs/git/backend.py`, dulwich's
`client.py`, and the messages of Git, curl and OpenSSH.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from nox_pex.errors import Code, NoxPexError
from nox_pex.poetry import lock
from nox_pex.poetry.lock import Package
from nox_pex.project.pyproject import Project
from nox_pex.system.command import Outcome

_IS_GIT: Final = re.compile(r"\b(?:HangupException|GitProtocolError|NotGitRepository)\b|Failed to (?:clone|checkout) ")


_HIDDEN: Final = re.compile(r"Failed to clone .*check your git configuration|Failed to checkout ")
"""Matches Poetry's output if Git itself failed. Poetry shows Git's reason only if it is verbose."""


class _Kind(NamedTuple):
    """A kind of failure: the first of `patterns` that matches a line finds the reason.

    `remedy` may contain `{name}` of the package, `{host}` of the repository, and `{port}` as an option (or nothing). If
    `needs` is not empty, the output must also match it.
    """

    code: Code
    remedy: str
    patterns: tuple[str, ...]
    needs: str = ""


_KINDS: Final = (
    _Kind(
        "install-failed",
        "find out why the key of {host} has changed; if it is right, run `ssh-keygen -R {host}` and add it again",
        (r"host key verification failed", r"remote host identification has changed"),
        needs=r"remote host identification has changed",
    ),
    _Kind(
        "install-failed",
        "compare the host's key with the one that its owner publishes, and add to ~/.ssh/known_hosts what"
        " `ssh-keyscan {port}{host}` prints",
        (r"host key verification failed", r"no \S+ host key is known for"),
    ),
    _Kind(
        "index-auth",
        "give SSH a key that may read the repository: `ssh-add` for a person, a deploy key for CI",
        (r"permission denied \(.*\)", r"too many authentication failures"),
    ),
    _Kind(
        "index-auth",
        "check the address, and give Git a credential helper for {host}, or Poetry the credentials (`repositories.NAME`"
        " and `http-basic.NAME` of `poetry config`)",
        (
            *(r"could not read (?:username|password) for", r"terminal prompts disabled", r"authentication failed for"),
            *(r"unexpected http resp 40[13]", r"returned error: 40[13]", r"access denied", r"invalid username or"),
        ),
    ),
    _Kind(
        "install-failed",
        "correct the address in pyproject.toml and run `poetry lock`, or let this user read the repository: a server"
        " gives the same answer for a private one",
        (
            *(r"repository not found", r"repository '.*' (?:not found|does not exist)", r"there is no Git repository"),
            *(r"no git repository was found", r"does not appear to be a git repository", r"remote: not found"),
            r"project you were looking for",
        ),
    ),
    _Kind(
        "install-failed",
        "push that commit, or lock one that exists there: `poetry update --lock {name}`",
        (
            *(r"verify ref exists on remote", r"reference is not a tree", r"pathspec '.*' did not match"),
            *(r"remote ref .* not found", r"not our ref"),
        ),
    ),
    _Kind(
        "index-unreachable",
        "check the network, the proxy and the address of {host}, then run it again",
        (
            *(r"could not resolve host", r"name or service not known", r"temporary failure in name resolution"),
            *(r"connect to host .* port", r"failed to connect to", r"connection (?:closed|reset|refused|timed out)"),
            *(r"operation timed out", r"read timed out", r"network is unreachable", r"no route to host", r"early eof"),
            *(r"max retries exceeded", r"ssl certificate problem", r"certificate verify failed"),
            *(r"unexpected http resp 5\d\d", r"returned error: 5\d\d"),
        ),
    ),
    _Kind(
        "install-failed",
        "install Git and OpenSSH's client: this dependency needs them",
        (r"cannot run (?:ssh|git)\b", r"no such file or directory: '(?:ssh|git)'", r"\b(?:ssh|git): .*not found"),
    ),
)
"""The kinds, the most telling first: one output may match several."""


_NO_MESSAGE: Final = re.compile(r"(NotGitRepository\n)\s*?(?=\n *at )")
"""Matches dulwich's exception after the status 404, which has no message."""


_MESSAGE: Final = re.compile(r"(?:HangupException|GitProtocolError|NotGitRepository)\n(?P<text>(?:(?! *at ).*\n)*)")
"""The message of an exception of dulwich, in the output of Poetry."""


def hides_reason(output: str) -> bool:
    """Whether Poetry would show the reason in `output` only if it were verbose (`-v`)."""
    return _HIDDEN.search(output) is not None and "Errors:" not in output


def git_failure(outcome: Outcome, project: Project) -> NoxPexError | None:
    """The error of a Git dependency that Poetry could not fetch; None if Poetry failed for another reason."""
    if not _IS_GIT.search(outcome.output):
        return None
    output = _NO_MESSAGE.sub(r"\1  there is no Git repository", outcome.output)
    package = _package(output, project)
    what, fields = "Poetry could not fetch a Git dependency", {"name": "NAME", "host": "HOST", "port": ""}
    if package is not None and package.source is not None:
        # The user of SSH is left out, because it would be masked like a token.
        what = f"Poetry could not fetch {package.name} from {_without_user(package.source.url)}"
        url = urlsplit(lock.git_url(package.source.url))
        fields = {"name": package.name, "host": url.hostname or "HOST", "port": f"-p {url.port} " if url.port else ""}
    lines = [line.strip(" |") for line in output.splitlines()]
    for kind in _KINDS:
        found = (line for pattern in kind.patterns for line in lines if re.search(pattern, line, re.IGNORECASE))
        if re.search(kind.needs, output, re.IGNORECASE) and (reason := next(found, None)):
            return NoxPexError(
                kind.code, f"{what}: {reason}", kind.remedy.format(**fields), log=outcome.tail, cause=(reason,)
            )
    reason = _message(output) or f"exit status {outcome.status}"
    return NoxPexError("install-failed", f"{what}: {reason}", "try `git ls-remote` with that address", log=outcome.tail)


def _message(output: str) -> str:
    """The message of Git or dulwich in the output of Poetry, as one line; empty if there is none."""
    if fatal := re.search(r"^[ |]*((?:fatal|error): .*)$", output, re.MULTILINE):
        return fatal[1]
    texts = [match["text"] for match in _MESSAGE.finditer(output)]
    return " ".join(texts[-1].split()) if texts else ""


def _package(output: str, project: Project) -> Package | None:
    """The Git dependency that Poetry was fetching; None if that is not certain."""
    packages = [p for p in lock.read(project.lock).packages if p.source is not None and p.source.type == "git"]
    named = re.search(r"^\s*Cannot install (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*?)\.?$", output, re.MULTILINE)
    url = re.search(r"Failed to (?:clone|checkout) (?P<url>\S+?),? ", output)
    found = [
        package
        for package in packages
        if (named and canonicalize_name(named["name"]) == package.name)
        or (url and package.source and _without_user(package.source.url) == _without_user(url["url"]))
    ]
    candidates = found or packages
    return candidates[0] if len(candidates) == 1 else None


def _without_user(url: str) -> str:
    """An address without its user and password, which are masked in Poetry's output."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)
