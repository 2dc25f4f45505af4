from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions.installed_wheel import InstalledWheel
from nox_pex.errors import NoxPexError
from nox_pex.pex import assemble, composer, disagreements, member_limit, packed_wheels
from nox_pex.pex.assemble import Assembler, BuiltPex, check_wheel, copy_sources
from nox_pex.pex.disagreements import Disagreements
from nox_pex.pex.inputs import ProjectFiles, collect_project_files
from nox_pex.pex.packed_wheels import PackedWheel
from nox_pex.pex.target import Target
from nox_pex.project import build_wheel
from nox_pex.system import plain_paths
from nox_pex.system.command import Clock
from nox_pex.tools import pinned
from tests.support.fake_environment import FakeEnvironment
from tests.support.small_pex import LIBRARY, write_wheel
from tests.unit.pex.conftest import MakeProvisioner, MakeTarget, after, write_pex, write_runtime_of_another_form

WHEEL = "shop-1.0-py3-none-any.whl"
IDNA = "idna-1.0-py3-none-any.whl"


# The project's wheel


@pytest.mark.parametrize(
    "name",
    [
        *(".env", "shop/.env", "shop/.env.production", "shop/.git/config", ".venv/pyvenv.cfg", "shop/.venv/bin/python"),
        *("shop/.netrc", ".pypirc", "shop/environment/pyvenv.cfg", "shop/id_rsa", "id_ed25519", "shop/id_ecdsa"),
        *("shop/id_dsa", "dist/shop.pex", "shop/.pex"),
    ],
)
def test_a_wheel_with_a_file_that_must_not_leave_the_machine_is_refused(
    make_target: MakeTarget, tmp_path: Path, name: str
) -> None:
    wheel = write_wheel(tmp_path / WHEEL, {"shop/__init__.py": b"", name: b""})
    with pytest.raises(NoxPexError) as caught:
        check_wheel(make_target(package_mode=True), wheel)
    assert caught.value.code == "leak"
    assert f"puts {name} into the wheel" in caught.value.problem
    assert f'exclude = ["{name}"]' in caught.value.remedy


@pytest.mark.parametrize(
    "name",
    [
        *("shop/.env.example", ".env.sample", "shop/.env.template", ".env.dist", "shop/env", "shop/.environment"),
        *("shop/id_rsa.pub", "shop/my_id_rsa", "shop/pex.py", "shop/x.pex.txt", "shop/.gitignore", "shop/git/config"),
    ],
)
def test_a_wheel_with_files_of_similar_names_is_accepted(make_target: MakeTarget, tmp_path: Path, name: str) -> None:
    check_wheel(make_target(package_mode=True), write_wheel(tmp_path / WHEEL, {name: b""}))


# Loose sources


