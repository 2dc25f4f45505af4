from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom import write
from nox_pex.evidence.sbom.bill import Bill
from nox_pex.evidence.sbom.write import Declared, Written
from nox_pex.steps import needs, sbom
from nox_pex.system import outside_text
from nox_pex.tools.provision import Provisioner
from tests.support.small_pex import SmallPex
from tests.unit.steps.conftest import MakeContext

DECLARED = {"idna": Declared(expressions=("BSD-3-Clause",))}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Bill]:
    """The bills that were written, without the libraries that write them."""
    bills: list[Bill] = []

    def fake(bill: Bill, _: Provisioner) -> Written:
        bills.append(bill)
        licences = {each.ref: DECLARED.get(each.name, Declared()) for each in bill.components}
        return Written(text=outside_text.json_text({"time": bill.timestamp}), licences=licences)

    monkeypatch.setattr(write, "write", fake)
    return bills


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    return SmallPex().write(tmp_path / "other.pex")


def policy(root: Path, text: str) -> None:
    with (root / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[tool.nox-pex.sbom]\n{text}\n")


def test_nothing_is_done_if_nothing_changed(
    make_context: MakeContext, shown: list[str], written: list[Bill], binary: Path
) -> None:
    for expected in (1, 1):
        sbom.run(make_context(names=("api",), binary=binary))
        assert len(written) == expected
    assert shown[-1] == "sbom: api unchanged (dist/api.cdx.json)"
    sbom.run(make_context(names=("api",), binary=binary, force=True))
    sbom.run(make_context(names=("api",), binary=binary, environ={"SOURCE_DATE_EPOCH": "1"}))
    assert [bill.timestamp[:4] for bill in written] == ["1980", "1980", "1970"]


@pytest.mark.parametrize("change", ["binary", "output", "policy", "lock", "project", "record", "secret"])
def test_each_input_counts(
    make_context: MakeContext, written: list[Bill], binary: Path, tmp_path: Path, change: str
) -> None:
    sbom.run(make_context(names=("api",), binary=binary))
    environ = {}
    if change == "binary":
        SmallPex(library=False).write(binary)
    elif change == "output":
        (tmp_path / "dist" / "api.cdx.json").write_text("{}", "utf-8")
    elif change == "policy":
        policy(tmp_path, 'deny-licenses = ["MIT"]')
    elif change == "lock":
        (tmp_path / "poetry.lock").write_text("", "utf-8")
    elif change == "project":
        text = (tmp_path / "pyproject.toml").read_text("utf-8")
        (tmp_path / "pyproject.toml").write_text(text.replace('"1.0"', '"1.1"'), "utf-8")
    elif change == "record":
        (tmp_path / "other.pex.json").write_text("{}", "utf-8")
    else:
        environ = {"MY_TOKEN": written[0].timestamp}
    sbom.run(make_context(names=("api",), binary=binary, environ=environ))
    assert len(written) == 2


def test_a_refused_licence_is_refused_again_and_named_with_its_entry(
    make_context: MakeContext, written: list[Bill], binary: Path, tmp_path: Path
) -> None:
    policy(tmp_path, 'allow-licenses = ["MIT"]')
    for _ in range(2):
        with pytest.raises(NoxPexError) as caught:
            sbom.run(make_context(names=("api",), binary=binary))
        assert caught.value.code == "license"
        assert "pyproject.toml:26: tool.nox-pex.sbom does not allow" in caught.value.problem.replace(str(tmp_path), "")
        assert "idna 3.11 (BSD-3-Clause)" in caught.value.problem
        assert caught.value.remedy.endswith('in allow-licenses: "BSD-3-Clause"')
    assert len(written) == 2
    assert (tmp_path / "dist" / "api.cdx.json").is_file()


def test_a_distribution_without_a_licence_can_be_accepted(
    make_context: MakeContext, written: list[Bill], binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DECLARED, "idna", Declared())
    policy(tmp_path, 'allow-licenses = ["MIT"]')
    with pytest.raises(NoxPexError, match=r'idna 3\.11 \(no licence\).*"LicenseRef-unknown-idna"'):
        sbom.run(make_context(names=("api",), binary=binary))
    text = (tmp_path / "pyproject.toml").read_text("utf-8")
    (tmp_path / "pyproject.toml").write_text(text.replace('["MIT"]', '["LicenseRef-unknown-idna"]'), "utf-8")
    sbom.run(make_context(names=("api",), binary=binary))
    assert len(written) == 2


def test_a_denied_licence_has_another_remedy(
    make_context: MakeContext, written: list[Bill], binary: Path, tmp_path: Path
) -> None:
    policy(tmp_path, 'deny-licenses = ["BSD-3-Clause"]')
    with pytest.raises(NoxPexError, match="or take them out of deny-licenses"):
        sbom.run(make_context(names=("api",), binary=binary))
    assert written


def test_a_missing_file_and_a_wrong_time_are_errors(
    make_context: MakeContext, written: list[Bill], tmp_path: Path
) -> None:
    with pytest.raises(NoxPexError) as caught:
        sbom.run(make_context(names=("api",), binary=tmp_path / "none.pex"))
    assert caught.value.code == "usage"
    context = make_context(environ={"SOURCE_DATE_EPOCH": "today"})
    assert [error.code for error in needs.find(context, {"sbom"})] == ["usage"]
    assert needs.find(context, {"pex"}) == ()
    assert not written


def test_the_request_is_json_that_the_script_reads(
    make_context: MakeContext, written: list[Bill], binary: Path
) -> None:
    sbom.run(make_context(names=("api",), binary=binary))
    request = json.loads(msgspec.json.encode(written[0]))
    assert request["root"]["name"] == "api"
    assert {"components", "dependencies", "graph", "timestamp", "author", "tool", "properties"} <= request.keys()
