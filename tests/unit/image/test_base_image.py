from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.image.base_image import ImageInspector, ImagePython
from nox_pex.settings.image import EngineName
from tests.support.images import ALPINE, PYTHON, ScriptedShell, engine, outcome, shell

ANSWER = json.dumps(msgspec.structs.asdict(PYTHON))


def inspector(scripted: ScriptedShell, cache: Path, *, name: EngineName = "podman") -> ImageInspector:
    return ImageInspector(engine=engine(name), shell=scripted, cache=cache / "images.json")


def ask(inspected: ImageInspector, *, minor: str | None = "3.11") -> ImagePython:
    return inspected.image_python("some:base", identity="sha256:1", minor=minor, key="k.base")


def test_a_python_is_described_in_one_line() -> None:
    assert str(PYTHON) == "CPython 3.11.2, glibc 2.36, x86_64"
    assert str(replace(PYTHON, gil=False, libc="")) == "CPython 3.11.2 without GIL, unknown libc, x86_64"


def test_the_tags_are_those_of_its_python_and_its_libc() -> None:
    found = {str(tag) for tag in PYTHON.tags()}
    assert {"cp311-cp311-manylinux_2_36_x86_64", "cp311-cp311-manylinux2014_x86_64", "py3-none-any"} <= found
    assert "cp311-cp311-manylinux_2_37_x86_64" not in found
    musl = {str(tag) for tag in ALPINE.tags()}
    assert "cp311-cp311-musllinux_1_2_x86_64" in musl
    assert not [tag for tag in musl if "manylinux" in tag or "musllinux_1_3" in tag]
    assert "cp313-cp313t-linux_x86_64" in {str(tag) for tag in replace(PYTHON, version="3.13.0", gil=False).tags()}
    pypy = replace(PYTHON, implementation="PyPy", version="3.10.14", abi="pypy310_pp73")
    assert "pp310-pypy310_pp73-linux_x86_64" in {str(tag) for tag in pypy.tags()}


@pytest.mark.parametrize(("version", "minor"), [("2.36", 36), ("1.2.5", 2), ("", 0), ("2.x", 0)])
def test_the_minor_version_of_a_libc(version: str, minor: int) -> None:
    assert replace(PYTHON, libc_version=version).libc_minor == minor


def test_the_question_runs_on_this_python(tmp_path: Path) -> None:
    def answer(argv: tuple[str, ...]) -> str:
        program = argv[argv.index("-c") + 1]
        return subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout

    scripted = replace(shell(), answer=lambda argv: outcome(answer(argv)))
    python = ask(inspector(scripted, tmp_path))
    assert python.version == ".".join(map(str, sys.version_info[:3]))
    assert python.executable == sys.executable


def test_an_image_is_fetched_only_if_the_engine_does_not_have_it(tmp_path: Path) -> None:
    said: list[str] = []
    present = shell(outcome("sha256:1\n"), said=said)
    assert inspector(present, tmp_path).image_id("some:base", key="k.base") == "sha256:1"
    assert (len(present.ran), said) == (1, [])

    fetched = shell(outcome(status=1), outcome(), outcome("warning\nsha256:2\n"), said=said)
    assert inspector(fetched, tmp_path).image_id("some:base", key="k.base") == "sha256:2"
    assert said == ["image: fetching some:base"]

    with pytest.raises(
        NoxPexError, match=r"k.base names some:base, which podman does not have and cannot fetch: no"
    ) as e:
        inspector(shell(outcome("no", status=1)), tmp_path).image_id("some:base", key="k.base")
    assert e.value.code == "image-base"


def test_an_image_is_asked_once_for_each_version_of_python(tmp_path: Path) -> None:
    scripted = shell(outcome(ANSWER))
    inspected = inspector(scripted, tmp_path)
    assert ask(inspected) == ask(inspected) == PYTHON
    assert len(scripted.ran) == 1
    assert ask(inspected, minor=None) == PYTHON
    assert [argv[argv.index("--entrypoint") + 1] for argv in scripted.ran] == ["python3.11", "python3"]


