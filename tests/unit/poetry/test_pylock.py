from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name

from nox_pex.distributions.environment import Distribution
from nox_pex.errors import NoxPexError
from nox_pex.poetry import pylock, requirements
from nox_pex.poetry.file_urls import FileUrls
from nox_pex.poetry.lock import Lock, LockedFile, Package, Source

LINUX = {
    "python_version": "3.11",
    "platform_python_implementation": "CPython",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
}
HERE = " and ".join(f'{name} == "{value}"' for name, value in LINUX.items())
ARM = {**LINUX, "platform_machine": "aarch64"}


def locked(name: str, *files: str, version: str = "1.0", source: Source | None = None) -> Package:
    """A package in the lock. The hash of each file is its name."""
    listed = tuple(LockedFile(name=file, hash=f"sha256:{file}") for file in files)
    hashes = tuple(file.hash for file in listed)
    return Package(name=canonicalize_name(name), version=version, hashes=hashes, source=source, files=listed)


def served(package: Package, *, index: str = "https://index.example/simple") -> FileUrls:
    """An index that has every file of a package."""
    source = package.source.reference if package.source else None
    files = {file.name: f"https://files.example/{file.name}" for file in package.files}
    return FileUrls(name=package.name, version=package.version, source=source, index=index, files=files)


def written(
    *packages: Package,
    urls: list[FileUrls] | None = None,
    environments: tuple[dict[str, str], ...] = (LINUX,),
    marker: Callable[[str, str], str] = lambda _name, _version: "",
    root: Path = Path("/home/joe/shop"),
) -> dict[str, Any]:
    """The document for installed `packages`, in `dist`. `packaging` must accept it."""
    distributions = [
        Distribution(
            name=package.name,
            version=package.version,
            directory=Path(package.name),
            record="0",
            direct=package.source is not None and package.source.type != "legacy",
        )
        for package in packages
    ]
    text = pylock.text(
        distributions,
        Lock(path=root / "poetry.lock", digest="0", packages=packages),
        urls=[served(package) for package in packages] if urls is None else urls,
        environments=environments,
        marker=marker,
        directory=root / "dist",
    )
    assert text.splitlines()[0].endswith("made by nox-pex.")
    document = tomllib.loads(text)
    Pylock.from_dict(document)
    return document


def test_the_file_is_called_as_pep_751_says() -> None:
    assert requirements.pylock_name("service") == "pylock.service.toml"
    assert requirements.pylock_name("v1.0-py3.12") == "pylock.v1-0-py3-12.toml"


def test_a_package_has_the_files_of_the_lock_with_their_addresses() -> None:
    files = ("idna-1.0-py3-none-any.whl", "idna-1.0.tar.gz", "idna-1.0-cp311-cp311-win32.whl")
    document = written(locked("idna", *files))
    assert document == {
        "lock-version": "1.0",
        "environments": [HERE],
        "created-by": "nox-pex",
        "packages": [
            {
                "name": "idna",
                "version": "1.0",
                "index": "https://index.example/simple",
                "sdist": {"name": files[1], "url": f"https://files.example/{files[1]}", "hashes": {"sha256": files[1]}},
                "wheels": [
                    {"name": name, "url": f"https://files.example/{name}", "hashes": {"sha256": name}}
                    for name in (files[0], files[2])
                ],
            }
        ],
    }


def test_nothing_installed_is_a_valid_file() -> None:
    assert written()["packages"] == []


def test_each_target_is_an_environment_and_its_packages_have_markers() -> None:
    old, new = (locked("idna", f"idna-{version}-py3-none-any.whl", version=version) for version in ("1.0", "2.0"))
    markers = {"1.0": 'platform_machine == "aarch64"', "2.0": 'platform_machine == "x86_64"'}
    document = written(old, new, environments=(LINUX, ARM, LINUX), marker=lambda _, version: markers[version])
    assert len(document["environments"]) == 2
    assert [(each["version"], each["marker"]) for each in document["packages"]] == list(markers.items())


