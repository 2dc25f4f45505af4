"""Changes of what a PEX contains: its launcher, the project's files, the distributions."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import json
import marshal
import stat
from collections.abc import Mapping
from random import Random
from typing import Final

from msgspec.structs import replace

from tests.support.tampering.mutation import UnchangedError
from tests.support.tampering.pex_info import Edit
from tests.support.tampering.pex_tree import LAUNCHERS, LAYOUT, File, PexTree

EVIL: Final = b"\nimport sys; sys.stderr.write('tampered')\n"

_TOP_LEVEL: Final = (
    *("x.pth", "sitecustomize.py", "usercustomize.py", ".hidden", ".hidden.py", ".hidden/x.py", "__init__.py", "json.py"),
    *("idna.py", "idna/__init__.py", "encodings/__init__.py", "__main__.pyc", "pex.py", "pex/__init__.py", "x.so"),
    *("counter/__init__.py", "counter.so", "greeting.py", "evil-1.0.dist-info/METADATA", "evil-1.0.dist-info/RECORD"),
    *("evil-1.0.dist-info/entry_points.txt", "__pex__/__init__.pyc", "__pex__/evil.py", ".bootstrap.py", "PEX-INFO.bak"),
    *("__pycache__/x.cpython-311.pyc", ".deps.py", "evil.egg-link", "evil.egg-info", "pyvenv.cfg", "zip", ".git/config"),
    *(".layout.json", "-", "\u202e.py", "x\ny", "\x1b[2Jx.py", "::error::x"),
)


def _third_party(tree: PexTree, chosen: Random) -> str:
    """A distribution that Poetry installed from the index."""
    return chosen.choice([wheel for wheel in tree.wheels() if wheel.startswith((".deps/idna", ".deps/iniconfig"))])


def _metadata(tree: PexTree, wheel: str, name: str) -> str:
    found = [path for path in tree.names(wheel) if path.endswith(f".dist-info/{name}") and path.count("/") == 3]
    if not found:
        raise UnchangedError
    return found[0]


def _append(tree: PexTree, name: str, content: bytes = EVIL) -> None:
    if name not in tree.files:
        raise UnchangedError
    tree.files[name].content += content


def _header(tree: PexTree, chosen: Random) -> None:
    """The shebang, or the shell script before the archive."""
    if tree.head is None:
        content = tree.files["__main__.py"].content
        tree.files["__main__.py"].content = b"#!/tmp/evil/python3\n" + content.partition(b"\n")[2]
        return
    first, _, rest = tree.head.partition(b"\n")
    tree.head = chosen.choice(
        [first + b"\necho evil\n" + rest, b"#!/tmp/evil/python3\n" + rest, tree.head + b"\0", b"", first + b" -i\n" + rest]
    )


def _launcher(tree: PexTree, chosen: Random) -> None:
    name = chosen.choice([name for name in LAUNCHERS if name in tree.files])
    if chosen.random() < 0.8:
        tree.files[name].content = chosen.choice([tree.files[name].content + EVIL, EVIL, b"", b"\0"])
    else:
        del tree.files[name]


def _bootstrap(tree: PexTree, chosen: Random) -> None:
    name = chosen.choice(tree.names(".bootstrap/"))
    action = chosen.choice(["change", "remove", "add", "empty"])
    if action == "change":
        _append(tree, name)
    elif action == "remove":
        del tree.files[name]
    elif action == "empty":
        tree.files[name].content = b"" if tree.files[name].content else EVIL
    else:
        added = chosen.choice(["evil.py", "pex/evil.py", "sitecustomize.py", "x.pth", ".hidden", "json/__init__.py"])
        tree.add(f".bootstrap/{added}", EVIL)


def _no_bootstrap(tree: PexTree, _: Random) -> None:
    tree.files = {name: file for name, file in tree.files.items() if not name.startswith(".bootstrap")}


def _top_level(tree: PexTree, chosen: Random) -> None:
    name = chosen.choice(_TOP_LEVEL)
    if name in tree.files:
        raise UnchangedError
    tree.add(name, EVIL, mode=chosen.choice([0o644, 0o755]))


def _bytecode(tree: PexTree, chosen: Random, *, among: list[str]) -> None:
    """Bytecode that Python runs instead of a module: without a check, or one that its source passes (PEP 552)."""
    name = chosen.choice([name for name in among if name.endswith(".py") and "\n" not in name])
    directory, _, file = name.rpartition("/")
    module = file.removesuffix(".py")
    path = chosen.choice([f"__pycache__/{module}.cpython-311.pyc", f"{module}.pyc", f"__pycache__/{module}.cpython-312.opt-1.pyc"])
    flags = chosen.choice([1, 3])
    source_hash = importlib.util.source_hash(tree.files[name].content)
    code = marshal.dumps(compile(EVIL, name, "exec"))
    content = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + source_hash + code
    tree.add(f"{directory}/{path}".removeprefix("/"), content)


def _own_bytecode(tree: PexTree, chosen: Random) -> None:
    _bytecode(tree, chosen, among=[name for name in (*tree.own_names(), *LAUNCHERS) if name in tree.files])


def _wheel_bytecode(tree: PexTree, chosen: Random) -> None:
    _bytecode(tree, chosen, among=tree.names(chosen.choice(tree.wheels())))


def _bootstrap_bytecode(tree: PexTree, chosen: Random) -> None:
    _bytecode(tree, chosen, among=tree.names(".bootstrap/"))


def _hidden(tree: PexTree, chosen: Random) -> None:
    place = chosen.choice(["", ".bootstrap/", _third_party(tree, chosen), ".deps/"])
    name = chosen.choice([".x", ".x.py", ".x/y.py", ".DS_Store", ".pth", "..x", "x/.y"])
    if place == ".deps/":
        name = chosen.choice([".x", ".x/y.py"])
    tree.add(place + name, EVIL)


def _executable(tree: PexTree, chosen: Random) -> None:
    """The executable bit of a file."""
    names = chosen.choice([tree.own_names() or tree.names(), tree.names(".bootstrap/"), tree.names(".deps/")])
    file = tree.files[chosen.choice(names)]
    file.mode ^= 0o111


def _unusual_mode(tree: PexTree, chosen: Random) -> None:
    file = tree.files[chosen.choice(tree.names())]
    kind = chosen.choice([stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR]) if not tree.is_directory else 0
    file.mode = kind | 0o755 if kind else file.mode | stat.S_ISUID | 0o111


def _empty_directory(tree: PexTree, chosen: Random) -> None:
    name = chosen.choice(["evil/", "idna/", "x/y/", ".deps/evil/", ".bootstrap/evil/", "__pycache__/", "xml/"])
    if name in tree.files or any(path.startswith(name) for path in tree.files):
        raise UnchangedError
    tree.files[name] = File(mode=stat.S_IFDIR | 0o755)


def _sources(tree: PexTree, chosen: Random) -> None:
    """A file of the project: changed, removed, renamed."""
    names = tree.own_names()
    if not names:
        raise UnchangedError
    name = chosen.choice(names)
    action = chosen.choice(["change", "remove", "rename"])
    if action == "change":
        _append(tree, name)
    else:
        file = tree.files.pop(name)
        if action == "rename":
            tree.add(f"renamed_{name}".replace("/", "_"), file.content)


def _wheel_file(tree: PexTree, chosen: Random) -> None:
    wheel = _third_party(tree, chosen)
    name = chosen.choice([name for name in tree.names(wheel) if not name.endswith(("/RECORD", LAYOUT))])
    action = chosen.choice(["change", "remove", "rename"])
    if action == "change":
        _append(tree, name)
    else:
        file = tree.files.pop(name)
        if action == "rename":
            tree.add(f"{name}.renamed.py", file.content)


def _wheel_addition(tree: PexTree, chosen: Random) -> None:
    name = chosen.choice(
        [
            *("evil.py", "evil.pth", "sitecustomize.py", "idna/evil.py", "idna.so", "evil-1.0.dist-info/METADATA", "json.py"),
            *(".prefix/bin/evil", ".prefix/include/x.h", ".prefix/purelib/x.py", ".prefix/../x", "idna-3.11.data/scripts/x"),
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
        _append(tree, chosen.choice(names))
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
            *(".deps/evil/", ".deps/evil.whl/", ".deps/evil-1.0-py3-none-any.whl/", ".deps/IDNA-3.11-py3-none-any.whl/"),
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


def _stray_member(tree: PexTree, chosen: Random) -> None:
    """A file in `.deps` that is no distribution."""
    tree.add(f".deps/{chosen.choice(['x', 'x.pth', 'x.py', 'x.whl', 'sitecustomize.py'])}", chosen.choice([b"", EVIL]))


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
    names = [name for name in tree.names(".deps/") if name.endswith("original-whl-info.json")]
    if not names:
        raise UnchangedError
    tree.files[chosen.choice(names)].content = chosen.choice([b"{}", b"", b"[" * 100_000, b'{"filename":"../x"}', b"\xff"])


def _metadata_file(tree: PexTree, chosen: Random) -> None:
    name = _metadata(tree, _third_party(tree, chosen), "METADATA")
    content = tree.files[name].content
    tree.files[name].content = chosen.choice(
        [
            *(b"Requires-Dist: evil\n" + content, content.replace(b"Version: 3", b"Version: 4"), b"", b"\xff\xfe" + content),
            *(content.replace(b"Name: i", b"Name: x"), b"Name: evil\n" + content, b"Name:\n\n", b"\0" * 100, b"\n" + content),
            *(b"Name: " + b"x" * 5_000_000 + b"\n", content + EVIL, b"Name: =?utf-8?q?=ff?=\n" + content, b": \n" * 9999),
        ]
    )
    if tree.files[name].content == content:
        raise UnchangedError


def _entry_points(tree: PexTree, chosen: Random) -> None:
    wheel = chosen.choice(tree.wheels())
    name = _metadata(tree, wheel, "METADATA").replace("/METADATA", "/entry_points.txt")
    tree.add(
        name,
        chosen.choice(
            [
                *(b"evil = os:abort\n", b"[console_scripts]\nevil = os:abort\n", b"[console_scripts\n", b"[a]\n[a]\n", b"\xff\xfe"),
                *(b"[console_scripts]\nx\n", b"[console_scripts]\n= x\n", b"[console_scripts]\n  a = b\nc = %(d)s\n", b"\0"),
                *(b"[console_scripts]\na = b\na = c\n", b"[]\n", b"[DEFAULT]\nx = y\n", b"[" * 100_000, b"=", b"x" * 200_000),
                *(b"\xef\xbb\xbf[console_scripts]\nx = y\n", b"[console_scripts]\n../../x = y:z\n", b"[x]\n\x1b[31m = y\n"),
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
            *("", f"md5={md5}", "shake_128=x", "sha256=", "sha256", "=x", "sha256==", "SHA256=" + row[1][7:], "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")),
            *("sha1=x", "none=x", "sha256=" + "A" * 43, f"{row[1]}=", "x" * 200_000, f"{row[1]}\0", "blake2b=x", "sha3_256=x"),
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
            *(b"", b"\n", b"\0", b"\xff\xfe" + text, b'"' + text, text + b'x,"', text.replace(b",", b",\0", 1), b'"' * 300_001),
            *(b"x" * 200_000 + b",,\n" + text, text + b'"' + b"y" * 200_000 + b'",,\n', text.replace(b"\n", b""), b"," * 99_999),
            *(text.replace(b",", b";"), text.replace(b"\n", b"\r"), text * 2, text + b"\x1b[31m,,\n", b"\n" * 1_000_000),
        ]
    )


EDITS: Final[Mapping[str, Edit]] = {
    "header": _header,
    "launcher": _launcher,
    "bootstrap": _bootstrap,
    "no-bootstrap": _no_bootstrap,
    "top-level-file": _top_level,
    "bytecode-of-project": _own_bytecode,
    "bytecode-in-wheel": _wheel_bytecode,
    "bytecode-in-bootstrap": _bootstrap_bytecode,
    "hidden-file": _hidden,
    "executable-bit": _executable,
    "unusual-mode": _unusual_mode,
    "empty-directory": _empty_directory,
    "project-file": _sources,
    "wheel-file": _wheel_file,
    "wheel-addition": _wheel_addition,
    "own-wheel": _own_wheel,
    "wheel-name": _wheel_name,
    "extra-wheel": _extra_wheel,
    "stray-file-in-deps": _stray_member,
    "layout-json": _layout,
    "original-wheel-info": _origin,
    "metadata": _metadata_file,
    "entry-points": _entry_points,
    "record": _record,
    "record-text": _record_text,
}
