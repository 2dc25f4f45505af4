from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from nox_pex.distributions import pex_file
from nox_pex.image import scanner_files
from nox_pex.oci import layout
from nox_pex.poetry import requirements
from nox_pex.poetry.requirements import Frozen
from nox_pex.steps import clean
from nox_pex.system import locks
from tests.support import stated_images
from tests.support.shown import say_into
from tests.support.small_pex import SmallPex
from tests.support.small_scie import write_scie
from tests.unit.steps.conftest import MakeContext

NOTHING: Final = Frozen(indexed=(), direct=())
SMOKE: Final = json.dumps({"name": "api", "binary": "api.pex", "conditions": []})
VERIFY: Final = json.dumps({"name": "api", "binary": "api.pex", "gates": []})
IMAGE: Final = json.dumps({"name": "api", "base": "base", "layers": []})
PUSH: Final = json.dumps({"name": "api", "binary": "api.pex", "repositories": [], "digest": "sha256:"})
DIFF = json.dumps({"name": "api", "baseline": "file", "compared-by": "sha256", "growth": 0})
WRITTEN: Final = {
    "html": f"<!doctype html><!-- nox-pex report {'0' * 64} -->\n<title>api</title>",
    "push.json": PUSH,
    "diff.json": DIFF,
    "diff.md": "### `api.pex`\n",
    "smoke.json": SMOKE,
    "smoke.xml": "<testsuites/>",
    "metrics.txt": "# TYPE nox_pex_size_bytes gauge\n",
    "smoke.log": "INFO: up\n",
    "verify.json": VERIFY,
    "verify.xml": "<testsuites/>",
    "cdx.json": json.dumps({"metadata": {"tools": {"components": [{"name": "nox-pex"}]}}}),
    "image.json": IMAGE,
    "image.xml": "<testsuites/>",
    "image.log": "INFO: up\n",
    "Dockerfile": "# api 1.0, written by nox-pex.\nFROM base\n",
    "requirements.txt": requirements.requirements_text(NOTHING, direct_file="api.requirements-direct.txt"),
    "requirements-direct.txt": requirements.direct_text(NOTHING),
    "pex.sha256": f"{'0' * 64}  api.pex\n",
    "pex.intoto.jsonl": '{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[]}\n',
}
"""The text files that nox-pex writes next to a binary, apart from the build record."""


def record(binary: Path, *, name: str = "api") -> None:
    """Write the build record of a binary."""
    known = {"name": name, "inputs": {}, "tools": {"nox-pex": "1"}, "sha256": pex_file.digest(binary)}
    binary.with_name(f"{binary.name}.json").write_text(json.dumps(known), "utf-8")


