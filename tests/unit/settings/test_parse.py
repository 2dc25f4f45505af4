from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings import explain
from nox_pex.settings.image import EngineArgs, Healthcheck, Image
from nox_pex.settings.model import Binary, Settings, Sources
from nox_pex.settings.parse import parse
from nox_pex.settings.smoke import Budget, CommandCheck, HttpCheck, Ready, Smoke, TcpCheck

SERVICE = '[tool.nox-pex.binary.service]\nscript = "uvicorn"\n'
SMOKE = '[tool.nox-pex.binary.service]\nscript = "uvicorn"\n[tool.nox-pex.binary.service.smoke]\n'
HTTP = '[tool.nox-pex.binary.service]\nscript = "uvicorn"\n[[tool.nox-pex.binary.service.smoke.http]]\n'


def parsed(text: str, *, project_name: str | None = "My_App", scripts: Mapping[str, str] | None = None) -> Settings:
    document: dict[str, Any] = tomllib.loads(text)
    return parse(document, file="pyproject.toml", project_name=project_name, scripts=scripts or {})


def refused(text: str) -> str:
    with pytest.raises(NoxPexError) as caught:
        parsed(text)
    assert caught.value.code == "config"
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix("error[config]: pyproject.toml: tool.nox-pex")


def test_defaults() -> None:
    assert parsed(SERVICE) == Settings(binary={"service": Binary(script="uvicorn")})
    assert parsed(SERVICE).output_dir == Path("dist")
    assert parsed(SERVICE).groups == ("main",)


def test_every_kind_of_value() -> None:
    settings = parsed(
        """
        [tool.nox-pex]
        poetry-version = "2.4.0"
        pex-version = "2.100.0"
        output-dir = "build/out"
        groups = ["main", "server"]
        extras = ["fast"]
        secrets = ["LICENCE"]

        [tool.nox-pex.binary.service]
        entry-point = "app.main:run"
        inject-env = { LOG_LEVEL = "info" }
        groups = []
        sources = { include = ["templates/"], exclude = ["app/legacy/"] }
        layout = "packed"
        sh-boot = false
        max-install-jobs = -1
        interpreter-constraints = ["CPython>=3.10,<3.14", "PyPy", ">=3.9", "CPython+t>=3.13"]
        venv-bin-path = "prepend"
        pex-args = ["--scie", "eager", "--inherit-path=fallback", "-v"]

        [tool.nox-pex.binary.service.smoke]
        startup-timeout = 5
        [[tool.nox-pex.binary.service.smoke.http]]
        path = "/"
        status = [200, "3xx"]
        json = { message = "Hello World" }

        [tool.nox-pex.binary.service.budget]
        size = "60 MB"
        """
    )
    assert settings == Settings(
        poetry_version="2.4.0",
        pex_version="2.100.0",
        output_dir=Path("build/out"),
        groups=("main", "server"),
        extras=("fast",),
        secrets=("LICENCE",),
        binary={
            "service": Binary(
                entry_point="app.main:run",
                inject_env={"LOG_LEVEL": "info"},
                groups=(),
                sources=Sources(include=("templates/",), exclude=("app/legacy/",)),
                layout="packed",
                sh_boot=False,
                max_install_jobs=-1,
                interpreter_constraints=("CPython>=3.10,<3.14", "PyPy", ">=3.9", "CPython+t>=3.13"),
                venv_bin_path="prepend",
                pex_args=("--scie", "eager", "--inherit-path=fallback", "-v"),
                smoke=Smoke(
                    startup_timeout=5.0,
                    http=(HttpCheck(path="/", status=(200, "3xx"), json={"message": "Hello World"}),),
                ),
                budget=Budget(size="60 MB"),
            )
        },
    )


