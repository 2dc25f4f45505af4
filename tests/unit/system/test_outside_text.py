"""Text from outside: nothing invisible reaches a terminal or a file, and no CI system finds a command in it."""

from __future__ import annotations

import json
import random
import re
import time
import tomllib
import unicodedata
import xml.etree.ElementTree as ET

import pytest

from nox_pex.system.outside_text import LINE_BREAK, json_text, log_line, log_lines, message, shown, toml_string

HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Control, format, surrogate, private use, line and paragraph separators."""

COMMAND = re.compile(
    r"##[\w.-]*\[|^\s*::.*::|^(?:---|\+\+\+|~~~|\^\^\^)\s|section_(?:start|end):|travis_(?:fold|time):"
)
"""A command as a CI system finds it, written again from the documentation."""

PIECES = (
    *(
        "#",
        "##",
        "[",
        "]",
        "::",
        ":",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\x1b[0K",
        "\x9b",
        "\x00",
        "\x7f",
        "\x85",
        "\u2028",
    ),
    *(
        "error",
        "set-output name=a",
        "vso[task.x]",
        "teamcity[x]",
        "section_start",
        "travis_fold",
        "--- ",
        "+++ ",
        "~~~ ",
    ),
    *("\u200d", "\u200b", "\ufe0f", "\ufeff", "\u202e", "\u061c", "\xad", "\U000e0001", "\udcff", "\ud800", "\ufffe"),
    *("ö", "日本", "❤\ufe0f", "e\u0301", "\\", '"', "\\u202e"),
)


def random_texts(count: int) -> list[str]:
    chosen = random.Random(14)  # noqa: S311  # the same texts in every run
    return ["".join(chosen.choices(PIECES, k=chosen.randrange(1, 12))) for _ in range(count)]


def hidden(text: str) -> list[str]:
    """The characters of a text that nobody sees, except a joiner or a variation selector in a person's text."""
    return [one for one in text if unicodedata.category(one) in HIDDEN_CATEGORIES and one not in "\u200c\u200d"]


def test_every_character_that_nobody_sees_is_escaped() -> None:
    characters = [chr(code) for code in range(0x110000)]
    for character in characters:
        if unicodedata.category(character) in HIDDEN_CATEGORIES:
            assert re.fullmatch(r"\\(?:[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", shown(character))
    printable = [one for one in characters if one.isprintable() and unicodedata.category(one) not in {"Mn", "Lo"}]
    assert shown("".join(printable)) == "".join(printable).replace("##[", r"#\#[")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nerror[x]: b", r"a\nerror[x]: b"),
        ("\x1b]0;title\x07\x9b31m\x7f", r"\x1b]0;title\x07\x9b31m\x7f"),
        ("one\ttwo\r\nthree\x0b\x0c\x85\u2028\u2029", r"one\ttwo\r\nthree\x0b\x0c\x85\u2028\u2029"),
        ("\u202eevil\u2066\u200e\u061c", r"\u202eevil\u2066\u200e\u061c"),
        ("a\u200bb\u2060c\ufeffd\xade\u034ff\u3164", r"a\u200bb\u2060c\ufeffd\xade\u034ff\u3164"),
        ("\U000e0041\U000e0101\U000f0000", r"\U000e0041\U000e0101\U000f0000"),
        ("caf\udce9 \ud800", r"caf\xe9 \ud800"),
        ("#\u200d#[error] :\ufe0f:a::b", r"#\u200d#[error] :\ufe0f:a::b"),
        ("日\ufe0f\ufe0f", "日\ufe0f\\ufe0f"),
    ],
)
def test_what_nobody_sees_is_made_visible(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "pex: service built in 2.0 s, 12 MB … -> (dist/service.pex)",
        "Größe 日本 עברית e\u0301 \u00a0x",
        "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 \u0646\u0645\u06cc\u200c\u062e क्\u200dष",
        '::1 - "GET /" std:vector',
        "std::vector::push",
        "a --- b, a +++ b, # [x], ## [x], a[b##]",
        r"C:\x1b \u202e",
        "error[config]: a; b",
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert shown(text) == log_line(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("##[error]x", r"#\#[error]x"),  # GitHub, Azure Pipelines
        ("a ###[group]b##[endgroup]", r"a ##\#[group]b#\#[endgroup]"),
        ("::error file=a::b", r":\:error file=a::b"),  # GitHub
        (" \u00a0\u3000::add-mask::x", " \u00a0\u3000:\\:add-mask::x"),
        ("x ##vso[task.setvariable variable=a]b", r"x #\#vso[task.setvariable variable=a]b"),  # Azure Pipelines
        ("##teamcity[buildStop comment='x']", r"#\#teamcity[buildStop comment='x']"),  # TeamCity
        ("section_start:1:a\r\x1b[0K", r"section_start\:1:a\r\x1b[0K"),  # GitLab
        ("section_end:1:a", r"section_end\:1:a"),
        ("--- a", r"\--- a"),  # Buildkite
        ("+++ a", r"\+++ a"),
        ("~~~ a", r"\~~~ a"),
        ("^^^ +++", r"\^^^ +++"),
        ("travis_fold:start:a", r"travis_fold\:start:a"),  # Travis CI
        ("\x1b[8mha:AAAA\x1b[0m", r"\x1b[8mha:AAAA\x1b[0m"),  # Jenkins
    ],
)
def test_no_ci_system_finds_a_command(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_a_line_stays_one_line_whatever_is_in_it() -> None:
    for text in random_texts(5000):
        line = shown(text)
        assert not hidden(line)
        assert line.splitlines() == [line]
        assert not COMMAND.search(line)
        assert shown(line) == line
        assert not hidden(log_line(text))
        line.encode()
        element = ET.Element("a", b=line)
        element.text = line
        parsed = ET.fromstring(ET.tostring(element, encoding="unicode"))  # noqa: S314  # this test wrote it
        assert (parsed.text, parsed.get("b")) == (line, line)


def test_json_gives_the_text_back_and_shows_nothing_invisible() -> None:
    for text in random_texts(5000):
        written = json_text({text: [text]})
        written.encode()
        assert not [one for one in hidden(written) if one != "\n"]
        assert not any(map(COMMAND.search, written.split("\n")))
        found = json.loads(written)
        if not re.search("[\ud800-\udfff]", text):
            assert found == {text: [text]}
            assert tomllib.loads(f"a = {toml_string(text)}")["a"] == text
            assert message(toml_string(text)) == toml_string(text)
    assert json.loads(json_text("caf\udce9 \ud800")) == r"caf\xe9 \ud800"


def test_only_line_feed_and_carriage_return_end_a_line_of_a_log() -> None:
    assert log_lines("a\r\nb\rc\x0bd\x0ce\x85f\u2028g\x1ch\n") == ["a", "b", "c\x0bd\x0ce\x85f\u2028g\x1ch", ""]
    assert log_line("\tat main::run\n") == r"        at main::run\n"


def test_only_a_line_break_of_a_message_is_one() -> None:
    assert message(f"paste this:{LINE_BREAK}a = 1\nb = 2") == "paste this:\na = 1\\nb = 2"
    assert message("a\nb") == r"a\nb"


def test_a_long_log_is_shown_fast() -> None:
    line = "##[x] ünïcode \x1b[31mred\x1b[0m " + "x" * 2000
    started = time.process_time()
    for _ in range(4000):
        log_line(line)
    assert time.process_time() - started < 4.0  # 8 MB; it takes about 0.2 s
