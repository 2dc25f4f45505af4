"""The table of a binary for a project that has none, made from its dependencies, scripts and sources.

It is a suggestion: it names the framework, the module and the script as they can be read without running anything.
Sources: the command lines of uvicorn, hypercorn, granian, gunicorn, waitress, Flask, Django and Celery.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nox_pex.project.pyproject import Project
from nox_pex.settings import names, parse, toml_text
from nox_pex.system import files
from nox_pex.system.wording import nearest

_MOST_FILES: Final = 200
"""The files of Python that are read."""


_LARGEST: Final = 256 * 1024
"""Bytes of a file that is read."""


_MOST_BYTES: Final = 1 << 20
"""Bytes of all files that are read. To search them takes less than half a second, whatever they hold."""


_MOST_ENTRIES: Final = 20_000
"""The entries of directories that are looked at. A directory with more is seen in part, in the order of the system."""


_DEEPEST: Final = 3
"""The directories above a file that is read, from the directory of the packages."""


_NO_SOURCES: Final = frozenset(
    {"tests", "test", "docs", "build", "dist", "node_modules", "noxfile.py", "tasks.py", "setup.py"}
)


# Each pattern is linear in the length of a text: no part that may repeat goes on over the end of a line.
_APPLICATION: Final = re.compile(
    r"^(?P<variable>[A-Za-z_]\w*)[ \t]*(?::[^=\n]+)?=[ \t]*(?:\w+\.)?"
    r"(?P<framework>FastAPI|Starlette|Litestar|Quart|BlackSheep|Flask|Celery)\(",
    re.MULTILINE,
)
_FACTORY: Final = re.compile(r"^def (?P<variable>create_app|make_app)\([ \t]*\)[^:\n]*:", re.MULTILINE)
_DJANGO: Final = re.compile(
    r"^(?P<variable>[A-Za-z_]\w*)[ \t]*=[ \t]*get_(?P<kind>wsgi|asgi)_application\(\)", re.MULTILINE
)
_ROUTE: Final = re.compile(r"@\w+\.(?:get|route)\(\s*[rf]?[\"'](?P<path>/[\w./~%:@-]*)[\"']")
_ADMIN: Final = re.compile(r"path\(\s*[\"'](?P<path>[\w./~%:@-]*)[\"'],\s*admin\.site\.urls")
_MAIN: Final = re.compile(r"^(?:async )?def main\([ \t]*\)", re.MULTILINE)
_RUNS: Final = re.compile(r"^if __name__ == [\"']__main__[\"']:", re.MULTILINE)
_OPTIONS: Final = re.compile(r"^[ \t]*(?:import|from) (?:argparse|click|typer|fire|docopt|cyclopts)\b", re.MULTILINE)
_MODULE: Final = re.compile(r"[^\W\d][\w-]*")

_WSGI: Final = frozenset({"Flask"})

_SERVERS: Final[Mapping[str, tuple[tuple[str, str, tuple[str, ...]], ...]]] = {
    "asgi": (
        ("uvicorn", "uvicorn", ("APP", "--port", "{port}")),
        ("hypercorn", "hypercorn", ("APP", "--bind", "127.0.0.1:{port}")),
        ("granian", "granian", ("--interface", "asgi", "--port", "{port}", "APP")),
    ),
    "wsgi": (
        ("gunicorn", "gunicorn", ("APP", "--bind", "127.0.0.1:{port}")),
        ("waitress", "waitress-serve", ("--listen=127.0.0.1:{port}", "APP")),
        ("granian", "granian", ("--interface", "wsgi", "--port", "{port}", "APP")),
    ),
}
"""The servers of each kind: the distribution, its script, and the arguments, in which `APP` is the application."""


class Suggestion(Struct, frozen=True, kw_only=True):
    """The table of a binary as TOML, and the file that it was made from; empty if there was none."""

    toml: str
    source: str


class _Source(Struct, frozen=True):
    """A file of Python: its path from the project's directory, its module, and its text."""

    path: str
    module: str
    text: str


class _Draft(Struct, frozen=True, kw_only=True):
    """The keys of a binary and of its smoke test, the table of one check, and a comment for the first line."""

    entry: Mapping[str, Any]
    smoke: Mapping[str, Any]
    http: Mapping[str, Any] | None = None
    command: Mapping[str, Any] | None = None
    comment: str = ""
    source: str = ""


_UNKNOWN: Final = _Draft(
    entry={"entry-point": "MODULE:FUNCTION"},
    smoke={},
    command={"args": []},
    comment='or script = "…" for the script of a dependency',
)
"""The table of a project in which nothing was found."""


def suggest(project: Project, *, name: str = "", entry: Mapping[str, str] | None = None) -> Suggestion:
    """Return a table for a binary of `project` with the name `name`, by default that of the project.

    `entry` is the entry point of a binary that has a table already: then only its smoke test is suggested.
    """
    sources = tuple(_sources(project))
    draft = _draft(project, sources, entry)
    if not _is_accepted(draft):
        draft = _UNKNOWN if entry is None else _Draft(entry=entry, smoke={}, command={"args": []})
    usable = project.name if names.problem_with(project.name) is None else "NAME"
    key = f"tool.nox-pex.binary.{toml_text.toml_key(name or usable)}"
    return Suggestion(toml="\n".join(_lines(draft, key, has_table=entry is not None)), source=draft.source)