def test_values_are_frozen() -> None:
    settings = parsed(SERVICE)
    with pytest.raises(AttributeError):
        settings.groups = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[tool]\nnox-pex = 3", ": expected table, got integer 3; write a table"),
        ("[[tool.nox-pex]]", ": expected table, got array; write a table"),
        ("[tool.nox-pex]\ngroup = []", ".group: unknown key; use groups, the nearest valid key"),
        ("[tool.nox-pex]\nimage = {}", ".image: unknown key; valid keys are poetry-version, pex-version, output-dir"),
        (f"{SERVICE}sh_boot = true", ".binary.service.sh_boot: unknown key; use sh-boot, the nearest valid key"),
        (f"{SERVICE}platforms = []", ".binary.service.platforms: unknown key; use complete-platforms"),
        (f"{SERVICE}complete-platforms = 'x.json'", ".binary.service.complete-platforms: expected array, got string"),
        (
            f"{SERVICE}compile = true\ncomplete-platforms = ['x.json']",
            ".binary.service.compile: it needs a target's own Python, and complete-platforms builds without; leave",
        ),
        (f"{SERVICE}sources = {{ inclued = [] }}", ".binary.service.sources.inclued: unknown key; use include"),
        (f"{HTTP}path = '/'\nbody = 'x'", ".binary.service.smoke.http[0].body: unknown key; "),
        (f"{SERVICE}'sh boot' = true", '.binary.service."sh boot": unknown key; use sh-boot'),
        (
            f'{SERVICE}sh-boot = "yes"',
            '.binary.service.sh-boot: expected boolean, got string "yes"; write true or false, without quotes',
        ),
        ("[tool.nox-pex]\noutput-dir = 3", ".output-dir: expected string, got integer 3; write text in quotes"),
        ('[tool.nox-pex]\ngroups = "main"', '.groups: expected array, got string "main"; write ["main"]'),
        ("[tool.nox-pex]\ngroups = [1]", ".groups[0]: expected string, got integer 1; "),
        (f"{SERVICE}max-install-jobs = 1.5", ".binary.service.max-install-jobs: expected integer, got float 1.5; "),
        (f"{SERVICE}inject-env = {{ PORT = 80 }}", ".binary.service.inject-env.PORT: expected string, got integer 80"),
        (f"{SERVICE}smoke = 'x'", '.binary.service.smoke: expected table, got string "x"; '),
        (f"{SMOKE}env = {{ A = 2020-01-01 }}", '.binary.service.smoke.env.A: expected string, got date "2020-01-01"'),
        (f"{SMOKE}startup-timeout = 'x'", '.binary.service.smoke.startup-timeout: expected float, got string "x"'),
        (f"{SMOKE}ready = {{ path = 1 }}", ".binary.service.smoke.ready.path: expected string, got integer 1"),
        (f"{SMOKE}before = ['seed']", '.binary.service.smoke.before[0]: expected array, got string "seed"; write ["s'),
        (
            f"{HTTP}path = '/'\nstatus = 1.5",
            ".binary.service.smoke.http[0].status: expected integer or string or array, got float 1.5; ",
        ),
    ],
)
def test_a_wrong_key_or_type_is_named_with_what_to_write(text: str, line: str) -> None:
    assert refused(text).startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{SERVICE}max-install-jobs = -2", ".binary.service.max-install-jobs: expected a value >= -1, got -2; "),
        (
            f'{SERVICE}layout = "zip"',
            '.binary.service.layout: expected one of "zipapp", "packed", "loose", got "zip"; use "zipapp"',
        ),
        (f"{SERVICE}layout = 1", '.binary.service.layout: expected one of "zipapp", "packed", "loose", got 1; '),
        (f'{SMOKE}conditions = ["cold", "warmth"]', '.binary.service.smoke.conditions[1]: expected one of "cold", '),
        (f'{SMOKE}stop-signal = "FOO"', ".binary.service.smoke.stop-signal: 'FOO' is no signal of this system; "),
        (f"{HTTP}path = '/'\nstatus = [200, 999]", ".binary.service.smoke.http[0].status: 999 is no HTTP status; "),
        (f"{HTTP}status = 200", ".binary.service.smoke.http[0]: the key path is missing; add path"),
        (f'{SERVICE}budget = {{ size = "60 QB" }}', ".binary.service.budget.size: '60 QB' is no size; "),
        ('[tool.nox-pex]\npoetry-version = ">=2"', ".poetry-version: '>=2' is no version; "),
        ('[tool.nox-pex]\npex-version = "latest"', ".pex-version: 'latest' is no version; "),
        ('[tool.nox-pex]\noutput-dir = ""', ".output-dir: it must be a directory of its own; "),
        ('[tool.nox-pex]\noutput-dir = "."', ".output-dir: it must be a directory of its own; "),
        (
            f'{SERVICE}interpreter-constraints = [">=3.10", "CPython>=3.x"]',
            ".binary.service.interpreter-constraints: 'CPython>=3.x' is no interpreter constraint; ",
        ),
        (f'{SERVICE}interpreter-constraints = [""]', ".binary.service.interpreter-constraints: '' is no interpreter"),
        (f"{SERVICE}inject-env = {{ 'A=B' = 'x' }}", ".binary.service.inject-env: 'A=B' is no name of an environment"),
        (
            f"{SERVICE}exclude = ['numpy', 'a b']",
            ".binary.service.exclude: 'a b' is no requirement; write the name of ",
        ),
        (f"{SERVICE}sources = {{ include = ['!a'] }}", ".binary.service.sources.include: '!a' negates; put 'a' under"),
        (f"{SERVICE}sources = {{ exclude = ['/'] }}", ".binary.service.sources.exclude: '/' names no file; "),
    ],
)
def test_a_bad_value_is_named_with_what_to_write(text: str, line: str) -> None:
    assert refused(text).startswith(line)


