from __future__ import annotations

from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from nox_pex.distributions.target_python import TargetPython
from nox_pex.evidence.sbom import graph
from nox_pex.evidence.sbom.graph import Node
from nox_pex.poetry.selection import Selection
from nox_pex.project.pyproject import Project
from tests.support.platforms import target
from tests.support.targets import target_of

LINUX, MACOS = target("linux").python, target("macos", sys_platform="darwin", platform_system="Darwin").python


def node(name: str, *requirements: str, version: str = "1.0", targets: tuple[int, ...] = (0,)) -> Node:
    lines = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    return Node(
        ref=f"{name}@{version}",
        name=canonicalize_name(name),
        version=version,
        metadata=f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}\nRequires-Dist: text\n",
        targets=frozenset(targets),
    )


def edges(*nodes: Node, pythons: tuple[TargetPython, ...] = (LINUX,)) -> dict[str, set[str]]:
    return {ref: needed for ref, needed in graph.edges(nodes, pythons).items() if needed}


def test_markers_and_extras_count_as_they_apply() -> None:
    found = edges(
        node("app", "web[fast] >= 1", "colorama ; sys_platform == 'win32'", "gone", "Not_There >= x"),
        node("web", "loop ; extra == 'fast'", "docs ; extra == 'doc'", "app"),
        node("loop", "loop"),
        node("docs"),
        node("colorama"),
    )
    assert found == {"app@1.0": {"web@1.0"}, "web@1.0": {"loop@1.0", "app@1.0"}}


def test_the_graph_of_several_platforms_is_their_union() -> None:
    app = node("app", "loop ; sys_platform == 'linux'", "bridge ; sys_platform == 'darwin'", targets=(0, 1))
    old, new = node("loop", version="1.0"), node("loop", version="2.0", targets=(1,))
    bridge = node("bridge", "loop", targets=(1,))
    assert edges(app, old, new, bridge, pythons=(LINUX, MACOS)) == {
        "app@1.0": {"loop@1.0", "bridge@1.0"},
        "bridge@1.0": {"loop@2.0"},
    }


def test_metadata_that_no_tool_can_parse_has_no_edges() -> None:
    broken = node("app", "web (>=1.0.*)", "???", "web @ file:///home/joe/web")
    assert edges(broken, node("web")) == {"app@1.0": {"web@1.0"}}


def test_everything_is_reached_from_the_file() -> None:
    found = {"a": {"b"}, "b": set(), "c": {"d"}, "d": {"c"}, "e": {"b"}}
    assert graph.connected(found, ["a"]) == ("a", "c", "e")
    assert graph.connected(found, []) == ("a", "c", "e")
    assert graph.connected({}, []) == ()


def project(document: dict[str, Any]) -> Project:
    made = target_of(Path("x"), root=Path())
    return Project(
        **{**{field: getattr(made.project, field) for field in Project.__struct_fields__}, "document": document}
    )


def test_declared_dependencies_are_those_of_the_groups_and_extras() -> None:
    document = {
        "project": {"dependencies": ["A-a>=1", "???"], "optional-dependencies": {"Fast": ["f"], "slow": ["s"]}},
        "dependency-groups": {"server": ["g", {"include-group": "dev"}], "dev": ["d"]},
        "tool": {
            "poetry": {"dependencies": {"python": "*", "P_p": "*"}, "group": {"server": {"dependencies": {"q": 1}}}}
        },
    }
    names = graph.declared(project(document), Selection(groups=("main", "server"), extras=("fast",)))
    assert names == {"a-a", "f", "g", "python", "p-p", "q"}
    assert graph.declared(project(document), Selection(groups=("dev",), extras=())) == {"d"}
    assert graph.declared(project({}), Selection(groups=("main",), extras=())) == set()
