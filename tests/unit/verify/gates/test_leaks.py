from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from nox_pex.system.secrets import Secrets
from nox_pex.verify.archive import open_pex
from nox_pex.verify.gates import leaks
from nox_pex.verify.gates.leaks import CREDENTIAL, FILE_URL, KEY, SECRET, SECRET_FILE, Machine, Rules
from tests.support.pex_files import archive, wheel

CANARY = "c4nary-0fThisRun"
PROJECT = "an absolute path: the project"
HOME = "an absolute path: the user's home"
MACHINE = Machine(
    paths={Path("/builds/team/service"): "the project", Path("/app"): "too common"},
    prefixes={Path("/tmp/nox-pex-"): "a temporary directory"},  # noqa: S108  # nothing is written there
    home=Path("/home/dev"),
    secrets=Secrets(values=(CANARY, "postgres", "p/w+1?a=4")),
)
PEM = b"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n"
OWN_INFO = "svc-1.dist-info"
OTHER_INFO = "lib-1.dist-info"


@pytest.fixture
def found(tmp_path: Path) -> Callable[..., list[tuple[str, str]]]:
    """Search a PEX with loose files, files of the project's own wheel, and of a third party's; return what is found."""

    def search(
        loose: dict[str, bytes | str] | None = None,
        *,
        own: dict[str, bytes | str] | None = None,
        others: dict[str, bytes | str] | None = None,
        info: dict[str, object] | None = None,
        head: bytes = b"",
        documents: dict[str, object] | None = None,
    ) -> list[tuple[str, str]]:
        members: dict[str, bytes | str] = {
            "PEX-INFO": json.dumps({"deps_are_wheel_files": True, **(info or {})}),
            ".deps/svc-1-py3-none-any.whl": wheel({f"{OWN_INFO}/METADATA": "Name: svc\n", **(own or {})}),
            ".deps/lib-1-py3-none-any.whl": wheel({f"{OTHER_INFO}/METADATA": "Name: lib\n", **(others or {})}),
            **(loose or {}),
        }
        with open_pex(archive(tmp_path / "x.pex", members, head=head)) as pex:
            verdict = leaks.judge(
                pex, Rules.of(MACHINE), own_wheels=["svc-1-py3-none-any.whl"], documents=documents or {}
            )
        for value in (CANARY, "p/w+1?a=4", "MIIE", "hunter22"):
            assert value not in "".join(verdict.problems)
        return [(entry["member"].removeprefix(".deps/"), entry["kind"]) for entry in verdict.details["found"]]

    return search


Found = Callable[..., list[tuple[str, str]]]


def test_a_clean_binary_has_no_findings(found: Found) -> None:
    assert found({"main.py": "print('hello')\n"}, own={"svc.py": "x = 1\n"}, others={"lib.py": "y = 2\n"}) == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (f"TOKEN = '{CANARY}'", SECRET),
        ("the password is p%2Fw%2B1%3Fa%3D4 here", SECRET),
        ("at p/w+1?a=4!", SECRET),
        ("URL = 'postgresql://svc:hunter22@db.corp.net/svc'", CREDENTIAL),
        ("pip install git+https://ghp_0123456789abcdef@code.corp.net/x/y", CREDENTIAL),
        ("ROOT = '/builds/team/service/data'", PROJECT),
        ("open('/tmp/nox-pex-abc/x')", "an absolute path: a temporary directory"),
        ("open('/home/dev/.ssh/config')", HOME),
        (PEM, KEY),
        (PEM.replace(b"\n", b"\\n"), KEY),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\nlQOYBF8Xabcdefgh", KEY),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA", KEY),
    ],
)
def test_secrets_and_paths_are_found_in_the_projects_own_files(found: Found, content: bytes | str, kind: str) -> None:
    assert found({"main.py": content}) == [("main.py", kind)]
    assert found(own={"svc/x.py": content}) == [("svc-1-py3-none-any.whl/svc/x.py", kind)]


