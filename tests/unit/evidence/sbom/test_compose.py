"""The bill of a file, from what is in it and what was installed for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from nox_pex.distributions.environment import Environment
from nox_pex.evidence.sbom import compose
from nox_pex.evidence.sbom.bill import Bill, Component
from nox_pex.evidence.sbom.compose import Built
from nox_pex.evidence.sbom.shipped import ShippedDistribution, ShippedFile, ShippedPython
from nox_pex.pex.build_record import RecordedScie
from nox_pex.pex.target import Target
from nox_pex.platforms.wheelhouse import Wheel, Wheelhouse
from nox_pex.poetry import origins
from nox_pex.poetry.lock import Lock, LockedFile, Package
from nox_pex.poetry.origins import Origin
from nox_pex.poetry.selection import Selection
from tests.support.fake_environment import FakeEnvironment
from tests.support.platforms import target as platform
from tests.support.targets import target_of

WHEEL = LockedFile(name="idna-3.11-py3-none-any.whl", hash=f"sha256:{'a' * 64}")
SDIST = LockedFile(name="idna-3.11.tar.gz", hash=f"sha256:{'b' * 64}")
PACKAGES = (
    Package(name=canonicalize_name("idna"), version="3.11", hashes=(), source=None, files=(WHEEL, SDIST)),
    Package(name=canonicalize_name("h11"), version="0.16", hashes=(), source=None, files=()),
)
RECORD: dict[str, Any] = {
    "version": "1.0",
    "lock-hash": "f" * 64,
    "python": "CPython 3.11.7",
    "platform": "linux-x86_64",
    "git": {"commit": "c" * 40, "dirty": True},
    "disagreements": [
        {"distribution": "h11", "version": "0.16", "kind": "unmet", "text": "idna>=9\x1b", "installed": "3.11"}
    ],
}
TIME = "2023-11-14T22:13:20+00:00"


def in_file(name: str, version: str, *requirements: str, wheel: str | None = None) -> ShippedDistribution:
    lines = "".join(f"Requires-Dist: {each}\n" for each in requirements)
    return ShippedDistribution(
        name=canonicalize_name(name),
        version=version,
        wheel=f"{name}-{version}-py3-none-any.whl" if wheel is None else wheel,
        metadata=f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nAuthor: Jo\nLicense: MIT\n{lines}\n",
    )


def file_of(*distributions: ShippedDistribution, **fields: Any) -> ShippedFile:
    given = {
        "sha256": "d" * 64,
        "size": 7,
        "is_directory": False,
        "pex_version": "2.105.2",
        "constraints": (),
        **fields,
    }
    return ShippedFile(distributions=distributions, **given)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    made = target_of(tmp_path / "app.pex", root=tmp_path, name="app")
    document = {"project": {"dependencies": ["h11"], "authors": [{"name": "The\nShop"}], "license": "MIT"}}
    return replace(made, project=replace(made.project, document=document))


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """`idna` and `h11` were installed, and Poetry said from which file."""
    fake = FakeEnvironment(tmp_path / "environment", python=tmp_path)
    fake.add("idna", {}, version="3.11")
    fake.add("h11", {}, version="0.16")
    origins.add(Environment(path=fake.path), {"idna": Origin(version="3.11", file=WHEEL.name)})
    lock = Lock(path=tmp_path / "poetry.lock", digest="f" * 64, packages=PACKAGES)
    return Built(record=RECORD, contents=fake.installed(), lock=lock)


def bill_of(target: Target, shipped: ShippedFile, built: Built | None, lock: Lock | None = None) -> Bill:
    made = compose.compose(target, shipped, built=built, lock=lock, file="app.pex", timestamp=TIME)
    refs = [made.root.ref, *(each.ref for each in made.components)]
    assert len(set(refs)) == len(refs)
    assert made.dependencies.keys() == set(refs)
    assert {ref for needed in made.dependencies.values() for ref in needed} <= set(refs)
    return made


def named(component: Component) -> Mapping[str, str]:
    return {name.removeprefix("nox-pex:"): value for name, value in component.properties}


def test_the_bill_of_a_file_that_was_built_here(target: Target, built: Built) -> None:
    made = bill_of(target, file_of(in_file("idna", "3.11"), in_file("h11", "0.16", "idna")), built)
    root, (idna, h11, pex) = made.root, made.components
    assert (root.name, root.version, root.purl, root.supplier) == ("app", "1.0", "pkg:generic/app@1.0", "The Shop")
    assert root.hashes == (("sha256", "d" * 64),)
    assert named(root) == {
        "file": "app.pex",
        "size": "7",
        "platform": "linux-x86_64",
        "python": "CPython 3.11.7",
        "lock-sha256": "f" * 64,
        "git-commit": "c" * 40,
        "git-dirty": "true",
    }
    assert (idna.purl, idna.hashes, idna.supplier) == ("pkg:pypi/idna@3.11", (("sha256", "a" * 64),), "Jo")
    assert named(idna) == {"path": f".deps/{WHEEL.name}", "locked-file": WHEEL.name}
    assert named(h11)["disagreement"] == "unmet: idna>=9 -> 3.11"
    assert h11.hashes == ()
    assert (pex.name, pex.version) == ("pex", "2.105.2")
    assert made.dependencies == {
        root.ref: tuple(sorted([h11.ref, pex.ref])),
        h11.ref: (idna.ref,),
        idna.ref: (),
        pex.ref: (),
    }
    assert (made.graph, made.author, made.timestamp) == ("complete", "The Shop", TIME)


def test_what_is_not_in_the_file_is_not_in_the_bill(target: Target, built: Built) -> None:
    made = bill_of(target, file_of(in_file("h11", "0.16", "idna")), built)
    assert [each.name for each in made.components] == ["h11", "pex"]


def test_candidates_are_properties_and_no_hashes(target: Target, built: Built, tmp_path: Path) -> None:
    origins.clear(Environment(path=tmp_path / "environment"))
    idna, _ = bill_of(target, file_of(in_file("idna", "3.11")), built).components
    assert idna.hashes == ()
    assert [value for name, value in idna.properties if name == "nox-pex:candidate"] == [
        f"{file.name} {file.hash}" for file in (WHEEL, SDIST)
    ]


def test_a_directory_has_the_digest_of_its_tree_as_a_property(target: Target, built: Built) -> None:
    root = bill_of(target, file_of(is_directory=True), built).root
    assert (root.hashes, named(root)["tree-sha256"]) == ((), "d" * 64)


def test_of_another_file_only_its_content_is_known(target: Target, built: Built) -> None:
    shipped = file_of(
        in_file("idna", "3.10"), in_file("app", "9"), in_file("other", "1", "idna ; python_version < '3.10'"),
        constraints=("CPython==3.9.*",),
    )  # fmt: skip
    made = bill_of(target, shipped, None, built.lock)
    assert [each.purl for each in made.components] == [
        "pkg:pypi/idna@3.10",
        "pkg:generic/app@9",
        "pkg:generic/other@1",
        "pkg:pypi/pex@2.105.2",
    ]
    assert made.root.version == "9"
    assert [name for name, _ in made.properties] == ["nox-pex:hashes"]
    assert not [each for each in made.components if each.hashes]
    assert made.graph == "unknown"
    assert made.dependencies["pkg:generic/other@1"] == ("pkg:pypi/idna@3.10",)
    assert bill_of(target, shipped, None).components[0].purl == "pkg:generic/idna@3.10"


def test_a_distribution_that_is_there_twice_has_two_refs(target: Target, built: Built) -> None:
    twice = in_file("idna", "3.11", wheel="")
    made = bill_of(target, file_of(in_file("idna", "3.11"), twice, twice), built)
    assert [each.ref.partition("#")[2] for each in made.components[:3]] == [WHEEL.name, "loose", "loose#2"]


def test_each_platform_has_its_wheel(target: Target, built: Built, tmp_path: Path) -> None:
    files = [replace(WHEEL, name=f"idna-3.11-cp312-cp312-{name}.whl") for name in ("linux_x86_64", "macosx_11_0_arm64")]
    wheels = tuple(
        Wheel(name=canonicalize_name("idna"), version="3.11", file=file.name, sha256="0", size=1, targets=(name,))
        for file, name in zip(files, ("here", "there"), strict=True)
    )
    contents = Wheelhouse(
        selection=Selection(groups=("main",), extras=()),
        platforms=(platform("here"), platform("there", sys_platform="darwin")),
        home=tmp_path,
        wheels=wheels,
        path_digests={},
        seconds=1.0,
    )
    lock = Lock(path=built.lock.path, digest="f" * 64, packages=(replace(PACKAGES[0], files=tuple(files)),))
    found = replace(built, contents=contents, lock=lock)
    app = in_file("app", "1.0", "idna ; sys_platform == 'darwin'")
    made = bill_of(target, file_of(*(in_file("idna", "3.11", wheel=file.name) for file in files), app), found)
    here, there = made.components[:2]
    assert [(named(each)["locked-file"], named(each)["target"]) for each in (here, there)] == [
        (files[0].name, "here"),
        (files[1].name, "there"),
    ]
    assert made.dependencies["pkg:generic/app@1.0"] == (there.ref,)
    assert here.ref in made.dependencies[made.root.ref]


def test_scies_and_the_python_in_them(target: Target, built: Built) -> None:
    digest = hashlib.sha256(b"").hexdigest()
    python = ShippedPython(file="cpython-3.11.13+2025-x86_64.tar.gz", sha256=digest, included=True)
    scie = RecordedScie(file="app-linux-x86_64", sha256=digest, platform="linux-x86_64")
    made = bill_of(target, file_of(), replace(built, scies=((scie, python),)))
    _, inside, whole = made.components
    assert (inside.name, inside.version, inside.purl) == ("cpython", "3.11.13", "pkg:generic/cpython@3.11.13")
    assert (whole.name, whole.hashes) == ("app-linux-x86_64", (("sha256", digest),))
    assert made.dependencies[whole.ref] == tuple(sorted([made.root.ref, inside.ref]))
    assert inside.ref not in made.dependencies[made.root.ref]
    itself = bill_of(target, file_of(python=python), None)
    assert inside.ref in itself.dependencies[itself.root.ref]
