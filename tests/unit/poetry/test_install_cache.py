from __future__ import annotations

import os
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from nox_pex.distributions import inventory
from nox_pex.distributions.environment import Environment, snapshot
from nox_pex.poetry import install_cache, origins
from nox_pex.poetry.install_cache import CachedInstall
from nox_pex.poetry.lock import Lock, Package, Source
from nox_pex.poetry.origins import Origin
from nox_pex.system import files
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.support import environments
from tests.support.shown import say_into

INPUTS = {"lock": {"poetry.lock": "abc"}, "python": {"python": "CPython 3.12.1"}}
INDEX = "https://index.invalid/simple"


def key(tmp_path: Path, project: str = "one", *, lock: str = "abc", **environ: str) -> str:
    (tmp_path / project).mkdir(exist_ok=True)
    variables = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": INDEX, **environ}
    inputs = {**INPUTS, "lock": {"poetry.lock": lock}}
    found = install_cache.locate(inputs, home=tmp_path, environ=variables, prefix=tmp_path, project=tmp_path / project)
    assert found.home.parent == tmp_path
    return found.home.name


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"POETRY_CACHE_DIR": "/elsewhere"},
        {"POETRY_VIRTUALENVS_PATH": "/elsewhere"},
        {"POETRY_HTTP_BASIC_SHOP_PASSWORD": "hunter2"},
        {"PIP_INDEX_URL": "https://me:hunter2@index.invalid/simple"},
        {"VIRTUAL_ENV": "/elsewhere", "LANG": "C"},
    ],
)
def test_locations_and_secrets_do_not_change_the_key(tmp_path: Path, environ: dict[str, str]) -> None:
    assert key(tmp_path, "two", **environ) == key(tmp_path)


@pytest.mark.parametrize(
    "environ",
    [
        {"lock": "other"},
        {"PIP_INDEX_URL": "https://other.invalid/simple"},
        {"POETRY_PYPI_MIRROR_URL": "https://other.invalid/simple"},
        {"POETRY_INSTALLER_NO_BINARY": ":all:"},
    ],
)
def test_the_lock_the_index_and_poetrys_settings_change_the_key(tmp_path: Path, environ: dict[str, str]) -> None:
    assert key(tmp_path, **environ) != key(tmp_path)


def test_poetrys_configuration_file_changes_the_key(tmp_path: Path) -> None:
    before = key(tmp_path, POETRY_CONFIG_DIR=str(tmp_path))
    (tmp_path / "config.toml").write_text("[installer]\nno-binary = [':all:']\n", "utf-8")
    assert key(tmp_path, POETRY_CONFIG_DIR=str(tmp_path)) != before


LOCK = Lock(path=Path("poetry.lock"), digest="0", packages=())


