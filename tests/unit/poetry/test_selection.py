from __future__ import annotations

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.poetry.selection import Selection, selection
from nox_pex.project.pyproject import Project
from nox_pex.settings.model import Binary, Settings


def test_a_binary_has_the_projects_groups_unless_it_names_others(service: Project) -> None:
    settings = Settings(groups=("main", "Server"), extras=("fast",))
    assert selection(settings, Binary(script="x"), service) == Selection(groups=("main", "server"), extras=("fast",))
    other = Binary(script="x", groups=("server", "server"), extras=())
    assert selection(settings, other, service) == Selection(groups=("server",), extras=())


@pytest.mark.parametrize(
    ("binary", "code", "said"),
    [
        (Binary(script="x", groups=("servr",)), "poetry-missing-group", "did you mean 'server'?"),
        (Binary(script="x", groups=("zzz",)), "poetry-missing-group", "it has main, server"),
        (Binary(script="x", extras=("fats",)), "config", "did you mean 'fast'?"),
    ],
)
def test_a_group_or_extra_that_does_not_exist_is_refused(
    service: Project, binary: Binary, code: str, said: str
) -> None:
    with pytest.raises(NoxPexError) as caught:
        selection(Settings(), binary, service)
    assert caught.value.code == code
    assert said in caught.value.remedy


def test_different_selections_have_different_keys() -> None:
    distinct = [Selection(("a",), ()), Selection(("a", "b"), ()), Selection(("a",), ("b",)), Selection((), ("a",))]
    assert len({one.key for one in distinct}) == 4
    assert [str(one) for one in distinct[:3]] == ["group a", "groups a, b", "group a, extras b"]
