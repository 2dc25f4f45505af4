"""A stand-in for the program `science`, which the tests cannot download: it takes what pex 2.105 passes to science.

It is run as a program, and knows the one form of command line that pex uses:
`science --cache-dir DIR lift --file NAME=PATH… build --dest-dir DIR --use-platform-suffix MANIFEST.toml`.
As science does, it fetches scie-jump and the portable Python from a mirror that `science download` could have written,
and writes a scie: scie-jump, the files, the lift manifest (a-scie/lift, `commands/lift.py`, and a-scie/jump,
`boot/pack.rs`). Without a `base_url` it fails as science does without a network.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
import urllib.request
from pathlib import Path
from typing import Any, Final

VERSION: Final = "0.21.0"


def main() -> None:
    """Write the scie of each platform in the manifest."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"{VERSION}\n")
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache-dir", required=True)
    parser.add_argument("words", nargs="+")
    parser.add_argument("--file", action="append", dest="files", required=True)
    parser.add_argument("--dest-dir", type=Path, required=True)
    parser.add_argument("--use-platform-suffix", action="store_true", required=True)
    given = parser.parse_intermixed_args()
    lift, build, manifest = given.words
    assert (lift, build) == ("lift", "build")
    mapped = {name: Path(path) for name, _, path in (text.partition("=") for text in given.files)}
    wanted = tomllib.loads(Path(manifest).read_text("utf-8"))["lift"]
    for entry in wanted["platforms"]:
        libc = f"{entry['libc']}-" if isinstance(entry, dict) and entry["libc"] == "musl" else ""
        platform = libc + (entry if isinstance(entry, str) else entry["platform"])
        write_scie(given.dest_dir / f"{wanted['name']}-{platform}", wanted, platform=platform, mapped=mapped)


def write_scie(path: Path, lift: dict[str, Any], *, platform: str, mapped: dict[str, Path]) -> None:
    """Write the scie of one platform."""
    jump_mirror = lift["scie_jump"].get("base_url")
    if jump_mirror is None:
        sys.exit("httpx.ConnectError: [Errno -2] Name or service not known")
    version = lift["scie_jump"]["version"]
    jump = fetch(f"{jump_mirror}/download/v{version}/scie-jump-gnu-{platform}")
    (interpreter,) = lift["interpreters"]
    release = f"download/{interpreter['release']}" if "release" in interpreter else "latest/download"
    listed = f"distributions-{interpreter['version']}-{interpreter['flavor']}.json"
    assets = json.loads(fetch(f"{interpreter['base_url']}/{release}/{listed}"))["assets"]
    processor, libc = platform.rpartition("-")[2], "musl" if platform.startswith("musl-") else "gnu"
    asset = next(each for each in assets if each["target_triple"] == f"{processor}-unknown-linux-{libc}")
    url = f"{interpreter['base_url']}/{asset['rel_path'].replace('+', '%2B')}"
    python = {"name": asset["name"], "key": interpreter["id"]}
    contents: list[bytes] = []
    files: list[dict[str, Any]] = []
    if interpreter["lazy"]:
        digest = asset["digest"]
        files.append({**python, "size": digest["size"], "hash": digest["fingerprint"], "type": "tar.gz"})
        files[0]["source"] = "fetch"
    else:
        contents.append(fetch(url))
        files.append({**python, **measured(contents[-1]), "type": "tar.gz"})
    for wanted in lift["files"]:
        contents.append(mapped[wanted.get("key", wanted["name"])].read_bytes())
        entry = {"name": wanted["name"], **({"key": wanted["key"]} if "key" in wanted else {})}
        files.append({**entry, **measured(contents[-1]), "type": "blob"})
        if wanted.get("is_executable"):
            files[-1]["executable"] = True
    major_minor = ".".join(asset["version"].split(".")[:2])
    python_path = f"{{{interpreter['id']}}}/python/bin/python{major_minor}"
    document: dict[str, Any] = {
        "scie": {
            "lift": {
                "name": lift["name"],
                **({"base": lift["base"]} if "base" in lift else {}),
                "files": files,
                "boot": {
                    "commands": {each.get("name", ""): command(each, python_path) for each in lift["commands"]},
                    "bindings": {each["name"]: command(each, python_path) for each in lift["bindings"]},
                },
            },
            "jump": {"size": len(jump), "version": version, "hash": hashlib.sha256(jump).hexdigest()},
        }
    }
    if interpreter["lazy"]:
        document["ptex"] = {asset["name"]: url}
    body = json.dumps(document, separators=(",", ":")).encode()
    path.write_bytes(b"".join((jump, *contents, b"\n", body, b"\n")))
    path.chmod(0o755)


def command(wanted: dict[str, Any], python: str) -> dict[str, Any]:
    """Return a command of the manifest as science renders it."""
    env = wanted["env"]
    rendered: dict[str, str | None] = dict(env.get("default", {}))
    rendered |= {f"={name}": value for name, value in env.get("replace", {}).items()}
    rendered |= dict.fromkeys((f"={name}" for name in env.get("remove_exact", ())), None)
    rendered |= dict.fromkeys(env.get("remove_re", ()), None)
    exe = wanted["exe"].replace("#{python-distribution:python}", python)
    return {"exe": exe, "args": wanted["args"], "env": rendered}


def measured(content: bytes) -> dict[str, Any]:
    """Return the size and the digest of a file."""
    return {"size": len(content), "hash": hashlib.sha256(content).hexdigest()}


def fetch(url: str) -> bytes:
    """Return the content at a URL."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310  # the test's own server
        content: bytes = answer.read()
    return content


if __name__ == "__main__":
    main()