def pex(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PEX-INFO", "{}")
    return path


def fill(directory: Path, texts: Mapping[str, str], *, stem: str = "api") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for ending, text in texts.items():
        (directory / f"{stem}.{ending}").write_text(text, "utf-8")


def found(directory: Path, *, stem: str = "api", suffix: str | None = None) -> dict[str, bool]:
    return {output.path.name: output.is_ours for output in clean.outputs(directory, [stem], suffix=suffix)}


def test_files_that_nox_pex_writes_are_its_own(tmp_path: Path) -> None:
    fill(tmp_path, WRITTEN)
    record(pex(tmp_path / "api.pex"))
    assert found(tmp_path) == dict.fromkeys([*(f"api.{ending}" for ending in WRITTEN), "api.pex", "api.pex.json"], True)


@pytest.mark.parametrize("ending", [*WRITTEN, "pex", "pex.json", "deps.pex", "own.pex", "metadata.tar"])
def test_a_file_of_the_user_with_the_same_name_is_not_ours(tmp_path: Path, ending: str) -> None:
    fill(tmp_path, {ending: '{"name": "api"}'})
    assert found(tmp_path) == {f"api.{ending}": False}


@pytest.mark.parametrize("text", ['{"metadata": []}', '{"metadata": {"tools": [{"name": "nox-pex"}]}}', "[]", "\x00"])
def test_a_bill_of_materials_of_another_tool_is_not_ours(tmp_path: Path, text: str) -> None:
    fill(tmp_path, {"cdx.json": text})
    assert found(tmp_path) == {"api.cdx.json": False}


def test_an_archive_of_metadata_only_is_ours(tmp_path: Path) -> None:
    scanner_files.write_archive(SmallPex().write(tmp_path / "x.pex"), tmp_path / "api.metadata.tar", name="api")
    assert found(tmp_path) == {"api.metadata.tar": True}
    with tarfile.open(tmp_path / "api.metadata.tar", "a") as archive:
        archive.add(tmp_path / "x.pex", "mine.pex")
    assert found(tmp_path) == {"api.metadata.tar": False}


def test_a_directory_with_statements_only_is_ours(tmp_path: Path) -> None:
    (directory := tmp_path / "api.attestations").mkdir()
    for name in ("smoke.statement.json", "smoke.predicate.json", "smoke.sigstore.json"):
        (directory / name).touch()
    assert found(tmp_path) == {"api.attestations": True}
    (directory / "mine.json").touch()
    assert found(tmp_path) == {"api.attestations": False}


@pytest.mark.parametrize("platforms", [("linux/amd64",), ("linux/amd64", "linux/arm64")])
def test_a_layout_with_an_image_of_ours_and_nothing_else_is_ours(tmp_path: Path, platforms: tuple[str, ...]) -> None:
    directory = tmp_path / "api.oci"
    layout.write(directory, stated_images.written(*platforms), [])
    assert found(tmp_path) == {"api.oci": True}
    (directory / "blobs" / "sha256" / "mine").touch()
    assert found(tmp_path) == {"api.oci": False}


@pytest.mark.parametrize("damage", ["config", "index", "link", "stranger", "base"])
def test_another_layout_is_not_ours(tmp_path: Path, damage: str) -> None:
    directory, image = tmp_path / "api.oci", stated_images.written()
    layout.write(directory, image, [])
    config = layout.blob_path(directory, image.blobs[0].descriptor.digest)
    if damage == "config":
        config.write_bytes(b"{}")
    elif damage == "index":
        (directory / "index.json").write_bytes(b"[")
    elif damage == "link":
        directory.rename(tmp_path / "elsewhere")
        directory.symlink_to(tmp_path / "elsewhere")
    elif damage == "stranger":
        (directory / "notes.txt").touch()
    else:
        config.write_bytes(config.read_bytes().replace(b"nox-pex: ", b"other: "))
    assert found(tmp_path) == {"api.oci": False}


@pytest.mark.parametrize("change", [{"tools": None}, {"tools": 1}, {"inputs": []}, {"name": []}, {"scies": 1}])
def test_a_record_with_values_of_other_types_is_not_ours(tmp_path: Path, change: dict[str, object]) -> None:
    record(pex(tmp_path / "api.pex"))
    known = json.loads((tmp_path / "api.pex.json").read_text("utf-8"))
    (tmp_path / "api.pex.json").write_text(json.dumps({**known, **change}), "utf-8")
    assert found(tmp_path, suffix="") == {"api.pex": False, "api.pex.json": False}


@pytest.mark.parametrize("stem", ["api", "v1.0-py3.12"])
def test_a_pylock_file_is_ours_if_nox_pex_made_it(tmp_path: Path, stem: str) -> None:
    path = tmp_path / requirements.pylock_name(stem)
    path.write_text("# What Poetry installed from poetry.lock, made by nox-pex.\n", "utf-8")
    assert found(tmp_path, stem=stem) == {path.name: True}
    path.write_text('lock-version = "1.0"\ncreated-by = "uv"\n', "utf-8")
    assert found(tmp_path, stem=stem) == {path.name: False}


def test_a_binary_that_was_changed_after_it_was_built_is_not_ours(tmp_path: Path) -> None:
    record(pex(tmp_path / "api.pex"))
    with (tmp_path / "api.pex").open("ab") as file:
        file.write(b"changed")
    assert found(tmp_path) == {"api.pex": False, "api.pex.json": True}


def test_other_files_are_not_looked_at(tmp_path: Path) -> None:
    fill(tmp_path, {"txt": "mine", "pex.orig": "mine"})
    fill(tmp_path, WRITTEN, stem="other")
    assert found(tmp_path) == {}


@pytest.mark.parametrize("has_image", [True, False])
def test_the_halves_of_a_binary_are_ours_next_to_the_result_of_an_image(tmp_path: Path, *, has_image: bool) -> None:
    halves = [pex(tmp_path / f"service-py3.12.{half}.pex") for half in ("deps", "own")]
    if has_image:
        fill(tmp_path, {"image.json": IMAGE}, stem="service-py3.12")
    seen = found(tmp_path, stem="service-py3.12")
    assert [seen[half.name] for half in halves] == [has_image, has_image]


def test_a_file_comes_before_the_file_that_proves_it(tmp_path: Path) -> None:
    fill(tmp_path, WRITTEN)
    record(pex(tmp_path / "api.pex"))
    names = list(found(tmp_path))
    for proven, proof in (
        ("pex", "pex.json"),
        ("smoke.xml", "smoke.json"),
        ("smoke.log", "smoke.json"),
        ("verify.xml", "verify.json"),
        ("image.xml", "image.json"),
        ("diff.md", "diff.json"),
    ):
        assert names.index(f"api.{proven}") < names.index(f"api.{proof}")


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (".api.pex.abcd1234", True),
        (".api.pex.json.abcd1234", True),
        (".api.smoke.json.abcd1234", True),
        (".api.verify.json.abcd1234", True),
        (".api.attestations.abcd1234", True),
        (".api.cdx.json.abcd1234", True),
        (".api.pex.intoto.jsonl.abcd1234", True),
        (".api.image.xml.abcd1234", True),
        (".api.smoke.log.abcd1234", True),
        (".api.push.json.abcd1234", True),
        (".api.diff.json.abcd1234", True),
        (".api.diff.md.abcd1234", True),
        (".api.oci.abcd1234", True),
        (".api.requirements.txt.abcd1234", True),
        (".api.requirements-direct.txt.abcd1234", True),
        (".pylock.api.toml.abcd1234", True),
        (".pylock.apis.toml.abcd1234", False),
        (".api.abcd1234", False),
        (".api.env", False),
        (".api.pex.orig", False),
        (".api.pex.abcd12345", False),
        (".apis.pex.abcd1234", False),
    ],
)
def test_temporary_files_of_a_run_that_was_killed_are_found_by_their_name(
    tmp_path: Path, name: str, *, ours: bool
) -> None:
    (tmp_path / name).write_text("", "utf-8")
    assert found(tmp_path) == ({name: True} if ours else {})


