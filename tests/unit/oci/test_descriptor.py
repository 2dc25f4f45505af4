"""Descriptors and platforms."""

from __future__ import annotations

import msgspec
import pytest

from nox_pex.oci import descriptor
from nox_pex.oci.descriptor import Descriptor, ImagePlatform

ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_descriptor_says_type_digest_and_size() -> None:
    found = descriptor.describe(b"abc", "text/plain")

    assert msgspec.to_builtins(found) == {"mediaType": "text/plain", "digest": ABC, "size": 3}


@pytest.mark.parametrize(
    "value",
    [
        {"digest": ABC.upper()},
        {"digest": ABC[:-1]},
        {"digest": f"{ABC}\n"},
        {"digest": "sha512:" + "0" * 128},
        {"digest": "../../etc/passwd"},
        {"size": -1},
        {"size": 1 << 41},
        {"size": True},
        {"size": "3"},
    ],
)
def test_a_wrong_digest_or_size_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"mediaType": "text/plain", "digest": ABC, "size": 3, **value}, Descriptor)


@pytest.mark.parametrize(
    ("text", "machine"), [("linux/amd64", "x86_64"), ("linux/arm64/v8", "aarch64"), ("linux/s390x", "s390x")]
)
def test_a_platform_has_gos_name_and_the_kernels(text: str, machine: str) -> None:
    found = descriptor.parse_platform(text)

    assert (str(found), found.machine) == (text, machine)


@pytest.mark.parametrize("text", ["linux", "linux/", "/amd64", "linux/AMD64", "linux/a/b/c", "linux/amd 64", "linux/é"])
def test_a_wrong_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a platform such as linux/amd64"):
        descriptor.parse_platform(text)


def test_the_platform_of_a_machine_is_that_of_its_kernels_name() -> None:
    assert descriptor.platform_of_machine("aarch64") == ImagePlatform(os="linux", architecture="arm64")
    assert descriptor.platform_of_machine("riscv64") == ImagePlatform(os="linux", architecture="riscv64")


@pytest.mark.parametrize(("data", "is_described"), [(b"abc", True), (b"abd", False), (b"abcd", False), (b"", False)])
def test_a_descriptor_describes_the_same_bytes_only(data: bytes, *, is_described: bool) -> None:
    assert descriptor.describe(b"abc", "text/plain").describes(data) == is_described


def test_the_digits_of_a_digest() -> None:
    assert f"sha256:{descriptor.hexadecimal(ABC)}" == ABC