@pytest.mark.parametrize(
    "content",
    [
        "postgresql://postgres:postgres@localhost:5432/app and postgresql://app:hunter22@127.0.0.1/app",
        "https://user:password@host.net and https://user:hunter22@index.example/simple",
        "f'https://{user}:{password}@{host}/' and 'https://%s:%s@%s' and https://$USER:$TOKEN@host.net",
        "re.compile(r'://(?P<user>[^:]+):(?P<password>[^@]+)@')",
        "ssh://git@code.corp.net/x/y and git+ssh://git@code.corp.net/x/y and https://host.net/@me/x:y@z",
        "text.startswith('-----BEGIN PRIVATE KEY-----')",
        "'-----BEGIN PRIVATE KEY-----\\n' + body",
        "from postgres import connect  # the user is postgres",
        "PATH = '/app/static' and '/builds/team/services' and '/home/developer'",
        "url.startswith('file://')",
    ],
)
def test_examples_templates_and_similar_paths_are_no_leaks(found: Found, content: str) -> None:
    assert found({"main.py": content}, own={"svc.py": content}, others={"lib.py": content}) == []


@pytest.mark.parametrize("name", [".env", "svc/.env.production", ".git/config", "conf/.netrc", ".ssh/known_hosts"])
def test_files_with_the_name_of_a_secret_are_found(found: Found, name: str) -> None:
    assert found({name: "x"}) == [(name, SECRET_FILE)]
    assert found(others={name: "x"}) == []


def test_an_example_of_an_env_file_is_allowed(found: Found) -> None:
    assert found({"svc/.env.example": "TOKEN=...\n", "env.py": ""}) == []


def test_third_party_files_are_searched_only_for_what_this_run_knows(found: Found) -> None:
    others: dict[str, bytes | str] = {
        "tests/key.pem": PEM,
        "lib/doc.py": "engine = 'mysql://scott:tiger@db.corp.net'; /home/dev/x",
        f"{OTHER_INFO}/sboms/x.json": "path+file:///home/runner/x",
        "lib/secret.py": f"x = '{CANARY}'",
        "lib/_ext.so": b"\0\x7f" * 100 + b"/builds/team/service/lib.c\0",
    }
    assert found(others=others) == [
        ("lib-1-py3-none-any.whl/lib/secret.py", SECRET),
        ("lib-1-py3-none-any.whl/lib/_ext.so", PROJECT),
    ]


def test_headers_of_third_party_metadata_are_searched_and_descriptions_are_not(found: Found) -> None:
    description = "\n\nUse `https://u:hunter22@db.corp.net` or file:///x/y\n"
    clean = f"Name: lib\nProject-URL: Home, https://host.net{description}"
    assert found(others={f"{OTHER_INFO}/METADATA": clean}) == []
    direct = f"Name: lib\nRequires-Dist: x @ file:///x/y{description}"
    assert found(others={f"{OTHER_INFO}/METADATA": direct}) == [
        (f"lib-1-py3-none-any.whl/{OTHER_INFO}/METADATA", FILE_URL)
    ]
    origin = '{"url": "https://u:hunter22@db.corp.net/x.whl"}'
    name = f"{OTHER_INFO}/direct_url.json"
    assert found(others={name: origin}) == [(f"lib-1-py3-none-any.whl/{name}", CREDENTIAL)]


@pytest.mark.parametrize("place", ["job%2Ffeature", "a#b?", "svc:main@2", 'it\'s "q"', "new\nline", "grün", "a b"])
@pytest.mark.parametrize(
    "form",
    [
        str,
        lambda path: Path(path).as_uri(),
        lambda path: f"file://{quote(path, safe='/:@')}/x",
        json.dumps,
        repr,
        lambda path: json.dumps(path, ensure_ascii=False),
    ],
    ids=["as-it-is", "uri", "another-uri", "json", "repr", "json-in-utf-8"],
)
def test_a_build_path_is_found_in_every_form(tmp_path: Path, place: str, form: Callable[[str], str]) -> None:
    path = f"/builds/{place}"
    machine = Machine(paths={Path(path): "the project"}, prefixes={}, home=None, secrets=Secrets())
    members = {"PEX-INFO": "{}", "main.py": f"HERE = {form(path)}\n"}
    with open_pex(archive(tmp_path / "x.pex", members)) as pex:
        verdict = leaks.judge(pex, Rules.of(machine), own_wheels=[])
    assert f"main.py holds {PROJECT}" in verdict.problems


def test_a_path_dependency_in_the_projects_metadata_is_found(found: Found) -> None:
    text = "Name: svc\nRequires-Dist: shelf @ file:///builds/team/shelf\n"
    assert found(own={f"{OWN_INFO}/METADATA": text}) == [(f"svc-1-py3-none-any.whl/{OWN_INFO}/METADATA", FILE_URL)]


