from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.project.left_out import LeftOut
from nox_pex.project.sources import SourceSelection, digests, ignored, project_files, select

APPLICATION = (
    *("main.py", "fast.pyi", "app/__init__.py", "app/data/logo.svg", "app/static/site.css", "space/deep/mod.py"),
    *("space/deep/odd name.txt",),
)
NEVER = (
    *(".env", ".env.local", ".hidden/x.py", "app/.secret", "app/__pycache__/x.py", "app/x.pyc", "old.pex"),
    *("pyproject.toml", "poetry.lock", "poetry.toml", "dist/service.py", "app/node_modules/x.py", "app.egg-info/x.py"),
    *("env/pyvenv.cfg", "env/lib/x.py", "conda/conda-meta/history", "conda/x.py"),
)
TESTS = (
    *("tests/test_app.py", "tests/data.json", "test_main.py", "app/main_test.py", "conftest.py", "app/tests.py"),
    *("app/tests/helper.py", "app/test/data.txt"),
)
OTHER = ("noxfile.py", "setup.py", "docs/conf.py", "build/lib/app.py")
BESIDE = ("templates/index.html", "my-scripts/run.py", "settings.ini", "README.md", "LICENSE", "Dockerfile")


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
    write(root, *APPLICATION, *NEVER, *TESTS, *OTHER, *BESIDE)
    return root


@pytest.fixture
def repository(project: Path) -> Path:
    git(project, "init")
    (project / ".gitignore").write_text("/generated/\n*.log\n", "utf-8")
    write(project, "generated/schema.py", "app/debug.log")
    return project


def choose(
    root: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = (), output_dir: str = "dist"
) -> SourceSelection:
    return select(root, include=include, exclude=exclude, output_dir=Path(output_dir))


def added(root: Path, *include: str) -> set[str]:
    return set(choose(root, include=include).files) - set(choose(root).files)


def test_modules_and_packages_with_their_data(project: Path) -> None:
    assert choose(project).files == tuple(sorted(APPLICATION))


def test_a_file_that_git_ignores_does_not_ship(repository: Path) -> None:
    assert choose(repository).files == tuple(sorted(APPLICATION))
    git(repository, "add", "main.py", "app")
    git(repository, "add", "--force", "app/debug.log")
    (repository / "fast.pyi").unlink()
    assert choose(repository).files == tuple(sorted({*APPLICATION, "app/debug.log"} - {"fast.pyi"}))


def test_a_file_that_only_gits_index_knows_is_not_there(repository: Path) -> None:
    git(repository, "add", "main.py")
    (repository / "main.py").unlink()
    assert "main.py" not in choose(repository).files


