from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from nox_pex.distributions.environment import Distribution
from nox_pex.errors import NoxPexError
from nox_pex.poetry import requirements
from nox_pex.poetry.lock import Lock, Package, Source
from nox_pex.poetry.requirements import Frozen, Pin


def installed(name: str, version: str = "1.0", *, direct: bool = False) -> Distribution:
    return Distribution(name=canonicalize_name(name), version=version, directory=Path(name), record="0", direct=direct)


def locked(name: str, version: str = "1.0", *, source: Source | None = None, hashes: tuple[str, ...] = ()) -> Package:
    return Package(name=canonicalize_name(name), version=version, hashes=hashes, source=source, develop=False)


def lock(*packages: Package) -> Lock:
    return Lock(path=Path("poetry.lock"), digest="0", packages=packages)


def frozen(distribution: Distribution, *packages: Package) -> Frozen:
    return requirements.freeze([distribution], lock(*packages), path_digests={"shelf": "dd"})


def test_what_comes_from_an_index_has_every_hash() -> None:
    found = frozen(installed("idna"), locked("idna", hashes=("sha256:aa", "sha256:bb")), locked("other"))
    assert found == Frozen(indexed=(Pin(requirement="idna==1.0", hashes=("sha256:aa", "sha256:bb")),), direct=())
    assert requirements.requirements_text(found, direct_file="x.txt").splitlines()[2:] == [
        "idna==1.0 \\",
        "    --hash=sha256:aa \\",
        "    --hash=sha256:bb",
    ]


def test_a_url_is_pinned_without_its_password() -> None:
    source = Source(type="url", url="https://joe:secret@example.org/idna-1.0-py3-none-any.whl")
    found = frozen(installed("idna", direct=True), locked("idna", source=source, hashes=("sha256:aa",)))
    assert found.indexed == (
        Pin(requirement="idna @ https://example.org/idna-1.0-py3-none-any.whl", hashes=("sha256:aa",)),
    )


@pytest.mark.parametrize(
    ("source", "pin"),
    [
        (
            Source(type="git", url="https://t0ken@example.org/s.git", reference="main", resolved_reference="abc"),
            Pin(requirement="shelf @ git+https://example.org/s.git@abc", hashes=()),
        ),
        (
            Source(type="git", url="https://example.org/s.git", resolved_reference="abc", subdirectory="lib"),
            Pin(requirement="shelf @ git+https://example.org/s.git@abc#subdirectory=lib", hashes=()),
        ),
        (Source(type="directory", url="../shelf"), Pin(requirement="shelf @ ../shelf", hashes=("sha256:dd",))),
    ],
)
def test_what_pip_takes_no_hash_for_stands_in_a_file_of_its_own(source: Source, pin: Pin) -> None:
    found = frozen(installed("shelf", direct=True), locked("shelf", source=source))
    assert found == Frozen(indexed=(), direct=(pin,))
    text = requirements.requirements_text(found, direct_file="service.requirements-direct.txt")
    assert all(line.startswith("#") for line in text.splitlines())
    assert "service.requirements-direct.txt" in text
    assert pin.requirement in text
    assert pin.requirement in requirements.direct_text(found)


def test_a_file_of_this_machine_keeps_the_hash_of_the_lock() -> None:
    source = Source(type="file", url="wheels/shelf.whl")
    found = frozen(installed("shelf", direct=True), locked("shelf", source=source, hashes=("sha256:ff",)))
    assert found.direct == (Pin(requirement="shelf @ wheels/shelf.whl", hashes=("sha256:ff",)),)


def test_one_version_from_two_sources() -> None:
    git = locked("shelf", source=Source(type="git", url="https://example.org/s.git", resolved_reference="abc"))
    index = locked("shelf", hashes=("sha256:aa",))
    assert frozen(installed("shelf"), git, index).indexed == (Pin(requirement="shelf==1.0", hashes=("sha256:aa",)),)
    assert frozen(installed("shelf", direct=True), git, index).indexed == ()


@pytest.mark.parametrize(
    ("packages", "said"), [((), "it has no version of it"), ((locked("idna", "2.0"),), "it locks 2.0")]
)
def test_what_is_installed_but_not_locked(packages: tuple[Package, ...], said: str) -> None:
    with pytest.raises(NoxPexError, match=said) as caught:
        frozen(installed("idna"), *packages)
    assert caught.value.code == "not-locked"


def test_what_has_no_hash() -> None:
    with pytest.raises(NoxPexError, match="no hash for idna") as caught:
        frozen(installed("idna"), locked("idna"))
    assert caught.value.code == "hash-missing"


def test_pins_name_no_address() -> None:
    assert list(requirements.pins([installed("idna", "3.11"), installed("shelf", direct=True)])) == [
        "idna==3.11",
        "shelf==1.0",
    ]


def test_pins_have_their_markers() -> None:
    found = requirements.pins(
        [installed("a"), installed("b")], lambda name, _: 'python_version == "3.9"' if name == "b" else ""
    )
    assert list(found) == ["a==1.0", 'b==1.0 ; python_version == "3.9"']