def _is_accepted(draft: _Draft) -> bool:
    """Whether the settings may have the values of a draft, which come from sources that may hold anything."""
    checks = {kind: [each] for kind, each in (("http", draft.http), ("command", draft.command)) if each is not None}
    binary = {**draft.entry, "smoke": {**draft.smoke, **checks}}
    document = {"tool": {"nox-pex": {"binary": {"a": binary}}}}
    return not parse.read(document, file="pyproject.toml", project_name="a", scripts=()).problems


def to_paste(suggestion: Suggestion) -> tuple[str, ...]:
    """Return the lines that ask to paste the table, the first of which says from which file it was made."""
    made = (
        f", made from {suggestion.source}; correct what is wrong" if suggestion.source else "; fill in what is missing"
    )
    return (f"paste this into pyproject.toml{made}:", *suggestion.toml.split("\n"))


def _lines(draft: _Draft, key: str, *, has_table: bool) -> Iterator[str]:
    if not has_table:
        yield f"[{key}]{f'  # {draft.comment}' if draft.comment else ''}"
        yield from (f"{name} = {toml_text.toml(value)}" for name, value in draft.entry.items())
    if draft.smoke:
        yield from () if has_table else ("",)
        yield f"[{key}.smoke]"
        yield from (f"{name} = {toml_text.toml(value)}" for name, value in draft.smoke.items())
    for kind, check in (("http", draft.http), ("command", draft.command)):
        if check is not None:
            yield from () if has_table and not draft.smoke else ("",)
            yield f"[[{key}.smoke.{kind}]]"
            yield from (f"{name} = {toml_text.toml(value)}" for name, value in check.items())


def _draft(project: Project, sources: Sequence[_Source], entry: Mapping[str, str] | None) -> _Draft:
    """Return the table for a server, a worker, a script, or a module with a main program, whichever is found first."""
    needed = frozenset(_requirements(project))
    for found in (_served(sources, needed), _django(sources, needed), _worker(sources)):
        if found is not None and _fits(found, entry):
            return found
    options = next((each for each in sources if _OPTIONS.search(each.text)), None)
    command = {"args": ["--help"] if options is not None else []}
    scripts = sorted(project.scripts or project.other_scripts)
    if entry is not None:
        return _Draft(entry=entry, smoke={}, command=command)
    if scripts:
        chosen = nearest(project.name, scripts, cutoff=0.4) or scripts[0]
        return _Draft(entry={"script": chosen}, smoke={}, command=command, source="pyproject.toml")
    program = next(_programs(sources), None)
    if program is not None:
        point, source = program
        return _Draft(entry={"entry-point": point}, smoke={}, command=command, source=source)
    return msgspec.structs.replace(_UNKNOWN, command=command)


def _fits(draft: _Draft, entry: Mapping[str, str] | None) -> bool:
    """Whether a draft is about a binary with this entry point; a script of the project may start any server."""
    return entry is None or entry.items() <= draft.entry.items()


def _served(sources: Sequence[_Source], needed: frozenset[str]) -> _Draft | None:
    """Return the table for an application of a framework for ASGI or WSGI; None if there is none."""
    every = ((each, match) for each in sources for match in _APPLICATION.finditer(each.text))
    found = next((each for each in every if each[1]["framework"] != "Celery"), None)
    if found is not None:
        source, match = found
        kind = "wsgi" if match["framework"] in _WSGI else "asgi"
        return _server(kind, f"{source.module}:{match['variable']}", source, needed, path=_path(sources))
    for each in sources:
        if "flask" in needed and (factory := _FACTORY.search(each.text)):
            return _server("wsgi", f"{each.module}:{factory['variable']}()", each, needed, path=_path(sources))
    return None


def _server(kind: str, target: str, source: _Source, needed: frozenset[str], *, path: str) -> _Draft:
    servers = _SERVERS[kind]
    chosen = next((each for each in servers if each[0] in needed), None)
    if chosen is None and "flask" in needed:
        args = ("--app", target.removesuffix("()"), "run", "--port", "{port}")
        chosen = ("flask", "flask", args)
    distribution, script, arguments = chosen or servers[0]
    missing = chosen is None and not (distribution == "uvicorn" and "fastapi[standard]" in needed)
    filled = [target if each == "APP" else each for each in arguments]
    if script == "waitress-serve" and target.endswith("()"):
        filled = [*filled[:-1], "--call", target.removesuffix("()")]
    return _Draft(
        entry={"script": script},
        smoke={"args": filled},
        http={"path": path, "status": 200},
        comment=f"add {distribution} to the dependencies" if missing else "",
        source=source.path,
    )


def _path(sources: Sequence[_Source]) -> str:
    """Return the path of a route without parameters: `/` if there is one, or else the shortest."""
    paths = {match["path"] for each in sources for match in _ROUTE.finditer(each.text)}
    return "/" if "/" in paths else min(paths, key=lambda path: (len(path), path), default="/")


