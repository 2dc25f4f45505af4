from __future__ import annotations

from nox_pex.steps import smoke
from tests.unit.steps.conftest import MakeContext


def test_the_options_that_change_a_smoke_test_are_recorded(make_context: MakeContext) -> None:
    assert smoke.overrides(make_context(keep=True, force=True)) == {}
    found = smoke.overrides(make_context(only="cold", timeout=5.0, port=8000))
    assert found == {"only": "cold", "timeout": 5.0, "port": 8000}
