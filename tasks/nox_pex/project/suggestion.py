"""The table of a binary for a project that has none, made from its dependencies, scripts and sources.

It is a suggestion: it names the framework, the module and the script as they can be read without running anything.
Sources: the command lines of the servers and workers that it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from nox_pex import site
from nox_pex.project import applications, programs, python_files, required
from nox_pex.project.applications import Application
from nox_pex.project.programs import Program
from nox_pex.project.pyproject import Project
from nox_pex.project.python_files import PythonFile
from nox_pex.project.required import Required
from nox_pex.settings import names, parse, toml_text
from nox_pex.system.wording import nearest

_SERVERS: Final[Mapping[str, tuple[tuple[str, str, tuple[str, ...]], ...]]] = {
    "asgi": (
        ("uvicorn", "uvicorn", ("APP", "--port", "{port}")),
        ("hypercorn", "hypercorn", ("APP", "--bind", "127.0.0.1:{port}")),
        ("granian", "granian", ("--interface", "asgi", "--port", "{port}", "APP")),
        ("daphne", "daphne", ("--port", "{port}", "APP")),
    ),
    "wsgi": (
        ("gunicorn", "gunicorn", ("APP", "--bind", "127.0.0.1:{port}")),
        ("waitress", "waitress-serve", ("--listen=127.0.0.1:{port}", "APP")),
        ("granian", "granian", ("--interface", "wsgi", "--port", "{port}", "APP")),
    ),
}
"""The servers of each kind: the distribution, its script, and the arguments, in which `APP` is the application."""


_WITH_UVICORN: Final = ("fastapi[standard]", "fastapi[all]", "litestar[standard]", "litestar[full]")
"""Dependencies that bring uvicorn."""


_FACTORY_OPTIONS: Final = {"uvicorn": ["--factory"], "granian": ["--factory"], "waitress-serve": ["--call"]}
"""The option of a server before a function that makes the application. The others call `module:function()`."""


_STREAMLIT: Final = site.page("smoke", anchor="an-app-of-streamlit")


_NO_PAGE: Final = "no route found that answers everybody: correct the path"


class Suggestion(Struct, frozen=True, kw_only=True):
    """The table of a binary as TOML, and the file that it was made from; empty if there was none."""

    toml: str
    source: str


class Given(Struct, frozen=True, kw_only=True):
    """The table of a binary that checks nothing.

    `entry` is its entry point, as the one key that says it, and `args` are the arguments that it injects or that its
    smoke test has. `has_smoke` says whether there is a table of the smoke test, which no second one can follow.
    """

    entry: Mapping[str, str]
    args: Sequence[str] = ()
    has_smoke: bool = False


class _Draft(Struct, frozen=True, kw_only=True):
    """The keys of a binary and of its smoke test, one check with its kind, and comments for the first lines."""

    entry: Mapping[str, Any]
    smoke: Mapping[str, Any] = {}
    check: tuple[str, Mapping[str, Any]] | None = None
    comments: tuple[str, ...] = ()
    source: str = ""


class _Sight(Struct, frozen=True, kw_only=True):
    """All that is known of a project: its sources, its dependencies, and the applications in the sources."""

    project: Project
    sources: tuple[PythonFile, ...]
    needed: Required
    applications: tuple[Application, ...]


_UNKNOWN: Final = _Draft(
    entry={"entry-point": "MODULE:FUNCTION"},
    check=("command", {"args": []}),
    comments=('or script = "…" for the script of a dependency',),
)
"""The table of a project in which nothing was found."""


def suggest(project: Project, *, name: str = "", given: Given | None = None) -> Suggestion:
    """Return a table for a binary of `project` with the name `name`, by default that of the project.

    If a table is `given`, only what its smoke test lacks is suggested.
    """
    sources = python_files.read(project)
    found = applications.applications(sources)
    sight = _Sight(project=project, sources=sources, needed=required.read(project), applications=found)
    draft = _with_root(_draft(sight, given), project)
    if not _is_accepted(draft):
        draft = _UNKNOWN if given is None else replace(_UNKNOWN, entry=given.entry, comments=())
    usable = project.name if names.problem_with(project.name) is None else "NAME"
    key = f"tool.nox-pex.binary.{toml_text.toml_key(name or usable)}"
    return Suggestion(toml="\n".join(_lines(draft, key, given)).strip("\n"), source=draft.source)


def _is_accepted(draft: _Draft) -> bool:
    """Whether the settings may have the values of a draft, which come from sources that may hold anything."""
    checks = {} if draft.check is None else {draft.check[0]: [draft.check[1]]}
    document = {"tool": {"nox-pex": {"binary": {"a": {**draft.entry, "smoke": {**draft.smoke, **checks}}}}}}
    return not parse.read(document, file="pyproject.toml", project_name="a", scripts=()).problems


def to_paste(suggestion: Suggestion) -> tuple[str, ...]:
    """Return the lines that ask to paste the table, the first of which says from which file it was made."""
    made = (
        f", made from {suggestion.source}; correct what is wrong" if suggestion.source else "; fill in what is missing"
    )
    return (f"paste this into pyproject.toml{made}:", *suggestion.toml.split("\n"))


def _lines(draft: _Draft, key: str, given: Given | None) -> Iterator[str]:
    yield from (f"# {each}" for each in draft.comments)
    if given is None:
        yield f"[{key}]"
        yield from (f"{name} = {toml_text.toml(value)}" for name, value in draft.entry.items())
    smoke = {name: value for name, value in draft.smoke.items() if given is None or name != "args" or not given.args}
    if smoke:
        yield from ("", f"# in your table [{key}.smoke]:" if given and given.has_smoke else f"[{key}.smoke]")
        yield from (f"{name} = {toml_text.toml(value)}" for name, value in smoke.items())
    if draft.check is not None:
        kind, check = draft.check
        yield from ("", f"[[{key}.smoke.{kind}]]")
        yield from (f"{name} = {toml_text.toml(value)}" for name, value in check.items())


def _draft(sight: _Sight, given: Given | None) -> _Draft:
    """Return the table for a server, a worker, a script, or a module with a main program, whichever is found first."""
    entry = None if given is None else given.entry
    for found in (_django(sight, entry), _served(sight, entry), _worker(sight), _streamlit(sight)):
        if found is not None and (entry is None or entry.items() <= found.entry.items()):
            return found
    if entry is not None:
        file = programs.file_of(entry, sight.sources, sight.project.scripts)
        return _program(Program(entry=entry, file=file), sight)
    scripts = sorted(sight.project.scripts or sight.project.other_scripts)
    if scripts:
        chosen = nearest(sight.project.name, scripts, cutoff=0.4) or scripts[0]
        others = ", ".join(each for each in scripts if each != chosen)
        start = {"script": chosen}
        file = programs.file_of(start, sight.sources, sight.project.scripts)
        draft = _program(Program(entry=start, file=file), sight)
        comments = (*draft.comments, *([f"other scripts: {others}"] if others else []))
        return replace(draft, comments=comments, source="pyproject.toml")
    program = next(programs.programs(sight.sources), None)
    if program is not None:
        return _program(program, sight)
    return _UNKNOWN


def _with_root(draft: _Draft, project: Project) -> _Draft:
    """Return `draft` with the directory of the modules, if no build backend makes a wheel of them."""
    root = "" if project.package_mode else python_files.root_of(project)
    return replace(draft, entry={**draft.entry, "sources": {"root": root}}) if root else draft


def _served(sight: _Sight, entry: Mapping[str, str] | None) -> _Draft | None:
    """Return the table for the first application of a framework; None if there is none."""
    if not sight.applications:
        return None
    chosen, *rest = sight.applications
    others = [each for each in rest if not each.is_factory]
    path = applications.page([chosen.file] if others else sight.sources, chosen.framework)
    draft = _server(chosen, sight.needed, entry, path=path)
    told = [f"another application: {each.target}, in {each.file.path}" for each in others]
    return replace(draft, comments=(*draft.comments, *told))


def _server(chosen: Application, needed: Required, entry: Mapping[str, str] | None, *, path: str | None) -> _Draft:
    """Return the table for an application that a server among the dependencies serves, or one that must be added."""
    servers = [each for each in _SERVERS[chosen.kind] if entry is None or each[1] == entry.get("script")]
    ships = next((each for each in servers if _brings(needed, each[0])), None)
    missing: tuple[str, ...] = ()
    if ships is not None:
        distribution, script, arguments = ships
    elif chosen.framework == "Flask":
        distribution, script, arguments = "flask", "flask", ("--app", chosen.target, "run", "--port", "{port}")
        missing = ("add gunicorn to the dependencies: this is Flask's server for development",)
    else:
        distribution, script, arguments = (servers or _SERVERS[chosen.kind])[0]
        missing = (f"add {distribution} to the dependencies",)
    return _Draft(
        entry={"script": script, **needed.selection_with(distribution)},
        smoke={"args": [part for each in arguments for part in _filled(each, script, chosen)]},
        check=("http", {"path": path or "/", "status": 200}),
        comments=(*missing, *(() if path is not None else (_NO_PAGE,))),
        source=chosen.file.path,
    )


def _brings(needed: Required, server: str) -> bool:
    return server in needed or (server == "uvicorn" and any(each in needed for each in _WITH_UVICORN))


def _filled(argument: str, script: str, chosen: Application) -> list[str]:
    if argument != "APP":
        return [argument]
    if not chosen.is_factory:
        return [chosen.target]
    option = _FACTORY_OPTIONS.get(script)
    return [*option, chosen.target] if option is not None else [f"{chosen.target}()"]


def _django(sight: _Sight, entry: Mapping[str, str] | None) -> _Draft | None:
    """Return the table for a Django project; None if it is none."""
    found = applications.django(sight.sources)
    path = applications.page(sight.sources, "Django")
    for kind in ("wsgi", "asgi"):
        wanted = [each for each in _SERVERS[kind] if entry is None or each[1] == entry.get("script")]
        if kind in found and any(each[0] in sight.needed for each in wanted):
            return _server(found[kind], sight.needed, entry, path=path)
    manage = next((each.path for each in sight.sources if PurePosixPath(each.path).name == "manage.py"), None)
    if found and manage is not None:
        return _Draft(
            entry={"executable": manage},
            smoke={"args": ["runserver", "--noreload", "127.0.0.1:{port}"]},
            check=("http", {"path": path or "/", "status": 200}),
            comments=("add gunicorn to the dependencies: this is Django's server for development",),
            source=manage,
        )
    return _server(next(iter(found.values())), sight.needed, entry, path=path) if found else None


def _worker(sight: _Sight) -> _Draft | None:
    """Return the table for the worker of a queue; None if there is none."""
    found = programs.worker(sight.sources, sight.needed)
    if found is None:
        return None
    return _Draft(
        entry={"script": found.script},
        smoke={"args": list(found.args), "ready": {"log": found.ready}},
        comments=("it needs its broker: start it before, or by `before-all` in the table of the smoke test",),
        source=found.file.path if found.file is not None else "pyproject.toml",
    )


def _streamlit(sight: _Sight) -> _Draft | None:
    """Return the table for an app of Streamlit; None if there is none.

    `streamlit run` takes the path of a file, which nobody knows of a file in the binary.
    """
    if "streamlit" not in sight.needed:
        return None
    starts = (each for each in sight.sources if "streamlit.web" in each.text)
    program = next(programs.programs(tuple(starts)), None)
    missing = f"Streamlit needs a function that names the file of the app: {_STREAMLIT}"
    args = ["--server.port", "{port}", "--server.address", "127.0.0.1", "--server.headless", "true"]
    return _Draft(
        entry={"entry-point": "MODULE:FUNCTION"} if program is None else program.entry,
        smoke={"args": args},
        check=("http", {"path": "/_stcore/health", "status": 200}),
        comments=(missing,) if program is None else (),
        source=program.file.path if program is not None and program.file is not None else "",
    )


def _program(program: Program, sight: _Sight) -> _Draft:
    """Return the table for a program of the project: a server, something that runs on and on, or a command."""
    text, source = ("", "") if program.file is None else (program.file.text, program.file.path)
    draft = _Draft(entry=program.entry, source=source)
    listens = applications.listening(text)
    if listens is not None:
        return _listening(draft, listens, sight)
    has_options = programs.has_options(sight.sources)
    loop = None if has_options else applications.loop(text)
    if loop is not None:
        return _looping(draft, loop)
    return replace(draft, check=("command", {"args": ["--help"] if has_options else []}))


def _listening(draft: _Draft, listens: applications.Listening, sight: _Sight) -> _Draft:
    """Return the table for a program that opens its port itself."""
    smoke: dict[str, Any] = {"args": list(listens.args)} if listens.args else {}
    comments: tuple[str, ...] = ()
    if listens.env:
        smoke["env"] = dict(listens.env)
    if not smoke:
        smoke["url"] = f"http://127.0.0.1:{listens.port or 'PORT'}"
        comments = () if listens.port else ("fill in the port on which it listens",)
    if not listens.speaks_http:
        return replace(draft, smoke=smoke, check=("tcp", {"port": "{port}"}), comments=comments)
    framework = next((each.framework for each in sight.applications), "")
    path = applications.page(sight.sources, framework)
    comments = (*comments, *(() if path else (_NO_PAGE,)))
    return replace(draft, smoke=smoke, check=("http", {"path": path or "/", "status": 200}), comments=comments)


def _looping(draft: _Draft, loop: applications.Loop) -> _Draft:
    """Return the table for a program that runs until it is stopped, and has no port."""
    entry = draft.entry if loop.is_flushed else {**draft.entry, "inject-python-args": ["-u"]}
    if loop.says is None:
        comment = "let it print a line when it is ready, and write that here as `log`"
        return replace(draft, smoke={"ready": {"log": "LINE"}}, comments=(comment,))
    return replace(draft, entry=entry, smoke={"ready": {"log": programs.as_pattern(loop.says)}})
