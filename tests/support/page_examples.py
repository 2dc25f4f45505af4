"""The examples in the pages of the documentation, and the commands in them."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

ROOT: Final = Path(__file__).resolve().parents[2]

_FENCE: Final = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_SPAN: Final = re.compile(r"(?<!`)`(?P<text>[^`]+)`(?!`)")
_PROMPT: Final = "$ "


class Example(Struct, frozen=True, kw_only=True):
    """A fenced block: the page, relative to the root of the repository, the line on which it begins, and its text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """The place of the example, for a person."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return the pages of the documentation, and the README."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples(language: str | None = None) -> list[Example]:
    """Return the examples of all pages, or those in one language. Directives of Sphinx are not examples."""
    found = [
        Example(
            page=page.relative_to(ROOT).as_posix(),
            line=text.count("\n", 0, fence.start()) + 1,
            language=fence["language"],
            text=textwrap.dedent(fence["text"]),
        )
        for page in pages()
        for text in [page.read_text("utf-8")]
        for fence in _FENCE.finditer(text)
        if not fence["language"].startswith("{")
    ]
    return [each for each in found if language in {None, each.language}]


def shell_texts() -> Iterator[tuple[str, str]]:
    """Yield what a reader may type into a shell, with its place: `sh` blocks, prompts, and code within sentences."""
    for each in examples("sh"):
        yield each.name, each.text
    for each in examples("console"):
        yield each.name, "\n".join(line[2:] for line in each.text.splitlines() if line.startswith(_PROMPT))
    for page in pages():
        for span in _SPAN.finditer(_FENCE.sub("", page.read_text("utf-8"))):
            if span["text"].startswith(("nox -s ", "nox-pex ")):
                yield page.relative_to(ROOT).as_posix(), span["text"].replace("\n", " ")


def commands(program: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the arguments of each command of the documentation that runs `program`, with its place."""
    for name, text in shell_texts():
        for line in text.replace("\\\n", " ").splitlines():
            yield from ((name, words) for words in _commands(line, program))


def _commands(line: str, program: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            for at in reversed(range(len(words))):  # the last one: `--spec nox-pex nox-pex check`
                if words[at] == program or words[at].endswith(f"/{program}"):
                    yield words[at + 1 :]
                    break
            words = []
        else:
            words.append(word)
