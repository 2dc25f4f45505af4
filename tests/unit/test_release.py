"""The preparation of a release, and the check of its tag."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from nox_pex import site
from publishing import release

ROOT: Final = Path(__file__).resolve().parents[2]
TODAY: Final = dt.date(2027, 1, 31)
REPOSITORY: Final = "https://git.example/team/tool"
CHANGELOG: Final = """\
# Changelog

## [Unreleased]

### Added

- A second thing.

## [0.1.0] - 2026-12-24

### Added

- The first thing.

[Unreleased]: https://git.example/team/tool/compare/v0.1.0...main
[0.1.0]: https://git.example/team/tool/releases/tag/v0.1.0
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    project = f'[project]\nname = "tool"\nversion = "0.1.0"\n\n[project.urls]\nSource = "{REPOSITORY}"\n'
    (tmp_path / "pyproject.toml").write_text(project, "utf-8")
    (tmp_path / "tasks" / "nox_pex").mkdir(parents=True)
    (tmp_path / "tasks" / "nox_pex" / "version.py").write_text(release.version_module("0.1.0"), "utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
    (tmp_path / "docs" / "ci").mkdir(parents=True)
    (tmp_path / release.EXAMPLES).write_text("- uses: team/tool@v0.1.0\n", "utf-8")
    return tmp_path


def texts(checkout: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in checkout.rglob("*") if path.is_file()}


def test_the_module_with_the_version_is_the_one_that_is_written_from_pyproject() -> None:
    version = release.version_of((ROOT / "pyproject.toml").read_text("utf-8"))
    written = (ROOT / "tasks" / "nox_pex" / "version.py").read_text("utf-8")
    assert written == release.version_module(version), "run nox -s release -- VERSION; nobody edits version.py"


def test_a_prepared_release_passes_the_check_of_its_tag_and_of_no_other(checkout: Path) -> None:
    with pytest.raises(release.ReleaseError, match=r"the tag is v0\.2\.0, but pyproject\.toml has the version 0\.1\.0"):
        release.check(checkout, "v0.2.0")
    release.prepare(checkout, "0.2.0", today=TODAY)
    release.check(checkout, "v0.2.0")
    for other in ("v0.1.0", "0.2.0", "v0.2.0-rc1"):
        with pytest.raises(release.ReleaseError, match="the tag is"):
            release.check(checkout, other)
    assert tomllib.loads(texts(checkout)["pyproject.toml"])["project"]["version"] == "0.2.0"
    assert texts(checkout)["README.md"] == "- uses: team/tool@v0.2.0\n"
    names: dict[str, str] = {}
    exec(texts(checkout)["version.py"], names)  # noqa: S102  # the module is the result under test
    assert names["__version__"] == "0.2.0"


def test_a_release_gives_the_unreleased_changes_its_version_its_date_and_a_link() -> None:
    found = release.released(CHANGELOG, "0.2.0", today=TODAY, repository=REPOSITORY)
    expected = CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2027-01-31\n").replace(
        "[Unreleased]: https://git.example/team/tool/compare/v0.1.0...main\n",
        "[Unreleased]: https://git.example/team/tool/compare/v0.2.0...main\n"
        "[0.2.0]: https://git.example/team/tool/compare/v0.1.0...v0.2.0\n",
    )
    assert found == expected
    assert release.notes(found, "0.2.0") == "### Added\n\n- A second thing.\n"
    assert release.notes(found, "0.1.0") == "### Added\n\n- The first thing.\n"


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("0.0.9", "0.0.9 is lower than 0.1.0"),
        ("0.1.0", "already has the version 0.1.0"),
        ("1.0", "'1.0' is no version"),
        ("v0.2.0", "'v0.2.0' is no version"),
        ("0.02.0", "'0.02.0' is no version"),
    ],
)
def test_a_release_that_cannot_be_is_refused_and_writes_nothing(checkout: Path, version: str, reason: str) -> None:
    before = texts(checkout)
    with pytest.raises(release.ReleaseError, match=re.escape(reason)):
        release.prepare(checkout, version, today=TODAY)
    assert texts(checkout) == before


def test_a_release_without_changes_is_refused(checkout: Path) -> None:
    release.prepare(checkout, "0.2.0", today=TODAY)
    with pytest.raises(release.ReleaseError, match=r"no change below '## \[Unreleased\]'"):
        release.prepare(checkout, "0.3.0", today=TODAY)


def test_the_check_notices_a_version_that_was_written_by_hand(checkout: Path) -> None:
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text("utf-8").replace('"0.1.0"', '"0.2.0"'), "utf-8")
    with pytest.raises(release.ReleaseError, match=r"version\.py does not have the version 0\.2\.0"):
        release.check(checkout, "v0.2.0")
    (checkout / "tasks" / "nox_pex" / "version.py").write_text(release.version_module("0.2.0"), "utf-8")
    with pytest.raises(release.ReleaseError, match=r"no section '## \[0\.2\.0\]' with a date"):
        release.check(checkout, "v0.2.0")


def test_a_failure_is_one_line_and_the_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["check", "v0.0.0"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the tag is v0.0.0")


def test_our_changelog_could_be_released_and_has_the_kinds_of_change_that_keep_a_changelog_knows() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    headings = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert [each for each in headings[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", each)] == []
    links = dict(re.findall(r"^\[([^]]+)\]: (\S+)$", changelog, re.MULTILINE))
    assert list(links) == [each.partition("]")[0][1:] for each in headings]
    assert all(address.startswith(f"{site.REPOSITORY}/") for address in links.values())


def test_the_examples_that_name_a_release_name_this_version() -> None:
    text = (ROOT / release.EXAMPLES).read_text("utf-8")
    version = release.version_of((ROOT / "pyproject.toml").read_text("utf-8"))
    assert re.findall(r"(?:nox-pex@|rev: )v([\d.]+)", text) == [version, version]
