from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.tools import index
from nox_pex.tools.index import PipIndex, pip_files, pip_index, poetry_index_environ, uv_index_environ

PYPI = "https://pypi.example/simple/"


class Machine:
    """A home, a project and the prefix of an environment, without the configuration of the real machine."""

    def __init__(self, path: Path) -> None:
        self.home = path / "home"
        self.prefix = path / "venv"
        self.project = path / "project"
        for directory in (self.home, self.prefix, self.project):
            directory.mkdir()
        self.environ = {"HOME": str(self.home), "XDG_CONFIG_DIRS": str(path / "xdg1") + os.pathsep + str(path / "xdg2")}
        self.path = path

    def write(self, name: str, text: str) -> str:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return str(file)

    def pip(self, **variables: str) -> PipIndex:
        return pip_index({**self.environ, **variables}, prefix=self.prefix)

    def poetry(self, **variables: str) -> dict[str, str]:
        environ = {**self.environ, **variables}
        return poetry_index_environ(environ, prefix=self.prefix, project=self.project)

    def uv(self, **variables: str) -> dict[str, str]:
        return uv_index_environ({**self.environ, **variables}, prefix=self.prefix)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def files(environ: Mapping[str, str], *, prefix: Path) -> tuple[Path, ...]:
        return tuple(file for file in pip_files(environ, prefix=prefix) if file != Path("/etc/pip.conf"))

    monkeypatch.setattr(index, "pip_files", files)
    return Machine(tmp_path)


def conf(url: str, *, section: str = "global") -> str:
    return f"[{section}]\nindex-url = {url}\n"


def test_the_configuration_files_are_in_pips_order() -> None:
    environ = {"HOME": "/home/joe", "XDG_CONFIG_DIRS": "/a:/b"}
    assert [str(file) for file in pip_files(environ, prefix=Path("/venv"), platform="linux")] == [
        "/a/pip/pip.conf",
        "/b/pip/pip.conf",
        "/etc/pip.conf",
        "/home/joe/.pip/pip.conf",
        "/home/joe/.config/pip/pip.conf",
        "/venv/pip.conf",
    ]


