"""Find out what Poetry would install on other platforms, and fetch some of it. Runs on the Python of Poetry.

`python poetry_script.py REQUEST ARGUMENTS…` runs Poetry with ARGUMENTS for each target in the JSON file REQUEST. All
of Poetry works as usual: every lock version, groups, extras, markers, sources, credentials and plugins. But its
environment is empty and has the markers and tags of the target, and the packages that Poetry would install are recorded
instead of installed. This file imports nothing of nox-pex.

REQUEST has these keys. `targets`: a list of objects as in `Platform.as_json`. `fetch`: a list of objects with `name`,
`version`, `file` and `hash`; `file` is null for a package from Git. `into`: the directory for fetched files. `answer`:
the JSON file to write, with a list of packages (`as_json`) for each target.
"""

from __future__ import annotations

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.tags import parse_tag
from poetry.console.application import Application
from poetry.core.constraints.version import Version
from poetry.installation.executor import Executor
from poetry.repositories.installed_repository import InstalledRepository
from poetry.utils.authenticator import Authenticator
from poetry.utils.env import EnvManager
from poetry.utils.env.null_env import NullEnv
from poetry.vcs.git import Git

try:
    from poetry.utils.download import download_file
except ImportError:  # older versions of Poetry
    from poetry.utils.helpers import download_file

PARALLEL_DOWNLOADS = 8


class _TargetEnv(NullEnv):  # type: ignore[misc]  # Poetry is not installed for the type checker
    """An empty environment of another platform. `description` is as in `Platform.as_json`."""

    def __init__(self, description: dict[str, Any]) -> None:
        super().__init__()
        self.description = description

    @property
    def release(self) -> tuple[int, int, int]:
        """The version of its Python."""
        version = Version.parse(self.description["marker_environment"]["python_full_version"])
        return (version.major, version.minor or 0, version.patch or 0)

    def get_marker_env(self) -> dict[str, Any]:
        """The values of the environment markers, and what Poetry derives from its own interpreter."""
        markers = self.description["marker_environment"]
        short = {"CPython": "cp", "PyPy": "pp"}.get(markers["platform_python_implementation"], "py")
        derived = {
            "version_info": (*self.release, "final", 0),
            "interpreter_name": short,
            "interpreter_version": "".join(map(str, self.release[:2])),
            "free_threading": self.description["compatible_tags"][0].split("-")[1].endswith("t"),
        }
        return {**super().get_marker_env(), **derived, **markers}

    def get_supported_tags(self) -> list[Any]:
        """The tags of compatible wheels, the most specific first."""
        return [tag for text in self.description["compatible_tags"] for tag in parse_tag(text)]


def as_json(package: Any) -> dict[str, Any]:
    """A package in the lock that Poetry would install."""
    return {
        "name": package.name,
        "version": str(package.version),
        "source": package.source_type,
        "url": package.source_url,
        "subdirectory": package.source_subdirectory,
        "files": [[file["file"], file["hash"]] for file in package.files],
    }


def fetch(poetry: Any, package: Any, wanted: dict[str, Any], into: Path) -> str | None:
    """Fetch the file `wanted` of a package, or clone its repository, into the directory `into`.

    Returns None, or a line that is worded as Poetry's own error.
    """
    if package.source_type == "git":
        Git.clone(
            url=package.source_url,
            name=package.name,
            source_root=into,
            revision=package.source_resolved_reference or package.source_reference,
        )
        return None
    name = wanted["file"]
    if package.source_type == "url":
        address = package.source_url
    else:
        if package.source_type:
            repository = poetry.pool.repository(package.source_reference)
        elif poetry.pool.has_repository("pypi"):
            repository = poetry.pool.repository("pypi")
        else:
            repository = poetry.pool.repositories[0]
        links = [link for link in repository.find_links_for_package(package) if link.filename == name]
        if not links:
            return f"Unable to find installation candidates for {package.name} ({package.version})"
        address = links[0].url
    download_file(address, into / name, session=Authenticator(poetry.config))
    algorithm, _, expected = wanted["hash"].partition(":")
    with (into / name).open("rb") as file:
        hasher = hashlib.new(algorithm)
        while chunk := file.read(1 << 18):
            hasher.update(chunk)
    if hasher.hexdigest() != expected:
        return f"Hash for {package.name} ({package.version}) from archive {name} not found in known hashes"
    return None


def main() -> None:
    """Run Poetry for each target and write the answer. Exits with the status of Poetry if that fails."""
    request = json.loads(Path(sys.argv.pop(1)).read_text("utf-8"))
    wanted: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in request["fetch"]:
        wanted.setdefault((entry["name"], entry["version"]), []).append(entry)
    answers: list[list[dict[str, Any]]] = []
    for description in request["targets"]:
        application = Application()
        application.auto_exits(False)
        environment = _TargetEnv(description)

        def create_venv(manager: Any, *_: Any, environment: _TargetEnv = environment, **__: Any) -> _TargetEnv:
            package = manager._poetry.package  # noqa: SLF001  # Poetry has no public way to it
            version = ".".join(map(str, environment.release))
            if not package.python_constraint.allows(Version.parse(version)):
                allowed = package.python_versions
                msg = f"Current Python version ({version}) is not allowed by the project ({allowed})."
                raise RuntimeError(msg)
            return environment

        def execute(_: Any, operations: list[Any], application: Any = application) -> int:
            packages = [operation.package for operation in operations if not operation.skipped]
            answers.append([as_json(package) for package in packages])
            downloads = [
                (package, entry)
                for package in packages
                for entry in wanted.pop((package.name, str(package.version)), ())  # once, for all targets
            ]
            with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as threads:
                into = Path(request["into"])
                failures = list(threads.map(lambda pair: fetch(application.poetry, pair[0], pair[1], into), downloads))
            for line in filter(None, failures):
                print(line)  # noqa: T201  # where Poetry prints its errors
            return 1 if any(failures) else 0

        EnvManager.create_venv = create_venv
        InstalledRepository.load = classmethod(lambda repository, *_, **__: repository())
        Executor.execute = execute
        if status := application.run():
            sys.exit(status)
    Path(request["answer"]).write_text(json.dumps(answers), "utf-8")


if __name__ == "__main__":
    main()