def test_a_temporary_directory_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / ".api.pex.abcd1234"
    directory.mkdir()
    with locks.try_lock(directory) as locked:
        assert locked
        assert found(tmp_path) == {}
    assert found(tmp_path) == {directory.name: True}


@pytest.mark.parametrize(
    ("suffix", "stems"),
    [(None, set()), ("", {"former"}), ("-py3.12", {"former-py3.12"}), ("-py3.13", set())],
)
def test_binaries_that_the_settings_no_longer_have_are_known_by_their_record(
    tmp_path: Path, suffix: str | None, stems: set[str]
) -> None:
    record(pex(tmp_path / "former.pex"), name="former")
    record(pex(tmp_path / "former-py3.12.pex"), name="former")
    (tmp_path / "foreign.pex.json").write_text('{"name": "foreign"}', "utf-8")
    assert set(found(tmp_path, suffix=suffix)) == {f"{stem}.pex{end}" for stem in stems for end in ("", ".json")}


@pytest.fixture
def removal(shown: list[str]) -> clean.Removal:
    return clean.Removal(say=say_into(shown.append), dry_run=False)


def test_a_removal_shows_each_file_and_the_total(tmp_path: Path, removal: clean.Removal, shown: list[str]) -> None:
    fill(tmp_path, {"a": "x" * 200_000})
    (tmp_path / "directory" / "deep").mkdir(parents=True)
    (tmp_path / "directory" / "deep" / "file").write_text("x" * 1_000_000, "utf-8")
    removal.remove(tmp_path / "api.a", "dist/a")
    removal.remove(tmp_path / "directory", "dist/directory")
    removal.summarise()
    assert list(tmp_path.iterdir()) == []
    assert shown == [
        "clean: removed dist/a, 200 kB",
        "clean: removed dist/directory, 1.0 MB",
        "clean: 1.2 MB in total",
    ]