def _django(sources: Sequence[_Source], needed: frozenset[str]) -> _Draft | None:
    """Return the table for a Django project; None if it is none."""
    found = {match["kind"]: (each, match) for each in sources for match in _DJANGO.finditer(each.text)}
    if not found:
        return None
    admin = (match["path"] for each in sources for match in _ADMIN.finditer(each.text))
    path = next((f"/{each.lstrip('/')}login/" for each in admin), "/")
    for kind in ("wsgi", "asgi"):
        if kind in found and any(each[0] in needed for each in _SERVERS[kind]):
            source, match = found[kind]
            return _server(kind, f"{source.module}:{match['variable']}", source, needed, path=path)
    if any(each.path == "manage.py" for each in sources):
        args = ["runserver", "--noreload", "127.0.0.1:{port}"]
        comment = "add gunicorn to the dependencies: this is Django's server for development"
        check = {"path": path, "status": 200}
        return _Draft(
            entry={"executable": "manage.py"}, smoke={"args": args}, http=check, comment=comment, source="manage.py"
        )
    source, match = next(iter(found.values()))
    return _server("wsgi", f"{source.module}:{match['variable']}", source, needed, path=path)


def _worker(sources: Sequence[_Source]) -> _Draft | None:
    """Return the table for a worker of Celery; None if there is none."""
    for each in sources:
        for match in _APPLICATION.finditer(each.text):
            if match["framework"] == "Celery":
                args = ["--app", f"{each.module}:{match['variable']}", "worker"]
                smoke = {"args": args, "ready": {"log": "celery@.* ready"}}
                return _Draft(entry={"script": "celery"}, smoke=smoke, source=each.path)
    return None


def _programs(sources: Sequence[_Source]) -> Iterator[tuple[str, str]]:
    """Yield the entry points of modules that are programs, and their files: packages, functions `main`, scripts."""
    for each in sources:
        if each.path.endswith("/__main__.py"):
            yield each.module.removesuffix(".__main__"), each.path
    for each in sources:
        if _MAIN.search(each.text):
            yield f"{each.module}:main", each.path
    for each in sources:
        if _RUNS.search(each.text):
            yield each.module, each.path


def _requirements(project: Project) -> Iterator[str]:
    """Yield the normalized names of the dependencies that may ship, and `NAME[EXTRA]` for each extra of one."""
    table = project.document.get("project", {})
    poetry = project.document.get("tool", {}).get("poetry", {})
    yield from (str(canonicalize_name(name)) for name in poetry.get("dependencies", ()))
    groups = project.document.get("dependency-groups", {})
    optional = table.get("optional-dependencies", {})
    lists = (table.get("dependencies", ()), *optional.values(), *groups.values())
    for text in (each for one in lists if isinstance(one, list) for each in one if isinstance(each, str)):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        yield (name := str(canonicalize_name(requirement.name)))
        yield from (f"{name}[{extra}]" for extra in requirement.extras)


def _sources(project: Project) -> Iterator[_Source]:
    """Yield the modules near the top of the project, the uppermost first, at most `_MOST_FILES` and `_MOST_BYTES`."""
    below, left = project.package_root, _MOST_BYTES
    for path in itertools.islice(_paths(project, below), _MOST_FILES):
        relative = PurePosixPath(path).relative_to(below) if below else PurePosixPath(path)
        parts = relative.with_suffix("").parts
        if not all(map(_MODULE.fullmatch, parts)):
            continue
        try:
            text = files.read_bytes(project.root / path, most=min(left, _LARGEST)).decode("utf-8", "replace")
        except OSError:
            continue
        left -= len(text)
        yield _Source(path, ".".join(parts).removesuffix(".__init__"), text)


def _paths(project: Project, below: str) -> Iterator[str]:
    """Yield the paths of the files of Python, level by level."""
    waiting, left = [below], _MOST_ENTRIES
    for _ in range(_DEEPEST + 1):
        deeper = []
        for directory in waiting:
            found = _entries(os.path.join(project.root, directory), most=left)  # noqa: PTH118  # it may be empty
            left -= len(found)
            for entry in found:
                path = f"{directory}/{entry.name}" if directory else entry.name
                if entry.name.startswith(".") or entry.name in _NO_SOURCES:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    deeper += [] if _is_environment(entry) else [path]
                elif entry.name.endswith(".py"):
                    yield path
        waiting = deeper


def _entries(directory: str, *, most: int) -> list[os.DirEntry[str]]:
    """Return the entries of a directory, at most that many, in the order of their names; none if it is not readable."""
    if most <= 0:
        return []
    try:
        with os.scandir(directory) as found:
            return sorted(itertools.islice(found, most), key=lambda each: each.name)
    except OSError:
        return []


def _is_environment(directory: os.DirEntry[str]) -> bool:
    return os.path.exists(os.path.join(directory.path, "pyvenv.cfg"))  # noqa: PTH110, PTH118  # a `DirEntry` has a text
