"""The version of nox-pex. `nox -s release` writes this file, with the version of `pyproject.toml`."""

__version__ = "0.1.0"
