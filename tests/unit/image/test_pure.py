"""What is decided without an engine: settings, command lines, the file, what a binary demands of a base."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.image import build_context, compatibility, containerfile, split_pex
from nox_pex.image.base_image import ImagePython
from nox_pex.image.compatibility import BinaryRequirements
from nox_pex.image.containerfile import BuilderStage, Dockerfile
from nox_pex.image.engine import ContainerStart, Engine, ImageBuild
from nox_pex.settings.image import EngineArgs, EngineName, Image

FACTS = ImagePython(
    implementation="CPython",
    version="3.11.2",
    abi="cpython_311",
    gil=True,
    machine="x86_64",
    libc="glibc",
    libc_version="2.36",
    executable="/usr/bin/python3.11",
    has_shell=True,
)
CONTENTS = Dockerfile(
    name="service",
    version="1.2.3",
    image=Image(base="python:3.11-slim"),
    file="service.pex",
    python="/usr/bin/python3.11",
    direct=True,
    project=None,
    labels={"org.opencontainers.image.version": "1.2.3"},
)


def image(**values: Any) -> Image:
    return msgspec.convert({"base": "python:3.11-slim", **{k.replace("_", "-"): v for k, v in values.items()}}, Image)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"base": "two words"}, "`base`: 'two words' names nothing"),
        ({"base": ""}, "`base`: '' names nothing"),
        ({"tag": ["service:{commit}"]}, "has {commit}; there are {version} and {git-sha}"),
        ({"tag": ["service:{version"]}, "has {version; there are"),
        ({"tag": ["Service"]}, "is no name of an image"),
        ({"tag": ["service:a b"]}, "is no name of an image"),
        ({"user": "nobody"}, "`user`: 'nobody' is no number"),
        ({"user": -1}, "`user`: -1 is no number"),
        ({"expose": [0]}, "`expose`: 0 is no port"),
        ({"expose": ["80/http"]}, "`expose`: '80/http' is no port"),
        ({"env": {"A B": "1"}}, "`env`: 'A B' is no name"),
        ({"env": {"A": "1\n2"}}, "has more than one line"),
        ({"healthcheck": {}}, "expected exactly one of path, command"),
        ({"healthcheck": {"path": "/", "command": ["true"]}}, "expected exactly one of path, command"),
        ({"healthcheck": {"path": "/"}}, "it has a path and no port"),
        ({"healthcheck": {"path": "healthz"}, "expose": [1]}, "must start with `/`"),
        ({"containerfile": "Dockerfile", "user": 1}, "the file decides, and `user` would have no effect"),
        ({"containerfile": "Dockerfile", "env": {"A": "1"}}, "the file decides, and `env` would have no effect"),
    ],
)
def test_a_bad_value_says_what_to_write(values: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r".") as caught:
        image(**values)
    assert said in str(caught.value)


def test_good_values() -> None:
    image(tag=["a", "registry.example:5000/team/a-b/c:{version}-{git-sha}"], user="10:20", expose=[80, "53/udp"])
    image(containerfile="Dockerfile", expose=[8000], args=["x"])


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
SOURCE = BuilderStage(
    builder="python:3.11", python="/usr/local/bin/python3.11", requirement="nox-pex==1", built="d/a.pex"
)


@pytest.mark.parametrize(
    "contents",
    [
        CONTENTS,
        replace(CONTENTS, image=FULL, project="service"),
        replace(CONTENTS, source=SOURCE),
        replace(CONTENTS, image=FULL, source=replace(SOURCE, requirement=".nox-pex/nox_pex-1-py3-none-any.whl")),
    ],
)
def test_hadolint_has_nothing_to_say(contents: Dockerfile, tmp_path: Path) -> None:
    assert lint(containerfile.text(contents), tmp_path) == ""


def test_the_file_of_the_post() -> None:
    assert containerfile.text(replace(CONTENTS, image=image(args=["main:app"]))) == (
        "# service 1.2.3, written by nox-pex. To change it, copy it and set `containerfile` to the copy.\n"
        "# By hand: docker build --file service.Dockerfile DIRECTORY\n"
        "# where DIRECTORY holds service.pex.\n"
        "\n"
        "# The PEX file, which was built before.\n"
        "FROM scratch AS binary\n"
        "COPY service.pex /service.pex\n"
        "\n"
        "# The image itself.\n"
        "FROM python:3.11-slim\n"
        "COPY --from=binary --chown=0:0 /service.pex /app/service.pex\n"
        'ENV PEX_ROOT="/tmp/pex"\n'
        "USER 65532:65532\n"
        'LABEL org.opencontainers.image.version="1.2.3"\n'
        'ENTRYPOINT ["/app/service.pex"]\n'
        'CMD ["main:app"]\n'
    )


def test_a_base_without_a_shell_starts_the_file_by_its_python() -> None:
    assert containerfile.entrypoint(replace(CONTENTS, direct=False)) == ("/usr/bin/python3.11", "/app/service.pex")
    assert containerfile.entrypoint(replace(CONTENTS, image=FULL)) == ("/app/pex",)


def test_values_are_quoted() -> None:
    text = containerfile.text(replace(CONTENTS, image=FULL))
    assert 'ENV A="x \\"\\$y\\" \\\\ z"\n' in text
    assert "EXPOSE 8000 53/udp\n" in text
    assert "'http://127.0.0.1:8000/healthz', timeout=5)\"]\n" in text


def engine(name: EngineName = "podman") -> Engine:
    args = EngineArgs(general=("-G",), build=("-B",), run=("-R",))
    return Engine(name=name, program=f"/bin/{name}", args=args)


def test_the_engines_command_lines() -> None:
    recipe = ImageBuild(
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
    assert list(engine("docker").build(recipe)) == ["/bin/docker", "-G", *common, *epoch, "-B", "/c"]
    assert list(engine("podman").build(recipe)) == ["/bin/podman", "-G", *common, *dated, "-B", "/c"]
    assert list(engine("buildah").build(recipe)) == ["/bin/buildah", "-G", *common, *dated, "--layers", "-B", "/c"]


def test_a_container_is_started_without_rights_and_without_a_value_on_the_command_line() -> None:
    start = ContainerStart(
        name="n",
        image="i",
        words=("w",),
        variables=Path("/v"),
        publish={"127.0.0.1:8000": 80},
        shared=Path("/t"),
    )
    words = " ".join(engine("docker").run(start))
    assert words == (
        "/bin/docker -G run --rm --name n --env-file /v --no-healthcheck --read-only "
        "--tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777 --cap-drop ALL --security-opt no-new-privileges "
        "--publish 127.0.0.1:8000:80 --volume /t:/t:z -R i w"
    )
    assert "--read-only-tmpfs=false" in engine("podman").run(start)


def refusal(demanded: BinaryRequirements, facts: ImagePython = FACTS) -> str:
    with pytest.raises(NoxPexError) as caught:
        compatibility.check(demanded, facts, name="service", base="some:base")
    assert caught.value.code == "image-python"
    assert caught.value.problem.endswith(f"but the base some:base has {facts}")
    return caught.value.problem


NATIVE = "lxml-6.0.0-cp311-cp311-manylinux_2_26_x86_64.manylinux_2_28_x86_64.whl"
ALPINE = replace(FACTS, libc="musl", libc_version="1.2.5")


def test_what_runs_on_a_base() -> None:
    wheels = (
        NATIVE,
        "idna-3.11-py3-none-any.whl",
        "six-1-py2.py3-none-any.whl",
        "abi-1-cp39-abi3-manylinux1_x86_64.whl",
    )
    compatibility.check(
        BinaryRequirements(constraints=("CPython==3.11.*",), wheels=wheels), FACTS, name="service", base="b"
    )
    compatibility.check(
        BinaryRequirements(constraints=(), wheels=("a-1-cp311-cp311-musllinux_1_2_x86_64.whl",)),
        ALPINE,
        name="",
        base="",
    )
    pypy = replace(FACTS, implementation="PyPy", version="3.10.14", abi="pypy310_pp73")
    wheel = "a-1-pp310-pypy310_pp73-manylinux_2_28_x86_64.whl"
    compatibility.check(BinaryRequirements(constraints=("PyPy>=3.10",), wheels=(wheel,)), pypy, name="", base="")


def test_what_does_not_run_on_a_base() -> None:
    constrained = BinaryRequirements(constraints=("CPython==3.12.*", "CPython==3.13.*"), wheels=())
    assert "the binary service is for CPython==3.12.* or CPython==3.13.*," in refusal(constrained)
    native = BinaryRequirements(constraints=("CPython==3.11.*",), wheels=(NATIVE,))
    assert "cp311-cp311-manylinux_2_26_x86_64" in refusal(native, ALPINE)
    assert "(lxml)" in refusal(native, replace(FACTS, machine="aarch64"))
    assert refusal(native, replace(FACTS, libc_version="2.17"))
    assert refusal(native, replace(FACTS, gil=False))
    here = "own-1-cp311-cp311-linux_x86_64.whl"
    compiled = BinaryRequirements(constraints=(), wheels=(here,), libc={here: ("glibc", 34)})
    compatibility.check(compiled, FACTS, name="service", base="b")
    assert "glibc 2.34 (own, which was compiled here)" in refusal(compiled, replace(FACTS, libc_version="2.31"))
    assert "glibc 2.34" in refusal(compiled, ALPINE)


def test_a_lock_may_have_more_for_another_patch_release() -> None:
    requires = {
        "redis": ('async-timeout>=4.0.3; python_full_version < "3.11.3"', 'hiredis>=3; extra == "hiredis"'),
        "app": ("redis[hiredis]", 'tomli; extra == "unasked" and python_full_version < "3.11.3"'),
    }
    demanded = BinaryRequirements(constraints=(), wheels=(), requires=requires)
    with pytest.raises(NoxPexError, match=r"is for Python 3.11.7 \(redis needs async-timeout if python_full_version"):
        compatibility.check(demanded, FACTS, name="a", base="b", built_with="3.11.7")
    compatibility.check(demanded, FACTS, name="a", base="b", built_with="3.11.2")
    compatibility.check(demanded, replace(FACTS, version="3.11.9"), name="a", base="b", built_with="3.11.7")
    there = replace(demanded, requires={**requires, "async-timeout": ()})
    compatibility.check(there, FACTS, name="a", base="b", built_with="3.11.7")


def test_a_builder_must_not_be_newer_than_the_base() -> None:
    compatibility.check_builder(replace(FACTS, libc_version="2.31"), FACTS, builder="a", base="b")
    for builder in (replace(FACTS, version="3.12.1"), ALPINE, replace(FACTS, libc_version="2.40")):
        with pytest.raises(NoxPexError, match="the builder a has"):
            compatibility.check_builder(builder, FACTS, builder="a", base="b")


@pytest.fixture
def pex(tmp_path: Path) -> Callable[..., Path]:
    """A file with the members of a PEX of a packaged project."""

    def make(code: str = "one", module: bytes = b"\x7fELF GLIBC_2.4\0GLIBC_2.34\0GLIBC_PRIVATE") -> Path:
        wheels = ("own-1-py3-none-any.whl", "dep-2-cp311-cp311-linux_x86_64.whl")
        info = {
            "distributions": {wheel: f"{wheel}{code if wheel[:3] == 'own' else ''}" for wheel in wheels},
            "requirements": ["own==1"],
            "interpreter_constraints": ["CPython==3.11.*"],
            "code_hash": code,
            "pex_hash": code,
            "entry_point": "own:main",
        }
        file = tmp_path / "service.pex"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("PEX-INFO", json.dumps(info))
            archive.writestr("__main__.py", "")
            archive.writestr(".bootstrap/pex/__init__.py", "")
            archive.writestr(f".deps/{wheels[0]}/own/__init__.py", code)
            metadata = "Name: Dep\nVersion: 2\nRequires-Dist: idna; extra == 'x'\n\nText\n"
            archive.writestr(f".deps/{wheels[1]}/dep-2.dist-info/METADATA", metadata)
            archive.writestr(f".deps/{wheels[1]}/dep/_dep.cpython-311.so", module)
            archive.writestr("loose.py", code)
        return file

    return make


def test_a_binary_says_what_it_demands(pex: Callable[..., Path]) -> None:
    found = compatibility.read_requirements(pex())
    assert found.constraints == ("CPython==3.11.*",)
    assert found.requires == {"dep": ("idna; extra == 'x'",)}
    assert found.libc == {"dep-2-cp311-cp311-linux_x86_64.whl": ("glibc", 34)}
    assert list(compatibility.read_requirements(pex(module=b"libc.musl-x86_64.so.1")).libc.values()) == [("musl", 0)]


def test_an_edit_changes_one_half(pex: Callable[..., Path]) -> None:
    binary = pex()
    halves = split_pex.split_paths(binary)
    split_pex.split(binary, project="Own", into=halves)
    before = halves.dependencies.read_bytes(), halves.own.read_bytes()
    split_pex.split(pex("two"), project="Own", into=halves)

    assert halves.dependencies.read_bytes() == before[0]
    assert halves.own.read_bytes() != before[1]
    with zipfile.ZipFile(halves.dependencies) as theirs, zipfile.ZipFile(halves.own) as own:
        assert not [name for name in theirs.namelist() if "own" in name or "loose" in name]
        assert not [name for name in own.namelist() if "dep-2" in name]
        assert json.loads(theirs.read("PEX-INFO"))["requirements"] == ["dep==2"]
        assert own.read("loose.py") == b"two"


def test_the_context_has_fixed_modes_and_dates(tmp_path: Path) -> None:
    file, into = tmp_path / "a.pex", tmp_path / "context"
    file.write_text("x", "utf-8")
    file.chmod(0o700)
    into.mkdir()
    build_context.copy_binary(file, into, name="b.pex")
    assert (into / "b.pex").stat().st_mode & 0o777 == 0o755
    assert (into / "b.pex").stat().st_mtime == 315532800
    assert file.stat().st_mode & 0o777 == 0o700


def test_what_a_build_needs_for_its_index_is_in_files_for_us_alone(tmp_path: Path) -> None:
    authorities = tmp_path / "ca.crt"
    authorities.write_text("CERTIFICATE", "utf-8")
    environ = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "https://me:secret@index.example/simple",
        "PIP_CERT": str(authorities),
        "POETRY_HTTP_BASIC_PRIVATE_PASSWORD": "it's",
        "DEPLOY_TOKEN": "no business of a build",
    }
    into = tmp_path / "secrets"
    into.mkdir()
    found = build_context.write_secrets(environ, prefix=tmp_path, into=into)
    texts = {name: file.read_text("utf-8") for name, file in found.items()}
    assert texts == {
        "pip.conf": "[global]\nindex-url = https://me:secret@index.example/simple\ncert = /run/secrets/ca.pem\n",
        "ca.pem": "CERTIFICATE",
        "environment": "POETRY_HTTP_BASIC_PRIVATE_PASSWORD='it'\"'\"'s'\n",
    }
    assert {file.stat().st_mode & 0o777 for file in found.values()} == {0o600}
