"""The predicate of a build: SLSA "Provenance" v1. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.evidence.materials import Material
from nox_pex.evidence.tool_files import ToolFile
from nox_pex.pex.repository import SourceRef


class Build(Struct, frozen=True, kw_only=True):
    """Everything that the provenance of a binary says.

    `record` is its build record. `source` are the repository and the ref of the checkout. `materials` are the locked
    files of its distributions, `tools` the files of Poetry and pex, `python` is the Python that pex ran on.
    `builder_id` is the setting, and `overrides` are the options of the command line that changed the build.
    """

    record: Mapping[str, Any]
    binary: str
    source: SourceRef
    materials: Sequence[Material]
    tools: Sequence[ToolFile]
    python: Interpreter
    builder_id: str | None = None
    overrides: Mapping[str, Any] = {}


def predicate(build: Build) -> dict[str, Any]:
    """Return the predicate. Raises `OSError` if the file of the Python cannot be read."""
    raise NotImplementedError
