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
    return Package(name=canonicalize_name(name), version=version, hashes=hashes, source=source)


def lock(*packages: Package) -> Lock:
    return Lock(path=Path("poetry.lock"), digest="0", packages=packages)


def frozen(distribution: Distribution, *packages: Package) -> Frozen:
    return requirements.freeze([distribution], lock(*packages), path_digests={"shelf": "dd"})


def test_a_distribution_from_an_index_has_every_hash() -> None:
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
            Source(type="git", url="https://t0ken@example.org/s.git", resolved_reference="abc"),
            Pin(requirement="shelf @ git+https://example.org/s.git@abc", hashes=()),
        ),
        (
            Source(type="git", url="https://example.org/s.git", resolved_reference="abc", subdirectory="lib"),
            Pin(requirement="shelf @ git+https://example.org/s.git@abc#subdirectory=lib", hashes=()),
        ),
        (Source(type="directory", url="../shelf"), Pin(requirement="shelf @ ../shelf", hashes=("sha256:dd",))),
    ],
)
def test_requirements_that_pip_accepts_no_hash_for_are_in_a_separate_file(source: Source, pin: Pin) -> None:
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


def test_of_one_version_from_two_sources_the_installed_one_is_pinned() -> None:
    git = locked("shelf", source=Source(type="git", url="https://example.org/s.git", resolved_reference="abc"))
    index = locked("shelf", hashes=("sha256:aa",))
    assert frozen(installed("shelf"), git, index).indexed == (Pin(requirement="shelf==1.0", hashes=("sha256:aa",)),)
    assert frozen(installed("shelf", direct=True), git, index).indexed == ()


@pytest.mark.parametrize(
    ("packages", "said"),
    [((), "it has no version of it"), ((locked("idna", "2.0"), locked("other", "3.0")), "it locks 2.0;")],
)
def test_a_distribution_that_is_not_locked_is_refused(packages: tuple[Package, ...], said: str) -> None:
    with pytest.raises(NoxPexError, match=said) as caught:
        frozen(installed("idna"), *packages)
    assert caught.value.code == "not-locked"


def test_a_distribution_without_a_hash_is_refused() -> None:
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


def test_every_distribution_is_pinned_whatever_comes_before_it() -> None:
    source = Source(type="directory", url="../shelf")
    packages = lock(
        locked("shelf", source=source), locked("idna", hashes=("sha256:aa",)), locked("tool", source=source)
    )
    distributions = [installed("shelf", direct=True), installed("idna"), installed("tool", direct=True)]
    found = requirements.freeze(distributions, packages, path_digests={"shelf": "dd"}, marker=lambda name, _: name[:1])
    assert found == Frozen(
        indexed=(Pin(requirement="idna==1.0 ; i", hashes=("sha256:aa",)),),
        direct=(
            Pin(requirement="shelf @ ../shelf ; s", hashes=("sha256:dd",)),
            Pin(requirement="tool @ ../shelf ; t", hashes=()),
        ),
    )


def test_another_index_is_not_in_the_requirement() -> None:
    source = Source(type="legacy", url="https://joe:secret@example.org/simple")
    package = locked("inner", source=source, hashes=("sha256:aa",))
    assert frozen(installed("inner"), package).indexed == (Pin(requirement="inner==1.0", hashes=("sha256:aa",)),)


def test_another_index_counts_as_an_index_and_not_as_a_direct_source() -> None:
    git = locked("shelf", source=Source(type="git", url="https://example.org/s.git", resolved_reference="abc"))
    other = locked("shelf", source=Source(type="legacy", url="https://example.org/simple"), hashes=("sha256:bb",))
    pin = Pin(requirement="shelf==1.0", hashes=("sha256:bb",))
    assert frozen(installed("shelf"), git, other).indexed == (pin,)
    assert frozen(installed("shelf", direct=True), other, git).indexed == ()


def test_the_only_locked_package_is_pinned_even_if_it_was_installed_from_elsewhere() -> None:
    package = locked("idna", hashes=("sha256:aa",))
    assert frozen(installed("idna", direct=True), package).indexed == (
        Pin(requirement="idna==1.0", hashes=("sha256:aa",)),
    )


def test_a_git_source_without_a_commit_is_pinned_by_its_address() -> None:
    found = frozen(installed("s", direct=True), locked("s", source=Source(type="git", url="https://example.org/s.git")))
    assert found.direct == (Pin(requirement="s @ git+https://example.org/s.git", hashes=()),)


def test_the_files_are_complete() -> None:
    pinned = Frozen(
        indexed=(Pin(requirement="idna==1.0", hashes=("sha256:aa", "sha256:bb")),),
        direct=(Pin(requirement="shelf @ ../shelf", hashes=("sha256:dd",)), Pin(requirement="s @ git+x", hashes=())),
    )
    assert requirements.requirements_text(pinned, direct_file="x.txt") == (
        "# What Poetry installed from poetry.lock, made by nox-pex.\n"
        "# pip install --require-hashes --no-deps -r THIS_FILE\n"
        "# Not in this file, because pip accepts no hash for them; see x.txt:\n"
        "#   shelf @ ../shelf\n"
        "#   s @ git+x\n"
        "idna==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    )
    assert requirements.direct_text(pinned) == (
        "# What pip takes no hash for: pinned by commit, or by the SHA-256 of its content.\n"
        "shelf @ ../shelf \\\n    --hash=sha256:dd\n"
        "s @ git+x\n"
    )
