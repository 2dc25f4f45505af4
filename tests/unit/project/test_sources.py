from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.project.sources import SourceSelection, additions, beside_wheel, digests, ignored, project_files, select
from nox_pex.settings.model import Sources

APPLICATION = (
    *("main.py", "fast.pyi", "app/__init__.py", "app/data/logo.svg", "app/static/site.css", "space/deep/mod.py"),
    *("space/deep/odd name.txt", "app/tests/helper.py", "app/test/data.txt", "app/main_test.py", "load_test.py"),
    *("build/__init__.py", "core/setup.py", "core/mod.py"),
)
NEVER = (
    *(".env", ".env.local", "app/.env", "app/__pycache__/x.py", "app/x.pyc", "old.pex", "app/.netrc"),
    *("pyproject.toml", "poetry.lock", "poetry.toml", "dist/service.py", "app/node_modules/x.py", "app.egg-info/x.py"),
    *("env/pyvenv.cfg", "env/lib/x.py", "conda/conda-meta/history", "conda/x.py", ".venv/x.py", "app/.ssh/config"),
)
HIDDEN = (".hidden/x.py", "app/.secret", "app/static/.well-known/security.txt")
TESTS = ("tests/test_app.py", "tests/data.json", "test_main.py", "conftest.py")
OTHER = ("noxfile.py", "setup.py", "docs/conf.py")
BESIDE = ("templates/index.html", "my-scripts/run.py", "settings.ini")
FAMILIAR = ("README.md", "LICENSE", "Dockerfile")


def write(root: Path, *names: str) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.fsencode(name))


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    write(root, *APPLICATION, *NEVER, *HIDDEN, *TESTS, *OTHER, *BESIDE, *FAMILIAR)
    return root


@pytest.fixture
def repository(project: Path) -> Path:
    git(project, "init")
    (project / ".gitignore").write_text("/generated/\n*.log\n", "utf-8")
    write(project, "generated/schema.py", "app/debug.log")
    return project


def choose(
    root: Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    below: str | None = None,
    output_dir: str = "dist",
) -> SourceSelection:
    chosen = Sources(root=below, include=tuple(include), exclude=tuple(exclude))
    return select(root, chosen=chosen, output_dir=Path(output_dir), key="tool.nox-pex.binary.service.sources")


def shipped(root: Path, **options: Any) -> tuple[str, ...]:
    return tuple(choose(root, **options).files)


def added(root: Path, *include: str) -> set[str]:
    return set(shipped(root, include=include)) - set(shipped(root))


def left_out(root: Path, **options: Any) -> dict[str, str]:
    return {entry.path: entry.reason for entry in choose(root, **options).left_out}


def test_modules_and_packages_with_their_data(project: Path) -> None:
    assert shipped(project) == tuple(sorted(APPLICATION))


def test_a_file_that_git_ignores_does_not_ship(repository: Path) -> None:
    assert shipped(repository) == tuple(sorted(APPLICATION))
    git(repository, "add", "main.py", "app")
    git(repository, "add", "--force", "app/debug.log")
    (repository / "fast.pyi").unlink()
    assert shipped(repository) == tuple(sorted({*APPLICATION, "app/debug.log"} - {"fast.pyi"}))


def test_a_file_that_only_gits_index_knows_is_not_there(repository: Path) -> None:
    git(repository, "add", "main.py")
    (repository / "main.py").unlink()
    assert "main.py" not in shipped(repository)


def test_without_a_repository_the_gitignore_files_count(repository: Path) -> None:
    shutil.rmtree(repository / ".git")
    (repository / "app" / ".gitignore").write_text("!debug.log\n/static\n", "utf-8")
    assert set(shipped(repository)) == {*APPLICATION, "app/debug.log"} - {"app/static/site.css"}
    assert set(shipped(repository, include=["generated/", "app/static/"])) >= {"generated/schema.py"}


@pytest.mark.parametrize("ask", [shipped, lambda root: project_files(root, output_dir=Path("dist"), extra=())])
def test_a_repository_has_to_answer(
    repository: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Path], object]
) -> None:
    (repository / ".git/HEAD").write_text("nonsense", "utf-8")
    with pytest.raises(NoxPexError) as caught:
        ask(repository)
    assert caught.value.code == "git"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoxPexError, match="Git is not installed"):
        ask(repository)


