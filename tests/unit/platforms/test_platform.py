"""Descriptions of targets, the wheels that fit them, and what tells targets apart."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging import tags

from nox_pex.build import pex_cli
from nox_pex.distributions.environment import Distribution
from nox_pex.errors import NoxPexError
from nox_pex.platforms import ask_python, choose_wheels
from nox_pex.platforms.platform import Platform, marker, parse, read
from nox_pex.platforms.runs_here import runs_on
from nox_pex.poetry import requirements
from nox_pex.settings.model import Binary
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets

MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.12.4",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.12.4",
    "python_version": "3.12",
    "sys_platform": "linux",
}
TAGS = [
    "cp312-cp312-linux_x86_64",
    "cp312-cp312-manylinux_2_28_x86_64",
    "cp312-abi3-manylinux_2_28_x86_64",
    "py3-none-any",
]
KEY = "tool.nox-pex.binary.app.complete-platforms"


def described(**changes: Any) -> dict[str, Any]:
    return {"path": "/usr/bin/python3", "compatible_tags": TAGS, "marker_environment": MARKERS, **changes}


def target(name: str, *, python: str = "3.12", **markers: str) -> Platform:
    own = {"python_version": python, "python_full_version": f"{python}.4"}
    return parse(name, described(marker_environment={**MARKERS, **own, **markers}))


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
def test_a_file_that_describes_no_platform_is_named_with_why(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "prod.json").write_text(text, "utf-8")
    with pytest.raises(NoxPexError) as caught:
        read(tmp_path, ["prod.json"], key=KEY)
    assert caught.value.code == "config"
    assert str(tmp_path / "prod.json") in caught.value.problem
    assert problem in caught.value.problem
    assert "nox -s platform > prod.json" in caught.value.remedy


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match="which cannot be read") as caught:
        read(tmp_path, ["prod.json"], key=KEY)
    assert caught.value.code == "source-missing"


def test_a_target_is_what_its_file_says_however_it_is_written(tmp_path: Path) -> None:
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
def test_the_wheel_that_poetry_would_take(wheels: list[str], best: str | None) -> None:
    assert target("there").best_wheel(wheels) == (f"a-1-{best}.whl" if best else None)


def test_what_tells_targets_apart_is_as_little_as_will_do() -> None:
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


def package(name: str, *files: str, source: str | None = None) -> choose_wheels.PlannedPackage:
    return choose_wheels.parse(
        [
            {
                "name": name,
                "version": "1",
                "source": source,
                "url": None,
                "subdirectory": None,
                "files": [[file, f"sha256:{file}"] for file in files],
            }
        ]
    )[0]


def test_all_that_has_no_wheel_is_in_one_line() -> None:
    there, arm = target("there"), target("arm", platform_machine="aarch64")
    fits = package("fits", "fits-1-py3-none-any.whl")
    lacks = package("lacks", "lacks-1.tar.gz")
    other = package("other", "other-1-cp39-cp39-win_amd64.whl", "other-1.tar.gz")
    cloned = package("cloned", source="git")
    choices, missing = choose_wheels.choose({"there": [fits, lacks, cloned], "arm": [fits, lacks, other]}, [there, arm])
    assert [(c.package.name, c.file, c.targets) for c in choices] == [
        ("fits", "fits-1-py3-none-any.whl", ("there", "arm")),
        ("cloned", None, ("there",)),
    ]
    error = choose_wheels.no_wheel(missing, lock=Path("poetry.lock"))
    assert error.code == "no-wheel"
    assert error.problem == (
        "poetry.lock has no wheel for there and arm of lacks 1 (only an sdist), "
        "and for arm of other 1 (1 wheel, none compatible)"
    )


def test_pins_stand_under_their_markers() -> None:
    found = [Distribution(name=name, version="1", directory=Path(), record=None, direct=False) for name in ("a", "b")]  # type: ignore[arg-type]
    pins = requirements.pins(found, lambda name, _: 'python_version == "3.9"' if name == "b" else "")
    assert list(pins) == ["a==1", 'b==1 ; python_version == "3.9"']


def test_a_binary_runs_where_each_requirement_that_holds_has_a_wheel() -> None:
    info = {
        "requirements": ["a==1", 'win==1; sys_platform == "win32"'],
        "distributions": {
            "a-1-cp312-cp312-manylinux_2_28_x86_64.whl": "",
            "a-1-cp39-cp39-manylinux_2_17_aarch64.whl": "",
            "win-1-cp312-cp312-win_amd64.whl": "",
        },
    }
    here = target("here")
    assert runs_on(info, here)
    alone = {"a-1-cp39-cp39-manylinux_2_17_aarch64.whl": ""}
    assert not runs_on({**info, "distributions": alone}, here)
    assert not runs_on({"requirements": [], "distributions": alone}, here)


def test_the_constraints_and_the_shebang_are_those_of_the_targets() -> None:
    both = (target("old", python="3.9").interpreter, target("new").interpreter)
    binary_of = pex_cli.PexInputs(
        repository=Path("r"), pins=Path("p"), python_path=Path("b"), platforms=(Path("0.json"), Path("1.json"))
    )

    words = pex_cli.argv(
        Binary(script="x"),
        python=Path("python"),
        output=Path("o"),
        inputs=binary_of,
        interpreters=both,
        pex_root=Path("root"),
    )
    given = [word for option, word in itertools.pairwise(words) if option == "--interpreter-constraint"]
    assert given == ["CPython==3.9.*", "CPython==3.12.*"]
    assert "/usr/bin/env python3" in words
    assert words.count("--complete-platform") == len(binary_of.platforms)


def test_this_python_says_of_itself_what_packaging_says_of_it() -> None:
    found = ask_python.ask(Path(sys.executable), Shell(environ={}, secrets=Secrets(), say=print))
    assert list(found.tags) == [str(tag) for tag in tags.sys_tags()]
    assert found.markers["sys_platform"] == sys.platform
