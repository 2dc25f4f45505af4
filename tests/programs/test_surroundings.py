"""The environment and the directory of a program, without anything of this session."""

from __future__ import annotations

import os
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nox_pex.smoke.plan import Options
from tests.support.smoke_test import SmokeTest


@pytest.fixture
def leaking_environment(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment that makes a module of the checkout importable in every possible way."""
    (project / "of_the_checkout_alone.py").write_text("", encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    for rc in (home / ".pexrc", project / ".pexrc"):
        rc.write_text(f"PEX_EXTRA_SYS_PATH={project}\n", encoding="utf-8")
    for minor in range(10, 16):
        site = home / f".local/lib/python3.{minor}/site-packages"
        site.mkdir(parents=True)
        (site / "checkout.pth").write_text(f"{project}\n", encoding="utf-8")
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    monkeypatch.chdir(project)
    return {
        **os.environ,
        "HOME": str(home),
        "PATH": f"{venv / 'bin'}:relative::{os.environ['PATH']}",
        "PYTHONPATH": str(project),
        "PYTHONSTARTUP": str(project / "of_the_checkout_alone.py"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "VIRTUAL_ENV": str(venv),
        "PEX_EXTRA_SYS_PATH": str(project),
        "PEX_PATH": str(project),
        "PEX_INHERIT_PATH": "fallback",
        "PIP_INDEX_URL": "http://nowhere.invalid",
        "CONDA_PREFIX": "/conda",
        "POETRY_ACTIVE": "1",
        "NOX_CURRENT_SESSION": "smoke",
        "UV_PYTHON": "3",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "LC_TIME": "C",
        "WANTED": "yes",
    }


def test_a_module_that_is_not_in_the_binary_is_not_found(
    smoke_test: SmokeTest, leaking_environment: dict[str, str]
) -> None:
    tested = smoke_test("dies", "of-a-missing-module", "{port}", environ=leaking_environment)
    assert tested.code == "exited-early"
    assert "No module named 'of_the_checkout_alone'" in tested.log


def test_the_program_gets_a_clean_environment(
    smoke_test: SmokeTest, leaking_environment: dict[str, str], temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, leaking_environment[name])
    tested = smoke_test(
        "logs", "the-environment", "{port}", environ=leaking_environment, pass_env=["WANTED", "ABSENT"],
        env={"HOST": "{host}", "BRACES": "{x} {{port}}"}, log_forbid=["^nothing$"], log_require=["absent"],
    )  # fmt: skip
    assert tested.code == "log-missing"
    seen = dict(line.split("=", 1) for line in tested.log.splitlines())
    assert set(seen) - {"LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL", "LC_CTYPE", "PYENV_ROOT", "PYENV_VERSION",
        "PWD", "SHLVL", "_"} == {
        "HOME", "PATH", "PEX_ROOT", "TMPDIR", "LC_TIME", "WANTED", "HOST", "BRACES", "cwd", "files",
    }  # fmt: skip
    assert "venv" not in seen["PATH"].split(os.pathsep)[0]
    assert "relative" not in seen["PATH"].split(os.pathsep)
    assert seen["HOST"] == "127.0.0.1"
    for name in ("HOME", "PEX_ROOT", "TMPDIR", "cwd"):
        assert seen[name].startswith(str(temporary))
    assert seen["files"] == "['logs.pex']"


def test_each_condition_is_a_world_of_its_own(smoke_test: SmokeTest, project: Path) -> None:
    note = 'echo "$0 $(ls "$1")" >> log'
    tested = smoke_test(
        "listens", "well", "{port}", conditions=["warm", "cold", "offline"], env={"A": "{tmp}", "B": "{port}"},
        before=[["sh", "-c", note, "before", "{tmp}"], ["sh", "-c", "echo {port} > before; mkdir {tmp}/seeded"]],
        after=[["sh", "-c", note, "after", "{tmp}"]],
        **{
            "before-all": [["sh", "-c", 'echo "first $A$B" >> log; test $B = "$0"', "{port}"]],
            "after-all": [["sh", "-c", "echo last >> log"]],
        },
    )  # fmt: skip
    assert tested.code is None, tested.problem
    port = (project / "before").read_text(encoding="utf-8").strip()
    expected = [f"first {port}", *["before ", "after seeded"] * 3, "last"]
    assert (project / "log").read_text(encoding="utf-8").splitlines() == expected


def test_a_failure_of_before_starts_nothing_but_after(smoke_test: SmokeTest, project: Path) -> None:
    tested = smoke_test(
        "listens", "well", "{port}", before=[["sh", "-c", "echo no database; exit 3"]], after=[["touch", "after"]],
        conditions=["cold", "warm"],
    )  # fmt: skip
    assert tested.code == "launch-failed"
    assert "cold: `before` command 'sh -c echo no database; exit 3' failed: exit status 3" in tested.problem
    assert tested.log == "no database"
    assert [outcome.state for outcome in tested.report.boot_results] == ["failed", "skipped"]
    assert (project / "after").exists()
    for key in ("before", "before-all"):
        tested = smoke_test("listens", "well", "{port}", **{key: [["sleep", "9"]], "before-timeout": 0.2})
        assert "still running after 0.2 s (`before-timeout`), so it was killed" in tested.problem


def test_after_runs_although_the_program_failed(smoke_test: SmokeTest, project: Path) -> None:
    assert smoke_test("dies", "exit-1", "{port}", after=[["touch", "after"]]).code == "exited-early"
    assert (project / "after").exists()
    assert smoke_test("listens", "well", "{port}", after=[["false"]]).code == "check-failed"
    assert smoke_test("listens", "well", "{port}", after=[["no-such-program"]]).code == "check-failed"


def test_a_failure_of_after_hides_no_other_failure(smoke_test: SmokeTest) -> None:
    tested = smoke_test("dies", "exit-1", "{port}", after=[["false"]])
    assert tested.code == "exited-early"
    assert any(line.startswith("also: cold: `after` command 'false' failed") for line in tested.said)
    tested = smoke_test("listens", "well", "{port}", budget={"cold-boot": 0.001}, **{"after-all": [["false"]]})
    assert tested.code == "budget"
    assert any(line.startswith("also: `after-all` command 'false' failed") for line in tested.said)


def test_keep_keeps_the_directory_and_names_it(smoke_test: SmokeTest, temporary: Path) -> None:
    tested = smoke_test("listens", "well", "{port}", options=Options(keep=True))
    (kept,) = (Path(line.removeprefix("kept: ")) for line in tested.said if line.startswith("kept: "))
    assert list(temporary.iterdir()) == [kept]
    assert (kept / "run0" / "listens.pex").exists()
    subprocess.run(["rm", "-r", str(kept)], check=True)


def test_only_tests_a_single_condition(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "well", "{port}", conditions=["cold", "warm"], options=Options(only="warm"))
    assert [outcome.condition for outcome in tested.report.boot_results] == ["warm"]


def test_a_directory_with_spaces_and_umlauts_works(
    smoke_test: SmokeTest, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unusual = temporary / "mit Leerzeichen und Ümläuten (1)"
    unusual.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(unusual))
    tested = smoke_test(
        "logs", "the-environment", "{port}", conditions=["cold", "warm"], log_require=["^TMPDIR={tmp}$"]
    )
    assert tested.code is None, tested.problem
    unusual.rmdir()


def test_a_clock_that_is_set_back_changes_nothing(smoke_test: SmokeTest, monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.time()
    monkeypatch.setattr(time, "time", lambda: started - 1e6 * time.monotonic())
    tested = smoke_test("answers", "with-503-for-a-while", "{port}")
    assert tested.code is None, tested.problem


def test_twenty_smoke_tests_run_at_the_same_time(smoke_test: SmokeTest, binary: Callable[[str], Path]) -> None:
    program = binary("listens")
    with ThreadPoolExecutor(20) as pool:
        tests = [pool.submit(smoke_test, program, "well", "{port}", startup_timeout=60.0) for _ in range(20)]
        assert [test.result().problem for test in tests] == [""] * 20
    assert threading.active_count() < 20


def test_a_directory_can_be_a_binary(smoke_test: SmokeTest, binary: Callable[[str], Path]) -> None:
    source = binary("listens").with_name("listens-source")
    main = source / "__main__.py"
    main.write_text(f"#!{binary('listens').read_bytes().split(b'-I')[0][2:].decode().strip()}\n{main.read_text()}")
    main.chmod(0o755)
    tested = smoke_test(source, "well", "{port}")
    assert tested.code is None, tested.problem


def test_https_is_verified_with_the_ca_file(smoke_test: SmokeTest, project: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "ca.pem"],
        cwd=project, check=True, capture_output=True,
    )  # fmt: skip
    args = ("{port}", str(project / "ca.pem"), str(project / "key.pem"))
    check = {"path": "/", "ca-file": "ca.pem", "json": {"message": "Hello World"}}
    tested = smoke_test("secure", *args, url="https://127.0.0.1:{port}", http=[check])
    assert tested.code is None, tested.problem
    del check["ca-file"]
    tested = smoke_test("secure", *args, url="https://127.0.0.1:{port}", http=[check], startup_timeout=2.0)
    assert tested.code == "check-failed"
    assert "`ca-file`" in tested.problem
    assert ssl.HAS_TLSv1_2
