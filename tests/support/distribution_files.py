"""Write wheels and sdists."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a ZIP archive can have."""


def write_wheel(
    into: Path,
    name: str,
    files: Mapping[str, str],
    *,
    version: str = "1.0",
    scripts: Mapping[str, str] | None = None,
    requires: tuple[str, ...] = (),
    metadata: str = "",
    encoding: str = "utf-8",
    tag: str = "py3-none-any",
    entry_points: str | None = None,
) -> Path:
    """Write a pure wheel of `files`, with console `scripts`. The same arguments give the same bytes.

    `metadata` are further fields of METADATA, which is written in `encoding`. `tag` is the one in the file WHEEL, and
    `entry_points` the text of `entry_points.txt`.
    """
    dist_info = f"{name}-{version}.dist-info"
    fields = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}"
    fields += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    texts = {**files, f"{dist_info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"}
    if scripts:
        lines = [f"{script} = {reference}" for script, reference in scripts.items()]
        entry_points = "\n".join(["[console_scripts]", *lines, ""])
    if entry_points is not None:
        texts[f"{dist_info}/entry_points.txt"] = entry_points
    contents = {
        **{path: text.encode() for path, text in texts.items()},
        f"{dist_info}/METADATA": fields.encode(encoding),
    }
    rows = [f"{path},{_record_digest(content)},{len(content)}" for path, content in contents.items()]
    contents[f"{dist_info}/RECORD"] = "\n".join([*rows, f"{dist_info}/RECORD,,", ""]).encode()
    into.mkdir(parents=True, exist_ok=True)
    wheel = into / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in contents.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), content)
    return wheel


def write_sdist(into: Path, name: str, files: Mapping[str, str], *, version: str = "1.0") -> Path:
    """Write an sdist of `files` and a PKG-INFO."""
    top = f"{name}-{version}"
    contents = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **files}
    into.mkdir(parents=True, exist_ok=True)
    sdist = into / f"{top}.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        for path, text in contents.items():
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return sdist


C_EXTENSION: Final = {
    "setup.py": 'from setuptools import Extension, setup\nsetup(ext_modules=[Extension("answer", ["answer.c"])])\n',
    "pyproject.toml": (
        '[build-system]\nrequires = ["setuptools>=77,<82"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "answer"\nversion = "1.0"\n'
    ),
    "answer.c": """\
#include <Python.h>

static PyObject *ask(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"ask", ask, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "answer", "", -1, methods};
PyMODINIT_FUNC PyInit_answer(void) { return PyModule_Create(&module); }
""",
}
"""The files of an sdist whose wheel has to be compiled: `answer.ask()` is 42."""


def _record_digest(content: bytes) -> str:
    """The digest of a file's content as a RECORD has it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + digest.rstrip(b"=").decode()
