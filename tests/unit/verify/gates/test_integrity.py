from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from nox_pex.verify.archive import open_pex
from nox_pex.verify.expected_files import ExpectedFiles, Script, is_written_by_installer
from nox_pex.verify.gates import integrity
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import RecordRow, distributions, location_in_wheel, parse_record
from tests.support.pex_files import archive, recorded, spoiled, wheel, with_row, zipapp

WHEEL = "lib-1-py3-none-any.whl"
COMPILED = "lib-1-cp311-cp311-linux_x86_64.whl"
FILES = {"lib/__init__.py": b"x = 1\n", "lib/data.txt": b"text\n"}
POINTS = {"lib-1.dist-info/entry_points.txt": b"[console_scripts]\nrun = lib:main\n"}
RECORD = "lib-1.dist-info/RECORD"

Judge = Callable[..., Verdict]


def sha256(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def expected(files: Mapping[str, bytes], *, version: str = "1") -> ExpectedFiles:
    """The files that Poetry installed, from the members of a wheel."""
    members = recorded("lib", version, files)
    rows = {}
    scripts = {}
    for row in parse_record(members[f"lib-{version}.dist-info/RECORD"].decode()):
        location = location_in_wheel(row.path, name="lib")
        if location.scheme == "scripts":
            content = members[row.path].replace(b"#!python", b"#!/venv/bin/python")
            installed = RecordRow(path=row.path, algorithm="sha256", digest=sha256(content))
            scripts[location.path] = Script(row=installed, read=partial(bytes, content))
        elif not is_written_by_installer(location):
            rows[location] = row
    return ExpectedFiles(version=version, rows=rows, scripts=scripts)


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Judge a PEX with one distribution, `lib`, after some of its members were changed."""

    def judged(
        changes: Mapping[str, bytes | None] | None = None,
        *,
        files: Mapping[str, bytes] = FILES,
        installed: ExpectedFiles | None = None,
        name: str = WHEEL,
        loose: Mapping[str, bytes] | None = None,
        strict: bool = True,
    ) -> Verdict:
        built = zipapp(tmp_path / "x.pex", {name: recorded("lib", "1", files)}, loose=loose)
        renamed = {path if path == "PEX-INFO" or path in (loose or {}) else f".deps/{name}/{path}": content
                   for path, content in (changes or {}).items()}  # fmt: skip
        with open_pex(spoiled(built, tmp_path / "changed.pex", renamed)) as pex:
            evidence = {"lib": installed or expected(files)}
            return integrity.judge(pex, distributions(pex), evidence, strict=strict)

    return judged


def test_files_as_poetry_installed_them_pass(judge: Judge) -> None:
    verdict = judge(loose={"main.py": b"m = 1\n"})
    assert verdict.problems == ()
    assert verdict.summary == "4 files of 1 distribution, 3 of them as Poetry installed"
    assert verdict.details == {"files": 4, "compared": 3, "built-here": []}


def test_a_changed_file_differs_from_all_three_witnesses(judge: Judge) -> None:
    assert judge({"lib/__init__.py": b"x = 2\n"}).problems == (
        "lib 1: lib/__init__.py does not match its RECORD",
        "lib 1: lib/__init__.py is not the file that Poetry installed",
        f"lib 1: {WHEEL} does not match its digest in PEX-INFO",
    )


def test_a_changed_row_hides_nothing(judge: Judge) -> None:
    record = with_row(recorded("lib", "1", FILES)[RECORD], "lib/__init__.py", b"x = 2\n")
    assert judge({"lib/__init__.py": b"x = 2\n", RECORD: record}).problems == (
        "lib 1: lib/__init__.py is not the file that Poetry installed",
        f"lib 1: {WHEEL} does not match its digest in PEX-INFO",
    )


def test_added_and_removed_files_are_named(judge: Judge) -> None:
    assert judge({"lib/more.py": b"", "lib/data.txt": None}).problems == (
        "lib 1: lib/more.py is not in its RECORD",
        "lib 1: lib/more.py is not among the files that Poetry installed",
        "lib 1: lib/data.txt is in its RECORD, but not in the binary",
        "lib 1: lib/data.txt, which Poetry installed, is missing",
        f"lib 1: {WHEEL} does not match its digest in PEX-INFO",
    )


def test_a_row_without_a_digest_is_allowed_only_for_the_record(judge: Judge) -> None:
    record = recorded("lib", "1", FILES)[RECORD]
    rows = [row for row in record.decode().splitlines() if not row.startswith("lib/data.txt,")]
    changed = "\n".join([*rows, "lib/data.txt,,", ""]).encode()
    assert "lib 1: lib/data.txt has no digest in its RECORD" in judge({RECORD: changed}).problems
    weak = "\n".join([*rows, "lib/data.txt,md5=abc,5", ""]).encode()
    assert "lib 1: lib/data.txt does not match its RECORD" in judge({RECORD: weak}).problems


def test_a_distribution_needs_its_metadata(judge: Judge) -> None:
    assert judge({RECORD: None}).problems == ("lib 1: it has no RECORD",)
    assert judge({"other-1.dist-info/METADATA": b""}).problems == (
        f"lib 1: {WHEEL} does not have exactly one .dist-info directory",
    )
    every = dict.fromkeys(recorded("lib", "1", FILES))
    assert judge(every).problems == (f"PEX-INFO lists {WHEEL}, which is not in .deps/",)


def test_another_version_is_left_to_the_gate_closure(judge: Judge) -> None:
    verdict = judge(installed=expected({"lib/__init__.py": b"x = 3\n"}, version="3"))
    assert (verdict.problems, verdict.details["compared"]) == ((), 0)


def test_pex_info_lists_exactly_the_wheels(judge: Judge) -> None:
    info = json.dumps({"distributions": {"none-1-py3-none-any.whl": "0"}}).encode()
    assert judge({"PEX-INFO": info}).problems == (
        "PEX-INFO lists none-1-py3-none-any.whl, which is not in .deps/",
        f"PEX-INFO does not list .deps/{WHEEL}",
    )


def test_loose_files_are_compared_with_their_digest(judge: Judge) -> None:
    loose = {"main.py": b"m = 1\n", "sub/other.py": b""}
    assert judge({"sub/other.py": b"#"}, loose=loose).problems == (
        "the project's loose files do not match their digest in PEX-INFO (`code_hash`)",
    )


def test_bytecode_and_the_launcher_are_in_no_digest_of_pex(judge: Judge, tmp_path: Path) -> None:
    built = zipapp(tmp_path / "x.pex", {}, loose={"main.py": b"m = 1\n"})
    extra = {"__main__.py": b"", "__pex__/__init__.py": b"", "__pycache__/main.cpython-311.pyc": b"", "a/.hidden": b""}
    with open_pex(spoiled(built, tmp_path / "y.pex", dict(extra))) as pex:
        assert integrity.judge(pex, (), {}).problems == ()
    cache = {"lib/__pycache__/x.cpython-311.pyc": b"0"}
    assert judge(dict(cache)).problems == (
        "lib 1: lib/__pycache__/x.cpython-311.pyc is not in its RECORD",
        "lib 1: lib/__pycache__/x.cpython-311.pyc is not among the files that Poetry installed",
    )


def test_a_directory_in_the_place_of_a_wheel_is_named(tmp_path: Path) -> None:
    built = zipapp(tmp_path / "x.pex", {WHEEL: recorded("lib", "1", FILES)})
    with zipfile.ZipFile(built) as file:
        info = json.loads(file.read("PEX-INFO"))
    changed = {"PEX-INFO": json.dumps({**info, "deps_are_wheel_files": True}).encode()}
    with open_pex(spoiled(built, tmp_path / "y.pex", changed)) as pex:
        problems = integrity.judge(pex, distributions(pex), {}).problems
    assert f"lib 1: {WHEEL} is a directory, and PEX-INFO says that it is a wheel" in problems


def test_bytecode_of_the_wheel_itself_may_be_left_out(judge: Judge) -> None:
    both = {**FILES, "lib/__pycache__/x.cpython-311.pyc": b"0"}
    assert judge(installed=expected(both)).problems == ()
    assert judge(files=both, installed=expected(both)).problems == ()
    planted = judge(files={**both, "lib/__pycache__/x.cpython-311.pyc": b"1"}, installed=expected(both))
    assert planted.problems == ("lib 1: lib/__pycache__/x.cpython-311.pyc is not the file that Poetry installed",)


def test_only_a_second_compiler_run_on_this_machine_may_differ(judge: Judge) -> None:
    here, there = {"lib/_x.so": b"one", **FILES}, {"lib/_x.so": b"two", **FILES}
    strict = judge(files=here, installed=expected(there), name=COMPILED)
    assert strict.problems == ("lib 1: lib/_x.so is not the file that Poetry installed",)
    again = judge(files=here, installed=expected(there), name=COMPILED, strict=False)
    assert (again.problems, again.details["built-here"]) == ((), ["lib: lib/_x.so"])
    of_an_index = judge(files=here, installed=expected(there), strict=False)
    assert of_an_index.problems == strict.problems
    source = judge(files={**FILES, "lib/data.txt": b"2"}, installed=expected(FILES), name=COMPILED, strict=False)
    assert source.problems == ("lib 1: lib/data.txt is not the file that Poetry installed",)


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (b"#!/bin/other\nprint(1)\n", ()),
        (b"#!python\nprint(2)\n", ("lib 1: .prefix/bin/tool is not the script that Poetry installed",)),
    ],
)
def test_a_script_may_differ_in_its_first_line_only(judge: Judge, content: bytes, problems: tuple[str, ...]) -> None:
    installed = expected({**FILES, "lib-1.data/scripts/tool": b"#!python\nprint(1)\n"})
    assert judge(files={**FILES, ".prefix/bin/tool": content}, installed=installed).problems == problems


def test_a_script_is_generated_installed_or_superfluous(judge: Judge) -> None:
    files = {**FILES, **POINTS, ".prefix/bin/run": b"generated", ".prefix/bin/more": b"not"}
    assert judge(files=files, installed=expected({**FILES, **POINTS})).problems == (
        "lib 1: .prefix/bin/more is not among the files that Poetry installed",
    )


def test_an_installed_script_that_was_changed_is_no_evidence(judge: Judge) -> None:
    row = RecordRow(path="../../../bin/tool", algorithm="sha256", digest=sha256(b"#!python\nprint(1)\n"))
    scripts = {"tool": Script(row=row, read=lambda: b"#!python\nprint(2)\n")}
    installed = ExpectedFiles(version="1", rows=expected(FILES).rows, scripts=scripts)
    assert judge(files={**FILES, ".prefix/bin/tool": b"#!python\nprint(2)\n"}, installed=installed).problems == (
        "lib 1: .prefix/bin/tool cannot be compared, because the installed tool was changed",
    )


def test_a_wheel_that_pex_has_not_installed_is_compared_by_its_file(tmp_path: Path) -> None:
    content = wheel(recorded("lib", "1", FILES))
    info = {"deps_are_wheel_files": True, "distributions": {WHEEL: hashlib.sha256(content).hexdigest()}}
    path = archive(tmp_path / "x.pex", {f".deps/{WHEEL}": content, "PEX-INFO": json.dumps(info)})
    with open_pex(path) as pex:
        # by the wheel's file name, as for other platforms
        assert integrity.judge(pex, distributions(pex), {WHEEL: expected(FILES)}).problems == ()
    repacked = wheel(dict(reversed(recorded("lib", "1", FILES).items())))
    with open_pex(spoiled(path, tmp_path / "y.pex", {f".deps/{WHEEL}": repacked})) as pex:
        assert integrity.judge(pex, distributions(pex), {WHEEL: expected(FILES)}).problems == (
            f"lib 1: {WHEEL} does not match its digest in PEX-INFO",
        )


def test_names_that_are_there_twice_are_reported_once(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pex", {"PEX-INFO": "{}", f".deps/{WHEEL}/a.py": "1"})
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr(f".deps/{WHEEL}/a.py", "2")
    with open_pex(path) as pex:
        assert integrity.judge(pex, (), {}).problems == (
            f".deps/{WHEEL}/a.py is in the archive more than once",
            f"PEX-INFO does not list .deps/{WHEEL}",
        )


def test_wheels_are_neither_empty_nor_ambiguous(tmp_path: Path) -> None:
    stream = io.BytesIO(wheel({"a.py": "1"}))
    with zipfile.ZipFile(stream, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("a.py", "2")
    info = json.dumps({"deps_are_wheel_files": True, "distributions": {"a.whl": "0", "empty.whl": "0"}})
    members: dict[str, bytes | str] = {"PEX-INFO": info, ".deps/a.whl": stream.getvalue(), ".deps/empty.whl": wheel({})}
    with open_pex(archive(tmp_path / "x.pex", members)) as pex:
        assert integrity.judge(pex, (), {}).problems == (
            "a.whl: a.py is in the wheel more than once",
            ".deps/empty.whl is empty",
        )