@pytest.mark.parametrize("known", [None, 1, [], {}, {"version": 3}, {**json.loads(ANSWER), "version": "3"}])
def test_an_answer_that_is_remembered_wrongly_is_asked_for_again(tmp_path: Path, known: object) -> None:
    (tmp_path / "images.json").write_text(json.dumps({"sha256:1 3.11": known}), "utf-8")
    scripted = shell(outcome(ANSWER))
    assert ask(inspector(scripted, tmp_path)) == PYTHON
    assert ask(inspector(shell(), tmp_path)) == PYTHON
    assert len(scripted.ran) == 1


@pytest.mark.parametrize("said", ["nonsense", "[]", "{}", "[" * 100_000])
def test_an_image_that_answers_nonsense_has_no_python(tmp_path: Path, said: str) -> None:
    with pytest.raises(NoxPexError, match="does not say what it is") as caught:
        ask(inspector(shell(outcome(said)), tmp_path))
    assert caught.value.code == "image-python"


def test_other_names_of_python_are_tried_if_one_does_not_exist(tmp_path: Path) -> None:
    scripted = shell(outcome(status=127), outcome(status=127), outcome(f"noise\n{ANSWER}"))
    assert ask(inspector(scripted, tmp_path)) == PYTHON
    assert [argv[argv.index("--entrypoint") + 1] for argv in scripted.ran] == ["python3.11", "python3", "python"]


def test_an_image_without_python_differs_from_an_engine_that_fails(tmp_path: Path) -> None:
    described = outcome('[{"Architecture": "arm64", "Os": "linux"}]')
    without = shell(outcome(status=127), outcome(status=127), outcome("not found\n", status=127), described)
    with pytest.raises(
        NoxPexError, match=r"some:base \(linux/arm64\) has no Python that runs: not found; set k"
    ) as none:
        ask(inspector(without, tmp_path))
    foreign = shell(outcome("exec format error", status=126), described)
    with pytest.raises(NoxPexError, match="has no Python that runs: exec format error") as other_machine:
        ask(inspector(foreign, tmp_path))
    with pytest.raises(NoxPexError, match="podman could not start a container of some:base: no runtime") as failed:
        ask(inspector(shell(outcome("no runtime", status=125)), tmp_path))
    codes = [caught.value.code for caught in (none, other_machine, failed)]
    assert codes == ["image-python", "image-python", "engine-failed"]


def test_buildah_needs_a_container_which_is_removed_again(tmp_path: Path) -> None:
    scripted = shell(outcome("container-1\n"), outcome(ANSWER), outcome())
    assert ask(inspector(scripted, tmp_path, name="buildah")) == PYTHON
    assert [argv[1] for argv in scripted.ran] == ["from", "run", "rm"]
    assert scripted.ran[2] == ("/bin/buildah", "rm", "container-1")
    failing = shell(outcome("no such image", status=125))
    with pytest.raises(NoxPexError, match="buildah could not start a container"):
        ask(inspector(failing, tmp_path / "other", name="buildah"))


def test_descriptions_of_all_engines_have_the_keys_of_docker(tmp_path: Path) -> None:
    docker = shell(outcome('WARNING: something\n[{"Config": {"User": "1"}, "RootFS": {"Layers": ["a"]}, "Size": 5}]'))
    assert inspector(docker, tmp_path).describe("i")["Size"] == 5
    buildah = shell(
        outcome('{"Docker": {"config": {"User": "1"}, "architecture": "amd64", "rootfs": {"diff_ids": ["a"]}}}')
    )
    assert inspector(buildah, tmp_path, name="buildah").describe("i") == {
        "Config": {"User": "1"},
        "Architecture": "amd64",
        "RootFS": {"Layers": ["a"]},
    }
