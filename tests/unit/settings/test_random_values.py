"""Random TOML at random keys: never anything but settings, or errors that name a dotted key."""

from __future__ import annotations

import datetime as dt
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from nox_pex.settings import parse, toml_text
from tests.unit.settings.test_hints import PATHS, put, smallest

TEXTS = (
    *(
        "",
        " ",
        "a",
        "a b",
        "-",
        "/",
        "..",
        "{port}",
        "{tmp}",
        "{",
        "2xx",
        "TERM",
        "10 MB",
        "1e999 MB",
        "9" * 5000,
        "\x00",
    ),
    *(
        "\u202e",
        "\x1b[31m",
        "é",
        "'",
        '"',
        "`",
        "\\",
        "(",
        "(?P<a>.)(?P<a>.)",
        "a{99999999999999999999}",
        "$..[?(",
        "$" * 50,
    ),
    *("http://[", "https://x:99999", "@file", "--scie-base=http://[a@b", "--", "=", "a=b", "\n", "x" * 5000, "²", "=="),
    *(
        ">=" + "9" * 5000,
        "a[b]>=1; python_version<'3'",
        "[" * 500,
        "$" + "[0]" * 2000,
        "(" * 300 + ")" * 300,
        "; ",
        "`a`: b; c",
    ),
)


def value(chance: random.Random, depth: int = 0) -> Any:
    """A random value that TOML can have."""
    kinds: list[Callable[[], Any]] = [
        lambda: chance.choice(TEXTS),
        lambda: chance.choice([0, 1, -1, 200, 65536, 2**63 - 1, -(2**63), 10**30]),
        lambda: chance.choice([0.0, -1.5, float("inf"), float("-inf"), float("nan"), 1e308]),
        lambda: chance.choice([True, False]),
        lambda: chance.choice([dt.date(2020, 1, 1), dt.time(1, 2), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]),
        lambda: [value(chance, depth + 1) for _ in range(chance.randrange(3))],
        lambda: {
            chance.choice([*TEXTS, "path", "port", "base"]): value(chance, depth + 1)
            for _ in range(chance.randrange(3))
        },
    ]
    return chance.choice(kinds if depth < 3 else kinds[:5])()  # deep enough


@pytest.mark.parametrize("seed", range(12))
def test_random_values_give_settings_or_errors_with_a_dotted_key(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # not for cryptography
    file = tmp_path / "pyproject.toml"
    for _ in range(25):
        document = smallest()
        for path in chance.sample(PATHS, 3):
            try:
                put(document, path, value(chance))
            except (TypeError, IndexError, KeyError, AttributeError):
                continue  # an earlier value is not a table any more
        try:
            file.write_text(tomli_w.dumps(document), "utf-8")
        except TypeError:
            continue  # a number became the key of a table
        found = parse.read(tomllib.loads(file.read_text("utf-8")), file=str(file), project_name="a", scripts=["a"])
        assert (found.settings is not None) or found.problems
        for problem in found.problems:
            assert problem.code in {"config", "entry-missing"}
            assert "tool.nox-pex" in problem.problem
            assert len(str(problem).splitlines()) == 1
            assert "\x1b" not in str(problem), (document, str(problem))
            assert problem.remedy
        assert toml_text.toml(document)
