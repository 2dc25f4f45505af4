"""Compiles sources to bytecode; runs under the Python that is compiled for, 3.9 or later, with its standard library.

Usage: `python bytecode_script.py [IN OUT]`; by default, they are the standard input and output. `IN` has the sources,
one after another: a line of JSON with the path that the code gets (`path`) and the bytes of the source (`size`), and
the source. `OUT` gets the same of the bytecode; a source with an error has none. The bytecode is not checked against
its source when it is imported (PEP 552), and is the same in each run.
"""

import importlib._bootstrap_external
import importlib.util
import json
import marshal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any, BinaryIO


def strings(value: Any) -> Iterator[str]:
    """Yield all strings in a constant."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, frozenset)):
        for each in value:
            yield from strings(each)
    elif isinstance(value, CodeType):
        for name in ("co_name", "co_filename", "co_qualname"):
            yield from strings(getattr(value, name, None))
        for name in ("co_names", "co_varnames", "co_freevars", "co_cellvars", "co_consts"):
            yield from strings(getattr(value, name))


def compiled(source: bytes, path: str) -> bytes:
    """Return the content of a `.pyc` file."""
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    # marshal writes a string that has one reference in another form than one that has several, and how many a string
    # has depends on what was compiled before. Now each has several.
    held = list(strings(code))
    data = marshal.dumps(code)
    del held
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    return header + data


def run(sources: BinaryIO, output: BinaryIO) -> None:
    """Compile all sources."""
    while line := sources.readline():
        facts = json.loads(line)
        source = sources.read(facts["size"])
        try:
            content = compiled(source, facts["path"])
        except Exception:  # noqa: BLE001  # as compileall does: a file of another version of Python, or a template
            content = b""
        if content:
            output.write(json.dumps({"path": facts["path"], "size": len(content)}).encode() + b"\n" + content)


if __name__ == "__main__" and len(sys.argv) == 1:
    run(sys.stdin.buffer, sys.stdout.buffer)
elif __name__ == "__main__":
    with Path(sys.argv[1]).open("rb") as _sources, Path(sys.argv[2]).open("wb") as _output:
        run(_sources, _output)
