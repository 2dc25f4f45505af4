from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.evidence import attestations, documents, provenance
from nox_pex.evidence.attestations import Subject
from nox_pex.evidence.materials import Material
from nox_pex.evidence.provenance import Build
from nox_pex.evidence.tool_files import ToolFile
from nox_pex.pex.repository import SourceRef
from nox_pex.poetry.lock import LockedFile
from nox_pex.system import files
from tests.support import in_toto
from tests.support.results import SHA256

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RECORD: dict[str, Any] = {
    "name": "service",
    "version": "1.0",
    "sha256": SHA256,
    "lock-hash": "1c" * 32,
    "platform": "linux-x86_64",
    "tools": {"poetry": "2.5.1", "pex": "2.105.2", "nox-pex": "0.9.0"},
    "git": {"commit": COMMIT, "dirty": False},
    "built": {"started": "2026-11-26T16:00:00Z", "finished": "2026-11-26T16:00:09Z"},
}
IDNA = Material(
    name=canonicalize_name("idna"),
    version="3.7",
    purl="pkg:pypi/idna@3.7",
    files=(LockedFile(name="idna-3.7-py3-none-any.whl", hash="sha256:" + "2d" * 32),),
)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (python := tmp_path / "python3.11").write_bytes(b"an interpreter")
    return Build(
        binary="service",
        record=RECORD,
        source=SourceRef(repository="https://example.org/a/service", ref="refs/heads/main"),
        materials=(IDNA,),
        tools=(ToolFile(name="pex", version="2.105.2", file="pex.whl", sha256="4f" * 32, pinned=True),),
        python=Interpreter(implementation="CPython", version="3.11.7", executable=python),
    )


def predicate(build: Build) -> dict[str, Any]:
    found = provenance.predicate(build)
    subjects = [Subject(name="service.pex", sha256=SHA256)]
    in_toto.read("provenance", attestations.json_text(attestations.statement("provenance", found, subjects)))
    return found


def dependencies(build: Build) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = predicate(build)["buildDefinition"]["resolvedDependencies"]
    return found


def test_the_parameters_are_those_of_the_contract(build: Build) -> None:
    definition = predicate(build)["buildDefinition"]
    assert definition["buildType"] == documents.BUILD_TYPE
    assert definition["externalParameters"] == {
        "repository": "https://example.org/a/service",
        "ref": "refs/heads/main",
        "binary": "service",
    }
    assert definition["internalParameters"] == {"dirty": False, "platform": "linux-x86_64"}
    overridden = predicate(replace(build, overrides={"only": "cold"}))["buildDefinition"]
    assert overridden["externalParameters"]["overrides"] == {"only": "cold"}


def test_each_dependency_has_its_digest(build: Build, tmp_path: Path) -> None:
    assert dependencies(build) == [
        {"uri": "git+https://example.org/a/service@refs/heads/main", "digest": {"gitCommit": COMMIT}},
        {"name": "poetry.lock", "digest": {"sha256": "1c" * 32}},
        {"name": "idna-3.7-py3-none-any.whl", "uri": "pkg:pypi/idna@3.7", "digest": {"sha256": "2d" * 32}},
        {"name": "pex.whl", "uri": "pkg:pypi/pex@2.105.2", "digest": {"sha256": "4f" * 32}},
        {
            "name": "CPython 3.11.7",
            "digest": {"sha256": files.digest(tmp_path / "python3.11")},
            "annotations": {"file": "python3.11"},
        },
    ]


def test_a_distribution_of_several_files_an_sdist_git_or_a_path(build: Build) -> None:
    other = LockedFile(name="idna-3.7.tar.gz", hash="sha512:" + "5e" * 64)
    of_git = Material(name=canonicalize_name("a"), version="1", purl="pkg:pypi/a@1?vcs_url=git%2Bhttps", commit=COMMIT)
    of_path = Material(name=canonicalize_name("b"), version="1", purl="pkg:generic/b@1")
    unsure = replace(IDNA, files=(*IDNA.files, other))
    built = replace(IDNA, files=(other,), from_sdist=True)
    itself = Material(name=canonicalize_name("service"), version="1", purl="pkg:generic/service@1")
    every = (unsure, built, of_git, of_path, itself)
    found = dependencies(replace(build, materials=every, path_digests={"b": "6a" * 32}))[2:-2]
    assert found == [
        {
            "name": "idna-3.7-py3-none-any.whl",
            "uri": IDNA.purl,
            "digest": {"sha256": "2d" * 32},
            "annotations": {"candidate": True},
        },
        {
            "name": "idna-3.7.tar.gz",
            "uri": IDNA.purl,
            "digest": {"sha512": "5e" * 64},
            "annotations": {"candidate": True},
        },
        {
            "name": "idna-3.7.tar.gz",
            "uri": IDNA.purl,
            "digest": {"sha512": "5e" * 64},
            "annotations": {"builtFromSdist": True},
        },
        {"name": "a", "uri": of_git.purl, "digest": {"gitCommit": COMMIT}},
        {"name": "b", "uri": of_path.purl, "digest": {"noxPexTree": "6a" * 32}},
    ]


def test_the_builder_is_local_unless_the_settings_name_one(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.setenv(name, "true")
    details = predicate(build)["runDetails"]
    assert details["builder"] == {"id": documents.LOCAL_BUILDER, "version": {"nox-pex": "0.9.0"}}
    assert details["metadata"] == {"startedOn": "2026-11-26T16:00:00Z", "finishedOn": "2026-11-26T16:00:09Z"}
    named = predicate(replace(build, builder_id="https://ci.example.com/1"))["runDetails"]
    assert named["builder"]["id"] == "https://ci.example.com/1"


def test_what_is_not_known_is_left_out(build: Build) -> None:
    record = {key: value for key, value in RECORD.items() if key not in ("git", "built", "tools", "lock-hash")}
    found = predicate(replace(build, record=record, source=SourceRef(), materials=(), tools=()))
    assert found["buildDefinition"]["externalParameters"] == {"binary": "service"}
    assert found["buildDefinition"]["internalParameters"] == {"platform": "linux-x86_64"}
    assert [each["name"] for each in found["buildDefinition"]["resolvedDependencies"]] == ["CPython 3.11.7"]
    assert "metadata" not in found["runDetails"]


def test_a_commit_without_a_repository_is_a_digest(build: Build) -> None:
    dirty = {**RECORD, "git": {"commit": COMMIT, "dirty": True}, "platform": ["linux-x86_64", "macos"]}
    found = replace(build, source=SourceRef(ref="refs/heads/main"), record=dirty)
    assert dependencies(found)[0] == {"name": "sources", "digest": {"gitCommit": COMMIT}}
    assert predicate(found)["buildDefinition"]["internalParameters"] == {
        "dirty": True,
        "platform": ["linux-x86_64", "macos"],
    }


@pytest.mark.parametrize("built", [None, {}, 5, {"started": "x", "finished": "y"}, {"started": "2026-11-26T16:00:00Z"}])
def test_times_of_another_form_are_left_out(build: Build, built: Any) -> None:
    assert "metadata" not in predicate(replace(build, record={**RECORD, "built": built}))["runDetails"]
