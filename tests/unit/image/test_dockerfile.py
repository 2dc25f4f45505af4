from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.image import dockerfile
from nox_pex.image.dockerfile import BuilderStage, Dockerfile
from tests.support.images import DOCKERFILE, image


def lint(text: str, directory: Path) -> str:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    file = directory / "Dockerfile"
    file.write_text(text, "utf-8")
    return subprocess.run([hadolint, str(file)], capture_output=True, text=True, check=False).stdout


FULL = image(
    form="unpacked",
    expose=[8000, "53/udp"],
    env={"A": 'x "$y" \\ z'},
    labels={"b": "1"},
    healthcheck={"path": "/healthz"},
    args=["--port", "8000"],
)
BUILDER = BuilderStage(
    image="python:3.11", python="/usr/local/bin/python3.11", requirement="nox-pex==1", binary="d/a.pex"
)


@pytest.mark.parametrize(
    "values",
    [
        DOCKERFILE,
        replace(DOCKERFILE, image=FULL, project="service"),
        replace(DOCKERFILE, builder=BUILDER),
        replace(DOCKERFILE, image=FULL, builder=replace(BUILDER, requirement=".nox-pex/nox_pex-1-py3-none-any.whl")),
    ],
)
def test_hadolint_finds_nothing(values: Dockerfile, tmp_path: Path) -> None:
    assert lint(dockerfile.text(values), tmp_path) == ""


def test_the_file_form_copies_one_file_onto_the_base() -> None:
    assert dockerfile.text(replace(DOCKERFILE, image=image(args=["main:app"]))) == (
        "# service 1.2.3, written by nox-pex. To change it, copy it and set `containerfile` to the copy.\n"
        "# By hand: docker build --file service.Dockerfile DIRECTORY\n"
        "# where DIRECTORY holds service.pex and service.metadata.tar.\n"
        "\n"
        "# The PEX file, which was built before, and the METADATA of its distributions, which scanners look for.\n"
        "FROM scratch AS binary\n"
        "COPY service.pex /image/app/service.pex\n"
        "ADD service.metadata.tar /image/usr/share/nox-pex/\n"
        "\n"
        "# The image itself.\n"
        "FROM python:3.11-slim\n"
        "COPY --from=binary --chown=0:0 /image /\n"
        'ENV PEX_ROOT="/tmp/pex"\n'
        "USER 65532:65532\n"
        'LABEL org.opencontainers.image.version="1.2.3"\n'
        'ENTRYPOINT ["/app/service.pex"]\n'
        'CMD ["main:app"]\n'
    )


def test_the_entry_point_names_python_if_the_base_has_no_shell() -> None:
    assert dockerfile.entrypoint(replace(DOCKERFILE, starts_directly=False)) == (
        "/usr/bin/python3.11",
        "/app/service.pex",
    )
    assert dockerfile.entrypoint(replace(DOCKERFILE, image=FULL)) == ("/app/pex",)


def test_variables_ports_and_the_health_check_are_quoted() -> None:
    text = dockerfile.text(replace(DOCKERFILE, image=FULL))
    assert 'ENV A="x \\"\\$y\\" \\\\ z"\n' in text
    assert "EXPOSE 8000 53/udp\n" in text
    assert "'http://127.0.0.1:8000/healthz', timeout=5)\"]\n" in text


def test_the_first_stage_runs_modules_that_exist() -> None:
    unpacked = replace(DOCKERFILE, image=FULL, project="service", builder=BUILDER)
    modules = re.findall(r"-m (nox_pex[\w.]*) /service.pex service\n", dockerfile.text(unpacked))

    assert modules == ["nox_pex.image.split_pex"]
    assert importlib.util.find_spec(modules[0]) is not None
    assert "split_pex" not in dockerfile.text(replace(DOCKERFILE, builder=BUILDER))


def test_a_build_from_sources_installs_a_wheel_of_the_context_or_a_version() -> None:
    by_version = dockerfile.text(replace(DOCKERFILE, builder=BUILDER))
    wheel = replace(BUILDER, requirement=".nox-pex/nox_pex-1-py3-none-any.whl")
    by_wheel = dockerfile.text(replace(DOCKERFILE, builder=wheel))

    assert "    /nox/bin/pip install --no-cache-dir nox-pex==1\n" in by_version
    assert "COPY .nox-pex/nox_pex-1-py3-none-any.whl /tmp/nox_pex-1-py3-none-any.whl\n" in by_wheel
    assert "    /nox/bin/pip install --no-cache-dir /tmp/nox_pex-1-py3-none-any.whl\n" in by_wheel
    assert "# where DIRECTORY is the project's directory.\n" in by_version
    assert "    && mv d/a.pex /service.pex \\\n" in by_version
    assert "-m nox_pex.image.scanner_files /service.pex service /image \\\n" in by_version
    assert "    && mkdir /image/app && mv /service.pex /image/app/service.pex\n" in by_version


def test_the_unpacked_form_has_a_layer_for_each_part() -> None:
    text = dockerfile.text(replace(DOCKERFILE, image=FULL, project="service"))

    assert "# where DIRECTORY holds service.deps.pex and service.own.pex.\n" in text
    assert '"/service.deps.pex", "venv", "--scope=deps", "--compile", "/app"]' in text
    assert '"/service.own.pex", "venv", "--scope=all", "--compile", "/app"]' in text
    assert "COPY --from=dependencies --chown=0:0 /app /app\nCOPY --from=own --chown=0:0 /app /app\n" in text
    assert "PEX_ROOT" not in text


def test_a_health_check_may_be_a_command_of_the_project() -> None:
    checked = image(healthcheck={"command": ["true", "x"], "interval": 1.5}, user="1:2")
    text = dockerfile.text(replace(DOCKERFILE, image=checked))

    assert "HEALTHCHECK --interval=1.5s --timeout=5s --start-period=30s --retries=3 \\\n" in text
    assert '    CMD ["true", "x"]\n' in text
    assert "USER 1:2\n" in text
