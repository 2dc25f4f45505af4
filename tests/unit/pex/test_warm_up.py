from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.pex import tool, warm_up
from nox_pex.tools import pinned
from tests.unit.pex.conftest import MakeProvisioner, after

PYTHON = Interpreter(implementation="CPython", version="3.11.7", executable=Path("/python/3.11"))


def fail(_: Sequence[str]) -> None:
    msg = "pex: error"
    raise OSError(msg)


@pytest.mark.parametrize("act", [lambda _: None, fail])
def test_pex_warms_up_in_the_pex_root_of_the_build(
    make_provisioner: MakeProvisioner, monkeypatch: pytest.MonkeyPatch, act: object
) -> None:
    monkeypatch.setattr(pinned, "provide_pex", lambda *_, **__: Path("/tools/python"))
    ran: list[tuple[str, ...]] = []
    provisioner = make_provisioner(act, ran)
    warm_up.warm_up(provisioner, None, interpreter=PYTHON)
    (argv,) = ran
    with tool.provide(provisioner, None, interpreter=PYTHON) as pex:
        assert after(argv, "--pex-root") == str(pex.root)
    assert after(argv, "--python-path") == "/python/3.11"
    assert after(argv, "--interpreter-constraint") == "CPython==3.11.*"
    assert not Path(after(argv, "--output-file")).parent.exists()
