from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.settings import toml_text
from nox_pex.settings.checks import HttpCheck
from nox_pex.settings.model import Binary, Settings, Sources
from nox_pex.settings.smoke import Budget, Smoke
from tests.support.settings import SERVICE, parsed, refused


def test_every_kind_of_value_is_read() -> None:
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
        pex-args = ["--inherit-path=fallback", "-v"]

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
                pex_args=("--inherit-path=fallback", "-v"),
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
        (f"{SERVICE}max-install-jobs = -2", ".binary.service.max-install-jobs: expected a value >= -1, got -2; "),
        (
            f'{SERVICE}layout = "zip"',
            '.binary.service.layout: expected one of "zipapp", "packed", "loose", got "zip"; use "zipapp"',
        ),
        (f"{SERVICE}layout = 1", '.binary.service.layout: expected one of "zipapp", "packed", "loose", got 1; '),
        ('[tool.nox-pex]\npoetry-version = ">=2"', ".poetry-version: '>=2' is not a version; "),
        ('[tool.nox-pex]\npex-version = "latest"', ".pex-version: 'latest' is not a version; "),
        ('[tool.nox-pex]\noutput-dir = ""', ".output-dir: it must not be the directory of the project; "),
        ('[tool.nox-pex]\noutput-dir = "."', ".output-dir: it must not be the directory of the project; "),
        (
            f'{SERVICE}interpreter-constraints = [">=3.10", "CPython>=3.x"]',
            ".binary.service.interpreter-constraints: 'CPython>=3.x' is not an interpreter constraint; ",
        ),
        (
            f'{SERVICE}interpreter-constraints = [""]',
            ".binary.service.interpreter-constraints: '' is not an interpreter",
        ),
        (
            f"{SERVICE}inject-env = {{ 'A=B' = 'x' }}",
            ".binary.service.inject-env: 'A=B' is not a name of an environment",
        ),
        (f"{SERVICE}inject-env = {{ '' = 'x' }}", ".binary.service.inject-env: '' is not a name of an environment"),
        (
            f"{SERVICE}exclude = ['numpy', 'a b']",
            ".binary.service.exclude: 'a b' is not a requirement; write the name of ",
        ),
        (f"{SERVICE}sources = {{ include = ['!a'] }}", ".binary.service.sources.include: '!a' must not begin"),
        (
            f"{SERVICE}sources = {{ exclude = ['!a'] }}",
            ".binary.service.sources.exclude: '!a' must not begin with `!`; write 'a' under include",
        ),
        (f"{SERVICE}sources = {{ exclude = ['/'] }}", ".binary.service.sources.exclude: '/' does not name a file; "),
    ],
)
def test_a_bad_value_is_named_with_what_to_write(text: str, line: str) -> None:
    assert refused(text).startswith(line)


@pytest.mark.parametrize("name", ["", "my app", "../x", "a/b", ".hidden", "-x", "ü"])
def test_the_name_of_a_binary_is_a_safe_file_name(name: str) -> None:
    line = refused(f'[tool.nox-pex.binary."{name}"]\nscript = "x"')
    assert line.startswith(f".binary.{toml_text.toml_key(name)}: {name!r} is not a safe file name; use letters")


def test_a_binary_has_exactly_one_entry() -> None:
    kinds = ".binary.service: expected exactly one of script, entry-point, executable, got "
    assert refused(f'{SERVICE}entry-point = "a:b"') == f"{kinds}script and entry-point; keep one"
    assert refused("[tool.nox-pex.binary.service]") == f'{kinds}none; add one, such as script = "…"'
    assert refused('[tool.nox-pex.binary.service]\nscript = ""').startswith(".binary.service.script: it is empty; ")


@pytest.mark.parametrize("key", ["compile", "validate-entry-point"])
def test_without_the_targets_python_nothing_runs_on_it_at_build_time(key: str) -> None:
    assert refused(f"{SERVICE}{key} = true\ncomplete-platforms = ['x.json']") == (
        f".binary.service.{key}: it needs the target's Python, and complete-platforms builds without it; remove {key}"
    )
    assert parsed(f"{SERVICE}{key} = true").binary
    assert parsed(f"{SERVICE}complete-platforms = ['x.json']").binary


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("layout = 'packed'", 'needs a PEX that is one file, and layout = "packed" makes a directory; remove layout'),
        ("execution-mode = 'zipapp'", "needs pex's tools in the binary; write include-tools = true"),
    ],
)
def test_an_image_unpacks_only_a_file_that_can_unpack_itself(keys: str, line: str) -> None:
    form = "image = { base = 'python:3.12-slim', form = 'unpacked' }\n"
    assert refused(f"{SERVICE}{form}{keys}") == f'.binary.service.image: form = "unpacked" {line}'
    assert parsed(f"{SERVICE}{form}").binary
    assert parsed(f"{SERVICE}{form}execution-mode = 'zipapp'\ninclude-tools = true").binary
    assert parsed(f"{SERVICE}{form.replace('unpacked', 'file')}{keys}").binary
