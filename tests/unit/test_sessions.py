"""`register()` without a run of Nox."""

from __future__ import annotations

import logging
import logging.handlers
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import nox.registry
import pytest

from nox_pex import sessions
from nox_pex.errors import NoxPexError
from nox_pex.steps import frontend, journal, table
from nox_pex.steps.context import Context
from nox_pex.steps.table import STEPS, Step

TASKS: Final = Path(__file__).resolve().parents[2] / "tasks"


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """A noxfile without sessions."""
    nox.registry.reset()
    yield
    nox.registry.reset()


def names() -> list[str]:
    return list(nox.registry.get())


def refusal(*projects: str, **options: Any) -> str:
    with pytest.raises(SystemExit) as caught:
        sessions.register(*projects, **options)
    line = str(caught.value)
    assert line.startswith("error[usage]: ")
    assert len(line.splitlines()) == 1
    return line


def test_each_step_is_a_session_that_requires_the_steps_before_it() -> None:
    sessions.register()
    registered = nox.registry.get()
    assert list(registered) == list(STEPS)
    for name, session in registered.items():
        assert list(session.requires) == list(STEPS[name].after)
        assert session.__doc__ == STEPS[name].help
        assert session.tags == [name]
        assert not session.default
        assert session.venv_backend == "none"


def test_only_some_sessions_are_registered_with_those_that_they_need() -> None:
    sessions.register(only=["pex"])
    assert names() == ["install", "freeze", "pex"]


def test_a_prefix_is_before_every_name() -> None:
    sessions.register(prefix="ship-", only=["pex"])
    assert names() == ["ship-install", "ship-freeze", "ship-pex"]
    assert list(nox.registry.get()["ship-pex"].requires) == ["ship-freeze"]


def test_messages_name_the_sessions_with_their_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table_of_binary = '[tool.nox-pex.binary.shop]\nentry-point = "shop:main"\n'
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "shop"\n{table_of_binary}', "utf-8")
    sessions.register(prefix="ship-")
    session: Any = Session(tmp_path)
    with pytest.raises(
        AssertionError, match=r"error\[no-lock\]: .*; run `poetry lock` there, or `nox -s ship-lock`, and"
    ):
        nox.registry.get()["ship-install"](session)
    (outcome,) = [
        each for each in journal.JOURNAL.outcomes if each.cause and f"in {tmp_path};" in f"{each.cause.problem};"
    ]
    assert outcome.cause is not None
    assert "`nox -s ship-lock`" in outcome.cause.remedy
    sessions._context(session, Path(), suffix="").say("compare: `nox -s diff -- X`, `nox -s lint`")  # noqa: SLF001  # of it
    assert session.shown[-1] == "compare: `nox -s ship-diff -- X`, `nox -s lint`"


def test_each_python_has_its_sessions_and_one_name_runs_them_all() -> None:
    sessions.register(python=["3.11", "3.12"], only=["install"])
    registered = nox.registry.get()
    assert names() == ["install-3.11", "install-3.12", "install"]
    assert registered["install-3.12"].python == "3.12"
    assert list(registered["install"].requires) == ["install-3.11", "install-3.12"]
    assert str(registered["install"].__doc__).endswith("For each Python.")


