"""Installed wheels of every odd form: pex itself computed what is expected of each (`odd_distributions`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.distributions import dist_info, installed_wheel, probe_wheel, wheel_layout
from nox_pex.distributions.installed_wheel import InstalledWheel, UnsupportedDistributionError
from tests.support.odd_distributions import DATA, ENVIRONMENTS, HEADER, PURE, TOOL, WHEELS, Odd, tagged
from tests.support.small_pex import Member, fingerprint, installed_probe


def lay_out(odd: Odd, root: Path, **changed: bytes) -> InstalledWheel:
    """Install a distribution, and lay it out; `changed` are other contents of METADATA."""
    directory = odd.install(root)
    texts = {**dist_info.read_directory(directory), **changed}
    return wheel_layout.from_environment(directory, root=root, texts=texts)


def contents(wheel: InstalledWheel) -> dict[str, bytes]:
    return {f.path: f.content if isinstance(f.content, bytes) else f.content.read_bytes() for f in wheel.files}


def described(wheel: InstalledWheel) -> str:
    """The name of a wheel with the beginning of its fingerprint."""
    found = installed_wheel.fingerprint((path, [content]) for path, content in contents(wheel).items())
    return f"{wheel.name} {found[:16]}"


def test_there_is_an_expectation_for_each_form() -> None:
    expected = [odd.expected for odd in (*ENVIRONMENTS.values(), *WHEELS.values())]
    assert all(" " in each for each in expected)
    assert len(set(expected)) > len(expected) // 2


@pytest.mark.parametrize("odd", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_an_installed_distribution_is_laid_out_as_pex_lays_it_out(tmp_path: Path, odd: Odd) -> None:
    assert described(lay_out(odd, tmp_path)) == odd.expected


@pytest.mark.parametrize("odd", WHEELS.values(), ids=WHEELS)
def test_a_wheel_is_laid_out_as_pex_lays_it_out(tmp_path: Path, odd: Odd) -> None:
    wheel = odd.write_wheel(tmp_path)
    assert described(wheel_layout.from_wheel(wheel, tmp_path / "unpacked")) == odd.expected


def test_the_probe_is_laid_out_as_pex_lays_it_out(tmp_path: Path) -> None:
    path = tmp_path / probe_wheel.FILE_NAME
    probe_wheel.write(path)
    expected = installed_probe(path)
    # pex 2.105.2 wrote this fingerprint into a PEX of the probe.
    assert fingerprint(expected) == "05f3c3a109296199d083753b4253ab933cd7d60c147fa3231ca944c09962b794"
    found = wheel_layout.from_wheel(path, tmp_path / "unpacked")
    files = {name: file if isinstance(file, Member) else Member(file) for name, file in expected.items()}
    assert contents(found) == {name: files[name].content for name in sorted(files)}
    assert [file.path for file in found.files] == sorted(files)
    assert {f.path for f in found.files if f.executable} == {n for n, file in files.items() if file.mode & 0o100}


# What a fingerprint does not tell


def test_the_digest_of_a_file_is_the_one_in_record(tmp_path: Path) -> None:
    files = {file.path: file for file in lay_out(ENVIRONMENTS["other-digests"], tmp_path).files}
    assert files["board.py"].digest.startswith("sha512=")
    assert files["board-1.0.dist-info/METADATA"].digest.startswith("sha256=")
    assert files["board-1.0.dist-info/RECORD"].digest == ""
    assert files["board.py"].content == tmp_path / "lib/python3.11/site-packages/board.py"


@pytest.mark.parametrize(
    ("name", "executable"),
    [
        ("plain", {"pack/data.txt"}),
        ("script", set()),  # pex writes it again
        ("long-shebang", set()),
        ("script-of-a-shell", {".prefix/bin/tool"}),
        ("entry-points", {f".prefix/bin/{each}" for each in ("board", "dotted", "extra", "module", "window")}),
    ],
)
def test_the_files_that_can_be_executed(tmp_path: Path, name: str, executable: set[str]) -> None:
    found = lay_out(ENVIRONMENTS[name], tmp_path)
    assert {file.path for file in found.files if file.executable} == executable


@pytest.mark.parametrize(("name", "is_pure"), [("plain", True), ("not-pure", False), ("purity-unknown", False)])
def test_the_layout_says_whether_the_wheel_is_pure(tmp_path: Path, name: str, *, is_pure: bool) -> None:
    found = lay_out(ENVIRONMENTS[name], tmp_path)
    assert json.loads(found.layout("0123")) == {
        "fingerprint": "0123",
        "record_relpath": "board-1.0.dist-info/RECORD",
        "root_is_purelib": is_pure,
        "stash_dir": ".prefix",
        "sys_path_entries": ["."],
    }


@pytest.mark.parametrize(("name", "library"), [("platlib", ".prefix/platlib"), ("purelib", ".prefix/purelib")])
def test_the_layout_names_a_second_library(tmp_path: Path, name: str, library: str) -> None:
    found = wheel_layout.from_wheel(WHEELS[name].write_wheel(tmp_path), tmp_path / "unpacked")
    assert json.loads(found.layout(""))["sys_path_entries"] == [".", library]


def test_a_layout_has_the_form_in_which_pex_writes_it(tmp_path: Path) -> None:
    assert lay_out(ENVIRONMENTS["plain"], tmp_path).layout("0123") == (
        b'{"fingerprint":"0123","record_relpath":"board-1.0.dist-info/RECORD","root_is_purelib":true,'
        b'"stash_dir":".prefix","sys_path_entries":["."]}'
    )


# Metadata that was rewritten for pex


def test_rewritten_metadata_replaces_the_file_and_its_row(tmp_path: Path) -> None:
    text = b"Metadata-Version: 2.1\nName: board\nVersion: 1.0\nRequires-Dist: idna\n"
    found = contents(lay_out(replace(ENVIRONMENTS["plain"], expected=""), tmp_path, METADATA=text))
    assert found["board-1.0.dist-info/METADATA"] == text
    written = Odd(expected="", files={"board-1.0.dist-info/METADATA": text.decode()})
    row = next(row for row in found["board-1.0.dist-info/RECORD"].splitlines() if b"METADATA" in row)
    assert row.endswith(f",{len(text)}".encode())
    assert row != next(
        row for row in written.contents()["board-1.0.dist-info/RECORD"].splitlines() if b"METADATA" in row
    )


@pytest.mark.parametrize("changed", [{}, {"METADATA": b"Metadata-Version: 2.1\nName: board\nVersion: 1.0\nX: 1\n"}])
def test_the_rows_of_a_rewritten_record_end_as_those_of_nox_pex(tmp_path: Path, changed: dict[str, bytes]) -> None:
    record = contents(lay_out(ENVIRONMENTS["crlf-record"], tmp_path, **changed))["board-1.0.dist-info/RECORD"]
    assert record.count(b"\r\n") == (0 if changed else record.count(b"\n"))


def test_the_origin_of_a_direct_install_does_not_ship(tmp_path: Path) -> None:
    origin = "board-1.0.dist-info/direct_url.json"
    odd = Odd(expected="", files={origin: "{}"}, change=lambda record: record.replace("\n", "\r\n"))
    found = contents(lay_out(odd, tmp_path))
    assert origin not in found
    record = found["board-1.0.dist-info/RECORD"]
    assert b"direct_url" not in record
    assert b"\r" not in record  # the staged copy, which pex would read, is written by nox-pex


# What is refused


def without(record: str, path: str) -> str:
    return "".join(row for row in record.splitlines(keepends=True) if not row.startswith(path))


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        pytest.param(
            {"change": lambda text: without(text, "board-1.0.dist-info/RECORD")}, "does not list itself", id="record"
        ),
        pytest.param({"change": lambda text: text + text.splitlines()[0] + "\n"}, "the same path", id="twice"),
        pytest.param({"change": lambda text: text.replace(",16\n", ",many\n")}, "another form", id="size"),
        pytest.param({"change": lambda text: text.replace(",16\n", "\n")}, "another form", id="two-fields"),
        pytest.param({"change": lambda text: text.replace(",16\n", ",16,more\n")}, "another form", id="four-fields"),
        pytest.param({"files": {"a.pyo": "1"}}, "bytecode", id="pyo"),
        pytest.param({"files": {"a.pyc.140": "1"}}, "bytecode", id="pyc-of-a-killed-python"),
        pytest.param(
            {"change": lambda text: f"/etc/passwd,sha256=x,1\n{text}"}, "outside of its library", id="absolute"
        ),
        pytest.param(
            {"change": lambda text: f"../../../../a.txt,sha256=x,1\n{text}"}, "outside of its library", id="outside"
        ),
        pytest.param(
            {"change": lambda text: f"../a.txt,sha256=x,1\n{text}"}, "outside of its library", id="next-to-the-library"
        ),
        pytest.param(
            {"change": lambda text: f"../../../lib64/a.py,sha256=x,1\n{text}"}, "outside of its library", id="lib64"
        ),
        pytest.param({"change": lambda text: f".layout.json,sha256=x,1\n{text}"}, "not that of a file", id="layout"),
        pytest.param({"files": {"__pycache__/a.txt": "1"}}, "__pycache__", id="pycache"),
        pytest.param({"wheel": "Wheel-Version: 1.0\n"}, "no tags", id="no-tags"),
        pytest.param({"wheel": tagged("py3")}, "has an invalid tag", id="odd-tag"),
        pytest.param(
            {"entry_points": "[console_scripts]\na = b:c\n[gui_scripts]\na = b:d\n"}, "the same name", id="script-twice"
        ),
        pytest.param({"entry_points": "a = b:c\n"}, "without a group", id="no-group"),
    ],
)
def test_an_installed_distribution_of_an_unknown_form_is_refused(
    tmp_path: Path, odd: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnsupportedDistributionError, match=reason):
        lay_out(Odd(expected="", **odd), tmp_path)


def test_a_record_in_another_encoding_is_refused(tmp_path: Path) -> None:
    directory = ENVIRONMENTS["other-letters"].install(tmp_path)
    record = directory / "RECORD"
    record.write_bytes(record.read_bytes().decode().replace("名", "m").encode("latin-1"))
    texts = dist_info.read_directory(directory)
    with pytest.raises(UnsupportedDistributionError, match="not UTF-8"):
        wheel_layout.from_environment(directory, root=tmp_path, texts=texts)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        pytest.param({"files": {f"{DATA}/purelib/a.py": ""}}, "has files in board-1.0.data/purelib", id="own-library"),
        pytest.param(
            {"files": {f"{DATA}/platlib/a.py": ""}, "wheel": tagged("py3-none-any", pure="")},
            "has files in board-1.0.data/platlib",
            id="own-library-of-a-platform",
        ),
        pytest.param({"files": {f"{DATA}/other/a.txt": ""}}, "files of the scheme other", id="scheme"),
        pytest.param({"change": lambda text: f"/a.py,sha256=x,1\n{text}"}, "has the file /a.py", id="absolute"),
        pytest.param(
            {"change": lambda text: without(text, "board-1.0.dist-info/RECORD")}, "does not list itself", id="record"
        ),
        pytest.param({"files": {"__pycache__/a.txt": "1"}}, "__pycache__", id="pycache"),
    ],
)
def test_a_wheel_of_an_unknown_form_is_refused(tmp_path: Path, odd: dict[str, Any], reason: str) -> None:
    wheel = Odd(expected="", **odd).write_wheel(tmp_path)
    with pytest.raises(UnsupportedDistributionError, match=reason):
        wheel_layout.from_wheel(wheel, tmp_path / "unpacked")


# Keys


def test_the_same_distribution_has_the_same_key_in_every_environment(tmp_path: Path) -> None:
    odd = ENVIRONMENTS["entry-points"]
    first, second = (lay_out(odd, tmp_path / each) for each in ("first", "second"))
    assert first.key == second.key
    other = replace(odd, files={**odd.files, TOOL: "#!/other/python\n"})
    assert lay_out(other, tmp_path / "third").key != first.key


@pytest.mark.parametrize("interpreter", ["/first/bin/python", "/second/bin/python3.11"])
def test_the_interpreter_in_a_script_does_not_count(tmp_path: Path, interpreter: str) -> None:
    def script(path: str) -> Odd:
        return Odd(expected="", files={TOOL: f"#!{path}\nprint()\n", HEADER: ""}, wheel=PURE)

    first, second = (
        lay_out(script("/environment/bin/python"), tmp_path / "1"),
        lay_out(script(interpreter), tmp_path / "2"),
    )
    assert first.key == second.key
