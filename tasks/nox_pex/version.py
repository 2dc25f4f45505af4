"""The version of nox-pex, which stands in `pyproject.toml` too."""

__version__ = "0.1.0"
