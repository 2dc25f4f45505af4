from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from nox_pex.distributions.environment import Environment
from nox_pex.evidence.materials import Material, materials, purl
from nox_pex.platforms.wheelhouse import Wheel, Wheelhouse
from nox_pex.poetry import origins
from nox_pex.poetry.lock import Lock, LockedFile, Package, Source
from nox_pex.poetry.origins import Origin
from nox_pex.poetry.selection import Selection
from tests.support.fake_environment import FakeEnvironment
from tests.support.platforms import target

PURE = LockedFile(name="idna-3.11-py2.py3-none-any.whl", hash="sha256:aa")
MANYLINUX = LockedFile(name="idna-3.11-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", hash="sha256:bb")
MACOS = LockedFile(name="idna-3.11-cp311-cp311-macosx_11_0_arm64.whl", hash="sha256:cc")
SDIST = LockedFile(name="idna-3.11.tar.gz", hash="sha256:dd")
ALL = (PURE, MANYLINUX, MACOS, SDIST)
URL = "https://joe:s3cret@wheels.example/x/idna-3.11-py3-none-any.whl?X-Signature=abc"


def wheel_text(*tags: str) -> str:
    return "Wheel-Version: 1.0\n" + "".join(f"Tag: {tag}\n" for tag in tags)


OF_MANYLINUX = wheel_text("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64")
OF_PURE = wheel_text("py2-none-any", "py3-none-any")


@pytest.fixture
def material(tmp_path: Path) -> Callable[..., Material]:
    """The material of `idna` 3.11, installed as its WHEEL says, from a package of these files and this source."""

    def of(
        *files: LockedFile,
        wheel: str = OF_PURE,
        source: Source | None = None,
        origin: Origin | None = None,
        version: str = "3.11",
    ) -> Material:
        fake = FakeEnvironment(tmp_path / "environment", python=tmp_path)
        direct = "{}" if source is not None and source.type != "legacy" else None
        fake.add("idna", {f"idna-{version}.dist-info/WHEEL": wheel}, version=version, direct_url=direct)
        origins.add(Environment(path=fake.path), {"idna": origin} if origin else {})
        package = Package(
            name=canonicalize_name("idna"),
            version="3.11",
            hashes=tuple(file.hash for file in files),
            files=files,
            source=source,
        )
        lock = Lock(path=tmp_path / "poetry.lock", digest="0", packages=(package,))
        (found,) = materials([("idna", version)], fake.installed(), lock)
        assert PackageURL.from_string(found.purl).to_string() == found.purl
        return found

    return of


@pytest.mark.parametrize("chosen", ALL, ids=lambda file: file.name)
def test_the_file_that_poetry_chose_is_certain(material: Callable[..., Material], chosen: LockedFile) -> None:
    found = material(*ALL, origin=Origin(version="3.11", file=chosen.name))
    assert (found.files, found.from_sdist) == ((chosen,), chosen is SDIST)
    assert (found.purl, found.commit) == ("pkg:pypi/idna@3.11", None)


@pytest.mark.parametrize(
    ("wheel", "files", "candidates"),
    [
        pytest.param(OF_MANYLINUX, ALL, (MANYLINUX,), id="tags that no build has"),
        pytest.param(OF_PURE, ALL, (PURE, SDIST), id="or built here from the sdist"),
        pytest.param(OF_PURE, (PURE, MACOS), (PURE,), id="no sdist"),
        pytest.param(wheel_text("cp311-cp311-linux_x86_64"), ALL, (SDIST,), id="compiled here"),
        pytest.param(wheel_text("py3-none-any"), (SDIST,), (SDIST,), id="only an sdist"),
        pytest.param(wheel_text("py3-none-any"), (MACOS, SDIST), (SDIST,), id="no wheel for this machine"),
        pytest.param("", (PURE, SDIST), (PURE, SDIST), id="no tags"),
        pytest.param(wheel_text("x", "y-z"), (PURE,), (PURE,), id="tags that are none"),
    ],
)
def test_without_a_report_of_poetry_the_tags_leave_candidates(
    material: Callable[..., Material], wheel: str, files: tuple[LockedFile, ...], candidates: tuple[LockedFile, ...]
) -> None:
    found = material(*files, wheel=wheel)
    assert found.files == candidates
    assert found.from_sdist == (candidates == (SDIST,))


def test_a_report_about_another_version_or_another_file_does_not_count(material: Callable[..., Material]) -> None:
    assert material(PURE, SDIST, origin=Origin(version="3.10", file=PURE.name)).files == (PURE, SDIST)


