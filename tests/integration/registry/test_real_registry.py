"""The real registry of Debian, and clients that we did not write: skopeo, umoci and oras."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import oras.client
import pytest
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci import media_types, reference
from nox_pex.registry.push import PushPlan, push
from nox_pex.registry.referrers import tag_of
from nox_pex.registry.repository import Repository, open_repository
from nox_pex.registry.transport import Patience
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.support.registries import PASSWORD, USER, RunningRegistry, running_registry
from tests.support.small_images import ARTIFACT, image, index


class Place(Struct, frozen=True, kw_only=True):
    """A registry, and a user's home directory with what is needed to use it."""

    registry: RunningRegistry
    home: Path
    environ: dict[str, str]
    stack: contextlib.ExitStack
    password: bool

    def open(self, name: str) -> Repository:
        shell = Shell(environ=self.environ, secrets=Secrets(), say=lambda _: None)
        named = reference.parse(f"{self.registry.host}/{name}")
        opened = open_repository(
            named, environ=self.environ, shell=shell, say=lambda _: None, patience=Patience(attempts=2)
        )
        return self.stack.enter_context(opened)

    def run(self, *argv: str, given: str | None = None) -> str:
        program = shutil.which(argv[0])
        if program is None:
            pytest.skip(f"{argv[0]} is not installed")
        ended = subprocess.run(
            [program, *argv[1:]], env=self.environ, capture_output=True, text=True, input=given, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def skopeo(self, *argv: str) -> str:
        """Run skopeo, which takes loopback without TLS only if it is told to."""
        tls = [] if self.registry.ca else ["--tls-verify=false"]
        return self.run("skopeo", "--insecure-policy", argv[0], *(tls if argv[0] != "copy" else []), *argv[1:])

    def copy(self, source: str, target: str) -> None:
        tls = [] if self.registry.ca else ["--src-tls-verify=false", "--dest-tls-verify=false"]
        self.run("skopeo", "--insecure-policy", "copy", "--all", "--preserve-digests", *tls, source, target)


@pytest.fixture(scope="module", params=["plain", "password", "tls"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp(request.param)
    home = root / "home"
    (home / ".docker").mkdir(parents=True)
    environ = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "PATH": os.environ["PATH"]}
    (home / "run").mkdir()
    secure = request.param == "tls"
    with running_registry(root / "registry", htpasswd=request.param != "plain", tls=secure) as registry:
        if registry.ca:
            environ["SSL_CERT_FILE"] = str(registry.ca)
        entry = {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
        (home / ".docker" / "config.json").write_text(json.dumps({"auths": {registry.host: entry}}), "utf-8")
        with contextlib.ExitStack() as stack:
            yield Place(registry=registry, home=home, environ=environ, stack=stack, password=request.param != "plain")


def archive(**members: str) -> bytes:
    """A layer: a tar archive of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def plan(text: str) -> PushPlan:
    """An index of one image with two layers and two statements."""
    of_amd64 = image(archive(base="base"), archive(app=text), statements=(b'{"a":1}', b'{"b":2}'))
    return index(of_amd64, tags=("1.0", "latest"))


def push_it(repository: Repository, content: PushPlan) -> str:
    return push(repository, content, say=lambda _: None).digest


def test_skopeo_copies_what_we_pushed_and_umoci_unpacks_it(place: Place, tmp_path: Path) -> None:
    content = image(archive(base="base"), archive(app="skopeo"), tags=("1.0",))
    digest = push_it(place.open("team/copied"), content)

    place.copy(f"docker://{place.registry.host}/team/copied:1.0", f"oci:{tmp_path / 'layout'}:1.0")

    blobs = tmp_path / "layout" / "blobs" / "sha256"
    assert (blobs / digest.removeprefix("sha256:")).read_bytes() == content.manifests[0].source
    for blob in content.blobs:
        assert (blobs / blob.descriptor.digest.removeprefix("sha256:")).read_bytes() == blob.source
    place.run("umoci", "unpack", "--rootless", "--image", f"{tmp_path / 'layout'}:1.0", str(tmp_path / "bundle"))
    assert (tmp_path / "bundle" / "rootfs" / "app").read_text("utf-8") == "skopeo"


def test_skopeo_reads_the_index_and_the_list_of_referrers(place: Place) -> None:
    content = plan("index")
    push_it(place.open("team/index"), content)
    name = f"docker://{place.registry.host}/team/index"

    raw = place.skopeo("inspect", "--raw", f"{name}:latest")
    listed = json.loads(place.skopeo("inspect", "--raw", f"{name}:{tag_of(content.manifests[0].descriptor.digest)}"))

    assert raw.encode() == content.manifests[-1].source
    assert [each["artifactType"] for each in listed["manifests"]] == [ARTIFACT] * 2
    assert [each["digest"] for each in listed["manifests"]] == [
        each.manifest.descriptor.digest for each in content.referrers
    ]


def test_we_read_what_skopeo_pushed_also_with_types_of_docker(place: Place, tmp_path: Path) -> None:
    content = image(archive(app="theirs"), tags=("1.0",))
    push_it(place.open("team/source"), content)
    source, target = (f"docker://{place.registry.host}/team/{name}:1.0" for name in ("source", "theirs"))
    tls = [] if place.registry.ca else ["--src-tls-verify=false", "--dest-tls-verify=false"]
    place.run("skopeo", "--insecure-policy", "copy", "--format", "v2s2", *tls, source, target)

    repository = place.open("team/theirs")
    found = repository.fetch_manifest("1.0")
    layer = msgspec.json.decode(found.data)["layers"][0]

    assert found.media_type == media_types.DOCKER_MANIFEST
    assert repository.has(layer["digest"])
    repository.fetch_blob(
        msgspec.convert({**layer, "mediaType": media_types.LAYER_GZIP}, type(content.blobs[0].descriptor)),
        tmp_path / "layer",
    )
    assert (tmp_path / "layer").stat().st_size == layer["size"]


def test_oras_reads_our_statements_and_we_read_its_artifact(place: Place, tmp_path: Path) -> None:
    content = plan("oras")
    repository = place.open("team/oras")
    push_it(repository, content)
    client = oras.client.OrasClient(
        hostname=place.registry.host,
        insecure=place.registry.ca is None,
        tls_verify=str(place.registry.ca) if place.registry.ca else False,
        auth_backend="basic",
    )
    client.auth.set_basic_auth(USER, PASSWORD)
    first = content.referrers[0]
    name = f"{place.registry.host}/team/oras"

    theirs = client.get_manifest(
        f"{name}@{first.manifest.descriptor.digest}", allowed_media_type=[media_types.MANIFEST]
    )
    text = client.get_blob(name, first.blobs[1].descriptor.digest).content

    assert theirs["subject"]["digest"] == content.manifests[0].descriptor.digest
    assert text == first.blobs[1].source

    (tmp_path / "note.txt").write_text("from oras", "utf-8")
    client.push(target=f"{name}:note", files=[str(tmp_path / "note.txt")], disable_path_validation=True)
    found = repository.fetch_manifest("note")
    layer = msgspec.json.decode(found.data)["layers"][0]
    descriptor = msgspec.convert(layer, type(content.blobs[0].descriptor))
    assert repository.fetch_small(descriptor, 100) == b"from oras"


def test_an_edit_sends_only_its_layer_and_layers_of_another_repository_are_mounted(place: Place) -> None:
    repository = place.open("team/edited")
    push(repository, plan("one"), say=lambda _: None)
    edited = push(repository, plan("two"), say=lambda _: None)
    assert len(edited.blobs_sent) == 2  # the layer and the configuration
    content = plan("two")
    mount = {blob.descriptor.digest: "team/edited" for blob in content.blobs}
    moved = push(place.open("team/mounted"), msgspec.structs.replace(content, mount_from=mount), say=lambda _: None)
    assert len(moved.blobs_mounted) == 3
    again = push(repository, content, say=lambda _: None)
    assert not again.blobs_sent


def test_another_tool_that_lists_a_referrer_keeps_its_place(place: Place) -> None:
    repository = place.open("team/shared")
    content = plan("shared")
    push_it(repository, content)
    more = image(archive(base="base"), archive(app="shared"), statements=(b'{"c":3}',))
    push_it(repository, more)
    assert len(repository.referrers(content.manifests[0].descriptor.digest)) == 3


def test_a_wrong_password_names_the_file_and_shows_no_password(place: Place) -> None:
    if not place.password:
        pytest.skip("this registry wants no password")
    file = place.home / "wrong.json"
    entry = {"auth": base64.b64encode(f"{USER}:wrong-password".encode()).decode()}
    file.write_text(json.dumps({"auths": {place.registry.host: entry}}), "utf-8")
    wrong = msgspec.structs.replace(place, environ={**place.environ, "REGISTRY_AUTH_FILE": str(file)})
    with pytest.raises(NoxPexError) as caught:
        push_it(wrong.open("team/refused"), plan("refused"))
    assert caught.value.code == "registry-auth"
    assert str(file) in caught.value.problem
    assert "wrong-password" not in str(caught.value)


def test_what_skopeo_login_writes_is_read(place: Place, tmp_path: Path) -> None:
    if not place.password:
        pytest.skip("this registry wants no password")
    tls = ["--cert-dir", str(tmp_path)] if place.registry.ca else ["--tls-verify=false"]
    file = tmp_path / "auth.json"
    place.run(
        *("skopeo", "login", *tls, "--authfile", str(file), "--username", USER, "--password-stdin"),
        place.registry.host,
        given=PASSWORD,
    )
    elsewhere = {**place.environ, "HOME": str(tmp_path), "REGISTRY_AUTH_FILE": str(file)}
    push_it(msgspec.structs.replace(place, environ=elsewhere).open("team/logged-in"), plan("login"))
