"""The documents agree with the code: the tables of the pages, and the examples."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from nox_pex import site
from nox_pex.sessions import SessionName
from nox_pex.settings.parse import parse
from nox_pex.steps.arguments import OPTIONS
from nox_pex.steps.table import STEPS, options

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = (ROOT / "docs" / "sessions.md").read_text("utf-8")
MONOREPO = (ROOT / "docs" / "monorepo.md").read_text("utf-8")


def test_the_page_of_sessions_lists_every_session_and_every_option() -> None:
    assert set(re.findall(r"^\| `([a-z][a-z-]*)` \| ", SESSIONS, re.MULTILINE)) == STEPS.keys()
    rows = re.findall(r"^\| `--.+", SESSIONS, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`--([a-z-]+)", row)} >= {option.name for option in OPTIONS}


def test_each_step_has_a_typed_name_and_only_options_that_exist() -> None:
    assert set(get_args(SessionName)) == STEPS.keys()
    assert {name for step in STEPS.values() for name in options(step)} <= {option.name for option in OPTIONS}
    assert options(STEPS["verify"]) == {"force", "jobs", "binary", "deep"}


def test_the_example_of_shared_settings_is_valid(tmp_path: Path) -> None:
    (shared,) = re.findall(r"^```text\n(output-dir.+?)^```$", MONOREPO, re.MULTILINE | re.DOTALL)
    (of_service,) = re.findall(r"^```toml\n(.+?)^```$", MONOREPO, re.MULTILINE | re.DOTALL)
    (tmp_path / "nox-pex.toml").write_text(shared, "utf-8")
    file = str(tmp_path / "services" / "api" / "pyproject.toml")
    found = parse(tomllib.loads(of_service), file=file, project_name="api", scripts={"api": "api:main"})
    assert (found.output_dir, found.secrets) == (Path("build"), ("LICENCE",))
    assert not found.binary["api"].strip_pex_env
    assert found.binary["api"].smoke is not None


def test_the_links_of_the_readme_work_on_an_index_page() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert len(links) > 10
    raw = site.REPOSITORY.replace("github.com", "raw.githubusercontent.com")
    for link in links:
        path, _, anchor = link.partition("#")
        assert path.startswith("https://"), link
        for start in (f"{site.REPOSITORY}/blob/main/", f"{site.REPOSITORY}/tree/main/", f"{raw}/main/"):
            assert not path.startswith(start) or (ROOT / path.removeprefix(start)).exists(), link
        if path.startswith(site.DOCS) and path != site.DOCS:
            page = ROOT / "docs" / path.removeprefix(site.DOCS).replace(".html", ".md")
            assert not anchor or anchor in headings(page), link
            assert page.is_file(), link


def test_the_readme_names_every_session() -> None:
    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)} == STEPS.keys()


def test_every_line_that_installs_nox_installs_uv_too() -> None:
    pages = [page for page in sorted((ROOT / "docs").rglob("*.*")) if "_build" not in page.parts]
    for page in [ROOT / "README.md", ROOT / ".ci" / "run", ROOT / "action.yml", *pages]:
        lines = page.read_text("utf-8").splitlines() if page.suffix in {".md", ".yml", ""} else ()
        assert not [line for line in lines if re.search(r"\b(?:install|inject) nox(?!-pex| nox-pex)\b", line)], page


def headings(page: Path) -> set[str]:
    """The anchors of the headings of a page."""
    found = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in found}


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.stem
)
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in headings(target), link


@pytest.mark.parametrize(
    "page", [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.stem
)
def test_each_row_of_a_table_has_as_many_cells_as_its_head(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    tables = re.findall(r"^(?:> )?\|(?: ?:?-+:? ?\|)+\n(?:.+\n)*", text, re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1, table
