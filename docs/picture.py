"""Make docs/terminal.svg: the screen of a real run of `nox -s smoke` after an edit.

`python docs/picture.py` writes the file. A test compares its text with a new run, apart from the figures.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support import terminal  # noqa: E402  # the line above makes it importable

PICTURE: Final = ROOT / "docs" / "terminal.svg"

COLUMNS: Final = 92
ROWS: Final = 60

_NOXFILE: Final = f"""import sys

sys.path.insert(0, {str(ROOT / "tasks")!r})
import nox_pex

nox_pex.register()
"""

_THEME: Final = TerminalTheme(
    (27, 31, 36),
    (220, 224, 230),
    [
        *((70, 76, 84), (255, 123, 114), (126, 211, 133), (230, 190, 90)),
        *((121, 184, 255), (210, 168, 255), (86, 211, 220), (220, 224, 230)),
    ],
)

_FORM: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{unique_id}-title">
<title id="{unique_id}-title">A run of nox -s smoke in a terminal</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }}
{styles}
</style>
<rect width="{width}" height="{height}" rx="8" fill="#1b1f24"/>
<defs>{lines}</defs>
<g transform="translate(16, 16)" class="{unique_id}-matrix">{backgrounds}{matrix}</g>
</svg>
"""
"""Rich's form of an SVG, without its window, and without its font, which would come from a server."""


def run(directory: Path, *, environ: Mapping[str, str]) -> terminal.Shown:
    """Build the sample application in `directory`, edit it, and return the screen of `nox -s smoke` after that."""
    project = directory / "shop"
    shutil.copytree(ROOT / "sample_app", project, ignore=shutil.ignore_patterns("dist", ".nox", "__pycache__"))
    (project / "noxfile.py").write_text(_NOXFILE, "utf-8")
    argv = [sys.executable, "-m", "nox", "-s"]
    for each in ("pex", "smoke"):
        shown = terminal.run([*argv, each], cwd=project, env=environ, columns=COLUMNS, rows=ROWS)
        if shown.status != 0:
            raise SystemExit("\n".join(shown.lines))
        main = project / "main.py"
        main.write_text(f"{main.read_text('utf-8')}\n# edited\n", "utf-8")
    return shown


def as_svg(shown: terminal.Shown) -> str:
    """Return the last screen as an SVG."""
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(screen).feed(shown.output)
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "green"), ("nox -s smoke", "bold"), ("      # after an edit of main.py", "dim")))
    for line in _lines(screen):
        console.print(line)
    return console.export_svg(theme=_THEME, code_format=_FORM, font_aspect_ratio=0.602, unique_id="t")


def _lines(screen: pyte.Screen) -> Iterator[Text]:
    last = max((number for number, line in enumerate(screen.display) if line.strip()), default=-1)
    for number in range(last + 1):
        cells = [screen.buffer[number][column] for column in range(COLUMNS)]
        text = Text()
        for (colour, bold), same in itertools.groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
            style = Style(color=None if colour == "default" else colour.replace("brown", "yellow"), bold=bold)
            text.append("".join(cell.data for cell in same), style)
        text.rstrip()
        yield text


def words(svg: str) -> str:
    """Return the text of a picture without its figures and durations."""
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    joined = " ".join(" ".join(texts).replace("&#160;", " ").split())
    without = re.sub(r"(?: in|, took) (?:\d+|a) (?:second|minute)s?\b", "", joined)
    return re.sub(r"\d+(?:\.\d+)?", "N", without)


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as directory:
        PICTURE.write_text(as_svg(run(Path(directory), environ=os.environ)), "utf-8")


if __name__ == "__main__":
    main()
