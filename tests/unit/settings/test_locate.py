from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nox_pex.settings import locate

DOCUMENT = '''\
# [tool.nox-pex] is not here
title = "[no] # comment"  # a comment
"quoted key" = """
[not.a.table]
not = "a key" \\"""
"""""
'literal "key"'.dotted . "ü" = \'\'\'
x = 1'\'\'\'\'

[tool.nox-pex] # a comment
extends = '..\\base.toml'
secrets = [
  "A", # ] a comment
  "B,]",

  """
C""",
]
[ tool . nox-pex . binary . "a.b" ]
script = "x"
smoke.args = ["--port", "{port}"]
smoke.env = { A = "}", "B C" = "1", sub = { D.E = "=" } }
when = 2020-01-01 10:00:00.5+01:00
day = 2020-01-01
numbers = [ 1, -2.5e3, inf, nan_is_no_number, true ]
[[tool.nox-pex.binary.c.smoke.http]]
path = "/"
[[tool.nox-pex.binary.c.smoke.http]]
path = "/2"
[tool.nox-pex.binary.c.smoke.http.json]
deep = [[1, [2]], { k = [{ l = 1 }] }]
[tool.nox-pex.binary.c]
script = "y"
[tool]
last = {}
'''.replace("nan_is_no_number", "0x1F")
LINES = {
    "title": 2,
    '"quoted key"': 3,
    '"literal \\"key\\""': 7,
    '"literal \\"key\\"".dotted."ü"': 7,
    "tool": 34,
    "tool.nox-pex": 10,
    "tool.nox-pex.extends": 11,
    "tool.nox-pex.secrets": 12,
    "tool.nox-pex.secrets[0]": 13,
    "tool.nox-pex.secrets[1]": 14,
    "tool.nox-pex.secrets[2]": 16,
    "tool.nox-pex.binary": 19,
    'tool.nox-pex.binary."a.b"': 19,
    'tool.nox-pex.binary."a.b".script': 20,
    'tool.nox-pex.binary."a.b".smoke': 21,
    'tool.nox-pex.binary."a.b".smoke.args[1]': 21,
    'tool.nox-pex.binary."a.b".smoke.env."B C"': 22,
    'tool.nox-pex.binary."a.b".smoke.env.sub.D.E': 22,
    'tool.nox-pex.binary."a.b".when': 23,
    'tool.nox-pex.binary."a.b".day': 24,
    'tool.nox-pex.binary."a.b".numbers[4]': 25,
    "tool.nox-pex.binary.c": 32,
    "tool.nox-pex.binary.c.smoke": 26,
    "tool.nox-pex.binary.c.smoke.http": 26,
    "tool.nox-pex.binary.c.smoke.http[0].path": 27,
    "tool.nox-pex.binary.c.smoke.http[1]": 28,
    "tool.nox-pex.binary.c.smoke.http[1].json.deep[1].k[0].l": 31,
    "tool.nox-pex.binary.c.script": 33,
    "tool.last": 35,
}


def write(directory: Path, text: str) -> str:
    file = directory / "some.toml"
    file.write_bytes(text.encode())
    return str(file)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(("path", "line"), LINES.items())
def test_every_key_table_and_item_has_its_line(tmp_path: Path, path: str, line: int, newline: str) -> None:
    text = DOCUMENT.replace("\n", newline)
    file = write(tmp_path, text)
    assert locate.line_of(file, path, tomllib.loads(Path(file).read_text("utf-8"))) == line


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_scanner_finds_exactly_the_paths_of_the_document(newline: str) -> None:
    text = DOCUMENT.replace("\n", newline)
    assert locate.lines(text).keys() == set(locate.paths(tomllib.loads(text), ()))  # the strict check of `line_of`


def test_a_key_that_does_not_exist_has_the_line_of_the_table_around_it(tmp_path: Path) -> None:
    file = write(tmp_path, "[a]\n\n[a.b]\nc = 1\n")
    document = {"a": {"b": {"c": 1}}}
    assert locate.line_of(file, "a.b.gone", document) == 3
    assert locate.line_of(file, "a.b.gone[0].x", document) == 3
    assert locate.line_of(file, "gone", document) is None
    assert locate.line_of(file, "", document) is None
    assert locate.line_of(file, "a..b", document) is None


def test_a_file_that_changed_since_has_no_lines(tmp_path: Path) -> None:
    file = write(tmp_path, "a = 1\n")
    assert locate.line_of(file, "a", {"a": 1}) == 1
    assert locate.line_of(file, "a", {"a": 2}) is None
    assert locate.line_of(str(tmp_path / "gone.toml"), "a", {"a": 1}) is None
    assert locate.line_of(write(tmp_path, "a = "), "a", {"a": 1}) is None


def test_the_place_has_the_line_if_it_is_known(tmp_path: Path) -> None:
    file = write(tmp_path, "a = 1\n")
    assert locate.where(file, "a", {"a": 1}) == f"{file}:1: a"
    assert locate.where(file, "a", {}) == f"{file}: a"
    assert locate.where(file, "", {}) == file


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("tool.nox-pex", ("tool", "nox-pex")),
        ('a."b.c"[2].d', ("a", "b.c", 2, "d")),
        ('"a\\"\\u0001".b', ('a"\x01', "b")),
        ("a[0][1]", ("a", 0, 1)),
        ("a b", ()),
        ("", ()),
    ],
)
def test_a_dotted_path_is_divided_into_keys(path: str, keys: locate.Keys) -> None:
    assert locate.keys_of(path) == keys
