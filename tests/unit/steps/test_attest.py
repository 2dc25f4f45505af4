from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.pex.repository import SourceRef
from nox_pex.steps import attest, statement_inputs
from nox_pex.system import locks
from nox_pex.system.git import Git
from tests.support.git_repository import GitRepository
from tests.unit.steps.conftest import MakeContext

SETTINGS = '[project]\nname = "shop"\nversion = "1"\n' + "".join(
    f'[tool.nox-pex.binary.{name}]\nscript = "x"\n' for name in ("api", "worker")
)


def test_what_is_in_the_way_of_one_binary_does_not_stop_the_others(
    make_context: MakeContext, tmp_path: Path, shown: list[str]
) -> None:
    context, mine = make_context(), tmp_path / "dist" / "api.attestations"
    (tmp_path / "pyproject.toml").write_text(SETTINGS, "utf-8")
    mine.parent.mkdir()
    mine.write_text("mine", "utf-8")
    old = tmp_path / "dist" / "api.pex.intoto.jsonl"
    old.write_text("old", "utf-8")
    with pytest.raises(NoxPexError) as caught:
        attest.run(context)
    assert caught.value.code == "os-error"
    assert (mine.read_text("utf-8"), old.exists()) == ("mine", False)
    assert any("error[not-proven]: " in line and "worker.pex does not exist" in line for line in shown)


def test_another_run_that_states_the_same_binary_is_waited_for(
    make_context: MakeContext, tmp_path: Path, shown: list[str]
) -> None:
    context, failures = make_context(names=("api",)), []
    (tmp_path / "pyproject.toml").write_text(SETTINGS, "utf-8")

    def run() -> None:
        try:
            attest.run(context)
        except NoxPexError as error:
            failures.append(error.code)

    thread = threading.Thread(target=run)
    with locks.locked(context.state / "api.attest.lock", waiting=lambda: None):
        thread.start()
        while not shown:
            time.sleep(0.01)
        assert shown == ["attest: waiting for another run that states what api is"]
        assert failures == []
    thread.join(60)
    assert failures == ["not-proven"]


def test_only_options_that_a_step_of_this_run_used_are_overrides(make_context: MakeContext) -> None:
    context = make_context(port=8000, force=True, deep=True)
    overrides = statement_inputs._overrides  # noqa: SLF001  # the rest of the provenance needs a built binary
    context.steps.add("attest")
    assert overrides(context) == {}
    context.steps.update(("install", "smoke"))
    assert overrides(context) == {"force": True, "port": 8000}


def test_an_address_with_a_secret_is_not_stated(make_context: MakeContext, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "FORGE_TOKEN": "canary-8841"}
    context = make_context(environ=environ)
    repository = GitRepository(root=tmp_path, environ=environ)
    commit = repository.commit({"a": ""})
    git, source = Git(root=tmp_path, environ=environ), statement_inputs._source  # noqa: SLF001  # its caller needs a built binary
    repository.git("remote", "add", "origin", "https://forge.example/canary-8841/shop.git")
    assert source(context, git, commit) == SourceRef(repository=None, ref="refs/heads/main")
    repository.git("remote", "set-url", "origin", "https://joe:canary-8841@forge.example/shop.git")
    repository.git("checkout", "--quiet", "-b", "canary-8841")
    assert source(context, git, commit) == SourceRef(repository="https://forge.example/shop.git", ref=None)
