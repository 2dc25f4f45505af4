"""A small CI system: it runs the shell steps of workflow files, and imitates the actions that they use."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.support.commands import run
from tests.support.digests import digest
from tests.support.nox_project import Project

_EXPRESSION: Final = re.compile(r"\$\{\{ (.+?) \}\}")
_OF_GITHUB: Final = {"RUNNER_OS": "Linux", "RUNNER_ARCH": "X64"}
_ENDINGS: Final = ("pex.json", "requirements.txt", "smoke.json", "smoke.xml", "verify.json")


class Runner(Struct, frozen=True, kw_only=True):
    """Runs jobs, each in a fresh clone with a separate home. They share only `storage`: caches and artifacts.

    `programs` is the directory of a Python with Nox and nox-pex, as `pip install` leaves it.
    """

    repository: Project
    programs: Path
    storage: Path

    def job(self, name: str) -> Job:
        """Clone the repository for a job."""
        root = self.storage / "jobs" / name
        (root / "home").mkdir(parents=True)
        result = run(["git", "clone", "-q", str(self.repository.root), str(root / "clone")], cwd=root, env=os.environ)
        assert result.status == 0, result.output
        without = ("PYTHONPATH", "NOX_PEX_CACHE_DIR")
        environ = {key: value for key, value in self.repository.environ.items() if key not in without}
        path = os.pathsep.join([str(self.programs), environ["PATH"]])
        of_the_job = {"HOME": str(root / "home"), "PATH": path, "CI": "true", **_OF_GITHUB, **_index_configuration()}
        return Job(runner=self, clone=root / "clone", environ={**environ, **of_the_job})

    def binary_digests(self, directory: Path) -> dict[str, str]:
        """The digest of each binary below a directory, by name. Each must have its record and reports next to it."""
        found = {path.name: path for path in directory.rglob("*") if path.is_file()}
        names = [name.removesuffix(".pex") for name in found if name.endswith(".pex")]
        assert found.keys() >= {f"{name}.{ending}" for name in names for ending in _ENDINGS}
        assert found.keys() >= {f"pylock.{name}.toml" for name in names}
        return {name: digest(found[f"{name}.pex"]) for name in names}


class Job(Struct, frozen=True, kw_only=True):
    """One job. `values` are those of a workflow's expressions: given ones, and the outputs of the steps so far.

    `new_caches` are the caches to store at the end of the job, and the paths in the home that each contains.
    """

    runner: Runner
    clone: Path
    environ: Mapping[str, str]
    values: dict[str, str] = msgspec.field(default_factory=dict)
    new_caches: dict[Path, list[str]] = msgspec.field(default_factory=dict)

    def shell(self, script: str, variables: Mapping[str, str]) -> None:
        """Run a script as GitHub and GitLab do. It must succeed."""
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=self.clone,
            env={**self.environ, **variables},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert result.returncode == 0, f"{script}\n{result.stdout}\n{result.stderr}"

    def upload(self, patterns: list[str], artifact: str) -> None:
        """Store the files of the clone that `patterns` match, by their paths in it."""
        for found in (found for pattern in patterns for found in self.clone.glob(pattern) if found.is_file()):
            target = self.runner.storage / "artifacts" / artifact / found.relative_to(self.clone)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, target)

    def github(self, job: Mapping[str, Any], **values: str) -> None:
        """Run a job of a GitHub workflow. `values` are those of expressions, with `_` for every other character."""
        self.values.update(values)
        variables = {key: self._expand(value) for key, value in job.get("env", {}).items()}
        actions = {
            "checkout": lambda _: None,
            "setup-python": lambda _: None,
            "cache": self._restore_cache,
            "upload-artifact": lambda inputs: self.upload(inputs["path"].split(), inputs["name"]),
            "download-artifact": self._download,
        }
        for step in job["steps"]:
            if "run" in step:
                self._run(step, variables)
            else:
                inputs = {
                    key: self._expand(value) for key, value in step.get("with", {}).items() if isinstance(value, str)
                }
                actions[step["uses"].removeprefix("actions/").partition("@")[0]](inputs)
        for cache, paths in self.new_caches.items():
            for path in (path for path in paths if (Path(self.environ["HOME"]) / path).is_dir()):
                shutil.copytree(Path(self.environ["HOME"]) / path, cache / path, symlinks=True)

    def action(self, action: Mapping[str, Any], **inputs: str) -> None:
        """Run a composite action with these inputs, and the default values of the others. It changes no directory."""
        given = {name: inputs.pop(name.replace("-", "_"), each["default"]) for name, each in action["inputs"].items()}
        assert not inputs
        values = {f"inputs_{re.sub(r'[^a-z]', '_', name)}": value for name, value in given.items()}
        self.github({"steps": action["runs"]["steps"]}, **values)

    def _run(self, step: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        output = self.clone.parent / "output"
        output.write_text("", "utf-8")
        own = {key: self._expand(value) for key, value in step.get("env", {}).items()}
        self.shell(self._expand(step["run"]), {**variables, **own, "GITHUB_OUTPUT": str(output)})
        for key, _, value in (line.partition("=") for line in output.read_text("utf-8").splitlines()):
            self.values[f"steps_{step['id']}_outputs_{key}"] = value

    def _restore_cache(self, inputs: Mapping[str, str]) -> None:
        assert inputs["key"].startswith(inputs["restore-keys"])
        cache = self.runner.storage / "caches" / inputs["key"]
        if cache.is_dir():
            shutil.copytree(cache, self.environ["HOME"], symlinks=True, dirs_exist_ok=True)
        else:
            self.new_caches[cache] = [path.removeprefix("~/") for path in inputs["path"].split()]

    def _download(self, inputs: Mapping[str, str]) -> None:
        for artifact in (self.runner.storage / "artifacts").glob(inputs["pattern"]):
            shutil.copytree(artifact, self.clone / inputs["path"], dirs_exist_ok=True)

    def _expand(self, text: str) -> str:
        """Replace the expressions in a text by their values."""
        return _EXPRESSION.sub(lambda match: self.values[re.sub(r"\W", "_", match[1])], text)


def _index_configuration() -> Mapping[str, str]:
    """The variable by which pip in a job finds this machine's package index, if the user has configured one."""
    file = Path.home() / ".config" / "pip" / "pip.conf"
    return {"PIP_CONFIG_FILE": str(file)} if file.exists() else {}
