"""Changes of what a PEX contains outside its distributions, and of what any file of it may be: bytecode, hidden."""

from __future__ import annotations

import importlib.util
import marshal
import stat
from random import Random
from typing import Final

from tests.support.tampering.mutation import UnchangedError
from tests.support.tampering.pex_info import Edit
from tests.support.tampering.pex_tree import LAUNCHERS, File, PexTree

EVIL: Final = b"\nimport sys; sys.stderr.write('tampered')\n"

_TOP_LEVEL: Final = (
    *(
        "x.pth",
        "sitecustomize.py",
        "usercustomize.py",
        ".hidden",
        ".hidden.py",
        ".hidden/x.py",
        "__init__.py",
        "json.py",
    ),
    *("idna.py", "idna/__init__.py", "encodings/__init__.py", "__main__.pyc", "pex.py", "pex/__init__.py", "x.so"),
    *("counter/__init__.py", "counter.so", "greeting.py", "evil-1.0.dist-info/METADATA", "evil-1.0.dist-info/RECORD"),
    *(
        "evil-1.0.dist-info/entry_points.txt",
        "__pex__/__init__.pyc",
        "__pex__/evil.py",
        ".bootstrap.py",
        "PEX-INFO.bak",
    ),
    *(
        "__pycache__/x.cpython-311.pyc",
        ".deps.py",
        "evil.egg-link",
        "evil.egg-info",
        "pyvenv.cfg",
        "zip",
        ".git/config",
    ),
    *(".layout.json", "-", "\u202e.py", "x\ny", "\x1b[2Jx.py", "::error::x"),
)


def append(tree: PexTree, name: str, content: bytes = EVIL) -> None:
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
        [
            first + b"\necho evil\n" + rest,
            b"#!/tmp/evil/python3\n" + rest,
            tree.head + b"\0",
            b"",
            first + b" -i\n" + rest,
        ]
    )


def _launcher(tree: PexTree, chosen: Random) -> None:
    name = chosen.choice([name for name in LAUNCHERS if name in tree.files and stat.S_ISREG(tree.files[name].mode)])
    if chosen.random() < 0.8:
        tree.files[name].content = chosen.choice([tree.files[name].content + EVIL, EVIL, b"", b"\0"])
    else:
        del tree.files[name]


def _bootstrap(tree: PexTree, chosen: Random) -> None:
    name = chosen.choice(tree.names(".bootstrap/"))
    action = chosen.choice(["change", "remove", "add", "empty"])
    if action == "change":
        append(tree, name)
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
    path = chosen.choice(
        [f"__pycache__/{module}.cpython-311.pyc", f"{module}.pyc", f"__pycache__/{module}.cpython-312.opt-1.pyc"]
    )
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
    place = chosen.choice(["", ".bootstrap/", chosen.choice(tree.wheels()), ".deps/"])
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
    if tree.is_directory and stat.S_ISLNK(file.mode):  # the permissions of a link cannot be changed
        raise UnchangedError
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
        append(tree, name)
    else:
        file = tree.files.pop(name)
        if action == "rename":
            tree.add(f"renamed_{name}".replace("/", "_"), file.content)


def _stray_member(tree: PexTree, chosen: Random) -> None:
    """A file in `.deps` that is no distribution."""
    tree.add(f".deps/{chosen.choice(['x', 'x.pth', 'x.py', 'x.whl', 'sitecustomize.py'])}", chosen.choice([b"", EVIL]))


EDITS: Final[dict[str, Edit]] = {
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
    "stray-file-in-deps": _stray_member,
}
