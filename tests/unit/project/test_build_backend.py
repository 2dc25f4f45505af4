from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.project import build_backend, pyproject

SMOKE = '[[tool.nox-pex.binary.app.smoke.command]]\nargs = ["--version"]\n'
BACKENDS = {
    "poetry": ("poetry-core>=2", "poetry.core.masonry.api", 'poetry.readme = ["README.md"]'),
    "poetry-dynamic-versioning": (
        "poetry-dynamic-versioning",
        "poetry_dynamic_versioning.backend",
        "poetry-dynamic-versioning.enable = true",
    ),
    "hatchling": ("hatchling", "hatchling.build", "hatch.build.directory = 'x'"),
    "setuptools": ("setuptools>=77", "setuptools.build_meta", "setuptools.packages = ['app']"),
    "flit": ("flit_core", "flit_core.buildapi", "flit.module.name = 'app'"),
    "pdm": ("pdm-backend", "pdm.backend", "pdm.build.package-dir = 'src'"),
    "uv": ("uv_build>=0.7", "uv_build", "uv.build-backend.module-root = 'src'"),
}
PROJECT = '[project]\nname = "app"\nversion = "1.0"\n'


def digest(root: Path, backend: str, added: str, *, requires: str = "", name: str = "", system: str = "") -> str | None:
    """The digest of a project with this backend; `added` is text at the end of its `pyproject.toml`."""
    requirement, module, _ = BACKENDS[backend]
    table = f'[build-system]\nrequires = ["{requirement}"{requires}]\nbuild-backend = "{name or module}"\n{system}'
    (root / "pyproject.toml").write_text(PROJECT + table + added, "utf-8")
    return build_backend.digest_of_read_tables(pyproject.read(root))


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_the_tables_that_a_backend_reads_count(tmp_path: Path, backend: str) -> None:
    before = digest(tmp_path, backend, "")
    assert before is not None
    for added in (SMOKE, "# a comment\n", "[tool.ruff]\nline-length = 100\n", '[dependency-groups]\ndev = ["ruff"]\n'):
        assert digest(tmp_path, backend, added) == before
    for added in (f"[tool]\n{BACKENDS[backend][2]}\n", '[project.urls]\nHomepage = "https://h.example"\n'):
        assert digest(tmp_path, backend, added) not in (None, before)
    assert digest(tmp_path, backend, "", requires=', "wheel"') != before


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "added",
    [
        '[project]\nlicense-files = ["LICEN[CS]E*", "*.toml"]\n',
        '[project]\nreadme = { file = "pyproject.toml", content-type = "text/plain" }\n',
        '[project]\nlicense = { file = "./pyproject.toml" }\n',
    ],
)
def test_the_text_counts_if_the_metadata_may_contain_it(tmp_path: Path, backend: str, added: str) -> None:
    _, module, _ = BACKENDS[backend]
    text = added.replace("[project]\n", PROJECT) + f'[build-system]\nrequires = []\nbuild-backend = "{module}"\n'
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    assert build_backend.digest_of_read_tables(pyproject.read(tmp_path)) is None


@pytest.mark.parametrize(
    ("backend", "added"),
    [
        ("poetry", 'poetry.include = ["pyproject.toml"]'),
        ("poetry", 'poetry.include = [{ path = "**/*.toml", format = "wheel" }]'),
        ("poetry", 'poetry.packages = [{ include = "*" }]'),
        ("poetry", 'poetry.packages = [{ include = ".", from = "." }]'),
        ("poetry", 'poetry.build = "build.py"'),
        ("poetry", 'poetry.build = { script = "build.py", generate-setup-file = false }'),
        ("hatchling", 'hatch.build.include = ["/*.toml"]'),
        ("hatchling", 'hatch.build.artifacts = ["pyproject.*"]'),
        ("hatchling", 'hatch.build.targets.wheel.packages = ["."]'),
        ("hatchling", 'hatch.build.targets.wheel.only-include = ["app", "./pyproject.toml"]'),
        ("hatchling", 'hatch.build.targets.wheel.force-include = { "pyproject.toml" = "app/pyproject.toml" }'),
        ("hatchling", 'hatch.build.targets.wheel.force-include = { "../x/pyproject.toml" = "app/x" }'),
        ("hatchling", 'hatch.build.targets.wheel.shared-data = { "**" = "share" }'),
        ("hatchling", "hatch.build.targets.wheel.hooks.custom = {}"),
        ("hatchling", "hatch.build.hooks.mypyc = {}"),
        ("hatchling", "hatch.metadata.hooks.custom = {}"),
        ("hatchling", 'hatch.version.source = "nodejs"'),
        ("setuptools", 'setuptools.data-files = { "share/app" = ["*.toml"] }'),
        ("setuptools", 'setuptools.package-dir = { app = "." }'),
        ("setuptools", 'setuptools.package-data = { app = ["../pyproject.toml"] }'),
        ("setuptools", "setuptools.cmdclass = { build_py = 'app.build.Build' }"),
        ("pdm", 'pdm.build.includes = ["*"]'),
        ("pdm", 'pdm.build.wheel-data = { data = [{ path = "*.toml", relative-to = "." }] }'),
        ("pdm", 'pdm.build.custom-hook = "hook.py"'),
        ("uv", 'uv.build-backend.data = { data = "." }'),
    ],
)
def test_the_text_counts_if_a_pattern_may_ship_it_or_other_code_may_read_it(
    tmp_path: Path, backend: str, added: str
) -> None:
    assert digest(tmp_path, backend, f"[tool]\n{added}\n") is None


