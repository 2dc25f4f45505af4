"""What runs the jobs of CI systems here: the shell steps for real, and as much else as the workflow files use."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nox_pex.system import files
from tests.support.harness import Project, run

_EXPRESSION: Final = re.compile(r"\$\{\{ (.+?) \}\}")
_ENDINGS: Final = ("pex.json", "requirements.txt", "smoke.json", "smoke.xml", "verify.json")


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs jobs, each in a fresh clone with a home of its own, which share `kept` (caches, artifacts) and no more.

    `programs` is the directory of a Python that has Nox and nox-pex, as `pip install` leaves it.
    """

    repository: Project
    programs: Path
    kept: Path

    def job(self, name: str) -> Job:
        root = self.kept / "jobs" / name
        (root / "home").mkdir(parents=True)
        result = run(["git", "clone", "-q", str(self.repository.root), str(root / "clone")], cwd=root, env=os.environ)
        assert result.status == 0, result.output
        without = ("PYTHONPATH", "NOX_PEX_CACHE_DIR")
        environ = {key: value for key, value in self.repository.environ.items() if key not in without}
        path = os.pathsep.join([str(self.programs), environ["PATH"]])
        own = {"HOME": str(root / "home"), "PATH": path, "CI": "true", **_index()}
        return Job(runner=self, clone=root / "clone", environ={**environ, **own})

    def proven(self, directory: Path) -> dict[str, str]:
        """The digest of each binary below a directory, by name; each must have come with its record and reports."""
        found = {path.name: path for path in directory.rglob("*") if path.is_file()}
        names = [name.removesuffix(".pex") for name in found if name.endswith(".pex")]
        assert found.keys() >= {f"{name}.{ending}" for name in names for ending in _ENDINGS}
        return {name: files.digest(found[f"{name}.pex"]) for name in names}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job. `values` are those of a workflow's expressions: given ones, and what steps have put out so far."""

    runner: Runner
    clone: Path
    environ: Mapping[str, str]
    values: dict[str, str] = field(default_factory=dict)
    caches: dict[Path, list[str]] = field(default_factory=dict)

    def shell(self, script: str, variables: Mapping[str, str]) -> None:
        """Run a script as the systems do; it must succeed."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=self.clone,
            env={**self.environ, **variables},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"

    def put(self, patterns: list[str], artifact: str) -> None:
        """Keep what `patterns` match in the clone, by its path in it."""
        for found in (found for pattern in patterns for found in self.clone.glob(pattern) if found.is_file()):
            target = self.runner.kept / "artifacts" / artifact / found.relative_to(self.clone)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, target)

    def github(self, job: Mapping[str, Any], **values: str) -> None:
        """Run a job of GitHub's; `values` are those of expressions, with `_` for each other character."""
        self.values.update(values)
        variables = {key: self._filled(value) for key, value in job.get("env", {}).items()}
        for step in job["steps"]:
            if "run" in step:
                self._run(step, variables)
            else:
                actions = {
                    "checkout": lambda _: None,
                    "setup-python": lambda _: None,
                    "cache": self._restore,
                    "upload-artifact": lambda given: self.put(given["path"].split(), given["name"]),
                    "download-artifact": self._download,
                }
                given = {key: self._filled(value) for key, value in step.get("with", {}).items() if value is not True}
                actions[step["uses"].removeprefix("actions/").partition("@")[0]](given)
        for cache, paths in self.caches.items():
            for path in (path for path in paths if (Path(self.environ["HOME"]) / path).is_dir()):
                shutil.copytree(Path(self.environ["HOME"]) / path, cache / path, symlinks=True)

    def _run(self, step: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        output = self.clone.parent / "output"
        output.write_text("", "utf-8")
        self.shell(self._filled(step["run"]), {**variables, "GITHUB_OUTPUT": str(output)})
        for key, _, value in (line.partition("=") for line in output.read_text("utf-8").splitlines()):
            self.values[f"steps_{step['id']}_outputs_{key}"] = value

    def _restore(self, given: Mapping[str, str]) -> None:
        assert given["key"].startswith(given["restore-keys"])
        cache = self.runner.kept / "caches" / given["key"]
        if cache.is_dir():
            shutil.copytree(cache, self.environ["HOME"], symlinks=True, dirs_exist_ok=True)
        else:
            self.caches[cache] = [path.removeprefix("~/") for path in given["path"].split()]

    def _download(self, given: Mapping[str, str]) -> None:
        for artifact in (self.runner.kept / "artifacts").glob(given["pattern"]):
            shutil.copytree(artifact, self.clone / given["path"], dirs_exist_ok=True)

    def _filled(self, text: str) -> str:
        return _EXPRESSION.sub(lambda match: self.values[re.sub(r"\W", "_", match[1])], text)


def _index() -> Mapping[str, str]:
    """What tells pip in a job of this machine's package index, which may stand in a file of the user's."""
    file = Path.home() / ".config" / "pip" / "pip.conf"
    return {"PIP_CONFIG_FILE": str(file)} if file.exists() else {}