def test_a_project_that_git_ignores_as_a_whole_ships(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / ".gitignore").write_text("/scratch/\n", "utf-8")
    write(tmp_path / "scratch/project", "main.py")
    assert shipped(tmp_path / "scratch/project") == ("main.py",)


def test_a_git_hook_does_not_lead_git_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    write(repository, "sub/main.py", "sub/app/debug.log", "sub/app/mod.py")
    assert shipped(repository / "sub") == ("app/mod.py", "main.py")


def test_a_project_in_a_directory_of_a_repository(repository: Path) -> None:
    write(repository, "service/main.py", "service/x.log")
    assert shipped(repository / "service") == ("main.py",)


def test_a_repository_inside_ships_only_if_it_is_included(repository: Path) -> None:
    write(repository, "nested/mod.py")
    git(repository / "nested", "init")
    assert "nested/mod.py" not in shipped(repository)
    assert added(repository, "nested/") == {"nested/mod.py"}


def test_what_does_not_ship_is_reported_with_the_reason(repository: Path, tmp_path: Path) -> None:
    write(repository, "nested/mod.py", "app/ca.pem", "libs/shelf/shelf/mod.py", "app/static/.gitkeep")
    git(repository / "nested", "init")
    (repository / "libs" / "shelf" / "pyproject.toml").write_text("[project]\n", "utf-8")
    (repository / "shared").symlink_to(tmp_path)
    (repository / "app" / "output").symlink_to("../dist")
    assert left_out(repository) == {
        "my-scripts/": "in no package",
        "settings.ini": "no module",
        "templates/": "in no package",
        "nested/": "another Git repository, which is no submodule",
        "libs/shelf/": "a separate project",
        "app/ca.pem": "a private key, by its name",
        "shared": "a link that leads out of the project",
        "app/output": "a link to dist, which does not ship",
        "app/debug.log": "Git ignores it",
        "generated/": "Git ignores it",
        "app/.secret": "hidden",
        "app/static/.well-known/": "hidden",
        **dict.fromkeys(("tests/", "test_main.py", "conftest.py"), "tests"),
        **dict.fromkeys(("noxfile.py", "setup.py", *FAMILIAR), "a file about the project"),
        "docs/": "documentation",
    }


def test_the_suggested_patterns_include_the_files(repository: Path) -> None:
    write(repository, "odd [1] *.txt", 'q"uote/x.txt', "deploy/templates/x.txt")
    offered = [entry for entry in choose(repository).left_out if entry.offered]
    assert {entry.path for entry in offered} == {
        *("my-scripts/", "settings.ini", "templates/", "odd [1] *.txt", 'q"uote/', "deploy/"),
    }
    for entry in offered:
        assert entry.include is not None
        names = added(repository, entry.include)
        assert names
        assert all(name.startswith(entry.path) for name in names)
    patterns = [entry.include for entry in offered if entry.include is not None]
    assert not [entry for entry in choose(repository, include=patterns).left_out if entry.offered]


def test_every_pattern_of_the_report_includes_its_files(repository: Path) -> None:
    write(repository, "app/ca.pem", "libs/shelf/shelf/mod.py", "nested/mod.py")
    git(repository / "nested", "init")
    (repository / "libs" / "shelf" / "pyproject.toml").write_text("[project]\n", "utf-8")
    (repository / "app" / "generated").symlink_to("../generated")
    for entry in choose(repository).left_out:
        assert entry.include is not None
        assert any(name.startswith(entry.path) for name in added(repository, entry.include)), entry


