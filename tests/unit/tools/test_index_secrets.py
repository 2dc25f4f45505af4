from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.tools import index_secrets


def secrets_in(home: Path, file: str, text: str, **environ: str) -> set[str]:
    """The secrets that are found if only this file is written, in the directory `home`."""
    path = home / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    variables = {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "none"), **environ}
    return {*index_secrets.values(variables, prefix=home / "prefix", project=home / "project")}


@pytest.mark.parametrize(
    ("file", "text", "secret"),
    [
        (".config/pip/pip.conf", "[global]\nindex-url = https://joe:hidden/1@h.example/simple\n", "hidden/1"),
        (
            ".config/pip/pip.conf",
            "[global]\nextra-index-url =\n    https://a.example\n    https://j:hidden1@b\n",
            "hidden1",
        ),
        ("prefix/pip.conf", "[install]\nindex-url = https://hidden-token@h.example/simple\n", "hidden-token"),
        (".config/uv/uv.toml", '[[index]]\nurl = "https://joe:hidden1@h.example"\ndefault = true\n', "hidden1"),
        (".config/pypoetry/config.toml", '[repositories.a]\nurl = "https://joe:hidden1@h.example"\n', "hidden1"),
        (".config/pypoetry/auth.toml", '[http-basic.private]\nusername = "joe"\npassword = "hidden1"\n', "hidden1"),
        (".config/pypoetry/auth.toml", '[pypi-token]\npypi = "pypi-hidden1"\n', "pypi-hidden1"),
        (".config/pypoetry/auth.toml", '[http-basic]\na = { username = "joe", password = "hidden1" }\n', "hidden1"),
        ("project/poetry.toml", '[plugins.pypi_mirror]\nurl = "https://joe:hidden1@h.example/simple"\n', "hidden1"),
        (".netrc", "machine h.example login joe password hidden1\n", "hidden1"),
        (".netrc", 'machine h.example\n  login joe\n  password "hid den1"\n', "hid den1"),
    ],
)
def test_the_secrets_in_a_configuration_file(tmp_path: Path, file: str, text: str, secret: str) -> None:
    assert secrets_in(tmp_path, file, text) == {secret}


def test_a_file_that_is_named_by_a_variable_is_read(tmp_path: Path) -> None:
    assert secrets_in(tmp_path, "n", "machine h password hidden1", NETRC=str(tmp_path / "n")) == {"hidden1"}
    named = {"PIP_CONFIG_FILE": str(tmp_path / "p")}
    assert secrets_in(tmp_path, "p", "[global]\nindex-url = https://j:hidden2@h", **named) == {"hidden2"}


def test_a_file_that_is_damaged_or_missing_has_none(tmp_path: Path) -> None:
    assert secrets_in(tmp_path, ".config/uv/uv.toml", "[[[ = \0 \N{REPLACEMENT CHARACTER}") == set()
    (tmp_path / ".netrc").mkdir()
    assert secrets_in(tmp_path, ".config/pip/pip.conf", "[global]\ntimeout = 5\n") == set()
