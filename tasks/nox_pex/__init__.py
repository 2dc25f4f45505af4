"""Reusable Nox sessions that turn a Poetry project into one PEX file and prove that the file works.

Nox is imported when `register` is first read: the script `nox-pex` runs where Nox is not needed, and must start fast.
"""

from typing import TYPE_CHECKING, Any

from nox_pex.system import import_path
from nox_pex.system.lazy import imported
from nox_pex.version import __version__

if TYPE_CHECKING:
    from nox_pex.errors import NoxPexError
    from nox_pex.sessions import register

__all__ = ["NoxPexError", "__version__", "register"]


if not TYPE_CHECKING:  # or every name would be an attribute to the type checker

    def __getattr__(name: str) -> Any:
        """Return a public name of another module, which is imported for it, or a module that has one."""
        modules = {"NoxPexError": "errors", "register": "sessions"}
        if name not in {*modules, *modules.values(), "smoke"}:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg, name=name)
        with import_path.without():
            module = imported(f"{__name__}.{modules.get(name, name)}")
        return getattr(module, name) if name in modules else module

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