def test_each_project_has_its_sessions_and_one_name_runs_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("api", "worker"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    sessions.register("services/*", only=["install"])
    assert names() == ["install(api)", "install(worker)", "install"]
    assert list(nox.registry.get()["install"].requires) == ["install(api)", "install(worker)"]


def test_a_session_of_the_noxfile_with_the_same_name_is_refused() -> None:
    nox.session(name="freeze")(lambda _session: None)
    assert "'freeze'" in refusal()
    assert 'prefix="' in refusal()


def test_an_unknown_session_is_refused() -> None:
    assert "'bake'" in refusal(only=["bake"])


def required(session: str) -> list[str]:
    """The sessions that Nox runs before `session`. Nox asks for them after it has read the whole noxfile."""
    return list(nox.registry.get()[session].requires)


def user_session(name: str, *, python: Any = None) -> None:
    nox.session(name=name, python=python)(lambda _session: None)


def test_sessions_of_the_noxfile_run_before_pex_and_get_no_prefix() -> None:
    sessions.register(prefix="ship-", requires=["frontend"])
    user_session("frontend")
    assert required("ship-pex") == ["ship-freeze", "frontend"]
    assert [name for name in names() if "frontend" in required(name)] == ["ship-pex"]


def test_each_python_and_each_project_requires_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("api", "worker"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    user_session("assets", python=["3.11", "3.12"])
    user_session("frontend")
    sessions.register("api", "worker", python=["3.11", "3.12"], requires=["assets-{python}", "frontend"])
    assert required("pex-3.12(worker)") == ["freeze-3.12(worker)", "assets-3.12", "frontend"]
    assert required("pex-3.11(api)") == ["freeze-3.11(api)", "assets-3.11", "frontend"]
    assert required("pex(api)") == ["pex-3.11(api)", "pex-3.12(api)"]
    assert required("pex") == ["pex(api)", "pex(worker)"]


def test_required_sessions_do_not_matter_if_pex_is_not_registered() -> None:
    sessions.register(only=["freeze"], requires=["nowhere"])
    assert [required(name) for name in names()] == [[], ["install"]]


@pytest.mark.parametrize("argument", ["--binary", "--binary=x.pex"])
def test_a_finished_binary_needs_no_session_of_the_noxfile(monkeypatch: pytest.MonkeyPatch, argument: str) -> None:
    monkeypatch.setattr(sys, "argv", ["nox", "-s", "smoke", "--", argument, "x.pex"])
    sessions.register(requires=["frontend"])
    assert required("pex") == ["freeze"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"requires": "frontend"}, 'requires=["frontend"]'),
        ({"requires": [3]}, "not a list of names"),
        ({"requires": 3}, "not a list of names"),
        ({"only": "pex"}, 'only=["pex"]'),
        ({"only": 0}, "not a list of names"),
        ({"python": 3.11}, 'write python="3.11"'),
        ({"python": 311}, 'write python="3.11"'),
        ({"python": 3}, 'write python="3"'),
        ({"python": [3.11, "3.12"]}, 'write python=["3.11", "3.12"]'),
        ({"python": (3.11,)}, 'write python=["3.11"]'),
        ({"python": []}, "names no Python"),
        ({"python": True}, 'write python="3.12"'),
        ({"python": {"3.11"}}, 'write python="3.12"'),
        ({"prefix": None}, "register(prefix=None) is not a string"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused(options: Any, said: str) -> None:
    assert said in refusal(**options)
    assert names() == []


@pytest.mark.parametrize(
    ("project", "said"),
    [(["api", "worker"], "register(*['api', 'worker'])"), (None, "write a directory"), ((), "write a directory")],
)
def test_projects_that_are_not_paths_are_refused(project: Any, said: str) -> None:
    assert said in refusal(project)
    assert names() == []


@pytest.mark.parametrize(
    ("name", "python", "said"),
    [
        ("fronted", None, "did you mean 'frontend'?"),
        ("zzz", None, "no such session"),
        ("frontend-3.12", None, "'frontend-3.12'"),
        ("frontend(prod)", None, "no such session"),
        ("assets-{python}", "3.13", "'assets-3.13'"),
        ("assets-{python}", None, "got no Python"),
        ("assets-{version}", "3.12", "braces"),
        ("assets-{}", "3.12", "braces"),
        ("assets-{", "3.12", "braces"),
    ],
)
def test_a_required_session_that_does_not_exist_is_refused_when_nox_needs_it(
    name: str, python: str | None, said: str
) -> None:
    sessions.register(python=python, requires=[name])
    user_session("frontend")
    user_session("assets", python=["3.11", "3.12"])
    with pytest.raises(SystemExit) as caught:
        required("pex")
    line = str(caught.value)
    assert line.startswith("error[usage]: register(requires=…) ")
    assert said in line
    assert required("freeze") == ["install"]


def test_a_required_session_may_have_parameters() -> None:
    sessions.register(requires=["build(mode='prod')", "build"])
    nox.session(name="build")(nox.parametrize("mode", ["dev", "prod"])(lambda _session, _mode: None))
    assert required("pex") == ["freeze", "build(mode='prod')", "build"]


_LOG: Final = logging.handlers.BufferingHandler(10_000)


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nox's log goes to `_LOG`, and `Session.shown` reads it."""
    logger = logging.getLogger("nox")
    monkeypatch.setattr(logger, "level", logging.INFO)
    _LOG.flush()
    logger.addHandler(_LOG)
    yield
    logger.removeHandler(_LOG)


class Session:
    """The part of a Nox session that nox-pex uses, with the flags `flags`."""

    name = "pex"
    python = None
    parallel = False

    def __init__(self, root: Path, *posargs: str, **flags: Any) -> None:
        self.posargs = list(posargs)
        self.env_dir = root / ".nox" / "pex"
        self.invoked_from = str(root)
        given = {"install_only": False, "no_install": False, "reuse_venv": "no", "force_venv_backend": None, **flags}
        self._waiting: list[SimpleNamespace] = []
        colours = {"nocolor": False, "forcecolor": False}
        self._runner = SimpleNamespace(
            global_config=SimpleNamespace(**{"verbose": False, **colours, **given}),
            manifest=SimpleNamespace(_queue=self._waiting, _consumed=[self]),
        )

    def queue(self, *names: str) -> None:
        """Let the sessions with these names run next; they require no others."""
        self._waiting[:] = [SimpleNamespace(name=name, get_direct_dependencies=list) for name in names]

    @property
    def shown(self) -> list[str]:
        """The lines in the log of Nox."""
        return [record.getMessage() for record in _LOG.buffer]

    def error(self, line: str) -> None:
        raise AssertionError(line)


@pytest.fixture
def performed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Records the calls of the front end, instead of making them."""
    calls: list[tuple[str, str]] = []
    monkeypatch.setattr(frontend, "find_problems", lambda _context, _steps: ())
    monkeypatch.setattr(frontend, "find_shared_files", lambda _context, _others: ())

    def note(function: str) -> Callable[[Step, Context], None]:
        return lambda step, _context: calls.append((function, step.name))

    monkeypatch.setattr(frontend, "perform", note("perform"))
    monkeypatch.setattr(frontend, "prepare", note("prepare"))
    return calls


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Session]:
    """Run the session of a step under some of Nox's flags."""
    monkeypatch.chdir(tmp_path)
    sessions.register()

    def go(step: str, *posargs: str, waiting: Sequence[str] = (), **flags: Any) -> Session:
        session: Any = Session(tmp_path, *posargs, **flags)
        session.name = step
        session.queue(*waiting)
        nox.registry.get()[step](session)
        return session  # type: ignore[no-any-return]  # a stand-in for Nox's own

    return go


def environment(root: Path) -> Path:
    """The directory of the project's environment, with an environment in it."""
    session: Any = Session(root)
    home = sessions._context(session, Path(), suffix="").home  # noqa: SLF001  # its name is a digest
    home.mkdir(parents=True)
    (home / "pyvenv.cfg").touch()
    return home


def test_a_session_runs_its_step(run: Callable[..., Session], performed: list[tuple[str, str]]) -> None:
    run("pex")
    run("clean", "--dry-run")
    assert performed == [("perform", "pex"), ("perform", "clean")]


def test_a_report_knows_the_sessions_of_its_project_and_all_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, performed: list[tuple[str, str]]
) -> None:
    for name in ("api", "worker"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    sessions.register("services/*", prefix="ship-", only=["report", "smoke"])
    session: Any = Session(tmp_path)
    nox.registry.get()["ship-report(worker)"](session)
    assert performed == [("perform", "report")]
    around = sessions._context(session, Path("services/worker"), suffix="").surroundings  # noqa: SLF001  # of that run
    assert around.commands is not None
    assert around.commands["smoke"] == "nox -s 'ship-smoke(worker)'"
    assert "verify" not in around.commands
    own = [each.root.name for each in around.contexts if each.root.parent == tmp_path / "services"]
    assert own == ["api", "worker"]  # other tests have registered others
    assert around.directory == tmp_path


def test_install_only_prepares_a_step(run: Callable[..., Session], performed: list[tuple[str, str]]) -> None:
    session = run("pex", install_only=True)
    assert performed == [("prepare", "pex")]
    assert session.shown == ["pex: only what it needs is installed (--install-only)"]


def test_a_finished_binary_needs_nothing_installed(
    run: Callable[..., Session], performed: list[tuple[str, str]]
) -> None:
    run("install", "--binary", "x.pex", waiting=["smoke"], install_only=True, no_install=True)
    assert performed == [("perform", "install")]


def test_no_install_skips_the_install_if_there_is_one(
    run: Callable[..., Session], performed: list[tuple[str, str]], tmp_path: Path
) -> None:
    run("install", no_install=True)
    assert performed == [("perform", "install")]
    environment(tmp_path)
    assert run("install", no_install=True).shown == ["install: skipped, --no-install is used"]
    assert performed == [("perform", "install")]
    run("pex", no_install=True)
    assert performed[1:] == [("perform", "pex")]


@pytest.mark.parametrize(("flag", "stays"), [("never", False), ("no", True), ("yes", True)])
def test_reuse_never_removes_the_environment_before_the_install(
    run: Callable[..., Session], performed: list[tuple[str, str]], tmp_path: Path, flag: str, *, stays: bool
) -> None:
    home = environment(tmp_path)
    run("pex", reuse_venv=flag)
    assert home.exists()
    run("install", reuse_venv=flag)
    assert home.exists() == stays
    assert len(performed) == 2


def test_another_backend_for_environments_is_refused(
    run: Callable[..., Session], performed: list[tuple[str, str]]
) -> None:
    with pytest.raises(AssertionError, match=r"error\[usage\]: pex cannot run with --force-venv-backend none"):
        run("pex", force_venv_backend="none")
    assert performed == []


def test_a_failure_is_the_tools_last_lines_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_step: Step, _context: Context) -> None:
        raise NoxPexError("build-failed", "pex could not build it", "read this", log=("one", "two"))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(frontend, "find_problems", lambda _context, _steps: ())
    monkeypatch.setattr(frontend, "find_shared_files", lambda _context, _others: ())
    monkeypatch.setattr(frontend, "perform", fail)
    sessions.register()
    session: Any = Session(tmp_path)
    with pytest.raises(AssertionError, match=r"^error\[build-failed\]: pex could not build it; read this$"):
        nox.registry.get()["pex"](session)
    assert session.shown == [
        "FAILED    pex",
        "its log   | one",
        "          | two",
        "see       https://nox-pex.readthedocs.io/en/latest/errors.html#build-failed",
    ]


_ON_WINDOWS: Final = """
import sys

import nox

from nox_pex import sessions

class Runner:
    global_config = type("Flags", (), {"nocolor": False, "forcecolor": False})

class Session:
    name, parallel, invoked_from, _runner = "pex", False, ".", Runner()
    def error(self, line): sys.exit(line)

sys.platform = "win32"
sys.modules["fcntl"] = None  # does not exist on Windows
sessions.register()
nox.registry.get()["pex"](Session())
"""


def test_windows_is_refused_with_one_line() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _ON_WINDOWS], env={"PYTHONPATH": str(TASKS)}, capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert result.stderr.startswith("error[usage]: nox-pex does not run on Windows; ")
    assert len(result.stderr.splitlines()) == 1


