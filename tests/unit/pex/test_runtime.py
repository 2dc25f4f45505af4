from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.pex import packed_wheels, runtime, zip_members
from nox_pex.pex.compose import Runtime
from nox_pex.pex.disagreements import Disagreements
from nox_pex.pex.runtime import RuntimeRequest
from nox_pex.pex.tool import Pex
from nox_pex.system import recipe
from tests.support.fake_environment import FakeEnvironment
from tests.support.platforms import target as platform_of
from tests.unit.pex.conftest import Act, MakeProvisioner, MakeTarget, after, write_pex, write_runtime

VERSION = "2.105.2"


class Provide:
    """Provides runtimes. `ran` are the command lines of pex; `asked` is how often pex itself was asked for."""

    def __init__(self, directory: Path, make_provisioner: MakeProvisioner) -> None:
        self._make_provisioner = make_provisioner
        self._pex = Pex(python=directory / "python", version=VERSION, root=directory / "root", environ={"A": "1"})
        self.caches = make_provisioner().caches
        self.ran: list[tuple[str, ...]] = []
        self.asked = 0

    def __call__(self, request: RuntimeRequest, *, act: Act = write_pex, version: str = VERSION) -> Runtime | None:
        return runtime.provide(
            request,
            self._make_provisioner(act, self.ran),
            pex_version=version,
            provide_pex=self._provide_pex,
            hold=(),
        )

    def _provide_pex(self) -> Pex:
        self.asked += 1
        return self._pex

    def home(self, request: RuntimeRequest) -> Path:
        return self.caches.runtimes / request.key(VERSION)


@pytest.fixture
def provide(tmp_path: Path, make_provisioner: MakeProvisioner) -> Provide:
    return Provide(tmp_path, make_provisioner)


MakeRequest = Callable[..., RuntimeRequest]


@pytest.fixture
def make_request(make_target: MakeTarget, environment: FakeEnvironment) -> MakeRequest:
    """A request for a binary with these keys."""

    def make(*, disagreements: Disagreements | None = None, pre_install: bool = True, **table: Any) -> RuntimeRequest:
        return RuntimeRequest.of(
            make_target(**table),
            environment.installed(),
            disagreements=disagreements or Disagreements(),
            pre_install=pre_install,
        )

    return make


@pytest.mark.parametrize("table", [{}, {"compress": False}, {"pre_install": False}], ids=str)
def test_pex_makes_a_runtime_once(provide: Provide, make_request: MakeRequest, table: dict[str, Any]) -> None:
    request = make_request(**table)
    first, second = provide(request), provide(request)
    assert first is not None
    assert second is not None
    assert first.archive == second.archive
    assert (len(provide.ran), provide.asked) == (1, 1)
    assert first.archive.path == provide.home(request) / "runtime.pex"
    assert first.info["entry_point"] == "nox_pex_probe"
    assert [path.name for path in provide.caches.runtimes.iterdir()] == [request.key(VERSION)]
    argv = provide.ran[0]
    assert ("--compress" in argv) == table.get("compress", True)
    assert ("--pre-install-wheels" in argv) == table.get("pre_install", True)
    assert after(argv, "--python-path") == str(request.interpreter.executable)
    assert after(argv, "--interpreter-constraint") == "CPython==3.11.*"


def test_the_runtime_does_not_have_what_other_parts_decide(provide: Provide, make_request: MakeRequest) -> None:
    secret = {"inject_env": {"TOKEN": "hunter22"}, "inject_args": ["-x"], "check": "error"}
    assert provide(make_request(**secret)) is not None
    assert not [argument for argument in provide.ran[0] if "hunter22" in argument or argument == "-x"]
    assert after(provide.ran[0], "--check") == "none"
    assert after(provide.ran[0], "--entry-point") == "nox_pex_probe"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"kind": 0}, id="modes"),
        pytest.param({"compress": False}, id="compression"),
        pytest.param({"values": {"requirements": []}}, id="requirements"),
        pytest.param({"sources": {"other.py": b""}}, id="sources"),
        pytest.param({"library": True}, id="another-distribution"),
        pytest.param({"wheels": {}}, id="no-distribution"),
    ],
)
def test_nothing_is_composed_with_a_runtime_that_is_not_proven(
    provide: Provide, make_request: MakeRequest, options: Mapping[str, Any]
) -> None:
    def act(argv: Sequence[str]) -> None:
        write_runtime(argv, **options)

    for _ in range(2):
        assert provide(make_request(), act=act) is None
    assert len(provide.ran) == 1  # that is kept, too


def test_a_layout_that_pex_writes_in_another_way_is_not_proven(provide: Provide, make_request: MakeRequest) -> None:
    def act(argv: Sequence[str]) -> None:
        wheel = Path(after(argv, "--pre-resolved-dist"))
        write_runtime(argv, wheels={wheel.name: {"nox_pex_probe-1.dist-info/RECORD": b""}})

    assert provide(make_request(), act=act) is None


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_runtime_that_is_no_archive_is_not_proven(
    provide: Provide, make_request: MakeRequest, content: bytes
) -> None:
    def act(argv: Sequence[str]) -> None:
        Path(after(argv, "--output-file")).write_bytes(content)

    assert provide(make_request(), act=act) is None