def test_excluded_files_are_not_reported(repository: Path) -> None:
    found = left_out(repository, exclude=["templates/", "my-scripts", "settings.*", "generated", "*.log", "tests/"])
    assert not {"templates/", "my-scripts/", "settings.ini", "generated/", "app/debug.log", "tests/"} & found.keys()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("templates/", {"templates/index.html"}),
        ("templates", {"templates/index.html"}),
        ("/templates", {"templates/index.html"}),
        ("./templates/", {"templates/index.html"}),
        ("templates/**", {"templates/index.html"}),
        ("templates/*.html", {"templates/index.html"}),
        ("**/index.html", {"templates/index.html"}),
        ("*.html", {"templates/index.html"}),
        ("**/*.ini", {"settings.ini"}),
        ("s[a-f]ttings.in?", {"settings.ini"}),
        ("tests/", {"tests/test_app.py", "tests/data.json"}),
        ("app/.secret", {"app/.secret"}),
        ("app/static/.well-known/", {"app/static/.well-known/security.txt"}),
        (".well-known", {"app/static/.well-known/security.txt"}),
        (".hidden/", {".hidden/x.py"}),
        ("/tests/", {"tests/test_app.py", "tests/data.json"}),
        ("conftest.py", {"conftest.py"}),
        ("generated/", {"generated/schema.py"}),
        ("*.log", {"app/debug.log"}),
    ],
)
def test_an_include_pattern_adds_the_files_that_it_matches(repository: Path, pattern: str, expected: set[str]) -> None:
    assert added(repository, pattern) == expected


def test_each_include_pattern_adds_its_files(repository: Path) -> None:
    assert added(repository, "templates/", "settings.ini") == {"templates/index.html", "settings.ini"}


def test_exclude_wins_over_include(repository: Path) -> None:
    exclude = ["*.html", "app/", "space/**", "build/", "core/*"]
    chosen = shipped(repository, include=["templates/", "*.ini"], exclude=exclude)
    assert chosen == ("fast.pyi", "load_test.py", "main.py", "settings.ini")


@pytest.mark.parametrize("name", NEVER)
def test_some_files_never_ship(project: Path, name: str) -> None:
    assert name not in choose(project, include=["**"]).files
    with pytest.raises(NoxPexError, match=r"that may ship; remove it: secrets") as caught:
        choose(project, include=[f"/{name}"])
    assert caught.value.code == "source-missing"


def test_the_repository_never_ships(repository: Path) -> None:
    for pattern in (".git/config", ".git/", ".gitmodules"):
        with pytest.raises(NoxPexError) as caught:
            choose(repository, include=[pattern])
        assert caught.value.code == "source-missing"
    assert not [name for name in shipped(repository, include=[".*"]) if name.startswith(".git/")]


def test_data_of_a_package_may_have_a_project_files_name(project: Path) -> None:
    write(project, "app/skeleton/pyproject.toml")
    assert "app/skeleton/pyproject.toml" in shipped(project)


@pytest.mark.parametrize("output_dir", ["out/binaries", "../outside", "{root}/out/binaries"])
def test_the_output_directory_does_not_ship_wherever_it_is(project: Path, output_dir: str) -> None:
    write(project, "out/mod.py", "out/binaries/built.py")
    chosen = choose(project, output_dir=output_dir.format(root=project))
    assert ("out/binaries/built.py" in chosen.files) is (output_dir == "../outside")
    assert "out/mod.py" in chosen.files


def test_an_include_pattern_that_matches_nothing_is_refused(repository: Path) -> None:
    with pytest.raises(NoxPexError) as caught:
        choose(repository, include=["templtes/"])
    assert str(caught.value) == (
        'error[source-missing]: tool.nox-pex.binary.service.sources.include: "templtes/" matches no file in '
        f'{repository}; use "templates/"'
    )
    with pytest.raises(NoxPexError, match="correct or remove the pattern"):
        choose(repository, include=["../elsewhere/*"])


def test_keys_ship_only_when_they_are_named(project: Path) -> None:
    write(project, "app/ca.pem", "server.key", "app/id_ed25519")
    chosen = choose(project)
    assert not {"app/ca.pem", "server.key", "app/id_ed25519"} & set(chosen.files)
    assert {"app/ca.pem", "app/id_ed25519", "server.key"} <= {entry.path for entry in chosen.left_out}
    assert not {entry.path for entry in chosen.left_out if entry.offered} & {"app/ca.pem", "server.key"}
    assert added(project, "app/ca.pem") == {"app/ca.pem"}


def test_links_ship_if_they_lead_to_files_that_may_ship(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, "outside/secret.txt")
    for link, target in [
        ("app/outside.txt", "../../outside/secret.txt"),
        ("app/outside", "../../outside"),
        ("app/environment", "../.env"),
        ("app/index.html", "../templates/index.html"),
        ("app/templates", "../templates"),
        ("app/broken", "nowhere"),
        ("app/self", ".."),
        ("linked", "app"),
    ]:
        (repository / link).symlink_to(target)
    linked = {f"linked/{name.removeprefix('app/')}" for name in APPLICATION if name.startswith("app/")}
    expected = {"app/index.html", "app/templates/index.html", "linked/index.html", "linked/templates/index.html"}
    assert set(shipped(repository)) - set(APPLICATION) == expected | linked


