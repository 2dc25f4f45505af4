from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nox_pex
from nox_pex import command_line
from nox_pex.system import withheld
from tests.support.faulty_registry import Answer, serve_registry
from tests.support.signing_keys import ED25519, OTHER, P256, private_pem, public_pem
from tests.support.statements import COMMIT, REPOSITORY, write_statements

ROOT = Path(__file__).resolve().parents[2]
IMAGE = f"registry.example/team/service@sha256:{'0a' * 32}"
CONTENT = b"#!/usr/bin/env python3\n" + bytes(range(256)) * 10


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a file, its signed statements and keys, which is the working directory."""
    for variable in (withheld.KEY, withheld.PASSPHRASE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.pem").write_text(private_pem(ED25519))
    (tmp_path / "key.pub").write_text(public_pem(ED25519))
    (tmp_path / "other.pub").write_text(public_pem(OTHER))
    (tmp_path / "service.pex").write_bytes(CONTENT)
    write_statements(tmp_path, hashlib.sha256(CONTENT).hexdigest())
    assert command_line.main(["sign", ".", "--key", "key.pem"]) == 0
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = command_line.main(argv)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def check(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    return run(capsys, "check", "service.pex", "--key", "key.pub", *argv)


def test_a_file_with_its_proof_passes(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = check(capsys)

    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "passed: 4 statements about this file, signed by a given key"
    assert deployed.joinpath("service.pex.intoto.jsonl").is_file()


def test_all_options_together(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployed.joinpath("service.pex.intoto.jsonl").rename("proof")
    old = (dt.datetime.now(dt.UTC) - dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)).days + 1
    options = [
        *("--bundle", "proof", "--key", "other.pub", "--require", "smoke, verify", "--require", "sbom"),
        *("--source", f"{REPOSITORY}.git", "--commit", COMMIT.upper(), "--allow-warned", "--json"),
        *(("--max-age", f"{old}d") if old > 0 else ()),
    ]

    status, out, err = check(capsys, *options)

    assert (status, err) == (0, "")
    assert json.loads(out)["passed"] is True


def damaged(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda directory: (directory / name).write_bytes(change((directory / name).read_bytes()))


def in_line(field: str) -> Callable[[bytes], bytes]:
    """Change the last character before the padding of each `payload` or `sig`, or of the first one."""

    def change(data: bytes) -> bytes:
        start = data.index(f'"{field}":"'.encode()) + len(field) + 4
        end = data.index(b'"', start)
        at = start + len(data[start:end].rstrip(b"=")) - 1
        return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]

    return change


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (damaged("service.pex", lambda data: data[:-1] + b"x"), "not-proven"),
        (damaged("service.pex", lambda data: data + b"x"), "not-proven"),
        (damaged("service.pex", lambda _: b""), "not-proven"),
        (damaged("service.pex.intoto.jsonl", in_line("payload")), "signature"),
        (damaged("service.pex.intoto.jsonl", in_line("sig")), "signature"),
        (damaged("key.pub", lambda _: public_pem(OTHER).encode()), "signature"),
        (damaged("key.pub", lambda _: public_pem(P256).encode()), "signature"),
        (damaged("service.pex.intoto.jsonl", lambda _: b""), "not-proven"),
        (damaged("service.pex.intoto.jsonl", lambda data: data.partition(b"\n")[2]), "not-proven"),
        (damaged("service.pex.intoto.jsonl", lambda data: data + b"\xff"), "not-proven"),
        (lambda directory: (directory / "service.pex.intoto.jsonl").unlink(), "not-proven"),
    ],
)
def test_a_changed_file_fails_with_the_right_code(
    damage: Callable[[Path], object], code: str, deployed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(deployed)

    status, out, err = check(capsys)

    assert status == 1
    assert err.startswith(f"error[{code}]: service.pex: ")
    assert err.count("\n") == 1
    assert "  FAILED   " in out
    status, out, err = check(capsys, "--json")
    assert (status, err.count("\n")) == (1, 1)
    assert (json.loads(out)["passed"], json.loads(out)["code"]) == (False, code)


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make",
    [lambda _: None, fifo, os.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path)],
    ids=["missing", "FIFO", "directory", "device", "link to itself"],
)
def test_what_is_no_file_is_one_line(
    make: Callable[[Path], object], deployed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(deployed / "odd")

    status, out, err = run(capsys, "check", "odd", "--key", "key.pub")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error[usage]: odd cannot be read: ")

    status, _, err = check(capsys, "--bundle", "odd")
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("error[not-proven]: service.pex: ")


def test_a_bundle_without_an_end_is_refused(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (deployed / "large").open("wb") as file:
        file.truncate(10**12)

    status, _, err = check(capsys, "--bundle", "large")

    assert status == 1
    assert "it has more than 64 MiB" in err


SECRET = private_pem(ED25519)


USAGE: dict[str, tuple[list[str], str]] = {
    "no command": ([], "the following arguments are required: COMMAND"),
    "another command": (["chek"], "invalid choice"),
    "no file": (["check", "--key", "key.pub"], "the following arguments are required: FILE"),
    "no key": (["check", "service.pex"], "the following arguments are required: --key"),
    "two files": (["check", "service.pex", "x", "--key", "key.pub"], "nox-pex check: 1 argument too many"),
    "the path of a key too many": (["check", "service.pex", "--key", "key.pub", "secret.pem"], "1 argument too many"),
    "the key before the command": (["--key", "secret.pem", "sign", "."], "argument COMMAND: invalid choice;"),
    "the key in the place of the command": ([SECRET, "sign", "."], "argument COMMAND: invalid choice;"),
    "the key in the place of the file": (["check", SECRET, "--key", "key.pub"], "error[usage]: ****"),
    "the key too many": (["check", "service.pex", "--key", "key.pub", SECRET], "1 argument too many"),
    "a kind that is a key": (["check", "service.pex", "--key", "key.pub", "--require", SECRET], "no kind '****'"),
    "an option with a value": (["sign", ".", "--kye=secret.pem"], "unrecognised arguments: --kye;"),
    "a switch with a value": (
        ["check", "service.pex", "--key", "key.pub", "--json=secret.pem"],
        "argument --json: ignored explicit argument;",
    ),
    "a source with a token": (
        ["check", "service.pex", "--key", "key.pub", "--source", "https://me:secret.pem@git.example.org"],
        "--source 'https://me:****@git.example.org' is no repository",
    ),
    "a source on this machine": (
        ["check", "service.pex", "--key", "key.pub", "--source", "./service"],
        "'./service' is no repository",
    ),
    "another option": (["check", "service.pex", "--key", "key.pub", "--jsn"], "unrecognised arguments: --jsn"),
    "a shortened option": (["check", "service.pex", "--key", "key.pub", "--js"], "unrecognised arguments: --js"),
    "a missing key": (
        ["check", "service.pex", "--key", "nowhere"],
        "public key 1 (--key) cannot be used: it cannot be read",
    ),
    "a private key": (
        ["check", "service.pex", "--key", "key.pub", "--key", "key.pem"],
        "public key 2 (--key) cannot be used",
    ),
    "another kind": (["check", "service.pex", "--key", "key.pub", "--require", "smok"], "did you mean 'smoke'?"),
    "no kind": (["check", "service.pex", "--key", "key.pub", "--require", ""], "there is no kind ''"),
    "no source": (["check", "service.pex", "--key", "key.pub", "--source", "x"], "--source 'x' is no repository"),
    "a short commit": (["check", "service.pex", "--key", "key.pub", "--commit", COMMIT[:11]], "is no commit"),
    "a long commit": (["check", "service.pex", "--key", "key.pub", "--commit", COMMIT + "0"], "is no commit"),
    "a branch": (["check", "service.pex", "--key", "key.pub", "--commit", "main"], "is no commit"),
    "no age": (["check", "service.pex", "--key", "key.pub", "--max-age", "30"], "--max-age '30' is no age"),
    "an age of zero": (["check", "service.pex", "--key", "key.pub", "--max-age", "0d"], "is no age"),
    "an age below zero": (["check", "service.pex", "--key", "key.pub", "--max-age=-1d"], "is no age"),
    "a huge age": (["check", "service.pex", "--key", "key.pub", "--max-age", "9999999d"], "is no age"),
    "an image and a file": (["check", "service.pex", "--image", IMAGE, "--key", "key.pub"], "FILE or --image, and not"),
    "an image with a bundle": (
        ["check", "--image", IMAGE, "--bundle", "b", "--key", "key.pub"],
        "--bundle is for FILE",
    ),
    "an image without a digest": (["check", "--image", "r.example/a:1", "--key", "key.pub"], "has no digest, and the"),
    "an image without a tag": (["check", "--image", "r.example/a", "--key", "key.pub"], "the tag latest may name"),
    "an image that is none": (
        ["check", "--image", "R.example/A@sha256:", "--key", "key.pub"],
        "is no image: its digest",
    ),
    "no image": (["check", "--image", "", "--key", "key.pub"], "is no image: it is not HOST/PATH"),
    "an image without a key": (["check", "--image", IMAGE], "the following arguments are required: --key"),
    "sign without a directory": (["sign", "--key", "key.pem"], "the following arguments are required: DIR"),
    "sign without a key": (["sign", "."], "there is no signing key"),
    "sign another directory": (["sign", "nowhere", "--key", "key.pem"], "DIR is not a directory"),
    "sign with the key in the wrong place": (["sign", "secret.pem", "--key", "."], "DIR is not a directory"),
    "sign a path that cannot be one": (["sign", "a\0b", "--key", "key.pem"], "is not a directory"),
    "sign with the path of a key too many": (
        ["sign", ".", "--key", "key.pem", "secret.pem"],
        "nox-pex sign: 1 argument too many",
    ),
    "check a path that cannot be one": (["check", "a\0b", "--key", "key.pub"], "cannot be read: no path"),
}


@pytest.mark.parametrize("name", USAGE)
@pytest.mark.usefixtures("deployed")
def test_wrong_usage_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv, problem = USAGE[name]

    status, out, err = run(capsys, *argv)

    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error[usage]: ")
    assert problem in err
    assert "secret.pem" not in err
    assert SECRET.splitlines()[1] not in err


@pytest.mark.parametrize(("status", "code"), [(404, "registry"), (403, "registry-auth")])
@pytest.mark.usefixtures("deployed")
def test_the_verdict_is_json_if_the_registry_does_not_give_the_image(
    status: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve_registry() as server:
        server.answer("/manifests/", Answer(status=status))
        name = f"{server.host}/team/service@sha256:{'0a' * 32}"
        exit_status, out, err = run(capsys, "check", "--image", name, "--key", "key.pub", "--json")
    verdict = json.loads(out)
    assert (exit_status, verdict["passed"], verdict["code"], verdict["file"]) == (1, False, code, name)
    assert verdict["problems"][0][:60] in err
    assert err.startswith(f"error[{code}]: ")


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--help"], "sign the finished statements"),
        (["check", "--help"], "Exit status: 0 if everything"),
        (["sign", "--help"], "NOX_PEX_SIGNING_PASSPHRASE"),
        (["--version"], f"nox-pex {nox_pex.__version__}"),
    ],
)
def test_help_and_version(argv: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command_line.main(argv)

    assert caught.value.code == 0
    assert part in capsys.readouterr().out


def test_the_signing_key_may_be_in_the_environment(
    deployed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encrypted = private_pem(ED25519, "passphrase")
    (deployed / "encrypted.pem").write_text(encrypted)
    before = deployed.joinpath("service.pex.intoto.jsonl").read_bytes()
    for value in ("encrypted.pem", encrypted):
        monkeypatch.setenv(withheld.KEY, value)
        monkeypatch.setenv(withheld.PASSPHRASE, "passphrase")
        deployed.joinpath("service.pex.intoto.jsonl").unlink()

        status, out, err = run(capsys, "sign", "service.attestations")

        assert (status, err) == (0, "")
        assert "service.pex.intoto.jsonl" in out
        assert deployed.joinpath("service.pex.intoto.jsonl").read_bytes() == before
    monkeypatch.setenv(withheld.PASSPHRASE, "another-one")

    status, out, err = run(capsys, "sign", "service.attestations")

    assert (status, out) == (1, "")
    assert err.startswith("error[signing]: the signing key cannot be used: the passphrase is wrong")
    assert "another-one" not in err


def test_the_path_of_a_signing_key_is_in_no_error(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (deployed / "secret-path").write_text(public_pem(ED25519))
    for argv in (["sign", ".", "--key", "secret-path"], ["sign", ".", "--key", "secret-path-2"]):
        status, out, err = run(capsys, *argv)

        assert (status, out, err.count("\n")) == (1, "", 1)
        assert err.startswith("error[signing]: ")
        assert "secret" not in err


def script(deployed: Path, *argv: str, code: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    start = ["-c", code] if code else ["-m", "nox_pex"]
    return subprocess.run(
        [sys.executable, *start, *argv],
        cwd=deployed,
        env={"PYTHONPATH": str(ROOT / "tasks"), **options},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_check_imports_no_nox_and_no_settings(deployed: Path) -> None:
    code = (
        "import sys; from nox_pex.command_line import main;"
        "status = main(['check', 'service.pex', '--key', 'key.pub']);"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('nox_pex.')};"
        "print(status, 'nox' in sys.modules, *sorted(rooms))"
    )

    result = script(deployed, code=code)

    assert result.stdout.splitlines()[-1] == "0 False command_line errors evidence site system version"


def test_modules_of_the_working_directory_are_not_imported(deployed: Path) -> None:
    for module in ("cryptography", "msgspec", "argparse", "hashlib", "json"):
        (deployed / f"{module}.py").write_text("raise SystemError('imported')\n")

    result = script(deployed, "check", "service.pex", "--key", "key.pub")

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("start", [[], ["-m", "nox_pex"]], ids=["script", "module"])
def test_a_working_directory_that_was_removed(start: list[str], deployed: Path) -> None:
    code = "" if start else "import sys; from nox_pex.command_line import main; sys.exit(main(sys.argv[1:]))"
    directory = deployed / "removed"
    directory.mkdir()
    command = 'rmdir "$PWD"; exec "$@"'
    argv = [sys.executable, *(start or ["-P", "-c", code]), "check", str(deployed / "service.pex"), "--key"]

    for key, status in ((deployed / "key.pub", 0), ("key.pub", 2)):
        result = subprocess.run(
            ["bash", "-c", command, "bash", *argv, str(key)],
            cwd=directory,
            env={"PYTHONPATH": str(ROOT / "tasks")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stderr.count("\n")) == (status, bool(status))
        directory.mkdir()


def test_a_terminal_that_cannot_show_a_name(deployed: Path) -> None:
    name = os.fsdecode(b"\xff\xc3\xbc\x1b.pex")
    (deployed / name).write_bytes(CONTENT)

    result = script(
        deployed, "check", name, "--key", "key.pub", "--bundle", "service.pex.intoto.jsonl", PYTHONIOENCODING="ascii"
    )

    assert result.returncode == 0
    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout


def test_nobody_reads_the_output(deployed: Path) -> None:
    command = f"'{sys.executable}' -m nox_pex check service.pex --key key.pub | true; echo $?"

    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=deployed,
        env={"PYTHONPATH": str(ROOT / "tasks")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert (result.stdout, result.stderr) == ("0\n", "")


CHECK = (ROOT / "docs" / "check.md").read_text("utf-8")
EVIDENCE = (ROOT / "docs" / "evidence.md").read_text("utf-8")


def test_the_page_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["check", "--help"])

    options = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert set(re.findall(r"^\| `(--[a-z-]+)", CHECK, re.MULTILINE)) == options


def test_the_json_of_the_page_has_the_fields_of_a_verdict(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"^```json\n(.+?)^```$", CHECK, re.MULTILINE | re.DOTALL)
    shown, real = json.loads(example), json.loads(check(capsys, "--json")[1])

    assert list(shown) == list(real)
    assert list(shown["statements"][0]) == list(real["statements"][0])
    assert deployed.is_dir()


def test_the_commands_of_the_page_make_usable_keys(deployed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^(openssl [^#\n]+?) *#(?: or: (.+))?", EVIDENCE, re.MULTILINE)
    (first, instead), (encrypted, _), (public, _) = commands
    other = first.partition(" -algorithm")[0] + f" {instead} -out key.pem"
    for command, passphrase in ((first, ""), (other, ""), (f"{encrypted} -pass pass:secret", "secret")):
        subprocess.run(command.split(), check=True, capture_output=True)
        subprocess.run([*public.split(), "-passin", "pass:secret"], check=True, capture_output=True)
        environ = {withheld.PASSPHRASE: passphrase} if passphrase else {}

        signed = script(deployed, "sign", ".", "--key", "key.pem", **environ)

        assert (signed.returncode, signed.stderr) == (0, "")
        assert check(capsys)[0] == 0


README = (ROOT / "README.md").read_text("utf-8")


def test_the_lines_of_the_readme_work_in_a_clone(deployed: Path) -> None:
    """Each line as it is, after another: only the build is not made here, so `nox` signs statements that exist."""
    (lines,) = re.findall(r"^<!-- the proof -->\n```sh\n(.+?)^```$", README, re.MULTILINE | re.DOTALL)
    assert 'nox_pex.register("sample_app")' in (ROOT / "noxfile.py").read_text("utf-8")
    dist = deployed / "clone" / "sample_app" / "dist"
    dist.mkdir(parents=True)
    for name in ("service.pex", "service.attestations"):
        (deployed / name).rename(dist / name)
    programs = deployed / "bin"
    programs.mkdir()
    start = f"exec {shlex.quote(sys.executable)} -m nox_pex"
    stubs = {
        "nox": f'test "$1 $2 $3 $4" = "-s attest -- --key" && {start} sign sample_app/dist --key "$5"',
        # Without `--spec`, pipx would run a file `nox-pex` in the current directory.
        "pipx": f'test "$1 $2 $3 $4" = "run --spec nox-pex nox-pex" && shift 4 && {start} "$@"',
    }
    for name, script_ in stubs.items():
        (programs / name).write_text(f"#!/bin/sh\n{script_}\n")
        (programs / name).chmod(0o755)

    result = subprocess.run(
        ["bash", "-e", "-c", lines],
        cwd=dist.parents[1],
        env={"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "tasks"), "TMPDIR": str(deployed)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "passed: 4 statements about this file, signed by a given key"
    assert not [*dist.parents[1].glob("*.pem"), *dist.parents[1].glob("*.pub")]  # no key is in the checkout


def test_a_small_installation_can_check_and_sign(deployed: Path) -> None:
    """The packages that docs/check.md installs are enough: no other dependency of nox-pex is imported."""
    assert "`pip install msgspec cryptography && pip install --no-deps nox-pex`" in CHECK
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split(r"[^\w.-]", each)[0].replace("-", "_") for each in project["dependencies"]}
    modules = {"python_jsonpath": "jsonpath"}  # every other distribution has the name of its module
    others = sorted(modules.get(name, name) for name in names - {"msgspec", "cryptography"})
    assert {"nox", "httpx2", "packaging"} <= set(others)
    code = f"""
import sys
for name in {others!r}:
    sys.modules[name] = None
from nox_pex.command_line import main
sys.exit(main())
"""
    assert script(deployed, "sign", ".", "--key", "key.pem", code=code).returncode == 0
    checked = script(deployed, "check", "service.pex", "--key", "key.pub", "--json", code=code)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_example_of_securesystemslib_verifies_the_bundle(deployed: Path) -> None:
    (example,) = re.findall(r"^```python\n(.+?)^```$", CHECK, re.MULTILINE | re.DOTALL)
    (deployed / "key.pub").rename("release.pub")
    argv = [sys.executable, "-c", example]

    assert subprocess.run(argv, cwd=deployed, check=False, capture_output=True).returncode == 0
    (deployed / "other.pub").rename("release.pub")
    assert b"VerificationError" in subprocess.run(argv, cwd=deployed, check=False, capture_output=True).stderr


def test_the_script_is_in_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert project["scripts"] == {"nox-pex": "nox_pex.command_line:main"}
