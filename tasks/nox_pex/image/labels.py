"""Tags and OCI annotations of an image.

Fact source: "Pre-Defined Annotation Keys" in the OCI image specification.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.image.job import Job
from nox_pex.pex import build_record, repository
from nox_pex.pex.checkout import Checkout, Commit, places_of
from nox_pex.project import sources
from nox_pex.system.git import Git
from nox_pex.system.secrets import public_url

_PREFIX: Final = "org.opencontainers.image."


_SOURCE_KEYS: Final = ("source", "source-code", "repository", "homepage")
"""Names under `[project.urls]` that lead to the sources, the best first."""


def tags(job: Job) -> tuple[str, ...]:
    """Return the image's names, with version, commit and Python filled in.

    Raises `NoxPexError` `config` if a name has a token for which the project has no value.
    """
    values = {"{version}": version(job), "{git-sha}": _revision(_commit(job)), "{python}": job.minor}
    names = []
    for tag in job.image.tag or (f"{job.target.name.lower()}:latest",):
        for token, value in values.items():
            if token in tag and value is None:
                raise _without_value(token, job)
        name = tag
        for token, value in values.items():
            name = name.replace(token, re.sub(r"[^A-Za-z0-9_.-]", "-", value or ""))
        names.append(name)
    return tuple(names)


def _without_value(token: str, job: Job) -> NoxPexError:
    if job.target.prebuilt is not None and not job.record:
        problem = f"{job.key}.tag has {token}, which is not known of {job.target.prebuilt}"
        remedy = f"put the build record of this file next to it ({job.target.prebuilt.name}.json), or remove the token"
    else:
        problem = f"{job.key}.tag has {token}, but {job.target.name} has none"
        remedy = "give the project a version (or a commit), or remove the token"
    return NoxPexError("config", problem, remedy)


def version(job: Job) -> str | None:
    """Return the version of the binary; None if it is not known.

    It is that of its build record. If the image's own build builds the binary, it is the project's, unless only the
    build backend knows that.
    """
    if not job.from_source:
        found = job.record.get("version")
        return found if isinstance(found, str) and found.isprintable() else None
    project = job.target.project
    static = None if project.version_from_git else project.version
    return static if static and static.isprintable() else None


def labels(job: Job) -> dict[str, str]:
    """Return the annotations whose value is printable.

    None depends on the time or the machine of the image's build.
    """
    commit = _commit(job)
    values = {"version": version(job), "revision": _revision(commit), "source": _source(job), "created": None}
    if commit is not None:
        seconds = _git(job).ask("show", "--no-patch", "--format=%ct", commit.commit)
        if seconds is not None and seconds.isdecimal():
            created = dt.datetime.fromtimestamp(int(seconds), tz=dt.UTC)
            values["created"] = created.isoformat().replace("+00:00", "Z")
    return {f"{_PREFIX}{name}": value for name, value in values.items() if value and value.isprintable()}


def _revision(commit: Commit | None) -> str | None:
    """Return the name of the commit, with `-dirty` after it if some input of the binary differs from it."""
    return None if commit is None else f"{commit.commit}{'-dirty' if commit.dirty else ''}"


def _commit(job: Job) -> Commit | None:
    """Return the commit of the binary; None if it is not known.

    It is that of its build record, which the step `pex` keeps current. If the image's own build builds the binary, it
    is the commit that is checked out.
    """
    if not job.from_source:
        return build_record.commit(job.record)
    project, output_dir = job.target.project, job.target.directory
    checkout = Checkout.of(
        places_of(job.target, ()), job.shell.environ
    )  # a path dependency is in the project, or fails
    return checkout.commit(sources.project_files(project.root, output_dir=output_dir, extra=project.includes))


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
    return public_url(url) if url else repository.remote_address(_git(job))


def _git(job: Job) -> Git:
    return Git(root=job.target.project.root, environ=job.shell.environ)
