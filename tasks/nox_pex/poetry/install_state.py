"""The state file of an install: what was installed into an environment, and from which inputs.

It is next to the environment and not in it, because a distribution may install any file there. A file that does not
have this form counts as missing, and the install is done again.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from pathlib import Path

import msgspec
from msgspec import Struct

from nox_pex.distributions.environment import Environment
from nox_pex.system import files


class PathDependencies(Struct, frozen=True, kw_only=True):
    """The path dependencies of the lock with the digest `lock`: `paths` from the project's directory, by name.

    `renamed` are the distributions whose metadata has another name than the lock: that name, and the name in the lock.
    """

    lock: str
    paths: dict[str, str]
    renamed: dict[str, str] = {}


class InstallState(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A finished install: the key of its `selection`, its inputs, and a snapshot of its distributions.

    `top` are the names at the top of its site-packages. `id` changes with each install. `seconds` is how long it took.
    `files` are digests of the locked files of each distribution (`Lock.file_digests`).
    """

    selection: str
    id: str
    inputs: dict[str, dict[str, str]]
    path_dependencies: PathDependencies
    distributions: dict[str, list[str | None]]
    top: list[str]
    seconds: float
    files: dict[str, str] = {}


def state_file(environment: Environment) -> Path:
    """Return the path of the state file. If it does not exist, the install did not finish."""
    return environment.path.with_name(f".{environment.path.name}.json")


def read(environment: Environment) -> InstallState | None:
    """Return the state of the last install into `environment`; None if it did not finish, or cannot be read."""
    try:
        state = msgspec.convert(files.read_json(state_file(environment)), InstallState)
    except msgspec.ValidationError:
        return None
    return state if "paths" in state.inputs else None


def write(environment: Environment, state: InstallState) -> None:
    """Write the state of a finished install."""
    files.write_json(state_file(environment), msgspec.to_builtins(state))


def remove(environment: Environment) -> None:
    """Remove the state, because the content of the environment is about to change."""
    files.remove(state_file(environment))
