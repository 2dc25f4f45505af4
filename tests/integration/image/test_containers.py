"""Real images and containers, with a packaged service that needs only the standard library."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.image.conftest import BASE, PROJECTS, Podman
from tests.support.git_repository import GitRepository
from tests.support.locker import Locker
from tests.support.nox_project import CHECKOUT, Project
from tests.support.processes import wait_until

pytestmark = pytest.mark.containers

Parcel = Callable[..., Project]
SERVED = 'args = ["--host", "0.0.0.0", "--port", "8000"]\nexpose = [8000]'


def noted(project: Project) -> dict[str, Any]:
    """The JSON that `image` wrote in its last run."""
    found: dict[str, Any] = json.loads((project.root / "dist" / "parcel.image.json").read_text("utf-8"))
    return found


def refused(project: Project, code: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Run `nox -s image`, which must fail with one line of `error[code]`, and return its output."""
    result = project.run("-s", "image", *arguments, env=env)
    lines = [line for line in result.output.splitlines() if "error[" in line]
    assert result.status != 0, result.output
    assert len(lines) == 1, result.output
    assert f"error[{code}]: " in lines[0], result.output
    return result.output


def test_the_file_runs_in_a_container_as_the_settings_say(parcel: Parcel, containers: Podman) -> None:
    project = parcel(
        'tag = ["parcel:{version}", "registry.example/team/parcel:latest"]',
        'labels = { "example.note" = "price: $5, \\"new\\"" }',
        'env = { GREETING = "hello $USER" }',
        'healthcheck = { path = "/" }',
        SERVED,
    )
    result = project.nox("-s", "image")

    assert result.said("container:  passed ", "ready in", "3 of 3 checks  stopped in")
    described = json.loads(containers.podman("image", "inspect", "registry.example/team/parcel:latest"))[0]
    config = described["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/app/parcel.pex"]
    assert config["Cmd"] == ["--host", "0.0.0.0", "--port", "8000"]  # noqa: S104  # in the container
    assert list(config["ExposedPorts"]) == ["8000/tcp"]
    assert "GREETING=hello $USER" in config["Env"]
    assert config["Labels"]["example.note"] == 'price: $5, "new"'
    assert config["Labels"]["org.opencontainers.image.version"] == "0.4.0"
    assert config["Labels"]["org.opencontainers.image.source"] == "https://git.example/parcel"
    assert described["HealthCheck" if "HealthCheck" in described else "Healthcheck"]["Test"][0] == "CMD"
    note = noted(project)
    assert note["passed"]
    assert note["tags"] == ["parcel:0.4.0", "registry.example/team/parcel:latest"]
    size = project.binary("parcel").stat().st_size
    assert size <= note["bytes-over-base"] < size + 100_000  # one file and nothing else
    assert len(note["layers"]) == 1
    assert "<testsuite " in (project.root / "dist" / "parcel.image.xml").read_text("utf-8")

    again = project.nox("-s", "image", "--", "--force")
    assert again.said("container:  passed ", "ready in")
    assert noted(project)["id"] == note["id"]  # same inputs, same image


def test_after_an_edit_only_the_last_layer_of_the_unpacked_form_changes(parcel: Parcel, containers: Podman) -> None:
    project = parcel('form = "unpacked"', SERVED)
    project.nox("-s", "image")
    before = noted(project)
    project.edit("src/parcel/__init__.py", 'MESSAGE = "Hello World"', 'MESSAGE = "Hello Moon"')

    assert "Hello Moon" in refused(project, "check-failed")  # the smoke test still expects the old answer
    project.edit("pyproject.toml", '"$.message" = "Hello World"', '"$.message" = "Hello Moon"')
    project.nox("-s", "image")

    after = noted(project)
    assert len(before["layers"]) == 2
    assert after["layers"][0] == before["layers"][0]
    assert after["layers"][1] != before["layers"][1]
    own = _layer_sizes(containers, after["id"])[-1]
    assert own < 100_000
    everything = [name for layer in _layers(containers, after["id"]) for name in layer]
    assert any(name.endswith("idna/core.py") for name in everything)
    assert any(re.search(r"idna/__pycache__/core\..+\.pyc$", name) for name in everything)
    assert not any(name.endswith(".pex") for name in everything)
    first, second = _layers(containers, after["id"])[-2:]
    assert not any("parcel" in name for name in first)
    assert any(name.endswith("parcel/__init__.py") for name in second)