@pytest.mark.parametrize("name", ["", "my app", "../x", "a/b", ".hidden", "-x", "ü"])
def test_a_binary_is_named_as_a_file_may_be(name: str) -> None:
    assert ".binary: " in refused(f'[tool.nox-pex.binary."{name}"]\nscript = "x"')


def test_exactly_one_entry() -> None:
    kinds = ".binary.service: expected exactly one of script, entry-point, executable, got "
    assert refused(f'{SERVICE}entry-point = "a:b"') == f"{kinds}script and entry-point; keep one"
    assert refused("[tool.nox-pex.binary.service]") == f'{kinds}none; add one, such as script = "…"'
    assert refused('[tool.nox-pex.binary.service]\nscript = ""').startswith(".binary.service.script: it is empty; ")


@pytest.mark.parametrize(
    ("argument", "key"),
    [
        ("-c", "script"),
        ("-cserve", "script"),
        ("--console-script=serve", "script"),
        ("-m", "entry-point"),
        ("--exe", "executable"),
        ("--venv=prepend", "execution-mode"),
        ("--no-sh-boot", "sh-boot"),
        ("--layout", "layout"),
        ("-D", "sources"),
        ("--exclude", "exclude"),
        ("--no-compile", "compile"),
        ("--python-shebang", "python-shebang"),
        ("--", "inject-args"),
    ],
)
def test_pex_args_that_fight_a_key_name_the_key(argument: str, key: str) -> None:
    option = argument.partition("=")[0]
    line = refused(f"{SERVICE}pex-args = ['--scie', 'lazy', '{argument}']")
    assert line == f".binary.service.pex-args: {option} conflicts with the key {key}; use {key}"


@pytest.mark.parametrize(
    "argument", ["-o", "-oout.pex", "-r", "--project", "--venv-repository", "--pex-root=/x", "--python"]
)
def test_pex_args_that_nox_pex_passes_itself(argument: str) -> None:
    assert refused(f"{SERVICE}pex-args = ['{argument}']").endswith(
        "conflicts with an option that nox-pex passes to pex; leave it out"
    )


def test_pex_args_take_no_file_of_arguments() -> None:
    assert "takes arguments from a file" in refused(f"{SERVICE}pex-args = ['@args.txt']")


def test_pex_args_let_through_what_only_looks_like_a_refused_option() -> None:
    arguments = ["--scie", "eager", "--pip-version", "latest", "--no-pypi", "--python-implementation", "-j2"]
    text = f"{SERVICE}pex-args = {arguments!r}"
    assert parsed(text).binary["service"].pex_args == tuple(arguments)


def test_without_a_table_the_one_script_makes_the_one_binary() -> None:
    settings = parsed("", scripts={"serve": "app.main:run"})
    assert settings.binary == {"my-app": Binary(script="serve")}
    assert parsed("[tool.nox-pex.binary]\n", scripts={"serve": "app.main:run"}) == settings


