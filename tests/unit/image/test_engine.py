from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.image.engine import ContainerStart, ImageBuild, find_engine
from nox_pex.settings.image import EngineArgs
from tests.support.images import engine, outcome, shell

ARGS = EngineArgs(general=("-G",), build=("-B",), run=("-R",))


def test_each_engine_builds_with_fixed_dates() -> None:
    build = ImageBuild(
        file=Path("/d/a.Dockerfile"),
        context=Path("/c"),
        tags=("a:1", "a:2"),
        id_file=Path("/i"),
        secrets={"pip.conf": Path("/s")},
        dockers_format=True,
    )
    common = ["build", "--file", "/d/a.Dockerfile", "--iidfile", "/i", "--tag", "a:1", "--tag", "a:2"]
    common += ["--secret", "id=pip.conf,src=/s"]
    dated = ["--timestamp", "315532800", "--format", "docker"]
    epoch = ["--build-arg", "SOURCE_DATE_EPOCH=315532800"]
    assert list(engine("docker", ARGS).build_argv(build)) == ["/bin/docker", "-G", *common, *epoch, "-B", "/c"]
    assert list(engine("podman", ARGS).build_argv(build)) == ["/bin/podman", "-G", *common, *dated, "-B", "/c"]
    expected = ["/bin/buildah", "-G", *common, *dated, "--layers", "-B", "/c"]
    assert list(engine("buildah", ARGS).build_argv(build)) == expected


def test_each_engine_saves_an_image_in_the_format_that_keeps_its_id() -> None:
    save = ["save", "--output", "/a.tar", "i"]
    assert list(engine("docker", ARGS).save_argv("i", Path("/a.tar"))) == ["/bin/docker", "-G", *save]
    save = ["save", "--quiet", "--format", "docker-archive", "--output", "/a.tar", "i"]
    assert list(engine("podman", ARGS).save_argv("i", Path("/a.tar"))) == ["/bin/podman", "-G", *save]
    push = ["push", "--quiet", "i", "docker-archive:/a.tar"]
    assert list(engine("buildah", ARGS).save_argv("i", Path("/a.tar"))) == ["/bin/buildah", "-G", *push]


def test_a_container_is_started_without_rights_and_without_a_value_on_the_command_line() -> None:
    start = ContainerStart(
        name="n",
        image="i",
        arguments=("w",),
        variables=Path("/v"),
        publish={"127.0.0.1:8000": 80},
        shared=Path("/t"),
    )
    line = " ".join(engine("docker", ARGS).run_argv(start))
    assert line == (
        "/bin/docker -G run --rm --name n --env-file /v --no-healthcheck --read-only "
        "--tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777 --cap-drop ALL --security-opt no-new-privileges "
        "--publish 127.0.0.1:8000:80 --volume /t:/t:z -R i w"
    )
    assert "--read-only-tmpfs=false" in engine("podman", ARGS).run_argv(start)


def test_a_program_that_is_run_once_has_no_network() -> None:
    assert engine(args=ARGS).run_once_argv("i", "python3", "-c", "x") == (
        *("/bin/podman", "-G", "run", "--rm", "--network", "none", "--entrypoint", "python3"),
        *("-R", "i", "-c", "x"),
    )


def test_buildah_inspects_images_in_its_own_way() -> None:
    assert engine("podman").identify_argv("i") == ("/bin/podman", "image", "inspect", "--format", "{{.Id}}", "i")
    assert engine("podman").describe_argv("i") == ("/bin/podman", "image", "inspect", "i")
    identify = ("/bin/buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}", "i")
    assert engine("buildah").identify_argv("i") == identify
    assert engine("buildah").describe_argv("i") == ("/bin/buildah", "inspect", "--type", "image", "i")


def test_a_program_in_a_running_container_may_have_variables() -> None:
    assert engine().execute_argv("c", "p") == ("/bin/podman", "exec", "--interactive", "c", "p")
    with_variables = engine().execute_argv("c", "p", variables=Path("/v"))
    assert with_variables == ("/bin/podman", "exec", "--interactive", "--env-file", "/v", "c", "p")
    assert engine().kill_argv("c", 15) == ("/bin/podman", "kill", "--signal", "15", "c")
    assert engine().remove_argv("c") == ("/bin/podman", "rm", "--force", "c")


@pytest.fixture
def path(tmp_path: Path) -> dict[str, str]:
    """A PATH with clients of podman and docker."""
    for name in ("docker", "podman"):
        (tmp_path / name).write_text("#!/bin/sh\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    return {"PATH": str(tmp_path)}


def test_auto_chooses_the_first_engine_that_answers(path: dict[str, str]) -> None:
    silent_docker = shell(outcome("no daemon", status=1), outcome("5.0"), environ=path)
    assert find_engine("auto", ARGS, silent_docker).name == "podman"
    assert find_engine("auto", ARGS, shell(environ=path)).name == "docker"
    assert find_engine("podman", ARGS, shell(environ=path)).program == f"{path['PATH']}/podman"


def test_an_engine_that_is_not_installed_is_not_one_that_does_not_answer(path: dict[str, str]) -> None:
    with pytest.raises(NoxPexError, match="there is no buildah on PATH") as missing:
        find_engine("buildah", ARGS, shell(environ=path))
    with pytest.raises(NoxPexError, match="docker is installed, but its engine does not answer: no daemon") as down:
        find_engine("auto", ARGS, shell(outcome("no daemon\n", status=1), environ=path))
    with pytest.raises(NoxPexError, match="does not answer: exit status 7"):
        find_engine("podman", ARGS, shell(outcome(status=7), environ=path))
    assert (missing.value.code, down.value.code) == ("engine-missing", "engine-down")
