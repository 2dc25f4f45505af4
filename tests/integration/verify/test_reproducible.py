from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

from nox_pex.verify.archive import open_pex
from nox_pex.verify.gates import reproducible
from nox_pex.verify.rebuild import copied_project
from tests.support.pex_files import member, spoiled
from tests.support.workbench import PROJECTS, Workbench, clean_environ

BACKEND = """\
import time
import zipfile
from pathlib import Path

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "greeting_cards-0.4.0-py3-none-any.whl"
    info = "greeting_cards-0.4.0.dist-info"
    files = {
        "greeting/__init__.py": Path("src/greeting/__init__.py").read_text(),
        "greeting/stamp.py": f"BUILT = {time.time_ns()}\\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: greeting-cards\\nVersion: 0.4.0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": "[console_scripts]\\ngreet = greeting:main\\n",
    }
    rows = "".join(f"{file},,\\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(Path(directory, name), "w") as wheel:
        for file, text in {**files, f"{info}/RECORD": rows}.items():
            wheel.writestr(zipfile.ZipInfo(file), text)
    return name
"""
"""A build backend that writes the time into the wheel."""


def judged(bench: Workbench, name: str, path: Path | None = None) -> tuple[str, ...]:
    """Build a second time with the real tools, and return the gate's problems."""
    context = bench.context()
    with (
        open_pex(path or bench.binary(name)) as pex,
        copied_project(context.all_targets[name], context.installer, cold=False, size=1) as copy,
    ):
        assert copy.target.project.root != bench.root
        rebuild = copy.install()
        own = [wheel.name for wheel in pex.wheels if wheel.name.startswith("greeting")]
        with open_pex(rebuild.build()) as again:
            return reproducible.judge(pex, again, own_wheels=own).problems


def test_a_second_build_has_the_same_bytes(loose: Workbench) -> None:
    assert judged(loose, "loose") == ()


def test_a_binary_with_bytecode_has_the_same_bytes(packaged: Workbench, tmp_path: Path) -> None:
    """pex stores bytecode uncompressed."""
    shutil.copytree(packaged.root, tmp_path / "project", symlinks=True)
    bench = Workbench(root=tmp_path / "project", environ=packaged.environ)
    bench.append("pyproject.toml", '\n[tool.nox-pex.binary.greeting-cards]\nscript = "greet"\ncompile = true\n')
    bench.build()
    assert judged(bench, "greeting-cards") == ()
    with zipfile.ZipFile(bench.binary("greeting-cards")) as pex:
        assert "__main__.pyc" in pex.namelist()


def test_a_changed_binary_differs_from_a_second_build(packaged: Workbench, tmp_path: Path) -> None:
    name, content = member(packaged.binary("greeting-cards"), "idna/core.py")
    path = spoiled(packaged.binary("greeting-cards"), tmp_path / "x.pex", {name: content + b"#"})
    (problem,) = judged(packaged, "greeting-cards", path)
    assert f"idna/core.py has different content, from byte {len(content)}" in problem


def test_a_build_backend_that_writes_the_time_is_named(shared: Path, tmp_path: Path) -> None:
    shutil.copytree(PROJECTS / "packaged", tmp_path / "project")
    bench = Workbench(root=tmp_path / "project", environ=clean_environ(shared / "cache"))
    bench.edit("pyproject.toml", 'requires = ["poetry-core>=2.0,<3.0"]', 'requires = []\nbackend-path = ["."]')
    bench.edit("pyproject.toml", "poetry.core.masonry.api", "backend")
    (bench.root / "backend.py").write_text(BACKEND)
    bench.build()
    (problem,) = judged(bench, "greeting-cards")
    assert "greeting_cards-0.4.0-py3-none-any.whl: greeting/stamp.py has different content" in problem
    assert "in the project's own wheel, which its build backend builds" in problem


def test_a_path_dependency_next_to_the_project_in_git_is_copied_with_it(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Both are in one repository: relative paths between the copies stay, and Git reports the same about them."""
    repository = tmp_path / "repository"
    shutil.copytree(PROJECTS / "path_dependency", repository / "service")
    shutil.move(repository / "service" / "shelf", repository / "shelf")
    bench = Workbench(root=repository / "service", environ=environ)
    bench.edit("pyproject.toml", 'path = "shelf"', 'path = "../shelf"')
    (bench.root / "app.py").write_text("x = 1\n")
    (bench.root / "ignored.py").write_text("x = 1\n")
    (bench.root / ".gitignore").write_text("ignored.py\n.nox\ndist\n")
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    bench.relock()
    bench.build()
    before = (repository / ".git").stat().st_mtime_ns
    assert judged(bench, "reader") == ()
    assert (repository / ".git").stat().st_mtime_ns == before
    with open_pex(bench.binary("reader")) as pex:
        assert "app.py" in pex.container.members
        assert "ignored.py" not in pex.container.members
