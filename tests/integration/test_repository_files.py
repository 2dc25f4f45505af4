"""The files that GitHub and other services read from this repository are valid, and say what they must."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from nox_pex.evidence.kinds import PREDICATE_TYPES
from tests.support.commands import clean_environ, run
from tests.support.git_repository import GitRepository
from tests.support.nox_project import CHECKOUT
from tests.support.published import index_environ

PROJECT: Final = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
LOCK: Final = tomllib.loads((CHECKOUT / "poetry.lock").read_text("utf-8"))
PRE_COMMIT: Final = str(Path(sys.executable).with_name("pre-commit"))


def read(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((CHECKOUT / name).read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("action.yml", "vendor.github-actions"),
        ("CITATION.cff", "vendor.citation-file-format"),
        (".github/dependabot.yml", "vendor.dependabot"),
        (".github/ISSUE_TEMPLATE/bug.yml", "vendor.github-issue-forms"),
        (".github/ISSUE_TEMPLATE/config.yml", "vendor.github-issue-config"),
        (".github/ISSUE_TEMPLATE/idea.yml", "vendor.github-issue-forms"),
        (".github/workflows/ci.yml", "vendor.github-workflows"),
        (".github/workflows/ci.yml", "custom.github-workflows-require-timeout"),
        (".github/workflows/release.yml", "vendor.github-workflows"),
        (".github/workflows/release.yml", "custom.github-workflows-require-timeout"),
    ],
)
def test_a_file_follows_its_schema(name: str, schema: str) -> None:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, name]
    result = run(argv, cwd=CHECKOUT, env=os.environ)
    assert result.status == 0, result.output


def test_every_file_for_github_is_checked_above() -> None:
    marks = test_a_file_follows_its_schema.pytestmark  # type: ignore[attr-defined]  # the decorator sets it
    checked = {name for name, _ in marks[0].args[1]}
    found = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / ".github").rglob("*.yml")}
    assert found <= checked


def test_pre_commit_accepts_our_configuration_and_our_hooks() -> None:
    for argv in (["validate-config"], ["validate-manifest", ".pre-commit-hooks.yaml"]):
        result = run([PRE_COMMIT, *argv], cwd=CHECKOUT, env=os.environ)
        assert result.status == 0, result.output


def test_our_hooks_use_the_locked_versions() -> None:
    text = (CHECKOUT / ".pre-commit-config.yaml").read_text("utf-8")
    used = dict(re.findall(r'"([\w-]+)==([\w.]+)"', text))
    locked = {package["name"]: package["version"] for package in LOCK["package"]}
    assert len(used) >= 4
    assert used == {name: locked[name] for name in used}


@pytest.mark.slow
def test_pre_commit_installs_and_runs_the_hook_for_users(tmp_path: Path) -> None:
    settings = '[project]\nname = "shop"\n\n[tool.nox-pex.binary.shop]\nscrip = "shop"\n'
    (project := tmp_path / "project").mkdir()
    (project / "pyproject.toml").write_text(settings, "utf-8")
    environ = {**clean_environ(), **index_environ(), "PRE_COMMIT_HOME": str(tmp_path / "home")}
    GitRepository(root=project, environ=environ).commit()
    argv = [PRE_COMMIT, "try-repo", str(CHECKOUT), "nox-pex-settings", "--all-files"]
    result = run(argv, cwd=project, env=environ)
    assert result.status == 1, result.output
    assert result.said("error[config]: ", "pyproject.toml:5: tool.nox-pex.binary.shop.scrip: unknown key")


def test_ci_runs_the_unit_tests_on_each_python_of_the_classifiers() -> None:
    prefix = "Programming Language :: Python :: "
    named = [each.removeprefix(prefix) for each in PROJECT["classifiers"] if re.match(rf"{prefix}3\.\d", each)]
    assert read(".github/workflows/ci.yml")["jobs"]["unit"]["strategy"]["matrix"]["python"] == named


def test_no_pull_request_gets_a_permission_to_write_or_a_secret() -> None:
    workflow = read(".github/workflows/ci.yml")
    assert workflow["permissions"] == {}
    assert all(job["permissions"] == {"contents": "read"} for job in workflow["jobs"].values())
    assert "secrets" not in str(workflow)
    assert set(workflow["on"]) == {"push", "pull_request"}


def test_only_a_tag_releases_and_the_jobs_that_sign_and_publish_run_no_code_of_the_project() -> None:
    workflow = read(".github/workflows/release.yml")
    jobs = workflow["jobs"]
    assert (workflow["on"], workflow["permissions"]) == ({"push": {"tags": ["v*"]}}, {})
    assert "secrets." not in str(workflow)
    assert [(name, job.get("needs")) for name, job in jobs.items()] == [
        ("build", None),
        ("sign", "build"),
        ("publish", "sign"),
        ("announce", "publish"),
    ]
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "build": {"contents": "read"},
        "sign": {"id-token": "write", "attestations": "write"},
        "publish": {"id-token": "write"},
        "announce": {"contents": "write"},
    }
    later = [step for name, job in jobs.items() if name != "build" for step in job["steps"]]
    assert [step for step in later if "checkout" in step.get("uses", "")] == []
    assert [step for step in later if re.search(r"\b(pip|pipx|python3?|nox) ", step.get("run", ""))] == []
    assert jobs["publish"]["environment"] == "pypi"


def test_the_release_signs_each_kind_of_statement_and_attaches_what_the_build_made() -> None:
    jobs = read(".github/workflows/release.yml")["jobs"]
    matrix = {each["kind"]: each["type"] for each in jobs["sign"]["strategy"]["matrix"]["include"]}
    assert matrix == PREDICATE_TYPES
    uploads = {
        step["with"]["name"]: step["with"]["path"].split() for step in jobs["build"]["steps"] if "upload" in str(step)
    }
    assert uploads.keys() == {"distributions", "proven", "notes"}
    script = jobs["announce"]["steps"][-1]["run"]
    files = [path.removeprefix("dist/") for path in uploads["proven"] if "*" not in path]
    assert [name for name in files if f"proven/{name}" not in script] == []


def test_each_session_in_our_workflows_exists() -> None:
    listed = run([sys.executable, "-m", "nox", "--list"], cwd=CHECKOUT, env=clean_environ())
    known = set(re.findall(r"^[-*] (\S+)", listed.output, re.MULTILINE))
    texts = [path.read_text("utf-8") for path in [*(CHECKOUT / ".github").rglob("*.yml"), CHECKOUT / ".ci" / "run"]]
    used = {
        name
        for text in texts
        for line in re.findall(r"nox -s ([a-z -]+)", text)
        for name in line.split(" --")[0].split()
    }
    assert used
    assert used <= known


def test_the_files_link_to_this_repository() -> None:
    source = PROJECT["urls"]["Source"]
    assert read("CITATION.cff")["repository-code"] == source
    assert f"({source}/security/advisories/new)" in (CHECKOUT / "SECURITY.md").read_text("utf-8")
    links = [link["url"] for link in read(".github/ISSUE_TEMPLATE/config.yml")["contact_links"]]
    assert all(link.startswith((source, PROJECT["urls"]["Documentation"])) for link in links)
