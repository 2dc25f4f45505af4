"""The first pages that a user reads, followed word by word in an empty directory, with nothing but Nox installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nox_pex.system import locks
from tests.support.commands import clean_environ
from tests.support.followed_page import blocks, follow, shows
from tests.support.nox_project import CHECKOUT

DOCS = CHECKOUT / "docs"
PAGES = [DOCS / "five-minutes.md", *sorted((DOCS / "first").glob("*.md")), DOCS / "how-to" / "lambda.md"]


@pytest.fixture(scope="session")
def beginner(shared: Path) -> dict[str, str]:
    """The variables of a user who has installed `nox[uv]`, and whose package index has this nox-pex."""
    home = shared / "beginner"
    home.mkdir(exist_ok=True)
    with locks.locked(shared / "beginner.lock", waiting=lambda: None):
        if not (home / "complete").exists():
            wheel = ["build", "--wheel", "--installer", "uv", "--outdir", str(home / "wheels"), str(CHECKOUT)]
            for argv in (
                [sys.executable, "-m", *wheel],
                [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(home / "nox")],
                [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(home / "nox"), "nox[uv]"],
            ):
                subprocess.run(argv, check=True, env=clean_environ(), stdout=subprocess.DEVNULL)
            (home / "complete").touch()
    return {
        **clean_environ(),
        "PATH": os.pathsep.join([str(home / "nox" / "bin"), os.environ["PATH"]]),
        "NOX_PEX_CACHE_DIR": str(home / "cache"),
        "UV_FIND_LINKS": str(home / "wheels"),
    }


@pytest.mark.servers
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_is_true_word_by_word(page: Path, beginner: dict[str, str], home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    environ = {**beginner, "PEX_ROOT": str(home / ".cache" / "pex")}

    follow(page.read_text("utf-8"), directory=tmp_path / "empty", environ=environ)

    assert list((tmp_path / "empty" / "dist").glob("*.smoke.json")), "the page ends with a proven binary"


@pytest.mark.servers
def test_the_page_about_a_release_goes_on_where_the_one_about_a_command_line_program_ends(
    beginner: dict[str, str], shared: Path, home: Path, tmp_path: Path
) -> None:
    checker, directory = shared / "beginner" / "checker", tmp_path / "empty"
    with locks.locked(shared / "checker.lock", waiting=lambda: None):
        if not (checker / "bin" / "nox-pex").exists():
            uv = [sys.executable, "-m", "uv"]
            subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(checker)], check=True)
            argv = [*uv, "pip", "install", "--quiet", "--python", str(checker), "nox-pex"]
            subprocess.run(argv, check=True, env=beginner)
    path = os.pathsep.join([beginner["PATH"], str(checker / "bin")])
    directory.mkdir()
    for page in ("first/cli.md", "how-to/release.md"):
        text = (DOCS / page).read_text("utf-8")
        follow(text, directory=directory, environ={**beginner, "PATH": path, "PEX_ROOT": str(home / ".cache" / "pex")})


def test_every_whole_file_is_named_in_the_text_before_it() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in blocks(text):
            if block.file is not None:
                before = text[: text.index(f"<!-- file: {block.file} -->")].rstrip().rpartition("\n\n")[2]
                assert f"`{block.file}`" in before, (page.name, block.file)


PAGE = """\
Write `says.py`:

<!-- file: says.py -->
```python
print("12 of 12 passed in 3.5 s")
print("done")
```

```sh
python3 says.py
```

```text
2 of 2 passed in … s
done
```
"""


def test_a_page_is_followed_and_what_it_says_wrongly_is_noticed(tmp_path: Path) -> None:
    follow(PAGE, directory=tmp_path, environ=os.environ)
    for old, new in (
        ("done\n```\n", "gone\n```\n"),
        ("says.py\n```\n", "says.py && false\n```\n"),
        ("\ndone", "\n…\n2"),
    ):
        assert old in PAGE
        with pytest.raises(AssertionError):
            follow(PAGE.replace(old, new, 1), directory=tmp_path, environ=os.environ)
    with pytest.raises(AssertionError):
        follow(PAGE.replace("```sh", "<!-- fails -->\n```sh"), directory=tmp_path, environ=os.environ)


SERVER = """\
<!-- file: answer.json -->
```json
{"status": "ok"}
```

<!-- until Ctrl-C: http://127.0.0.1:8000/answer.json -->
```sh
python3 -m http.server --bind 127.0.0.1 8000
```

```json
{ "status": "ok" }
```
"""


def test_a_server_of_a_page_runs_until_it_has_answered_as_the_page_says(tmp_path: Path) -> None:
    follow(SERVER, directory=tmp_path, environ=os.environ)
    with pytest.raises(AssertionError):
        follow(SERVER.replace('{ "status": "ok" }', '{ "status": "no" }'), directory=tmp_path, environ=os.environ)


def test_output_is_compared_line_by_line_but_for_numbers_dots_colours_and_spaces() -> None:
    output = "nox > \x1b[32mcold:   passed\x1b[0m   ready in 7.4 s\nbetween\nnox > warm:  passed  ready in 11 s\n"
    assert shows(output, "nox > cold: passed ready in 1 s\n…\n… warm: passed ready in 0.9 s\n")
    assert not shows(output, "cold: passed ready in 1 s\n")
    assert not shows(output, "nox > cold: passed ready in 1 s\nnox > warm: passed ready in 1 s\n")
    assert not shows(output, "nox > cold: failed …\n")
