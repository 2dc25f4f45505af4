"""The rooms of the package stand in the order in which a lock travels, and imports run one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import nox_pex

PACKAGE = Path(nox_pex.__file__).parent

ROOMS = (
    *("system", "settings", "distributions", "tools", "project", "poetry", "platforms", "build"),
    *("smoke", "verify", "image", "steps"),
)
"""A module may import from its own room and from those before it."""

GROUND = {"errors", "version"}
FRONTS = {"__init__", "sessions", "invoke"}
ELSEWHERE = {"smoke/process/supervisor.py", "smoke/process/confine.py", "platforms/poetry_script.py"}
"""Modules that run in a process that has no nox-pex."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def name(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def room(module: str) -> str:
    return module.partition(".")[0]


def imports(module: Path) -> Iterator[tuple[ast.stmt, str]]:
    """The modules of the package that one imports, wherever the import stands: dotted names without `nox_pex.`."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "nox_pex":
            base = (node.module or "").removeprefix("nox_pex").lstrip(".")
            for alias in node.names:
                dotted = f"{base}.{alias.name}".lstrip(".")
                path = PACKAGE / dotted.replace(".", "/")
                yield node, dotted if path.is_dir() or path.with_suffix(".py").is_file() else base
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name[8:]) for alias in node.names if alias.name.startswith("nox_pex."))


def test_every_module_has_a_room() -> None:
    found = {name(module).removesuffix(".py").partition("/")[0] for module in MODULES}

    assert found == {*ROOMS, *GROUND, *FRONTS}


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_imports_run_one_way(module: Path) -> None:
    own = name(module).removesuffix(".py").partition("/")[0]
    before = ROOMS[: ROOMS.index(own) + 1] if own in ROOMS else ()
    allowed = GROUND | ({*ROOMS, *FRONTS} if own in FRONTS else {*before})

    assert {room(imported) for _, imported in imports(module)} <= allowed


def test_no_modules_import_each_other() -> None:
    left = {
        name(module).removesuffix(".py").removesuffix("/__init__").replace("/", "."): {i for _, i in imports(module)}
        for module in MODULES
    }
    while free := {module for module, needs in left.items() if not needs & left.keys()}:
        left = {module: needs for module, needs in left.items() if module not in free}

    assert not left


@pytest.mark.parametrize("module", [module for module in MODULES if name(module) not in ELSEWHERE], ids=name)
def test_imports_stand_at_the_top(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]

    assert not [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_file_fits_in_the_head(module: Path) -> None:
    text = module.read_text("utf-8")
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]

    assert len(text.splitlines()) <= 400
    assert all(sum(isinstance(part, ast.FunctionDef) for part in each.body) <= 13 for each in classes)
