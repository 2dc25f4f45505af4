"""The files with credentials, in their order, and what is in each."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.oci import reference
from nox_pex.registry import credentials
from nox_pex.registry.credentials import Credentials

HUB = "https://index.docker.io/v1/"


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


class Home:
    """A user's home directory, with files of credentials."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {
            "HOME": str(root),
            "XDG_RUNTIME_DIR": str(root / "run"),
            "PATH": f"{root / 'bin'}:/usr/bin:/bin",
        }
        self.docker = root / ".docker" / "config.json"
        self.config = root / ".config" / "containers" / "auth.json"
        self.runtime = root / "run" / "containers" / "auth.json"

    def write(self, file: Path, content: Any) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return file

    def helper(self, name: str, script: str) -> None:
        program = self.write(self.root / "bin" / f"docker-credential-{name}", f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def find(self, name: str = "registry.example/team/app", *, timeout: float = 30.0) -> Credentials:
        return credentials.find(reference.parse(name), self.environ, timeout=timeout)

    def user(self, name: str = "registry.example/team/app") -> str:
        return self.find(name).user

    def failure(self, *, timeout: float = 30.0) -> NoxPexError:
        with pytest.raises(NoxPexError) as caught:
            self.find(timeout=timeout)
        assert caught.value.code == "registry-auth"
        return caught.value


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_without_files_there_are_no_credentials_and_the_places_are_named(home: Home) -> None:
    found = home.find()
    assert not found.known
    assert found.source == f"{home.runtime}, {home.config}, {home.docker}"


def test_the_first_file_in_the_order_with_an_entry_counts(home: Home) -> None:
    explicit = home.write(home.root / "explicit.json", {"auths": {"elsewhere.example": auth("x:y")}})
    files = [home.docker, home.config, home.runtime]
    for file in files:
        home.write(file, {"auths": {"registry.example": auth(f"{file.parent.parent.name}:secret")}})
        found = home.find()
        assert (found.user, found.source) == (file.parent.parent.name, str(file))
    home.environ["REGISTRY_AUTH_FILE"] = str(explicit)
    assert home.user() == "run"  # the explicit file has nothing for this registry
    home.write(explicit, {"auths": {"registry.example": auth("explicit:secret")}})
    assert home.user() == "explicit"


def test_variables_move_the_files(home: Home) -> None:
    home.environ |= {"XDG_CONFIG_HOME": str(home.root / "xdg"), "DOCKER_CONFIG": str(home.root / "docker")}
    home.write(home.docker, {"auths": {"registry.example": auth("old:secret")}})
    assert not home.find().known
    home.write(home.root / "docker" / "config.json", {"auths": {"registry.example": auth("docker:secret")}})
    assert home.user() == "docker"
    home.write(home.root / "xdg" / "containers" / "auth.json", {"auths": {"registry.example": auth("xdg:secret")}})
    assert home.user() == "xdg"


def test_a_missing_file_that_the_variable_names_is_passed_over_as_skopeo_does_and_is_named(home: Home) -> None:
    home.environ["REGISTRY_AUTH_FILE"] = str(home.root / "missing.json")
    assert f"{home.root / 'missing.json'} (REGISTRY_AUTH_FILE, which does not exist)" in home.find().source
    home.write(home.docker, {"auths": {"registry.example": auth("robot:secret")}})
    assert home.user() == "robot"


def test_the_longest_part_of_the_name_counts(home: Home) -> None:
    names = ("registry.example", "registry.example/team", "registry.example/team/app", "registry.example/tea")
    entries = {name: auth(f"{name}:secret") for name in names}
    home.write(home.docker, {"auths": entries})
    assert home.user("registry.example/team/app:1.0") == "registry.example/team/app"
    assert home.user("registry.example/team/other") == "registry.example/team"
    assert home.user("registry.example/teams/app") == "registry.example"
    assert not home.find("registry.example:5000/team/app").known
    assert not home.find("other.example/team/app").known


@pytest.mark.parametrize(
    "key", ["https://registry.example/v2/", "http://registry.example", "https://registry.example", "Registry.Example/"]
)
def test_a_key_may_be_a_url_as_docker_once_wrote_it(home: Home, key: str) -> None:
    home.write(home.docker, {"auths": {key: auth("robot:secret"), "https://other.example": auth("x:y")}})
    assert home.user() == "robot"
    assert not home.find("registry.example.evil/team/app").known


@pytest.mark.parametrize("key", [HUB, "docker.io", "index.docker.io", "registry-1.docker.io", "docker.io/library"])
def test_docker_hub_has_several_names(home: Home, key: str) -> None:
    home.write(home.docker, {"auths": {key: auth("robot:secret")}})
    assert home.user("python:3.12") == "robot"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("a:b:c"), ("a", "b:c", "", "")),
        (auth("a:b\0\0"), ("a", "b", "", "")),
        ({"auth": base64.b64encode(b"ab:cde").decode().rstrip("=")}, ("ab", "cde", "", "")),
        ({"username": "a", "password": "b"}, ("a", "b", "", "")),
        ({"identitytoken": "token"}, ("", "", "token", "")),
        ({**auth("00000000-0000-0000-0000-000000000000:"), "identitytoken": "token"}, ("0", "", "token", "")),
        ({"registrytoken": "token"}, ("", "", "", "token")),
    ],
)
def test_the_forms_of_an_entry(home: Home, entry: dict[str, str], expected: tuple[str, ...]) -> None:
    home.write(home.docker, {"auths": {"registry.example": entry}})
    found = home.find()
    assert (found.user[:2].rstrip("0") or found.user[:1], found.password, found.identity_token) == expected[:3]
    assert found.registry_token == expected[3]


