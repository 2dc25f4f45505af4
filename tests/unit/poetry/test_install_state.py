from __future__ import annotations

import json
from pathlib import Path

import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.poetry import install_state
from tests.support import environments


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "python3.11").touch()
    return environments.create(tmp_path / "environment", base=tmp_path / "python3.11")


def test_a_state_is_read_as_it_was_written_and_is_not_in_the_environment(environment: Environment) -> None:
    before = sorted(environment.path.iterdir())
    environments.write_state(environment, seconds=2)
    state = install_state.read(environment)
    assert state is not None
    assert (state.id, state.seconds) == ("4711", 2.0)
    assert sorted(environment.path.iterdir()) == before
    install_state.remove(environment)
    assert install_state.read(environment) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("selection", 1),
        ("id", None),
        ("inputs", []),
        ("inputs", {}),
        ("inputs", {"paths": "x"}),
        ("inputs", {"paths": {"x": 1}}),
        ("path-dependencies", "x"),
        ("path-dependencies", {"lock": 1, "paths": {}}),
        ("path-dependencies", {"lock": "0", "paths": {}, "renamed": []}),
        ("distributions", {"idna": "1.0"}),
        ("distributions", None),
        ("top", {"x": 1}),
        ("seconds", "1.5"),
    ],
)
def test_a_state_of_another_form_counts_as_missing(environment: Environment, key: str, value: object) -> None:
    environments.write_state(environment)
    file = install_state.state_file(environment)
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), key: value}), "utf-8")
    assert install_state.read(environment) is None
