"""Private sources with passwords and priorities, and a mirror in pip's configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.distribution_files import write_wheel
from tests.support.file_server import FileServer, serve_files
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.package_index import write_simple_index

WriteProject = Callable[..., Project]

LOGIN = "joe:hunter2-is-secret"
PASSWORD = LOGIN.partition(":")[2]
USER, SECRET = "POETRY_HTTP_BASIC_PRIVATE_USERNAME", "POETRY_HTTP_BASIC_PRIVATE_PASSWORD"
GIVEN = {USER: "joe", SECRET: PASSWORD}


@pytest.fixture
def private(tmp_path: Path) -> Iterator[FileServer]:
    """A private index of one wheel that no other index has."""
    wheel = write_wheel(tmp_path / "wheels", "acme_inner", {"acme_inner.py": "TEXT = 'inner'\n"})
    with serve_files(write_simple_index(tmp_path / "index", wheel), login=LOGIN) as served:
        yield served


FROM_PRIVATE = 'acme-inner = { version = "1.0", source = "private" }'


def application(url: str, *, priority: str, dependencies: str = FROM_PRIVATE) -> dict[str, str]:
    return {
        "pyproject.toml": (
            '[tool.poetry]\nname = "app"\npackage-mode = false\n\n'
            f'[tool.poetry.dependencies]\npython = ">=3.10"\n{dependencies}\n\n'
            f'[[tool.poetry.source]]\nname = "private"\nurl = "{url}/simple/"\npriority = "{priority}"\n\n'
            '[tool.nox-pex.binary.app]\nentry-point = "main:main"\n'
        ),
        "main.py": "from acme_inner import TEXT\n\n\ndef main() -> None:\n    print(TEXT)\n",
    }


def assert_password_nowhere(project: Project, output: str) -> None:
    """Assert that the password is neither in the output nor in a file of `dist`."""
    assert PASSWORD not in output
    for file in (project.root / "dist").iterdir():
        assert PASSWORD.encode() not in file.read_bytes()


def test_an_explicit_source_with_credentials_in_the_environment_serves_only_its_packages(
    write_project: WriteProject, lock: Locker, private: FileServer, home: Path
) -> None:
    dependencies = 'idna = "3.11"\nacme-inner = { version = "1.0", source = "private" }'
    app = write_project("app", application(private.url, priority="explicit", dependencies=dependencies))
    lock(app, env=GIVEN)
    private.requests.clear()
    result = app.nox("-v", "-s", "pex", env=GIVEN)
    assert launch(app.binary("app"), home=home).output == "inner\n"
    assert {login for _, _, login in private.requests} <= {None, LOGIN}
    # An explicit source gets no request for another package.
    assert not [path for path in private.paths() if "idna" in path]
    assert_password_nowhere(app, result.output)
    frozen = (app.root / "dist" / "app.requirements.txt").read_text("utf-8")
    assert re.search(r"^acme-inner==1\.0 \\\n    --hash=sha256:[0-9a-f]{64}$", frozen, re.MULTILINE)

    other = write_project("other", application(private.url, priority="explicit"))
    (other.root / "poetry.lock").write_text((app.root / "poetry.lock").read_text("utf-8"), "utf-8")
    lock(other, env=GIVEN)
    wrong = {**GIVEN, SECRET: "not-the-password", "POETRY_CACHE_DIR": str(app.root.parent / "cold")}
    line = other.refused("index-auth", "-s", "pex", env=wrong)
    assert "not-the-password" not in line


def test_a_supplemental_source_with_credentials_in_poetrys_configuration_serves_the_build(
    write_project: WriteProject, lock: Locker, private: FileServer, tmp_path: Path, home: Path
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "auth.toml").write_text(
        f'[http-basic.private]\nusername = "joe"\npassword = {json.dumps(PASSWORD)}\n', "utf-8"
    )
    (config / "config.toml").write_text("[keyring]\nenabled = false\n", "utf-8")
    env = {"POETRY_CONFIG_DIR": str(config)}
    app = write_project("app", application(private.url, priority="supplemental", dependencies='acme-inner = "1.0"'))
    lock(app, env=env)
    result = app.nox("-v", "-s", "pex", env=env)
    assert launch(app.binary("app"), home=home).output == "inner\n"
    assert_password_nowhere(app, result.output)


def test_a_primary_source_with_credentials_in_its_address_serves_the_build(
    write_project: WriteProject, lock: Locker, private: FileServer, home: Path
) -> None:
    files = application(private.with_login(LOGIN), priority="primary", dependencies='acme-inner = "1.0"')
    app = write_project("app", files)
    lock(app)
    result = app.nox("-v", "-s", "pex")
    assert launch(app.binary("app"), home=home).output == "inner\n"
    assert_password_nowhere(app, result.output)


def test_a_mirror_in_pips_configuration_serves_poetry_and_the_build(
    write_project: WriteProject, lock: Locker, tmp_path: Path, home: Path
) -> None:
    backend = write_wheel(tmp_path / "wheels", "acme_backend", {"acme_backend.py": BACKEND})
    inner = write_wheel(tmp_path / "wheels", "acme_inner", {"acme_inner.py": "TEXT = 'mirrored'\n"})
    with serve_files(write_simple_index(tmp_path / "index", inner, backend), login=LOGIN) as mirror:
        config = tmp_path / "pip.conf"
        config.write_text(f"[global]\nindex-url = {mirror.with_login(LOGIN)}/simple\n", "utf-8")
        app = write_project(
            "app",
            {
                "pyproject.toml": (
                    '[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.10"\n'
                    'dependencies = ["acme-inner==1.0"]\n\n[project.scripts]\napp = "app:main"\n\n'
                    '[build-system]\nrequires = ["acme-backend"]\nbuild-backend = "acme_backend"\n'
                ),
                "app.py": "from acme_inner import TEXT\n\n\ndef main() -> None:\n    print(TEXT)\n",
            },
        )
        # Another project installs the tools first, because this index serves only the two wheels.
        before = application(mirror.url, priority="explicit", dependencies="")
        write_project("before", {**before, "main.py": "def main() -> None:\n    print()\n"})
        other = Project(root=tmp_path / "before", environ=app.environ)
        lock(other)
        other.nox("-s", "pex")
        env = {"PIP_CONFIG_FILE": str(config), "PIP_NO_CACHE_DIR": "1"}
        lock(app, env=env)
        mirror.requests.clear()
        result = app.nox("-v", "-s", "pex", env=env)
        assert launch(app.binary("app"), home=home).output == "mirrored\n"
        for file in ("acme_inner-1.0", "acme_backend-1.0"):
            assert [login for _, path, login in mirror.requests if file in path][-1] == LOGIN
        assert_password_nowhere(app, result.output)


BACKEND = '''\
"""A build backend for one project."""

import zipfile

INFO = "app-1.0.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "app-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as archive:
        archive.write("app.py")
        archive.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\\nName: app\\nVersion: 1.0\\n")
        archive.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{INFO}/entry_points.txt", "[console_scripts]\\napp = app:main\\n")
        names = ["app.py", *(f"{INFO}/{file}" for file in ("METADATA", "WHEEL", "entry_points.txt", "RECORD"))]
        archive.writestr(f"{INFO}/RECORD", "".join(f"{name},,\\n" for name in names))
    return name
'''
