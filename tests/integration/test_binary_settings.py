"""Each key of a binary's table has its effect on the binary."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from nox_pex.smoke import python_options
from nox_pex.system import locks
from tests.support.binaries import answer, launch, members, pex_info, source_members
from tests.support.commands import run
from tests.support.nox_project import Project, built_files, copy_fixture_project

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"

Check: TypeAlias = Callable[[Path, Path], None]
"""A check takes the binary and an empty directory to run it in."""


def compressed(binary: Path) -> set[bool]:
    """Whether the members that are not empty are compressed: one value, if all are alike."""
    with zipfile.ZipFile(binary) as archive:
        return {info.compress_type != zipfile.ZIP_STORED for info in archive.infolist() if info.file_size}


def first_line(path: Path) -> str:
    with path.open("rb") as file:
        return file.readline().decode().rstrip("\n")


def report_of(binary: Path, home: Path) -> dict[str, Any]:
    """Run the binary, and return what it says about its process."""
    return answer(binary, home=home)


def runs_as_a_directory(binary: Path, home: Path) -> bool:
    """Whether its `__main__.py` runs. A copy is run, because Python leaves bytecode in it."""
    copy = shutil.copytree(binary, home / "copy")
    return bool(answer(copy / "__main__.py", home=home)["stock"] == "seven apples")


def site_file(report: dict[str, Any], name: str) -> Path:
    """The path of an installed file in the environment that the binary created."""
    (found,) = Path(report["prefix"]).glob(f"lib/python*/site-packages/{name}")
    return found


def defaults(binary: Path, home: Path) -> None:
    report = answer(binary, "--a", home=home, env={"PEX_VERBOSE": "0"})
    assert first_line(binary) == "#!/bin/sh"
    assert report["said"] == "counter"
    assert report["arguments"] == ["--a"]
    assert "/venvs/" in report["executable"]
    assert "PEX_VERBOSE" not in report["environ"]
    assert compressed(binary) == {True}
    assert not [name for name in members(binary) if name.endswith(".pyc")]
    assert ".deps/idna-3.11-py3-none-any.whl/idna/__init__.py" in members(binary)
    assert pex_info(binary)["interpreter_constraints"] == [f"CPython=={PYTHON.removeprefix('python')}.*"]
    assert pex_info(binary)["max_install_jobs"] == 1
    assert pex_info(binary)["emit_warnings"] is True
    assert Path(report["executable"]).is_symlink()
    assert not report["environ"]["PATH"].startswith(report["prefix"])


def layout_packed(binary: Path, home: Path) -> None:
    assert ".deps/idna-3.11-py3-none-any.whl" in members(binary)
    assert runs_as_a_directory(binary, home)


def layout_loose(binary: Path, home: Path) -> None:
    assert ".deps/idna-3.11-py3-none-any.whl/idna/__init__.py" in members(binary)
    assert runs_as_a_directory(binary, home)


def mode_zipapp(binary: Path, home: Path) -> None:
    report = report_of(binary, home)
    assert "/venvs/" not in report["executable"]
    assert report["stock"] == "seven apples"
    assert report["distributions"][0] == "idna"
    assert not has_tools(binary, home)
    check_ignored_variables(binary, home, ignored=False)


def no_sh_boot(binary: Path, home: Path) -> None:
    assert first_line(binary) == f"#!/usr/bin/env {PYTHON}"
    assert report_of(binary, home)["said"] == "counter"


def shebang(binary: Path, home: Path) -> None:
    assert first_line(binary) == "#!/usr/bin/env -S python3 -s"
    assert run([sys.executable, str(binary)], cwd=home, env={"HOME": str(home)}).status == 0


def not_compressed(binary: Path, home: Path) -> None:
    assert compressed(binary) == {False}
    assert report_of(binary, home)["said"] == "counter"


def compiled(binary: Path, home: Path) -> None:
    assert {"counter.pyc", "errand.pyc", "wares/__init__.pyc"} < set(members(binary))
    with zipfile.ZipFile(binary) as archive:
        assert os.fsencode(binary.parents[1]) not in archive.read("counter.pyc")
    assert report_of(binary, home)["said"] == "counter"


def wheels_as_they_are(binary: Path, home: Path) -> None:
    assert ".deps/idna-3.11-py3-none-any.whl" in members(binary)
    assert report_of(binary, home)["distributions"] == ["idna"]


def install_jobs(binary: Path, home: Path) -> None:
    assert pex_info(binary)["max_install_jobs"] == 3
    assert report_of(binary, home)["distributions"] == ["idna"]


def injected(binary: Path, home: Path) -> None:
    report = answer(binary, "last", home=home, env={"OUTER": "set"})
    assert report["arguments"] == ["--port", "a b", "it's", '"$HOME"', "last"]
    assert report["environ"]["GREETING"] == 'a=b c, it\'s "so"'
    assert report["environ"]["OUTER"] == "set"
    assert report["flags"]["dev_mode"]
    assert report["flags"]["optimize"] > 0
    assert answer(binary, home=home, env={"GREETING": "mine"})["environ"]["GREETING"] == "mine"


def constrained(binary: Path, home: Path) -> None:
    assert pex_info(binary)["interpreter_constraints"] == ["CPython<4,>=3.10"]
    assert report_of(binary, home)["said"] == "counter"


def pex_env_stays(binary: Path, home: Path) -> None:
    assert answer(binary, home=home, env={"PEX_VERBOSE": "0"})["environ"]["PEX_VERBOSE"] == "0"


def long_pex_root(home: Path) -> dict[str, str]:
    """A `PEX_ROOT` that is too long for the shebangs of scripts, so that pex warns."""
    return {"PEX_ROOT": str(home / ("long" * 30))}


def no_warnings(binary: Path, home: Path) -> None:
    result = launch(binary, home=home, env=long_pex_root(home))
    assert "PEXWarning" not in result.output
    assert '"seven apples"' in result.output


def warnings(binary: Path, home: Path) -> None:
    assert "PEXWarning" in launch(binary, home=home, env=long_pex_root(home)).output


def has_tools(binary: Path, home: Path) -> bool:
    result = launch(binary, "info", home=home, env={"PEX_TOOLS": "1"})
    return result.status == 0 and '"entry_point"' in result.output


def with_tools(binary: Path, home: Path) -> None:
    assert has_tools(binary, home)


def copies(binary: Path, home: Path) -> None:
    assert not Path(report_of(binary, home)["executable"]).is_symlink()


def site_packages_copies(binary: Path, home: Path) -> None:
    file = site_file(report_of(binary, home), "idna")
    assert not any(path.is_symlink() for path in (file, file / "__init__.py"))


def site_packages_links(binary: Path, home: Path) -> None:
    file = site_file(report_of(binary, home), "idna")
    assert any(path.is_symlink() for path in (file, file / "__init__.py"))


def script(binary: Path, home: Path) -> None:
    result = launch(binary, "--help", home=home)
    assert result.output.startswith("Usage: tabulate"), result.output


def script_obeys_pythonpath(binary: Path, home: Path) -> bool:
    """Whether a script in the binary's environment imports from `PYTHONPATH`."""
    script = Path(report_of(binary, home)["prefix"]) / "bin" / "tabulate"
    (home / "path").mkdir()
    (home / "path" / "tabulate.py").write_text("def _main():\n    print('from the path')\n", "utf-8")
    result = launch(script, "--help", home=home, env={"PYTHONPATH": str(home / "path")})
    assert result.status == 0, result.output
    return result.output == "from the path\n"


