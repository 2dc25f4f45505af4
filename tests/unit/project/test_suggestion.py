from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nox_pex.project import pyproject, suggestion
from nox_pex.settings.parse import parse

FASTAPI = "from fastapi import FastAPI\n\napi: FastAPI = FastAPI()\n\n@api.get('/items/{id}')\n@api.get('/healthz')\n"
FLASK = "from flask import Flask\n\napp = Flask(__name__)\n\n@app.route('/')\ndef hello():\n    return 'hello'\n"
FACTORY = "from flask import Flask\n\ndef create_app():\n    return Flask(__name__)\n"
WSGI = "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n"
URLS = "from django.contrib import admin\nurlpatterns = [path('admin/', admin.site.urls)]\n"
CELERY = "from celery import Celery\n\nqueue = Celery('jobs')\n"
ARGPARSE = "import argparse\n\ndef main() -> None:\n    argparse.ArgumentParser().parse_args()\n"


def suggested(
    root: Path,
    sources: Mapping[str, str],
    *dependencies: str,
    scripts: Mapping[str, str] | None = None,
    entry: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the suggested table of the binary, which must be one that nox-pex accepts."""
    for name, text in sources.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    lines = [f'{name} = "{target}"' for name, target in (scripts or {}).items()]
    head = f'[project]\nname = "shop"\nversion = "1"\ndependencies = {list(dependencies)}\n'
    (root / "pyproject.toml").write_text("\n".join([head, "[project.scripts]", *lines]), "utf-8")
    found = suggestion.suggest(pyproject.read(root), entry=entry)
    own = "" if entry is None else "[tool.nox-pex.binary.shop]\n" + "".join(f'{k} = "{v}"\n' for k, v in entry.items())
    document = tomllib.loads(f"{own}\n{found.toml}\n")
    parse(document, file="pyproject.toml", project_name="shop", scripts={})
    table: dict[str, Any] = document["tool"]["nox-pex"]["binary"]["shop"]
    return table


def test_an_asgi_application_is_served_by_the_server_among_the_dependencies(tmp_path: Path) -> None:
    assert suggested(tmp_path, {"shop/web.py": FASTAPI}, "fastapi>=0.1", "Uvicorn[standard]>=0.30") == {
        "script": "uvicorn",
        "smoke": {"args": ["shop.web:api", "--port", "{port}"], "http": [{"path": "/healthz", "status": 200}]},
    }
    other = suggested(tmp_path, {}, "fastapi", "hypercorn")
    assert (other["script"], other["smoke"]["args"]) == ("hypercorn", ["shop.web:api", "--bind", "127.0.0.1:{port}"])


@pytest.mark.parametrize(
    ("server", "script", "args"),
    [
        ("gunicorn", "gunicorn", ["main:app", "--bind", "127.0.0.1:{port}"]),
        ("waitress", "waitress-serve", ["--listen=127.0.0.1:{port}", "main:app"]),
        ("flask", "flask", ["--app", "main:app", "run", "--port", "{port}"]),
    ],
)
def test_a_flask_application_is_served_by_the_server_among_the_dependencies(
    tmp_path: Path, server: str, script: str, args: list[str]
) -> None:
    found = suggested(tmp_path, {"main.py": FLASK, "tests/other.py": FASTAPI, ".hidden.py": FASTAPI}, "flask", server)
    assert (found["script"], found["smoke"]) == (script, {"args": args, "http": [{"path": "/", "status": 200}]})


def test_a_factory_of_flask_is_called_by_each_server(tmp_path: Path) -> None:
    sources = {"src/shop/__init__.py": FACTORY}
    assert suggested(tmp_path, sources, "flask", "gunicorn")["smoke"]["args"][0] == "shop:create_app()"
    assert suggested(tmp_path, {}, "flask", "waitress")["smoke"]["args"][1:] == ["--call", "shop:create_app"]
    assert suggested(tmp_path, {}, "flask")["smoke"]["args"][:2] == ["--app", "shop:create_app"]


def test_a_django_project_is_served_and_asked_for_its_login(tmp_path: Path) -> None:
    sources = {"manage.py": "", "site1/wsgi.py": WSGI, "site1/urls.py": URLS}
    found = suggested(tmp_path, sources, "django>=5", "gunicorn")
    assert (found["script"], found["smoke"]["args"][0]) == ("gunicorn", "site1.wsgi:application")
    assert found["smoke"]["http"] == [{"path": "/admin/login/", "status": 200}]
    without = suggested(tmp_path, {}, "django")
    assert (without["executable"], without["smoke"]["args"][0]) == ("manage.py", "runserver")


def test_a_worker_of_celery_is_ready_when_its_log_says_so(tmp_path: Path) -> None:
    found = suggested(tmp_path, {"jobs.py": CELERY}, "celery")
    assert found["smoke"] == {"args": ["--app", "jobs:queue", "worker"], "ready": {"log": "celery@.* ready"}}


def test_of_several_scripts_the_one_with_the_projects_name_is_taken(tmp_path: Path) -> None:
    found = suggested(tmp_path, {"cli.py": ARGPARSE}, scripts={"admin": "cli:main", "shop-cli": "cli:main"})
    assert found == {"script": "shop-cli", "smoke": {"command": [{"args": ["--help"]}]}}


@pytest.mark.parametrize(
    ("sources", "entry"),
    [
        ({"shop/__main__.py": "print(1)\n"}, "shop"),
        ({"tool.py": ARGPARSE}, "tool:main"),
        ({"run.py": 'if __name__ == "__main__":\n    print(1)\n'}, "run"),
        ({}, "MODULE:FUNCTION"),
    ],
)
def test_a_project_without_a_script_has_a_module_as_its_entry_point(
    tmp_path: Path, sources: dict[str, str], entry: str
) -> None:
    assert suggested(tmp_path, sources)["entry-point"] == entry


def test_a_binary_with_a_table_gets_the_smoke_test_that_fits_it(tmp_path: Path) -> None:
    of_server = suggested(tmp_path, {"main.py": FASTAPI}, "uvicorn", entry={"script": "uvicorn"})
    assert of_server["smoke"]["http"] == [{"path": "/healthz", "status": 200}]
    of_other = suggested(tmp_path, {}, "uvicorn", entry={"script": "alembic"})
    assert of_other["smoke"] == {"command": [{"args": []}]}


def test_odd_files_are_no_problem(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.py").symlink_to("nowhere")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfeapp = FastAPI()\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "venv" / "web.py").write_text(FASTAPI, "utf-8")
    (tmp_path / "huge.py").write_bytes(b"#" * 10_000_000)
    assert suggested(tmp_path, {}, "not a requirement !")["entry-point"] == "MODULE:FUNCTION"


def test_the_lines_to_paste_say_what_the_table_was_made_from(tmp_path: Path) -> None:
    suggested(tmp_path, {"main.py": FASTAPI}, "uvicorn")
    lines = suggestion.to_paste(suggestion.suggest(pyproject.read(tmp_path), name="a.b"))
    assert lines[:2] == (
        "paste this into pyproject.toml, made from main.py; correct what is wrong:",
        '[tool.nox-pex.binary."a.b"]',
    )


K = 64 * 1024


@pytest.mark.parametrize(
    "text",
    [
        *("\n" * K, " " * K, "a" * K, "a\n" * K, "a:" + " " * K, "a = " + "b." * K, "def create_app()\n" * (K // 8)),
        *("def create_app()" + "\n" * K, "def main(" + " " * K, "import" + " " * K, "@a.get(" * (K // 4), "a:" * K),
        *("path('" * (K // 4), "path('a'," + " " * K, "@a.get('/" * (K // 4), "app = Celery(\n" * (K // 8)),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_no_text_makes_the_search_slow(tmp_path: Path, text: str) -> None:
    started = time.process_time()
    suggested(tmp_path, {f"m{number}.py": text for number in range(20)}, "flask")
    assert time.process_time() - started < 2


def test_a_project_of_very_many_files_is_seen_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion, "_MOST_ENTRIES", 10)
    assert suggested(tmp_path, {"web/main.py": FASTAPI})["script"] == "uvicorn"
    for number in range(10):
        (tmp_path / f"data{number}.txt").touch()
    assert suggested(tmp_path, {})["entry-point"] == "MODULE:FUNCTION"


@pytest.mark.parametrize(
    "name", ["a b", "a'b", 'a"b', "a\x1b[31m", "a\nb", "{port}", "a:b", "a.b", "-x", "\u202ex", "1"]
)
def test_a_file_that_is_no_module_is_not_suggested(tmp_path: Path, name: str) -> None:
    sources = {f"{name}.py": f"{FASTAPI}{ARGPARSE}", f"{name}/main.py": FASTAPI}
    assert suggested(tmp_path, sources)["entry-point"] == "MODULE:FUNCTION"


@pytest.mark.parametrize("path", ["/a\x1b[31m", "/a b", "/\u202e", "/a\nb", "/{id}", "/<id>", "/a\\x", "/`"])
def test_a_route_that_is_no_plain_path_is_not_suggested(tmp_path: Path, path: str) -> None:
    source = f"app = FastAPI()\n\n@app.get('{path}')\n@app.get('/a/healthz')\n"
    assert suggested(tmp_path, {"main.py": source})["smoke"]["http"] == [{"path": "/a/healthz", "status": 200}]


def test_a_script_that_the_settings_refuse_is_not_suggested(tmp_path: Path) -> None:
    head = '[project]\nname = "shop"\nversion = "1"\n[project.scripts]\n"" = "main:main"\n'
    (tmp_path / "pyproject.toml").write_text(head, "utf-8")
    assert "MODULE:FUNCTION" in suggestion.suggest(pyproject.read(tmp_path)).toml


def test_devices_and_fifos_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    (tmp_path / "itself.py").symlink_to("itself.py")
    assert suggested(tmp_path, {"last.py": FASTAPI})["smoke"]["args"][0] == "last:api"
