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
from tests.support.git_repository import GitRepository
from tests.support.images import image_target, job_of, shell

PREFIX = "org.opencontainers.image."
ENVIRON = {"PATH": os.environ["PATH"]}
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
    from_source: bool = False,
) -> Job:
    """A job in the directory `root`, whose PATH is `path`: empty, so that there is no Git."""
    target = image_target(root, **({"tag": list(tag)} if tag else {}))
    project = replace(target.project, document=document or {}, version=version)
    return job_of(
        replace(target, project=project), shell(environ={"PATH": path}), record=record, from_source=from_source
    )


def test_version_and_commit_are_those_of_the_build_record(tmp_path: Path) -> None:
    found = labels.labels(job(tmp_path, record=RECORD))
    assert found == {f"{PREFIX}version": "2.0+local", f"{PREFIX}revision": COMMIT}
    dirty = {**RECORD, "git": {"commit": COMMIT, "dirty": True}}
    assert labels.labels(job(tmp_path, record=dirty))[f"{PREFIX}revision"] == f"{COMMIT}-dirty"
    assert labels.labels(job(tmp_path, record={"version": "2.0", "git": None})) == {f"{PREFIX}version": "2.0"}


def test_of_a_file_without_a_record_neither_version_nor_commit_is_known(tmp_path: Path) -> None:
    GitRepository(root=tmp_path, environ=ENVIRON).commit({"main.py": ""})
    foreign = job(tmp_path, path=os.environ["PATH"], document={"project": {"urls": {"Source": "https://s"}}})
    assert labels.labels(foreign) == {f"{PREFIX}source": "https://s"}
    for token in ("{version}", "{git-sha}"):
        with pytest.raises(NoxPexError, match=r"which is not known of .*service\.pex") as caught:
            labels.tags(job(tmp_path, path=os.environ["PATH"], tag=(f"service:{token}",)))
        assert caught.value.code == "config"
        assert "service.pex.json" in str(caught.value)


@pytest.mark.parametrize(
    "record",
    [
        {"version": 1, "git": "HEAD"},
        {"version": "1\nRUN evil", "git": {"commit": "--output=/etc/passwd", "dirty": False}},
        {"git": {"commit": COMMIT}},
        {"version": None, "git": {"commit": COMMIT, "dirty": "no"}},
        {"git": []},
    ],
)
def test_a_record_of_somebody_else_may_be_nonsense(tmp_path: Path, record: Mapping[str, Any]) -> None:
    assert labels.labels(job(tmp_path, record=record)) == {}


def test_a_build_from_the_sources_is_of_the_checkout(tmp_path: Path) -> None:
    def found(**options: Any) -> dict[str, str]:
        return labels.labels(job(tmp_path, from_source=True, path=os.environ["PATH"], **options))

    assert found() == {f"{PREFIX}version": "1.0"}
    checkout = GitRepository(root=tmp_path, environ={**ENVIRON, "GIT_COMMITTER_DATE": "2023-11-14T22:13:20Z"})
    commit = checkout.commit({"main.py": "", "pyproject.toml": "", "poetry.lock": ""})
    checkout.git("remote", "add", "origin", "https://me:secret@git.example/service.git")
    assert found() == {
        f"{PREFIX}version": "1.0",
        f"{PREFIX}revision": commit,
        f"{PREFIX}source": "https://git.example/service.git",
        f"{PREFIX}created": "2023-11-14T22:13:20Z",
    }
    checkout.git("remote", "set-url", "origin", "git@git.example:service.git")
    assert found()[f"{PREFIX}source"] == "ssh://git.example/service.git"
    checkout.git("remote", "set-url", "origin", str(tmp_path))  # no path of this machine
    assert f"{PREFIX}source" not in found()
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "service.image.json").touch()
    assert found()[f"{PREFIX}revision"] == commit
    (tmp_path / "main.py").write_text("x = 1\n", "utf-8")
    assert found()[f"{PREFIX}revision"] == f"{commit}-dirty"
    assert labels.tags(job(tmp_path, from_source=True, path=os.environ["PATH"], tag=("s:{git-sha}",))) == (
        f"s:{commit}-dirty",
    )


def test_only_a_build_knows_a_version_that_the_backend_finds_out(tmp_path: Path) -> None:
    dynamic = job(tmp_path, from_source=True, tag=("s:{version}",), version="0.0.0")
    project = replace(dynamic.target.project, package_mode=True, build_requires=("poetry-dynamic-versioning",))
    dynamic = replace(dynamic, target=replace(dynamic.target, project=project, prebuilt=None))
    assert labels.version(dynamic) is None
    with pytest.raises(NoxPexError, match=r"image.tag has \{version\}, but service has none; give the project"):
        labels.tags(dynamic)


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
        ({"project": {"urls": {"source": "https://s/\x1b[31m"}}}, None),
        ({"project": {"urls": {"Documentation": "https://d"}}}, None),
    ],
)
def test_the_source_is_a_public_address(tmp_path: Path, document: Mapping[str, Any], source: str | None) -> None:
    assert labels.labels(job(tmp_path, document=document)).get(f"{PREFIX}source") == source
