from __future__ import annotations

import pytest

from nox_pex.project.left_out import LeftOut, report


def paths(*omitted: str, tops: tuple[str, ...] = ("app", "main.py")) -> list[str]:
    return [entry.path for entry in report(omitted, shipped_tops=tops)]


def test_directories_at_the_root_are_reported_once_and_sorted() -> None:
    assert paths("templates/b.html", "settings.ini", "templates/a.html", "assets/deep/x.css") == [
        *("assets/", "settings.ini", "templates/"),
    ]


def test_only_keys_are_reported_in_directories_that_ship() -> None:
    assert paths("app/tests/x.py", "app/deep/ca.pem") == ["app/deep/ca.pem"]


def test_a_key_at_the_root_is_reported_like_any_file() -> None:
    assert paths("server.key") == ["server.key"]


@pytest.mark.parametrize(
    "name",
    [
        *("notes.md", "index.rst", "uv.lock", "debug.log", "app.iml", "README", "README.txt", "LICENSE", "LICENCE.txt"),
        *("COPYING", "NOTICE.txt", "AUTHORS", "CHANGES", "CHANGELOG", "CODEOWNERS", "MANIFEST.in", "Makefile"),
        *("GNUmakefile", "justfile", "Justfile", "Procfile", "Dockerfile", "Dockerfile.dev", "Containerfile"),
        *("docker-compose.yml", "compose.yaml", "requirements.txt", "requirements-dev.txt", "constraints.txt"),
        *("setup.cfg", "tox.ini", "pytest.ini", "mypy.ini", "ruff.toml", "mkdocs.yml", "codecov.yml", "package.json"),
    ],
)
def test_a_familiar_file_is_reported_only_as_part_of_a_directory(name: str) -> None:
    assert paths(name) == []
    assert paths(f"other/{name}") == ["other/"]


def test_the_line_of_settings_quotes_the_path() -> None:
    (entry,) = report(['odd [1] "ü".txt'], shipped_tops=())
    assert entry == LeftOut(path='odd [1] "ü".txt', line='sources.include = ["odd [[]1] \\"ü\\".txt"]')
    assert str(LeftOut(path="x/", line='sources.include = ["x/"]')) == 'x/ (to include it: sources.include = ["x/"])'
