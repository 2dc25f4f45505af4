"""The layers that nox-pex adds to a base image without an engine, and how the container starts."""
