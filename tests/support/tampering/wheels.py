"""Changes of the distributions in a PEX: their files, their metadata, their RECORD, their names."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from random import Random
from typing import Final

from msgspec.structs import replace

from tests.support.tampering.contents import EVIL, append
from tests.support.tampering.mutation import UnchangedError
from tests.support.tampering.pex_info import Edit
from tests.support.tampering.pex_tree import LAYOUT, File, PexTree


def _third_party(tree: PexTree, chosen: Random) -> str:
    """A distribution that Poetry installed from the index."""
    return chosen.choice([wheel for wheel in tree.wheels() if wheel.startswith((".deps/idna", ".deps/iniconfig"))])


def _metadata(tree: PexTree, wheel: str, name: str) -> str:
    found = [path for path in tree.names(wheel) if path.endswith(f".dist-info/{name}") and path.count("/") == 3]
    if not found:
        raise UnchangedError
    return found[0]


def _wheel_file(tree: PexTree, chosen: Random) -> None:
    wheel = _third_party(tree, chosen)
    name = chosen.choice([name for name in tree.names(wheel) if not name.endswith(("/RECORD", LAYOUT))])
    action = chosen.choice(["change", "remove", "rename"])
    if action == "change":
        append(tree, name)
    else:
        file = tree.files.pop(name)
        if action == "rename":
            tree.add(f"{name}.renamed.py", file.content)


def _wheel_addition(tree: PexTree, chosen: Random) -> None:
    name = chosen.choice(
        [
            *(
                "evil.py",
                "evil.pth",
                "sitecustomize.py",
                "idna/evil.py",
                "idna.so",
                "evil-1.0.dist-info/METADATA",
                "json.py",
            ),
            *(
                ".prefix/bin/evil",
                ".prefix/include/x.h",
                ".prefix/purelib/x.py",
                ".prefix/../x",
                "idna-3.11.data/scripts/x",
            ),
            *("idna-3.11.data/purelib/evil.py", "idna-3.11.data/data/etc/x", "RECORD", "METADATA", "__main__.py"),
        ]
    )
    wheel = _third_party(tree, chosen)
    if wheel + name in tree.files:
        raise UnchangedError
    tree.add(wheel + name, EVIL)


def _own_wheel(tree: PexTree, chosen: Random) -> None:
    """A file of the project's own wheel."""
    wheels = [wheel for wheel in tree.wheels() if wheel.startswith(".deps/greeting")]
    if not wheels:
        raise UnchangedError
    names = [name for name in tree.names(wheels[0]) if not name.endswith(("/RECORD", LAYOUT))]
    action = chosen.choice(["change", "remove", "add"])
    if action == "change":
        append(tree, chosen.choice(names))
    elif action == "remove":
        del tree.files[chosen.choice(names)]
    else:
        tree.add(f"{wheels[0]}greeting/evil.py", EVIL)


def _wheel_name(tree: PexTree, chosen: Random) -> None:
    """A distribution under another name, twice, or not at all."""
    wheel = _third_party(tree, chosen)
    action = chosen.choice(["rename", "copy", "remove"])
    new = chosen.choice(
        [
            *(wheel.replace("-3.11-", "-3.10-").replace("-2.3.0-", "-2.3.1-"), wheel.replace("py3-none", "1-py3-none")),
            *(
                ".deps/evil/",
                ".deps/evil.whl/",
                ".deps/evil-1.0-py3-none-any.whl/",
                ".deps/IDNA-3.11-py3-none-any.whl/",
            ),
            *(".deps/idna-3.11-py3-none-linux_x86_64.whl/", wheel.replace(".whl", ".WHL"), wheel[:-1] + " /"),
        ]
    )
    old = {name: file for name, file in tree.files.items() if name.startswith(wheel)}
    if action != "copy":
        tree.files = {name: file for name, file in tree.files.items() if name not in old}
    if action != "remove":
        if wheel[:-1] in tree.nested:
            nested = tree.nested[wheel[:-1]]
            tree.nested[new[:-1]] = replace(nested, outer=replace(nested.outer, record=None))
        tree.files.update({new + name.removeprefix(wheel): replace(file) for name, file in old.items()})


def _extra_wheel(tree: PexTree, _: Random) -> None:
    """A distribution that nobody locked."""
    wheel, name = ".deps/evil-1.0-py3-none-any.whl/", "evil-1.0.dist-info"
    files = {
        "evil.py": EVIL,
        f"{name}/METADATA": b"Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
        f"{name}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}/RECORD": f"{name}/RECORD,,\n".encode(),
        LAYOUT: b'{"fingerprint":"","record_relpath":"","root_is_purelib":true,"stash_dir":".prefix"}',
    }
    if tree.nested:
        sample = next(nested for path, nested in tree.nested.items() if path.startswith(".deps/"))
        tree.nested[wheel[:-1]] = replace(sample, data=b"", files={}, outer=replace(sample.outer, record=None))
    for path, content in files.items():
        tree.files[wheel + path] = File(content=content)


def _layout(tree: PexTree, chosen: Random) -> None:
    names = [name for name in tree.names(".deps/") if name.endswith(f"/{LAYOUT}")]
    if not names:
        raise UnchangedError
    name = chosen.choice(names)
    value = json.loads(tree.files[name].content)
    key = chosen.choice([*sorted(value), "evil"])
    value[key] = chosen.choice(["../../x", "", None, {}, [1], "/etc", 7])
    tree.kept.add(name)
    tree.files[name].content = chosen.choice([json.dumps(value).encode(), b"", b"[]", b"[" * 100_000, b"\xff"])