def test_the_files_of_an_index_are_those_of_the_packages_own_source() -> None:
    private = Source(type="legacy", url="https://private.example/simple", reference="private")
    package = locked("idna", "idna-1.0-py3-none-any.whl", source=private)
    wrong = FileUrls(
        name="idna", version="1.0", source=None, index="https://wrong.example", files={package.files[0].name: "wrong"}
    )
    (found,) = written(package, urls=[wrong, served(package, index="https://private.example/simple")])["packages"]
    assert found["index"] == "https://private.example/simple"
    assert found["wheels"][0]["url"].startswith("https://files.example/")


def test_a_file_that_the_index_no_longer_has_is_left_out() -> None:
    package = locked("idna", "idna-1.0-py3-none-any.whl", "idna-1.0.tar.gz")
    answer = FileUrls(
        name="idna", version="1.0", source=None, index="i", files={"idna-1.0.tar.gz": "https://files.example/idna.tgz"}
    )
    assert "wheels" not in written(package, urls=[answer])["packages"][0]
    with pytest.raises(NoxPexError, match=r"no file of idna 1\.0") as caught:
        written(package, urls=[FileUrls(name="idna", version="1.0", source=None, index="i", files={})])
    assert caught.value.code == "index-missing"


@pytest.mark.parametrize(
    ("name", "version"), [("idna-1.0.tar.bz2", "1.0"), ("idna-2004d.tar.gz", "2004d"), ("idna-1.0.egg", "1.0")]
)
def test_a_file_of_an_old_form_is_an_archive(name: str, version: str) -> None:
    (found,) = written(locked("idna", name, version=version))["packages"]
    assert found["archive"] == {"url": f"https://files.example/{name}", "hashes": {"sha256": name}}
    assert not {"wheels", "sdist"} & found.keys()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://joe:secret@git.example/s.git", {"url": "https://git.example/s.git"}),
        ("git@git.example:group/s.git", {"url": "ssh://git@git.example/group/s.git"}),
        ("git.example:/group/s.git", {"url": "ssh://git.example/group/s.git"}),
        ("git.example:group/s.git", {"url": "ssh://git.example/group/s.git"}),
        ("ssh://git@git.example:2222/s.git", {"url": "ssh://git@git.example:2222/s.git"}),
        ("file:///home/joe/other%20one/s.git", {"path": "../../other one/s.git"}),
        ("../s.git", {"path": "../../s.git"}),
    ],
)
def test_a_git_repository_is_pinned_by_its_commit(url: str, address: dict[str, str]) -> None:
    source = Source(type="git", url=url, reference="main", resolved_reference="abc", subdirectory="lib")
    (found,) = written(locked("shelf", source=source))["packages"]
    assert found == {
        "name": "shelf",
        "vcs": {"type": "git", "requested-revision": "main", "commit-id": "abc", "subdirectory": "lib", **address},
    }


def test_a_directory_is_a_path_from_the_directory_of_the_file() -> None:
    (found,) = written(locked("shelf", source=Source(type="directory", url="../shelf")))["packages"]
    assert found == {"name": "shelf", "directory": {"path": "../../shelf"}}


def test_a_file_and_an_address_are_archives() -> None:
    name = "shelf-1.0-py3-none-any.whl"
    by_path = locked("shelf", name, source=Source(type="file", url=f"files/{name}"))
    by_url = locked("distant", name, source=Source(type="url", url=f"https://t0ken@example.org/{name}"))
    archives = [each["archive"] for each in written(by_path, by_url)["packages"]]
    assert archives == [
        {"path": f"../files/{name}", "hashes": {"sha256": name}},
        {"url": f"https://example.org/{name}", "hashes": {"sha256": name}},
    ]


def test_only_packages_of_an_index_are_looked_up() -> None:
    packages = (
        locked("idna"),
        locked("inner", source=Source(type="legacy", url="u", reference="private")),
        locked("shelf", source=Source(type="directory", url="../shelf")),
    )
    lock = Lock(path=Path("poetry.lock"), digest="0", packages=packages)
    distributions = [
        Distribution(name=p.name, version=p.version, directory=Path(), record="0", direct=p.name == "shelf")
        for p in packages
    ]
    assert [package.name for package in pylock.from_index(distributions, lock)] == ["idna", "inner"]
