"""The `[tool.nox-pex]` table."""