def _origin(tree: PexTree, chosen: Random) -> None:
    """pex's note about the wheel that it installed."""
    names = [name for name in tree.names(_third_party(tree, chosen)) if name.endswith("original-whl-info.json")]
    if not names:
        raise UnchangedError
    tree.files[chosen.choice(names)].content = chosen.choice(
        [b"{}", b"", b"[" * 100_000, b'{"filename":"../x"}', b"\xff"]
    )


def _metadata_file(tree: PexTree, chosen: Random) -> None:
    name = _metadata(tree, _third_party(tree, chosen), "METADATA")
    content = tree.files[name].content
    tree.files[name].content = chosen.choice(
        [
            *(
                b"Requires-Dist: evil\n" + content,
                content.replace(b"Version: 3", b"Version: 4"),
                b"",
                b"\xff\xfe" + content,
            ),
            *(
                content.replace(b"Name: i", b"Name: x"),
                b"Name: evil\n" + content,
                b"Name:\n\n",
                b"\0" * 100,
                b"\n" + content,
            ),
            *(
                b"Name: " + b"x" * 5_000_000 + b"\n",
                content + EVIL,
                b"Name: =?utf-8?q?=ff?=\n" + content,
                b": \n" * 9999,
            ),
        ]
    )
    if tree.files[name].content == content:
        raise UnchangedError


def _entry_points(tree: PexTree, chosen: Random) -> None:
    name = _metadata(tree, _third_party(tree, chosen), "METADATA").replace("/METADATA", "/entry_points.txt")
    tree.add(
        name,
        chosen.choice(
            [
                *(
                    b"evil = os:abort\n",
                    b"[console_scripts]\nevil = os:abort\n",
                    b"[console_scripts\n",
                    b"[a]\n[a]\n",
                    b"\xff\xfe",
                ),
                *(
                    b"[console_scripts]\nx\n",
                    b"[console_scripts]\n= x\n",
                    b"[console_scripts]\n  a = b\nc = %(d)s\n",
                    b"\0",
                ),
                *(
                    b"[console_scripts]\na = b\na = c\n",
                    b"[]\n",
                    b"[DEFAULT]\nx = y\n",
                    b"[" * 100_000,
                    b"=",
                    b"x" * 200_000,
                ),
                *(
                    b"\xef\xbb\xbf[console_scripts]\nx = y\n",
                    b"[console_scripts]\n../../x = y:z\n",
                    b"[x]\n\x1b[31m = y\n",
                ),
            ]
        ),
    )


def _record_rows(tree: PexTree, chosen: Random) -> tuple[str, list[list[str]]]:
    name = _metadata(tree, _third_party(tree, chosen), "RECORD")
    tree.kept.add(name)
    return name, [row for row in csv.reader(tree.files[name].content.decode().splitlines()) if row]


def _record(tree: PexTree, chosen: Random) -> None:
    """A RECORD that no longer protects a file, or that lists more than there is."""
    name, rows = _record_rows(tree, chosen)
    row = chosen.choice([row for row in rows if row[1]])
    content = tree.files["/".join(name.split("/")[:2]) + "/" + row[0]].content
    md5 = base64.urlsafe_b64encode(hashlib.md5(content).digest()).rstrip(b"=").decode()  # noqa: S324  # a weak one
    old = list(row)
    row[1] = chosen.choice(
        [
            *(
                "",
                f"md5={md5}",
                "shake_128=x",
                "sha256=",
                "sha256",
                "=x",
                "sha256==",
                "SHA256=" + row[1][7:],
                "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
            ),
            *(
                "sha1=x",
                "none=x",
                "sha256=" + "A" * 43,
                f"{row[1]}=",
                "x" * 200_000,
                f"{row[1]}\0",
                "blake2b=x",
                "sha3_256=x",
            ),
        ]
    )
    if chosen.random() < 0.3:
        rows.remove(row)
    elif chosen.random() < 0.3:
        row[1:] = old[1:]
        rows.append([chosen.choice(["../../../../etc/x", "/etc/x", "..", "", "evil.py", "idna/../x"]), old[1], "1"])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    tree.files[name].content = text.getvalue().encode()


def _record_text(tree: PexTree, chosen: Random) -> None:
    """A RECORD that is no table."""
    name, _ = _record_rows(tree, chosen)
    text = tree.files[name].content
    tree.files[name].content = chosen.choice(
        [
            *(
                b"",
                b"\n",
                b"\0",
                b"\xff\xfe" + text,
                b'"' + text,
                text + b'x,"',
                text.replace(b",", b",\0", 1),
                b'"' * 300_001,
            ),
            *(
                b"x" * 200_000 + b",,\n" + text,
                text + b'"' + b"y" * 200_000 + b'",,\n',
                text.replace(b"\n", b""),
                b"," * 99_999,
            ),
            *(
                text.replace(b",", b";"),
                text.replace(b"\n", b"\r"),
                text * 2,
                text + b"\x1b[31m,,\n",
                b"\n" * 1_000_000,
            ),
        ]
    )


EDITS: Final[dict[str, Edit]] = {
    "wheel-file": _wheel_file,
    "wheel-addition": _wheel_addition,
    "own-wheel": _own_wheel,
    "wheel-name": _wheel_name,
    "extra-wheel": _extra_wheel,
    "layout-json": _layout,
    "original-wheel-info": _origin,
    "metadata": _metadata_file,
    "entry-points": _entry_points,
    "record": _record,
    "record-text": _record_text,
}
