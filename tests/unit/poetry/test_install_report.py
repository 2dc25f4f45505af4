from __future__ import annotations

import threading
from pathlib import Path

from nox_pex.poetry.install_report import Report
from nox_pex.poetry.origins import Origin

INDEX = '{"index": {"name": "idna", "version": "1.0", "source": null, "index": "https://i", "files": {}}}\n'


def test_a_report_has_the_addresses_that_indexes_named(tmp_path: Path) -> None:
    report = Report(path=tmp_path / "report")
    assert report.addresses() == ()
    report.path.write_text(f'{INDEX}no JSON\n{{"index": {{}}}}\n[]\n{{"installed": ["idna", "1.0"]}}\n{INDEX}', "utf-8")
    assert [each.name for each in report.addresses()] == ["idna", "idna"]


def test_a_report_has_the_file_that_poetry_chose_last(tmp_path: Path) -> None:
    report = Report(path=tmp_path / "report")
    lines = ('["Zope.Event", "5.0", "old.whl"]', '["Zope.Event", "5.1", "new.whl"]', '["h11"]')
    report.path.write_text("".join(f'{{"chosen": {line}}}\n' for line in lines), "utf-8")
    assert report.origins() == {"zope-event": Origin(version="5.1", file="new.whl")}


def test_each_distribution_is_passed_on_once_while_poetry_writes(tmp_path: Path) -> None:
    report, found, seen = Report(path=tmp_path / "report"), [], threading.Event()

    def installed(name: str, version: str) -> None:
        found.append((name, version))
        seen.set()

    with report.watched(installed), report.path.open("a", encoding="utf-8") as file:
        file.write(f'{INDEX}{{"installed": ["idna", "1.0"]}}\n{{"installed": ["h11", ')
        file.flush()
        assert seen.wait(30)
        assert found == [("idna", "1.0")]
        file.write('"2.0"]}\n{"installed": ["cli')
    assert found == [("idna", "1.0"), ("h11", "2.0")]


def test_a_report_that_poetry_did_not_begin_is_empty(tmp_path: Path) -> None:
    with Report(path=tmp_path / "report").watched(lambda *_: None):
        pass
    with Report(path=tmp_path / "report").watched(None):
        pass