@pytest.mark.parametrize(
    ("scripts", "name", "line"),
    [
        (
            {},
            "My_App",
            'under it the line entry-point = "MODULE:FUNCTION", or script = "…" for the script of a dependency',
        ),
        (
            {"serve": "a:b", "admin": "a:c"},
            "My_App",
            '(admin, serve) to choose from; add [tool.nox-pex.binary.my-app], and under it the line script = "admin"',
        ),
        (
            {"administer-my-app": "a:b", "my-app": "a:b"},
            "My_App",
            'add [tool.nox-pex.binary.my-app], and under it the line script = "my-app"',
        ),
        ({"serve": "a:b"}, None, 'add [tool.nox-pex.binary.NAME], and under it the line script = "serve"'),
    ],
)
def test_without_a_table_and_one_script_the_error_shows_the_table(
    scripts: dict[str, str], name: str | None, line: str
) -> None:
    with pytest.raises(NoxPexError) as caught:
        parsed("", project_name=name, scripts=scripts)
    assert caught.value.code == "entry-missing"
    assert str(caught.value).endswith(line)


def test_other_tools_are_none_of_our_business() -> None:
    assert parsed(f"[tool.other]\nx = 1\n{SERVICE}").binary


def test_every_key_that_is_an_option_of_pex_is_guarded_in_pex_args() -> None:
    not_options = {
        *("script", "entry-point", "executable", "groups", "extras", "sources", "execution-mode", "smoke", "budget"),
        *("image", "complete-platforms"),
        *("interpreter-constraints", "venv-hermetic-scripts", "venv-bin-path", "pex-args"),
    }
    for field in msgspec.structs.fields(Binary):
        if field.encode_name not in not_options:
            assert "conflicts with the key" in refused(f"{SERVICE}pex-args = ['--{field.encode_name}']")
    assert "conflicts with the key complete-platforms" in refused(f"{SERVICE}pex-args = ['--complete-platform=x']")


DOCUMENT = (Path(__file__).parents[3] / "docs" / "settings.md").read_text("utf-8")
HEADINGS: dict[str, type[msgspec.Struct]] = {
    "[tool.nox-pex]": Settings,
    "[tool.nox-pex.binary.NAME]": Binary,
    "[tool.nox-pex.binary.NAME.sources]": Sources,
    "[tool.nox-pex.binary.NAME.smoke]": Smoke,
    "[tool.nox-pex.binary.NAME.smoke.ready]": Ready,
    "[[tool.nox-pex.binary.NAME.smoke.http]]": HttpCheck,
    "[[tool.nox-pex.binary.NAME.smoke.command]]": CommandCheck,
    "[[tool.nox-pex.binary.NAME.smoke.tcp]]": TcpCheck,
    "[tool.nox-pex.binary.NAME.budget]": Budget,
    "[tool.nox-pex.binary.NAME.image]": Image,
    "[tool.nox-pex.binary.NAME.image.healthcheck]": Healthcheck,
    "[tool.nox-pex.binary.NAME.image.engine-args]": EngineArgs,
}


def default_in_toml(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value is msgspec.UNSET:
        return ""
    if isinstance(value, msgspec.Struct):
        return "`{}`"
    return f"`{json.dumps(str(value) if isinstance(value, Path) else value)}`"


def test_the_document_has_every_key_with_its_default() -> None:
    sections = re.split(r"^## `(.+)`$", DOCUMENT, flags=re.MULTILINE)
    documented = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert documented.keys() == HEADINGS.keys()
    for heading, table in HEADINGS.items():
        rows = re.findall(r"^\| `([a-z-]+)` \| .+? \| ?(.*?) \| .+ \|$", documented[heading], re.MULTILINE)
        assert rows == [(field.encode_name, default_in_toml(field)) for field in msgspec.structs.fields(table)]


@pytest.mark.parametrize("example", re.findall(r"^```toml\n(.+?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
def test_the_documents_examples_are_valid(example: str) -> None:
    assert parsed(example, scripts={"app": "app:main"}).binary


def test_only_what_is_wrong_can_be_explained() -> None:
    with pytest.raises(ValueError, match=r"nothing is wrong at tool\.nox-pex"):
        explain.explain({"a": 1}, dict[str, int], path="tool.nox-pex", dec_hook=lambda _, value: value)