@pytest.mark.parametrize("entry", [{}, None, {"auth": ""}, {"auth": None, "email": "a@b"}, auth("name:")])
def test_an_entry_without_a_password_is_none(home: Home, entry: object) -> None:
    home.write(home.docker, {"auths": {"registry.example/team": entry, "registry.example": auth("robot:secret")}})
    assert home.user() == "robot"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json hunter2",
        "[1]",
        '"hunter2"',
        '{"auths": {}, "auths": {"registry.example": "hunter2"}}',
        {"auths": ["hunter2"]},
        {"auths": {"registry.example": "hunter2"}},
        {"auths": {"registry.example": {"auth": "hunter2!"}}},
        {"auths": {"registry.example": {"auth": base64.b64encode(b"\xff\xfehunter2").decode()}}},
        {"auths": {"registry.example": {"auth": 7}}},
        {"auths": {"registry.example": {"registrytoken": "hunter2\r\nX: y"}}},
        {"auths": {"registry.example": {"identitytoken": "hunter2\n"}}},
        {"credHelpers": "hunter2"},
        {"credHelpers": {"registry.example": {"hunter2": 1}}},
        {"credsStore": ["hunter2"]},
        {"credsStore": "../../bin/hunter"},
        {"credHelpers": {"registry.example": "/bin/sh"}},
    ],
)
def test_nonsense_in_a_file_names_the_file_and_never_its_content(home: Home, content: Any) -> None:
    home.write(home.docker, content)
    failure = home.failure()
    assert str(home.docker) in failure.problem
    assert "hunter2" not in str(failure)


def test_a_directory_in_the_place_of_a_file_is_named(home: Home) -> None:
    home.docker.mkdir(parents=True)
    assert home.failure().problem == f"{home.docker} cannot be read: it is not a regular file"


def test_a_fifo_in_the_place_of_a_file_is_not_waited_for(home: Home) -> None:
    home.docker.parent.mkdir(parents=True)
    os.mkfifo(home.docker)
    assert home.failure().problem == f"{home.docker} cannot be read: it is not a regular file"


