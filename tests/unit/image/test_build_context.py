from __future__ import annotations

import subprocess
from pathlib import Path

from nox_pex.image import build_context
from nox_pex.project import sources
from tests.support.images import image_target


def test_the_context_has_fixed_modes_and_dates(tmp_path: Path) -> None:
    file, into = tmp_path / "a.pex", tmp_path / "context"
    file.write_text("x", "utf-8")
    file.chmod(0o700)
    into.mkdir()
    build_context.copy_binary(file, into, name="b.pex")
    assert (into / "b.pex").stat().st_mode & 0o777 == 0o755
    assert (into / "b.pex").stat().st_mtime == 315532800
    assert file.stat().st_mode & 0o777 == 0o700


def test_secrets_for_an_index_are_in_files_that_only_the_user_can_read(tmp_path: Path) -> None:
    authorities = tmp_path / "ca.crt"
    authorities.write_text("CERTIFICATE", "utf-8")
    environ = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "https://me:secret@index.example/simple",
        "PIP_CERT": str(authorities),
        "POETRY_HTTP_BASIC_PRIVATE_PASSWORD": "it's",
        "DEPLOY_TOKEN": "no business of a build",
    }
    into = tmp_path / "secrets"
    into.mkdir()
    found = build_context.write_secrets(environ, prefix=tmp_path, into=into)
    texts = {name: file.read_text("utf-8") for name, file in found.items()}
    assert texts == {
        "pip.conf": "[global]\nindex-url = https://me:secret@index.example/simple\ncert = /run/secrets/ca.pem\n",
        "ca.pem": "CERTIFICATE",
        "environment": "POETRY_HTTP_BASIC_PRIVATE_PASSWORD='it'\"'\"'s'\n",
    }
    assert {file.stat().st_mode & 0o777 for file in found.values()} == {0o600}


def test_without_a_private_index_there_are_no_secrets(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null", "PIP_CERT": str(tmp_path / "missing.pem")}

    assert build_context.write_secrets(environ, prefix=tmp_path, into=tmp_path) == {}


def test_a_directory_is_copied_as_it_is(tmp_path: Path) -> None:
    source, into = tmp_path / "a.pex", tmp_path / "context"
    (source / "__pycache__").mkdir(parents=True)
    (source / "main.py").write_text("x", "utf-8")
    (source / "pex").symlink_to("main.py")
    into.mkdir()
    build_context.copy_binary(source, into, name="b.pex")

    assert sorted(path.name for path in (into / "b.pex").iterdir()) == ["__pycache__", "main.py", "pex"]
    assert (into / "b.pex" / "pex").is_symlink()
    assert (into / "b.pex" / "main.py").stat().st_mode & 0o777 == 0o644
    assert (into / "b.pex").stat().st_mode & 0o777 == 0o755


def test_a_binary_that_nobody_may_execute_can_be_started_in_the_container(tmp_path: Path) -> None:
    (tmp_path / "a.pex").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "a.pex").chmod(0o600)
    build_context.copy_binary(tmp_path / "a.pex", tmp_path, name="b.pex")
    assert (tmp_path / "b.pex").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "b.pex").stat().st_mtime == 315532800


def test_sources_are_copied_without_secrets_binaries_and_ignore_files(tmp_path: Path) -> None:
    target, into = image_target(tmp_path / "project"), tmp_path / "context"
    names = ("main.py", "run.sh", ".env", ".env.example", "conf/.env.prod", "id_rsa", "old.pex", ".dockerignore")
    for name in (*names, "sub/.dockerignore", "dist/service.pex.json"):
        (target.project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (target.project.root / name).write_text("x", "utf-8")
    (target.project.root / "run.sh").chmod(0o700)
    into.mkdir()
    build_context.copy_sources(target, into=into)

    files = {path.relative_to(into).as_posix(): path for path in into.rglob("*") if path.is_file()}
    assert {name: path.stat().st_mode & 0o777 for name, path in files.items()} == {
        "main.py": 0o644,
        "run.sh": 0o755,
        ".env.example": 0o644,
        "sub/.dockerignore": 0o644,
    }
    assert {path.stat().st_mtime for path in files.values()} == {315532800}


def test_a_copy_without_a_repository_has_the_same_files_to_ship(tmp_path: Path) -> None:
    target, into = image_target(tmp_path / "project"), tmp_path / "context"
    root = target.project.root
    for name in ("main.py", "app/__init__.py", "app/passwords.txt", "app/kept.log", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x", "utf-8")
    (root / ".gitignore").write_text("passwords.txt\n*.log\n", "utf-8")
    for arguments in (["init", "--quiet"], ["add", "."], ["add", "--force", "app/kept.log"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    into.mkdir()
    build_context.copy_sources(target, into=into)

    files = {path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()}
    assert {"main.py", "app/__init__.py", "app/kept.log", "README.md"} <= files
    assert not {"app/passwords.txt", ".gitignore"} & files
    chosen = target.table.sources
    shipped = [sources.select(path, chosen=chosen, output_dir=Path("dist")).files for path in (root, into)]
    assert shipped[0] == shipped[1]
