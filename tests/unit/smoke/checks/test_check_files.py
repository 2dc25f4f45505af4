"""The schemas and certificate authorities that checks name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke.checks.check_files import CheckFiles


def smoke(*checks: dict[str, Any], url: str = "http://127.0.0.1:{port}") -> Smoke:
    return msgspec.convert({"http": [{"path": "/", **check} for check in checks], "url": url}, Smoke)


def test_each_check_gets_the_schema_that_it_names(tmp_path: Path) -> None:
    schema = {"type": "object"}
    (tmp_path / "schema.json").write_text(json.dumps(schema), "utf-8")
    settings = smoke({"json-schema": "schema.json"}, {})
    files = CheckFiles.load(settings, tmp_path)
    assert files.schema(settings.http[0]) == schema
    assert files.schema(settings.http[1]) is None


def test_only_https_has_tls_settings(tmp_path: Path) -> None:
    plain, encrypted = smoke({}), smoke({}, url="https://127.0.0.1:{port}")
    assert CheckFiles.load(plain, tmp_path).tls(plain.http[0]) is None
    assert CheckFiles.load(encrypted, tmp_path).tls(encrypted.http[0]) is not None


@pytest.mark.parametrize("key", ["json-schema", "ca-file"])
def test_a_file_that_does_not_exist_is_named(key: str, tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match=f"`{key}` names nowhere, which does not exist in ") as caught:
        CheckFiles.load(smoke({key: "nowhere"}, url="https://127.0.0.1:{port}"), tmp_path)
    assert caught.value.code == "source-missing"


@pytest.mark.parametrize(
    ("key", "content", "problem"),
    [
        ("json-schema", "{", "`json-schema` file is not a JSON Schema"),
        ("json-schema", '{"type": "thing"}', "`json-schema` file is not a JSON Schema"),
        ("ca-file", "no certificate", "`ca-file` file contains no certificate"),
    ],
)
def test_a_file_with_invalid_content_is_refused(key: str, content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(content, "utf-8")
    with pytest.raises(NoxPexError, match=problem) as caught:
        CheckFiles.load(smoke({key: "file"}, url="https://127.0.0.1:{port}"), tmp_path)
    assert caught.value.code == "config"
