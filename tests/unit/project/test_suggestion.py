from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nox_pex.project import pyproject, python_files, suggestion
from nox_pex.settings.parse import parse

FASTAPI = """from fastapi import FastAPI

api: FastAPI = FastAPI()

@api.get('/items/{id}')
@api.get('/healthz')
def healthz():
    return 1
"""
FLASK = "from flask import Flask\n\napp = Flask(__name__)\n\n@app.route('/')\ndef hello():\n    return 'hello'\n"
FACTORY = """from flask import Flask

def create_app(test_config=None):
    # comment

    app = Flask(__name__)

    @app.route("/hello")
    def hello():
        return "hello"

    return app
"""
WSGI = "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n"
URLS = "from django.contrib import admin\nurlpatterns = [path('admin/', admin.site.urls)]\n"
CELERY = "from celery import Celery\n\nqueue = Celery('jobs')\n"
ARGPARSE = "import argparse\n\ndef main() -> None:\n    argparse.ArgumentParser().parse_args()\n"


def written(
    root: Path,
    sources: Mapping[str, str],
    *dependencies: str,
    scripts: Mapping[str, str] | None = None,
    more: str = "[tool.poetry]\npackage-mode = false\n",
) -> None:
    """Write a project; `more` are tables of its pyproject.toml."""
    for name, text in sources.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    lines = [f'{name} = "{target}"' for name, target in (scripts or {}).items()]
    head = f'[project]\nname = "shop"\nversion = "1"\ndependencies = {list(dependencies)}\n'
    (root / "pyproject.toml").write_text("\n".join([head, "[project.scripts]", *lines, more]), "utf-8")


def pasted(root: Path, *, table: str = "", given: suggestion.Given | None = None) -> dict[str, Any]:
    """Return the binary after what is suggested is pasted below its own `table`; nox-pex must accept it."""
    found = suggestion.suggest(pyproject.read(root), given=given)
    document = tomllib.loads(f"{table}\n{found.toml}\n")
    parse(document, file="pyproject.toml", project_name="shop", scripts={})
    binary: dict[str, Any] = document["tool"]["nox-pex"]["binary"]["shop"]
    return binary