def check_ignored_variables(binary: Path, home: Path, *, ignored: bool) -> None:
    """Check that the smoke test knows which variables the Python of the binary ignores."""
    options = python_options.of_binary(binary)
    assert options is not None
    for others in ({}, {"PYTHONPATH": str(home)}) if options.is_venv else ({},):
        env = {"PYTHONDEVMODE": "1", **others}
        assert answer(binary, home=home, env=env)["flags"]["dev_mode"] is not ignored
        assert options.ignored(env) == (sorted(env) if ignored else [])


def not_hermetic_scripts(binary: Path, home: Path) -> None:
    assert script_obeys_pythonpath(binary, home)
    check_ignored_variables(binary, home, ignored=False)


def hermetic_scripts(binary: Path, home: Path) -> None:
    assert not script_obeys_pythonpath(binary, home)
    check_ignored_variables(binary, home, ignored=True)


def bin_first(binary: Path, home: Path) -> None:
    report = report_of(binary, home)
    assert report["environ"]["PATH"].split(os.pathsep)[0] == f"{report['prefix']}/bin"


def bin_last(binary: Path, home: Path) -> None:
    report = report_of(binary, home)
    assert report["environ"]["PATH"].split(os.pathsep)[-1] == f"{report['prefix']}/bin"


def runtime_pex_root(binary: Path, home: Path) -> None:
    report = answer(binary, home=home)
    assert report["prefix"].startswith(str(home / "kept"))


