"""How a binary starts its Python: the variables that this Python ignores, and whether it holds back what it prints.

Fact sources: pex 2.105 (`pex.interpreter.hermetic_args`, `pex.venv.venv_pex`, `boot` in `pex_boot.py`), and the page
"Command line and environment" of Python's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError
from nox_pex.settings.smoke import Smoke

_PATH: Final = "PYTHONPATH"


_UNBUFFERED: Final = "PYTHONUNBUFFERED"


_VARIABLES: Final = frozenset(
    {
        _PATH, _UNBUFFERED, "PYTHONASYNCIODEBUG", "PYTHONBREAKPOINT", "PYTHONCASEOK", "PYTHONCOERCECLOCALE",
        "PYTHONDEBUG", "PYTHONDEVMODE", "PYTHONDONTWRITEBYTECODE", "PYTHONEXECUTABLE", "PYTHONFAULTHANDLER",
        "PYTHONHASHSEED", "PYTHONHOME", "PYTHONINTMAXSTRDIGITS", "PYTHONIOENCODING", "PYTHONMALLOC",
        "PYTHONMALLOCSTATS", "PYTHONNODEBUGRANGES", "PYTHONOPTIMIZE", "PYTHONPERFSUPPORT", "PYTHONPLATLIBDIR",
        "PYTHONPROFILEIMPORTTIME", "PYTHONPYCACHEPREFIX", "PYTHONSTARTUP", "PYTHONTRACEMALLOC", "PYTHONUSERBASE",
        "PYTHONUTF8", "PYTHONVERBOSE", "PYTHONWARNDEFAULTENCODING", "PYTHONWARNINGS", "PYTHON_COLORS",
        "PYTHON_CPU_COUNT", "PYTHON_FROZEN_MODULES", "PYTHON_GIL", "PYTHON_JIT", "PYTHON_PERF_JIT_SUPPORT",
    }
)  # fmt: skip
"""The variables that Python ignores with `-I`.

The others are missing for a reason: pex reads PYTHONINSPECT, `zoneinfo` always reads PYTHONTZPATH, and `-I` includes
what PYTHONNOUSERSITE and PYTHONSAFEPATH ask for. PYTHON_VERSION, for example, is a name that images use.
"""


_UNBUFFERED_OPTION: Final = re.compile(r"-[A-VYZa-z]*u[A-Za-z]*")
"""Matches `-u`, alone or among other options of one letter. `-X` and `-W` have a value, such as `-Xutf8`."""


class PythonOptions(Struct, frozen=True, kw_only=True):
    """The settings of a binary that matter here.

    `unbuffered` says whether it starts its Python with `-u`, `takes_arguments` whether it could.
    """

    is_venv: bool = True
    hermetic: bool = True
    inherits_path: bool = False
    unbuffered: bool = False
    takes_arguments: bool = True

    def ignored(self, names: Collection[str]) -> list[str]:
        """Return those of the variables `names` that the binary's Python ignores, sorted."""
        restarts = _PATH in names and not self.inherits_path  # with `-I`, to get rid of PYTHONPATH
        isolated = self.hermetic if self.is_venv else restarts
        return sorted(_VARIABLES.intersection(names)) if isolated else []


def of_binary(binary: Path) -> PythonOptions | None:
    """Return the options in the PEX-INFO of `binary`. None if it is not a PEX: the smoke test reports that."""
    try:
        values = pex_file.info(binary).values
    except PexError:
        return None
    arguments = values.get("inject_python_args")
    return PythonOptions(
        is_venv=bool(values.get("venv", False)),
        hermetic=bool(values.get("venv_hermetic_scripts", True)),
        inherits_path=values.get("inherit_path", "false") not in (False, "false"),
        unbuffered=isinstance(arguments, list)
        and any(isinstance(each, str) and _UNBUFFERED_OPTION.fullmatch(each) for each in arguments),
        takes_arguments=values.get("script") is None,
    )


def warnings(options: PythonOptions, smoke: Smoke, *, environ: Mapping[str, str], key: str) -> Iterator[str]:
    """Yield a line for each setting with variables that have no effect. `key` is the dotted name of the binary's table.

    Only those of `pass-env` count that are in `environ`.
    """
    passed = {name for name in smoke.pass_env if name in environ}
    of_program = {*passed, *smoke.env}
    ignored = set(options.ignored(of_program))
    tables: list[tuple[str, Collection[str], set[str]]] = [
        ("pass-env", passed, ignored),
        ("env", smoke.env, ignored),
    ]
    for number, command in enumerate(smoke.command):
        tables.append((f"command[{number}].env", command.env, set(options.ignored({*of_program, *command.env}))))
    for name, variables, without_effect in tables:
        found = sorted(without_effect.intersection(variables))
        if found:
            yield (
                f"{', '.join(found)} in {key}.smoke.{name} {'has' if len(found) == 1 else 'have'} no effect on the "
                f"program: {_reason(options)}"
            )


def buffer_remedy(options: PythonOptions, env: Mapping[str, str]) -> str | None:
    """Return how to make the binary's Python write at once what it prints; None if it does so already.

    If standard output is a file, Python writes to it when its buffer of 8 KiB is full, or when the program ends by
    itself. `env` has the variables of the program.
    """
    if options.unbuffered:
        return None
    if _UNBUFFERED in options.ignored({*env, _UNBUFFERED}):
        if options.takes_arguments:
            return f'set inject-python-args = ["-u"] in the table of the binary ({_UNBUFFERED} has no effect on it)'
        return f'set venv-hermetic-scripts = false in the table of the binary, and {_UNBUFFERED} = "1" in `env`'
    return None if env.get(_UNBUFFERED) else f'set {_UNBUFFERED} = "1" in `env`'


def _reason(options: PythonOptions) -> str:
    if options.is_venv:
        return (
            "its Python is isolated (`venv-hermetic-scripts`); use `sources.include` and `inject-python-args`, or set "
            "venv-hermetic-scripts = false"
        )
    return "a PEX of the mode zipapp removes PYTHONPATH and restarts isolated; use `sources.include` instead of it"
