from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nox_pex.system.lazy import lazy, pattern


@pytest.fixture
def slow_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package with a module in it, which nobody has imported."""
    package = tmp_path / "slow_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "module.py").write_text("VALUE = object()\nclass Failure(Exception): pass\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "slow_package", raising=False)
    monkeypatch.delitem(sys.modules, "slow_package.module", raising=False)
    return "slow_package.module"


def test_a_module_is_imported_when_an_attribute_is_first_read(slow_module: str) -> None:
    module = lazy(slow_module)
    assert slow_module not in sys.modules
    value = module.VALUE
    assert value is sys.modules[slow_module].VALUE
    with pytest.raises(module.Failure):
        raise sys.modules[slow_module].Failure


def test_threads_read_the_attributes_of_one_module(slow_module: str) -> None:
    module = lazy(slow_module)
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: module.VALUE, range(64)))
    assert values == [sys.modules[slow_module].VALUE] * 64


def test_an_attribute_that_the_module_does_not_have_is_an_error(slow_module: str) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'OTHER'"):
        _ = lazy(slow_module).OTHER


def test_a_module_that_does_not_exist_is_an_error_at_its_first_use() -> None:
    module = lazy("slow_package_that_does_not_exist")
    with pytest.raises(ModuleNotFoundError, match="slow_package_that_does_not_exist"):
        _ = module.VALUE


def test_a_pattern_is_compiled_when_it_is_first_used(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, real = [], re.compile

    def counting(source: str, flags: int = 0) -> re.Pattern[str]:
        compiled.append(source)
        return real(source, flags)

    monkeypatch.setattr(re, "compile", counting)
    word = pattern(r"(?P<word>[a-z]+)!", re.IGNORECASE)
    assert compiled == []
    for _ in range(3):
        found = word.search("1 Word!")
        assert found is not None
        assert found["word"] == "Word"
    assert compiled == [r"(?P<word>[a-z]+)!"]
    assert word.sub("x", "a! b!") == "x x"
    assert (word.groups, word.pattern) == (1, r"(?P<word>[a-z]+)!")
    monkeypatch.undo()
    with pytest.raises(AttributeError, match="other"):
        _ = word.other  # type: ignore[attr-defined]