@pytest.mark.parametrize("fails", [True, False], ids=["status", "no-file"])
def test_a_pex_that_fails_makes_no_runtime(provide: Provide, make_request: MakeRequest, *, fails: bool) -> None:
    def act(_argv: Sequence[str]) -> None:
        if fails:
            raise OSError

    assert provide(make_request(), act=act) is None
    assert list(provide.caches.runtimes.iterdir()) == []
    assert provide(make_request()) is not None


def damaged(kept: Path) -> None:
    (kept / "runtime.pex").write_bytes((kept / "runtime.pex").read_bytes()[:-1])


def without_a_manifest(kept: Path) -> None:
    (kept / "manifest.json").unlink()


def without_a_file(kept: Path) -> None:
    (kept / "runtime.pex").unlink()


def of_another_form(kept: Path) -> None:
    (kept / "manifest.json").write_text(json.dumps({"sha256": 1}), "utf-8")


def of_another_digest(kept: Path) -> None:
    manifest = json.loads((kept / "manifest.json").read_text("utf-8"))
    key = next(key for key, value in manifest.items() if isinstance(value, str))
    (kept / "manifest.json").write_text(json.dumps({**manifest, key: "0" * 64}), "utf-8")


@pytest.mark.parametrize("damage", [damaged, without_a_manifest, without_a_file, of_another_form, of_another_digest])
def test_a_damaged_runtime_is_made_again(
    provide: Provide, make_request: MakeRequest, damage: Callable[[Path], None]
) -> None:
    request = make_request()
    first = provide(request)
    assert first is not None
    before = first.archive.path.read_bytes()
    damage(provide.home(request))
    again = provide(request)
    assert again is not None
    assert again.archive.path.read_bytes() == before
    assert len(provide.ran) == 2


def test_the_overrides_and_excludes_are_pexs(provide: Provide, make_request: MakeRequest) -> None:
    request = make_request(disagreements=Disagreements(overrides=("idna==1.0",), excludes=("gone",)))
    assert provide(request) is not None
    assert after(provide.ran[0], "--override") == "idna==1.0"
    assert after(provide.ran[0], "--exclude") == "gone"


# Keys


@pytest.mark.parametrize(
    "table",
    [
        *({"entry_point": "other:main"}, {"inject_env": {"A": "1"}}, {"inject_args": ["-x"]}, {"check": "warn"}),
        {"validate_entry_point": True},
    ],
    ids=str,
)
def test_binaries_share_a_runtime_if_they_differ_in_other_parts(
    make_request: MakeRequest, table: dict[str, Any]
) -> None:
    assert make_request(**table).key(VERSION) == make_request().key(VERSION)


@pytest.mark.parametrize(
    "table",
    [
        *({"compress": False}, {"sh_boot": False}, {"strip_pex_env": False}, {"runtime_pex_root": "/var/pex"}),
        *({"execution_mode": "zipapp"}, {"python_shebang": "/bin/py"}, {"interpreter_constraints": ["CPython>=3.9"]}),
        *({"pre_install": False}, {"disagreements": Disagreements(overrides=("idna==1.0",))}),
        *({"disagreements": Disagreements(excludes=("idna",))}, {"max_install_jobs": 2}, {"emit_warnings": False}),
    ],
    ids=str,
)
def test_binaries_share_no_runtime_if_they_differ_in_it(make_request: MakeRequest, table: dict[str, Any]) -> None:
    assert make_request(**table).key(VERSION) != make_request().key(VERSION)


@pytest.mark.parametrize(
    "change",
    [
        {"file_name": "other.pex"},
        {"interpreter": Interpreter(implementation="CPython", version="3.11.8", executable=Path("/python/3.11"))},
        {"interpreters": ()},
        {"platforms": (platform_of("linux"),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_key_depends_on_the_file_and_the_pythons(make_request: MakeRequest, change: dict[str, Any]) -> None:
    request = make_request()
    if "interpreters" in change:
        change = {"interpreters": (*request.interpreters, replace(request.interpreter, version="3.12.1"))}
    assert replace(request, **change).key(VERSION) != request.key(VERSION)


@pytest.mark.parametrize("what", ["pex", "zlib", "recipe"])
def test_the_key_depends_on_what_packs_and_proves_it(
    make_request: MakeRequest, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    before = make_request().key(VERSION)
    if what == "zlib":
        monkeypatch.setattr(packed_wheels, "zlib_identity", lambda: "another")
    elif what == "recipe":
        monkeypatch.setattr(recipe, "digest", lambda: "another")
    assert make_request().key("2.105.1" if what == "pex" else VERSION) != before


def test_a_zlib_that_compresses_in_another_way_is_noticed(
    provide: Provide, make_request: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pex is not run by this Python, so its zlib may be another one."""
    pack = zip_members.pack

    def worse(path: Path, members: Any, *, compress: bool) -> zip_members.Archive:
        return pack(path, members, compress=not compress)

    monkeypatch.setattr(zip_members, "pack", worse)
    assert provide(make_request()) is None
