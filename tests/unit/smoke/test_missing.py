from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.smoke import missing
from nox_pex.smoke.log import Log
from nox_pex.system import outside_text
from tests.support.shown import say_into
from tests.support.targets import target_of

ENTRIES: dict[str, dict[str, str]] = {
    path: {"path": path, "reason": "some reason", "include": path}
    for path in ("core/", "templates/", "settings.ini", "app/generated.py", "app/data/x.csv", "static/", "libs/shelf/")
}
ENTRIES["shared"] = {"path": "shared", "reason": "a link that leads out of the project"}

Explain = Callable[..., NoxPexError]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def explain(tmp_path: Path, said: list[str]) -> Explain:
    binary = tmp_path / "dist" / "program.pex"
    binary.parent.mkdir()
    binary.write_bytes(b"a binary")
    root = tmp_path / "project"
    for name in ("templates/pages/index.html", "libs/shelf/shelf/__init__.py"):
        (root / name).parent.mkdir(parents=True)
        (root / name).touch()

    def go(
        line: str, *, sources: dict[str, Any] | None = None, sha256: str | None = None, **record: Any
    ) -> NoxPexError:
        known = {"sha256": sha256 or pex_file.digest(binary), "left-out": list(ENTRIES.values()), **record}
        (tmp_path / "dist" / "program.pex.json").write_text(json.dumps(known), "utf-8")
        log, gone = Log.create(tmp_path / "cold.log"), Log.create(tmp_path / "gone.log")
        gone.path.unlink()
        log.path.write_text(f"Traceback\n{line}\nmore\n" + "noise\n" * 100, "utf-8")
        error = NoxPexError("exited-early", "cold: it ended", "see its log", log=("noise",))
        target = target_of(binary, root=root, sources=sources or {})
        with contextlib.closing(log), contextlib.closing(gone):
            return missing.explain(
                error,
                [log, gone],
                target=target,
                binary=binary,
                say=say_into(lambda text: said.append(outside_text.message(text))),
            )

    return go


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("ModuleNotFoundError: No module named 'core'", "core/"),
        ("ModuleNotFoundError: No module named 'core.models'", "core/"),
        ("/usr/bin/python: No module named core.models", "core/"),
        ("ModuleNotFoundError: No module named 'shelf'", "libs/shelf/"),
        ("ModuleNotFoundError: No module named 'app.generated'", "app/generated.py"),
        ("ImportError: cannot import name 'generated' from 'app' (/x/app/__init__.py)", "app/generated.py"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/x/y/settings.ini'", "settings.ini"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'settings.ini'", "settings.ini"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/x/app/data/x.csv'", "app/data/x.csv"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/x/app/../templates/a/b.html'", "templates/"),
        ("cat: settings.ini: No such file or directory, can't open 'settings.ini'", "settings.ini"),
        ("RuntimeError: Directory 'static' does not exist", "static/"),
        ("jinja2.exceptions.TemplateNotFound: pages/index.html", "templates/"),
        ("jinja2.exceptions.TemplateNotFound: 'index.html' not found in search path: '/x/y'", "templates/"),
        ("django.template.exceptions.TemplateDoesNotExist: pages/index.html", "templates/"),
    ],
)
def test_what_the_program_does_not_find_is_named(explain: Explain, said: list[str], line: str, path: str) -> None:
    error = explain(line)
    key = "tool.nox-pex.binary.program.sources"
    assert (error.code, error.problem, error.log) == ("exited-early", "cold: it ended", ("noise",))
    assert error.remedy == f'the binary lacks {path} (some reason): add "{path}" to {key}.include'
    (message,) = said
    assert message.startswith(f"the binary lacks {path} (some reason); paste this table into pyproject.toml:\n")
    table = tomllib.loads(message.partition(":\n")[2])["tool"]["nox-pex"]["binary"]["program"]["sources"]
    assert table == {"include": [path]}


@pytest.mark.parametrize(
    "line",
    [
        "ModuleNotFoundError: No module named 'corelib'",
        "ModuleNotFoundError: No module named 'other.core'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/etc/other.ini'",
        '127.0.0.1 - "GET /static/x.css HTTP/1.1" 404 Not Found',
        "everything is well with settings.ini",
        "not found: /",
        "",
    ],
)
def test_anything_else_is_left_as_it_is(explain: Explain, said: list[str], line: str) -> None:
    assert explain(line).remedy == "see its log"
    assert said == []