@pytest.fixture
def loose(make_target: MakeTarget) -> Target:
    """A binary of a project with loose sources, one of them executable."""
    target = make_target()
    (target.project.root / "wares" / "deep").mkdir(parents=True)
    (target.project.root / "main.py").write_bytes(b"def main(): ...\n")
    (target.project.root / "wares" / "__init__.py").touch()
    (target.project.root / "wares" / "deep" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (target.project.root / "wares" / "deep" / "run.sh").chmod(0o755)
    return target


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_the_modes_of_copied_sources_do_not_depend_on_the_user(
    loose: Target, tmp_path: Path, umask: int, mode: int
) -> None:
    (loose.project.root / "main.py").chmod(mode)
    before = os.umask(umask)
    try:
        copied = copy_sources(loose, collect_project_files(loose), tmp_path / "sources")
    finally:
        os.umask(before)
    assert copied == tmp_path / "sources"
    files = {path.relative_to(copied).as_posix(): path for path in copied.rglob("*") if path.is_file()}
    assert {name: path.stat().st_mode & 0o777 for name, path in files.items()} == {
        "main.py": 0o644,
        "wares/__init__.py": 0o644,
        "wares/deep/run.sh": 0o755,
    }
    assert files["main.py"].read_bytes() == b"def main(): ...\n"


def test_a_package_and_an_empty_project_have_no_loose_sources(
    make_target: MakeTarget, loose: Target, tmp_path: Path
) -> None:
    assert copy_sources(make_target(package_mode=True), collect_project_files(loose), tmp_path / "sources") is None
    assert copy_sources(loose, ProjectFiles(digests={}), tmp_path / "sources") is None
    assert not (tmp_path / "sources").exists()


# A build, with a function that writes small PEX files instead of pex


class Build:
    """Builds in temporary directories. `ran` are the command lines of pex, `steps` the names of the build's steps."""

    def __init__(self, directory: Path, environment: FakeEnvironment, make_provisioner: MakeProvisioner) -> None:
        self.directory, self._environment, self._make_provisioner = directory, environment, make_provisioner
        self.ran: list[tuple[str, ...]] = []
        self.steps: list[str] = []

    def __call__(
        self,
        target: Target,
        *,
        previous: Path | None = None,
        from_scratch: bool = False,
        act: Callable[[Sequence[str]], None] = write_pex,
    ) -> BuiltPex:
        shutil.rmtree(self.directory, ignore_errors=True)  # of the last build
        self.directory.mkdir()
        self.ran.clear()
        clock = Clock()
        built = Assembler(
            target=target,
            installed=self._environment.installed(),
            files=collect_project_files(target),
            directory=self.directory,
            provisioner=self._make_provisioner(act, self.ran),
            clock=clock,
            lock_descriptor=0,
            from_scratch=from_scratch,
            previous=previous,
        ).assemble()
        self.steps = list(clock.seconds)
        return built


@pytest.fixture
def build(
    tmp_path: Path, environment: FakeEnvironment, make_provisioner: MakeProvisioner, monkeypatch: pytest.MonkeyPatch
) -> Build:
    monkeypatch.setattr(pinned, "provide_pex", lambda *_args, **_options: Path("/tools/python"))
    return Build(tmp_path / "build", environment, make_provisioner)


def test_pex_makes_the_runtime_and_the_binary_is_composed(build: Build, loose: Target, tmp_path: Path) -> None:
    built = build(loose)
    assert built.path == tmp_path / "build" / "shop.pex"
    (runtime,) = build.ran
    assert {"--compress", "--pre-install-wheels", "--pre-resolved-dist"} <= set(runtime)
    assert after(runtime, "--check") == "none"
    assert Path(after(runtime, "--output-file")).name == "shop.pex"
    assert build.steps == ["wheel", "disagreements", "runtime", "pack", "compose"]
    with zipfile.ZipFile(built.path) as archive:
        assert archive.testzip() is None
        assert archive.read("main.py") == b"def main(): ...\n"
        assert archive.read(f".deps/{IDNA}/idna/core.py") == b"CORE = 1\n"
        assert archive.read(f".deps/{IDNA}/.prefix/bin/idna") == b"#!python\nimport idna\n"
        assert not [name for name in archive.namelist() if "probe" in name]
        info = json.loads(archive.read("PEX-INFO"))
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert (info["entry_point"], info["requirements"]) == ("main:main", ["idna==1.0"])
    assert list(info["distributions"]) == [IDNA]
    assert modes["wares/deep/run.sh"] == 0o100755
    assert built.path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("table", [{}, {"inject_env": {"A": "1"}, "inject_args": ["-x"]}], ids=str)
def test_pex_runs_for_none_of_the_next_builds(
    build: Build, make_target: MakeTarget, loose: Target, table: dict[str, Any]
) -> None:
    first = build(loose).path.read_bytes()
    again = build(make_target(**table))
    assert build.ran == []
    assert (again.path.read_bytes() == first) == (not table)
    with zipfile.ZipFile(again.path) as archive:
        info = json.loads(archive.read("PEX-INFO"))
    assert (info["inject_env"], info["inject_args"]) == (table.get("inject_env", {}), table.get("inject_args", []))


def test_only_what_nobody_packed_before_is_packed(
    build: Build, loose: Target, environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[str] = []
    pack = packed_wheels.pack

    def noting(wheel: InstalledWheel, *args: Any, **options: Any) -> PackedWheel:
        packed.append(wheel.name)
        return pack(wheel, *args, **options)

    monkeypatch.setattr(packed_wheels, "pack", noting)
    build(loose)
    environment.add("board", {"board.py": ""})
    packed.clear()
    built = build(loose)
    assert packed == ["board-1.0-py3-none-any.whl"]
    assert built.distributions == (("board", "1.0"), ("idna", "1.0"))


@pytest.mark.parametrize(("most", "packed"), [(19, 1), (30, 2)], ids=["counted-before", "counted-after"])
@pytest.mark.parametrize("composed", [True, False])
def test_distributions_that_do_not_fit_are_stored_as_wheels(
    build: Build,
    loose: Target,
    shown: list[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    most: int,
    packed: int,
    composed: bool,
) -> None:
    """The library of the environment has fewer members than the dependency PEX, which also has pex's own."""
    monkeypatch.setattr(member_limit, "MOST", most)
    monkeypatch.setattr(assemble, "MOST", most)
    monkeypatch.setattr(composer, "MOST", most)
    built = build(loose, from_scratch=not composed)
    ran = build.ran[1:] if composed else build.ran  # the first one is of a runtime for installed distributions
    dependencies, (last,) = ran[:packed], ran[packed:]
    assert ["--no-pre-install-wheels" in argv for argv in dependencies] == [False] * (packed - 1) + [True]
    assert "--no-pre-install-wheels" in last
    assert "--compress" in last
    assert ("--pre-resolved-dist" in last) == composed
    if composed:
        with zipfile.ZipFile(built.path) as archive:
            assert archive.testzip() is None
            stored = [name for name in archive.namelist() if name.startswith(".deps/") and name != ".deps/"]
            assert stored == [f".deps/{LIBRARY}"]
            assert archive.read("main.py") == b"def main(): ...\n"
        assert build.steps[-1] == "compose"
    (line,) = shown
    assert line.startswith("pex: shop stores its distributions as wheels (pre-install-wheels = false), because a PEX ")
    assert f"holds {most} files and directories" in line


def test_what_the_settings_demand_and_cannot_be_is_an_error(
    build: Build, make_target: MakeTarget, loose: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loose.project.root.exists()
    monkeypatch.setattr(member_limit, "MOST", 19)
    monkeypatch.setattr(composer, "MOST", 19)
    with pytest.raises(NoxPexError, match="pre-install-wheels is true") as caught:
        build(make_target(pre_install_wheels=True))
    assert caught.value.code == "config"
    assert not [argv for argv in build.ran if "--pre-resolved-dist" not in argv]


def test_the_result_names_what_is_in_the_binary(build: Build, loose: Target) -> None:
    built = build(loose)
    assert built.version == "1.0"
    assert built.shipped == ("main.py", "wares/__init__.py", "wares/deep/run.sh")
    assert built.distributions == (("idna", "1.0"),)


def test_pex_builds_the_binary_if_the_runtime_is_not_proven(build: Build, loose: Target) -> None:
    for runs in (3, 1):
        build(loose, act=write_runtime_of_another_form)
        assert len(build.ran) == runs  # the next build knows the runtime and the dependency PEX
        assert "--sources-directory" in build.ran[-1]
        assert "--compress" in build.ran[-1]
        assert build.steps == ["wheel", "disagreements", "runtime", "dependencies", "pex"]


def test_pex_builds_the_binary_if_a_distribution_has_an_unknown_form(
    build: Build, loose: Target, environment: FakeEnvironment
) -> None:
    environment.add("board", {"board.py": "", "board-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\n"})
    build(loose)
    assert build.steps == ["wheel", "disagreements", "runtime", "pack", "dependencies", "pex"]
    assert Path(after(build.ran[-1], "--output-file")) == build.directory / "shop.pex"


def test_a_damaged_install_is_an_error(build: Build, loose: Target, environment: FakeEnvironment) -> None:
    (environment.site_packages / "idna" / "core.py").write_text("CORE = 2\n", "utf-8")
    with pytest.raises(NoxPexError, match=r"the install in .* is damaged: idna/core\.py") as caught:
        build(loose)
    assert caught.value.code == "integrity"


@pytest.mark.parametrize(
    ("table", "from_scratch"),
    [
        ({}, True),
        ({"compress": False}, True),
        ({"pre_install_wheels": False}, True),
        ({"compile": True}, False),
        ({"layout": "packed"}, False),
        ({"executable": "wares/deep/run.sh"}, False),
        ({"pex_args": ["--jobs", "1"]}, False),
    ],
    ids=str,
)
def test_pex_builds_what_is_not_composed(
    build: Build,
    make_target: MakeTarget,
    loose: Target,
    table: dict[str, Any],
    *,
    from_scratch: bool,
) -> None:
    assert loose.project.root.exists()
    build(make_target(**table), from_scratch=from_scratch)
    assert len(build.ran) == 2
    assert build.steps == ["wheel", "disagreements", "dependencies", "pex"]
    binary_is_compressed = table.get("compress", True)
    assert ("--compress" in build.ran[1]) == binary_is_compressed
    # Wheels go into the binary as they are; what pex compresses again need not be compressed in the dependency PEX.
    assert ("--compress" in build.ran[0]) == (not table.get("pre_install_wheels", True))


def test_after_an_edit_no_pex_starts_and_the_previous_binary_is_unchanged(
    build: Build, loose: Target, tmp_path: Path
) -> None:
    before = build(loose).path.rename(tmp_path / "previous.pex")
    content = before.read_bytes()
    (loose.project.root / "main.py").write_bytes(b"def main(): return 1\n")
    built = build(loose, previous=before)
    assert build.ran == []
    assert build.steps == ["wheel", "disagreements", "runtime", "pack", "compose"]
    assert before.read_bytes() == content
    with zipfile.ZipFile(built.path) as archive:
        assert archive.read("main.py") == b"def main(): return 1\n"
    without = build(loose)
    assert built.path.read_bytes() == without.path.read_bytes()


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_a_previous_binary_of_another_form_is_not_used(
    build: Build, loose: Target, tmp_path: Path, content: bytes
) -> None:
    expected = build(loose).path.read_bytes()
    (tmp_path / "previous.pex").write_bytes(content)
    assert build(loose, previous=tmp_path / "previous.pex").path.read_bytes() == expected
    assert build.ran == []


def test_the_disagreements_are_looked_for_again_if_something_that_they_follow_from_changes(
    build: Build, loose: Target, environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[None] = []
    find = disagreements.find

    def noting(*args: Any, **options: Any) -> Disagreements:
        looked.append(None)
        return find(*args, **options)

    monkeypatch.setattr(disagreements, "find", noting)
    assert build(loose).disagreements == ()
    build(loose)
    assert len(looked) == 1
    environment.add("board", {"board.py": ""}, metadata="Requires-Dist: gone\n")
    (first,) = build(loose).disagreements
    (second,) = build(loose).disagreements
    assert first == second
    assert (first.distribution, first.text) == ("board", "gone")
    assert len(looked) == 2
    build(loose, from_scratch=True)
    assert len(looked) == 3


def test_a_pex_that_fails_is_an_error(build: Build, loose: Target) -> None:
    def fail(argv: Sequence[str]) -> None:
        if Path(after(argv, "--output-file")).name != "dependencies.pex":
            raise OSError
        write_pex(argv)

    for from_scratch in (True, False):
        with pytest.raises(NoxPexError) as caught:
            build(loose, act=fail, from_scratch=from_scratch)
        assert caught.value.code == "build-failed"
        assert "pex could not build shop (exit status 1)" in caught.value.problem


def test_the_new_binary_imports_its_entry_point_if_it_is_to_be_validated(
    build: Build, make_target: MakeTarget, loose: Target
) -> None:
    assert loose.project.root.exists()

    def refuse_to_import(argv: Sequence[str]) -> None:
        if "--output-file" not in argv:
            msg = "ImportError: no main"
            raise OSError(msg)
        write_pex(argv)

    with pytest.raises(NoxPexError) as caught:
        build(make_target(validate_entry_point=True), act=refuse_to_import)
    assert caught.value.code == "build-failed"
    assert caught.value.problem == "shop cannot import its entry point main:main: ImportError: no main"
    argv = build.ran[-1]
    assert argv[1] == str(build.directory / "shop.pex")
    assert "importlib.import_module('main')" in argv[-1]


@pytest.mark.parametrize(
    ("table", "code"),
    [({"interpreter_constraints": ["CPython==3.9.*"]}, "python-mismatch"), ({"script": "serve"}, "entry-missing")],
)
def test_settings_that_do_not_fit_are_refused_before_pex_runs(
    build: Build,
    make_target: MakeTarget,
    loose: Target,
    table: dict[str, Any],
    code: str,
) -> None:
    assert loose.project.root.exists()
    with pytest.raises(NoxPexError) as caught:
        build(make_target(**table))
    assert caught.value.code == code
    assert build.ran == []


# A packaged project


@pytest.fixture
def packaged(make_target: MakeTarget, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A binary of a packaged project, whose build backend writes a small wheel."""
    target = make_target(package_mode=True, entry_point="shop:main")
    target.project.file.write_text("[project]\n", "utf-8")

    def build_wheel_of(_project: Any, *, into: Path, **_options: Any) -> Path:
        return write_wheel(into / WHEEL, {"shop/__init__.py": b"def main(): ...\n"})

    monkeypatch.setattr(build_wheel, "build_wheel", build_wheel_of)
    return target


def test_a_package_goes_into_the_binary_as_its_wheel(build: Build, packaged: Target, shown: list[str]) -> None:
    built = build(packaged)
    assert len(build.ran) == 1
    assert built.version == "1.0"
    assert "shop/__init__.py" in built.shipped
    assert built.distributions == (("idna", "1.0"), ("shop", "1.0"))
    assert shown == ["pex: building the wheel of shop"]
    with zipfile.ZipFile(built.path) as archive:
        assert archive.read(f".deps/{WHEEL}/shop/__init__.py") == b"def main(): ...\n"
        info = json.loads(archive.read("PEX-INFO"))
    assert info["requirements"] == ["idna==1.0", "shop==1.0"]
    assert list(info["distributions"]) == [IDNA, WHEEL]
    assert info["entry_point"] == "shop:main"


def test_pex_gets_a_package_as_a_project(build: Build, packaged: Target) -> None:
    build(packaged, from_scratch=True)
    assert Path(after(build.ran[1], "--project")).name == WHEEL
    assert "--sources-directory" not in build.ran[1]


def test_after_an_edit_of_a_package_its_wheel_is_replaced(
    build: Build, packaged: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(packaged)
    files = {"shop/__init__.py": b"def main(): return 1\n"}
    monkeypatch.setattr(build_wheel, "build_wheel", lambda _project, *, into, **_: write_wheel(into / WHEEL, files))
    built = build(packaged)
    assert build.ran == []
    with zipfile.ZipFile(built.path) as archive:
        assert archive.read(f".deps/{WHEEL}/shop/__init__.py") == files["shop/__init__.py"]
        assert f".deps/{IDNA}/idna/core.py" in archive.namelist()


def test_a_wheel_with_a_secret_stops_the_build(build: Build, packaged: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        build_wheel, "build_wheel", lambda _project, *, into, **_: write_wheel(into / WHEEL, {"shop/.env": b""})
    )
    with pytest.raises(NoxPexError) as caught:
        build(packaged)
    assert caught.value.code == "leak"
    assert build.ran == []


@pytest.mark.parametrize("name", ["größe", "job%2Ffeature", "a#b", "what?", "new\nline", "a;b", "egg=x"])
def test_pex_gets_wheels_with_plain_paths(
    build: Build, packaged: Target, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Pex makes requirements and URLs of them."""
    seen: list[bool] = []

    def look(argv: Sequence[str]) -> None:
        if "--project" in argv:
            seen.append(Path(after(argv, "--project")).is_file())
        write_pex(argv)

    def build_wheel_of(_project: Any, *, into: Path, **_options: Any) -> Path:
        (into / name).mkdir()
        return write_wheel(into / name / WHEEL, {"shop/__init__.py": b""})

    monkeypatch.setattr(build_wheel, "build_wheel", build_wheel_of)
    build(packaged, act=look, from_scratch=True)
    path = after(build.ran[1], "--project")
    assert plain_paths.is_plain(Path(path))
    assert Path(path).name == WHEEL
    assert seen == [True]
    assert not Path(path).exists()  # the copy was temporary
