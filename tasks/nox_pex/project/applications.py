"""The applications, routes, ports and loops that the text of a project's files shows. Nothing is imported.

Sources: the documentation of each framework, for its routes, its default port, and the page that it always has.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from nox_pex.project.python_files import PythonFile

Kind = Literal["asgi", "wsgi"]

_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("FastAPI", "Starlette", "Litestar", "Quart", "BlackSheep"), "asgi"),
    "Flask": "wsgi",
}
"""The frameworks, by the kind of their applications."""


_FRAMEWORK: Final = rf"(?:\w+\.)?(?P<framework>{'|'.join(_KINDS)})\("
_FACTORIES: Final = r"(?:create|make|build|get)_(?:app|application)|app_factory"
_VARIABLE: Final = r"^(?P<indent>[ \t]*)(?P<variable>[A-Za-z_]\w*)(?:\s*:[^=\n]+)?\s*=\s*"
_APPLICATION: Final = re.compile(rf"{_VARIABLE}{_FRAMEWORK}", re.MULTILINE)
_MADE: Final = re.compile(rf"{_VARIABLE}(?:\w+\.)?(?:{_FACTORIES})\(", re.MULTILINE)
_CALL: Final = re.compile(rf"\b{_FRAMEWORK}")
_FACTORY: Final = re.compile(rf"^def (?:{_FACTORIES})\(", re.MULTILINE)
_NAME: Final = re.compile(_FACTORIES)
_DJANGO: Final = re.compile(r"^(?P<variable>\w+)\s*=\s*get_(?P<kind>wsgi|asgi)_application\(\)", re.MULTILINE)
_ADMIN: Final = re.compile(r"path\(\s*[\"'](?P<path>[\w./~%:@-]{0,200})[\"'],\s*admin\.site\.urls")

_PATH: Final = r"[rf]?[\"'](?P<path>/[\w./~%:@-]{0,200})[\"']"
_DECORATED: Final = re.compile(
    rf"^[ \t]*@(?:(?P<owner>\w+)\.)?(?:get|route)\(\s*{_PATH}(?P<options>[^\n]*)\)\n"
    r"(?:[ \t]*@[^\n]*\.(?:get|route)\([^\n]*\n){0,10}"
    r"[ \t]*(?:async )?def \w+\((?P<parameters>[^)]{0,1000})\)"
    r"(?P<body>[^\n]*(?:\n+[ \t]+(?![ \t@]|def |async def )[^\n]*){0,100})",
    re.MULTILINE,
)
_LISTED: Final = re.compile(rf"(?:\b(?:Route|web\.get|add_get|add_url_rule)\(\s*|\badd_resource\(\s*\w+,\s*){_PATH}")
_UNSURE: Final = re.compile(r"redirect|abort\(|raise |request\b|Depends|methods=(?!.*GET)", re.IGNORECASE)
_SCHEMA: Final = re.compile(r"\bopenapi_(?:url|config)\s*=\s*(?:None|[\"'](?P<path>[\w./~%:@-]{0,200})[\"'])")
_ALWAYS: Final = {"FastAPI": "/openapi.json", "Litestar": "/schema/openapi.json"}
"""The path that an application of a framework answers unless `_SCHEMA` says otherwise."""


_STARTS: Final[tuple[tuple[re.Pattern[str], int | None, bool], ...]] = (
    (re.compile(r"\bweb\.run_app\(|^\s*run_app\(", re.MULTILINE), 8080, True),
    (re.compile(r"\buvicorn\.run\("), 8000, True),
    (re.compile(r"\b(?:app|application|socketio)\.run\("), 5000, True),
    (re.compile(r"from waitress import serve[\s\S]{0,5000}\bserve\("), 8080, True),
    (re.compile(r"\b(?:make_server|\w*HTTPServer)\("), None, True),
    (re.compile(r"\badd_(?:in)?secure_port\(|\bstart_server\("), None, False),
)
"""How a program begins to listen: the pattern, the port if it names none, and whether it speaks HTTP."""


_OPTION: Final = re.compile(r"[\"']--port[\"']")
_FROM_ENVIRONMENT: Final = re.compile(r"(?:environ(?:\.get\(|\[)|getenv\()\s*[\"'](?P<name>\w*PORT)[\"']")
_NUMBER: Final = re.compile(
    r"\bport\s*(?::\s*\w+\s*)?=\s*[\"']?(?P<port>\d{2,5})\b"
    r"|[\"'][^\"'\s/]*:(?P<bound>\d{2,5})[\"']|\(\s*\(?[\"'][^\"'\s]*[\"'],\s*(?P<pair>\d{2,5})\b",
    re.IGNORECASE,
)

_RUNS_ON: Final = re.compile(
    r"^[ \t]*while (?:True|1)\s*:|\.run_forever\(|\.start_consuming\(|BlockingScheduler\(", re.MULTILINE
)
_BLOCK: Final = re.compile(r"^(?:(?:async )?def |class |if __name__)", re.MULTILINE)
_SAID: Final = re.compile(
    r"\b(?P<how>print|\w+\.info|\w+\.warning)\(\s*[\"'](?P<text>[^\"'\\{}%\n]{3,})(?P<rest>[^\n]*)"
)


class Application(Struct, frozen=True, kw_only=True):
    """An application for a server: its framework, the reference `module:variable`, and its file.

    If `is_factory`, the variable is a function that returns the application.
    """

    kind: Kind
    framework: str
    target: str
    file: PythonFile
    is_factory: bool = False


class Listening(Struct, frozen=True, kw_only=True):
    """How a program gets its port: an option, a variable, or a number that is always the same; perhaps unknown."""

    speaks_http: bool
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    port: int | None = None


class Loop(Struct, frozen=True, kw_only=True):
    """A program that runs until it is stopped: the text that it prints before, if any, and whether that is flushed."""

    says: str | None
    is_flushed: bool = True


def applications(sources: Sequence[PythonFile]) -> tuple[Application, ...]:
    """Return the applications: variables of modules first, then what a factory made, and factories last."""
    every = (*_variables(sources), *_factories(sources))
    return tuple({each.file.path: each for each in reversed(every)}.values())[::-1]


def _variables(sources: Sequence[PythonFile]) -> Iterator[Application]:
    for each in sources:
        match = next((match for match in _APPLICATION.finditer(each.text) if not match["indent"]), None)
        if match is not None:
            yield _application(match["framework"], match["variable"], each)
    framework = next((framework for each in sources for framework, _ in _makers(each)), None)
    for each in sources:
        match = next((match for match in _MADE.finditer(each.text) if not match["indent"]), None)
        if match is not None and framework is not None:
            yield _application(framework, match["variable"], each)


def _factories(sources: Sequence[PythonFile]) -> Iterator[Application]:
    """Yield the functions that make an application and can be called without arguments."""
    for each in sources:
        for framework, function in _makers(each):
            given = function.args
            positional = [*given.posonlyargs, *given.args]
            if len(positional) == len(given.defaults) and None not in given.kw_defaults:
                yield _application(framework, function.name, each, is_factory=True)


def _makers(source: PythonFile) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the functions at the top of a module that make an application, with its framework."""
    if not _FACTORY.search(source.text):
        return
    try:
        module = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # another Python's, or it is too deep
        return
    for each in module.body:
        if isinstance(each, ast.FunctionDef) and _NAME.fullmatch(each.name):
            made = _CALL.search(ast.get_source_segment(source.text, each) or "")
            if made is not None:
                yield made["framework"], each


