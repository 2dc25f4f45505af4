"""Changes of PEX-INFO: of its values, and of its text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from tests.support.tampering.mutation import UnchangedError
from tests.support.tampering.pex_tree import INFO, PexTree, as_json

Edit = Callable[[PexTree, Random], None]

_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 1.5, 10**30, float("nan"), float("inf")),
    *("", "x", "false", "\0", "\ud800", "\u202e", "x" * 100_000),
    *([], {}, ["x"], [None], [1], [[]], {"x": None}, {"x": 1}, {"x": "y"}, {"": ""}, {"x": ["y"]}, {"x": {"y": {}}}),
)

_SETTINGS: Final[Mapping[str, tuple[Any, ...]]] = {
    "entry_point": ("os:abort", "antigravity", "greeting", ""),
    "script": ("evil", "idna"),
    "inherit_path": ("prefer", "fallback", True),
    "pex_path": ("/tmp/evil.pex", "evil.pex:/x"),  # noqa: S108  # text for PEX-INFO
    "pex_paths": (["/tmp/evil.pex"], ["evil.pex"]),  # noqa: S108  # as above: text for PEX-INFO
    "pex_root": ("/tmp/evil", "~/evil"),  # noqa: S108  # text for PEX-INFO
    "inject_env": ({"PYTHONSTARTUP": "/x.py"}, {"PYTHONPATH": "/x"}, {"LD_PRELOAD": "/x.so"}),
    "inject_args": (["--evil"], ["-c", "x"]),
    "inject_python_args": (["-i"], ["-X", "importtime"], ["-m", "evil"]),
    "overridden": (["idna==1"], ["evil @ https://example.org/evil.whl"]),
    "excluded": (["idna"], ["x"]),
    "requirements": ([], ["evil"], ["idna==1"]),
    "interpreter_constraints": (["CPython>=2.7"], ["PyPy"], ["==99.*"]),
    "venv_bin_path": ("prepend", "append"),
    "venv_copies": (True,),
    "ignore_errors": (True,),
    "build_properties": ({"pex_version": "0.0.1"}, {}),
    "bootstrap_hash": ("0" * 40,),
    "max_install_jobs": (0, 99),
    "interpreter_selection_strategy": ("newest",),
    "always_write_cache": (True,),
    "pex_hash": ("0" * 40,),
    "code_hash": ("0" * 40,),
    "unknown_key": ("x", {"y": 1}),
}


def _value(tree: PexTree, chosen: Random) -> None:
    """Another value for a key, or none."""
    info, key = tree.info, chosen.choice([*sorted(tree.info), "new"])
    if chosen.random() < 0.15 and key in info:
        del info[key]
    else:
        info[key] = chosen.choice(_VALUES)
    _set(tree, info)


def _inner_value(tree: PexTree, chosen: Random) -> None:
    """Another value inside a table or a list."""
    info = tree.info
    tables = [key for key, value in sorted(info.items()) if isinstance(value, dict | list) and value]
    table: Any = info[chosen.choice(tables)]
    place = chosen.choice(sorted(table)) if isinstance(table, dict) else chosen.randrange(len(table))
    if chosen.random() < 0.2:
        del table[place]
    elif chosen.random() < 0.2 and isinstance(table, dict):
        table[chosen.choice(["", "x", "../x", "\ud800", "x.whl"])] = chosen.choice(_VALUES)
    else:
        table[place] = chosen.choice(_VALUES)
    _set(tree, info)


def _two_values(tree: PexTree, chosen: Random) -> None:
    info = tree.info
    for key in chosen.sample(sorted(info), 2):
        info[key] = chosen.choice(_VALUES)
    _set(tree, info)


def _setting(tree: PexTree, chosen: Random) -> None:
    """A key that changes what the program runs."""
    info, key = tree.info, chosen.choice(sorted(_SETTINGS))
    info[key] = chosen.choice(_SETTINGS[key])
    _set(tree, info)


def _flipped(tree: PexTree, chosen: Random) -> None:
    info = tree.info
    key = chosen.choice(sorted(key for key, value in info.items() if isinstance(value, bool)))
    info[key] = not info[key]
    _set(tree, info)


def _swapped_form(tree: PexTree, _: Random) -> None:
    info = tree.info
    info["deps_are_wheel_files"] = not info.get("deps_are_wheel_files", False)
    _set(tree, info)


def _set(tree: PexTree, info: Mapping[str, Any]) -> None:
    if as_json(info) == tree.files[INFO].content:
        raise UnchangedError
    if info.get("pex_hash") != tree.info.get("pex_hash"):
        tree.kept.add(INFO)
    tree.info = info


def _nested(tree: PexTree, chosen: Random) -> None:
    depth = chosen.choice([900, 3000, 100_000])
    opening, closing = chosen.choice([("[", "]"), ('{"x":', "}")])
    deep = opening * depth + "1" * (opening != "[") + closing * depth
    key = chosen.choice([None, *sorted(tree.info)])
    _set_text(tree, deep if key is None else _with_text(tree, key, deep))


def _repeated_key(tree: PexTree, chosen: Random) -> None:
    """A key twice: which one counts depends on the reader."""
    key = chosen.choice(["entry_point", "distributions", "pex_hash", "code_hash", "venv", "inject_env"])
    text = tree.files[INFO].content.decode()
    extra = f"{json.dumps(key)}:{json.dumps(chosen.choice(['os:abort', {}, None]))}"
    _set_text(tree, f"{{{extra},{text[1:]}" if chosen.random() < 0.5 else f"{text[:-1]},{extra}}}")


def _number(tree: PexTree, chosen: Random) -> None:
    text = chosen.choice(["9" * 5000, "1e999", "-Infinity", "NaN", "0x10", "1e-999999", "9" * 400 + ".5"])
    _set_text(tree, _with_text(tree, chosen.choice(sorted(tree.info)), text))


def _text(tree: PexTree, chosen: Random) -> None:
    """A text that is no JSON object, or not quite."""
    text = tree.files[INFO].content
    tree.kept.add(INFO)
    tree.files[INFO].content = chosen.choice(
        [
            *(b"", b"\0", b"null", b"[]", b"1", b'"x"', b"true", b"{", b"{}", b"\xff\xfe{\0}\0", text[:-1], text[1:]),
            *(b"\xef\xbb\xbf" + text, text + b"x", text + text, text.decode().encode("utf-16"), b"\xff" + text),
            *(text.replace(b'"', b"'"), text.replace(b":", b":\xff", 1), text.replace(b'"', b'"\\ud800', 1)),
            *(text.replace(b'"', b'"\xed\xa0\x80', 1), text[:-1] + b',"x":"' + b"y" * 20_000_000 + b'"}'),
            *(text[:-1] + b"," + b'"x":1,' * 300_000 + b'"x":1}', b"[" * 200_000, b'{"x":' * 200_000, b'"' * 100_000),
        ]
    )


def _with_text(tree: PexTree, key: str, value: str) -> str:
    marker = "@value@"
    return json.dumps({**tree.info, key: marker}).replace(json.dumps(marker), value)


def _set_text(tree: PexTree, text: str) -> None:
    tree.kept.add(INFO)
    tree.files[INFO].content = text.encode("utf-8", "surrogatepass")


EDITS: Final[dict[str, Edit]] = {
    "info-value": _value,
    "info-inner-value": _inner_value,
    "info-two-values": _two_values,
    "info-setting": _setting,
    "info-flag": _flipped,
    "info-wheel-files": _swapped_form,
    "info-nested": _nested,
    "info-repeated-key": _repeated_key,
    "info-number": _number,
    "info-text": _text,
}