@pytest.mark.parametrize(
    ("backend", "added"),
    [
        ("poetry", 'poetry.packages = [{ include = "*", from = "src" }]'),
        ("poetry", 'poetry.include = ["app/*.toml", { path = "CHANGELOG.md", format = "sdist" }]'),
        ("poetry", "poetry.build = { generate-setup-file = false }"),
        ("hatchling", 'hatch.build.targets.sdist.include = ["/src", "/pyproject.toml"]'),
        ("hatchling", 'hatch.build.exclude = ["*.toml"]'),
        ("hatchling", 'hatch.build.hooks.vcs.version-file = "src/app/_version.py"'),
        ("hatchling", 'hatch.version.path = "src/app/__about__.py"'),
        ("setuptools", 'setuptools.package-data = { "*" = ["*.toml"] }'),
        ("setuptools", 'setuptools.packages.find = { where = ["."], include = ["*"] }'),
        ("setuptools", 'setuptools.package-dir = { "" = "src" }'),
        ("flit", 'flit.sdist.include = ["*.toml"]'),
        ("pdm", 'pdm.build.source-includes = ["pyproject.toml"]'),
        ("uv", 'uv.build-backend.source-include = ["pyproject.toml"]'),
    ],
)
def test_other_patterns_ship_no_pyproject(tmp_path: Path, backend: str, added: str) -> None:
    assert digest(tmp_path, backend, f"[tool]\n{added}\n") is not None


@pytest.mark.parametrize(
    ("backend", "file", "text", "known"),
    [
        ("setuptools", "setup.py", "", False),
        ("setuptools", "setup.cfg", "[options]\nzip_safe = no\n", False),
        ("setuptools", "setup.cfg", "[flake8]\nmax-line-length = 100\n", True),
        ("hatchling", "hatch.toml", "", False),
        ("hatchling", "hatch_build.py", "", True),  # only read if a hook `custom` is in the settings
        ("pdm", "pdm_build.py", "", False),
    ],
)
def test_the_text_counts_if_a_file_may_run_code(
    tmp_path: Path, backend: str, file: str, text: str, *, known: bool
) -> None:
    (tmp_path / file).write_text(text, "utf-8")
    assert (digest(tmp_path, backend, "") is not None) is known


@pytest.mark.parametrize(
    ("backend", "requires", "name", "system"),
    [
        ("poetry", "", "poetry_of_ours", ""),
        ("poetry", "", "", 'backend-path = ["."]\n'),
        ("hatchling", "", "mesonpy", ""),
        ("hatchling", "", "scikit_build_core.build", ""),
        ("hatchling", "", "maturin", ""),
        ("setuptools", ', "mypy[mypyc]"', "", ""),
        ("pdm", ', "pdm-build-locked"', "", ""),
    ],
)
def test_the_text_counts_for_a_backend_or_a_plugin_that_is_not_known(
    tmp_path: Path, backend: str, requires: str, name: str, system: str
) -> None:
    assert digest(tmp_path, backend, "", requires=requires, name=name, system=system) is None


def test_a_table_without_a_backend_means_setuptools(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f'{PROJECT}[build-system]\nrequires = ["setuptools"]\n', "utf-8")
    assert build_backend.digest_of_read_tables(pyproject.read(tmp_path)) is not None
    (tmp_path / "setup.py").touch()
    assert build_backend.digest_of_read_tables(pyproject.read(tmp_path)) is None


def test_the_order_of_keys_counts(tmp_path: Path) -> None:
    one = digest(tmp_path, "poetry", '[tool.poetry.dependencies]\nidna = "*"\nh11 = "*"\n')
    assert digest(tmp_path, "poetry", '[tool.poetry.dependencies]\nh11 = "*"\nidna = "*"\n') != one


def test_the_digest_of_pyproject_takes_the_place_of_that_of_its_text(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()

    def digests(backend: str, added: str) -> dict[str, str]:
        digest(tmp_path, backend, added)
        return build_backend.file_digests(pyproject.read(tmp_path), ["app.py", "pyproject.toml"])

    assert digests("poetry", "") == digests("poetry", SMOKE)
    assert digests("poetry", "").keys() == {"app.py", "pyproject.toml"}
    (tmp_path / "setup.py").touch()
    assert digests("setuptools", "") != digests("setuptools", SMOKE)