class Checkouts:
    """Environments below a directory, and one cached install that they share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cached = CachedInstall(home=root / "cache" / "0123456789abcdef", family="all")
        self.said: list[str] = []
        (root / "cache").mkdir()
        (root / "python3.11").write_bytes(b"")

    def environment(self, name: str) -> Environment:
        return environments.create(self.root / name / "environment", base=self.root / "python3.11")

    def store(self, environment: Environment, lock: Lock = LOCK) -> None:
        shell = Shell(environ={}, secrets=Secrets(), say=say_into(self.said.append))
        self.cached.store(environment, lock, shell=shell)

    def first(self) -> Environment:
        """An environment with a distribution that has a launcher and a script, stored."""
        found = self.environment("first")
        files = {
            "wares.py": "TEXT = 'wares'\n",
            "../../../bin/serve": f"#!{found.python}\nimport wares\n",
            "../../../bin/run.sh": "#!/bin/sh\nexit 0\n",
        }
        environments.install(found, "wares", files, scripts={"serve": "wares:main"})
        (found.path / "bin" / "serve").chmod(0o755)
        origins.add(found, {"wares": Origin(version="1.0", file="wares-1.0.tar.gz")})
        self.store(found)
        return found


@pytest.fixture
def checkouts(tmp_path: Path) -> Checkouts:
    return Checkouts(tmp_path)


MODULE = "lib/python3.11/site-packages/wares.py"


def stored(checkouts: Checkouts) -> Environment:
    """The `.dist-info` directories of the cached install."""
    return Environment(path=checkouts.cached.home / "files" / "info")


def stored_file(checkouts: Checkouts, path: str) -> Path:
    """The installed file `path` in the cached install."""
    return checkouts.cached.home / "files" / install_cache.place(path)


def test_an_install_is_restored_with_the_new_interpreter_in_its_scripts(checkouts: Checkouts) -> None:
    first = checkouts.first()
    second = checkouts.environment("second")
    assert checkouts.cached.exists()
    assert checkouts.cached.restore(second)
    assert list(inventory.damaged(second)) == []
    assert origins.read(second) == origins.read(first)
    assert len(origins.read(second)) == 1
    assert snapshot(second.distributions()).keys() == snapshot(first.distributions()).keys()
    serve = second.path / "bin" / "serve"
    assert serve.read_text("utf-8") == f"#!{second.python}\nimport wares\n"
    assert serve.stat().st_mode & 0o777 == 0o755
    assert (second.path / "bin" / "run.sh").stat().st_mode & 0o777 == 0o644


def test_an_interpreter_with_a_long_path_or_a_blank_gets_a_shell_as_its_launcher(checkouts: Checkouts) -> None:
    checkouts.first()
    for name in ("with a blank", "long" * 40):
        environment = checkouts.environment(name)
        assert checkouts.cached.restore(environment)
        text = (environment.path / "bin" / "serve").read_text("utf-8")
        assert text.startswith("#!/bin/sh\n'''exec' ")
        assert str(environment.python) in text
        assert text.endswith("' '''\nimport wares\n")
        assert list(inventory.damaged(environment)) == []


@pytest.mark.parametrize("damage", ["changed", "gone", "linked", "record", "entry points", "manifest", "script"])
def test_a_damaged_install_is_not_restored(checkouts: Checkouts, damage: str) -> None:
    checkouts.first()
    (site,), info = stored(checkouts).site_packages, "wares-1.0.dist-info"
    file = {
        "record": site / info / "RECORD",
        "entry points": site / info / "entry_points.txt",
        "manifest": checkouts.cached.home / "manifest.json",
        "script": stored_file(checkouts, "bin/serve"),
    }.get(damage, stored_file(checkouts, MODULE))
    text = file.read_text("utf-8")
    file.unlink()
    if damage == "linked":
        (checkouts.root / "elsewhere.py").write_text(f"{text}# more\n", "utf-8")
        file.symlink_to(checkouts.root / "elsewhere.py")
    elif damage != "gone":
        file.write_text("{" if damage == "manifest" else f"{text}# more\n", "utf-8")
    assert not checkouts.cached.restore(checkouts.environment("second"))


@pytest.mark.parametrize("row", ["wares.py,,", "wares.py,md5=abc,1", "wares.py,shake_128=abc,1", "wares.py,sha256=,1"])
def test_a_row_without_a_strong_digest_is_not_restored_even_if_the_manifest_agrees(
    checkouts: Checkouts, row: str
) -> None:
    checkouts.first()
    cached = stored(checkouts)
    (site,) = cached.site_packages
    record = site / "wares-1.0.dist-info" / "RECORD"
    others = [line for line in record.read_text("utf-8").splitlines() if not line.startswith("wares.py")]
    record.unlink()
    record.write_text("\n".join([row, *others]), "utf-8")
    manifest = checkouts.cached.home / "manifest.json"
    files.write_json(manifest, {**files.read_json(manifest), "distributions": snapshot(cached.distributions())})
    module = stored_file(checkouts, MODULE)
    module.unlink()
    module.write_text("EVIL = True\n", "utf-8")
    assert not checkouts.cached.restore(checkouts.environment("second"))


@pytest.mark.parametrize(
    "name",
    [
        "evil.pth",
        "sitecustomize.py",
        "__pycache__/wares.cpython-311.pyc",
        "evil-1.0.dist-info/METADATA",
        "../../../more",
    ],
)
def test_an_install_with_a_file_in_no_record_is_not_restored(checkouts: Checkouts, name: str) -> None:
    checkouts.first()
    (site,) = stored(checkouts).site_packages
    (site / name).parent.mkdir(exist_ok=True)
    (site / name).touch()
    assert not checkouts.cached.restore(checkouts.environment("second"))


@pytest.mark.parametrize("key", ["id", "python", "distributions", "executable", "locked"])
@pytest.mark.parametrize("value", [None, 1, {"x": 1}, [[]]])
def test_a_manifest_of_another_form_is_not_restored(checkouts: Checkouts, key: str, value: object) -> None:
    checkouts.first()
    manifest = checkouts.cached.home / "manifest.json"
    files.write_json(manifest, {**files.read_json(manifest), key: value})
    assert not checkouts.cached.restore(checkouts.environment("second"))


def test_a_distribution_may_install_any_name_at_the_root(checkouts: Checkouts) -> None:
    found = checkouts.environment("first")
    names = ("nox-pex.json", "manifest.json", "files")
    environments.install(found, "wares", {f"../../../{name}": "{}" for name in names})
    checkouts.store(found)
    second = checkouts.environment("second")
    assert checkouts.cached.restore(second)
    assert [(second.path / name).read_text("utf-8") for name in names] == ["{}", "{}", "{}"]


def test_scripts_of_a_checkout_that_was_moved_are_not_restored(checkouts: Checkouts) -> None:
    found = checkouts.environment("first")
    script = {"../../../bin/serve": "#!/before/the/move/bin/python\nimport wares\n"}
    environments.install(found, "wares", script)
    checkouts.store(found)
    assert not checkouts.cached.restore(checkouts.environment("second"))


def test_a_link_is_not_written_through(checkouts: Checkouts) -> None:
    found = checkouts.environment("first")
    environments.install(found, "wares", {"../../../bin/tool": "text"})
    checkouts.store(found)
    second = checkouts.environment("second")
    (second.path / "bin" / "tool").symlink_to(checkouts.root / "python3.11")
    assert not checkouts.cached.restore(second)
    assert (checkouts.root / "python3.11").read_bytes() == b""


def test_an_install_that_is_replaced_while_it_is_restored_does_not_count(
    checkouts: Checkouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = checkouts.first()
    copy = install_cache._copy_file  # noqa: SLF001  # the moment between two files

    def replaced(original: Path, target: Path, *, digest: str, mode: int) -> bool:
        monkeypatch.setattr(install_cache, "_copy_file", copy)
        checkouts.store(first)
        return copy(original, target, digest=digest, mode=mode)

    monkeypatch.setattr(install_cache, "_copy_file", replaced)
    assert not checkouts.cached.restore(checkouts.environment("second"))
    assert checkouts.cached.restore(checkouts.environment("third"))


def package(name: str, digest: str = "aa", *, version: str = "1.0") -> Package:
    hashes = (f"sha256:{digest}",)
    return Package(name=canonicalize_name(name), version=version, hashes=hashes, source=None)


def lock(*packages: Package) -> Lock:
    return Lock(path=Path("poetry.lock"), digest="0", packages=packages)


def bumped(checkouts: Checkouts, *, family: str = "all") -> CachedInstall:
    """The place for another lock, when `wares`, `idna` and two distributions that share a file are cached."""
    first = checkouts.first()
    environments.install(first, "idna", {"idna.py": ""})
    environments.install(first, "left", {"shared.py": "", "left.py": ""})
    environments.install(first, "right", {"shared.py": "", "right.py": ""})
    environments.install(first, "pip", {"pip.py": ""})
    checkouts.store(first, lock(*map(package, ("wares", "idna", "left", "right", "gone", "pip"))))
    return CachedInstall(home=checkouts.cached.home.with_name("another"), family=family)


def names(environment: Environment) -> list[str]:
    return [each.name for each in environment.distributions()]


@pytest.mark.parametrize(
    ("packages", "common"),
    [
        ([package("wares"), package("idna")], ["idna", "wares"]),
        ([package("wares"), package("idna", version="2.0")], ["wares"]),
        ([package("wares"), package("idna", "another file")], ["wares"]),
        ([package("wares"), package("new"), package("left"), package("right")], ["wares"]),
        ([package("wares"), package("pip")], ["wares"]),  # Poetry installs pip, but would not remove it
        ([package("other")], []),
        ([], []),
    ],
)
def test_an_install_begins_with_what_is_the_same_in_both_locks(
    checkouts: Checkouts, packages: list[Package], common: list[str]
) -> None:
    second = checkouts.environment("second")
    assert bumped(checkouts).begin(second, lock(*packages)) == len(common)
    assert names(second) == common
    assert list(inventory.damaged(second)) == []
    if "wares" in common:
        assert (second.path / "bin" / "serve").read_text("utf-8") == f"#!{second.python}\nimport wares\n"


def test_an_install_of_another_family_and_a_damaged_one_begin_nothing(checkouts: Checkouts) -> None:
    locked, cached = lock(package("wares")), bumped(checkouts, family="another Python")
    assert cached.begin(checkouts.environment("second"), locked) == 0
    cached = CachedInstall(home=cached.home, family="all")
    module = stored_file(checkouts, MODULE)
    module.unlink()
    module.write_text("EVIL = True\n", "utf-8")
    assert cached.begin(checkouts.environment("third"), locked) is None
    (checkouts.cached.home / "manifest.json").write_text("{", "utf-8")
    assert cached.begin(checkouts.environment("fourth"), locked) == 0


def test_the_lock_and_the_groups_are_of_one_family_and_pythons_are_not(tmp_path: Path) -> None:
    def family(**inputs: dict[str, str]) -> str:
        environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": INDEX}
        given = {**INPUTS, **inputs}
        return install_cache.locate(given, home=tmp_path, environ=environ, prefix=tmp_path, project=tmp_path).family

    assert family(lock={"poetry.lock": "def"}, settings={"groups": "web", "extras": "all"}) == family()
    assert family(python={"python": "CPython 3.13.1"}) != family()
    assert family(tools={"poetry": "2.4"}) != family()
    assert family(settings={"poetry.toml": "abc"}) != family()


def test_an_install_with_another_source_is_not_stored(checkouts: Checkouts) -> None:
    found = checkouts.environment("first")
    git = Source(type="git", url="https://example.org/wares.git")
    locked = Package(name="wares", version="1.0", hashes=(), source=git)  # type: ignore[arg-type]
    checkouts.store(found, Lock(path=Path("poetry.lock"), digest="0", packages=(locked,)))
    environments.install(found, "shelf", {}, direct=True)
    checkouts.store(found)
    assert not checkouts.cached.exists()


def test_an_install_that_cannot_be_stored_is_reported(checkouts: Checkouts) -> None:
    found = checkouts.environment("first")
    (site,) = found.site_packages
    environments.install(found, "wares", {"wares.py": ""})
    (site / "wares.py").unlink()
    checkouts.store(found)
    assert not checkouts.cached.exists()
    assert os.strerror(2) in checkouts.said[0]
    assert checkouts.said[0].startswith("install: not stored in the install cache: ")
