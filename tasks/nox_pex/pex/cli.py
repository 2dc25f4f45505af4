"""The command lines of pex, its environment variables, and its failures. Nothing here starts a process."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.settings.model import Binary
from nox_pex.settings.pex_args import without_scie_options
from nox_pex.system.command import Outcome
from nox_pex.system.environ import EPOCH, UTF_8, tool_environ
from nox_pex.tools.index_failures import network_failure


class PexInputs(Struct, frozen=True, kw_only=True):
    """The files that go into a PEX.

    `distributions` are the options that name its distributions, from `repository_options` or `wheel_options`.
    `sources` is a directory of loose sources, `python_path` the directory of the interpreter that builds. `entry_point`
    is the `module[:attribute]` that the binary starts, None if it starts a file: a `script` that is no entry point, or
    `executable`. `platforms` are the files of the `complete-platforms`; empty for a PEX for the interpreter that
    builds.
    """

    distributions: Sequence[str]
    python_path: Path
    sources: Path | None = None
    executable: Path | None = None
    entry_point: str | None = None
    platforms: tuple[Path, ...] = ()


_ONLY_COMPLETE_PLATFORMS: Final = """\
from pex.orderedset import OrderedSet
from pex.resolve.target_configuration import InterpreterConfiguration
InterpreterConfiguration.resolve_interpreters = lambda self: OrderedSet()
"""
"""Runs pex for its `--complete-platform`s only. Plain pex also builds for every local interpreter that satisfies an
`--interpreter-constraint`, and fails if none does. Here the constraint is only written to PEX-INFO, where the binary
reads it when it starts."""


_INJECT_ENV: Final = "NOX_PEX_INJECT_ENV"


_WITH_INJECT_ENV: Final = f"""\
import json, os, sys
sys.argv[1:1] = ["--inject-env=" + "=".join(pair) for pair in json.loads(os.environ.pop("{_INJECT_ENV}"))]
"""
"""Reads `inject-env` from a variable. Every user of the machine may read a command line, and it may have a secret."""


_MAIN: Final = """\
from pex.bin import pex
pex.main()
"""


class WheelFormat(Struct, frozen=True, kw_only=True):
    """The format of the distributions in a dependency PEX: installed or as wheels, compressed or not."""

    pre_install_wheels: bool
    compress: bool


class RepositoryOptions(Struct, frozen=True, kw_only=True):
    """The options of every dependency PEX: it is written to `output`, from the `name==version` in the file `pins`.

    `overrides` are pins that replace all requirements of these distributions, `excludes` the names of distributions
    that are required and not there. A PEX that is built from the dependency PEX inherits both.
    """

    output: Path
    pins: Path
    overrides: tuple[str, ...]
    excludes: tuple[str, ...]
    wheel_format: WheelFormat
    pex_root: Path


def pex_argv(
    binary: Binary,
    *,
    python: Path,
    output: Path,
    inputs: PexInputs,
    interpreters: Sequence[Interpreter],
    pex_root: Path,
) -> list[str]:
    """Return pex's command line for `binary`, run by the interpreter `python`, whose environment has pex.

    `interpreters` are the Pythons that the binary is for.
    A shebang and a constraint are always passed, because their defaults depend on the Python that runs pex.
    `inject-env` is not in it: `inject_environ` has that.
    """
    changes = (_ONLY_COMPLETE_PLATFORMS if inputs.platforms else "") + (_WITH_INJECT_ENV if binary.inject_env else "")
    program = ["-c", changes + _MAIN] if changes else ["-m", "pex"]
    arguments = [str(python), "-I", *program, "--output-file", str(output), "--pex-root", str(pex_root)]
    arguments += inputs.distributions
    if inputs.sources is not None:
        arguments += ["--sources-directory", str(inputs.sources)]
    arguments += ["--python-path", str(inputs.python_path)]
    for platform in inputs.platforms:
        arguments += ["--complete-platform", str(platform)]
    for constraint in dict.fromkeys(each for interpreter in interpreters for each in constraints(binary, interpreter)):
        arguments += ["--interpreter-constraint", constraint]
    arguments += ["--python-shebang", binary.python_shebang or f"/usr/bin/env {_python_command(interpreters)}"]
    arguments += _entry_options(binary, inputs)
    arguments += _format_options(binary)
    arguments += _inject_options(binary)
    return [*arguments, *without_scie_options(binary.pex_args)]


def empty_argv(interpreter: Interpreter, *, python: Path, output: Path, pex_root: Path) -> list[str]:
    """Return pex's command line for a PEX without content for `interpreter`, run by the interpreter `python`."""
    arguments = [str(python), "-I", "-m", "pex", "--output-file", str(output), "--pex-root", str(pex_root)]
    python_path = ("--python-path", str(interpreter.executable))
    return [*arguments, *python_path, "--interpreter-constraint", _of_minor_version(interpreter)]


