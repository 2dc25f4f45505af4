"""The names in `register(requires=…)`: sessions of the noxfile that run before `pex`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import nox.registry

from nox_pex.errors import NoxPexError
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox._decorators import Func

    from nox_pex.system import wording
else:
    wording = lazy("nox_pex.system.wording")  # only needed for an error


class RequiredSession(str):
    """The name of one of the noxfile's own sessions, which is checked when Nox needs the session.

    That is after Nox has read the whole noxfile. Nox then calls `format` to replace `{python}`.
    """

    __slots__ = ()

    def format(self, *args: object, **values: object) -> str:
        """Return the name for a Python. Raises `SystemExit` with one line, `error[usage]`, if no session has it."""
        try:
            name = super().format(*args, **values)
        except (LookupError, ValueError, AttributeError) as error:
            problem = f"register(requires=…) cannot replace the braces in {str(self)!r}"
            refusal = NoxPexError("usage", problem, "write {python} for the Python, and {{ or }} for a brace")
            raise SystemExit(str(refusal)) from error
        if name != str(self) and values.get("python") is None:
            problem = f"register(requires=…) names {str(self)!r}, but register() got no Python"
            raise SystemExit(str(NoxPexError("usage", problem, 'add one, as in python="3.12", or remove {python}')))
        functions = nox.registry.get()
        if not any(_is_session(name, registered, function) for registered, function in functions.items()):
            problem = f"register(requires=…) names {name!r}, and the noxfile has no such session"
            remedy = wording.did_you_mean(name, functions, otherwise="its sessions are")
            raise SystemExit(str(NoxPexError("usage", problem, remedy)))
        return name


def _is_session(name: str, registered: str, function: Func) -> bool:
    """Whether `name`, perhaps with a Python and parameters, is one of the sessions that Nox makes of `registered`."""
    if not name.startswith(registered):
        return False
    pythons = [function.python] if isinstance(function.python, str) else function.python
    python, parenthesis, _ = name.removeprefix(registered).partition("(")
    known = {f"-{each}" for each in pythons} if isinstance(pythons, Collection) else set()
    return python in {"", *known} and (not parenthesis or hasattr(function, "parametrize"))
