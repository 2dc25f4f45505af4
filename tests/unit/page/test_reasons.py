"""Why a distribution is in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from nox_pex.evidence.sbom.bill import Bill, Component, Tool
from nox_pex.page import reasons
from nox_pex.page.reasons import Reason
from nox_pex.poetry.lock import Lock, Package
from nox_pex.poetry.selection import Selection
from nox_pex.project.pyproject import Project
from tests.support.targets import target_of

NAMES = ("shop", "fastapi", "starlette", "anyio", "idna", "orphan")


def bill_of(dependencies: Mapping[str, tuple[str, ...]], *names: str) -> Bill:
    components = [Component(ref=name, type="library", name=name, version="1") for name in names or NAMES]
    root = Component(ref="binary:shop", type="application", name="shop", version="1")
    runtime = Component(ref="runtime:pex@2", type="library", name="pex", version="2")
    return Bill(
        root=root,
        components=(*components, runtime),
        dependencies=dependencies,
        graph="complete",
        timestamp="",
        author="",
        tool=Tool(name="nox-pex", version="0"),
    )


def known(**via: str) -> dict[Any, str]:
    return {canonicalize_name(name): each for name, each in via.items()}


def lock_of(**dependencies: tuple[str, ...]) -> Lock:
    packages = tuple(
        Package(
            name=canonicalize_name(name),
            version="1",
            hashes=(),
            source=None,
            dependencies=tuple(map(canonicalize_name, needed)),
        )
        for name, needed in dependencies.items()
    )
    return Lock(path=Path("poetry.lock"), digest="", packages=packages)


GRAPH = {"fastapi": ("starlette", "anyio"), "starlette": ("anyio",), "anyio": ("idna",), "idna": ("anyio",)}


def test_the_path_is_the_shortest_one_from_a_direct_dependency() -> None:
    found = reasons.of_bill(bill_of(GRAPH), known=known(fastapi=""), lock=None, project="shop")
    assert found["fastapi"] == Reason(path=("fastapi",), is_direct=True)
    assert found["idna"] == Reason(path=("fastapi", "anyio", "idna"), is_direct=False)
    assert found["shop"] == Reason()
    assert found["orphan"] == Reason()
    assert "runtime:pex@2" not in found


def test_of_two_paths_of_the_same_length_the_main_group_comes_first() -> None:
    declared = known(starlette="group docs", fastapi="")
    found = reasons.of_bill(bill_of(GRAPH), known=declared, lock=None, project="shop")
    assert found["starlette"] == Reason(path=("starlette",), via="group docs", is_direct=True)
    assert found["anyio"].path == ("fastapi", "anyio")


def test_the_lock_explains_what_no_metadata_asks_for() -> None:
    lock = lock_of(idna=("orphan",), anyio=("fastapi",))
    found = reasons.of_bill(bill_of(GRAPH), known=known(fastapi=""), lock=lock, project="shop")
    assert found["orphan"].path == ("fastapi", "anyio", "idna", "orphan")
    assert found["fastapi"].path == ("fastapi",)


def test_of_an_unknown_file_the_own_wheel_says_what_is_needed() -> None:
    graph = {**GRAPH, "shop": ("starlette",)}
    found = reasons.of_bill(bill_of(graph), known=None, lock=None, project="shop")
    assert found["idna"] == Reason(path=("starlette", "anyio", "idna"))
    assert found["fastapi"] == Reason()


def test_of_an_unknown_file_without_an_own_wheel_that_is_what_nothing_needs() -> None:
    found = reasons.of_bill(bill_of(GRAPH), known=None, lock=None, project="other")
    assert found["idna"].path == ("fastapi", "anyio", "idna")
    assert found["orphan"].path == ("orphan",)


DOCUMENT = {
    "project": {
        "dependencies": ["FastAPI>=0.1", "anyio; python_version < '4'"],
        "optional-dependencies": {"TLS": ["cryptography"], "other": ["unused"]},
    },
    "dependency-groups": {
        "docs": ["sphinx", {"include-group": "theme"}],
        "theme": ["furo", {"include-group": "docs"}, "=="],
    },
    "tool": {
        "poetry": {
            "dependencies": {"python": ">=3.11", "psycopg": {"version": "*", "optional": True}},
            "extras": {"db": ["psycopg"]},
            "group": {"lint": {"dependencies": {"ruff": "*"}}},
            "dev-dependencies": {"pytest": "*"},
        }
    },
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made: Any = target_of(tmp_path / "shop.pex", root=tmp_path).project
    return Project(**{**{name: getattr(made, name) for name in made.__struct_fields__}, "document": DOCUMENT})


@pytest.mark.parametrize(
    ("groups", "extras", "expected"),
    [
        (("main",), (), {"fastapi": "", "anyio": "", "psycopg": ""}),
        (("main",), ("db",), {"fastapi": "", "anyio": "", "psycopg": "extra db"}),
        (("main",), ("tls",), {"fastapi": "", "anyio": "", "psycopg": "", "cryptography": "extra TLS"}),
        (("docs",), (), {"sphinx": "group docs", "furo": "group docs"}),
        (("dev", "lint"), (), {"pytest": "group dev", "ruff": "group lint"}),
    ],
)
def test_each_group_and_extra_declares_its_dependencies(
    project: Project, groups: tuple[str, ...], extras: tuple[str, ...], expected: dict[str, str]
) -> None:
    assert reasons.declared(project, Selection(groups=groups, extras=extras)) == expected
