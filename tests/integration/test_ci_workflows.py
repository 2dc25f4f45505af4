"""The workflow files in `docs/ci` are valid, and their shell steps work."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from nox_pex.distributions.environment import Environment
from nox_pex.system import locks
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import cache, provision
from tests.support.ci_runner import Runner
from tests.support.commands import run
from tests.support.digests import digest
from tests.support.git_repository import GitRepository
from tests.support.monorepo import service_binary
from tests.support.nox_project import CHECKOUT, Project

DOCS: Final = CHECKOUT / "docs" / "ci"
_SERVICES: Final = ("clock", "worker")


PYPROJECT: Final = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
ACTION: Final = YAML(typ="safe", pure=True).load((CHECKOUT / "action.yml").read_text("utf-8"))


def read(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((DOCS / name).read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("github-actions.yml", "vendor.github-workflows"),
        ("github-actions.yml", "custom.github-workflows-require-timeout"),
        ("github-evidence.yml", "vendor.github-workflows"),
        ("github-evidence.yml", "custom.github-workflows-require-timeout"),
        ("github-keyless.yml", "vendor.github-workflows"),
        ("github-keyless.yml", "custom.github-workflows-require-timeout"),
        ("github-image.yml", "vendor.github-workflows"),
        ("github-image.yml", "custom.github-workflows-require-timeout"),
        ("gitlab-ci.yml", "vendor.gitlab-ci"),
        ("gitlab-evidence.yml", "vendor.gitlab-ci"),
        ("gitlab-image.yml", "vendor.gitlab-ci"),
        ("gitlab-prove.yml", "vendor.gitlab-ci"),
    ],
)
def test_a_workflow_file_follows_its_schema(name: str, schema: str) -> None:
    result = run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(DOCS / name)],
        cwd=CHECKOUT,
        env=os.environ,
    )
    assert result.status == 0, result.output


@pytest.fixture
def repository(shop: Project) -> Project:
    """The monorepo with two of its services, as a Git repository with one commit."""
    shutil.rmtree(shop.root / "services" / "api")
    shop.append(
        "services/clock/pyproject.toml",
        '\n[tool.nox-pex.binary.clock]\nscript = "clock"\n\n'
        '[[tool.nox-pex.binary.clock.smoke.command]]\nargs = []\nstdout-matches = "tick"\n',
    )
    (shop.root / ".gitignore").write_text(".nox\ndist\n__pycache__\n.cache\n", "utf-8")
    (shop.root / ".gitlab").mkdir()
    shutil.copy(DOCS / "gitlab-prove.yml", shop.root / ".gitlab" / "prove.yml")
    GitRepository(root=shop.root, environ=shop.environ).commit()
    return shop


@pytest.fixture
def machine(shared: Path, environ: dict[str, str]) -> Path:
    """The programs of a CI runner: a Python with Nox and nox-pex, as `pip install` leaves it."""
    home = shared / "machine"
    with locks.locked(shared / "machine.lock", waiting=lambda: None):
        if not (home / "complete").exists():
            shell = Shell(environ=environ, secrets=Secrets(), say=lambda _: None)
            provisioner = provision.Provisioner(
                shell=shell, caches=cache.Caches.of(environ), uv=provision.find_uv(environ)
            )
            provisioner.create(home, python=Path(sys.executable).resolve(), seed=True)
            provisioner.install(Environment(path=home), ["pip", "nox[uv]", str(CHECKOUT)], what="nox-pex")
            (home / "complete").touch()
    return home / "bin"


@pytest.fixture
def runner(repository: Project, machine: Path, scratch: Path) -> Runner:
    return Runner(repository=repository, programs=machine, storage=scratch)


def digests_of_one_machine(repository: Project) -> dict[str, str]:
    """Build the binaries of all services on this machine. Return their digests by name."""
    repository.nox("-s", "pex")
    return {name: digest(service_binary(repository, name)) for name in _SERVICES}


@pytest.mark.long
def test_jobs_of_github_actions_give_the_bytes_of_one_machine_and_reuse_their_caches(runner: Runner) -> None:
    jobs = read("github-actions.yml")["jobs"]
    first = runner.job("list")
    first.github(jobs["list"])
    sessions = json.loads(first.values["steps_sessions_outputs_sessions"])
    assert sessions == [f"smoke({name})" for name in _SERVICES]
    for number, session in enumerate(sessions):
        runner.job(str(number)).github(jobs["prove"], matrix_session=session, strategy_job_index=str(number))
    last = runner.job("collect")
    last.github(jobs["collect"])
    collected = runner.binary_digests(last.clone / "binaries")
    assert collected == digests_of_one_machine(runner.repository)
    again = runner.job("again")
    again.github(jobs["prove"], matrix_session=sessions[0], strategy_job_index="again")
    assert not again.new_caches  # there was a cache with this key
    assert runner.binary_digests(again.clone) == {"clock": collected["clock"]}


@pytest.mark.slow
def test_jobs_of_gitlab_ci_give_the_bytes_of_one_machine(runner: Runner) -> None:
    first = runner.job("list")
    for script in read("gitlab-ci.yml")["list"]["script"]:
        first.shell(script, {})
    child = json.loads((first.clone / "prove.yml").read_text("utf-8"))
    (included,) = child["include"]
    template = YAML(typ="safe", pure=True).load((first.clone / included["local"]).read_text("utf-8"))
    assert child["prove"]["extends"] in template
    prove = template[child["prove"]["extends"]]
    matrix = child["prove"]["parallel"]["matrix"]
    assert [one["SESSION"] for one in matrix] == [f"smoke({name})" for name in _SERVICES]
    assert prove["cache"]["key"] == "$CACHE_KEY"
    for number, one in enumerate(matrix):
        assert one["CACHE_KEY"].startswith(f"nox-pex-{_SERVICES[number]}-py3.")
        job = runner.job(str(number))
        here = str(job.clone)
        variables = {key: value.replace("$CI_PROJECT_DIR", here) for key, value in prove["variables"].items()}
        for script in prove["script"]:
            job.shell(script, {**variables, **one})
        job.upload(prove["artifacts"]["paths"], str(number))
        reports = prove["artifacts"]["reports"]
        assert all(list(job.clone.glob(pattern)) for kind in reports.values() for pattern in kind)
        assert (job.clone / prove["cache"]["paths"][0] / "nox-pex" / "tools").is_dir()
    assert runner.binary_digests(runner.storage / "artifacts") == digests_of_one_machine(runner.repository)


@pytest.mark.long
def test_the_action_builds_proves_and_reuses_its_caches(runner: Runner) -> None:
    sessions = "smoke(clock) verify(clock)"
    first = runner.job("first")
    first.action(ACTION, sessions=sessions, arguments="clock", artifact="binaries")
    assert first.values["steps_key_outputs_key"].startswith(f"{first.values['steps_key_outputs_before']}")
    assert first.values["steps_key_outputs_key"].startswith("nox-pex-clock-py3.")
    built = runner.binary_digests(runner.storage / "artifacts" / "binaries")
    assert built.keys() == {"clock"}
    again = runner.job("again")
    again.action(ACTION, sessions=sessions, artifact="others")
    assert not again.new_caches  # there was a cache with this key
    assert runner.binary_digests(runner.storage / "artifacts" / "others") == built


@pytest.mark.parametrize(
    ("sessions", "beginning"),
    [("smoke verify", "nox-pex-Linux-X64-"), ("verify(worker)", "nox-pex-worker-py3."), ("pex", "nox-pex-Linux-X64-")],
)
def test_the_action_finds_the_key_of_one_project_and_of_all(runner: Runner, sessions: str, beginning: str) -> None:
    job = runner.job("key")
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "key")
    job.github({"steps": [step]}, inputs_sessions=sessions)
    key, before = (job.values[f"steps_key_outputs_{name}"] for name in ("key", "before"))
    assert key.startswith(before)
    assert before.startswith(beginning)
    assert len(key.removeprefix(before)) == 16


def test_the_action_installs_the_nox_that_nox_pex_needs() -> None:
    needed = [each for each in PYPROJECT["project"]["dependencies"] if each.startswith("nox[uv]")]
    (install,) = (step["run"] for step in ACTION["runs"]["steps"] if "pip install" in step.get("run", ""))
    assert install == f'python -m pip install "{needed[0]}"'
