from __future__ import annotations

import json
from pathlib import Path

import pytest

from nox_pex.oci import layer_writer
from nox_pex.oci.layer_store import LayerStore, key_of
from nox_pex.oci.layer_writer import Entry
from nox_pex.tools import cache
from nox_pex.tools.cache import Caches

ENTRIES = (Entry(path="app/main.py", content=b"print(1)\n"),)


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(caches=Caches(chosen=tmp_path / "cache"))


def test_a_layer_is_found_by_what_it_was_made_from(store: LayerStore) -> None:
    assert store.find("key") is None
    written = store.add("key", ENTRIES)
    assert store.find("key") == written
    assert written.compressor == layer_writer.COMPRESSOR
    assert written.layer.path.stat().st_size == written.layer.descriptor.size
    assert cache.parts(store.caches.root)[0].path.parent.name == "layers"  # so it is evicted when it is old


def test_a_layer_with_a_known_diff_id_is_not_compressed_again(
    store: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.add("one", ENTRIES)
    monkeypatch.setattr(layer_writer, "_LEVEL", 1)
    monkeypatch.setattr(layer_writer, "COMPRESSOR", "zlib-ng 2.2")
    assert store.add("two", ENTRIES) == before
    assert store.find("two") == before


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "facts"])
def test_a_damaged_layer_is_written_again(store: LayerStore, damage: str) -> None:
    path = store.add("key", ENTRIES).layer.path
    content = path.read_bytes()
    if damage == "facts":
        facts = path.with_name("layer.json")
        facts.write_text(json.dumps({**json.loads(facts.read_text("utf-8")), "diff-id": "sha256:1"}), "utf-8")
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "cut" else bytes([*content[:-1], content[-1] ^ 1]))

    assert store.find("key") is None
    assert store.add("key", ENTRIES).layer.path.read_bytes() == content
    assert store.find("key") is not None


def test_an_interrupted_write_leaves_nothing(store: LayerStore) -> None:
    def entries() -> object:
        yield ENTRIES[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.add("key", entries())  # type: ignore[arg-type]
    assert store.find("key") is None
    assert list(store.caches.layers.iterdir()) == []


def test_a_value_is_computed_once(store: LayerStore) -> None:
    assert store.remembered("key", lambda: [1]) == [1]
    assert store.remembered("key", lambda: [2]) == [1]
    assert key_of("a", {"b": 1, "c": 2}) == key_of("a", {"c": 2, "b": 1})
    assert key_of("a", 1) != key_of("a", 2)