def _layers(containers: Podman, image: str) -> list[dict[str, bytes]]:
    """The files of each layer, lowest first."""
    with tarfile.open(fileobj=io.BytesIO(containers.podman("save", "--format", "docker-archive", image))) as saved:
        manifest = json.loads(_member(saved, "manifest.json"))[0]
        return [_files(_member(saved, name)) for name in manifest["Layers"]]


def _layer_sizes(containers: Podman, image: str) -> list[int]:
    return [sum(map(len, layer.values())) for layer in _layers(containers, image)]


def _files(layer: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {entry.name: _member(archive, entry.name) for entry in archive if entry.isreg()}


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    assert found is not None
    return found.read()


CANARY = "canary-9f3a1c77"


def test_from_source_gives_the_same_layers_and_no_layer_has_a_secret(parcel: Parcel, containers: Podman) -> None:
    project = parcel('form = "unpacked"', SERVED)
    project.nox("-s", "image")
    here = noted(project)
    (project.root / ".env").write_text(f"TOKEN={CANARY}\n", "utf-8")
    (project.root / "id_rsa").write_text(f"{CANARY}\n", "utf-8")
    secret = {"POETRY_HTTP_BASIC_PRIVATE_PASSWORD": CANARY, "DEPLOY_TOKEN": CANARY}

    result = project.nox("-s", "image", "--", "--from-source", env=secret)

    assert result.said("pex: skipped, --from-source is used")
    assert result.said("container:  passed ", "ready in")
    there = noted(project)
    assert there["from-source"]
    assert there["layers"] == here["layers"]
    assert CANARY not in result.output
    assert CANARY not in (project.root / "dist" / "parcel.Dockerfile").read_text("utf-8")
    assert containers.holding(CANARY) == []


def test_a_containerfile_of_the_project_is_built_as_it_is(parcel: Parcel) -> None:
    project = parcel('containerfile = "Own.Dockerfile"', SERVED)
    ours = (
        f"FROM {BASE}\nCOPY --chown=0:0 parcel.pex /srv/parcel.pex\nCOPY src/parcel/__init__.py /srv/\n"
        'ENV PEX_ROOT=/tmp/pex\nUSER 65532\nENTRYPOINT ["/srv/parcel.pex"]\nCMD ["--host", "0.0.0.0"]\n'
    )
    (project.root / "Own.Dockerfile").write_text(ours, "utf-8")
    assert project.nox("-s", "image").said("container:  passed ", "ready in", "3 of 3 checks")
    assert (project.root / "dist" / "parcel.Dockerfile").read_text("utf-8") == ours

    project.edit("Own.Dockerfile", "USER 65532", "RUN chmod 0700 /srv\nUSER 65532")
    said = refused(project, "image-unreadable")
    assert "user 65532 of the image cannot read /srv/parcel.pex" in said

    project.edit("Own.Dockerfile", "RUN chmod 0700 /srv", "RUN echo about to fail && exit 3")
    said = refused(project, "image-build")
    assert "failed at `RUN echo about to fail && exit 3`" in said
    assert "|   about to fail" in said.replace("| about to fail", "|   about to fail")

    project.edit("Own.Dockerfile", "RUN echo about to fail && exit 3\n", "")
    project.edit("pyproject.toml", "Own.Dockerfile", "Other.Dockerfile")
    assert "image.containerfile names Other.Dockerfile" in refused(project, "source-missing")


def test_failures_of_the_program_in_its_container_are_named(parcel: Parcel) -> None:
    project = parcel()
    arguments = 'args = ["--host", "{host}", "--port", "{port}"]'

    project.edit("pyproject.toml", arguments, 'args = ["--die"]')
    said = refused(project, "exited-early")
    assert "container: the program ended (exit status 1)" in said
    assert "there is no database" in said  # its log

    project.edit("pyproject.toml", 'args = ["--die"]', 'args = ["--port", "{port}"]')
    project.edit("pyproject.toml", "startup-timeout = 20.0", "startup-timeout = 8.0")
    said = refused(project, "port-unreachable")
    assert re.search(r"port \d+ of the container cannot be reached: its program listens on 127.0.0.1 port \d+;", said)

    project.edit("pyproject.toml", 'args = ["--port", "{port}"]', f'{arguments[:-1]}, "--stubborn"]')
    project.edit("pyproject.toml", "startup-timeout = 8.0", "startup-timeout = 20.0")
    said = refused(project, "stop-timeout")
    assert "container: the program was still running 3 s after SIGTERM (`stop-timeout`), so it was killed" in said


def test_a_base_on_which_the_binary_cannot_run_is_refused(parcel: Parcel, containers: Podman) -> None:
    project = parcel()
    facts = {"implementation": "CPython", "version": "3.9.1", "abi": "cpython_39", "gil": True, "machine": "x86_64"}
    facts |= {"libc": "musl", "libc_version": "1.2.4", "executable": "/usr/bin/python3", "has_shell": True}

    def pretending(name: str, **others: object) -> str:
        answer = json.dumps({**facts, **others}).replace('"', '\\"')
        files = "/usr/local/bin/python3 /usr/local/bin/python3.11 /usr/local/bin/python3.13"
        lines = (
            f'RUN for file in {files}; do printf "#!/bin/sh\\necho \'%s\'\\n" "{answer}" > $file; chmod +x $file; done'
        )
        return containers.image(f"localhost/{name}:1", f"FROM {BASE}\n{lines}\n")

    def set_base(base: str) -> None:
        text = (project.root / "pyproject.toml").read_text("utf-8")
        text = re.sub(r'^base = ".*"$', f'base = "{base}"', text, flags=re.MULTILINE)
        (project.root / "pyproject.toml").write_text(text, "utf-8")

    set_base(pretending("older"))
    said = refused(project, "image-python")
    assert re.search(r"the binary parcel is for CPython==3\.\d+\.\*, but the base localhost/older:1 has ", said)
    assert "has CPython 3.9.1, musl 1.2.4, x86_64; " in said

    set_base(containers.image("localhost/bare:1", f"FROM {BASE}\nRUN rm /usr/bin/python3*\n"))
    assert "image localhost/bare:1 (linux/" in refused(project, "image-python")

    set_base("localhost/nowhere/base:1")
    assert "image.base names localhost/nowhere/base:1, which podman does not have and cannot fetch" in refused(
        project, "image-base"
    )


CLOCK = f"""\
[project]
name = "clock"
version = "1.0"
requires-python = ">=3.9"
[tool.poetry]
package-mode = false
[tool.nox-pex.binary.clock]
entry-point = "clock:main"
[[tool.nox-pex.binary.clock.smoke.command]]
stdout-matches = "^tick$"
[tool.nox-pex.binary.clock.image]
base = "{BASE}"
tag = ["localhost/clock:{{version}}-{{git-sha}}"]
"""


def test_an_engine_that_is_not_installed_or_not_running_is_named(parcel: Parcel, tmp_path: Path) -> None:
    project = parcel('engine = "docker"')
    only = tmp_path / "bin"
    only.mkdir()
    for program in ("git", "sh", "env"):
        (only / program).symlink_to(f"/usr/bin/{program}")
    said = refused(project, "engine-missing", env={"PATH": str(only)})
    assert "there is no docker on PATH" in said

    (only / "docker").write_text('#!/bin/sh\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n', "utf-8")
    (only / "docker").chmod(0o755)
    said = refused(project, "engine-down", env={"PATH": str(only)})
    assert "docker is installed, but its engine does not answer: Cannot connect to the Docker daemon" in said


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker client")
def test_the_docker_client_builds_and_runs_the_image(parcel: Parcel, containers: Podman) -> None:
    project = parcel('engine = "docker"', SERVED)
    project.edit("pyproject.toml", ', "$.writable" = ["/tmp"]', "")  # podman adds /var/tmp if it acts as Docker
    with tempfile.TemporaryDirectory(prefix="d") as short:
        address = {"DOCKER_HOST": f"unix://{short}/s"}
        assert f"{short}/s" in refused(project, "engine-down", env=address)
        # podman serves Docker's API.
        with subprocess.Popen(
            ["podman", "system", "service", "--time", "0", f"unix://{short}/s"], env=containers.environ
        ) as engine:
            wait_until(lambda: Path(short, "s").exists())
            result = project.run("-s", "image", env=address)
            engine.terminate()
    assert result.status == 0, result.output
    assert result.said("with docker")
    assert result.said("container:  passed ", "ready in", "3 of 3 checks  stopped in")


@pytest.mark.skipif(shutil.which("buildah") is None, reason="there is no buildah")
def test_buildah_builds_and_the_container_is_skipped(parcel: Parcel) -> None:
    project = parcel('engine = "buildah"', SERVED)
    result = project.nox("-s", "image")
    assert result.said("container:  skipped  buildah builds images but starts no services")
    assert noted(project)["engine"] == "buildah"
    assert len(noted(project)["layers"]) == 1


def test_a_killed_run_leaves_no_container(parcel: Parcel, containers: Podman) -> None:
    project = parcel(SERVED)
    project.edit("pyproject.toml", "stop-timeout = 3.0", "stop-timeout = 3.0\nsoak = 60.0")
    process = project.start("-s", "image")
    assert process.stdout is not None
    assert any("container: starting" in line for line in process.stdout)
    wait_until(lambda: bool(containers.podman("ps", "--quiet")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not containers.podman("ps", "--all", "--quiet"))


def test_tmp_is_shared_with_the_container(parcel: Parcel) -> None:
    project = parcel()
    assert PROJECTS.is_dir()
    project.edit("pyproject.toml", "stop-timeout = 3.0", 'stop-timeout = 3.0\nenv = { GREETING = "{tmp}" }')
    project.edit("pyproject.toml", '"$.writable" = ["/tmp"]', '"$.writable" = ["/tmp"], "$.greeting" = "{tmp}"')
    assert project.nox("-s", "image").said("container:  passed ", "ready in", "3 of 3 checks")


def test_an_image_has_the_version_and_the_commit_of_the_checkout(
    tmp_path: Path, environ: dict[str, str], containers: Podman
) -> None:
    project = Project(root=tmp_path / "clock", environ=environ)
    project.root.mkdir()
    files = {"pyproject.toml": CLOCK, "clock.py": "def main():\n    print('tick')\n", ".gitignore": ".nox\ndist\n"}
    for name, text in files.items():
        (project.root / name).write_text(text, "utf-8")
    project.write_noxfile()
    Locker(environ=environ)(project)
    repository = GitRepository(root=project.root, environ=environ)

    def image(*arguments: str) -> tuple[str, str]:
        """Build the image. Return its name, and its labels for version and commit."""
        project.nox("-s", "image", *arguments)
        name: str = json.loads((project.root / "dist" / "clock.image.json").read_text("utf-8"))["tags"][0]
        labels = json.loads(containers.podman("image", "inspect", name))[0]["Config"]["Labels"]
        prefix = "org.opencontainers.image"
        return name, f"{labels[f'{prefix}.version']} {labels[f'{prefix}.revision']}"

    first = repository.commit()
    assert image() == (f"localhost/clock:1.0-{first}", f"1.0 {first}")
    binary = project.binary("clock").read_bytes()
    project.edit("pyproject.toml", 'version = "1.0"', 'version = "1.1"')
    assert image() == (f"localhost/clock:1.1-{first}-dirty", f"1.1 {first}-dirty")
    second = repository.commit()
    assert image() == (f"localhost/clock:1.1-{second}", f"1.1 {second}")
    assert project.binary("clock").read_bytes() == binary

    # A file that somebody brings along is only what its own record says.
    elsewhere = tmp_path / "elsewhere" / "found.pex"
    elsewhere.parent.mkdir()
    shutil.copy(project.binary("clock"), elsewhere)
    said = project.run("-s", "image", "--", "--binary", str(elsewhere)).output
    assert "error[config]: tool.nox-pex.binary.clock.image.tag has {version}, which is not known of" in said
    shutil.copy(project.root / "dist" / "clock.pex.json", f"{elsewhere}.json")
    project.edit("pyproject.toml", 'version = "1.1"', 'version = "1.2"')
    assert image("--", "--binary", str(elsewhere)) == (f"localhost/clock:1.1-{second}", f"1.1 {second}")


@pytest.mark.slow
def test_a_service_with_eighty_distributions_is_built_from_its_sources(tmp_path: Path, environ: dict[str, str]) -> None:
    project = Project(root=tmp_path / "app", environ=environ)
    shutil.copytree(CHECKOUT / "benchmarks" / "projects" / "app", project.root)
    project.write_noxfile()
    table = ["[tool.nox-pex.binary.service.image]", f'base = "{BASE}"', 'form = "unpacked"', "expose = [8000]"]
    table += ['args = ["main:app", "--host", "0.0.0.0", "--port", "8000"]']
    project.append("pyproject.toml", "\n" + "\n".join(table) + "\n")
    # From the sources, because the lock has more distributions for some patch releases, and the base's may be one.
    result = project.nox("-s", "image", "--", "--from-source")
    assert result.said("container:  passed ", "ready in", "checks  stopped in")
    note = json.loads((project.root / "dist" / "service.image.json").read_text("utf-8"))
    assert len(note["layers"]) == 2
