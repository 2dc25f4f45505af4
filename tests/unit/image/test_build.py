from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.image.base_image import ImagePython
from nox_pex.image.build import build
from nox_pex.image.job import BuiltImage
from nox_pex.system.command import Outcome
from tests.support.images import PYTHON, engine, image_target, job_of, outcome, shell

NATIVE = replace(PYTHON, version="3.11.7")


class FakeEngine:
    """Answers an engine's command lines, and keeps what was in the build context."""

    def __init__(self, *, build: Outcome, pythons: dict[str, ImagePython]) -> None:
        self.build = build
        self.pythons = pythons
        self.context: dict[str, bytes] = {}
        self.dockerfile = ""
        self.secrets: dict[str, str] = {}

    def __call__(self, argv: tuple[str, ...]) -> Outcome:
        if argv[1] == "build":
            return self._build(argv)
        if argv[1] == "run":
            return outcome(json.dumps(msgspec.structs.asdict(self.pythons[argv[argv.index("--entrypoint") + 2]])))
        if "--format" in argv:
            return outcome(argv[-1])  # the id of an image is its name
        layers = ["base"] if argv[-1] in self.pythons else ["base", "own"]
        return outcome(json.dumps([{"RootFS": {"Layers": layers}, "Size": len(layers) * 1_500_000}]))

    def _build(self, argv: tuple[str, ...]) -> Outcome:
        context = Path(argv[-1])
        self.context = {p.relative_to(context).as_posix(): p.read_bytes() for p in context.rglob("*") if p.is_file()}
        self.dockerfile = Path(argv[argv.index("--file") + 1]).read_text("utf-8")
        secrets = [argv[i + 1] for i, argument in enumerate(argv) if argument == "--secret"]
        self.secrets = {s: Path(s.partition(",src=")[2]).read_text("utf-8") for s in secrets}
        if self.build.status == 0:
            Path(argv[argv.index("--iidfile") + 1]).write_text("sha256:0123456789ab", "utf-8")
        return self.build


def built(
    root: Path,
    fake: FakeEngine,
    said: list[str],
    *,
    from_source: bool = False,
    environ: dict[str, str] | None = None,
    **table: Any,
) -> BuiltImage:
    target = image_target(root, **table)
    (root / "dist").mkdir(exist_ok=True)
    scripted = shell(environ={"PATH": "", "HOME": str(root), "PIP_CONFIG_FILE": "/dev/null", **(environ or {})})
    scripted = replace(scripted, answer=fake, say=said.append)
    return build(job_of(target, scripted, from_source=from_source), engine("podman"))


@pytest.fixture
def fake() -> FakeEngine:
    return FakeEngine(build=outcome(), pythons={"python:3.11-slim": PYTHON, "python:3.11": NATIVE})


def test_an_image_is_built_from_the_file_alone(pex: Callable[..., Path], tmp_path: Path, fake: FakeEngine) -> None:
    binary, said = pex(), list[str]()
    (tmp_path / "main.py").write_text("x = 1\n", "utf-8")
    image = built(tmp_path, fake, said)

    archive = (tmp_path / "dist" / "service.metadata.tar").read_bytes()
    assert fake.context == {"service.pex": binary.read_bytes(), "service.metadata.tar": archive}
    assert fake.dockerfile == (tmp_path / "dist" / "service.Dockerfile").read_text("utf-8")
    assert (image.identity, image.layers, image.added_bytes) == ("sha256:0123456789ab", ("own",), 1_500_000)
    assert said == [
        "image: building service:latest with podman (base python:3.11-slim: CPython 3.11.2, glibc 2.36, x86_64)",
        "image: service:latest built in 1.0 s, 1.5 MB over its base (sha256:0123456789ab)",
        "image: layer own",
    ]


def test_the_unpacked_form_is_built_from_the_two_parts(
    pex: Callable[..., Path], tmp_path: Path, fake: FakeEngine
) -> None:
    pex()
    built(tmp_path, fake, [], form="unpacked")

    assert sorted(fake.context) == ["service.deps.pex", "service.own.pex", "service.pex"]
    assert (tmp_path / "dist" / "service.deps.pex").exists()


def test_a_binary_that_does_not_fit_the_base_is_not_built(
    pex: Callable[..., Path], tmp_path: Path, fake: FakeEngine
) -> None:
    pex(module=b"ld-musl-x86_64.so.1")
    with pytest.raises(NoxPexError, match=r"the binary service is for musl \(dep, which was compiled here\), but") as e:
        built(tmp_path, fake, [])
    assert e.value.code == "image-python"
    assert fake.dockerfile == ""


def test_a_containerfile_of_the_project_is_used_as_it_is(
    pex: Callable[..., Path], tmp_path: Path, fake: FakeEngine
) -> None:
    pex()
    (tmp_path / "Own.Dockerfile").write_text("FROM scratch\n", "utf-8")
    built(tmp_path, fake, [], containerfile="Own.Dockerfile")
    assert fake.dockerfile == "FROM scratch\n"
    assert sorted(fake.context) == ["Own.Dockerfile", "service.metadata.tar", "service.pex"]

    with pytest.raises(NoxPexError, match=r"image.containerfile names None.Dockerfile, which cannot be read") as caught:
        built(tmp_path, fake, [], containerfile="None.Dockerfile")
    assert caught.value.code == "source-missing"


def test_a_build_from_sources_gets_sources_and_secrets(
    tmp_path: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nox_pex.__file__", str(tmp_path / "site" / "a" / "b" / "nox_pex" / "__init__.py"))
    (tmp_path / "main.py").write_text("x = 1\n", "utf-8")
    said: list[str] = []
    environ = {"PIP_INDEX_URL": "https://index.example/simple"}
    built(tmp_path, fake, said, from_source=True, environ=environ, builder="python:3.11")

    assert fake.context == {"main.py": b"x = 1\n"}
    assert "FROM python:3.11 AS binary\n" in fake.dockerfile
    assert "    && mv dist/service.pex /service.pex \\\n" in fake.dockerfile
    assert list(fake.secrets.values()) == ["[global]\nindex-url = https://index.example/simple\n"]
    assert said[0] == ("image: the builder has Python 3.11.7, but the base has 3.11.2: the same version is safer")


def test_a_builder_that_does_not_fit_the_base_is_refused(tmp_path: Path, fake: FakeEngine) -> None:
    fake.pythons["python:3.11"] = replace(NATIVE, libc_version="2.41")
    with pytest.raises(NoxPexError, match=r"the builder python:3.11 has CPython 3.11.7, glibc 2.41") as caught:
        built(tmp_path, fake, [], from_source=True, builder="python:3.11")
    assert caught.value.code == "image-python"


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("STEP 1/2: FROM x\nSTEP 2/2: RUN false\nno such thing\n", "failed at `RUN false`: no such thing"),
        ("Step 2/3 : COPY a b\nmissing\n", "failed at `COPY a b`: missing"),
        (" > [binary 2/3] RUN cc:\n0.1 cc: not found\n", "failed at `RUN cc`: 0.1 cc: not found"),
        ("", "failed: the engine printed nothing"),
    ],
)
def test_a_failed_build_names_its_step(
    pex: Callable[..., Path], tmp_path: Path, fake: FakeEngine, output: str, problem: str
) -> None:
    pex()
    fake.build = outcome(output, status=1)
    with pytest.raises(NoxPexError) as caught:
        built(tmp_path, fake, [])
    assert caught.value.code == "image-build"
    assert caught.value.problem == f"building service.Dockerfile {problem}"