def without_idna(binary: Path, home: Path) -> None:
    assert not [name for name in members(binary) if "idna" in name]
    assert report_of(binary, home)["distributions"] == []


def module(binary: Path, home: Path) -> None:
    assert report_of(binary, home)["said"] == "counter"


def script_file(binary: Path, home: Path) -> None:
    assert launch(binary, "run", home=home).output == "errand xn--eckwd4c7c run\n"


def inherits(binary: Path, home: Path) -> None:
    assert pex_info(binary)["inherit_path"] == "fallback"
    assert report_of(binary, home)["said"] == "counter"


def chosen_sources(binary: Path, home: Path) -> None:
    assert source_members(binary) == ["counter.py", "templates/page.html", "wares/__init__.py", "wares/stock.txt"]
    assert report_of(binary, home)["stock"] == "seven apples"


def more_groups(binary: Path, home: Path) -> None:
    assert report_of(binary, home)["distributions"] == ["h11", "idna", "iniconfig"]


def only_one_group(binary: Path, home: Path) -> None:
    assert report_of(binary, home)["distributions"] == ["h11"]


COUNTER = 'entry-point = "counter:main"\n'
INJECTIONS = """\
inject-args = ["--port", "a b", "it's", '"$HOME"']
inject-env = { GREETING = "a=b c, it's \\"so\\"" }
inject-python-args = ["-X", "dev", "-O"]
"""

KEYS: dict[str, tuple[str, Check]] = {
    "defaults": (COUNTER, defaults),
    "layout=packed": (f'{COUNTER}layout = "packed"', layout_packed),
    "layout=loose": (f'{COUNTER}layout = "loose"', layout_loose),
    "execution-mode=zipapp": (f'{COUNTER}execution-mode = "zipapp"', mode_zipapp),
    "sh-boot=false": (f"{COUNTER}sh-boot = false", no_sh_boot),
    "python-shebang": (f'{COUNTER}sh-boot = false\npython-shebang = "/usr/bin/env -S python3 -s"', shebang),
    "compress=false": (f"{COUNTER}compress = false", not_compressed),
    "compile": (f"{COUNTER}compile = true", compiled),
    "pre-install-wheels=false": (f"{COUNTER}pre-install-wheels = false", wheels_as_they_are),
    "max-install-jobs": (f"{COUNTER}max-install-jobs = 3", install_jobs),
    "inject": (f"{COUNTER}{INJECTIONS}", injected),
    "interpreter-constraints": (f'{COUNTER}interpreter-constraints = ["CPython>=3.10,<4"]', constrained),
    "strip-pex-env=false": (f"{COUNTER}strip-pex-env = false", pex_env_stays),
    "emit-warnings": (f"{COUNTER}emit-warnings = true", warnings),
    "emit-warnings=false": (f"{COUNTER}emit-warnings = false", no_warnings),
    # A venv binary always includes pex's tools.
    "include-tools": (f'{COUNTER}execution-mode = "zipapp"\ninclude-tools = true', with_tools),
    "venv-copies": (f"{COUNTER}venv-copies = true", copies),
    "venv-site-packages-copies": (f"{COUNTER}venv-site-packages-copies = true", site_packages_copies),
    "venv-site-packages-copies=false": (f"{COUNTER}venv-site-packages-copies = false", site_packages_links),
    "venv-hermetic-scripts=false": (
        f'{COUNTER}venv-hermetic-scripts = false\ngroups = ["main", "tables"]',
        not_hermetic_scripts,
    ),
    "venv-hermetic-scripts": (f'{COUNTER}groups = ["main", "tables"]', hermetic_scripts),
    "venv-bin-path=prepend": (f'{COUNTER}venv-bin-path = "prepend"', bin_first),
    "venv-bin-path=append": (f'{COUNTER}venv-bin-path = "append"', bin_last),
    "runtime-pex-root": (f'{COUNTER}runtime-pex-root = "~/kept"', runtime_pex_root),
    "validate-entry-point": (f"{COUNTER}validate-entry-point = true", module),
    "check=none": (f'{COUNTER}check = "none"', module),
    "check=warn": (f'{COUNTER}check = "warn"', module),
    "exclude": (f'{COUNTER}exclude = ["idna"]', without_idna),
    "entry-point, a module alone": ('entry-point = "counter"', module),
    "executable": ('executable = "errand.py"', script_file),
    "script": ('script = "tabulate"\ngroups = ["tables"]', script),
    "pex-args": (f'{COUNTER}pex-args = ["--inherit-path=fallback"]', inherits),
    "sources": (f'{COUNTER}sources = {{ include = ["templates/"], exclude = ["errand.py"] }}', chosen_sources),
    "groups, extras": (f'{COUNTER}groups = ["main", "server"]\nextras = ["ini"]', more_groups),
    "groups without main": (f'{COUNTER}groups = ["server"]', only_one_group),
}