def test_a_link_that_no_pattern_includes_is_named_without_a_table(explain: Explain, said: list[str]) -> None:
    error = explain("FileNotFoundError: [Errno 2] No such file or directory: '/x/shared'")
    assert error.remedy == "the binary lacks shared (a link that leads out of the project), which no setting includes"
    assert said == []


def test_the_present_settings_are_kept(explain: Explain, said: list[str]) -> None:
    explain("No module named 'core'", sources={"include": ["static/"], "exclude": ["*.log"]})
    table = tomllib.loads(said[0].partition(":\n")[2])["tool"]["nox-pex"]["binary"]["program"]["sources"]
    assert table == {"include": ["static/", "core/"], "exclude": ["*.log"]}


def test_below_the_root_the_paths_in_the_binary_are_shorter(explain: Explain) -> None:
    entry = {"path": "src/core/", "reason": "ignored", "include": "src/core/"}
    error = explain("No module named 'core'", sources={"root": "src"}, **{"left-out": [entry]})
    assert '"src/core/"' in error.remedy


def test_the_record_of_another_file_does_not_count(explain: Explain) -> None:
    assert explain("No module named 'core'", sha256="0" * 64).remedy == "see its log"
    assert explain("No module named 'core'", **{"left-out": "nonsense"}).remedy == "see its log"


def test_a_large_directory_is_not_searched_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing, "_MAX_SEARCHED", 3)
    for name in "abcde":
        (tmp_path / name).touch()
    assert not missing._has_file(tmp_path / "deep", "e")  # noqa: SLF001  # the limit has no other effect
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "wanted").touch()
    assert not missing._has_file(tmp_path, "wanted")  # noqa: SLF001  # the limit has no other effect


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        (('    DB = os.environ["DATABASE_URL"]', "KeyError: 'DATABASE_URL'"), "DATABASE_URL"),
        (('  File "<frozen os>", line 679, in __getitem__', "    x = environ[key]", "KeyError: 'token'"), "token"),
        (("ImproperlyConfigured: Set the SECRET_KEY environment variable",), "SECRET_KEY"),
        (('environs.EnvError: Environment variable "API_KEY" not set',), "API_KEY"),
        (("decouple.UndefinedValueError: DEBUG not found. Declare it as envvar or define a default value.",), "DEBUG"),
        (("RuntimeError: DATABASE_URL is not set",), "DATABASE_URL"),
        (("the cache is not set", "SECRET_KEY is settled", "no environment variable is"), ""),
        (
            (
                "pydantic_core._pydantic_core.ValidationError: 2 validation errors for AppSettings",
                "database_url",
                "  Field required [type=missing, input_value={}, input_type=dict]",
                "    For further information visit https://errors.pydantic.dev/2.14/v/missing",
                "api_key",
                "  Field required [type=missing, input_value={}, input_type=dict]",
            ),
            "the variable of database_url and of api_key (AppSettings)",
        ),
        (
            ("ValidationError: 1 validation error for Order", "item", "  Field required [type=missing, input_value={}"),
            "",
        ),
        (('    prices["DATABASE_URL"]', "KeyError: 'DATABASE_URL'"), ""),
        (("    os.environ.get('A')", "ValueError: A is empty"), ""),
    ],
)
def test_a_variable_that_is_not_set_is_named_with_its_settings(
    tmp_path: Path, cause: tuple[str, ...], name: str
) -> None:
    error = NoxPexError("exited-early", "cold: it ended", "see its log", cause=cause)
    target = target_of(tmp_path / "program.pex", root=tmp_path)
    found = missing.explain(error, [], target=target, binary=tmp_path / "program.pex", say=say_into(list[str]().append))
    assert found.remedy == (
        f"the smoke test passes on no variable of your shell or of a .env: set {name} in {target.key}.smoke.env, "
        "or name it in pass-env"
        if name
        else "see its log"
    )


def test_a_module_that_nothing_provides_is_to_be_added(tmp_path: Path) -> None:
    def remedy(module: str) -> str:
        line = f"ModuleNotFoundError: No module named '{module}'"
        error = NoxPexError("exited-early", "cold: it ended", "see its log", log=(line,), cause=(line,))
        target = target_of(tmp_path / "program.pex", root=tmp_path)
        say = say_into(list[str]().append)
        return missing.explain(error, [], target=target, binary=tmp_path / "program.pex", say=say).remedy

    assert remedy("requests").startswith("nothing in the binary provides the module requests: add what does")
    assert remedy("shop.generated") == "see its log", "a module of a package that is there is no dependency"
