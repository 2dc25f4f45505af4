"""Run by the pinned Poetry's own Python: what would Poetry install on another platform, and fetch some of it.

`python in_poetry.py REQUEST WORDS…`: Poetry runs with WORDS for each target of the JSON file REQUEST, with all that is
Poetry's own (its reading of the lock and of every lock version, its groups, extras, markers, sources, credentials and
plugins), but in an empty environment that has the target's markers and tags; and where it would begin to install, what
it would install is written down instead. It imports nothing of nox-pex.

REQUEST: `targets`, a list of objects as `Platform.as_json` gives; `fetch`, a list of objects with `name`, `version`,
`file` and `hash` (no file: a package from Git); `into`, a directory; `answer`, the JSON file to write: for each target
its packages.
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
except ImportError:  # an older Poetry
    from poetry.utils.helpers import download_file

AT_ONCE = 8
"""Files that are fetched at a time."""


class TargetEnv(NullEnv):  # type: ignore[misc]  # Poetry is not there for a type checker
    """An empty environment of another platform."""

    def __init__(self, described: dict[str, Any]) -> None:
        super().__init__()
        self.described = described

    @property
    def release(self) -> tuple[int, int, int]:
        """The version of its Python."""
        version = Version.parse(self.described["marker_environment"]["python_full_version"])
        return (version.major, version.minor or 0, version.patch or 0)

    def get_marker_env(self) -> dict[str, Any]:
        """What markers are judged by."""
        markers = self.described["marker_environment"]
        short = {"CPython": "cp", "PyPy": "pp"}.get(markers["platform_python_implementation"], "py")
        own = {
            "version_info": (*self.release, "final", 0),
            "interpreter_name": short,
            "interpreter_version": "".join(map(str, self.release[:2])),
            "free_threading": self.described["compatible_tags"][0].split("-")[1].endswith("t"),
        }
        return {**super().get_marker_env(), **own, **markers}

    def get_supported_tags(self) -> list[Any]:
        """The tags of wheels, the most specific first."""
        return [tag for text in self.described["compatible_tags"] for tag in parse_tag(text)]


def as_json(package: Any) -> dict[str, Any]:
    """A package that Poetry would install, as the lock has it."""
    return {
        "name": package.name,
        "version": str(package.version),
        "source": package.source_type,
        "url": package.source_url,
        "subdirectory": package.source_subdirectory,
        "files": [[file["file"], file["hash"]] for file in package.files],
    }


def fetch(poetry: Any, package: Any, wanted: dict[str, Any], into: Path) -> str | None:
    """Fetch one file (or clone) of a package; a line in Poetry's own words where that fails."""
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
        while piece := file.read(1 << 18):
            hasher.update(piece)
    if hasher.hexdigest() != expected:
        return f"Hash for {package.name} ({package.version}) from archive {name} not found in known hashes"
    return None


def main() -> None:
    """Ask Poetry; ends with its exit status where it refuses."""
    request = json.loads(Path(sys.argv.pop(1)).read_text("utf-8"))
    wanted: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in request["fetch"]:
        wanted.setdefault((one["name"], one["version"]), []).append(one)
    answers: list[list[dict[str, Any]]] = []
    for described in request["targets"]:
        application = Application()
        application.auto_exits(False)
        environment = TargetEnv(described)

        def judged(manager: Any, *_: Any, environment: TargetEnv = environment, **__: Any) -> TargetEnv:
            package = manager._poetry.package  # noqa: SLF001  # Poetry's own check, which the manager would make
            version = ".".join(map(str, environment.release))
            if not package.python_constraint.allows(Version.parse(version)):
                allowed = package.python_versions
                msg = f"Current Python version ({version}) is not allowed by the project ({allowed})."
                raise RuntimeError(msg)
            return environment

        def written(_: Any, operations: list[Any], application: Any = application) -> int:
            packages = [operation.package for operation in operations if not operation.skipped]
            answers.append([as_json(package) for package in packages])
            left = [
                (package, one)
                for package in packages
                for one in wanted.pop((package.name, str(package.version)), ())  # fetched once, for whichever target
            ]
            with ThreadPoolExecutor(AT_ONCE) as threads:
                into = Path(request["into"])
                failures = list(threads.map(lambda each: fetch(application.poetry, each[0], each[1], into), left))
            for line in filter(None, failures):
                print(line)  # noqa: T201  # as Poetry itself does
            return 1 if any(failures) else 0

        EnvManager.create_venv = judged
        InstalledRepository.load = classmethod(lambda repository, *_, **__: repository())
        Executor.execute = written
        if status := application.run():
            sys.exit(status)
    Path(request["answer"]).write_text(json.dumps(answers), "utf-8")


if __name__ == "__main__":
    main()
