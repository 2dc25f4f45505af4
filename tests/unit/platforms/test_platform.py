from __future__ import annotations

import json
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.platforms.platform import marker, parse, read, write
from tests.support.platforms import MARKERS, described, target

KEY = "tool.nox-pex.binary.app.complete-platforms"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        (json.dumps(described(compatible_tags=[])), "compatible_tags is not a list of tags such as cp312-cp312-many"),
        (json.dumps(described(compatible_tags=["linux"])), "compatible_tags is not a list of tags"),
        (
            json.dumps(described(marker_environment={"python_version": 3})),
            "marker_environment is not an object of strings",
        ),
        (
            json.dumps(described(marker_environment={k: v for k, v in MARKERS.items() if k != "sys_platform"})),
            "sys_platform is missing from marker_environment",
        ),
        (
            json.dumps(described(marker_environment={**MARKERS, "extra": "x"})),
            "extra is unknown in marker_environment",
        ),
        (
            json.dumps(described(marker_environment={**MARKERS, "python_version": "3.11"})),
            "python_version '3.11' does not match python_full_version 3.12.4",
        ),
        (
            json.dumps(described(marker_environment={**MARKERS, "python_full_version": "new"})),
            "python_full_version 'new' is not a version",
        ),
    ],
)
def test_a_file_that_does_not_describe_a_platform_is_refused_with_the_reason(
    tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "prod.json").write_text(text, "utf-8")
    with pytest.raises(NoxPexError) as caught:
        read(tmp_path, ["prod.json"], key=KEY)
    assert caught.value.code == "config"
    assert str(tmp_path / "prod.json") in caught.value.problem
    assert problem in caught.value.problem
    assert "nox -s platform > prod.json" in caught.value.remedy


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match="which cannot be read") as caught:
        read(tmp_path, ["prod.json"], key=KEY)
    assert caught.value.code == "source-missing"


def test_the_digest_does_not_depend_on_the_layout_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(described()), "utf-8")
    (tmp_path / "two.json").write_text(json.dumps(described(path="/opt/python"), indent=7), "utf-8")
    one, two = read(tmp_path, ["one.json", "two.json", "one.json"], key=KEY)
    assert one.digest == two.digest
    assert one.digest != target("one.json", platform_machine="aarch64").digest
    assert (one.minor, one.tag) == ("3.12", "cp312-cp312-manylinux_2_28_x86_64")
    assert one.interpreter.executable == Path("python3.12")


@pytest.mark.parametrize(
    ("wheels", "best"),
    [
        (["a-1-py3-none-any.whl", "a-1-cp312-cp312-manylinux_2_28_x86_64.whl"], "cp312-cp312-manylinux_2_28_x86_64"),
        (["a-1-py2.py3-none-any.whl", "a-1-cp311-cp311-manylinux_2_28_x86_64.whl"], "py2.py3-none-any"),
        (["a-1-cp310-abi3-manylinux_2_28_x86_64.whl", "a-1-py3-none-any.whl"], "py3-none-any"),
        (["a-1-1-py3-none-any.whl", "a-1-2-py3-none-any.whl", "a-1-cp312-abi3-linux_x86_64.whl"], "2-py3-none-any"),
        (["a-1-cp312-cp312-musllinux_1_2_x86_64.whl", "a-1.tar.gz", "no wheel.whl"], None),
    ],
)  # fmt: skip
def test_the_best_wheel_is_the_one_that_poetry_would_install(wheels: list[str], best: str | None) -> None:
    assert target("there").best_wheel(wheels) == (f"a-1-{best}.whl" if best else None)


def test_a_marker_names_as_few_variables_as_distinguish_the_targets() -> None:
    old, new = target("old", python="3.9"), target("new")
    arm, mac = target("arm", platform_machine="aarch64"), target("mac", python="3.9", platform_machine="aarch64")
    assert marker([old, new], [old, new], of="a 1") == ""
    assert marker([old], [old, new], of="a 1") == 'python_version == "3.9"'
    assert marker([old, new], [old, new, arm], of="a 1") == 'platform_machine == "x86_64"'
    assert marker([new], [old, new, arm], of="a 1") == 'python_version == "3.12" and platform_machine == "x86_64"'
    assert marker([new, mac], [old, new, arm, mac], of="a 1") == (
        '(python_version == "3.12" and platform_machine == "x86_64") or '
        '(python_version == "3.9" and platform_machine == "aarch64")'
    )
    patched = target("patched", python_full_version="3.12.9")
    with pytest.raises(NoxPexError, match="a 1 belongs on new and not on patched") as caught:
        marker([new], [new, patched], of="a 1")
    assert caught.value.code == "config"


def test_targets_differ_by_coarse_markers_and_not_by_the_patch_release() -> None:
    new = target("new")
    assert new.indistinguishable_from(target("patched", python_full_version="3.12.9", implementation_version="3.12.9"))
    assert not new.indistinguishable_from(target("arm", platform_machine="aarch64"))


@pytest.mark.parametrize(
    ("markers", "tags", "implementation", "command"),
    [
        ({}, ["cp312-cp312-linux_x86_64"], "CPython", "python3.12"),
        ({}, ["cp312-cp312t-linux_x86_64"], "CPython+t", "python3.12"),
        ({"platform_python_implementation": "PyPy"}, ["pp312-pypy312_pp73-linux_x86_64"], "PyPy", "pypy3.12"),
    ],
)
def test_the_interpreter_of_a_target_has_its_command_name(
    markers: dict[str, str], tags: list[str], implementation: str, command: str
) -> None:
    found = parse("there", described(compatible_tags=tags, marker_environment={**MARKERS, **markers})).interpreter
    assert (found.implementation, found.executable, found.version) == (implementation, Path(command), "3.12.4")


def test_targets_are_written_as_they_are_read(tmp_path: Path) -> None:
    targets = (target("old", python="3.9"), target("new"))
    paths = write(targets, tmp_path / "platforms")
    again = read(tmp_path / "platforms", [path.name for path in paths], key=KEY)
    assert [platform.digest for platform in again] == [platform.digest for platform in targets]