def test_the_strings_of_pex_info_are_searched(found: Found) -> None:
    requirement = "lib @ https://u:hunter22@localhost/lib.whl"
    assert found(info={"requirements": [requirement]}) == [("PEX-INFO", CREDENTIAL)]
    assert found(info={"requirements": ["lib @ file:///x/lib.whl"]}) == [("PEX-INFO", FILE_URL)]
    assert found(info={"inject_env": {"API_TOKEN": "x", "LEVEL": "info"}}) == [("PEX-INFO (API_TOKEN)", leaks.BAKED_IN)]
    assert found(info={"inject_env": {"A": CANARY}}) == [("PEX-INFO", SECRET)]


def test_the_shebang_is_searched(found: Found) -> None:
    assert found(head=b"#!/builds/team/service/.venv/bin/python\n") == [("the head of the file", PROJECT)]


def test_nested_archives_are_searched(found: Found, tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.zip", {"deep/.env": "x", "deep/key.txt": CANARY * 9}).read_bytes()
    assert CANARY.encode() * 2 not in inner
    assert found({"data.zip": wheel({"more.zip": inner})}) == [
        ("data.zip/more.zip/deep/.env", SECRET_FILE),
        ("data.zip/more.zip/deep/key.txt", SECRET),
    ]
    assert found(others={"bundled.whl": inner}) == [("lib-1-py3-none-any.whl/bundled.whl/deep/key.txt", SECRET)]
    assert found(others={"not-really.zip": "plain text"}) == []


def test_plain_secrets_are_counted_but_not_searched() -> None:
    assert Rules.of(MACHINE).skipped_secrets == 1
    plain = Secrets(values=("password", "12345678", "short1", "/run/secrets/key.json", "longer-than-that-1"))
    rules = Rules.of(Machine(paths={}, prefixes={}, home=None, secrets=plain))
    assert rules.skipped_secrets == 4


@pytest.mark.parametrize(("below_home", "leaks_it"), [(".cache/x", True), ("x", False)])
def test_a_home_below_the_root_is_found_by_its_hidden_directories(
    tmp_path: Path, below_home: str, *, leaks_it: bool
) -> None:
    home = Path("/ship")
    rules = Rules.of(Machine(paths={}, prefixes={}, home=home, secrets=Secrets()))
    with open_pex(archive(tmp_path / "x.pex", {"PEX-INFO": "{}", "main.py": str(home / below_home)})) as pex:
        assert bool(leaks.judge(pex, rules, own_wheels=[]).problems) is leaks_it


def test_the_summary_says_what_was_not_searched(tmp_path: Path) -> None:
    def summary(*secrets: str) -> str:
        rules = Rules.of(Machine(paths={}, prefixes={}, home=None, secrets=Secrets(values=secrets)))
        with open_pex(archive(tmp_path / "x.pex", {"PEX-INFO": "{}", ".bootstrap/pex.py": ""})) as pex:
            return leaks.judge(pex, rules, own_wheels=[]).summary

    assert summary() == "1 own and 1 third-party files searched"
    assert summary("password") == "1 own and 1 third-party files searched; 1 secret is too plain to search for"
    assert summary("0123456789abcdef") == summary("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == summary("password")
    assert (
        summary("password", "secret") == "1 own and 1 third-party files searched; 2 secrets are too plain to search for"
    )


def test_the_lift_manifest_of_a_scie_is_searched(found: Found) -> None:
    lift = {"name": "svc", "base": "~/.cache/svc", "files": [{"name": "svc.pex"}]}
    good = {"scie": {"lift": lift}, "ptex": {"cpython.tar.gz": "https://mirror.example/cpython.tar.gz"}}
    assert found(documents={"svc-linux-x86_64": good}) == []
    bad = {
        "scie": {"lift": {**lift, "base": "/builds/team/service/base", "env": {"=X": CANARY}}},
        "ptex": {"a": "https://joe:hunter22@mirror.corp/a", "b": "file:///mirror/b"},
    }
    assert set(found(documents={"svc-linux-x86_64": bad})) == {
        ("svc-linux-x86_64", kind) for kind in (CREDENTIAL, FILE_URL, SECRET, PROJECT)
    }