def repository_options(repository: Path, *, pins: Path, wheels: Sequence[Path]) -> tuple[str, ...]:
    """Return the options for the distributions of a binary: those in `pins`, from the dependency PEX `repository`.

    `pins` is a file with `name==version` lines. Without it, pex takes every distribution. `wheels` are added with what
    they require: the project's wheel. `--pre` is always passed, because a pin may be a pre-release.
    """
    projects = [option for wheel in wheels for option in ("--project", str(wheel))]
    return ("--pex-repository", str(repository), "--requirement", str(pins), "--pre", *projects)


def wheel_options(
    wheel: Path, *, requirement: str, overrides: Iterable[str], excludes: Iterable[str]
) -> tuple[str, ...]:
    """Return the options for a PEX of one `wheel`, named by `requirement`, with the given overrides and excludes."""
    return (
        *("--pre-resolved-dist", str(wheel), requirement, "--pre"),
        *(option for override in overrides for option in ("--override", override)),
        *(option for exclude in excludes for option in ("--exclude", exclude)),
    )


def repository_argv(options: RepositoryOptions, *, python: Path, environment: Path) -> list[str]:
    """Return pex's command line for a dependency PEX of the pinned distributions from the directory `environment`.

    It names no target: with one, pex 2.105 refuses an environment in which any wheel is for Python 2 too.
    """
    return [str(python), "-I", "-m", "pex", "--venv-repository", str(environment), *_repository_options(options)]


def wheels_argv(
    options: RepositoryOptions, *, python: Path, wheels: Sequence[Path], platforms: Sequence[Path]
) -> list[str]:
    """Return pex's command line for a dependency PEX of `wheels`, for the `platforms` that these files describe."""
    arguments = [str(python), "-I", "-m", "pex"]
    for wheel in wheels:
        arguments += ["--pre-resolved-dist", str(wheel)]
    for platform in platforms:
        arguments += ["--complete-platform", str(platform)]
    return [*arguments, *_repository_options(options)]


def _repository_options(options: RepositoryOptions) -> Iterator[str]:
    yield from ("--output-file", str(options.output), "--pex-root", str(options.pex_root))
    for override in options.overrides:
        yield from ("--override", override)
    for exclude in options.excludes:
        yield from ("--exclude", exclude)
    yield from ("--requirement", str(options.pins), "--pre")
    yield from _packed_layout_options(options.wheel_format)


def _packed_layout_options(wheel_format: WheelFormat) -> Iterator[str]:
    yield from ("--layout", "packed")
    yield from _flags(("--compress", wheel_format.compress), ("--pre-install-wheels", wheel_format.pre_install_wheels))