def test_names_with_unusual_characters_ship(repository: Path) -> None:
    hard = ["app/new\nline.txt", "app/ü.txt", "app/ lead.txt"]
    if sys.platform != "darwin":
        hard.append(os.fsdecode(b"app/latin-\xe9.txt"))
    write(repository, *hard)
    git(repository, "add", "app")
    chosen = choose(repository)
    assert set(chosen.files) == {*APPLICATION, *hard}
    assert digests(repository, chosen.files).keys() == set(chosen.files)


def test_a_project_without_modules_ships_nothing(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml")
    assert shipped(tmp_path) == ()
    assert left_out(tmp_path) == {}


def test_a_digest_is_of_the_content_and_the_execute_permission(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / "same").write_text("a", "utf-8")
    (tmp_path / "link").symlink_to("a")
    first = digests(tmp_path, ["a", "same", "link"])
    assert len(set(first.values())) == 1
    os.utime(tmp_path / "a", (0, 0))
    (tmp_path / "a").chmod(0o600)
    assert digests(tmp_path, ["a"])["a"] == first["a"]
    (tmp_path / "a").chmod(0o755)
    executable = digests(tmp_path, ["a"])["a"]
    write(tmp_path, "b")
    assert len({first["a"], executable, *digests(tmp_path, ["b"]).values()}) == 3


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match=r"error\[source-missing\]: cannot read gone.py in .*: No such file"):
        digests(tmp_path, ["gone.py"])


def test_the_files_of_a_packaged_project_are_those_that_its_backend_could_read(repository: Path) -> None:
    write(repository, "src/pkg/__init__.py", "src/pkg/generated.log", "src/pkg/__pycache__/x.pyc", "unseen/data.log")
    (repository / ".gitignore").write_text("*.log\n_version.py\n/ignored/\n", "utf-8")
    write(repository, "_version.py", "ignored/a.txt", "ignored/b.bin", ".github/ci.yml", "dist/old.whl")
    write(repository, ".github/tool.py", ".github/run.log")
    files = set(project_files(repository, output_dir=Path("dist"), extra=["ignored/*.txt"]))
    assert {"src/pkg/generated.log", "_version.py", "ignored/a.txt", ".github/ci.yml", "pyproject.toml"} <= files
    assert {"README.md", "poetry.lock", "tests/data.json", "templates/index.html"} <= files
    assert (
        not {"unseen/data.log", "ignored/b.bin", "dist/old.whl", "src/pkg/__pycache__/x.pyc", ".github/run.log"} & files
    )
    assert not any(name.startswith(".git/") for name in files)
    assert files <= digests(repository, files).keys()


def test_without_git_the_files_of_a_packaged_project_are_all_files(project: Path) -> None:
    files = set(project_files(project, output_dir=Path("dist"), extra=()))
    assert {"main.py", "README.md", "pyproject.toml", "tests/data.json", ".env"} <= files
    assert not {"dist/service.py", "env/lib/x.py", "conda/x.py", ".hidden/x.py", "app/__pycache__/x.py"} & files


def test_links_and_submodules_of_a_packaged_project_are_followed(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, "shared/pkg/__init__.py", "shared/pkg/data.txt")
    (repository / "pkg").symlink_to("../shared/pkg")
    (repository / "app/up").symlink_to("..")
    (repository / "app/broken").symlink_to("nowhere")
    write(repository, "nested/mod.py")
    git(repository / "nested", "init")
    files = project_files(repository, output_dir=Path("dist"), extra=())
    assert {"pkg/__init__.py", "pkg/data.txt", "nested/mod.py"} <= set(files)
    assert not [name for name in files if name.startswith(("app/up/", "app/broken", "nested/.git"))]
    before = digests(repository, files)
    write(tmp_path, "shared/pkg/data.txt")
    assert digests(repository, files) == before
    (tmp_path / "shared/pkg/data.txt").write_text("changed", "utf-8")
    assert digests(repository, files)["pkg/data.txt"] != before["pkg/data.txt"]


