from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nox_pex.system.environ import EPOCH, UTF_8, home_directory, tool_environ


def test_variables_that_change_a_tools_python_are_removed_and_the_others_stay() -> None:
    removed = (
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "PEX_ROOT",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "UV_PYTHON",
        "FORCE_COLOR",
    )
    stay = {"PATH": "/bin", "HOME": "/h", "HTTPS_PROXY": "p", "POETRY_HTTP_BASIC_X_PASSWORD": "s", "PIP_INDEX_URL": "i"}
    assert tool_environ({**dict.fromkeys(removed, "x"), **stay}) == {**stay, "PYTHONHASHSEED": "0"}


def test_the_hash_seed_of_the_user_is_replaced() -> None:
    assert tool_environ({"PYTHONHASHSEED": "random"}) == {"PYTHONHASHSEED": "0"}


def test_the_epoch_is_the_earliest_date_of_a_zip_file() -> None:
    assert dt.datetime.fromtimestamp(int(EPOCH), dt.UTC) == dt.datetime(1980, 1, 1, tzinfo=dt.UTC)


def test_a_python_reads_paths_as_utf_8_in_any_locale() -> None:
    code = "import sys; print(sys.getfilesystemencoding(), sys.flags.utf8_mode)"
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", **UTF_8}
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout == b"utf-8 1\n"


def test_a_user_without_a_home_has_the_root_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert home_directory({"HOME": "/home/somebody"}) == Path("/home/somebody")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)  # a container with a number that is no user's
    assert home_directory({}) == home_directory({"HOME": ""}) == Path("/")
