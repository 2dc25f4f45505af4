"""Object references, as the launchers that installers write into `bin` start them, and as pex does.

For `package:module.function`, a launcher says `from package import module`, which imports the submodule. pex imports
only `package` and then asks for its attribute `module`, which does not exist unless something has imported it. The same
program is `package.module:function`, which pex can start. Nothing is imported to find that out: the sources are parsed.
Fact sources: the templates of distlib (pip), installer (Poetry) and uv; pex's `CallableEntryPoint`, `venv_pex` and
`entry_points_txt`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

_MODULE_SUFFIXES: Final = (".py", ".pyc", ".so", ".pyd")


class Library(Protocol):
    """The files in a directory of `sys.path`. A path has the form `package/module.py`."""

    def names_in(self, directory: str) -> Iterable[str]:
        """Return the names of the files and directories in a directory; none if it does not exist."""
        ...

    def source(self, path: str) -> str | None:
        """Return the text of a file; None if it does not exist."""
        ...


class Directory(Struct, frozen=True):
    """The files in the directory `path`."""

    path: Path

    def names_in(self, directory: str) -> Iterable[str]:
        """Return the names in a directory below it."""
        try:
            return [entry.name for entry in (self.path / directory).iterdir()]
        except OSError:
            return ()

    def source(self, path: str) -> str | None:
        """Return the text of a file below it."""
        try:
            return (self.path / path).read_text("utf-8", "surrogateescape")
        except OSError:
            return None


def normalized(reference: str) -> str:
    """Return an object reference without its extras and without white space."""
    module, _, attributes = (part.strip() for part in reference.partition("[")[0].partition(":"))
    return f"{module}:{attributes}" if attributes else module


def startable(reference: str, libraries: Sequence[Library]) -> str:
    """Return the normalized object reference by which pex starts what a launcher starts for `reference`.

    `libraries` have the modules. It is another reference only if pex cannot start the given one.
    """
    module, _, attributes = normalized(reference).partition(":")
    first, _, rest = attributes.partition(".")
    if rest and _needs_import(module, first, rest.partition(".")[0], libraries):
        return f"{module}.{first}:{rest}"
    return normalized(reference)


def _needs_import(package: str, name: str, attribute: str, libraries: Sequence[Library]) -> bool:
    """Whether `name` is a submodule of `package`, and not another object that the package calls so.

    If the source of the package does not tell, the submodule has to have the `attribute`.
    """
    directory = package.replace(".", "/")
    if not _is_module(directory, name, libraries):
        return False
    source = _source(f"{directory}/__init__.py", libraries)
    if source is None:
        return _source(f"{directory}.py", libraries) is None  # a namespace package (PEP 420), or a compiled one
    bound = _bound_names(source, package)
    if bound is not None and "*" not in bound:
        return name not in bound
    if bound is not None and name in bound:
        return False
    files = (f"{directory}/{name}.py", f"{directory}/{name}/__init__.py")
    submodule = next((text for file in files if (text := _source(file, libraries)) is not None), None)
    inner = None if submodule is None else _bound_names(submodule, None)
    return inner is None or "*" in inner or attribute in inner


def _is_module(directory: str, name: str, libraries: Sequence[Library]) -> bool:
    return any(
        entry == name or (entry.partition(".")[0] == name and entry.endswith(_MODULE_SUFFIXES))
        for library in libraries
        for entry in library.names_in(directory)
    )


def _source(path: str, libraries: Sequence[Library]) -> str | None:
    return next((text for library in libraries if (text := library.source(path)) is not None), None)


def _bound_names(source: str, package: str | None) -> frozenset[str] | None:
    """The names that the source of a module binds, without those of submodules of its `package`; None if it is invalid.

    `*` is among them if there may be more names. `package` is None if the module is not a package.
    """
    try:
        return frozenset(_names_of(ast.parse(source).body, package))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _names_of(statements: Iterable[ast.stmt], package: str | None) -> Iterator[str]:
    for statement in statements:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield "*" if name == "__getattr__" else name  # PEP 562
            case ast.Import(names=aliases):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case ast.ImportFrom(names=aliases):
                if package is None or not _is_import_of_submodules(statement, package):
                    yield from (alias.asname or alias.name for alias in aliases)
            case ast.If(test=test) if "TYPE_CHECKING" in ast.unparse(test):
                yield from _names_of(statement.orelse, package)
            case _:
                yield from _names_in(statement, package)


def _is_import_of_submodules(statement: ast.ImportFrom, package: str) -> bool:
    """Whether the names are taken from the package itself: `from . import cli`. Such a name is a submodule."""
    same = statement.module == package if statement.level == 0 else (statement.level, statement.module) == (1, None)
    return same and all(alias.asname in (None, alias.name) and alias.name != "*" for alias in statement.names)


def _names_in(statement: ast.stmt, package: str | None) -> Iterator[str]:
    """Yield the names that a statement assigns to, and those of the statements in it (`if`, `try`, `with`, `for`)."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield from _names_of([child], package)
        elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
            yield from _names_of(child.body, package)
        else:
            yield from (
                node.id for node in ast.walk(child) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            )