def test_a_dry_run_removes_nothing(tmp_path: Path, shown: list[str]) -> None:
    removal = clean.Removal(say=say_into(shown.append), dry_run=True)
    fill(tmp_path, {"a": "x" * 200_000})
    removal.remove(tmp_path / "api.a", "dist/a")
    removal.empty(tmp_path, "state")
    removal.summarise()
    assert (tmp_path / "api.a").exists()
    assert shown == [
        "clean: would remove dist/a, 200 kB",
        "clean: would remove state, 200 kB",
        "clean: 400 kB in total (--dry-run)",
    ]


def test_an_emptied_directory_stays(tmp_path: Path, removal: clean.Removal, shown: list[str]) -> None:
    (tmp_path / "state" / "deep").mkdir(parents=True)
    (tmp_path / "state" / "file").write_text("1", "utf-8")
    removal.empty(tmp_path / "state", "state")
    removal.empty(tmp_path / "state", "state")
    assert list((tmp_path / "state").iterdir()) == []
    assert shown == ["clean: removed state, 1 B"]


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path: Path, removal: clean.Removal) -> None:
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "file").write_text("1", "utf-8")
    (tmp_path / "link").symlink_to("original")
    removal.remove(tmp_path / "link", "link")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "original" / "file").exists()


def test_without_anything_to_remove_it_says_so(removal: clean.Removal, shown: list[str]) -> None:
    removal.summarise()
    assert shown == ["clean: nothing to remove"]


@pytest.mark.parametrize("name", ["api.lock", "install/sets/abc.lock"])
def test_a_state_is_not_idle_while_a_tool_holds_a_lock_in_it(tmp_path: Path, name: str) -> None:
    assert clean.is_idle(tmp_path)
    with locks.locked(tmp_path / name, waiting=lambda: None):
        assert not clean.is_idle(tmp_path)
    assert clean.is_idle(tmp_path)


def built(make_context: MakeContext, tmp_path: Path, **arguments: Any) -> Any:
    """The context of a project with one built binary, some state, and an empty shared cache."""
    context = make_context(environ={"NOX_PEX_CACHE_DIR": str(tmp_path / "cache")}, **arguments)
    fill(tmp_path / "dist", WRITTEN)
    (tmp_path / "dist" / "api.cdx.json").write_text("mine", "utf-8")
    context.state.mkdir(parents=True)
    (context.state / "api.inputs.json").write_text("{}", "utf-8")
    return context


def test_a_project_is_cleaned_with_its_state(make_context: MakeContext, tmp_path: Path, shown: list[str]) -> None:
    context = built(make_context, tmp_path)
    clean.run(context)
    assert [path.name for path in (tmp_path / "dist").iterdir()] == ["api.cdx.json"]
    assert list(context.state.iterdir()) == []
    assert "clean: kept dist/api.cdx.json: nox-pex did not write it, or it was changed since" in shown
    assert any(line.startswith("clean: removed environments and state, ") for line in shown)


@pytest.mark.parametrize(("names", "left"), [((), False), (("api",), True)])
@pytest.mark.parametrize("kind", ["index", "report", ""])
def test_an_index_of_ours_is_removed_with_all_pages(
    make_context: MakeContext, tmp_path: Path, kind: str, names: tuple[str, ...], *, left: bool
) -> None:
    context = built(make_context, tmp_path, names=names)
    index = tmp_path / "dist" / "index.html"
    index.write_text(f"<!doctype html><!-- nox-pex {kind} {'0' * 64} -->\n", "utf-8")
    clean.run(context)
    assert index.exists() == (left or kind != "index")