@pytest.mark.parametrize(
    ("source", "expected", "commit"),
    [
        (
            Source(type="legacy", url="https://joe:s3cret@index.example:8080/simple", reference="corp"),
            "pkg:pypi/idna@3.11?repository_url=https://index.example:8080/simple",
            None,
        ),
        (
            Source(type="legacy", url="https://index.example/simple?token=s3cret", reference="corp"),
            "pkg:pypi/idna@3.11?repository_url=https://index.example/simple",
            None,
        ),
        (Source(type="legacy", url="file:///srv/simple", reference="corp"), "pkg:generic/idna@3.11", None),
        (
            Source(type="git", url="https://s3cret@git.example/a/idna.git", reference="main", resolved_reference="c0"),
            "pkg:pypi/idna@3.11?vcs_url=git%2Bhttps://git.example/a/idna.git%40c0",
            "c0",
        ),
        (
            Source(type="git", url="git@git.example:a/b.git", resolved_reference="c0", subdirectory="lib/x"),
            "pkg:pypi/idna@3.11?vcs_url=git%2Bssh://git%40git.example/a/b.git%40c0%23lib/x",
            "c0",
        ),
        (Source(type="git", url="/home/joe/idna", resolved_reference="c0"), "pkg:generic/idna@3.11", "c0"),
        (Source(type="git", url="file:///home/joe/idna", resolved_reference="c0"), "pkg:generic/idna@3.11", "c0"),
        (Source(type="git", url="../idna", resolved_reference="c0"), "pkg:generic/idna@3.11", "c0"),
        (Source(type="directory", url="../idna"), "pkg:generic/idna@3.11", None),
        (Source(type="file", url="../idna-3.11.tar.gz"), "pkg:generic/idna@3.11", None),
        (
            Source(type="url", url=URL),
            "pkg:pypi/idna@3.11?download_url=https://wheels.example/x/idna-3.11-py3-none-any.whl",
            None,
        ),
    ],
)
def test_a_purl_names_the_source_and_neither_a_secret_nor_a_path(
    material: Callable[..., Material], source: Source, expected: str, commit: str | None
) -> None:
    found = material(source=source)
    assert (found.purl, found.commit) == (expected, commit)


@pytest.mark.parametrize("kind", ["file", "url"])
def test_the_only_file_of_an_address_is_certain(material: Callable[..., Material], kind: str) -> None:
    found = material(SDIST, source=Source(type=kind, url="https://wheels.example/idna-3.11.tar.gz"))
    assert (found.files, found.from_sdist) == ((SDIST,), True)


def test_a_path_dependency_has_the_version_that_ships(material: Callable[..., Material]) -> None:
    found = material(source=Source(type="directory", url="../idna"), version="4.0")
    assert (found.version, found.purl, found.files) == ("4.0", "pkg:generic/idna@4.0", ())


def test_what_is_not_installed_is_the_project_and_what_does_not_ship_is_left_out(tmp_path: Path) -> None:
    fake = FakeEnvironment(tmp_path / "environment", python=tmp_path)
    fake.add("idna", {}, version="3.11")
    lock = Lock(path=tmp_path / "poetry.lock", digest="0", packages=())
    found = materials([("My.App", "1!2.0+é")], fake.installed(), lock)
    assert found == (Material(name=canonicalize_name("my-app"), version="1!2.0+é", purl=found[0].purl),)
    assert found[0].purl == PackageURL(type="generic", name="my-app", version="1!2.0+é").to_string()


def test_a_purl_has_no_empty_parts() -> None:
    assert purl("generic", "app", None, {"vcs_url": ""}) == "pkg:generic/app"


def test_each_wheel_for_other_platforms_is_certain(tmp_path: Path) -> None:
    wheels = [
        Wheel(name=canonicalize_name("idna"), version="3.11", file=file.name, sha256="0", size=1, targets=(name,))
        for file, name in ((MANYLINUX, "here"), (MACOS, "there"))
    ]
    built = Wheel(name=canonicalize_name("shelf"), version="1.0", file="s.whl", sha256="0", size=1, targets=("here",))
    contents = Wheelhouse(
        selection=Selection(("main",), ()),
        platforms=(target("here"), target("there")),
        home=tmp_path,
        wheels=(*wheels, built),
        path_digests={},
        seconds=1.0,
    )
    source = Source(type="git", url="https://git.example/shelf", resolved_reference="c0")
    packages = (
        Package(name=canonicalize_name("idna"), version="3.11", hashes=(), source=None, files=ALL),
        Package(name=canonicalize_name("shelf"), version="1.0", hashes=(), source=source),
    )
    lock = Lock(path=tmp_path / "poetry.lock", digest="0", packages=packages)
    found = materials([("idna", "3.11"), ("shelf", "1.0")], contents, lock)
    assert [(each.name, each.files) for each in found] == [("idna", (MACOS,)), ("idna", (MANYLINUX,)), ("shelf", ())]
    assert found[2].commit == "c0"
