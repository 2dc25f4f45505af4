"""Reusable Nox sessions that turn a Poetry project into one PEX file and prove that the file works."""

from nox_pex.system import import_path

with import_path.without():
    from nox_pex.errors import NoxPexError
    from nox_pex.sessions import register
    from nox_pex.version import __version__

__all__ = ["NoxPexError", "__version__", "register"]
