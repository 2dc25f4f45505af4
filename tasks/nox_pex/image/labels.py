"""Tags and OCI annotations of the image."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

import msgspec

from nox_pex.errors import NoxPexError
from nox_pex.image.job import Job
from nox_pex.system.git import Git
from nox_pex.system.secrets import public_url

_ANNOTATION: Final = "org.opencontainers.image."


_SOURCES: Final = ("source", "source-code", "repository", "homepage")
"""Names under `[project.urls]` that say where the sources are, the best first."""


def tags(job: Job) -> tuple[str, ...]:
    """The image's names, with the version and the commit filled in. Raises `NoxPexError` `config`."""
    values = {"{version}": version(job), "{git-sha}": _revision(job)}
    done = []
    for tag in job.image.tag or (f"{job.target.name.lower()}:latest",):
        for token, value in values.items():
            if token in tag and value is None:
                problem = f"{job.key}.tag has {token}, and {job.target.name} has none"
                raise NoxPexError("config", problem, "give the project a version (or a commit), or leave it out")
        filled = tag
        for token, value in values.items():
            filled = filled.replace(token, re.sub(r"[^A-Za-z0-9_.-]", "-", value or ""))
        done.append(filled)
    return tuple(done)


def version(job: Job) -> str | None:
    """The binary's version; that of the project where there is no record."""
    return job.record.get("version") or job.target.project.version


def _revision(job: Job) -> str | None:
    """The commit that the binary was built from, with `-dirty` behind it where not all was committed."""
    git = job.record.get("git") if job.record else msgspec.to_builtins(_git(job).commit(without=job.target.directory))
    return f"{git['commit']}{'-dirty' if git['dirty'] else ''}" if git else None


def _git(job: Job) -> Git:
    return Git(root=job.target.project.root, environ=job.shell.environ)


def labels(job: Job) -> dict[str, str]:
    """The annotations of the OCI image specification, none of which depends on when or where the image is built."""
    revision = _revision(job)
    labels = {"version": version(job), "revision": revision, "source": _source(job), "created": None}
    if revision is not None:
        seconds = _git(job).ask("show", "--no-patch", "--format=%ct", revision.partition("-")[0])
        if seconds is not None and seconds.isdecimal():
            created = dt.datetime.fromtimestamp(int(seconds), tz=dt.UTC)
            labels["created"] = created.isoformat().replace("+00:00", "Z")
    return {f"{_ANNOTATION}{name}": value for name, value in labels.items() if value}


def _source(job: Job) -> str | None:
    """Where the sources are: what the project says, or else its Git remote, without credentials."""
    urls = job.target.project.document.get("project", {}).get("urls", {})
    named = {re.sub(r"[ _]", "-", str(name)).lower(): str(url) for name, url in urls.items()}
    named |= {name: str(url) for name, url in job.target.project.document.get("tool", {}).get("poetry", {}).items()
              if name in _SOURCES}  # fmt: skip
    found = next((named[name] for name in _SOURCES if name in named), None) or _git(job).ask(
        "config", "--get", "remote.origin.url"
    )
    return public_url(found) if found and len(found.splitlines()) == 1 else None
