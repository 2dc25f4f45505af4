from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nox_pex.platforms.wheel_cache import WheelCache, digest_of
from nox_pex.tools.cache import Caches

NAME = "idna-3.11-py3-none-any.whl"


@pytest.fixture
def cache(tmp_path: Path) -> WheelCache:
    return WheelCache(Caches(chosen=tmp_path / "cache"))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    file = tmp_path / NAME
    file.write_bytes(b"a wheel")
    file.chmod(0o600)
    return file


def hash_of(content: bytes, algorithm: str) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("copy", [True, False])
def test_a_wheel_is_stored_by_its_hash(cache: WheelCache, wheel: Path, algorithm: str, *, copy: bool) -> None:
    expected = hash_of(b"a wheel", algorithm)
    assert not cache.has(expected, NAME)
    cache.store(wheel, expected, copy=copy)
    assert cache.has(expected, NAME)
    assert cache.path(expected, NAME).read_bytes() == b"a wheel"
    assert cache.path(expected, NAME).stat().st_mode & 0o777 == 0o644
    assert wheel.exists() is copy
    assert [path.name for path in cache.path(expected, NAME).parent.iterdir()] == [NAME]


def test_a_wheel_whose_content_does_not_match_its_hash_is_removed(cache: WheelCache, wheel: Path) -> None:
    expected = hash_of(b"a wheel", "sha256")
    cache.store(wheel, expected)
    cache.path(expected, NAME).write_bytes(b"another")
    assert not cache.has(expected, NAME)
    assert not cache.path(expected, NAME).exists()


def test_a_missing_file_has_the_digest_of_no_file(tmp_path: Path) -> None:
    assert digest_of(tmp_path / "gone", like="sha512:00") == ""
    assert digest_of(tmp_path / "gone", like="sha256:00") == "sha256:"