def test_without_git_all_files_count(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert set(choose(repository).files) == {*APPLICATION, "generated/schema.py", "app/debug.log"}


def test_if_git_refuses_all_files_count(repository: Path) -> None:
    (repository / ".git/HEAD").write_text("nonsense", "utf-8")
    assert "generated/schema.py" in choose(repository).files


def test_a_project_that_git_ignores_as_a_whole_ships(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / ".gitignore").write_text("/scratch/\n", "utf-8")
    write(tmp_path / "scratch/project", "main.py")
    assert choose(tmp_path / "scratch/project").files == ("main.py",)


def test_a_git_hook_does_not_lead_git_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    write(repository, "sub/main.py", "sub/app/debug.log", "sub/app/mod.py")
    assert choose(repository / "sub").files == ("app/mod.py", "main.py")


def test_a_project_in_a_directory_of_a_repository(repository: Path) -> None:
    write(repository, "service/main.py", "service/x.log")
    assert choose(repository / "service").files == ("main.py",)


def test_a_repository_inside_ships_only_if_it_is_included(repository: Path) -> None:
    write(repository, "nested/mod.py")
    git(repository / "nested", "init")
    assert "nested/mod.py" not in choose(repository).files
    assert added(repository, "nested/") == {"nested/mod.py"}


def test_omitted_files_are_reported_with_the_line_that_includes_them(repository: Path) -> None:
    assert choose(repository).left_out == (
        LeftOut(path="my-scripts/", line='sources.include = ["my-scripts/"]'),
        LeftOut(path="settings.ini", line='sources.include = ["settings.ini"]'),
        LeftOut(path="templates/", line='sources.include = ["templates/"]'),
    )
    assert str(choose(repository).left_out[2]) == 'templates/ (to include it: sources.include = ["templates/"])'


def test_the_reported_line_includes_the_files(repository: Path) -> None:
    write(repository, "odd [1] *.txt", 'q"uote/x.txt')
    for entry in choose(repository).left_out:
        pattern = entry.line.removeprefix('sources.include = ["').removesuffix('"]').replace('\\"', '"')
        assert added(repository, pattern)
        assert entry.path not in {other.path for other in choose(repository, include=[pattern]).left_out}


def test_excluded_files_are_not_reported(repository: Path) -> None:
    assert not choose(repository, exclude=["templates/", "my-scripts", "settings.*"]).left_out


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
        ("app/tests/", {"app/tests/helper.py"}),
        ("app/*/helper.py", {"app/tests/helper.py"}),
        ("app/**/helper.py", {"app/tests/helper.py"}),
        ("tests/", {"tests/test_app.py", "tests/data.json", "app/tests/helper.py"}),
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
    chosen = choose(repository, include=["templates/", "*.ini"], exclude=["*.html", "app/", "space/**"])
    assert chosen.files == ("fast.pyi", "main.py", "settings.ini")


@pytest.mark.parametrize("name", NEVER)
def test_some_files_never_ship(project: Path, name: str) -> None:
    assert name not in choose(project, include=["**"]).files
    with pytest.raises(NoxPexError, match=r"that may ship; remove it: hidden files") as caught:
        choose(project, include=[f"/{name}"])
    assert caught.value.code == "source-missing"


def test_data_of_a_package_may_have_a_project_files_name(project: Path) -> None:
    write(project, "app/skeleton/pyproject.toml")
    assert "app/skeleton/pyproject.toml" in choose(project).files


@pytest.mark.parametrize("output_dir", ["out/binaries", "../outside", "{root}/out/binaries"])
def test_the_output_directory_does_not_ship_wherever_it_is(project: Path, output_dir: str) -> None:
    write(project, "out/mod.py", "out/binaries/built.py")
    chosen = choose(project, output_dir=output_dir.format(root=project))
    assert ("out/binaries/built.py" in chosen.files) is (output_dir == "../outside")
    assert "out/mod.py" in chosen.files


def test_an_include_pattern_that_matches_nothing_is_refused(repository: Path) -> None:
    with pytest.raises(NoxPexError) as caught:
        select(
            repository,
            include=["templtes/"],
            exclude=(),
            output_dir=Path("dist"),
            key="tool.nox-pex.binary.service.sources",
        )
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
    assert {"app/ca.pem", "app/id_ed25519"} <= {entry.path for entry in chosen.left_out}
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
    expected = {"app/index.html", "app/templates/index.html"}
    linked = {"linked/__init__.py", "linked/data/logo.svg", "linked/static/site.css"}
    assert set(choose(repository).files) - set(APPLICATION) == expected | linked


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
    assert choose(tmp_path) == SourceSelection(files=(), omitted=frozenset())


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


def test_another_project_inside_is_omitted_and_can_be_included(tmp_path: Path) -> None:
    for name in ("main.py", "libs/shelf/pyproject.toml", "libs/shelf/shelf/__init__.py", "app/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "app" / "template").mkdir()
    (tmp_path / "app" / "template" / "pyproject.toml").touch()

    default = select(tmp_path, include=(), exclude=(), output_dir=Path("dist"))
    assert default.files == ("app/__init__.py", "app/template/pyproject.toml", "main.py")

    asked = select(tmp_path, include=("libs/shelf/shelf/",), exclude=(), output_dir=Path("dist"))
    assert "libs/shelf/shelf/__init__.py" in asked.files


def test_omitted_are_candidates_and_keys_of_packages_that_do_not_ship(project: Path) -> None:
    write(project, "app/ca.pem", "server.key", "templates/id_rsa", "docs/a.pem")
    assert choose(project).omitted == {*BESIDE, "app/ca.pem"}
    assert choose(project, exclude=["*.pem", "templates/"]).omitted == set(BESIDE) - {"templates/index.html"}
    assert choose(project, include=["templates/index.html"]).omitted == {*BESIDE, "app/ca.pem"} - {
        "templates/index.html"
    }


def test_exclude_removes_included_files_that_git_ignores(repository: Path) -> None:
    assert "app/debug.log" in choose(repository, include=["*.log"]).files
    assert "app/debug.log" not in choose(repository, include=["*.log"], exclude=["app/debug.log"]).files


def test_the_default_key_is_the_table_of_sources(project: Path) -> None:
    with pytest.raises(NoxPexError, match=r"\]: sources\.include: "):
        choose(project, include=["gone/"])


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


def test_ignored_are_those_that_git_does_not_list(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ["main.py", "app/debug.log", "generated/schema.py"]
    assert ignored(repository, paths) == {"app/debug.log", "generated/schema.py"}
    monkeypatch.setenv("PATH", "")
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
