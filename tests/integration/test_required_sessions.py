"""Sessions of the user that run before `pex`: a front-end build whose output Git ignores, and its tasks in Invoke."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.binaries import answer
from tests.support.commands import Result, run
from tests.support.git_repository import GitRepository
from tests.support.nox_project import CHECKOUT, Project

_FRONTEND: Final = """
import os

import nox


@nox.session(venv_backend="none", default=False)
@nox.parametrize("mode", ["dev", "prod"])
def frontend(session, mode):
    session.log(f"the front end is built for {mode}")
    if os.environ.get("NO_NODE"):
        session.error("there is no node on this machine")
    os.makedirs("wares/static", exist_ok=True)
    with open("wares/static/app.js", "w") as file:
        file.write(f"mode = {mode!r}\\n")
"""
_TASKS: Final = """
from invoke import task
from nox_pex.invoke import ns


@task
def frontend(c):
    c.run("mkdir -p wares/static && echo built by Invoke > wares/static/app.js")


for name in ("pex", "smoke", "verify", "image"):
    ns[name].pre.append(frontend)
ns.add_task(frontend)
"""
_REQUIRES: Final = "requires=[\"frontend(mode='prod')\"]"


@pytest.fixture
def with_frontend(built: Callable[[str], Project]) -> Project:
    """A project with a front end that the noxfile builds, whose output Git ignores and the settings include."""
    loose = built("loose")
    (loose.root / "noxfile.py").write_text(noxfile(_REQUIRES), "utf-8")
    loose.add_setting('sources = { include = ["wares/static/**"], exclude = ["tasks.py"] }')
    repository = GitRepository(root=loose.root, environ=loose.environ)
    repository.commit({".gitignore": "static/\ndist/\n.nox/\n__pycache__/\n"})
    return loose


def noxfile(arguments: str, *, before: str = "") -> str:
    """A noxfile that registers our sessions above the definition of the user's."""
    start = f"import sys\n\nsys.path.insert(0, {str(CHECKOUT / 'tasks')!r})\n{before}\nimport nox_pex\n\n"
    return f"{start}nox_pex.register({arguments})\n{_FRONTEND}"


def static_file(project: Project, *, home: Path) -> bytes:
    """The content of the front end in the binary. The binary must also start."""
    binary = project.binary("loose")
    assert answer(binary, home=home)["stock"] == "seven apples"
    with zipfile.ZipFile(binary) as archive:
        return archive.read("wares/static/app.js")


def test_a_front_end_that_git_ignores_is_built_before_pex_and_ships(with_frontend: Project, home: Path) -> None:
    result = with_frontend.nox("-s", "pex")
    order = [line.rpartition(" ")[2] for line in result.output.splitlines() if "Running session" in line]
    assert order == ["install", "freeze", "frontend(mode='prod')", "pex"]
    assert static_file(with_frontend, home=home) == b"mode = 'prod'\n"
    again = with_frontend.nox("-s", "pex", "-R", "-j2")
    assert again.said("pex: loose unchanged")
    assert "frontend" not in with_frontend.nox("-s", "freeze").output
    failed = with_frontend.run("-s", "pex", env={"NO_NODE": "1"})
    assert failed.status != 0
    assert "pex: loose" not in failed.output
    finished = with_frontend.nox("-s", "report", "--", "--binary", "dist/loose.pex", env={"NO_NODE": "1"})
    assert "frontend" not in finished.output


@pytest.mark.parametrize(
    ("name", "said"), [("fronted", "did you mean"), ("frontend(mode='test')", ""), ("frontend-{python}", "no Python")]
)
def test_a_session_that_does_not_exist_is_refused_if_pex_runs(with_frontend: Project, name: str, said: str) -> None:
    (with_frontend.root / "noxfile.py").write_text(noxfile(f"requires=[{name!r}]"), "utf-8")
    assert "pex" in with_frontend.nox("--list").output
    with_frontend.nox("-s", "freeze")
    result = with_frontend.run("-s", "pex")
    assert result.status != 0
    assert "Traceback" not in result.output
    if said:
        assert said in with_frontend.refused("usage", "-s", "pex")
    else:
        assert result.said("Session not found", name)


def test_a_cycle_is_named(with_frontend: Project) -> None:
    loop = "import nox\n\n@nox.session(requires=['pex'])\ndef loop(session): pass\n"
    (with_frontend.root / "noxfile.py").write_text(noxfile('requires=["loop"]', before=loop), "utf-8")
    result = with_frontend.run("-s", "pex")
    assert result.status != 0
    assert result.said("dependency cycle", "pex -> loop -> pex")
    assert "Traceback" not in result.output


def inv(project: Project, *arguments: str, environ: Mapping[str, str]) -> Result:
    result = run([sys.executable, "-m", "invoke", *arguments], cwd=project.root, env={**project.environ, **environ})
    assert result.status == 0, result.output
    return result


def test_a_task_of_the_user_runs_before_pex(with_frontend: Project, home: Path) -> None:
    (with_frontend.root / "tasks.py").write_text(_TASKS, "utf-8")
    inv(with_frontend, "pex", environ={"PYTHONPATH": str(CHECKOUT / "tasks")})
    assert static_file(with_frontend, home=home) == b"built by Invoke\n"
