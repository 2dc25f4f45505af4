"""The tree that several layers make together."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.oci import layer_reader, root_tree
from nox_pex.oci.root_tree import RootTree
from nox_pex.tools.cache import Caches
from tests.support.untrusted_layers import END, directory, header, layer, member, tar

LINKS = tar(
    directory("usr/lib"),
    member("lib", symlink="usr/lib"),
    member("usr/lib/libc.so", b"libc"),
    member("out", symlink="../../../.."),
    member("absolute", symlink="/usr/lib"),
    member("round", symlink="round"),
    member("a", symlink="b"),
    member("b", symlink="a"),
    member("dangling", symlink="usr/nothing"),
    member("usr/lib/up", symlink="../../usr/./lib//libc.so"),
)


def tree(tmp_path: Path, *layers: bytes) -> RootTree:
    files = tuple(layer(tmp_path / "layers", data, "none") for data in layers)
    return root_tree.tree_of(files, image="base:1", caches=Caches(chosen=tmp_path / "cache"))


def contents(found: RootTree) -> dict[str, str]:
    """The content of each file, the target of each link, and the kind of everything else."""
    return {
        path: (found.read(path, largest=1000) or b"").decode()
        if entry.kind == "file"
        else f"-> {entry.target}"
        if entry.kind == "symlink"
        else entry.kind
        for path, entry in found.entries.items()
    }


def refusal(tmp_path: Path, *layers: bytes) -> str:
    with pytest.raises(NoxPexError) as caught:
        tree(tmp_path, *layers)
    assert caught.value.code == "image-base"
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/lib/libc.so", "usr/lib/libc.so"),
        ("absolute/libc.so", "usr/lib/libc.so"),
        ("usr/lib/up", "usr/lib/libc.so"),
        ("out/lib/./libc.so", "usr/lib/libc.so"),
        ("../../../usr", "usr"),
        ("out", ""),
        ("lib/../lib/../../usr", "usr"),
        ("round", None),
        ("a", None),
        ("dangling", None),
        ("usr/lib/libc.so/x", None),
        ("usr/lib/libc.so/..", "usr/lib"),
        ("nothing", None),
    ],
)
def test_links_are_followed_inside_the_root(tmp_path: Path, path: str, real: str | None) -> None:
    found = tree(tmp_path, LINKS)

    if path == "usr/lib/libc.so/..":  # the kernel says ENOTDIR; nothing is outside either way
        assert found.resolve(path) in (None, real)
    else:
        assert found.resolve(path) == real


@pytest.mark.parametrize(
    ("upper", "expected"),
    [
        (tar(member("d/.wh.b")), {"d": "directory", "d/a": "1", "d/c": "3"}),
        (tar(member(".wh.d")), {}),
        (tar(member("d/.wh..wh..opq"), member("d/new", "4")), {"d": "directory", "d/new": "4"}),
        (tar(member("d/new", "4"), member("d/.wh..wh..opq")), {"d": "directory", "d/new": "4"}),
        (tar(member("d/a", "4"), member("d/.wh.a")), {"d": "directory", "d/a": "4", "d/b": "2", "d/c": "3"}),
        (tar(member("d", "file")), {"d": "file"}),
        (tar(member("d/a/x", "4"), directory("d/a")), None),
        (tar(directory("d/a"), member("d/a/x", "4")), {"d/a": "directory", "d/a/x": "4"}),
        (tar(member("d", symlink="e")), {"d": "-> e"}),
        (tar(directory("d", 0o700)), {"d": "directory", "d/a": "1", "d/b": "2", "d/c": "3"}),
        (tar(member("x", link="d/a")), {"x": "1"}),
        (tar(member("d/a", link="d/b"), member("d/b", "new")), {"d/a": "2", "d/b": "new"}),
        (tar(member(".wh.nothing"), member("no/.wh.x")), {"d": "directory", "d/a": "1"}),
        (tar(member(".wh..wh.plnk/1.2"), member(".wh..wh.aufs")), {"d": "directory", "d/a": "1"}),
    ],
)
def test_an_upper_layer_changes_a_lower_one(tmp_path: Path, upper: bytes, expected: dict[str, str] | None) -> None:
    lower = tar(directory("d"), member("d/a", "1"), member("d/b", "2"), member("d/c", "3"))
    if expected is None:
        assert "which is not a directory" in refusal(tmp_path, lower, upper)
        return

    found = contents(tree(tmp_path, lower, upper))

    assert {path: value for path, value in found.items() if path in expected} == expected
    assert not any(root_tree.WHITEOUT in path for path in found)
    if not any(path.startswith(("x", "d/a", "no")) for path in expected) or len(expected) > 2:  # all
        assert {path for path in found if path.startswith("d")} == set(expected)


def test_parents_that_are_links_lead_inside_the_root(tmp_path: Path) -> None:
    upper = tar(
        member("lib/new", "n"),
        member("out/at-the-root", "r"),
        member("absolute/deep/x", "x"),
        member("lib/.wh.libc.so"),
    )

    found = contents(tree(tmp_path, LINKS, upper))

    assert found["usr/lib/new"] == "n"
    assert found["at-the-root"] == "r"
    assert found["usr/lib/deep/x"] == "x"
    assert "usr/lib/libc.so" not in found
    assert found["lib"] == "-> usr/lib"


def test_a_directory_replaces_a_link(tmp_path: Path) -> None:
    found = contents(tree(tmp_path, LINKS, tar(member("lib/a", "1"), directory("lib"), member("lib/b", "2"))))

    assert (found["usr/lib/a"], found["lib"], found["lib/b"]) == ("1", "directory", "2")


def test_hard_links_are_one_file(tmp_path: Path) -> None:
    lower = tar(member("a", "1"), member("l", symlink="a"))
    upper = tar(member("b", link="a"), member("c", link="./b"), member("k", link="l"), member("a", "2"))

    found = tree(tmp_path, lower, upper)

    assert contents(found) == {"a": "2", "b": "1", "c": "1", "l": "-> a", "k": "-> a"}
    assert (found.entries["b"].layer, found.entries["b"].offset) == (
        found.entries["c"].layer,
        found.entries["c"].offset,
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tar(member("a", link="b")), "not a file before it"),
        (tar(member("a", link="a")), "not a file before it"),
        (tar(directory("d"), member("a", link="d")), "not a file before it"),
        (tar(member("a"), member("a/b")), "not a directory"),
        (tar(member("round", symlink="round"), member("round/x")), "not a directory"),
        (tar(member(".wh.")), "hides no name"),
        (tar(member("d/.wh...")), "hides no name"),
        (tar(member(".wh..")), "hides no name"),
        (tar(member("..")), "outside"),
    ],
)
def test_a_layer_without_sense_is_refused_with_its_names(tmp_path: Path, data: bytes, reason: str) -> None:
    message = refusal(tmp_path, data)

    assert reason in message
    assert "of base:1 " in message
    assert layer(tmp_path, data, "none").descriptor.digest in message


def test_an_unchanged_tree_is_read_from_the_cache(tmp_path: Path) -> None:
    first = tree(tmp_path, LINKS, tar(member("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "x", mtime=5)))
    for each in first.layers:
        each.path.rename(each.path.with_suffix(".away"))

    again = root_tree.tree_of(first.layers, image="base:1", caches=Caches(chosen=tmp_path / "cache"))

    assert list(again.entries.items()) == list(first.entries.items())


@pytest.mark.parametrize("damage", [b"", b"\x93\x01", b"\xff" * 100, None])
def test_a_damaged_cache_is_not_used(tmp_path: Path, damage: bytes | None) -> None:
    first = tree(tmp_path, LINKS)
    (stored,) = (tmp_path / "cache" / "trees").glob("*.msgpack")
    changed = stored.read_bytes().replace(b"usr/nothing", b"usr/notfile")  # of the same form
    assert damage is not None or changed != stored.read_bytes()
    stored.write_bytes(changed if damage is None else damage)

    assert tree(tmp_path, LINKS).entries == first.entries


def test_another_layer_with_the_diff_id_of_a_known_one_is_not_found_in_the_cache(tmp_path: Path) -> None:
    known = tree(tmp_path, LINKS)
    lying = layer(tmp_path / "layers", tar(member("evil")), "none", diff_id=known.layers[0].diff_id)

    with pytest.raises(NoxPexError, match="without compression"):
        root_tree.tree_of((lying,), image="base:1", caches=Caches(chosen=tmp_path / "cache"))


def test_names_that_are_not_utf_8_are_read_each_time(tmp_path: Path) -> None:
    data = header(b"caf\xe9") + header(b"l", kind=b"2", link=b"\xff") + END

    for _ in range(2):
        found = tree(tmp_path, data)
        assert [path.encode("utf-8", "surrogateescape") for path in found.entries] == [b"caf\xe9", b"l"]


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    found = tree(
        tmp_path, tar(member("a", b"x" * 100), member("b", b"y" * 10), member("c", symlink="b"), directory("d"))
    )

    assert found.read_all(["a", "b", "c", "d", "e"], largest=50) == {"b": b"y" * 10, "c": b"y" * 10}
    assert found.read_all(["b", "c"], largest=19) == {"b": b"y" * 10}


@pytest.mark.parametrize(
    "data",
    [
        b"".join(header(b"%d/" % number + b"a/" * 45 + b"a") for number in range(50)) + END,  # implied directories
        tar(
            *(member(f"l{number}", symlink=f"l{number + 1}/" * 20 + "x") for number in range(30)),
            *(member(f"l0/{number}") for number in range(20)),
        ),
    ],
)
def test_names_that_would_take_for_ever_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(root_tree, "_MOST_STEPS", 1000)
    monkeypatch.setattr(layer_reader, "MOST_NAMES", 1000)

    assert refusal(tmp_path, data)


def test_ten_thousand_files_take_about_a_second(tmp_path: Path) -> None:
    data = tar(*(member(f"usr/lib/package{number % 300}/module{number}.py", b"x" * 100) for number in range(10_000)))
    found = (layer(tmp_path, data),)

    began = time.process_time()
    tree = root_tree.tree_of(found, image="base:1", caches=Caches(chosen=tmp_path / "cache"))

    assert len(tree.entries) == 10_302  # with directories
    assert time.process_time() - began < 5  # seconds of the processor; it takes 0.3


def test_a_layer_that_was_read_before_is_not_read_again_in_another_image(tmp_path: Path) -> None:
    chance, caches, compared = random.Random(1), Caches(chosen=tmp_path / "cache"), 0  # noqa: S311  # no cryptography
    for number in range(60):
        files = tuple(layer(tmp_path / str(number), random_layer(chance), "none") for _ in range(3))
        try:
            whole = root_tree.merge(files, lambda one, allowed: layer_reader.members(one, 0, allowed), image="base:1")
            root_tree.tree_of(files[:2], image="base:1", caches=caches)
        except NoxPexError:
            continue
        files[0].path.unlink()

        assert root_tree.tree_of(files, image="base:1", caches=caches).entries == whole
        compared += 1
    assert compared > 5


NAMES = ("a", "b", "c", "d/a", "d/b", "d/e/f", "l/a", "l/d/b", "a/b", "b/a", "d", "d/e", "l", "d/l/x", "m/a")
TARGETS = ("d", "/d", "..", "../..", "/", "l", "d/e", "nothing", "../d", "d/l", "/../../d", "a")


def random_layer(chance: random.Random) -> bytes:
    found = []
    for _ in range(chance.randrange(1, 12)):
        name = chance.choice(NAMES)
        folder, slash, last = name.rpartition("/")
        white = [member(f"{folder}{slash}.wh.{last}"), member(f"{folder}{slash}.wh..wh..opq")]
        link = member(chance.choice(("l", "m", name)), symlink=chance.choice(TARGETS))
        hard = member(name, link=chance.choice(NAMES))
        kinds = [directory(name), member(name, name), link, hard, member(f"/{name}", "x"), *white]
        found += chance.choices(kinds, weights=(5, 5, 2, 1, 2, 1, 1))
    return tar(*found)


@pytest.mark.parametrize("seed", range(4))
def test_random_layers_make_a_tree_without_names_through_links(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # a reproducible test, no cryptography
    merged = 0

    for number in range(150):
        files = tuple(
            layer(tmp_path / str(number), random_layer(chance), "none") for _ in range(chance.randrange(1, 4))
        )
        try:
            entries = root_tree.merge(files, lambda one, allowed: layer_reader.members(one, 0, allowed), image="base:1")
        except NoxPexError:
            continue
        merged += 1
        seen = {""}
        for path, entry in entries.items():
            assert path.rpartition("/")[0] in seen  # a directory that came before
            assert ".wh." not in path
            if entry.kind == "directory":
                seen.add(path)
        found = RootTree(layers=files, entries=entries)
        for path in (*NAMES, *TARGETS):
            real = found.resolve(path)
            assert real is None or real == "" or real in entries
            assert real is None or ".." not in real.split("/")
    assert merged > 20  # of 150
