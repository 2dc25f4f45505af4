"""Tags and OCI annotations of an image.

Fact source: "Pre-Defined Annotation Keys" in the OCI image specification.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

import msgspec

from nox_pex.errors import NoxPexError
from nox_pex.image.job import Job
from nox_pex.system.git import Git
from nox_pex.system.secrets import public_url

_PREFIX: Final = "org.opencontainers.image."


_SOURCE_KEYS: Final = ("source", "source-code", "repository", "homepage")
"""Names under `[project.urls]` that lead to the sources, the best first."""


def tags(job: Job) -> tuple[str, ...]:
    """Return the image's names, with version and commit filled in.

    Raises `NoxPexError` `config` if a name has a token for which the project has no value.
    """
    values = {"{version}": version(job), "{git-sha}": _revision(job)}
    names = []
    for tag in job.image.tag or (f"{job.target.name.lower()}:latest",):
        for token, value in values.items():
            if token in tag and value is None:
                problem = f"{job.key}.tag has {token}, but {job.target.name} has none"
                raise NoxPexError("config", problem, "give the project a version (or a commit), or remove the token")
        name = tag
        for token, value in values.items():
            name = name.replace(token, re.sub(r"[^A-Za-z0-9_.-]", "-", value or ""))
        names.append(name)
    return tuple(names)


def version(job: Job) -> str | None:
    """Return the version in the build record, or else the project's; None if neither has one."""
    return job.record.get("version") or job.target.project.version


def labels(job: Job) -> dict[str, str]:
    """Return the annotations that have a value. None depends on the time or the machine of the image's build."""
    revision = _revision(job)
    values = {"version": version(job), "revision": revision, "source": _source(job), "created": None}
    if revision is not None:
        seconds = _git(job).ask("show", "--no-patch", "--format=%ct", revision.partition("-")[0])
        if seconds is not None and seconds.isdecimal():
            created = dt.datetime.fromtimestamp(int(seconds), tz=dt.UTC)
            values["created"] = created.isoformat().replace("+00:00", "Z")
    return {f"{_PREFIX}{name}": value for name, value in values.items() if value}


def _revision(job: Job) -> str | None:
    """Return the commit that the binary was built from, with `-dirty` after it if there were uncommitted changes.

    It comes from the build record or, if there is none, from Git now. None if there is no commit.
    """
    git = job.record.get("git") if job.record else _commit(job)
    return f"{git['commit']}{'-dirty' if git['dirty'] else ''}" if git else None


def _commit(job: Job) -> dict[str, Any] | None:
    """Return the commit that is checked out, as in a build record; None without Git, a repository or a commit."""
    commit = _git(job).commit(without=job.target.directory)
    return None if commit is None else msgspec.structs.asdict(commit)


def _source(job: Job) -> str | None:
    """Return the public URL of the sources: the project's own, or else its Git remote, without credentials."""
    document = job.target.project.document
    urls = {
        re.sub(r"[ _]", "-", str(name)).lower(): str(url)
        for name, url in document.get("project", {}).get("urls", {}).items()
    }
    poetry = document.get("tool", {}).get("poetry", {})
    urls |= {name: str(url) for name, url in poetry.items() if name in _SOURCE_KEYS}
    url = next((urls[name] for name in _SOURCE_KEYS if name in urls), None)
    url = url or _git(job).ask("config", "--get", "remote.origin.url")
    return public_url(url) if url and len(url.splitlines()) == 1 else None


def _git(job: Job) -> Git:
    return Git(root=job.target.project.root, environ=job.shell.environ)
