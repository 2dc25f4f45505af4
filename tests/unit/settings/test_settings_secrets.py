from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from nox_pex.settings import settings_secrets

DOCUMENT = tomllib.loads("""
[tool.poetry.dependencies]
wares = { git = "https://joe:hidden-git@h.example/wares.git" }

[[tool.poetry.source]]
name = "private"
url = "https://joe:hidden/url@h.example/simple"

[tool.nox-pex]
secrets = ["LICENCE"]

[tool.nox-pex.binary.service]
inject-env = { API_KEY = "hidden-inject", LEVEL = "debugging" }

[tool.nox-pex.binary.service.smoke]
pass-env = ["SERVICE_TOKEN"]
env = { SERVICE_TOKEN = "hidden-env", LICENCE = "hidden-listed", PORT = "12345" }

[[tool.nox-pex.binary.service.smoke.http]]
path = "/login"
request-headers = { Authorization = "Bearer hidden-bearer", Accept = "text/html" }
request-json = { user = "joseph", login = { password = "hidden-json" } }

[[tool.nox-pex.binary.service.smoke.command]]
env = { DB_PASSWORD = "hidden-command" }
""")


def test_the_secrets_in_a_project_file() -> None:
    found = {*settings_secrets.values(DOCUMENT, Path("pyproject.toml"))}
    named = {"inject", "env", "listed", "bearer", "json", "command", "git"}
    assert found == {*(f"hidden-{name}" for name in named), "hidden/url", "Bearer hidden-bearer"}
    assert settings_secrets.listed(DOCUMENT, Path("pyproject.toml")) == {"LICENCE"}


def test_the_settings_that_a_project_extends_count_too(tmp_path: Path) -> None:
    (tmp_path / "shared.toml").write_text('secrets = ["SHARED"]\n[binary."*"]\ninject-env = { A_TOKEN = "hidden-1" }\n')
    document = {"tool": {"nox-pex": {"extends": "shared.toml", "secrets": ["OWN"]}}}
    file = tmp_path / "pyproject.toml"
    assert settings_secrets.listed(document, file) == {"SHARED", "OWN"}
    assert [*settings_secrets.values(document, file)] == ["hidden-1"]
    document["tool"]["nox-pex"]["extends"] = "missing.toml"
    assert settings_secrets.listed(document, file) == {"OWN"}


def test_settings_with_wrong_types_have_no_secrets() -> None:
    documents: list[dict[str, Any]] = [{}, {"tool": 1}, {"tool": {"nox-pex": []}}]
    for wrong in (*documents, {"tool": {"nox-pex": {"secrets": "A", "extends": 1}}}):
        assert settings_secrets.listed(wrong, Path("pyproject.toml")) == frozenset()
        assert [*settings_secrets.values(wrong, Path("pyproject.toml"))] == []
    partly = {"tool": {"nox-pex": {"secrets": ["A", 1], "binary": {"x": {"inject-env": {"A": 1}, "env": [1]}}}}}
    assert settings_secrets.listed(partly, Path("pyproject.toml")) == {"A"}
    assert [*settings_secrets.values(partly, Path("pyproject.toml"))] == []
