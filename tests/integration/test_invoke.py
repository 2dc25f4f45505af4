"""The Invoke frontend: `inv pex` in a directory with a `tasks.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import answer, launch
from tests.support.commands import Result, run
from tests.support.monorepo import service_binary
from tests.support.nox_project import CHECKOUT, Project

_NAMESPACE = "from nox_pex.invoke import ns\n"
_TWO_PROJECTS = """\
from invoke import Collection
from nox_pex.invoke import collection

ns = Collection()
ns.add_collection(collection("services/clock"), name="clock")
ns.add_collection(collection("services/worker"), name="worker")
"""


_ONE_PROJECT = """\
from nox_pex.invoke import collection

ns = collection("loose", state="loose/.nox")
"""


def inv(project: Project, *arguments: str, below: str = "") -> Result:
    """Run Invoke in the project's directory, or in one below it."""
    return run([sys.executable, "-m", "invoke", *arguments], cwd=project.root / below, env=project.environ)


@pytest.fixture
def loose(built: Callable[[str], Project]) -> Project:
    """A project that Nox has built, with a `tasks.py` in the directory above: next to its modules it would ship."""
    project = built("loose")
    (project.root.parent / "tasks.py").write_text(_ONE_PROJECT, "utf-8")
    return Project(root=project.root, environ={**project.environ, "PYTHONPATH": str(CHECKOUT / "tasks")})


@pytest.fixture
def two(shop: Project) -> Project:
    """The monorepo, with a `tasks.py` for two of its services."""
    (shop.root / "tasks.py").write_text(_TWO_PROJECTS, "utf-8")
    return shop


def test_the_list_has_a_line_for_each_task(loose: Project) -> None:
    listed = inv(loose, "--list", "--list-format=json")
    assert listed.status == 0, listed.output
    tasks = {task["name"]: task["help"] for task in json.loads(listed.output)["tasks"]}
    assert tasks.keys() >= {"install", "freeze", "pex", "smoke", "verify", "cache-key"}
    assert all(text.endswith(".") for text in tasks.values())


def test_each_option_has_its_help(loose: Project) -> None:
    shown = inv(loose, "--help", "smoke")
    assert shown.status == 0, shown.output
    for option in ("--name", "--force", "--jobs", "--binary", "--only", "--keep", "--serve", "--timeout", "--port"):
        assert shown.said(option), option
    assert not shown.said("--deep")
    assert inv(loose, "--help", "verify").said("--deep", "fetch again")


def test_invoke_reuses_what_nox_built_and_nox_what_invoke_built(loose: Project, home: Path) -> None:
    result = inv(loose, "pex")
    assert result.status == 0, result.output
    assert result.said("install: unchanged")
    assert result.said("freeze: loose unchanged")
    assert result.said("pex: loose unchanged")
    loose.edit("wares/stock.txt", "seven apples", "eight pears")
    assert inv(loose, "pex").said("pex: rebuilding loose: wares/stock.txt changed")
    assert answer(loose.binary("loose"), home=home)["stock"] == "eight pears"
    assert loose.nox("-s", "pex").said("pex: loose unchanged")


def test_options_do_what_they_do_in_nox(loose: Project) -> None:
    assert inv(loose, "pex", "--force", "--name", "loose").said("pex: rebuilding loose: forced")
    assert inv(loose, "verify", "--binary", "dist/loose.pex").said("pex: skipped, --binary ")


def test_paths_are_relative_to_the_directory_of_the_call(loose: Project) -> None:
    assert inv(loose, "pex", below="wares").said("pex: loose unchanged")
    result = inv(loose, "verify", "--binary", "../dist/loose.pex", below="wares")
    assert result.said("pex: skipped, --binary ", "dist/loose.pex")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("pex", "--name", "lose"), "usage", "did you mean 'loose'?"),
        (("smoke", "--timeout", "soon"), "usage", "--timeout"),
        (("smoke",), "config", "smoke"),
    ],
)
def test_a_failure_is_one_line_and_a_status(loose: Project, arguments: tuple[str, ...], code: str, said: str) -> None:
    result = inv(loose, *arguments)
    assert result.status == 1
    assert result.said(f"error[{code}]: ", said)
    assert result.output.count("error[") == 1
    assert "Traceback" not in result.output


def test_the_log_of_a_failed_tool_is_shown(loose: Project) -> None:
    loose.edit("poetry.lock", "content-hash", "contents-hash")
    result = inv(loose, "install")
    assert result.status == 1
    assert result.said("  | ")
    assert "error[" in result.output.splitlines()[-1]


def test_a_missing_python_is_one_error(loose: Project) -> None:
    text = 'from nox_pex.invoke import collection\n\nns = collection("loose", python="3.99")\n'
    (loose.root.parent / "tasks.py").write_text(text, "utf-8")
    result = inv(loose, "install", "--force")
    assert result.status == 1
    assert result.said("error[python-mismatch]: there is no Python 3.99")


def test_project_and_state_come_from_the_configuration_of_invoke(two: Project) -> None:
    (two.root / "tasks.py").write_text(_NAMESPACE, "utf-8")
    (two.root / "invoke.json").write_text(json.dumps({"nox-pex": {"project": "services/clock", "state": ".work"}}))
    result = inv(two, "pex")
    assert result.said(
        "pex: rebuilding clock", "last build is not known here"
    )  # the state of it is in another directory
    assert (two.root / ".work" / ".gitignore").read_text("utf-8") == "*\n"
    (two.root / "tasks.py").write_text(f'{_NAMESPACE}\nns.configure({{"nox-pex": {{"project": "services/worker"}}}})\n')
    (two.root / "invoke.json").unlink()
    assert inv(two, "pex").said("pex: worker unchanged")


def test_each_python_builds_files_with_its_version_in_their_names(two: Project) -> None:
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = f'from nox_pex.invoke import collection\n\nns = collection("services/clock", python=["{minor}", "3.99"])\n'
    (two.root / "tasks.py").write_text(text, "utf-8")
    result = inv(two, "pex")
    assert result.status == 1
    assert result.said("no Python 3.99")
    assert result.said("pex: clock built", f"clock-py{minor}.pex")


def test_two_projects_in_one_namespace_are_built_by_one_call(two: Project, home: Path) -> None:
    two.edit("services/clock/clock/__init__.py", "tick", "tock")
    two.edit("services/worker/worker/__init__.py", "Greet NAMES", "Greet all NAMES")
    result = inv(two, "clock.pex", "worker.pex")
    assert result.status == 0, result.output
    assert result.said("pex: clock built")
    assert result.said("pex: worker built")
    assert launch(service_binary(two, "clock"), home=home).output == "tock\n"


def test_stdout_contains_only_output_for_scripts(two: Project) -> None:
    def stdout(*arguments: str) -> str:
        argv = [sys.executable, "-m", *arguments]
        result = subprocess.run(
            argv, cwd=two.root, env=two.environ, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
        )
        return result.stdout

    key = stdout("invoke", "clock.cache-key")
    assert stdout("nox", "-s", "cache-key(clock)") == key
    assert key.startswith("nox-pex-clock-py3.")
    assert len(key.splitlines()) == 1
    assert stdout("invoke", "clock.pex") == ""