def test_the_configuration_files_on_macos(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/nowhere/pip.conf"}
    files = [str(file) for file in pip_files(environ, prefix=Path("/venv"), platform="darwin")]
    assert files == [
        "/Library/Application Support/pip/pip.conf",
        f"{tmp_path}/.pip/pip.conf",
        f"{tmp_path}/.config/pip/pip.conf",
        "/venv/pip.conf",
        "/nowhere/pip.conf",
    ]
    library = tmp_path / "Library/Application Support/pip"
    library.mkdir(parents=True)
    assert library / "pip.conf" in pip_files(environ, prefix=Path("/venv"), platform="darwin")


def test_without_any_configuration_pip_keeps_its_defaults(machine: Machine) -> None:
    assert machine.pip() == PipIndex()


def test_a_later_file_wins_and_the_variable_wins_over_all(machine: Machine) -> None:
    found = []
    for name in ("xdg1/pip/pip.conf", "xdg2/pip/pip.conf", "home/.pip/pip.conf", "home/.config/pip/pip.conf"):
        machine.write(name, conf(f"https://{name}"))
        found.append(machine.pip().url == f"https://{name}")
    machine.write("venv/pip.conf", conf("https://site"))
    found.append(machine.pip().url == "https://site")
    named = machine.write("named.conf", conf("https://named"))
    found.append(machine.pip(PIP_CONFIG_FILE=named).url == "https://named")
    found.append(machine.pip(PIP_CONFIG_FILE=named, PIP_INDEX_URL="https://variable").url == "https://variable")
    assert found == [True] * 7


def test_a_file_that_a_variable_names_replaces_the_users(machine: Machine) -> None:
    machine.write("home/.config/pip/pip.conf", conf("https://user"))
    named = machine.write("named.conf", "[global]\ntimeout = 3\n")
    assert machine.pip(PIP_CONFIG_FILE=named).url is None
    assert machine.pip(PIP_CONFIG_FILE=f"{named}.missing").url == "https://user"


def test_dev_null_disables_the_files(machine: Machine) -> None:
    machine.write("home/.config/pip/pip.conf", conf("https://user"))
    assert machine.pip(PIP_CONFIG_FILE=os.devnull) == PipIndex()
    assert machine.pip(PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL="https://variable").url == "https://variable"


def test_the_users_file_is_in_xdg_config_home(machine: Machine) -> None:
    machine.write("xdg/pip/pip.conf", conf("https://xdg"))
    assert machine.pip(XDG_CONFIG_HOME=str(machine.path / "xdg")).url == "https://xdg"
    assert machine.pip(XDG_CONFIG_HOME=" ").url is None


def test_the_install_section_wins_whichever_file_it_is_in(machine: Machine) -> None:
    machine.write("xdg1/pip/pip.conf", conf("https://install", section="install"))
    machine.write("venv/pip.conf", conf("https://global") + conf("https://other", section="download"))
    assert machine.pip().url == "https://install"


def test_keys_have_several_spellings_and_empty_values_and_extra_indexes_do_not_count(machine: Machine) -> None:
    machine.write(
        "venv/pip.conf",
        "[global]\nIndex_URL = https://joe:p%40ss@index.example/simple\nextra-index-url = https://extra\n"
        "cert = ~/ca.pem\n",
    )
    assert machine.pip() == PipIndex(url="https://joe:p%40ss@index.example/simple", cert=str(machine.home / "ca.pem"))
    assert machine.pip(PIP_INDEX_URL="", PIP_CERT="/ca.pem").cert == "/ca.pem"
    machine.write("venv/pip.conf", "[global]\nindex-url =\nextra-index-url = https://extra\n")
    assert machine.pip(PIP_EXTRA_INDEX_URL="https://extra").url is None


@pytest.mark.parametrize(
    "content", [b"index-url = https://joe:hunter22@host\n", b"[global\n", b"[global]\nindex-url = \xff\n"]
)
def test_a_broken_file_is_an_error_that_keeps_its_content_secret(machine: Machine, content: bytes) -> None:
    (machine.prefix / "pip.conf").write_bytes(content)
    with pytest.raises(NoxPexError, match=r"pip.conf cannot be parsed; correct it") as caught:
        machine.pip()
    assert caught.value.code == "config"
    assert "hunter22" not in str(caught.value)


def test_poetry_gets_pips_index_or_the_default(machine: Machine) -> None:
    assert machine.poetry() == {"NOX_PEX_DEFAULT_INDEX": "1"}  # for `launch_script.py`
    assert machine.poetry(PIP_INDEX_URL="https://index/simple", PIP_CERT="/ca.pem") == {
        "POETRY_PYPI_MIRROR_URL": "https://index/simple",
        "REQUESTS_CA_BUNDLE": "/ca.pem",
    }


def test_the_users_configuration_of_poetry_stays(machine: Machine) -> None:
    pip = {"PIP_INDEX_URL": "https://index/simple", "PIP_CERT": "/ca.pem"}
    assert machine.poetry(**pip, POETRY_PYPI_MIRROR_URL="https://mine", REQUESTS_CA_BUNDLE="/own.pem") == {}
    mirror = '[plugins.pypi_mirror]\nurl = "https://mine"\n'
    for name, variables in [
        ("project/poetry.toml", {}),
        ("home/.config/pypoetry/config.toml", {}),
        ("xdg/pypoetry/config.toml", {"XDG_CONFIG_HOME": str(machine.path / "xdg")}),
        ("own/config.toml", {"POETRY_CONFIG_DIR": str(machine.path / "own")}),
    ]:
        file = Path(machine.write(name, mirror))
        assert "POETRY_PYPI_MIRROR_URL" not in machine.poetry(**pip, **variables)
        file.write_text("[virtualenvs]\nin-project = true\n", "utf-8")
        assert "POETRY_PYPI_MIRROR_URL" in machine.poetry(**pip, **variables)


def test_a_broken_configuration_file_of_poetry_is_an_error(machine: Machine) -> None:
    machine.write("project/poetry.toml", "[plugins")
    with pytest.raises(NoxPexError, match=r"error\[config\]: .*poetry.toml is not valid TOML"):
        machine.poetry()


def test_uv_gets_pips_index_if_there_is_one(machine: Machine) -> None:
    assert machine.uv() == {}
    assert machine.uv(PIP_INDEX_URL="https://index/simple", PIP_CERT="/ca.pem") == {
        "UV_DEFAULT_INDEX": "https://index/simple",
        "SSL_CERT_FILE": "/ca.pem",
    }


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE", "UV_NO_INDEX"])
def test_the_users_variables_for_uv_stay(machine: Machine, name: str) -> None:
    assert machine.uv(**{"PIP_INDEX_URL": "https://index/simple", name: "x"}) == {}


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ('index-url = "https://mine"', True),
        ('[pip]\nindex-url = "https://mine"', True),
        ('[[index]]\nurl = "https://mine"\ndefault = true', True),
        ('[[index]]\nurl = "https://extra"', False),
        ("offline = false", False),
    ],
)
def test_the_users_configuration_file_of_uv_stays(machine: Machine, text: str, *, stays: bool) -> None:
    machine.write("home/.config/uv/uv.toml", text)
    assert ("UV_DEFAULT_INDEX" not in machine.uv(PIP_INDEX_URL="https://index/simple")) is stays