_REGISTER_MANY: Final = """
import sys

import nox

from nox_pex import sessions

opened = []
sys.addaudithook(lambda event, arguments: opened.append(arguments[0]) if event == "open" else None)
sessions.register("services/*", python=["3.11", "3.12"])
registered = nox.registry.get()
print(*[name for name in opened if "services" in str(name)])
required = [*registered["pex-3.12(api)"].requires, *registered["pex(api)"].requires]
print(len(registered), *required, len(registered["pex"].requires))
"""


def test_many_projects_are_registered_without_reading_any(tmp_path: Path) -> None:
    for name in ("api", *(f"s{number}" for number in range(99))):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "pyproject.toml").write_text("nonsense", "utf-8")

    result = subprocess.run(
        [sys.executable, "-c", _REGISTER_MANY],
        env={"PYTHONPATH": str(TASKS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    opened, registered = result.stdout.splitlines()
    assert opened == "", result.stderr
    assert registered == f"{len(STEPS) * (3 * 100 + 1)} freeze-3.12(api) pex-3.11(api) pex-3.12(api) 100"


def test_the_problems_of_all_projects_of_the_run_are_shown_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("api", "worker"):
        (tmp_path / name).mkdir()
        binary = f'[tool.nox-pex.binary.{name}]\nscript = "x"\nlayout = "zip"\n'
        (tmp_path / name / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n{binary}', "utf-8")
    sessions.register("api", "worker")
    session: Any = Session(tmp_path)
    session.queue("freeze(api)", "smoke(api)", "install(worker)", "other")
    with pytest.raises(AssertionError) as caught:
        nox.registry.get()["install(api)"](session)
    line = str(caught.value)
    assert line.startswith("error[config]: ")
    assert "api/pyproject.toml:5: tool.nox-pex.binary.api.layout: " in line
    assert sum("worker/pyproject.toml:5: tool.nox-pex.binary.worker.layout: " in each for each in session.shown) == 1
    assert sum("the smoke test of api checks nothing" in each for each in session.shown) == 1
    assert not any("error[" in each for each in session.shown)


@pytest.mark.parametrize("python", [[""], ["3.12", " "], ["3.12", "a\0"], ["3.11\n"]])
def test_a_python_without_a_name_is_refused(python: list[str]) -> None:
    assert "register(python=" in refusal(python=python)


def test_a_project_with_a_null_character_is_refused() -> None:
    assert "does not name a project" in refusal("a\0b")


def test_a_python_may_be_a_path_although_it_is_part_of_file_names() -> None:
    assert table.suffix_of("3.12") == "-py3.12"
    assert table.suffix_of("/usr/bin/python3.12") == "-pyusr-bin-python3.12"
    assert table.suffix_of("pypy3.11") == "-pypypy3.11"