def name_of(key: str) -> str:
    """The name of the binary for a key."""
    return re.sub(r"[^a-z0-9]+", "-", key)


@pytest.fixture
def keys(shared: Path, environ: dict[str, str]) -> Project:
    """A project with a binary for each key. All are built once in this run of pytest; tests only read them."""
    project = Project(root=shared / "built" / "keys", environ=environ)
    with locks.locked(shared / "built" / "keys.lock", waiting=lambda: None):
        if not (project.root / "complete").exists():
            shutil.rmtree(project.root, ignore_errors=True)
            copy_fixture_project("loose", project.root)
            tables = [f"[tool.nox-pex.binary.{name_of(key)}]\n{settings}\n" for key, (settings, _) in KEYS.items()]
            project.edit("pyproject.toml", f"[tool.nox-pex.binary.loose]\n{COUNTER}", "\n".join(tables))
            project.write_noxfile()
            project.nox("-s", "pex")
            (project.root / "complete").touch()
    return project


@pytest.mark.parametrize("key", KEYS)
def test_a_key_has_its_effect_on_the_binary(keys: Project, home: Path, key: str) -> None:
    _, check = KEYS[key]
    binary, record = keys.binary(name_of(key)), keys.record(name_of(key))
    check(binary, home)
    shipped = {Path(name).parts[1] for name in members(binary) if name.startswith(".deps/")}
    assert {f"{found['name']}-{found['version']}" for found in record["distributions"]} == {
        name.partition("-py")[0] for name in shipped
    }


def test_a_packed_binary_replaces_a_file_and_a_file_replaces_it_again(
    built: Callable[[str], Project], home: Path
) -> None:
    loose = built("loose")
    loose.add_setting('layout = "packed"')
    loose.nox("-s", "pex")
    assert loose.binary("loose").is_dir()
    (loose.root / "wares" / "stock.txt").write_text("nine figs", "utf-8")
    loose.nox("-s", "pex")
    assert (loose.binary("loose") / "wares" / "stock.txt").read_text("utf-8") == "nine figs"
    assert loose.nox("-s", "pex").said("pex: loose unchanged")
    (loose.binary("loose") / "PEX-INFO").write_text("{}", "utf-8")
    assert loose.nox("-s", "pex").said("rebuilding loose: the directory was changed after it was built")
    loose.edit("pyproject.toml", '"packed"', '"zipapp"')
    loose.nox("-s", "pex")
    assert answer(loose.binary("loose"), home=home)["stock"] == "nine figs"
    assert loose.dist().keys() == built_files("loose")


def test_a_binary_without_any_distribution_runs(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", "dev = [", "empty = []\ndev = [")
    loose.add_setting('groups = ["empty"]')
    loose.relock()
    loose.nox("-s", "pex")
    assert answer(loose.binary("loose"), home=home)["distributions"] == []
    assert loose.record("loose")["distributions"] == []


def test_validate_entry_point_refuses_an_entry_point_that_cannot_be_imported(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", '"counter:main"', '"counter:nobody"')
    loose.add_setting("validate-entry-point = true")
    loose.refused("build-failed", "-s", "pex")