def test_a_pipe_is_not_a_source(project: Path) -> None:
    os.mkfifo(project / "app/pipe")
    assert "app/pipe" not in choose(project, include=["**"]).files
    assert "app/pipe" not in project_files(project, output_dir=Path("dist"), extra=())


def test_git_is_started_once(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which("git")
    assert real
    counted = tmp_path / "bin/git"
    counted.parent.mkdir()
    counted.write_text(f'#!/bin/sh\necho x >> "{tmp_path}/count"\nexec "{real}" "$@"\n', "utf-8")
    counted.chmod(0o755)
    monkeypatch.setenv("PATH", f"{counted.parent}{os.pathsep}{os.environ['PATH']}")
    choose(repository, include=["templates/"], exclude=["*.log"])
    assert (tmp_path / "count").read_text("utf-8") == "x\n"


def test_another_project_inside_is_left_out_and_can_be_included(tmp_path: Path) -> None:
    write(tmp_path, "main.py", "libs/shelf/shelf/__init__.py", "app/__init__.py", "app/template/x.txt")
    for directory in ("libs/shelf", "app/template"):
        (tmp_path / directory / "pyproject.toml").write_text("[project]\n", "utf-8")
    assert shipped(tmp_path) == ("app/__init__.py", "app/template/pyproject.toml", "app/template/x.txt", "main.py")
    assert "libs/shelf/shelf/__init__.py" in shipped(tmp_path, include=("libs/shelf/shelf/",))


def test_below_the_root_of_the_sources_files_lose_its_name(repository: Path) -> None:
    write(repository, "src/shop/__init__.py", "src/shop/x.txt", "src/run.py", "src/tests/test_x.py", "src/data/x.csv")
    chosen = choose(repository, below="./src/", include=["templates/", "src/data/"], exclude=["src/shop/x.txt"])
    assert dict(chosen.files) == {
        "data/x.csv": "src/data/x.csv",
        "run.py": "src/run.py",
        "shop/__init__.py": "src/shop/__init__.py",
        "templates/index.html": "templates/index.html",
    }
    found = {entry.path: entry.reason for entry in chosen.left_out}
    assert found["app/"] == found["main.py"] == "outside sources.root"
    assert (found["src/tests/"], found["tests/"], found["README.md"]) == ("tests", "tests", "a file about the project")


def test_the_root_of_the_sources_may_be_a_directory_with_a_project_file(tmp_path: Path) -> None:
    write(tmp_path, "services/api/main.py")
    (tmp_path / "services" / "api" / "pyproject.toml").write_text("[project]\n", "utf-8")
    assert shipped(tmp_path, below="services/api") == ("main.py",)


def test_two_files_for_one_path_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "src/shop/__init__.py", "src/shop/x.txt", "shop/x.txt")
    with pytest.raises(NoxPexError) as caught:
        choose(tmp_path, below="src", include=["/shop/"])
    assert str(caught.value) == (
        "error[config]: tool.nox-pex.binary.service.sources: shop/x.txt and src/shop/x.txt would both be shop/x.txt "
        "in the binary; add one of them to tool.nox-pex.binary.service.sources.exclude"
    )
    found = choose(tmp_path, below="src", include=["/shop/"], exclude=["/shop/x.txt"]).files
    assert found["shop/x.txt"] == "src/shop/x.txt"


@pytest.mark.parametrize(
    ("below", "code"), [("gone", "source-missing"), ("main.py", "source-missing"), (".hidden", "config")]
)
def test_a_root_that_cannot_hold_sources_is_refused(project: Path, below: str, code: str) -> None:
    with pytest.raises(NoxPexError, match=r"service\.sources\.root is ") as caught:
        choose(project, below=below)
    assert caught.value.code == code


@pytest.mark.parametrize("below", ["dist", "env", "out"])
def test_a_root_that_is_output_or_outside_is_refused(project: Path, tmp_path: Path, below: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NoxPexError) as caught:
        choose(project, below=below)
    assert caught.value.code == "config"


