"""All gates together, as `nox -s verify` runs them, and the files that they leave."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import nox_pex
from nox_pex.errors import NoxPexError
from nox_pex.steps import verify
from tests.support.pex_files import member, spoiled, with_row
from tests.support.workbench import Workbench, ran

STATES = ["passed", "passed", "passed", "passed", "skipped"]


@pytest.fixture
def copy(packaged: Workbench, tmp_path: Path) -> Workbench:
    """A copy of the built project, which the test may change."""
    shutil.copytree(packaged.root, tmp_path / "project", symlinks=True)
    return Workbench(root=tmp_path / "project", environ=packaged.environ)


def gates(bench: Workbench) -> dict[str, dict[str, Any]]:
    value = json.loads((bench.root / "dist" / "greeting-cards.verify.json").read_text("utf-8"))
    return {gate["gate"]: gate for gate in value["gates"]}


def test_a_good_binary_passes_all_gates(copy: Workbench) -> None:
    copy.append("pyproject.toml", '\n[tool.nox-pex.binary.greeting-cards]\nscript = "greet"\n')
    copy.build()
    verify.run(copy.context())
    assert [gate["state"] for gate in gates(copy).values()] == STATES
    assert [line.split()[:2] for line in copy.said[-6:-1]] == [[gate, g["state"]] for gate, g in gates(copy).items()]
    assert re.fullmatch(
        r"verify: tools installed again, .*: build \d+\.\d s, pex \d+\.\d s, poetry \d+\.\d s", copy.said[-1]
    )
    value = json.loads((copy.root / "dist" / "greeting-cards.verify.json").read_text("utf-8"))
    assert value["passed"] is True
    assert value["size"] == copy.binary("greeting-cards").stat().st_size
    assert str(copy.root) not in json.dumps(value)


def test_a_prebuilt_binary_fails_every_gate_that_it_deserves(copy: Workbench, tmp_path: Path) -> None:
    """Nothing is installed here: the evidence is what Poetry fetches and installs for the second build."""
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


@pytest.mark.parametrize("spoil", ["empty", "truncated"])
def test_a_file_that_cannot_be_opened_fails_one_gate(copy: Workbench, tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "x.pex"
    path.write_bytes(b"" if spoil == "empty" else copy.binary("greeting-cards").read_bytes()[:500_000])
    with pytest.raises(NoxPexError, match=r"is not a PEX, or is damaged: it is no ZIP archive") as caught:
        verify.run(copy.context(binary=path))
    assert caught.value.code == "integrity"
    assert [gate["state"] for gate in gates(copy).values()] == ["skipped", "failed", "skipped", "skipped", "skipped"]


def test_a_file_that_does_not_exist_leaves_no_report(copy: Workbench, tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match="there is no ") as caught:
        verify.run(copy.context(binary=tmp_path / "none.pex"))
    assert caught.value.code == "usage"
    assert not (copy.root / "dist" / "greeting-cards.verify.json").exists()


def test_the_nox_session_verifies_with_deep(copy: Workbench) -> None:
    """The session runs the steps before it; with `--deep`, Poetry fetches all files again."""
    tasks = str(Path(nox_pex.__file__).parents[1])
    noxfile = f"import sys\nsys.path.insert(0, {tasks!r})\nimport nox_pex\nnox_pex.register()\n"
    (copy.root / "noxfile.py").write_text(noxfile)
    said = ran(sys.executable, "-m", "nox", "-s", "verify", "--", "--deep", cwd=copy.root, environ=copy.environ)
    assert "nox > reproducible  passed" in said
    assert "Session verify was successful" in said
    assert gates(copy)["integrity"]["state"] == "passed"
