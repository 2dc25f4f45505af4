"""A word is in every secret and every file of a checkout that must not ship. It must be in no output of nox-pex."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.distribution_files import write_wheel
from tests.support.file_server import FileServer, serve_files
from tests.support.find_text import find_text
from tests.support.git_repository import GitRepository
from tests.support.locker import Locker
from tests.support.nox_project import Project, built_files
from tests.support.package_index import write_simple_index

CANARY = "zanarivogel"
LOGIN = f"joe:{CANARY}-password"
VISIBLE = "this text must be found"
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----\n"

MUST_NOT_SHIP = {
    **dict.fromkeys((".env", ".env.local", "app/.env", ".netrc", ".pypirc", "app/.env.prod"), f"TOKEN={CANARY}\n"),
    **dict.fromkeys(("id_rsa", "server.pem", "server.key"), KEY),
    **dict.fromkeys(("tests/test_app.py", "tests/data/dump.sql", "conftest.py"), f"SECRET = '{CANARY}'\n"),
    **dict.fromkeys((".venv/lib/evil.py", "venv/evil.py", "node_modules/evil.py"), f"X = '{CANARY}'\n"),
    **dict.fromkeys((".venv/pyvenv.cfg", "venv/pyvenv.cfg", ".mypy_cache/a.json", ".pytest_cache/a"), CANARY),
    **dict.fromkeys(("app/__pycache__/app.cpython-311.pyc", "__pycache__/b.pyc", ".tox/a/b.py"), CANARY),
    **dict.fromkeys(("app.pex", "dist/old.pex", "dist/app-0.9-py3-none-any.whl", "build/lib/old.py"), CANARY),
    **dict.fromkeys(("docs/index.md", "Dockerfile", "docker-compose.yml", "README.md", ".github/ci.yml"), CANARY),
    **dict.fromkeys((".idea/workspace.xml", ".aws/credentials", ".ssh/id_ed25519", "htmlcov/index.html"), CANARY),
}
SECRETS = {
    "MY_API_TOKEN": f"{CANARY}-token",
    "DATABASE_URL": f"postgres://joe:{CANARY}-database@db.example/app",
    "LICENCE": f"{CANARY}-licence",
}
"""Variables of the shell that are secret by their name, as a URL, and by the setting `secrets`."""


def find_below(directory: Path, text: str, *, without: str) -> list[str]:
    """The places of `text` in the files below `directory`, except below directories with the name `without`."""
    found: list[str] = []
    for place, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if name != without]
        for file in (Path(place, name) for name in files):
            found += find_text(file.read_bytes(), file.relative_to(directory).as_posix(), text)
    return found


@pytest.fixture
def private(tmp_path: Path) -> Iterator[FileServer]:
    """A private server with an index of one wheel, and with another wheel that is not in the index."""
    indexed = write_wheel(tmp_path / "wheels", "acme_indexed", {"acme_indexed.py": "TEXT = 'indexed'\n"})
    linked = write_wheel(tmp_path / "wheels", "acme_linked", {"acme_linked.py": "TEXT = 'linked'\n"})
    root = write_simple_index(tmp_path / "index", indexed)
    (root / linked.name).write_bytes(linked.read_bytes())
    with serve_files(root, login=LOGIN) as served:
        yield served


def pyproject(served: FileServer, head: str) -> str:
    """The text of `pyproject.toml`: `head`, and dependencies whose addresses contain the credentials."""
    url = served.with_login(LOGIN)
    return (
        f"{head}\n[tool.poetry.dependencies]\n"
        'acme-indexed = { version = "1.0", source = "private" }\n'
        f'acme-linked = {{ url = "{url}/acme_linked-1.0-py3-none-any.whl" }}\n\n'
        f'[[tool.poetry.source]]\nname = "private"\nurl = "{url}/simple/"\npriority = "explicit"\n\n'
        '[tool.nox-pex]\nsecrets = ["LICENCE"]\n\n[tool.nox-pex.binary.app]\nentry-point = "app:main"\n'
    )


HEADS = {
    "loose": (
        '[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.10"\n\n[tool.poetry]\npackage-mode = false\n'
    ),
    "packaged": (
        '[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.10"\n\n'
        '[build-system]\nrequires = ["poetry-core>=2.0"]\nbuild-backend = "poetry.core.masonry.api"\n\n'
        '[tool.poetry.build]\nscript = "make.py"\n'
    ),
}
MAIN = f"""\
import acme_indexed
import acme_linked

