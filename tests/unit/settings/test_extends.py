from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings.model import Binary, Settings
from nox_pex.settings.parse import parse


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A directory with a project two levels down."""
    (tmp_path / "services" / "api").mkdir(parents=True)
    return tmp_path


def settings(shop: Path, own: str, **shared: str) -> Settings:
    """The settings of the project whose table is `own`; `shared` are the texts of TOML files in `shop`, by name."""
    for name, text in shared.items():
        (shop / f"{name}.toml").write_text(text, "utf-8")
    file = shop / "services" / "api" / "pyproject.toml"
    return parse(tomllib.loads(own), file=str(file), project_name="api", scripts={"serve": "api:main"})


def refused(shop: Path, own: str, **shared: str) -> str:
    with pytest.raises(NoxPexError) as caught:
        settings(shop, own, **shared)
    assert caught.value.code == "config"
    return str(caught.value).replace(str(shop), "SHOP")


EXTENDS = '[tool.nox-pex]\nextends = "../../base.toml"\n'
API = f'{EXTENDS}[tool.nox-pex.binary.api]\nscript = "serve"\n'


OWN = "SHOP/services/api/pyproject.toml"


def test_the_project_wins_key_by_key(shop: Path) -> None:
    base = """
        output-dir = "out"
        groups = ["main", "server"]
        secrets = ["LICENCE"]
        [binary.api]
        compress = false
        sh-boot = false
        inject-env = { LOG_LEVEL = "info", PLACE = "shared" }
    """
    own = (
        '[tool.nox-pex]\nextends = "../../base.toml"\ngroups = ["main"]\n'
        '[tool.nox-pex.binary.api]\nscript = "serve"\nsh-boot = true\ninject-env = { PLACE = "own" }\n'
    )
    assert settings(shop, own, base=base) == Settings(
        extends="../../base.toml",
        output_dir=Path("out"),
        groups=("main",),
        secrets=("LICENCE",),
        binary={
            "api": Binary(script="serve", compress=False, inject_env={"LOG_LEVEL": "info", "PLACE": "own"}),
        },
    )


def test_a_shared_table_for_every_binary_is_under_those_of_the_binaries(shop: Path) -> None:
    base = '[binary."*"]\ncompress = false\nlayout = "loose"\n[binary.worker]\nscript = "work"\nlayout = "packed"\n'
    found = settings(shop, API, base=base).binary
    assert found == {
        "worker": Binary(script="work", compress=False, layout="packed"),
        "api": Binary(script="serve", compress=False, layout="loose"),
    }


def test_a_shared_table_for_every_binary_applies_to_a_binary_without_a_table(shop: Path) -> None:
    found = settings(shop, EXTENDS, base='[binary."*"]\ncompress = false\n')
    assert found.binary == {"api": Binary(script="serve", compress=False)}
    assert settings(shop, EXTENDS, base="").binary == {"api": Binary(script="serve")}


def test_a_shared_file_extends_another(shop: Path) -> None:
    base = 'extends = "common/all.toml"\npoetry-version = "2.4.0"\n'
    (shop / "common").mkdir()
    (shop / "common" / "all.toml").write_text('poetry-version = "2.3.0"\npex-version = "2.100.0"\n', "utf-8")
    found = settings(shop, API, base=base)
    assert (found.poetry_version, found.pex_version) == ("2.4.0", "2.100.0")


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("grups = []", "SHOP/base.toml:1: grups: unknown key; use groups"),
        ("groups = 3", "SHOP/base.toml:1: groups: expected array, got integer 3"),
        ('groups = ["main", 3]', "SHOP/base.toml:1: groups[1]: expected string"),
        ("[binary.api.smoke]\nargz = []", "SHOP/base.toml:2: binary.api.smoke.argz: unknown key; use args"),
        ('[binary."*"]\nlayout = "zip"', 'SHOP/base.toml:2: binary."*".layout: expected one of'),
        ('[binary.api]\nentry-point = "a"', f"{OWN}: tool.nox-pex.binary.api: expected exactly one of"),
        ("extends = 3", "SHOP/base.toml:1: extends: expected string"),
        ('extends = "base.toml"', "SHOP/base.toml:1: extends: SHOP/base.toml extends itself"),
        ("nonsense", "cannot read SHOP/base.toml: "),
        ('extends = "gone.toml"', "SHOP/base.toml:1: extends names SHOP/gone.toml, which does not exist"),
    ],
)
def test_an_error_names_the_file_that_it_is_in(shop: Path, base: str, said: str) -> None:
    assert refused(shop, API, base=base).startswith(f"error[config]: {said}")


def test_an_error_of_the_projects_own_names_the_project(shop: Path) -> None:
    said = refused(shop, f"{API}compres = true\n", base="[binary.api]\ncompress = false\n")
    assert "SHOP/services/api/pyproject.toml: tool.nox-pex.binary.api.compres: unknown key; use compress" in said
    assert "tool.nox-pex.extends: expected string" in refused(shop, "[tool.nox-pex]\nextends = 3\n")
    said = refused(shop, EXTENDS.replace("base", "gone"))
    assert "pyproject.toml: tool.nox-pex.extends names SHOP/gone.toml, which does not exist" in said


def test_only_a_shared_file_has_a_table_for_every_binary(shop: Path) -> None:
    assert "'*' is not a safe file name" in refused(shop, f'{API}[tool.nox-pex.binary."*"]\nscript = "x"\n', base="")
