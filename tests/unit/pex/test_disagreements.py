from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from nox_pex.pex import disagreements
from nox_pex.pex.disagreements import Disagreement, Disagreements
from nox_pex.poetry.lock import Lock, Package, Source
from tests.support.distribution_files import write_wheel
from tests.support.fake_environment import FakeEnvironment

PATH = json.dumps({"url": "file:///shelf", "dir_info": {}})


def lock(**versions: str) -> Lock:
    """A lock of path dependencies, name to version."""
    packages = tuple(
        Package(name=name, version=version, hashes=(), source=Source(type="directory", url=name))  # type: ignore[arg-type]  # a normalized name
        for name, version in versions.items()
    )
    return Lock(path=Path("poetry.lock"), digest="", packages=packages)


def find(environment: FakeEnvironment, *, project: Any = None, **versions: str) -> Disagreements:
    return disagreements.find(environment.installed(), lock(**versions), project=project)


def add(environment: FakeEnvironment, name: str, *requires: str, **options: Any) -> None:
    environment.add(
        name, {f"{name}.py": ""}, metadata="".join(f"Requires-Dist: {each}\n" for each in requires), **options
    )


def test_satisfied_requirements_are_no_disagreement(environment: FakeEnvironment) -> None:
    add(environment, "shelf", "idna>=1", "IDNA (!=2)", "gone; extra == 'x'", "gone; python_version < '3'")
    assert find(environment) == Disagreements()


def test_a_missing_distribution_is_excluded(environment: FakeEnvironment) -> None:
    add(environment, "shelf", "Set_Uptools>=3", "other")
    found = find(environment)
    assert [(each.kind, each.distribution, each.text) for each in found.found] == [
        ("missing", "shelf", "Set_Uptools>=3"),
        ("missing", "shelf", "other"),
    ]
    assert (found.overrides, found.excludes) == ((), ("other", "set-uptools"))
    assert "shelf 1.0 requires Set_Uptools>=3, which is not installed" in str(found.found[0])


def test_the_installed_version_overrides_a_requirement_that_it_does_not_meet(environment: FakeEnvironment) -> None:
    add(environment, "shelf", "idna>=2")
    found = find(environment)
    assert found.overrides == ("idna==1.0",)
    assert found.found == (
        Disagreement(distribution="shelf", version="1.0", kind="unmet", text="idna>=2", installed="1.0"),
    )
    assert "shelf 1.0 requires idna>=2, but Poetry installed 1.0" in str(found.found[0])
    assert "poetry lock" in str(found.found[0])


def test_a_pre_release_meets_a_requirement(environment: FakeEnvironment) -> None:
    add(environment, "board", version="2.0rc1")
    add(environment, "shelf", "board>=1")
    assert find(environment) == Disagreements()


def test_the_requirements_of_an_extra_count_only_if_something_requires_it(environment: FakeEnvironment) -> None:
    add(environment, "shelf", "gone; extra == 'More'", "idna>=9; extra == 'other'")
    assert find(environment) == Disagreements()
    add(environment, "board", "shelf[more]")
    assert find(environment).excludes == ("gone",)


def test_extras_are_followed_through_several_distributions_and_circles(environment: FakeEnvironment) -> None:
    add(environment, "a", "b[x]")
    add(environment, "b", "c[y]; extra == 'x'", "a[z]")
    add(environment, "c", "gone; extra == 'y'", "a")
    assert find(environment).excludes == ("gone",)


def test_the_projects_own_requirements_count_too(environment: FakeEnvironment, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, "shop", {"shop.py": ""}, requires=("idna>=2", "gone", "idna (>=1.*)"))
    project = disagreements.project_member(wheel, environment.installed())
    found = find(environment, project=project)
    assert (found.overrides, found.excludes) == (("idna==1.0",), ("gone",))
    assert [each.kind for each in found.found] == ["missing", "rewritten", "unmet"]
    assert found.rewritten == {"shop"}


def test_a_distribution_may_require_another_version_of_the_project(
    environment: FakeEnvironment, tmp_path: Path
) -> None:
    add(environment, "shelf", "shop>=2")
    project = disagreements.project_member(write_wheel(tmp_path, "shop", {"shop.py": ""}), environment.installed())
    assert find(environment, project=project).overrides == ("shop==1.0",)


def test_a_rewritten_field_is_named_with_its_replacement(environment: FakeEnvironment) -> None:
    add(environment, "shelf", "idna (>=1.*)")
    (found,) = find(environment).found
    assert found.as_json() == {
        "distribution": "shelf",
        "version": "1.0",
        "kind": "rewritten",
        "text": "Requires-Dist: idna (>=1.*)",
        "replacement": "Requires-Dist: idna",
    }
    assert "`Requires-Dist: idna (>=1.*)`" in str(found)
    add(environment, "board", "idna\n  (>1)")
    assert r"board 1.0 has `Requires-Dist: idna\n  (>1)` in its metadata" in str(find(environment).found[0])


def test_a_path_dependency_whose_version_moved_is_named(environment: FakeEnvironment) -> None:
    add(environment, "shelf", version="2.0", direct_url=PATH)
    found = find(environment, shelf="1.0")
    assert found.found == (Disagreement(distribution="shelf", version="2.0", kind="moved", text="1.0"),)
    assert (found.overrides, found.excludes) == ((), ())
    assert find(environment, shelf="2.0") == Disagreements()


@pytest.mark.parametrize(
    ("exclude", "kinds"), [((), ["missing", "unmet"]), (("gone",), ["unmet"]), (("Idna",), ["missing"])]
)
def test_what_the_user_excludes_is_no_disagreement(
    environment: FakeEnvironment, exclude: tuple[str, ...], kinds: list[str]
) -> None:
    add(environment, "shelf", "idna>=2", "gone")
    assert [each.kind for each in find(environment).without(exclude)] == kinds


def test_a_path_dependency_with_another_name_in_the_lock_is_named(environment: FakeEnvironment, tmp_path: Path) -> None:
    source = tmp_path / "shelf"
    add(environment, "shelf", direct_url=json.dumps({"url": source.as_uri(), "dir_info": {}}))
    package = Package(
        name=canonicalize_name("shelf-api"),
        version="1.0",
        hashes=(),
        source=Source(type="directory", url="shelf"),
    )
    locked = Lock(path=tmp_path / "poetry.lock", digest="0", packages=(package,))
    (found,) = disagreements.find(environment.installed(), locked, project=None).found
    assert (found.distribution, found.kind, found.text) == ("shelf", "renamed", "shelf-api")
    assert "poetry.lock calls it shelf-api; use one name" in str(found)