TEXT = "{VISIBLE}"


def main() -> None:
    print(acme_indexed.TEXT, acme_linked.TEXT)
"""
PRINT_EVERYTHING = """\
import os
import sys

print(dict(os.environ))
print(open("pyproject.toml").read())
sys.exit(1 if os.path.exists("break.txt") else 0)
"""
"""A build script that prints all variables and `pyproject.toml`, and fails if `break.txt` exists."""


@pytest.mark.parametrize("kind", ["loose", "packaged"])
def test_no_output_and_no_file_of_a_build_contains_a_secret(
    write_project: Callable[..., Project], lock: Locker, private: FileServer, home: Path, kind: str
) -> None:
    app = write_project(
        "app",
        {"pyproject.toml": pyproject(private, HEADS[kind]), "app/__init__.py": MAIN, "make.py": PRINT_EVERYTHING},
    )
    lock(app)
    for path, text in MUST_NOT_SHIP.items():
        (app.root / path).parent.mkdir(parents=True, exist_ok=True)
        (app.root / path).write_text(text, "utf-8")
    (app.root / ".gitignore").write_text(".env*\n*.pyc\n*.pex\n.nox\ndist\nvenv\n.venv\nnode_modules\n", "utf-8")
    if kind == "loose":
        (app.root / "app" / "tls.key").write_text(KEY, "utf-8")
        app.edit(
            "pyproject.toml", 'entry-point = "app:main"', 'entry-point = "app:main"\nsources.exclude = ["make.py"]'
        )
    repository = GitRepository(root=app.root, environ=app.environ)
    repository.git("init", "--quiet")
    repository.git("remote", "add", "origin", f"https://joe:{CANARY}@git.example/app.git")
    repository.commit()

    printed = app.nox("-s", "pex", env=SECRETS).output
    assert launch(app.binary("app"), home=home).output == "indexed linked\n"
    printed += app.nox("--verbose", "-s", "pex", "--", "--force", env=SECRETS).output
    # The search works: it finds a text that is not secret.
    assert list(find_text(app.binary("app").read_bytes(), "app.pex", VISIBLE))
    assert "acme_linked" in (app.root / "dist" / "app.requirements.txt").read_text("utf-8")
    built = {
        path.name: path.read_bytes()
        for path in (app.root / "dist").iterdir()
        if path.name.startswith(("app.", "pylock."))
    }
    assert built.keys() == built_files("app")
    assert [place for name, content in built.items() for place in find_text(content, name, CANARY)] == []

    (app.root / "break.txt").touch()
    if kind == "loose":
        app.add_setting('pex-args = ["--there-is-no-such-option", "x"]')
    for arguments in (("-s", "pex"), ("--verbose", "-s", "pex")):
        result = app.run(*arguments, "--", "--force", env=SECRETS)
        assert "error[build-failed]" in result.output
        printed += result.output
    private.requests.clear()
    result = app.run(
        "--verbose", "-s", "install", "--", "--force", env={**SECRETS, "POETRY_HTTP_BASIC_PRIVATE_PASSWORD": ""}
    )
    printed += result.output
    assert [line for line in printed.splitlines() if CANARY in line] == []
    # The environment itself contains the addresses that Poetry wrote into it (direct_url.json).
    assert find_below(app.root / ".nox", CANARY, without="install") == []


def test_a_file_of_secrets_that_the_backend_would_ship_is_refused_as_a_leak(
    write_project: Callable[..., Project], lock: Locker
) -> None:
    app = write_project(
        "app",
        {
            "pyproject.toml": (
                '[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.10"\n\n'
                '[build-system]\nrequires = ["poetry-core>=2.0"]\nbuild-backend = "poetry.core.masonry.api"\n\n'
                '[tool.nox-pex.binary.app]\nentry-point = "app:main"\n'
            ),
            "app/__init__.py": "def main() -> None:\n    print('here')\n",
            "app/.env.example": "TOKEN=\n",
        },
    )
    lock(app)
    app.nox("-s", "pex")
    (app.root / "app" / ".env").write_text(f"TOKEN={CANARY}\n", "utf-8")
    line = app.refused("leak", "-s", "pex")
    assert "app/.env" in line
    assert "exclude" in line
    app.append("pyproject.toml", '[tool.poetry]\nexclude = ["app/.env"]\n')
    app.nox("-s", "pex")