def test_the_helper_of_a_registry_comes_before_its_entry_and_the_store_after_it(home: Home) -> None:
    home.helper("one", 'read server; echo "{\\"Username\\": \\"one-$server\\", \\"Secret\\": \\"s\\"}"')
    home.helper("two", 'read server; echo "{\\"Username\\": \\"two-$server\\", \\"Secret\\": \\"s\\"}"')
    entries = {"with-entry.example": auth("entry:secret"), "empty.example": {}}
    home.write(home.docker, {"auths": entries, "credHelpers": {"registry.example": "one"}, "credsStore": "two"})

    assert home.user() == "one-registry.example"
    assert home.find().source == f"docker-credential-one ({home.docker})"
    assert home.user("with-entry.example/app") == "entry"
    assert home.user("empty.example/app") == "two-empty.example"
    assert home.user("python:3.12") == f"two-{HUB}"


@pytest.mark.parametrize(
    "script",
    [
        "echo 'credentials not found in native keychain'; exit 1",
        "echo 'credentials not found in native keychain' >&2; exit 1",
        "echo 'no credentials server URL'; exit 1",
        'echo \'{"Username": "", "Secret": ""}\'',
    ],
)
def test_a_helper_without_the_credentials_means_nobody_and_the_next_file_is_read(home: Home, script: str) -> None:
    home.helper("one", script)
    home.write(home.config, {"credHelpers": {"registry.example": "one"}})
    assert not home.find().known
    home.write(home.docker, {"auths": {"registry.example": auth("robot:secret")}})
    assert home.user() == "robot"


def test_a_helper_may_have_an_identity_token(home: Home) -> None:
    home.helper("one", 'echo \'{"Username": "<token>", "Secret": "identity"}\'')
    home.write(home.docker, {"credsStore": "one"})
    found = home.find()
    assert (found.identity_token, found.user, found.password) == ("identity", "", "")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo 'hunter2 is no json'", "did not answer in JSON"),
        ("echo '[\"hunter2\"]'", "did not answer in JSON"),
        ('echo \'{"Username": 1, "Secret": "hunter2"}\'', "did not answer in JSON"),
        ('echo \'{"Secret": "hunter2"\'; exit 3', "failed with status 3"),
        ("echo 'gpg: no key' >&2; exit 2", "failed with status 2: gpg: no key"),
    ],
)
def test_a_helper_that_fails_is_named_without_what_it_keeps(home: Home, script: str, problem: str) -> None:
    home.helper("one", script)
    home.write(home.docker, {"credsStore": "one"})
    failure = home.failure()
    assert "docker-credential-one" in failure.problem
    assert problem in failure.problem
    assert "hunter2" not in str(failure)


def test_a_helper_has_a_limit_of_time(home: Home) -> None:
    home.helper("one", "exec sleep 60")
    home.write(home.docker, {"credsStore": "one"})
    assert "was still running after 0.2 s" in home.failure(timeout=0.2).problem


def test_a_helper_that_writes_without_end_is_killed(home: Home) -> None:
    home.helper("one", "exec yes hunter2")
    home.write(home.docker, {"credsStore": "one"})
    failure = home.failure()
    assert "wrote more than 65536 bytes of output" in failure.problem
    assert "hunter2" not in str(failure)


def test_a_helper_that_is_not_installed_is_named(home: Home) -> None:
    home.write(home.docker, {"credHelpers": {"registry.example": "gone"}})
    failure = home.failure()
    assert failure.problem == f"docker-credential-gone, the credential helper that {home.docker} names, is not on PATH"


def test_a_helper_that_reads_nothing_is_no_failure(home: Home) -> None:
    home.helper("one", 'exec </dev/null; echo \'{"Username": "robot", "Secret": "s"}\'')
    home.write(home.docker, {"credsStore": "one"})
    assert home.user() == "robot"


def test_everything_secret_is_known_for_masking() -> None:
    found = Credentials(source="a file", user="robot", password="correct-horse")
    assert found.values == (base64.b64encode(b"robot:correct-horse").decode(), "correct-horse")
    assert Credentials(source="a file", identity_token="one", registry_token="two").values == ("one", "two")
