"""All gates together, as `nox -s verify` runs them, and what they leave."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import nox_pex
from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import Budget
from nox_pex.steps import verify
from nox_pex.verify import report
from nox_pex.verify.gates import budget
from nox_pex.verify.gates.verdict import Verdict, failure
from nox_pex.verify.report import GateResult, VerifyReport
from tests.support.workbench import Workbench, member, ran, spoiled, with_row

STATES = ["passed", "passed", "passed", "passed", "skipped"]


@pytest.mark.parametrize(
    ("size", "limit", "state"), [(100, None, "skipped"), (100, "100 B", "passed"), (101, "100 B", "failed")]
)
def test_budget(size: int, limit: str | None, state: str) -> None:
    verdict = budget.judge(size, Budget(size=limit))
    assert ("skipped" if verdict.skipped else "failed" if verdict.problems else "passed") == state
    if state == "failed":
        assert verdict.problems == ("it has 101 bytes (0.0 MB), 1 more than its budget '100 B'",)


def test_one_line_names_five_problems() -> None:
    verdict = Verdict(summary="", problems=tuple(f"problem {number}" for number in range(7)))
    error = failure("closure", verdict, subject="x.pex", remedy="mend it")
    assert error is not None
    assert str(error) == (
        "error[closure]: x.pex: problem 0; problem 1; problem 2; problem 3; problem 4; and 2 more; mend it"
    )
    assert failure("closure", Verdict(summary="all well"), subject="x.pex", remedy="mend it") is None


def test_the_table_and_the_json() -> None:
    errors = [NoxPexError(code, "x.pex: wrong", "mend it") for code in ("closure", "leak")]
    found = VerifyReport(
        name="svc",
        binary="svc.pex",
        sha256="0" * 64,
        size=5,
        results=(
            GateResult(
                gate="closure", state="failed", summary="2 of 3", seconds=1.25, problems=("x",), failure=errors[0]
            ),
            GateResult(gate="leaks", state="failed", summary="5 files", failure=errors[1]),
            GateResult(gate="budget", state="skipped", summary="no `size`"),
        ),
    )
    assert list(report.table(found)) == [
        "closure       failed     1.2 s  2 of 3",
        "leaks         failed     0.0 s  5 files",
        "budget        skipped    0.0 s  no `size`",
        "error[leak]: x.pex: wrong; mend it",
    ]
    value = json.loads(report.json_text(found))
    assert found.failure is errors[0]
    assert value["passed"] is False
    assert value["gates"][0]["failure"] == {"code": "closure", "problem": "x.pex: wrong", "remedy": "mend it"}
    assert value["gates"][2]["failure"] is None


@pytest.fixture
def copy(packaged: Workbench, tmp_path: Path) -> Workbench:
    """The built project, to be changed."""
    shutil.copytree(packaged.root, tmp_path / "project", symlinks=True)
    return Workbench(root=tmp_path / "project", environ=packaged.environ)


def gates(bench: Workbench) -> dict[str, dict[str, Any]]:
    value = json.loads((bench.root / "dist" / "greeting-cards.verify.json").read_text("utf-8"))
    return {gate["gate"]: gate for gate in value["gates"]}


@pytest.mark.integration
def test_a_good_binary(copy: Workbench) -> None:
    copy.append("pyproject.toml", '\n[tool.nox-pex.binary.greeting-cards]\nscript = "greet"\n')
    copy.build()
    verify.run(copy.context())
    assert [gate["state"] for gate in gates(copy).values()] == STATES
    assert [line.split()[:2] for line in copy.said[-5:]] == [[gate, g["state"]] for gate, g in gates(copy).items()]
    value = json.loads((copy.root / "dist" / "greeting-cards.verify.json").read_text("utf-8"))
    assert value["passed"] is True
    assert value["size"] == copy.binary("greeting-cards").stat().st_size
    assert str(copy.root) not in json.dumps(value)


@pytest.mark.integration
def test_a_file_handed_in_with_all_that_is_wrong(copy: Workbench, tmp_path: Path) -> None:
    """Nothing is installed here: what Poetry installs elsewhere, from files that it fetches again, is the evidence."""
    binary = copy.binary("greeting-cards")
    name, content = member(binary, "idna/core.py")
    record, rows = member(binary, "idna-3.11.dist-info/RECORD")
    changed = content + b"\nSECRET = 'c4nary-0fThisRun'\n"
    path = spoiled(binary, tmp_path / "x.pex", {name: changed, record: with_row(rows, "idna/core.py", changed)})
    shutil.rmtree(copy.root / ".nox")
    copy.append("pyproject.toml", '\n[tool.nox-pex.binary.greeting-cards]\nscript = "greet"\nbudget.size = "1 kB"\n')
    context = copy.context(binary=path, deep=True, environ={"API_TOKEN": "c4nary-0fThisRun"})
    with pytest.raises(NoxPexError) as caught:
        verify.run(context)
    assert caught.value.code == "integrity"
    found = gates(copy)
    assert {gate: value["state"] for gate, value in found.items()} == {
        "closure": "passed",
        "integrity": "failed",
        "leaks": "failed",
        "reproducible": "failed",
        "budget": "failed",
    }
    assert "idna 3.11: idna/core.py is not the file that Poetry installed" in found["integrity"]["problems"]
    assert found["leaks"]["problems"] == [f"{name} holds a secret of this run's environment"]
    assert "idna/core.py has different content" in found["reproducible"]["problems"][0]
    assert found["budget"]["failure"]["code"] == "budget"
    shown = "\n".join([*copy.said, json.dumps(found)])
    assert "c4nary-0fThisRun" not in shown
    assert "error[leak]: " in shown


@pytest.mark.integration
@pytest.mark.parametrize("spoil", ["empty", "truncated"])
def test_what_cannot_be_opened(copy: Workbench, tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "x.pex"
    path.write_bytes(b"" if spoil == "empty" else copy.binary("greeting-cards").read_bytes()[:500_000])
    with pytest.raises(NoxPexError, match=r"is not a PEX, or is truncated") as caught:
        verify.run(copy.context(binary=path))
    assert caught.value.code == "integrity"
    assert [gate["state"] for gate in gates(copy).values()] == ["skipped", "failed", "skipped", "skipped", "skipped"]


@pytest.mark.integration
def test_no_such_file(copy: Workbench, tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match="there is no ") as caught:
        verify.run(copy.context(binary=tmp_path / "none.pex"))
    assert caught.value.code == "usage"
    assert not (copy.root / "dist" / "greeting-cards.verify.json").exists()


@pytest.mark.integration
def test_deep_and_by_nox(copy: Workbench) -> None:
    """The session itself, which the steps before it stand before; `--deep` has Poetry fetch all files again."""
    tasks = str(Path(nox_pex.__file__).parents[1])
    noxfile = f"import sys\nsys.path.insert(0, {tasks!r})\nimport nox_pex\nnox_pex.register()\n"
    (copy.root / "noxfile.py").write_text(noxfile)
    said = ran(sys.executable, "-m", "nox", "-s", "verify", "--", "--deep", cwd=copy.root, environ=copy.environ)
    assert "nox > reproducible  passed" in said
    assert "Session verify was successful" in said
    assert gates(copy)["integrity"]["state"] == "passed"
