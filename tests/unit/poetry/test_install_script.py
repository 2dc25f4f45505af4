from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nox_pex.poetry import sync
from nox_pex.poetry.install_report import Report
from nox_pex.poetry.origins import Origin

POETRY = """\
import os, sys
with open(os.path.join(os.environ["VIRTUAL_ENV"], sys.argv[1]), sys.argv[2]) as file:
    file.write("written")
"""


@pytest.mark.parametrize(
    ("path", "mode", "allowed"),
    [
        ("bin/python", "w", False),
        ("bin/python", "r+", False),
        ("bin/python", "a", False),
        ("bin/activate", "w", True),
        ("new", "w", True),
        ("lib64/new", "w", True),
    ],
)
def test_poetry_never_writes_through_a_link_of_the_environment(
    tmp_path: Path, path: str, mode: str, *, allowed: bool
) -> None:
    for directory in ("environment/bin", "environment/lib", "modules/poetry"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "base").write_text("interpreter", "utf-8")
    (tmp_path / "environment/bin/activate").write_text("", "utf-8")
    (tmp_path / "environment/bin/python").symlink_to(tmp_path / "base")
    (tmp_path / "environment/lib64").symlink_to("lib")
    (tmp_path / "modules/poetry/__init__.py").write_text("", "utf-8")
    (tmp_path / "modules/poetry/__main__.py").write_text(POETRY, "utf-8")
    script = Path(sync.__file__).with_name("install_script.py")
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}/modules", "VIRTUAL_ENV": f"{tmp_path}/environment"}
    done = subprocess.run(
        [sys.executable, script, tmp_path / "report", path, mode],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"a distribution may not replace {path}, which belongs to the environment"
    assert (done.returncode == 0, said in done.stderr) == (allowed, not allowed)
    assert (tmp_path / "base").read_text("utf-8") == "interpreter"


INSTALLING = """\
import os
from types import SimpleNamespace
from poetry.installation.executor import Executor
from poetry.repositories.legacy_repository import LegacyRepository

idna = SimpleNamespace(name="idna", version="3.11", source_reference=None, files=[{"file": "idna-3.11.whl"}])
links = LegacyRepository().find_links_for_package(idna)
assert [link.filename for link in links] == ["idna-3.11.whl"]
idna.files = [{"file": "another.whl"}]
links = LegacyRepository().find_links_for_package(idna)
core = SimpleNamespace(name="poetry-core", version="2")
backend = SimpleNamespace(package=core, job_type="install", skipped=False, status=0)
Executor("/tmp/build")._do_execute_operation(backend)
for job, skipped, status in ("install", False, 0), ("install", True, 0), ("uninstall", False, 0), ("update", False, 1):
    operation = SimpleNamespace(package=idna, job_type=job, skipped=skipped, status=status)
    assert Executor(os.environ["VIRTUAL_ENV"])._do_execute_operation(operation) == status
assert [link.filename for link in links] == ["idna.whl"]

from poetry.installation.chooser import Chooser

Chooser("/tmp/build").choose_for(core)
assert Chooser(os.environ["VIRTUAL_ENV"]).choose_for(idna).filename == "idna-3.11.whl"
"""
CLASSES = {
    "installation/chooser.py": """\
from types import SimpleNamespace

class Chooser:
    def __init__(self, environment):
        self._env = SimpleNamespace(path=environment)
    def choose_for(self, package):
        return SimpleNamespace(filename=f"{package.name}-{package.version}.whl")
""",
    "installation/executor.py": """\
from types import SimpleNamespace

class Executor:
    def __init__(self, environment):
        self._env = SimpleNamespace(path=environment)
    def _do_execute_operation(self, operation):
        return operation.status
""",
    "repositories/legacy_repository.py": """\
from types import SimpleNamespace

from poetry.repositories.link_sources.json import SimpleJsonPage

class LegacyRepository:
    url = "https://index.example/simple"
    def get_page(self, name):
        page = SimpleJsonPage()
        page.content = {"files": [{"filename": f"{name}-3.11{ending}"} for ending in (".exe", ".whl", ".tar.gz")]}
        return page
    def find_links_for_package(self, package):
        yield SimpleNamespace(filename="idna.whl", url_without_fragment="https://files.example/idna.whl")
""",
    "repositories/exceptions.py": "class PackageNotFoundError(Exception): pass\n",
    "repositories/link_sources/json.py": """\
from types import SimpleNamespace

class SimpleJsonPage:
    SUPPORTED_FORMATS = [".whl", ".tar.gz"]
    def _link_package_name_and_version(self, filename):
        return tuple(filename.removesuffix(".whl").split("-"))
    def _make_link(self, file):
        return SimpleNamespace(filename=file["filename"], url_without_fragment="https://files.example/locked")
""",
    "repositories/pypi_repository.py": "class PyPiRepository: pass\n",
}


def test_addresses_and_complete_distributions_are_reported(tmp_path: Path) -> None:
    for name, text in {**CLASSES, "__init__.py": "", "__main__.py": INSTALLING}.items():
        (tmp_path / "modules/poetry" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "modules/poetry" / name).write_text(text, "utf-8")
    script = Path(sync.__file__).with_name("install_script.py")
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}/modules", "VIRTUAL_ENV": f"{tmp_path}/environment"}
    subprocess.run([sys.executable, script, tmp_path / "report"], env=environ, check=True)
    report = Report(path=tmp_path / "report")
    assert [(each.name, each.files) for each in report.addresses()] == [
        ("idna", {"idna-3.11.whl": "https://files.example/locked"}),
        ("idna", {"idna.whl": "https://files.example/idna.whl"}),
    ]
    installed: list[tuple[str, str]] = []
    with report.watched(lambda *distribution: installed.append(distribution)):
        pass
    assert installed == [("idna", "3.11")]
    assert report.origins() == {"idna": Origin(version="3.11", file="idna-3.11.whl")}
    assert report.path.stat().st_mode & 0o077 == 0
