from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.distributions.interpreter import BasePython
from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Target
from nox_pex.poetry.install import Installer
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner
from nox_pex.verify import parts, reference
from nox_pex.verify import run as verify
from nox_pex.verify.archive import open_pex
from nox_pex.verify.background import background
from nox_pex.verify.gates import closure
from nox_pex.verify.rebuild import ProjectCopy
from nox_pex.verify.report import GATES, VerifyReport
from tests.support.fake_environment import FakeEnvironment
from tests.support.pex_files import archive, recorded, zipapp
from tests.support.targets import target_of

FAILURE = NoxPexError("index-unreachable", "the index does not answer", "try again")


@pytest.fixture
def rebuilds(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Second builds that fail; the list has the argument `cold` of each."""
    prepared: list[bool] = []

    @contextlib.contextmanager
    def copied(_: Target, __: Installer, *, cold: bool, size: int | None) -> Iterator[ProjectCopy]:
        assert size is None
        prepared.append(cold)
        raise FAILURE
        yield

    monkeypatch.setattr(parts, "copied_project", copied)
    for tool in ("provide_poetry", "install_pex"):
        monkeypatch.setattr(pinned, tool, lambda *_, **__: None)
    monkeypatch.setattr(Provisioner, "create", lambda _, path, **__: FakeEnvironment(path, python=Path(sys.executable)))
    return prepared


def installer_of(target: Target, secrets: tuple[str, ...] = ()) -> Installer:
    environ = {f"API_TOKEN_{number}": secret for number, secret in enumerate(secrets)}
    shell = Shell(environ={"HOME": "", **environ}, secrets=Secrets.of(environ), say=lambda _: None)
    return Installer(
        project=target.project,
        base=BasePython(name="3", find=lambda: Path(sys.executable)),
        provisioner=Provisioner(shell=shell, caches=Caches(chosen=target.state / "cache"), uv=None),
        poetry_version=None,
        force=False,
    )


def run(
    binary: Path, *, budget: Mapping[str, str] | None = None, deep: bool = False, secrets: tuple[str, ...] = ()
) -> VerifyReport:
    target = target_of(binary, root=binary.parent, budget=budget or {})
    (target.project.root / "poetry.lock").write_text('[metadata]\nlock-version = "2.1"\n', "utf-8")
    return judged(target, installer_of(target, secrets), deep=deep)


def judged(target: Target, installer: Installer, *, deep: bool = False) -> VerifyReport:
    return verify.run(target, environment=None, installer=installer, deep=deep, interrupts=Interrupts())


def states(report: VerifyReport) -> dict[str, str]:
    return {result.gate: result.state for result in report.results}


def test_a_binary_that_does_not_exist_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match=r"there is no .+/none.pex; build it") as caught:
        run(tmp_path / "none.pex")
    assert caught.value.code == "usage"


def test_a_file_that_is_not_a_pex_fails_integrity_and_skips_the_rest(tmp_path: Path) -> None:
    report = run(archive(tmp_path / "x.pex", {"main.py": ""}))
    assert list(states(report)) == list(GATES)
    assert states(report) == {**dict.fromkeys(GATES, "skipped"), "integrity": "failed"}
    assert {result.summary for result in report.results} == {"the file cannot be opened"}
    assert report.failure is not None
    assert "it has no PEX-INFO" in report.failure.problem
    assert report.size == (tmp_path / "x.pex").stat().st_size


def test_a_gate_that_cannot_be_checked_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilds: list[bool]
) -> None:
    def fail(*_: object, **__: object) -> Mapping[str, str]:
        raise FAILURE

    monkeypatch.setattr(closure, "plan", fail)
    report = run(zipapp(tmp_path / "x.pex", {}), budget={"size": "1 MB"})
    assert states(report) == {
        "closure": "failed",
        "integrity": "failed",
        "leaks": "passed",
        "reproducible": "failed",
        "budget": "passed",
    }
    assert {result.summary for result in report.results if result.state == "failed"} == {
        "could not be checked: index-unreachable"
    }
    assert report.failure is FAILURE
    assert rebuilds == [False]  # integrity and reproducible share one


def test_failed_gates_have_their_own_codes_and_remedies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilds: list[bool]
) -> None:
    monkeypatch.setattr(closure, "plan", lambda *_, **__: {"idna": "3.11"})
    secret = "c4nary-0fThisRun"
    binary = zipapp(tmp_path / "x.pex", {"lib-1-py3-none-any.whl": recorded("lib", "1", {"lib.py": secret.encode()})})
    report = run(binary, budget={"size": "1 B"}, deep=True, secrets=(secret,))
    failures = {result.gate: result.failure for result in report.results}
    assert {gate: failure.code for gate, failure in failures.items() if failure} == {
        "closure": "closure",
        "integrity": "index-unreachable",
        "leaks": "leak",
        "reproducible": "index-unreachable",
        "budget": "budget",
    }
    assert str(failures["closure"]) == (
        f"error[closure]: {binary}: idna 3.11 is missing; lib 1 is in the binary (.deps/lib-1-py3-none-any.whl), but"
        " Poetry would not install it; build it with `nox -s pex`, which packs exactly what Poetry installed"
    )
    assert secret not in "".join(map(str, failures.values()))
    assert rebuilds == [True]


def test_a_value_in_the_settings_is_no_secret_to_search_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilds: list[bool]
) -> None:
    """Whoever has the sources knows it, and a placeholder may be in the files of a distribution."""
    monkeypatch.setattr(closure, "plan", lambda *_, **__: {})
    secret = "c4nary-0fThisRun"
    binary = zipapp(tmp_path / "x.pex", {"lib-1-py3-none-any.whl": recorded("lib", "1", {"lib.py": secret.encode()})})
    smoke = {"env": {"SECRET_KEY": secret}}
    target = target_of(binary, root=tmp_path, smoke=smoke)
    document = {"tool": {"nox-pex": {"binary": {"program": {"smoke": smoke}}}}}
    target = replace(target, project=replace(target.project, document=document))
    (tmp_path / "poetry.lock").write_text('[metadata]\nlock-version = "2.1"\n', "utf-8")
    report = judged(target, installer_of(target))
    assert states(report)["leaks"] == "passed"
    assert rebuilds


def test_damage_within_a_gate_is_an_integrity_failure_of_that_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilds: list[bool]
) -> None:
    monkeypatch.setattr(closure, "plan", lambda *_, **__: {})
    path = archive(tmp_path / "x.pex", {"PEX-INFO": "{}", "main.py": b"x" * 100}, compression=0)
    path.write_bytes(path.read_bytes().replace(b"x" * 100, b"y" * 100))
    report = run(path)
    leaks = next(result for result in report.results if result.gate == "leaks")
    assert leaks.failure is not None
    assert leaks.failure.code == "integrity"
    assert leaks.failure.problem == f"{path} is damaged: main.py has another CRC than the archive says"
    assert states(report)["closure"] == "passed"
    assert rebuilds


def test_the_projects_own_wheel_is_known_by_its_name(tmp_path: Path) -> None:
    wheels = {f"{name}-1-py3-none-any.whl": recorded(name, "1", {}) for name in ("My_App", "other")}
    binary = zipapp(tmp_path / "x.pex", wheels)
    target = target_of(binary, root=tmp_path, name="my-app")
    with open_pex(binary) as pex, contextlib.ExitStack() as stack, background() as work:
        known = reference.Reference(
            target=target, installer=installer_of(target), deep=False, stack=stack, background=work
        )
        loose = verify.GateInputs(pex=pex, reference=known)
        assert (loose.own_wheels, loose.project_version) == ((), None)
        other = replace(target, project=replace(target.project, package_mode=True))
        packaged = replace(loose, reference=replace(known, target=other))
        assert packaged.own_wheels == ("My_App-1-py3-none-any.whl",)
        assert packaged.project_version == ("my-app", "1.0")
