from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.distributions import inventory
from nox_pex.distributions.environment import Environment
from nox_pex.poetry import collisions
from tests.support import environments


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "python3.11").write_bytes(b"")
    return environments.create(tmp_path / "environment", base=tmp_path / "python3.11")


def contents(name: str) -> dict[str, str]:
    """Three files that differ between distributions, one that does not, and one that only `name` has."""
    return {
        "shared/__init__.py": f"OF = '{name}'\n",
        "shared/other.py": f"{name}\n",
        "shared/same.py": "",
        f"shared/{name}.py": "",
        "../../../bin/speak": f"{name}\n",
    }


def test_distributions_that_share_no_content_do_not_collide(environment: Environment) -> None:
    environments.install(environment, "one", {"one.py": "", "shared/same.py": ""})
    environments.install(environment, "two", {"two.py": "", "shared/same.py": ""})
    assert collisions.colliding(environment) == ()
    assert collisions.record_winners(environment) == ()


def test_distributions_collide_if_they_record_another_content_of_one_file(environment: Environment) -> None:
    two = environments.install(environment, "two", contents("two"))
    environments.install(environment, "alone", {"alone.py": ""})
    one = environments.install(environment, "one", contents("one"))
    assert collisions.colliding(environment) == (one, two)


def test_a_distribution_that_lost_a_file_collides(environment: Environment) -> None:
    (site,) = environment.site_packages
    one = environments.install(environment, "one", {"one.py": ""})
    environments.install(environment, "two", {"two.py": ""})
    (site / "one.py").unlink()
    assert collisions.colliding(environment) == (one,)


def test_each_record_names_the_content_that_was_installed_last(environment: Environment) -> None:
    environments.install(environment, "one", contents("one"))
    environments.install(environment, "two", contents("two"))
    assert list(inventory.damaged(environment))
    assert collisions.record_winners(environment) == (
        "shared/__init__.py and 1 more: in one and in two; two was installed last, so its content ships",
        "bin/speak: in one and in two; pex uses one of them, and warns at the first boot",
    )
    assert list(inventory.damaged(environment)) == []
    assert collisions.colliding(environment) == ()


def test_a_record_that_is_a_shared_hard_link_is_replaced_and_not_changed(
    environment: Environment, tmp_path: Path
) -> None:
    one = environments.install(environment, "one", contents("one"))
    environments.install(environment, "two", contents("two"))
    cached = tmp_path / "RECORD"
    cached.hardlink_to(one.directory / "RECORD")
    before = cached.read_bytes()
    collisions.record_winners(environment)
    assert cached.read_bytes() == before != (one.directory / "RECORD").read_bytes()


def test_a_file_with_a_content_that_nobody_recorded_has_no_winner(environment: Environment) -> None:
    (site,) = environment.site_packages
    environments.install(environment, "one", {"shared.py": "one"})
    environments.install(environment, "two", {"shared.py": "two"})
    (site / "shared.py").write_text("three", "utf-8")
    assert collisions.record_winners(environment) == ()


def test_a_distribution_without_a_record_is_passed_over(environment: Environment) -> None:
    one = environments.install(environment, "one", contents("one"))
    environments.install(environment, "two", contents("two"))
    (one.directory / "RECORD").unlink()
    assert collisions.colliding(environment) == ()