def suggested(
    root: Path,
    sources: Mapping[str, str],
    *dependencies: str,
    scripts: Mapping[str, str] | None = None,
    entry: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the suggested table of the binary, which must be one that nox-pex accepts."""
    written(root, sources, *dependencies, scripts=scripts)
    if entry is None:
        return pasted(root)
    own = "[tool.nox-pex.binary.shop]\n" + "".join(f'{key} = "{value}"\n' for key, value in entry.items())
    return pasted(root, table=own, given=suggestion.Given(entry=entry))


def comments(root: Path) -> list[str]:
    """Return the comments of the suggestion."""
    lines = suggestion.suggest(pyproject.read(root)).toml.split("\n")
    return [line.removeprefix("# ") for line in lines if line.startswith("#")]


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
    assert comments(tmp_path)[0].startswith("add gunicorn to the dependencies")


@pytest.mark.parametrize(
    ("parameters", "script"),
    [
        ("test_config=None", "gunicorn"),
        (
            "config: dict[str, tuple[int, ...]] | None = dict(a=(1, 2)), *, debug: bool = False, **options: str",
            "gunicorn",
        ),
        ("\n    *instances,\n    name='shop',\n", "gunicorn"),
        ("config", "none"),
        ("config, debug=False", "none"),
        ("*, config", "none"),
        ("config=", "none"),
    ],
)
def test_a_factory_is_called_if_it_needs_no_argument(tmp_path: Path, parameters: str, script: str) -> None:
    text = f"from flask import Flask\n\ndef create_app({parameters}) -> Flask:\n    return Flask(__name__)\n"
    found = suggested(tmp_path, {"shop/__init__.py": text}, "flask", "gunicorn")
    assert found.get("script", "none") == script
    assert found["smoke"].get("args", ["shop:create_app()"])[0] == "shop:create_app()"


def test_a_django_project_is_served_and_asked_for_its_login(tmp_path: Path) -> None:
    sources = {"manage.py": "", "site1/wsgi.py": WSGI, "site1/urls.py": URLS}
    found = suggested(tmp_path, sources, "django>=5", "gunicorn")
    assert (found["script"], found["smoke"]["args"][0]) == ("gunicorn", "site1.wsgi:application")
    assert found["smoke"]["http"] == [{"path": "/admin/login/", "status": 200}]
    without = suggested(tmp_path, {}, "django")
    assert (without["executable"], without["smoke"]["args"][0]) == ("manage.py", "runserver")


def test_a_worker_of_celery_is_ready_when_its_log_says_so(tmp_path: Path) -> None:
    found = suggested(tmp_path, {"jobs.py": CELERY}, "celery")
    args = ["--app", "jobs:queue", "worker", "--loglevel", "INFO"]  # the line is of the level INFO
    assert found["smoke"] == {"args": args, "ready": {"log": "celery@.* ready"}}


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
    second = suggested(tmp_path, {}, "uvicorn", "hypercorn", entry={"script": "hypercorn"})
    assert second["smoke"]["args"] == ["main:api", "--bind", "127.0.0.1:{port}"]


def test_what_a_table_has_already_is_not_suggested_again(tmp_path: Path) -> None:
    written(tmp_path, {"main.py": FASTAPI}, "uvicorn")
    entry = {"script": "uvicorn"}
    table = '[tool.nox-pex.binary.shop]\nscript = "uvicorn"\ninject-args = ["main:api"]'
    injected = pasted(tmp_path, table=table, given=suggestion.Given(entry=entry, args=["main:api"]))
    assert injected["smoke"] == {"http": [{"path": "/healthz", "status": 200}]}
    table = '[tool.nox-pex.binary.shop]\nscript = "uvicorn"\n[tool.nox-pex.binary.shop.smoke]\nargs = ["main:api"]'
    given = suggestion.Given(entry=entry, args=["main:api"], has_smoke=True)
    assert pasted(tmp_path, table=table, given=given)["smoke"]["http"] == [{"path": "/healthz", "status": 200}]
    of_worker = suggestion.Given(entry={"script": "celery"}, args=["worker"], has_smoke=True)
    written(tmp_path, {"main.py": CELERY}, "celery")
    said = suggestion.suggest(pyproject.read(tmp_path), given=of_worker).toml
    assert said.endswith('# in your table [tool.nox-pex.binary.shop.smoke]:\nready = { log = "celery@.* ready" }')


@pytest.mark.parametrize(
    ("sources", "server", "args"),
    [
        ("def create_app() -> FastAPI:\n    return FastAPI()\n", "uvicorn", ["--factory", "main:create_app"]),
        ("def get_app(a=1, *, b: int = 2):\n\n    app = FastAPI()\n    return app\n", "hypercorn", ["main:get_app()"]),
        ("application = fastapi.FastAPI(\n    title='x',\n)\n", "uvicorn", ["main:application"]),
        ("def create_app(settings: Settings):\n    return FastAPI()\n\nweb = create_app(1)\n", "uvicorn", ["main:web"]),
    ],
)
def test_an_application_is_found_in_each_form_that_a_server_takes(
    tmp_path: Path, sources: str, server: str, args: list[str]
) -> None:
    assert suggested(tmp_path, {"main.py": sources}, "fastapi", server)["smoke"]["args"][: len(args)] == args


def test_a_factory_that_needs_arguments_is_no_application(tmp_path: Path) -> None:
    sources = {"main.py": "def create_app(settings: Settings):\n    return FastAPI()\n"}
    assert suggested(tmp_path, sources, "fastapi", "uvicorn")["entry-point"] == "MODULE:FUNCTION"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("app = FastAPI()\n@router.get('/')\ndef listed():\n    return []\n", "/openapi.json"),  # it may have a prefix
        ("app = FastAPI()\n@app.get('/a')\ndef a(limit: int):\n    return 1\n", "/openapi.json"),
        ("app = FastAPI()\n@app.get('/')\ndef a():\n    return RedirectResponse('/b')\n", "/openapi.json"),
        ("app = FastAPI(openapi_url='/api.json')\n", "/api.json"),
        ("app = FastAPI()\n@app.get('/a', tags=[1])\n@app.get('/bb')\nasync def a():\n\n    return 1\n", "/a"),
        ("@get('/books')\nasync def books() -> int:\n    return 1\napp = Litestar([books])\n", "/books"),
        ("app = Litestar([Books])\n", "/schema/openapi.json"),
        ("app = Starlette(routes=[Route('/info', homepage), Route('/{name}', page)])\n", "/info"),
        ("app = Flask('x')\napi = Api(app)\napi.add_resource(Todos, '/todos')\n", "/todos"),
        ("app = Flask('x')\n@app.route('/in', methods=['POST'])\ndef a():\n    return ''\n", None),
        ("app = Flask('x')\n@app.route('/')\n@login_required\ndef a():\n    return ''\n", None),
        ("app = FastAPI(openapi_url=None)\n", None),
    ],
)
def test_the_path_is_one_that_answers_everybody(tmp_path: Path, text: str, path: str | None) -> None:
    server = "gunicorn" if "Flask" in text else "uvicorn"
    assert suggested(tmp_path, {"main.py": text}, server)["smoke"]["http"] == [{"path": path or "/", "status": 200}]
    assert comments(tmp_path) == ([] if path else ["no route found that answers everybody: correct the path"])


def test_a_server_of_a_group_or_an_extra_ships_with_it(tmp_path: Path) -> None:
    group = "[tool.poetry]\npackage-mode = false\n[tool.poetry.group.prod.dependencies]\nGunicorn = '*'\n"
    written(tmp_path, {"main.py": FLASK}, "flask", more=group)
    assert (pasted(tmp_path)["script"], pasted(tmp_path)["groups"]) == ("gunicorn", ["main", "prod"])
    extra = "[project.optional-dependencies]\nserver = ['gunicorn>=20']\n"
    written(tmp_path, {}, "flask", more=extra)
    assert (pasted(tmp_path)["script"], pasted(tmp_path)["extras"]) == ("gunicorn", ["server"])
    written(tmp_path, {}, "flask", more="[dependency-groups]\ndev = ['gunicorn', { include-group = 'x' }]\n")
    assert pasted(tmp_path)["script"] == "flask"


def test_a_project_of_poetry_1_has_its_dependencies_in_its_own_table(tmp_path: Path) -> None:
    table = "[tool.poetry.dependencies]\nfastapi = { extras = ['standard'], version = '*' }\n"
    optional = "gunicorn = { version = '*', optional = true }\n"
    written(tmp_path, {"main.py": FASTAPI}, more=table + optional)
    assert pasted(tmp_path)["script"] == "uvicorn"
    assert comments(tmp_path) == []


def test_modules_below_src_that_no_backend_packs_need_the_root(tmp_path: Path) -> None:
    sources = {"src/shop/cli.py": ARGPARSE}
    written(tmp_path, sources, "click")
    assert pasted(tmp_path)["sources"] == {"root": "src"}
    written(tmp_path, {}, "click", more="")
    assert "sources" not in pasted(tmp_path)


@pytest.mark.parametrize("directory", ["src", "backend"])
def test_a_django_project_below_a_directory_needs_it_as_the_root(tmp_path: Path, directory: str) -> None:
    sources = {f"{directory}/manage.py": "", f"{directory}/site1/wsgi.py": WSGI, f"{directory}/site1/urls.py": URLS}
    found = suggested(tmp_path, sources, "django", "gunicorn")
    assert (found["smoke"]["args"][0], found["sources"]) == ("site1.wsgi:application", {"root": directory})
    without = suggested(tmp_path, {}, "django")
    assert (without["executable"], without["sources"]) == (f"{directory}/manage.py", {"root": directory})


@pytest.mark.parametrize(
    ("dependency", "text", "args", "ready"),
    [
        ("dramatiq", "@dramatiq.actor\ndef send(): ...\n", ["jobs"], "Worker process is ready for action"),
        ("arq", "class WorkerSettings:\n    functions = []\n", ["jobs.WorkerSettings"], "Starting worker"),
        ("rq", "def count(): ...\n", ["worker"], "Listening on"),
    ],
)
def test_the_worker_of_a_queue_is_ready_when_its_log_says_so(
    tmp_path: Path, dependency: str, text: str, args: list[str], ready: str
) -> None:
    found = suggested(tmp_path, {"jobs.py": text}, dependency)
    assert (found["script"], found["smoke"]) == (dependency, {"args": args, "ready": {"log": ready}})
    assert "broker" in comments(tmp_path)[0]


@pytest.mark.parametrize(
    ("text", "smoke"),
    [
        ("p.add_argument('--port')\nweb.run_app(app)\n", {"args": ["--port", "{port}"], "http": ...}),
        ("web.run_app(app, port=os.environ['HTTP_PORT'])\n", {"env": {"HTTP_PORT": "{port}"}, "http": ...}),
        ("uvicorn.run('main:app', port=9000)\n", {"url": "http://127.0.0.1:9000", "http": ...}),
        ("web.run_app(app)\n", {"url": "http://127.0.0.1:8080", "http": ...}),
        ("from waitress import serve\nserve(app)\n", {"url": "http://127.0.0.1:8080", "http": ...}),
        ("port = '50051'\ns.add_insecure_port('[::]:' + port)\n", {"url": "http://127.0.0.1:50051", "tcp": ...}),
        ("HTTPServer(('', 8123), Handler).serve_forever()\n", {"url": "http://127.0.0.1:8123", "http": ...}),
    ],
)
def test_a_program_that_opens_its_port_gets_a_free_one_or_is_asked_at_its_own(
    tmp_path: Path, text: str, smoke: dict[str, Any]
) -> None:
    found = suggested(tmp_path, {"serve.py": f"if __name__ == '__main__':\n    pass\n{text}"})
    checks = {"http": [{"path": "/", "status": 200}], "tcp": [{"port": "{port}"}]}
    expected = {key: checks[key] if value is ... else value for key, value in smoke.items()}
    assert (found["entry-point"], found["smoke"]) == ("serve", expected)


def test_a_script_of_the_project_that_is_a_server_is_checked_as_one(tmp_path: Path) -> None:
    sources = {"shop/main.py": f"{FASTAPI}\ndef main():\n    uvicorn.run(api, port=8000)\n"}
    written(tmp_path, sources, "uvicorn", scripts={"shop": "shop.main:main"}, more="")
    given = suggestion.Given(entry={"script": "shop"})
    found = pasted(tmp_path, table='[tool.nox-pex.binary.shop]\nscript = "shop"', given=given)
    assert found["smoke"] == {"url": "http://127.0.0.1:8000", "http": [{"path": "/healthz", "status": 200}]}


@pytest.mark.parametrize(
    ("before", "ready", "python"),
    [
        ("print('up (again)', flush=True)", r"up \(again\)", None),
        ("print('started')", "started", ["-u"]),
        ("logging.basicConfig(level=logging.INFO)\n    log.info('started %s', 1)", "started ", None),
        ("log.info('nobody sees it')", "LINE", None),
        ("work()", "LINE", None),
    ],
)
def test_a_loop_without_an_end_is_ready_when_it_has_printed_its_first_line(
    tmp_path: Path, before: str, ready: str, python: list[str] | None
) -> None:
    text = f"def other():\n    print('not this')\n\ndef main():\n    {before}\n    while True:\n        work()\n"
    found = suggested(tmp_path, {"poll.py": text})
    assert (found["smoke"], found.get("inject-python-args")) == ({"ready": {"log": ready}}, python)
    assert (ready == "LINE") is bool(comments(tmp_path))


def test_a_file_that_no_statement_can_import_is_an_executable(tmp_path: Path) -> None:
    assert suggested(tmp_path, {"convert-files.py": f"{ARGPARSE}\nif __name__ == '__main__':\n    main()\n"}) == {
        "executable": "convert-files.py",
        "smoke": {"command": [{"args": ["--help"]}]},
    }


def test_all_that_is_not_in_the_table_is_named(tmp_path: Path) -> None:
    written(tmp_path, {"api/main.py": FASTAPI, "site/main.py": FLASK}, "uvicorn")
    assert pasted(tmp_path)["smoke"]["args"][0] == "api.main:api"
    assert comments(tmp_path) == ["another application: site.main:app, in site/main.py"]
    (tmp_path / "b").mkdir()
    written(tmp_path / "b", {"cli.py": ARGPARSE}, scripts={"shop": "cli:main", "admin": "cli:main"})
    assert comments(tmp_path / "b") == ["other scripts: admin"]


def test_an_app_of_streamlit_needs_a_function_that_names_its_file(tmp_path: Path) -> None:
    app = "import streamlit as st\n\nst.title('x')\n"
    assert suggested(tmp_path, {"app.py": app}, "streamlit")["entry-point"] == "MODULE:FUNCTION"
    assert "smoke.html#an-app-of-streamlit" in comments(tmp_path)[0]
    start = "from streamlit.web import cli\n\ndef main() -> None:\n    cli.main()\n"
    found = suggested(tmp_path, {"dashboard.py": start}, "streamlit")
    assert found["entry-point"] == "dashboard:main"
    assert found["smoke"]["http"] == [{"path": "/_stcore/health", "status": 200}]


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
    assert suggested(tmp_path, {"web/main.py": FASTAPI})["script"] == "uvicorn"
    monkeypatch.setattr(python_files, "MOST_ENTRIES", 0)
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
    (check,) = suggested(tmp_path, {"main.py": f"{source}def healthy():\n    return 1\n"})["smoke"]["http"]
    assert check["path"] in {"/a/healthz", "/openapi.json"}


def test_a_script_that_the_settings_refuse_is_not_suggested(tmp_path: Path) -> None:
    head = '[project]\nname = "shop"\nversion = "1"\n[project.scripts]\n"" = "main:main"\n'
    (tmp_path / "pyproject.toml").write_text(head, "utf-8")
    assert "MODULE:FUNCTION" in suggestion.suggest(pyproject.read(tmp_path)).toml


def test_devices_and_fifos_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    (tmp_path / "itself.py").symlink_to("itself.py")
    assert suggested(tmp_path, {"last.py": FASTAPI})["smoke"]["args"][0] == "last:api"
