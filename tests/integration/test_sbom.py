"""The bill of materials of a finished binary, read by the library that others read it with."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.support.git_repository import GitRepository
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.poetry_package import package_files

WriteProject = Callable[..., Project]

PYPROJECT = """\
[tool.poetry]
name = "shop"
version = "1.2"
package-mode = false
authors = ["The Shop <shop@example.org>"]

[tool.poetry.dependencies]
python = ">=3.10"
idna = "*"
anyio = "*"
shelf = {{ path = "shelf" }}
wares = {{ git = "{url}", tag = "v1" }}

[tool.nox-pex.binary.shop]
entry-point = "main:main"
exclude = ["sniffio", "typing-extensions"]

[tool.nox-pex.sbom]
deny-licenses = ["AGPL-3.0-only"]
"""


def read(project: Project, name: str) -> tuple[dict[str, Any], Bom]:
    """The bill of a binary, valid by CycloneDX's own strict validator, and with the NTIA minimum elements."""
    text = (project.root / "dist" / f"{name}.cdx.json").read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    bom: Bom = Bom.from_json(document)  # type: ignore[attr-defined]  # its decorator adds it
    root = bom.metadata.component
    assert root is not None
    assert bom.metadata.timestamp is not None
    assert [author.name for author in bom.metadata.authors]
    depending = {dependency.ref for dependency in bom.dependencies}
    for each in (root, *bom.components):
        assert each.name
        assert each.version
        assert each.supplier is not None
        assert each.supplier.name
        assert each.purl is not None or each.hashes
        assert each.bom_ref in depending
    refs = {each.bom_ref.value for each in (root, *bom.components)}
    assert len(refs) == len(bom.components) + 1
    aggregates = {tuple(each): each["aggregate"] for each in document["compositions"]}
    assert set(aggregates.values()) == {"complete"}
    assert set(document["compositions"][1]["dependencies"]) == refs
    assert str(project.root) not in text
    return document, bom


def properties(component: Component) -> dict[str | None, str | None]:
    return {each.name: each.value for each in component.properties}


def assert_same_bytes_elsewhere(shop: Project, into: Path) -> None:
    before = (shop.root / "dist" / "shop.cdx.json").read_bytes()
    assert shop.nox("-s", "sbom").said("sbom: shop unchanged")
    moved = Project(root=into, environ=shop.environ)
    shutil.copytree(shop.root, moved.root, ignore=shutil.ignore_patterns(".nox", "dist"))
    moved.nox("-s", "sbom", env={"PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo"})
    assert (moved.root / "dist" / "shop.cdx.json").read_bytes() == before


def assert_nothing_is_known_of_another_file(shop: Project, other: Path) -> None:
    shutil.copy(shop.binary("shop"), other)
    shop.nox("-s", "sbom", "--", "--binary", str(other))
    document = json.loads((shop.root / "dist" / "shop.cdx.json").read_text("utf-8"))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    assert not [each for each in document["components"] if "hashes" in each]
    assert "no build record describes this file" in json.dumps(document["metadata"]["properties"])


def assert_the_policy_counts(shop: Project) -> None:
    """It names every distribution that it refuses, each time, and the entries that accept it."""
    shop.edit("pyproject.toml", "deny-licenses = [", 'allow-licenses = ["MIT"]\ndeny-licenses = [')
    for _ in range(2):
        result = shop.run("-s", "sbom")
        assert result.status != 0
        (line,) = [line for line in result.output.splitlines() if "error[license]" in line]
        assert "wares 1.0 (no licence)" in line
        assert "idna" in line
        assert "shelf" not in line
    entries = re.findall(r'"([^" ]+)"(?=,|\.|$)', line.partition("accept them")[2])
    shop.edit("pyproject.toml", '["MIT"]', json.dumps(["MIT", *entries]))
    shop.nox("-s", "sbom")
    shop.edit("pyproject.toml", '["MIT"', '["MITT"')
    wrong = shop.refused("config", "-s", "sbom")
    assert re.search(r"pyproject\.toml:\d+: tool\.nox-pex\.sbom\.allow-licenses\[0\]: 'MITT' is not", wrong)


def test_the_bill_of_a_project_with_git_and_path_dependencies(
    write_project: WriteProject, lock: Locker, environ: dict[str, str], tmp_path: Path
) -> None:
    origin = GitRepository(root=tmp_path / "origin", environ=environ)
    origin.root.mkdir()
    commit = origin.commit(package_files("wares", "wares"))
    origin.git("tag", "v1")
    shop = write_project(
        "shop",
        {
            "pyproject.toml": PYPROJECT.format(url=origin.root.as_uri()),
            "main.py": "import shelf, wares, idna\n\n\ndef main():\n    print('shop')\n",
            **package_files("shelf", "shelf", below="shelf/", dependencies='license = "AGPL-3.0-only OR MIT"\n'),
        },
    )
    lock(shop)
    shop.nox("-s", "sbom")
    _, bom = read(shop, "shop")
    components = {each.name: each for each in bom.components}
    root = bom.metadata.component
    assert root is not None
    assert (root.name, root.version, str(root.purl)) == ("shop", "1.2", "pkg:generic/shop@1.2")
    (digest,) = root.hashes
    assert digest.content == hashlib.sha256(shop.binary("shop").read_bytes()).hexdigest()
    assert components.keys() == {"idna", "anyio", "shelf", "wares", "pex"}
    assert str(components["shelf"].purl) == "pkg:generic/shelf@1.0"
    assert str(components["wares"].purl) == "pkg:generic/wares@1.0"  # the address is a path of this machine
    assert properties(components["wares"])["nox-pex:git-commit"] == commit
    idna = components["idna"]
    assert str(idna.purl) == f"pkg:pypi/idna@{idna.version}"
    locked = (shop.root / "poetry.lock").read_text("utf-8")
    name = properties(idna)["nox-pex:locked-file"]
    (installed,) = idna.hashes
    assert f'{{file = "{name}", hash = "sha256:{installed.content}"}}' in locked
    needed = {
        dependency.ref.value: {each.ref.value for each in dependency.dependencies} for dependency in bom.dependencies
    }
    direct = {str(components[name].bom_ref) for name in ("idna", "anyio", "shelf", "wares", "pex")}
    assert needed[root.bom_ref.value] == direct
    assert needed[components["anyio"].bom_ref.value] == {idna.bom_ref.value}
    excluded = [each.value for each in bom.metadata.properties if each.name == "nox-pex:excluded"]
    assert sorted(filter(None, excluded)) == ["sniffio", "typing-extensions"]

    assert_same_bytes_elsewhere(shop, tmp_path / "elsewhere" / "shop")
    assert_nothing_is_known_of_another_file(shop, tmp_path / "other.pex")
    assert_the_policy_counts(shop)


def test_the_bill_of_a_package_has_its_own_wheel(built: Callable[[str], Project]) -> None:
    project = built("packaged")
    project.nox("-s", "sbom")
    (bill,) = (project.root / "dist").glob("*.cdx.json")
    _, bom = read(project, bill.name.removesuffix(".cdx.json"))
    root = bom.metadata.component
    assert root is not None
    own = [each for each in bom.components if str(each.purl) == str(root.purl)]
    assert len(own) == 1
    needed = {dependency.ref: {each.ref for each in dependency.dependencies} for dependency in bom.dependencies}
    assert own[0].bom_ref in needed[root.bom_ref]
