from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.pex import tool
from nox_pex.system import plain_paths
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner
from tests.support import environments

PYTHON = Interpreter(implementation="CPython", version="3.11.7", executable=Path("/python/3.11"))
UNUSABLE = ["svc:main", "[a]", "what?", "a*"]


@pytest.fixture
def provisioner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Provisioner:
    """A provisioner with a cache of the name that the test gives, in which pex is installed."""
    cache = tmp_path / request.param
    environment = environments.create(cache / "tools" / "pex-1", base=PYTHON.executable)
    environments.install(environment, "pex", {"pex/__init__.py": "# pex\n"})
    monkeypatch.setattr(pinned, "provide_pex", lambda *_args, **_options: environment.python)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shell = Shell(environ={"HOME": "/home/joe", "TMPDIR": str(tmp_path)}, secrets=Secrets(), say=print)
    return Provisioner(shell=shell, caches=Caches(chosen=cache), uv=None)


@pytest.mark.parametrize("provisioner", ["cache", "a b", "job%2Ffeature", "a#b", "grün"], indirect=True)
def test_pex_works_where_it_is_installed(provisioner: Provisioner, tmp_path: Path) -> None:
    with tool.provide(provisioner, None, interpreter=PYTHON) as pex:
        assert pex.python.is_relative_to(provisioner.caches.root)
        assert pex.root == provisioner.caches.root / "pex" / pinned.PEX
        assert pex.version == pinned.PEX
        assert (pex.environ["HOME"], pex.environ["TMPDIR"]) == ("/home/joe", str(tmp_path))


@pytest.mark.parametrize("provisioner", UNUSABLE, indirect=True)
def test_a_copy_works_elsewhere_if_pex_cannot_work_in_the_cache(
    provisioner: Provisioner, capsys: pytest.CaptureFixture[str]
) -> None:
    with tool.provide(provisioner, "2.60.0", interpreter=PYTHON) as pex:
        assert plain_paths.is_plain(pex.python)
        assert plain_paths.is_plain(pex.root)
        assert pex.python.is_symlink()
        library = pex.python.parent.parent / "lib" / "python3.11" / "site-packages" / "pex"
        assert (library / "__init__.py").read_text("utf-8") == "# pex\n"
        assert pex.version == "2.60.0"
    assert not library.exists()
    assert f"it cannot work in {provisioner.caches.root}" in capsys.readouterr().out


@pytest.mark.parametrize("provisioner", ["cache"], indirect=True)
@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("variable", ["HOME", "TMPDIR"])
def test_pex_gets_another_directory_if_it_cannot_work_in_that_of_the_user(
    provisioner: Provisioner, variable: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(environ={variable: f"/srv/{name}"}, secrets=Secrets(), say=print)
    other = Provisioner(shell=shell, caches=provisioner.caches, uv=None)
    with tool.provide(other, None, interpreter=PYTHON) as pex:
        assert pex.python.is_relative_to(other.caches.root)
        assert tool.works_in(Path(pex.environ[variable]))
        assert Path(pex.environ[variable]).is_dir()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("provisioner", ["cache"], indirect=True)
@pytest.mark.parametrize("given", [True, False])
def test_pex_gets_another_temporary_directory_if_no_program_can_run_in_it(
    provisioner: Provisioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, given: bool
) -> None:
    temporary = tmp_path / "noexec"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(plain_paths, "allows_programs", lambda path: path != temporary)
    shell = Shell(environ={"TMPDIR": str(temporary)} if given else {}, secrets=Secrets(), say=print)
    other = Provisioner(shell=shell, caches=provisioner.caches, uv=None)
    with tool.provide(other, None, interpreter=PYTHON) as pex:
        assert Path(pex.environ["TMPDIR"]).is_dir()
        assert not Path(pex.environ["TMPDIR"]).is_relative_to(temporary)
