from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.image.root_file_system.user import ImageUser, image_user
from nox_pex.oci import root_tree
from nox_pex.oci.root_tree import RootTree
from nox_pex.tools.cache import Caches
from tests.support import small_root
from tests.support.small_root import Member

PASSWD = b"root:x:0:0::/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\nbroken\nodd:x:many:1:::\nbare:x:7:8:::\n"
GROUP = b"root:x:0:\nstaff:x:50:app\nmore:x:60:other,app\n"


def tree_of(tmp_path: Path, members: Mapping[str, bytes | Member]) -> RootTree:
    layer = small_root.layer({"etc": Member(None), **members}, tmp_path)
    return root_tree.tree_of([layer], image="it", caches=Caches(chosen=tmp_path / "cache"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ImageUser(text="0", user=0, group=0, home="/root")),
        ("", ImageUser(text="0", user=0, group=0, home="/root")),
        ("app", ImageUser(text="app", user=1000, group=1001, groups=(50, 60), home="/home/app")),
        ("1000", ImageUser(text="1000", user=1000, group=1001, groups=(50, 60), home="/home/app")),
        ("1000:50", ImageUser(text="1000:50", user=1000, group=50, home="/home/app")),
        ("app:more", ImageUser(text="app:more", user=1000, group=60, home="/home/app")),
        ("65532:65532", ImageUser(text="65532:65532", user=65532, group=65532)),
        ("65532", ImageUser(text="65532", user=65532, group=0)),
        ("bare", ImageUser(text="bare", user=7, group=8)),
    ],
)
def test_a_user_is_found_as_engines_find_it(text: str | None, expected: ImageUser, tmp_path: Path) -> None:
    tree = tree_of(tmp_path, {"etc/passwd": PASSWD, "etc/group": GROUP})
    assert image_user(tree, small_root.config(tree.layers, user=text)) == expected


@pytest.mark.parametrize("text", ["nobody", "odd", "0:nogroup", "2147483648", "0:99999999999", "-1", "1 0"])
def test_a_user_that_the_image_does_not_have_is_named(text: str, tmp_path: Path) -> None:
    tree = tree_of(tmp_path, {"etc/passwd": PASSWD, "etc/group": GROUP})
    with pytest.raises(NoxPexError, match=f"user {text} of the image is not in ") as caught:
        image_user(tree, small_root.config(tree.layers, user=text))
    assert caught.value.code == "launch-failed"


def test_a_passwd_that_is_a_link_is_read_inside_of_the_image(tmp_path: Path) -> None:
    links: dict[str, bytes | Member] = {
        "etc/passwd": Member(target="/../../../usr/passwd"),
        "usr": Member(None),
        "usr/passwd": PASSWD,
    }
    tree = tree_of(tmp_path, links)
    assert image_user(tree, small_root.config(tree.layers, user="app")).user == 1000
    outside = tree_of(tmp_path, {"etc/passwd": Member(target="/etc/hostname-of-this-machine")})
    assert image_user(outside, small_root.config(outside.layers, user="5")).home == "/"


def test_permissions_are_those_of_owner_group_and_others(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        {
            "app": Member(None),
            "app/everyone": Member(mode=0o644),
            "app/own": Member(mode=0o400, owner=7),
            "app/group": Member(mode=0o040, owner=8),
            "app/not-own": Member(mode=0o077, owner=7),
            "app/closed": Member(None, mode=0o700),
            "app/closed/file": Member(mode=0o777),
            "link": Member(target="app/closed/file"),
            "way": Member(target="app/closed"),
            "app/roots": Member(mode=0o600),
        },
    )
    user = ImageUser(text="7:9", user=7, group=9, groups=(8,))

    readable = [path for path in sorted(tree.entries) if user.can_read(tree, f"/{path}")]
    assert readable == ["app", "app/everyone", "app/group", "app/own", "etc"]
    assert not user.can_read(tree, "/way/file")
    assert not user.can_read(tree, "/app/x/../closed/file") or tree.resolve("/app/x/../closed/file") is None
    assert user.can_read(tree, "/missing")
    assert not ImageUser(text="7", user=7, group=0).can_read(tree, "/app/roots")
    assert ImageUser(text="0", user=0, group=0).can_read(tree, "/app/roots")
    assert not ImageUser(text="0", user=0, group=0).can_read(tree, "/app/own")  # without capabilities
    assert not user.can_execute(tree, "/app/everyone")
