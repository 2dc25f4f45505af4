"""Git repositories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

_IDENTITY: Final = {
    f"GIT_{role}_{part}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
}


class GitRepository(Struct, frozen=True, kw_only=True):
    """A Git repository in the directory `root`. Its Git ignores the user's configuration and has an author."""

    root: Path
    environ: Mapping[str, str]

    def git(self, *arguments: str) -> str:
        """Run Git, which must succeed. Return its stdout."""
        result = subprocess.run(
            ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.root,
            env={**self.environ, **_IDENTITY, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
            capture_output=True,
            text=True,
            check=True,
        )
        return result.stdout.strip()

    def commit(self, files: Mapping[str, str] | None = None) -> str:
        """Write `files`, then commit everything. Return the commit's hash."""
        for path, text in (files or {}).items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text, "utf-8")
        if not (self.root / ".git").exists():
            self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "All")
        return self.git("rev-parse", "HEAD")
