"""Composed binaries and their parts. A small PEX that proves itself takes the place of pex's runtime."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.pex import composer, notes, packed_wheels
from nox_pex.pex.composer import Composer, ProjectPart
from nox_pex.pex.disagreements import Disagreements
from nox_pex.pex.notes import Notes
from nox_pex.pex.target import Target
from nox_pex.settings.model import Binary
from nox_pex.system.command import Clock
from nox_pex.tools import pinned
from tests.support.fake_environment import FakeEnvironment
from tests.support.small_pex import SmallPex, write_zip
from tests.unit.pex.conftest import Act, MakeProvisioner, MakeTarget, write_pex, write_runtime_of_another_form

IDNA = "idna-1.0-py3-none-any.whl"
MAIN = b"def main(): ...\nprint(__name__, 'is the program')\n" * 900


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, True),
        *(
            ({key: value}, True)
            for key, value in {"compress": False, "sh_boot": False, "execution_mode": "zipapp"}.items()
        ),
        ({"scie": "eager", "pex_args": ("--scie-science-binary", "science")}, True),
        *(({key: value}, False) for key, value in {"layout": "packed", "compile": True}.items()),
        ({"layout": "loose"}, False),
        ({"executable": "run.py", "entry_point": None}, False),
        ({"pex_args": ("--jobs", "1")}, False),
    ],
    ids=str,
)
def test_which_binaries_can_be_composed(table: dict[str, Any], *, expected: bool) -> None:
    assert composer.supports(Binary(**{"entry_point": "main:main", **table})) is expected


class Composing:
    """Composes binaries of one target in new directories, as one build after the other does."""

    def __init__(self, directory: Path, environment: FakeEnvironment, make_provisioner: MakeProvisioner) -> None:
        self.directory, self.environment, self._make_provisioner = directory, environment, make_provisioner
        self.ran: list[tuple[str, ...]] = []
        self.packed: list[str] = []
        self.names: frozenset[str] | None = None
        self.output = directory / "output.pex"

    def __call__(
        self, target: Target, *, act: Act = write_pex, previous: Path | None = None, **installed: Any
    ) -> dict[str, Any]:
        """Return PEX-INFO; empty if pex has to build the binary."""
        directory = self.directory / f"build{len(list(self.directory.glob('build*')))}"
        sources = directory / "sources"
        sources.mkdir(parents=True)
        (sources / "main.py").write_bytes(MAIN)
        self.packed.clear()
        self.ran.clear()
        self.names = Composer(
            target=target,
            contents=self.environment.installed(**installed),
            disagreements=Disagreements(),
            project=ProjectPart(
                wheel=None, member=None, sources=sources, names=("main.py",), entry_point=target.table.entry_point
            ),
            provisioner=self._make_provisioner(act, self.ran),
            directory=directory,
            previous=previous,
            notes=notes.read(target),
            clock=Clock(),
            lock_descriptor=0,
        ).compose(self.output)
        assert sorted(path.name for path in directory.iterdir()) == ["sources"]  # nothing temporary is left
        if self.names is None:
            assert not self.output.exists()
            return {}
        with zipfile.ZipFile(self.output) as archive:
            assert archive.testzip() is None
            info: dict[str, Any] = json.loads(archive.read("PEX-INFO"))
        return info


@pytest.fixture
def composing(
    tmp_path: Path, environment: FakeEnvironment, make_provisioner: MakeProvisioner, monkeypatch: pytest.MonkeyPatch
) -> Composing:
    monkeypatch.setattr(pinned, "provide_pex", lambda *_args, **_options: Path("/tools/python"))
    found = Composing(tmp_path, environment, make_provisioner)
    pack = packed_wheels.pack

    def noting(wheel: Any, *args: Any, **options: Any) -> Any:
        if wheel.name.startswith("nox_pex_probe"):
            return pack(wheel, *args, **options)
        found.packed.append(wheel.name)
        return pack(wheel, *args, **options)

    monkeypatch.setattr(packed_wheels, "pack", noting)
    return found


def test_pex_info_has_what_the_table_says(composing: Composing, make_target: MakeTarget) -> None:
    target = make_target(inject_env={"A": "ü"}, inject_args=["-x", "a b"], entry_point="main:run")
    info = composing(target)
    assert composing.names == frozenset({"idna"})
    assert (info["inject_env"], info["inject_args"]) == ({"A": "ü"}, ["-x", "a b"])
    assert (info["entry_point"], "script" in info) == ("main:run", False)
    assert info["requirements"] == ["idna==1.0"]
    assert list(info["distributions"]) == [IDNA]


def test_an_excluded_distribution_is_neither_in_it_nor_required(composing: Composing, make_target: MakeTarget) -> None:
    composing.environment.add("board", {"board.py": ""})
    info = composing(make_target(exclude=["IDNA"]))
    assert (list(info["distributions"]), info["requirements"]) == (["board-1.0-py3-none-any.whl"], ["board==1.0"])
    info = composing(make_target(exclude=["idna<1"]))  # another version ships
    assert info["requirements"] == ["board==1.0", "idna==1.0"]


def test_what_was_packed_before_is_found_by_its_note(composing: Composing, make_target: MakeTarget) -> None:
    target = make_target()
    first = composing(target)
    assert composing.packed == [IDNA]
    assert len(composing.ran) == 1
    noted = notes.read(target)
    assert len(noted.packed) == 1
    # The files are not read again, so it is not noticed that they are gone.
    (composing.environment.site_packages / "idna" / "core.py").unlink()
    assert composing(target) == first
    assert (composing.packed, composing.ran) == ([], [])
    assert notes.read(target) == noted


def test_a_bump_packs_one_wheel_and_forgets_the_old_one(composing: Composing, make_target: MakeTarget) -> None:
    target = make_target()
    composing.environment.add("board", {"board.py": ""})
    composing(target)
    installed = composing.environment.installed()
    (board,) = (each for each in installed.distributions if each.name == "board")
    installed.environment.remove(board)
    composing.environment.add("board", {"board.py": ""}, version="1.1")
    info = composing(target, id="second")
    assert composing.packed == ["board-1.1-py3-none-any.whl"]
    assert list(info["distributions"]) == ["board-1.1-py3-none-any.whl", IDNA]
    assert info["requirements"] == ["board==1.1", "idna==1.0"]
    assert len(notes.read(target).packed) == 2


def test_nothing_is_noted_without_the_identity_of_an_install(composing: Composing, make_target: MakeTarget) -> None:
    composing(make_target(), id="")
    assert notes.read(make_target()).packed == {}
    assert composing(make_target(), id="")["distributions"]
    assert composing.packed == []  # its content is known


@pytest.mark.parametrize("change", [{"packed_for": "another"}, {"packed": {}}])
def test_notes_for_another_store_are_not_used(
    composing: Composing, make_target: MakeTarget, change: dict[str, Any]
) -> None:
    target = make_target()
    first = composing(target)
    notes.write(target, replace(notes.read(target), **change))
    assert composing(target) == first
    assert len(notes.read(target).packed) == 1


def test_a_note_of_a_wheel_that_is_gone_is_not_used(composing: Composing, make_target: MakeTarget) -> None:
    target = make_target()
    first = composing(target)
    noted = notes.read(target)
    notes.write(target, replace(noted, packed=dict.fromkeys(noted.packed, "0" * 32)))
    assert composing(target) == first
    assert notes.read(target) == noted


@pytest.mark.parametrize("change", [{"compress": False}, {"pex_version": "2.105.1"}], ids=str)
def test_what_is_packed_in_another_way_is_packed_again(
    composing: Composing, make_target: MakeTarget, change: dict[str, Any]
) -> None:
    composing(make_target())
    settings = {"pex-version": change.pop("pex_version")} if "pex_version" in change else {}
    composing(make_target(settings=settings, **change))
    assert composing.packed == [IDNA]
    assert len(composing.ran) == 1


def test_rewritten_metadata_is_in_the_binary(composing: Composing, make_target: MakeTarget) -> None:
    origin = json.dumps({"url": "https://user:hunter22@files.example/board.zip", "archive_info": {}})
    composing.environment.add("board", {"board.py": ""}, direct_url=origin)
    composing(make_target())
    with zipfile.ZipFile(composing.output) as archive:
        names = [name for name in archive.namelist() if name.startswith(".deps/board")]
        text = b"".join(archive.read(name) for name in names)
    assert names
    assert b"hunter22" not in text
    assert not [name for name in names if "direct_url" in name]


def test_a_source_that_is_as_it_was_is_copied_from_the_previous_binary(
    composing: Composing, make_target: MakeTarget, tmp_path: Path
) -> None:
    """The previous binary is compressed in another way, so its bytes can be told apart."""
    previous = write_zip(tmp_path / "previous.pex", SmallPex(sources={"main.py": MAIN}).files(), level=1)
    sizes = []
    for given in (previous, None):
        composing(make_target(), previous=given)
        with zipfile.ZipFile(composing.output) as archive:
            sizes.append(archive.getinfo("main.py").compress_size)
    with zipfile.ZipFile(previous) as archive:
        assert archive.getinfo("main.py").compress_size == sizes[0] != sizes[1]


# What is left to pex, and what is an error


def test_nothing_is_composed_if_the_runtime_is_not_proven(composing: Composing, make_target: MakeTarget) -> None:
    assert composing(make_target(), act=write_runtime_of_another_form) == {}
    assert composing.packed == []


@pytest.mark.parametrize("packed_before", [True, False])
def test_a_binary_with_too_many_members_is_not_composed(
    composing: Composing,
    make_target: MakeTarget,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    packed_before: bool,
) -> None:
    assert composing(make_target())
    with zipfile.ZipFile(composing.output) as archive:
        of_the_library = [name for name in archive.namelist() if name.startswith(f".deps/{IDNA}/")]
    (made,) = (tmp_path / "cache" / "runtimes").glob("*/runtime.pex")
    with zipfile.ZipFile(made) as archive:
        number = len(archive.namelist()) + len(of_the_library) + len(["main.py"])
    if not packed_before:
        notes.write(make_target(), Notes())
        shutil.rmtree(tmp_path / "cache" / "packed")
    monkeypatch.setattr(composer, "MOST", number - 1)
    assert composing(make_target()) == {}
    assert composing.packed == []
    monkeypatch.setattr(composer, "MOST", number)
    assert composing(make_target())


def of_an_unknown_form(environment: FakeEnvironment) -> None:
    environment.add("board", {"board.py": "", "board-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\n"})


def without_a_file(environment: FakeEnvironment) -> None:
    (environment.site_packages / "idna" / "core.py").unlink()


@pytest.mark.parametrize("change", [of_an_unknown_form, without_a_file])
def test_a_distribution_of_an_unknown_form_is_left_to_pex(
    composing: Composing, make_target: MakeTarget, change: Callable[[FakeEnvironment], None]
) -> None:
    change(composing.environment)
    assert composing(make_target()) == {}
    assert notes.read(make_target()) == Notes()


def changed(environment: FakeEnvironment) -> None:
    (environment.site_packages / "idna" / "core.py").write_text("CORE = 2\n", "utf-8")


def with_a_stray_file(environment: FakeEnvironment) -> None:
    (environment.site_packages / "evil.py").touch()


@pytest.mark.parametrize(("damage", "name"), [(changed, "idna/core.py"), (with_a_stray_file, "evil.py")])
def test_a_damaged_install_is_an_error(
    composing: Composing, make_target: MakeTarget, damage: Callable[[FakeEnvironment], None], name: str
) -> None:
    damage(composing.environment)
    with pytest.raises(NoxPexError) as caught:
        composing(make_target())
    assert caught.value.code == "integrity"
    assert str(composing.environment.path) in caught.value.problem
    assert name in caught.value.problem
