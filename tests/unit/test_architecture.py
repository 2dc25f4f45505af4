"""The rooms of the package, in the order in which a lock becomes a binary. Imports run in one direction only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nox_pex

PACKAGE = Path(nox_pex.__file__).parent

ROOMS = (
    *("system", "screen", "settings", "distributions", "tools", "oci", "registry", "project", "poetry", "platforms"),
    *("pex", "smoke", "verify", "evidence", "image", "contents", "page", "steps"),
)
"""A module may import from its room and from the rooms before it."""

FOUNDATION = {"errors", "site", "version"}
"""Modules that every module may import."""

ESCAPING = {"system.outside_text", "system.log_excerpt", "system.lazy"}
"""The imports of `errors`, so that no error can be shown with raw text from outside, or with all of a long log."""

FRONTENDS = {
    "__init__",
    "__main__",
    "command_line",
    "sessions",
    "register_arguments",
    "nox_help",
    "nox_queue",
    "nox_screen",
    "required_session",
    "invoke",
    "pre_commit",
}
"""Modules that may import from every room."""

STANDALONE = {
    *(f"smoke/process/{module}.py" for module in ("supervisor", "start", "pid_namespace", "process_table", "kernel")),
    *(f"smoke/process/{module}.py" for module in ("confine", "root_file_system")),
    "platforms/poetry_script.py",
    "evidence/sbom/cyclonedx_script.py",
}
"""Modules that run in a process without nox-pex."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def name(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def room(module: str) -> str:
    return module.partition(".")[0]


def imports(module: Path) -> Iterator[tuple[ast.stmt, str]]:
    """Every import of a module of the package: the statement, and the dotted name without `nox_pex.`."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "nox_pex":
            base = (node.module or "").removeprefix("nox_pex").lstrip(".")
            for alias in node.names:
                dotted = f"{base}.{alias.name}".lstrip(".")
                path = PACKAGE / dotted.replace(".", "/")
                yield node, dotted if path.is_dir() or path.with_suffix(".py").is_file() else base
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name[8:]) for alias in node.names if alias.name.startswith("nox_pex."))


def test_every_module_is_in_a_room() -> None:
    found = {name(module).removesuffix(".py").partition("/")[0] for module in MODULES}

    assert found == {*ROOMS, *FOUNDATION, *FRONTENDS}


def test_the_page_for_developers_lists_the_rooms_in_their_order() -> None:
    page = (PACKAGE.parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    table = page.partition("| room | what it holds |")[2].partition("\n\n")[0]

    assert tuple(re.findall(r"^\| `(\w+)` \| ", table, re.MULTILINE)) == ROOMS


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_imports_only_from_its_room_and_earlier_ones(module: Path) -> None:
    own_room = name(module).removesuffix(".py").partition("/")[0]
    up_to_own = ROOMS[: ROOMS.index(own_room) + 1] if own_room in ROOMS else ()
    allowed = FOUNDATION | ({*ROOMS, *FRONTENDS} if own_room in FRONTENDS else {*up_to_own})

    needed = {imported for _, imported in imports(module)} - (ESCAPING if own_room == "errors" else set())

    assert {room(imported) for imported in needed} <= allowed


def test_there_is_no_circle_of_imports() -> None:
    remaining = {
        name(module).removesuffix(".py").removesuffix("/__init__").replace("/", "."): {i for _, i in imports(module)}
        for module in MODULES
    }
    while free := {module for module, needed in remaining.items() if not needed & remaining.keys()}:
        remaining = {module: needed for module, needed in remaining.items() if module not in free}

    assert not remaining


@pytest.mark.parametrize("module", [module for module in MODULES if name(module) not in STANDALONE], ids=name)
def test_imports_are_at_the_top_of_the_file(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]

    assert not [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_file_has_at_most_400_lines_and_a_class_13_methods(module: Path) -> None:
    text = module.read_text("utf-8")
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]

    assert len(text.splitlines()) <= 400
    assert all(sum(isinstance(part, ast.FunctionDef) for part in each.body) <= 13 for each in classes)


def imported_names(module: Path) -> set[str]:
    """The top-level packages that a module imports."""
    nodes = list(ast.walk(ast.parse(module.read_text("utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_there_is_one_door_to_subprocesses() -> None:
    """`program.py` starts the supervisor, and `build_wheel.py` raises the error that its library expects."""
    users = {name(module) for module in MODULES if "subprocess" in imported_names(module)} - STANDALONE

    assert users == {"system/command.py", "smoke/process/program.py", "project/build_wheel.py"}


def test_data_is_in_structs() -> None:
    users = {name(module) for module in MODULES if {"dataclasses", "attrs", "attr"} & imported_names(module)}

    assert users <= STANDALONE
