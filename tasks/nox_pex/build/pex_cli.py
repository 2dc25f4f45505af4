"""pex's command lines, the environment that it runs under, and its failures. Nothing here starts anything."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.settings.model import Binary
from nox_pex.system.command import Outcome
from nox_pex.system.environ import EPOCH, UTF_8, tool_environ
from nox_pex.tools.index_failures import network_failure


@dataclass(frozen=True, kw_only=True)
class PexInputs:
    """What goes into a PEX.

    `repository` is the dependency PEX to take distributions from, `pins` a file with the `name==version` of each,
    `wheels` those of the project and of what is installed for editing, `sources` a directory of loose sources,
    `executable` the script file of an `executable` binary, `python_path` the directory of the interpreter that builds.
    `platforms` are files that describe the targets; none for that interpreter itself.
    """

    repository: Path
    pins: Path
    python_path: Path
    wheels: tuple[Path, ...] = ()
    sources: Path | None = None
    executable: Path | None = None
    platforms: tuple[Path, ...] = ()


_TARGETS_ALONE: Final = """\
from pex.bin import pex
from pex.orderedset import OrderedSet
from pex.resolve.target_configuration import InterpreterConfiguration
InterpreterConfiguration.resolve_interpreters = lambda self: OrderedSet()
pex.main()
"""
"""Runs pex for nothing but the `--complete-platform`s. By itself it takes an interpreter constraint to mean every local
interpreter that satisfies it too, and refuses one that none satisfies; here it is what is noted for the start alone."""


@dataclass(frozen=True, kw_only=True)
class WheelFormat:
    """How distributions lie in a dependency PEX."""

    pre_install_wheels: bool
    compress: bool


def argv(
    binary: Binary,
    *,
    python: Path,
    output: Path,
    inputs: PexInputs,
    interpreters: Sequence[Interpreter],
    pex_root: Path,
) -> list[str]:
    """Pex's command line for `binary`, run by the interpreter `python`, whose environment has pex.

    `interpreters` are the Pythons that it is for.
    Always `--pre`, since what is pinned is pinned; always a requirements file, since without one pex takes all that is
    in the environment; always a shebang and a constraint, since their defaults depend on the Python that runs pex.
    """
    program = ["-c", _TARGETS_ALONE] if inputs.platforms else ["-m", "pex"]
    words = [str(python), *program, "--output-file", str(output), "--pex-root", str(pex_root)]
    words += ["--pex-repository", str(inputs.repository), "--requirement", str(inputs.pins), "--pre"]
    for wheel in inputs.wheels:
        words += ["--project", str(wheel)]
    if inputs.sources is not None:
        words += ["--sources-directory", str(inputs.sources)]
    words += ["--python-path", str(inputs.python_path)]
    for platform in inputs.platforms:
        words += ["--complete-platform", str(platform)]
    for constraint in dict.fromkeys(one for interpreter in interpreters for one in constraints(binary, interpreter)):
        words += ["--interpreter-constraint", constraint]
    words += ["--python-shebang", binary.python_shebang or f"/usr/bin/env {_command(interpreters)}"]
    words += _entry(binary, inputs)
    words += _shape(binary)
    words += _injections(binary)
    return [*words, *binary.pex_args]


def repository_argv(
    *, python: Path, output: Path, environment: Path, pins: Path, wheel_format: WheelFormat, pex_root: Path
) -> list[str]:
    """Pex's command line for a dependency PEX: just what `pins` names, from `environment`.

    Without targets: pex 2.105 refuses an environment for a target as soon as one of its wheels is for Python 2 too.
    """
    words = [str(python), "-m", "pex", "--output-file", str(output), "--pex-root", str(pex_root)]
    words += ["--venv-repository", str(environment), "--requirement", str(pins), "--pre"]
    words += ["--layout", "packed"]
    return [
        *words,
        *_flags(("--compress", wheel_format.compress), ("--pre-install-wheels", wheel_format.pre_install_wheels)),
    ]


def wheels_argv(
    *,
    python: Path,
    output: Path,
    wheels: Sequence[Path],
    pins: Path,
    overrides: Iterable[str],
    platforms: Sequence[Path],
    wheel_format: WheelFormat,
    pex_root: Path,
) -> list[str]:
    """Pex's command line for a dependency PEX of `wheels`, for the targets that the files `platforms` describe.

    `overrides` are the pins of what has several versions, one for each target: without them a distribution that is
    content with any gets the newest, beside the one that is pinned. They go over into whatever is taken from it.
    """
    words = [str(python), "-m", "pex", "--output-file", str(output), "--pex-root", str(pex_root)]
    for wheel in wheels:
        words += ["--pre-resolved-dist", str(wheel)]
    for platform in platforms:
        words += ["--complete-platform", str(platform)]
    for override in overrides:
        words += ["--override", override]
    words += ["--requirement", str(pins), "--pre", "--layout", "packed"]
    return [
        *words,
        *_flags(("--compress", wheel_format.compress), ("--pre-install-wheels", wheel_format.pre_install_wheels)),
    ]


def environ(environ: Mapping[str, str]) -> dict[str, str]:
    """What pex runs under: none of the user's `.pexrc`, and a fixed date, so that the bytes are the same everywhere.

    Nor `XDG_CACHE_HOME`: pex would write it into the binary, as the place of the cache that it unpacks itself in.
    """
    kept = {name: value for name, value in tool_environ(environ).items() if name != "XDG_CACHE_HOME"}
    return {**kept, **UTF_8, "PEX_IGNORE_RCFILES": "1", "SOURCE_DATE_EPOCH": EPOCH}


def failure(outcome: Outcome, *, of: str) -> NoxPexError:
    """The error for a pex that failed at building `of`."""
    last = outcome.tail[-1].strip() if outcome.tail else "it said nothing"
    problem = f"pex could not build {of} (exit status {outcome.status}): {last}"
    return network_failure(problem, outcome) or NoxPexError(
        "build-failed", problem, "read pex's last lines above; --verbose shows its command line", log=outcome.tail
    )


def constraints(binary: Binary, interpreter: Interpreter) -> tuple[str, ...]:
    """The interpreters that the binary may run on; by default the minor version that Poetry installed for.

    A lock may install other things on another minor version, so a binary made here is only right for this one.
    """
    return binary.interpreter_constraints or (f"{interpreter.implementation}=={interpreter.minor}.*",)


def check_constraints(binary: Binary, interpreter: Interpreter, *, key: str) -> None:
    """Raise `NoxPexError` `python-mismatch` where no constraint allows the Python that the binary is built with."""
    if not any(_allows(constraint, interpreter) for constraint in constraints(binary, interpreter)):
        wanted = " or ".join(binary.interpreter_constraints)
        problem = f"{key}.interpreter-constraints allows {wanted}, and the binary is for {interpreter.version}"
        raise NoxPexError("python-mismatch", problem, "run the session on a Python that it allows, or widen it")


def _allows(constraint: str, interpreter: Interpreter) -> bool:
    try:
        requirement = Requirement(constraint)
        name, specifier = requirement.name, requirement.specifier
    except InvalidRequirement:
        try:
            name, specifier = "", SpecifierSet(constraint)
        except InvalidSpecifier:
            return True  # pex's own grammar is wider (`CPython+t`); it judges
    wanted, given = (text.partition("+")[0].partition("-")[0] for text in (name, interpreter.implementation))
    return wanted in ("", given) and specifier.contains(interpreter.version)


def _command(interpreters: Sequence[Interpreter]) -> str:
    """What the Python is called; with several minor versions the one that is everywhere, which then finds its own."""
    names = {f"{'pypy' if i.implementation == 'PyPy' else 'python'}{i.minor}" for i in interpreters}
    return names.pop() if len(names) == 1 else "python3"


def _entry(binary: Binary, inputs: PexInputs) -> Sequence[str]:
    if binary.script is not None:
        return ("--console-script", binary.script)
    if binary.entry_point is not None:
        return ("--entry-point", binary.entry_point)
    return ("--executable", str(inputs.executable))


def _shape(binary: Binary) -> Iterator[str]:
    yield from ("--layout", binary.layout)
    if binary.execution_mode == "venv":
        # One word: pex reads a word after a bare --venv as its value.
        yield "--venv" if binary.venv_bin_path is None else f"--venv={binary.venv_bin_path}"
    yield from _flags(
        ("--sh-boot", binary.sh_boot),
        ("--compress", binary.compress),
        ("--compile", binary.compile),
        ("--pre-install-wheels", binary.pre_install_wheels),
        ("--strip-pex-env", binary.strip_pex_env),
        ("--emit-warnings", binary.emit_warnings),
        ("--venv-copies", binary.venv_copies),
        ("--venv-site-packages-copies", binary.venv_site_packages_copies),
    )
    if not binary.venv_hermetic_scripts:
        yield "--non-hermetic-venv-scripts"
    if binary.include_tools:
        yield "--include-tools"
    if binary.validate_entry_point:
        yield "--validate-entry-point"
    yield from ("--max-install-jobs", str(binary.max_install_jobs), "--check", binary.check)
    if binary.runtime_pex_root is not None:
        yield from ("--runtime-pex-root", binary.runtime_pex_root)
    for excluded in binary.exclude:
        yield from ("--exclude", excluded)


def _flags(*flags: tuple[str, bool]) -> Iterable[str]:
    return (flag if wanted else flag.replace("--", "--no-", 1) for flag, wanted in flags)


def _injections(binary: Binary) -> Iterator[str]:
    # pex splits these as a shell would; one word with `=` keeps a value that begins with a dash from being an option.
    yield from (f"--inject-args={shlex.quote(word)}" for word in binary.inject_args)
    yield from (f"--inject-python-args={shlex.quote(word)}" for word in binary.inject_python_args)
    yield from (f"--inject-env={name}={value}" for name, value in sorted(binary.inject_env.items()))
