from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.distributions.interpreter import BasePython
from nox_pex.errors import NoxPexError
from nox_pex.steps.context import state_directory
from tests.unit.steps.conftest import MakeContext


def test_the_arguments_select_the_binaries(make_context: MakeContext) -> None:
    assert [target.name for target in make_context().targets] == ["api", "worker", "cron"]
    assert [target.name for target in make_context(names=("cron", "api")).targets] == ["api", "cron"]
    with pytest.raises(NoxPexError) as caught:
        assert make_context(names=("wroker",)).targets
    assert caught.value.code == "usage"


def test_a_target_has_what_the_context_has(make_context: MakeContext, tmp_path: Path) -> None:
    binary = tmp_path / "finished.pex"
    context = make_context(names=("api",), binary=binary, suffix="-py3.12")
    (target,) = context.targets
    assert target.stem == "api-py3.12"
    assert target.state == context.state
    assert (target.prebuilt, target.binary) == (binary, binary)
    assert target.project is context.project
    assert target.settings is context.settings


def test_one_finished_file_is_not_for_several_binaries(make_context: MakeContext) -> None:
    make_context().check_prebuilt()
    make_context(binary=Path("/x.pex"), names=("api",)).check_prebuilt()
    with pytest.raises(NoxPexError) as caught:
        make_context(binary=Path("/x.pex"), names=("api", "cron")).check_prebuilt()
    assert caught.value.code == "usage"
    assert "2 binaries: api, cron" in caught.value.problem


def test_each_distinct_set_of_groups_has_one_environment(make_context: MakeContext) -> None:
    context = make_context()
    main, server = context.environments
    assert (main.groups, server.groups) == (("main",), ("server",))
    assert context.environments[main].path == context.home
    assert context.environments[server].path == context.home / "sets" / server.key


def test_the_environments_do_not_depend_on_the_selected_binaries(make_context: MakeContext) -> None:
    assert make_context(names=("worker",)).environments == make_context().environments


def test_a_binary_for_other_platforms_has_a_directory_for_wheels(make_context: MakeContext, tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    text = make_context().project.file.read_text("utf-8")
    for name, platforms in (("api", '["a.json"]'), ("worker", '["a.json"]'), ("cron", '["b.json"]')):
        text = text.replace(f"binary.{name}]\n", f"binary.{name}]\ncomplete-platforms = {platforms}\n")
    file.write_text(text.replace('groups = ["server"]\n', ""), "utf-8")
    context = make_context()
    homes = [context.wheelhouse_of(target) for target in context.targets]
    assert context.environments == {}
    assert homes[0] == homes[1] != homes[2]


def test_a_step_before_the_install_says_so(make_context: MakeContext) -> None:
    context = make_context()
    with pytest.raises(NoxPexError) as caught:
        context.installed(context.targets[0])
    assert caught.value.code == "usage"
    assert "nox -s install" in caught.value.remedy


def test_a_missing_python_is_named_before_a_missing_install(make_context: MakeContext) -> None:
    def missing() -> Path:
        raise LookupError

    context = replace(make_context(), base=BasePython(name="3.99", find=missing))
    with pytest.raises(LookupError):
        context.installed(context.targets[0])


def test_the_secrets_are_those_of_the_environment_and_of_the_settings(make_context: MakeContext) -> None:
    environ = {"LICENCE": "abcde-fghij", "API_TOKEN": "ghp_0123456789", "PLAIN": "nothing"}
    assert make_context(environ=environ).secrets.values == ("ghp_0123456789", "abcde-fghij")


def test_the_state_stays_when_a_checkout_is_moved() -> None:
    here = state_directory(Path("/here/.nox/.cache"), root=Path("/here"), suffix="")
    there = state_directory(Path("/there/.nox/.cache"), root=Path("/there"), suffix="")
    assert here.relative_to("/here") == there.relative_to("/there")
    assert here.parent == Path("/here/.nox/.cache/nox-pex")


def test_each_project_and_each_python_has_its_own_state() -> None:
    cache = Path("/here/.nox/.cache")
    roots = [Path("/here"), Path("/here/services/api"), Path("/here/services/worker"), Path("/here/tools/api")]
    directories = [state_directory(cache, root=root, suffix="") for root in roots]
    assert len(set(directories)) == len(roots)
    assert directories[1].name.startswith("api-")
    assert state_directory(cache, root=roots[1], suffix="-py3.12").name == f"{directories[1].name}-py3.12"