def pex_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for pex: a fixed date, and no `.pexrc`, so that the bytes are always the same.

    `XDG_CACHE_HOME` is removed: pex would write it into the binary, as the cache to unpack itself into.
    """
    inherited = {name: value for name, value in tool_environ(environ).items() if name != "XDG_CACHE_HOME"}
    return {**inherited, **UTF_8, "PEX_IGNORE_RCFILES": "1", "SOURCE_DATE_EPOCH": EPOCH}


def failure(outcome: Outcome, *, of: str) -> NoxPexError:
    """Return the error for a run of pex that failed to build `of`."""
    problem = f"pex could not build {of} (exit status {outcome.status}): {_reason(outcome.tail)}"
    return network_failure(problem, outcome) or NoxPexError(
        "build-failed", problem, "read pex's last lines above; --verbose shows its command line", log=outcome.tail
    )


def _reason(tail: Sequence[str]) -> str:
    """The line of pex's output that says why it failed.

    Below a requirement that it cannot parse, pex marks the place with a line like `~~~^`. If it cannot resolve a
    requirement, its last lines list the wheels that it has.
    """
    lines = [line.strip() for line in tail]
    for number, line in enumerate(lines):
        if match := _INVALID_METADATA.search(line):
            quoted = next((text for text in lines[number:] if _QUOTED.search(text)), "")
            return f"{match['subject']}: {_QUOTED.sub('', quoted) or line}"
        if _NEEDED.search(line) and number + 1 < len(lines):
            needed = lines[number + 1 :]
            return f"no distribution for {', '.join(text.rstrip(':') for text in needed[:_REASON_LINES])}"
    return next((line for line in reversed(lines) if any(map(str.isalnum, line))), "no output")


_INVALID_METADATA: Final = re.compile(r"nvalid \S+ metadata.* in (?:a )?(?P<subject>\S+ \S+) metadata from")


_QUOTED: Final = re.compile(r"^\d+\.\)? (?=')")


_NEEDED: Final = re.compile(r"^Needed \S+ compatible dependencies for:")


_REASON_LINES: Final = 5
"""The number of lines that name a requirement, the distribution that requires it, and the wheels that there are."""


def import_argv(binary: Path, *, python: Path, entry_point: str) -> list[str]:
    """Return the command line with which a binary imports its entry point, in the variables of `import_environ`."""
    module, _, attributes = entry_point.partition(":")
    chain = f"functools.reduce(getattr, {attributes.split('.')!r}, module)" if attributes else "module"
    code = f"import functools, importlib; module = importlib.import_module({module!r}); {chain}"
    return [str(python), str(binary), "-c", code]


def import_environ(environ: Mapping[str, str], *, pex_root: Path) -> dict[str, str]:
    """Return the environment variables in which a binary is an interpreter, and unpacks itself into `pex_root`."""
    return {**pex_environ(environ), "PEX_INTERPRETER": "1", "PEX_ROOT": str(pex_root)}


def constraints(binary: Binary, interpreter: Interpreter) -> tuple[str, ...]:
    """Return the interpreter constraints of the binary; by default, the minor version that Poetry installed for.

    A lock may install different distributions on another minor version, so the binary is only right for this one.
    """
    return binary.interpreter_constraints or (_of_minor_version(interpreter),)


def _of_minor_version(interpreter: Interpreter) -> str:
    """The interpreter constraint that all Pythons of the same implementation and minor version satisfy."""
    return f"{interpreter.implementation}=={interpreter.minor}.*"


def check_constraints(binary: Binary, interpreter: Interpreter, *, key: str) -> None:
    """Raise `NoxPexError` `python-mismatch` if no constraint allows the Python that the binary is built for."""
    if not any(_allows(constraint, interpreter) for constraint in constraints(binary, interpreter)):
        wanted = " or ".join(binary.interpreter_constraints)
        problem = f"{key}.interpreter-constraints allows {wanted}, and the binary is for {interpreter.version}"
        raise NoxPexError(
            "python-mismatch", problem, "run the session on a Python that it allows, or widen the constraint"
        )


def _allows(constraint: str, interpreter: Interpreter) -> bool:
    try:
        requirement = Requirement(constraint)
        name, specifier = requirement.name, requirement.specifier
    except InvalidRequirement:
        try:
            name, specifier = "", SpecifierSet(constraint)
        except InvalidSpecifier:
            return True  # pex knows more forms (`CPython+t`), and checks them itself
    wanted, given = (text.partition("+")[0].partition("-")[0] for text in (name, interpreter.implementation))
    return wanted in ("", given) and specifier.contains(interpreter.version)


def _python_command(interpreters: Sequence[Interpreter]) -> str:
    """The command that starts the PEX: `python3` if it is for several minor versions; it then finds the right one."""
    names = {f"{'pypy' if i.implementation == 'PyPy' else 'python'}{i.minor}" for i in interpreters}
    return names.pop() if len(names) == 1 else "python3"


def _entry_options(binary: Binary, inputs: PexInputs) -> Sequence[str]:
    if inputs.entry_point is not None:
        return ("--entry-point", inputs.entry_point)
    if binary.script is not None:
        return ("--console-script", binary.script)
    return ("--executable", str(inputs.executable)) if inputs.executable is not None else ()


def _format_options(binary: Binary) -> Iterator[str]:
    yield from ("--layout", binary.layout)
    if binary.execution_mode == "venv":
        # One argument: pex takes an argument after a bare --venv for its value.
        yield "--venv" if binary.venv_bin_path is None else f"--venv={binary.venv_bin_path}"
    yield from _flags(
        ("--sh-boot", binary.sh_boot),
        ("--compress", binary.compress),
        ("--compile", binary.compile),
        ("--pre-install-wheels", binary.pre_install_wheels is not False),
        ("--strip-pex-env", binary.strip_pex_env),
        ("--emit-warnings", binary.emit_warnings),
        ("--venv-copies", binary.venv_copies),
        ("--venv-site-packages-copies", binary.venv_site_packages_copies),
    )
    if not binary.venv_hermetic_scripts:
        yield "--non-hermetic-venv-scripts"
    if binary.include_tools:
        yield "--include-tools"
    yield from ("--max-install-jobs", str(binary.max_install_jobs), "--check", binary.check)
    if binary.runtime_pex_root is not None:
        yield from ("--runtime-pex-root", binary.runtime_pex_root)
    for excluded in binary.exclude:
        yield from ("--exclude", excluded)


def _flags(*flags: tuple[str, bool]) -> Iterable[str]:
    return (flag if wanted else flag.replace("--", "--no-", 1) for flag, wanted in flags)


def _inject_options(binary: Binary) -> Iterator[str]:
    # pex splits the values as a shell does. With `=`, a value that begins with a dash is not taken for an option.
    yield from (f"--inject-args={shlex.quote(argument)}" for argument in binary.inject_args)
    yield from (f"--inject-python-args={shlex.quote(argument)}" for argument in binary.inject_python_args)


def inject_environ(binary: Binary) -> dict[str, str]:
    """Return the environment variables with which the command line of `pex_argv` gets the values of `inject-env`."""
    return {_INJECT_ENV: json.dumps(sorted(binary.inject_env.items()))} if binary.inject_env else {}