def test_a_wheel_gets_the_files_that_are_included(repository: Path) -> None:
    write(repository, "alembic.ini", "migrations/env.py", "migrations/.env", "src/data/x.csv", "app/.well-known/a")

    def placed(below: str, *include: str, exclude: tuple[str, ...] = ()) -> dict[str, str]:
        chosen = Sources(include=include, exclude=exclude)
        return dict(additions(repository, chosen=chosen, output_dir=Path("dist"), below=below))

    assert placed("") == {}
    assert placed("", "alembic.ini", "migrations/") == {
        "alembic.ini": "alembic.ini",
        "migrations/env.py": "migrations/env.py",
    }
    assert placed("src", "src/data/", "alembic.ini") == {"alembic.ini": "alembic.ini", "data/x.csv": "src/data/x.csv"}
    assert placed("", "generated/", "app/.well-known/") == {
        "app/.well-known/a": "app/.well-known/a",
        "generated/schema.py": "generated/schema.py",
    }
    assert placed("", "*.ini", exclude=("settings.ini",)) == {"alembic.ini": "alembic.ini"}
    with pytest.raises(NoxPexError, match="matches no file"):
        placed("", "migrations/.env")


def test_what_a_wheel_lacks_is_reported(repository: Path) -> None:
    write(repository, "src/shop/__init__.py", "src/shop/data.csv", "alembic.ini")
    found = beside_wheel(repository, output_dir=Path("dist"), below="src", shipped={"shop/__init__.py"})
    reasons = {entry.path: entry.reason for entry in found}
    assert reasons["src/shop/data.csv"] == reasons["alembic.ini"] == reasons["app/"] == "not in the project's wheel"
    assert (reasons["tests/"], reasons["README.md"]) == ("tests", "a file about the project")


def test_exclude_removes_included_files_that_git_ignores(repository: Path) -> None:
    assert "app/debug.log" in choose(repository, include=["*.log"]).files
    assert "app/debug.log" not in choose(repository, include=["*.log"], exclude=["app/debug.log"]).files


def test_without_git_links_of_a_packaged_project_are_followed(project: Path, tmp_path: Path) -> None:
    write(tmp_path, "shared/data.txt")
    (project / "shared").symlink_to("../shared")
    assert "shared/data.txt" in project_files(project, output_dir=Path("dist"), extra=())


def test_ignored_files_count_only_in_directories_with_code_and_as_modules_at_the_root(repository: Path) -> None:
    write(repository, "templates/x.log", "app/deep/x.log", "root.log", "generated.so", "x.log.py")
    (repository / ".gitignore").write_text("*.log\n/generated.so\n/x.log.py\n", "utf-8")
    files = set(project_files(repository, output_dir=Path("dist"), extra=()))
    assert {"app/deep/x.log", "generated.so", "x.log.py"} <= files
    assert not {"templates/x.log", "root.log"} & files


def test_extra_patterns_match_below_links(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, "shared/deep/data.log")
    (repository / "templates" / "shared").symlink_to("../../shared")
    (repository / ".gitignore").write_text("/templates/shared\n*.log\n", "utf-8")
    assert project_files(repository, output_dir=Path("dist"), extra=["templates/**/*.log"]).count(
        "templates/shared/deep/data.log"
    )


def test_the_files_of_a_packaged_project_are_sorted(repository: Path) -> None:
    files = project_files(repository, output_dir=Path("dist"), extra=())
    assert list(files) == sorted(files)


def test_ignored_are_those_that_git_does_not_list(repository: Path) -> None:
    paths = ["main.py", "app/debug.log", "generated/schema.py"]
    assert ignored(repository, paths) == {"app/debug.log", "generated/schema.py"}
    shutil.rmtree(repository / ".git")
    assert ignored(repository, paths) == {"app/debug.log", "generated/schema.py"}
    (repository / ".gitignore").unlink()
    assert ignored(repository, paths) == set()


def test_a_digest_has_128_bits_and_is_of_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 1_000_000)
    (tmp_path / "two").write_bytes(b"x" * 999_999 + b"y")
    found = digests(tmp_path, ["one", "two"])
    assert found["one"] != found["two"]
    (tmp_path / "two").chmod(0o744)
    assert digests(tmp_path, ["one", "two"]) == {
        "one": hashlib.blake2b(b"-" + b"x" * 1_000_000, digest_size=16).hexdigest(),
        "two": hashlib.blake2b(b"x" + b"x" * 999_999 + b"y", digest_size=16).hexdigest(),
    }
