"""The workflows in `docs/ci` that sign: the key is in as few jobs and steps as possible, which ask for little."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from nox_pex.evidence.kinds import PREDICATE_TYPES
from nox_pex.oci import reference
from nox_pex.registry import credentials

DOCS: Final = Path(__file__).resolve().parents[2] / "docs" / "ci"
SIGNING: Final = ("NOX_PEX_SIGNING_KEY", "NOX_PEX_SIGNING_PASSPHRASE")


def read(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((DOCS / name).read_text("utf-8"))


@pytest.mark.parametrize("name", ["github-evidence.yml", "github-keyless.yml"])
def test_on_github_the_job_that_signs_runs_no_code_of_the_project(name: str) -> None:
    workflow = read(name)
    assert workflow["permissions"] == {}
    assert workflow["on"] == {"push": {"tags": ["v*"]}}  # no pull request gets a secret
    attest, sign = workflow["jobs"]["attest"], workflow["jobs"]["sign"]
    assert attest["permissions"] == {"contents": "read"}
    assert attest["steps"][0]["with"] == {"persist-credentials": False}
    assert "secrets" not in json.dumps(attest)
    assert "environment" not in attest
    uses = [step["uses"].partition("@")[0] for step in sign["steps"] if "uses" in step]
    assert "actions/checkout" not in uses
    assert [step["run"] for step in sign["steps"] if "run" in step] == (
        ["pipx install nox-pex", "nox-pex sign dist"] if name == "github-evidence.yml" else []
    )


def test_on_github_only_the_step_that_signs_has_the_key() -> None:
    sign = read("github-evidence.yml")["jobs"]["sign"]
    assert (sign["permissions"], sign["environment"]) == ({}, "signing")
    of_steps = [step["env"] for step in sign["steps"] if "env" in step]
    assert of_steps == [{name: f"${{{{ secrets.{name} }}}}" for name in SIGNING}]


def test_the_attest_action_gets_the_predicate_of_each_kind() -> None:
    sign = read("github-keyless.yml")["jobs"]["sign"]
    assert sign["permissions"] == {"id-token": "write", "attestations": "write"}
    matrix = {each["kind"]: each["type"] for each in sign["strategy"]["matrix"]["include"]}
    assert matrix == PREDICATE_TYPES
    (action,) = (step for step in sign["steps"] if step["uses"].startswith("actions/attest@"))
    assert action["with"] == {
        "subject-path": "dist/${{ env.BINARY }}.pex",
        "predicate-type": "${{ matrix.type }}",
        "predicate-path": "dist/${{ env.BINARY }}.attestations/${{ matrix.kind }}.predicate.json",
    }


def test_on_gitlab_the_job_that_signs_has_no_checkout_and_the_environment_with_the_key() -> None:
    jobs = read("gitlab-evidence.yml")
    sign, attest = jobs["sign"], jobs["attest"]
    assert sign["variables"] == {"GIT_STRATEGY": "empty"}  # with `none`, files of earlier jobs would be signed too
    assert sign["environment"]["name"] == "signing"
    assert sign["script"] == ["pip install nox-pex", "nox-pex sign dist"]  # `python -m` imports from the directory
    assert "environment" not in attest
    assert "SIGNING" not in json.dumps(attest)


def test_the_job_on_github_that_pushes_an_image_has_each_secret_in_one_step() -> None:
    workflow = read("github-image.yml")
    assert workflow["permissions"] == {}
    assert workflow["on"] == {"push": {"tags": ["v*"]}}  # no pull request gets a secret
    job = workflow["jobs"]["push"]
    assert (job["permissions"], job["environment"]) == ({"contents": "read", "packages": "write"}, "signing")
    assert job["steps"][0]["with"] == {"persist-credentials": False}
    of_steps = {step["run"].split()[0]: step["env"] for step in job["steps"] if "env" in step}
    assert of_steps["nox"] == {name: f"${{{{ secrets.{name} }}}}" for name in SIGNING}
    assert of_steps["docker"] == {"TOKEN": "${{ secrets.GITHUB_TOKEN }}"}
    assert len(of_steps) == 2


def test_the_job_on_gitlab_that_pushes_an_image_logs_in_to_the_registry_of_the_project(tmp_path: Path) -> None:
    job = read("gitlab-image.yml")["push"]
    assert job["environment"]["name"] == "signing"
    assert job["script"][-1] == "nox -s push"
    registry, password = "registry.example:5050", "a secret, with a colon: " + "x" * 60
    environ = {
        "PATH": os.environ["PATH"],
        "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
        "CI_REGISTRY": registry,
        "CI_REGISTRY_USER": "job",
        "CI_REGISTRY_PASSWORD": password,
    }
    subprocess.run(["sh", "-ec", "\n".join(job["script"][1:-1])], env=environ, check=True)

    found = credentials.find(reference.parse(f"{registry}/team/service:1"), environ)
    assert (found.user, found.password) == ("job", password)
