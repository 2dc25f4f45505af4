from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.image import labels
from nox_pex.image.job import Job
from nox_pex.system.git import Git
from tests.support.images import image_target, job_of, shell

PREFIX = "org.opencontainers.image."
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RECORD = {"version": "2.0+local", "git": {"commit": COMMIT, "dirty": False}}


def job(
    root: Path,
    *,
    record: Mapping[str, Any] | None = None,
    document: Mapping[str, Any] | None = None,
    version: str | None = "1.0",
    tag: tuple[str, ...] = (),
    path: str = "",
) -> Job:
    """A job in the directory `root`, whose PATH is `path`: empty, so that there is no Git."""
    target = image_target(root, **({"tag": list(tag)} if tag else {}))
    project = replace(target.project, document=document or {}, version=version)
    return job_of(replace(target, project=project), shell(environ={"PATH": path}), record=record)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A directory with a `git` that answers as for a checkout with a commit and a remote."""
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"rev-parse) echo {COMMIT} ;;\n"
        'status) echo "$@" >> asked; if [ -f dirty ]; then echo " M main.py"; fi ;;\n'
        "show) echo 1700000000 ;;\n"
        "config) echo https://me:secret@git.example/service.git ;;\n"
        "esac\n",
        "utf-8",
    )
    program.chmod(0o755)
    return tmp_path


def test_without_git_there_is_no_revision(tmp_path: Path) -> None:
    assert Git(root=tmp_path, environ={"PATH": ""}).commit(without=tmp_path / "dist") is None
    assert labels.labels(job(tmp_path)) == {f"{PREFIX}version": "1.0"}
    assert labels.labels(job(tmp_path, version=None)) == {}
    with pytest.raises(
        NoxPexError, match=r"image.tag has \{git-sha\}, but service has none; give the project"
    ) as caught:
        labels.tags(job(tmp_path, tag=("service:{git-sha}",)))
    assert caught.value.code == "config"


def test_a_record_without_a_commit_is_not_completed_from_git(repository: Path) -> None:
    path = f"{repository / 'bin'}{os.pathsep}{os.defpath}"
    found = labels.labels(job(repository, record={"version": "2.0", "git": None}, path=path))
    assert f"{PREFIX}revision" not in found
    assert f"{PREFIX}created" not in found
    assert found[f"{PREFIX}version"] == "2.0"


def test_without_a_record_git_says_which_commit_it_is(repository: Path) -> None:
    path = f"{repository / 'bin'}{os.pathsep}{os.defpath}"
    assert labels.labels(job(repository, path=path)) == {
        f"{PREFIX}version": "1.0",
        f"{PREFIX}revision": COMMIT,
        f"{PREFIX}source": "https://git.example/service.git",
        f"{PREFIX}created": "2023-11-14T22:13:20Z",
    }
    assert ":(exclude,literal)dist" in (repository / "asked").read_text("utf-8")
    (repository / "dirty").touch()
    assert labels.labels(job(repository, path=path))[f"{PREFIX}revision"] == f"{COMMIT}-dirty"


def test_the_record_of_the_binary_decides_about_version_and_commit(tmp_path: Path) -> None:
    found = labels.labels(job(tmp_path, record=RECORD))
    assert found == {f"{PREFIX}version": "2.0+local", f"{PREFIX}revision": COMMIT}
    dirty = {**RECORD, "git": {"commit": COMMIT, "dirty": True}}
    assert labels.labels(job(tmp_path, record=dirty))[f"{PREFIX}revision"] == f"{COMMIT}-dirty"


def test_tags_have_no_characters_that_a_tag_cannot_have(tmp_path: Path) -> None:
    assert labels.tags(job(tmp_path)) == ("service:latest",)
    tagged = job(tmp_path, record=RECORD, tag=("r.example/s:{version}", "s:{version}-{git-sha}"))
    assert labels.tags(tagged) == ("r.example/s:2.0-local", f"s:2.0-local-{COMMIT}")


@pytest.mark.parametrize(
    ("document", "source"),
    [
        ({"project": {"urls": {"Homepage": "https://h", "Source Code": "https://s"}}}, "https://s"),
        ({"project": {"urls": {"Repository": "https://joe:secret@r/x"}}}, "https://r/x"),
        ({"tool": {"poetry": {"homepage": "https://h", "repository": "https://r"}}}, "https://r"),
        ({"project": {"urls": {"source": "https://s\nhttps://t"}}}, None),
        ({"project": {"urls": {"Documentation": "https://d"}}}, None),
    ],
)
def test_the_source_is_a_public_address(tmp_path: Path, document: Mapping[str, Any], source: str | None) -> None:
    assert labels.labels(job(tmp_path, document=document)).get(f"{PREFIX}source") == source