def _application(framework: str, variable: str, file: PythonFile, *, is_factory: bool = False) -> Application:
    target = f"{file.module}:{variable}"
    return Application(kind=_KINDS[framework], framework=framework, target=target, file=file, is_factory=is_factory)


def django(sources: Sequence[PythonFile]) -> Mapping[Kind, Application]:
    """Return the applications of a Django project, by their kind."""
    found: dict[Kind, Application] = {}
    for each in sources:
        for match in _DJANGO.finditer(each.text):
            kind: Kind = "asgi" if match["kind"] == "asgi" else "wsgi"
            target = f"{each.module}:{match['variable']}"
            found.setdefault(kind, Application(kind=kind, framework="Django", target=target, file=each))
    return found


def page(sources: Sequence[PythonFile], framework: str) -> str | None:
    """Return a path that the program answers with 200 to whoever asks; None if the text shows none for sure.

    It is a route of the application itself, because a blueprint or a router may have a prefix, and its function takes
    nothing from the request. A framework that describes its API at a path always answers there.
    """
    if framework == "Django":
        found = (match["path"] for each in sources for match in _ADMIN.finditer(each.text))
        return next((f"/{path.lstrip('/')}login/" for path in found), None)
    own = {match["variable"] for each in sources for match in _APPLICATION.finditer(each.text)} | {None, "routes"}
    paths = {path for each in sources for path in _routes(each.text, own)}
    if paths:
        return "/" if "/" in paths else min(paths, key=lambda path: (len(path), path))
    schema = next((match for each in sources if (match := _SCHEMA.search(each.text))), None)
    return _ALWAYS.get(framework) if schema is None else schema["path"]


def _routes(text: str, own: Collection[str | None]) -> Iterator[str]:
    for match in _DECORATED.finditer(text):
        sure = not _UNSURE.search(match["options"]) and not _UNSURE.search(match["body"])
        takes = match["parameters"].strip() not in ("", "request", "self")
        if match["owner"] in own and sure and not takes:
            yield match["path"]
    yield from (match["path"] for match in _LISTED.finditer(text))


def listening(text: str) -> Listening | None:
    """Return how the program in a file gets the port that it listens on; None if it shows no server."""
    started = next(((port, http) for pattern, port, http in _STARTS if pattern.search(text)), None)
    if started is None:
        return None
    default, speaks_http = started
    if _OPTION.search(text):
        return Listening(speaks_http=speaks_http, args=("--port", "{port}"))
    if variable := _FROM_ENVIRONMENT.search(text):
        return Listening(speaks_http=speaks_http, env={variable["name"]: "{port}"})
    number = _NUMBER.search(text)
    named = next(filter(None, number.groups())) if number is not None else None
    return Listening(speaks_http=speaks_http, port=int(named) if named is not None else default)


def loop(text: str) -> Loop | None:
    """Return whether the program in a file runs until it is stopped; None if it shows no loop without an end."""
    found = _RUNS_ON.search(text)
    if found is None:
        return None
    begins = max((match.start() for match in _BLOCK.finditer(text, 0, found.start())), default=0)
    for match in _SAID.finditer(text, begins, found.start()):
        if match["how"] == "print":
            return Loop(says=match["text"], is_flushed="flush=True" in match["rest"])
        if match["how"].endswith("warning") or re.search(r"level=[\"']?(?:logging\.)?(?:INFO|DEBUG)", text):
            return Loop(says=match["text"])
    return Loop(says=None)
