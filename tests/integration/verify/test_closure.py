from __future__ import annotations

from pathlib import Path

from nox_pex.verify.archive import open_pex
from nox_pex.verify.gates import closure
from nox_pex.verify.pex_distributions import distributions
from tests.support.workbench import PYTHON, Workbench


def test_what_poetry_would_install_is_what_was_built(packaged: Workbench, careless: Path) -> None:
    context = packaged.context()
    planned = closure.plan(
        packaged.installed("greeting-cards").selection,
        project=context.project,
        python=PYTHON,
        provisioner=context.provisioner,
        poetry_version=None,
    )
    assert planned == {"idna": "3.11"}
    own = (context.project.name, context.project.version)
    with open_pex(packaged.binary("greeting-cards")) as pex:
        assert not closure.judge(distributions(pex), planned, project=own, exclude=()).problems
    with open_pex(careless) as pex:
        problems = closure.judge(distributions(pex), planned, project=own, exclude=()).problems
    said = "\n".join(problems)
    assert "greeting-cards 0.4.0 is missing" in said
    assert "idna is 3.10, but Poetry would install 3.11" in said
    for stray in ("pip", "pluggy", "setuptools"):
        assert f"\n{stray} " in said
