from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.distributions.interpreter import BasePython
from nox_pex.errors import NoxPexError
from nox_pex.steps import needs
from nox_pex.steps.arguments import Arguments
from nox_pex.steps.context import Context
from nox_pex.system import withheld
from tests.unit.steps.conftest import MakeContext

HEAD = '[project]\nname = "shop"\nversion = "1"\n'
Find = Callable[..., list[str]]


@pytest.fixture
def find(make_context: MakeContext, tmp_path: Path) -> Find:
    """Return the lines of what is wrong for some steps, if the settings are this text."""

    def find(text: str, *steps: str, names: tuple[str, ...] = ()) -> list[str]:
        context: Context = make_context(names=names)
        (tmp_path / "pyproject.toml").write_text(HEAD + text, "utf-8")
        prefix = f"{tmp_path}/pyproject.toml:"
        return [str(each).replace(prefix, "") for each in needs.find(context, steps)]

    return find


API = '[tool.nox-pex.binary.api]\nscript = "x"\n'
SMOKE = "[[tool.nox-pex.binary.api.smoke.http]]\npath = '/'\n"


def test_nothing_is_missing_that_no_step_needs(find: Find) -> None:
    assert find(API, "install", "freeze", "pex", "verify") == []
    assert find(API + SMOKE, "install", "freeze", "pex", "smoke") == []


def test_a_missing_table_is_found_if_a_step_needs_it(find: Find) -> None:
    (smoke,) = find(API, "install", "smoke")
    nothing = "error[config]: 4: tool.nox-pex.binary.api: the smoke test of api checks nothing"
    assert smoke.startswith(f"{nothing}; paste the table above, or [[tool.nox-pex.binary.api.smoke.http]], and under")
    (image,) = find(API, "install", "image")
    assert image.startswith(
        "error[config]: 4: tool.nox-pex.binary.api has no [tool.nox-pex.binary.api.image] table; add"
    )
    both = find(f'{API}[tool.nox-pex.binary.api.image]\nbase = "x"\n', "image")
    assert [line.partition("; ")[0] for line in both] == [smoke.partition("; ")[0]]


def test_only_the_named_binaries_need_tables(find: Find) -> None:
    worker = '[tool.nox-pex.binary.worker]\nscript = "x"\n'
    assert find(API + SMOKE + worker, "smoke", names=("api",)) == []
    assert len(find(API + SMOKE + worker, "smoke")) == 1


def test_missing_tables_are_reported_with_everything_else(find: Find) -> None:
    worker = '[tool.nox-pex.binary.w]\nexecutable = "x.py"\nscript = "x"\n'
    text = f'[tool.nox-pex]\ngrups = 1\n{worker}{API}layout = "x"\n'
    assert [line.removeprefix("error[config]: ").split(": ")[0] for line in find(text, "smoke")] == [
        *("5", "6", "11", "6", "9"),
    ]


def test_a_wrong_table_is_not_missing(find: Find) -> None:
    (line,) = find(f"{API}smoke = {{ http = 3 }}\n", "smoke")
    assert "smoke.http: expected array" in line


@pytest.mark.parametrize(
    ("text", "step", "said"),
    [
        ("[tool.nox-pex.binary.api]\nexecutable = 'gone.py'\n", "pex", "5: tool.nox-pex.binary.api.executable names"),
        (f"{API}complete-platforms = [\n'gone.json']\n", "install", "7: tool.nox-pex.binary.api.complete-platforms[0]"),
        (f"{API}{SMOKE}ca-file = 'a\\nb'\n", "smoke", "8: tool.nox-pex.binary.api.smoke.http[0].ca-file names"),
        (f'{API}{SMOKE}json-schema = "a\\u0000"\n', "smoke", "8: tool.nox-pex.binary.api.smoke.http[0].json-schema"),
        (
            f"{API}image = {{ base = 'x', containerfile = 'gone' }}\n{SMOKE}",
            "image",
            "6: tool.nox-pex.binary.api.image",
        ),
    ],
)
def test_a_file_that_does_not_exist_is_found(find: Find, text: str, step: str, said: str) -> None:
    (line,) = find(text, step)
    assert line.startswith(f"error[source-missing]: {said}")
    assert find(text, "freeze") == []


def test_an_output_dir_is_refused_with_its_line(find: Find) -> None:
    (line,) = find(f'[tool.nox-pex]\noutput-dir = "../.."\n{API}', "clean")
    assert line.startswith("error[config]: 5: tool.nox-pex.output-dir: ")
    assert len(find(f'[tool.nox-pex]\noutput-dir = ".git"\ngrups = 1\n{API}', "clean")) == 2


def test_all_problems_are_raised_together(make_context: MakeContext, tmp_path: Path) -> None:
    context = make_context()
    (tmp_path / "pyproject.toml").write_text(f"{HEAD}{API}layout = 1\ncompress = 1\n", "utf-8")
    with pytest.raises(NoxPexError) as caught:
        needs.check(context, ["pex"])
    assert len(caught.value.others) == 1


def test_two_projects_never_write_the_same_files(tmp_path: Path) -> None:
    def project(name: str, binary: str, output: str) -> Context:
        root = tmp_path / name
        root.mkdir()
        text = f'[tool.nox-pex]\noutput-dir = "{output}"\n[tool.nox-pex.binary."{binary}"]\nscript = "x"\n'
        (root / "pyproject.toml").write_text(HEAD + text, "utf-8")
        return Context(
            root=root,
            state=root / ".nox",
            base=BasePython(name="python", find=Path),
            arguments=Arguments(),
            environ={},
            say=print,
            emit=print,
        )

    api, worker = project("api", "app.x", "../dist"), project("worker", "App-x", "../dist")
    other, inside = project("other", "app", "../dist"), project("inside", "app.x", "dist")
    (error,) = needs.shared_files(api, [worker, other, inside])
    assert error.problem.startswith(f"{api.root}/pyproject.toml:5: tool.nox-pex.output-dir: the binary 'app.x' has the")
    assert not list(needs.shared_files(inside, [api]))
    assert not list(needs.shared_files(api, [other]))


KEYLESS = "smoke = { command = [{ exit-code = 0 }] }\n"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.mkdir(), "the signing key is not a regular file"),
        (os.mkfifo, "the signing key is not a regular file"),
        (Path.resolve, "the file with the signing key does not exist"),
        pytest.param(
            lambda path: path.touch(0o000),
            "the file with the signing key cannot be read by this user",
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file"),
        ),
    ],
    ids=["a directory", "a FIFO", "nothing", "unreadable"],
)
def test_a_key_that_cannot_be_read_is_found_early_and_not_named(
    make_context: MakeContext, tmp_path: Path, make: Callable[[Path], None], problem: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(HEAD + API + KEYLESS, "utf-8")
    make(tmp_path / "canary.pem")
    context = make_context(key=tmp_path / "canary.pem")
    (found,) = needs.find(context, ["install", "attest"])
    assert (found.code, found.problem) == ("signing", problem)
    assert not needs.find(context, ["install", "pex"])


def test_parallel_is_refused_only_if_this_run_may_sign(make_context: MakeContext, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(HEAD + API + KEYLESS, "utf-8")

    def codes(step: str, noted: str) -> list[str]:
        context = replace(make_context(environ={withheld.WITHHELD: noted} if noted else {}), parallel=True)
        return [each.code for each in needs.find(context, [step])]

    assert codes("pex", "1") == codes("attest", "") == []
    assert codes("attest", "1") == codes("pex", withheld.ASKED_FOR) == ["usage"]
