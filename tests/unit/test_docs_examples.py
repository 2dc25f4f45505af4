"""Every example in the pages is valid, and each command in them names what exists."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from nox_pex import command_line
from nox_pex.settings.parse import parse
from nox_pex.steps import arguments
from nox_pex.steps.table import STEPS, options
from tests.support import page_examples
from tests.support.page_examples import ROOT, Example

LANGUAGES: Final = {"toml", "python", "sh", "console", "yaml", "json", "text", "dockerfile"}

ENTRIES: Final = {"script", "entry-point", "executable"}

OTHER_SESSIONS: Final = {"frontend", "collectstatic"}
"""Sessions that a page tells the reader to write."""

OUR_SESSIONS: Final = {
    name or function.replace("_", "-")
    for name, function in re.findall(
        r'^@nox\.session\((?:name="([\w-]+)")?.*\)\ndef (\w+)', (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE
    )
}


def of(*languages: str) -> pytest.MarkDecorator:
    """Run a test for each example in these languages."""
    found = [each for language in languages for each in page_examples.examples(language)]
    return pytest.mark.parametrize("example", found, ids=lambda each: each.name)


def test_each_example_says_its_language() -> None:
    unknown = [each.name for each in page_examples.examples() if each.language not in LANGUAGES]
    assert unknown == []


@of("toml")
def test_settings_are_valid(example: Example, tmp_path: Path) -> None:
    document = tomllib.loads(example.text)
    table = document.get("tool", {}).get("nox-pex", {})
    for binary in table.get("binary", {}).values():
        if not ENTRIES & binary.keys():  # a part of a table, of which the page has shown the rest
            binary["script"] = "service"
    shared = tmp_path / "nox-pex.toml"
    shared.write_text("", "utf-8")  # the file that an example extends

    parse(document, file=str(tmp_path / "services/api/pyproject.toml"), project_name="service", scripts=["service"])


@of("python")
def test_python_compiles(example: Example) -> None:
    compile(example.text, example.name, "exec")


@of("json")
def test_json_can_be_read(example: Example) -> None:
    json.loads(example.text)


@of("yaml")
def test_yaml_is_valid_by_the_schema_of_its_kind(example: Example, tmp_path: Path) -> None:
    documents = list(YAML(typ="safe", pure=True).load_all(example.text))
    assert documents
    schema = schema_of(documents[0])
    if schema is None:
        return
    file = tmp_path / "example.yml"
    file.write_text(example.text, "utf-8")
    argv = ["check-jsonschema", "--builtin-schema", schema, str(file)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def schema_of(content: Any) -> str | None:
    """The schema of a whole file that a service reads, or None for a part of one."""
    if not isinstance(content, dict):
        return None
    if {"on", "jobs"} <= content.keys():
        return "vendor.github-workflows"
    return "vendor.compose-spec" if "services" in content else None


@of("sh")
def test_shell_has_no_mistake_in_its_syntax(example: Example) -> None:
    result = subprocess.run(["bash", "-n"], input=example.text, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_each_nox_command_names_sessions_and_arguments_that_exist() -> None:
    found = list(page_examples.commands("nox"))
    wrong = [(name, problem) for name, words in found for problem in problems(words)]
    assert len(found) > 100
    assert wrong == []


def problems(words: list[str]) -> list[str]:
    """The problems in the arguments of `nox`."""
    if not words or words[0] not in {"-s", "--session", "--sessions"}:
        return []
    flags = words[: words.index("--")] if "--" in words else words
    names = [re.sub(r"(-py)?(-\d\.\d+)?(\(.*\))?$", "", each) for each in flags[1:] if re.match(r"[a-z]", each)]
    ours = [name for name in names if name in STEPS]
    unknown = [name for name in names if name not in {*STEPS, *OUR_SESSIONS, *OTHER_SESSIONS}]
    given = words[len(flags) + 1 :] if ours else []
    used = {each[2:].partition("=")[0] for each in given if each.startswith("--")} - {"help"}
    possible = {option for name in ours for option in options(STEPS[name])}
    if given and "--help" not in given and "…" not in given:
        arguments.parse([re.sub(r"^SECONDS$", "60", each) for each in given], invoked_from=Path())
    return [*(f"no session {name}" for name in unknown), *(f"no option --{name}" for name in used - possible)]


def test_each_command_of_the_script_has_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    found = [words for _, words in page_examples.commands("nox-pex") if words]
    known: dict[str, set[str]] = {}
    for command in ("check", "sign"):
        with pytest.raises(SystemExit):
            command_line.main([command, "--help"])
        known[command] = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))

    assert {words[0] for words in found} <= {*known, "--version", "--help"}
    assert {"check", "sign"} <= {words[0] for words in found}
    for command, *words in found:
        assert {each for each in words if each.startswith("--")} <= known.get(command, set()), words