@pytest.mark.parametrize(("names", "left"), [(("api",), 1), (("worker",), len(WRITTEN))])
def test_with_names_only_their_files_are_removed(
    make_context: MakeContext, tmp_path: Path, names: tuple[str, ...], left: int
) -> None:
    context = built(make_context, tmp_path, names=names)
    clean.run(context)
    assert len(list((tmp_path / "dist").iterdir())) == left
    assert (context.state / "api.inputs.json").exists()


@pytest.mark.parametrize("lock", ["", "api.lock"])
def test_a_project_that_another_run_uses_is_skipped(
    make_context: MakeContext, tmp_path: Path, shown: list[str], lock: str
) -> None:
    context = built(make_context, tmp_path)
    held = (
        locks.locked(context.state / lock, waiting=lambda: None)
        if lock
        else locks.shared_lock(context.state, waiting=lambda: None)
    )
    with held:
        clean.run(context)
    assert shown == ["clean: skipped shop, another run is using it"]
    assert len(list((tmp_path / "dist").iterdir())) == len(WRITTEN)


SCIE = "api-linux-x86_64"


def with_scie(directory: Path) -> Path:
    """A binary with a scie, and a record with both."""
    binary = pex(directory / "api.pex")
    record(binary)
    scie = write_scie(directory / SCIE, binary.read_bytes(), name="api")
    path = directory / "api.pex.json"
    known = json.loads(path.read_text("utf-8"))
    known["scies"] = [{"file": SCIE, "platform": "linux-x86_64", "sha256": pex_file.digest(scie), "size": 1}]
    path.write_text(json.dumps(known), "utf-8")
    return scie


def test_a_scie_in_the_build_record_is_ours_and_is_removed_before_the_record(tmp_path: Path) -> None:
    with_scie(tmp_path)
    assert list(found(tmp_path).items()) == [(SCIE, True), ("api.pex", True), ("api.pex.json", True)]


def test_a_scie_that_was_changed_after_it_was_built_is_not_ours(tmp_path: Path) -> None:
    scie = with_scie(tmp_path)
    scie.write_bytes(b"changed")
    assert found(tmp_path)[SCIE] is False


def test_a_scie_of_a_build_that_was_killed_before_it_wrote_the_record_is_ours(tmp_path: Path) -> None:
    with_scie(tmp_path)
    write_scie(tmp_path / "api-linux-s390x", b"PK\5\6" + bytes(18), name="api")
    write_scie(tmp_path / "api-linux-riscv64", b"PK\5\6" + bytes(18), name="another")
    (tmp_path / "api-linux-aarch64").write_bytes(b"of the user")
    (tmp_path / "api-notes.txt").write_bytes(b"of the user")
    assert {name: ours for name, ours in found(tmp_path).items() if "linux" in name} == {
        SCIE: True,
        "api-linux-s390x": True,
        "api-linux-riscv64": False,
        "api-linux-aarch64": False,
    }


def test_the_checksum_of_a_scie_is_ours_without_the_scie_too(tmp_path: Path) -> None:
    scie = with_scie(tmp_path)
    checksum = scie.with_name(f"{SCIE}.sha256")
    checksum.write_text(f"{'0a' * 32}  {SCIE}\n", "utf-8")
    assert list(found(tmp_path)) == [checksum.name, SCIE, "api.pex", "api.pex.json"]
    scie.unlink()
    assert found(tmp_path) == {checksum.name: True, "api.pex": True, "api.pex.json": True}
    checksum.write_text("mine", "utf-8")
    assert found(tmp_path)[checksum.name] is False


def test_a_half_written_checksum_of_a_scie_is_found(tmp_path: Path) -> None:
    (tmp_path / f".{SCIE}.sha256.ab_d9xyz").touch()
    assert found(tmp_path) == {f".{SCIE}.sha256.ab_d9xyz": True}
