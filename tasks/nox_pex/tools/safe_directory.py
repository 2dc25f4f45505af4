"""Directories of a cache that only the user may write to.

What is in a cache runs, or gets into a binary. So a directory that another user owns, or that others may write to, is
not used, as Git (`safe.directory`) and pip do it. The directories above the cache are not checked: in CI, a checkout is
often inside a directory that everybody may write to.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nox_pex.errors import NoxPexError
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import grp
    import pwd
else:
    grp = lazy("grp")  # only needed if a group may write to a directory
    pwd = lazy("pwd")  # only needed if a directory may be unsafe

_ACL: Final = "system.posix_acl_access"
"""The extended attribute with the access control list of a file (acl(5)), if it has one on Linux."""


_MODE: Final = stat.S_IRWXU


_LATER: Final = (errno.EEXIST, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT)
"""Reasons why a directory cannot be made that are no error yet: another process made it, or the cache is read-only."""


_OTHER: Final = "set NOX_PEX_CACHE_DIR to a directory of your own"
"""The remedy if a directory cannot be made safe."""


def make(directory: Path) -> Path:
    """Return `directory`, which is made for the user alone if it does not exist, whatever the umask.

    Raises `NoxPexError` `cache-unsafe`, as `check` does, also for a place in which no directory can be. If it cannot be
    made because the disk is full or read-only, it is returned nevertheless: such a cache can be incomplete, and the
    step that writes to it reports the failure.
    """
    try:
        check(directory)
    except FileNotFoundError:
        try:
            _make(directory)
        except OSError as error:
            if error.errno not in _LATER:
                raise _unusable(directory, error) from error
        with suppress(FileNotFoundError):
            check(directory)
    return directory


def check(directory: Path) -> None:
    """Raise `NoxPexError` `cache-unsafe` unless `directory` is one that only the user may write to.

    Raises `FileNotFoundError` if it does not exist. A link is followed.
    """
    if (unsafe := _unsafe(directory)) is not None:
        raise unsafe


def is_safe(directory: Path) -> bool:
    """Whether `directory` exists, and only the user may write to it."""
    try:
        return _unsafe(directory) is None
    except FileNotFoundError:
        return False


def _unsafe(directory: Path) -> NoxPexError | None:
    """Return the error if `directory` is not safe. Raises `FileNotFoundError` if it does not exist."""
    try:
        found = directory.stat()
    except FileNotFoundError:
        if not directory.is_symlink():
            raise
        problem = f"{directory} is a link to {directory.readlink()}, which does not exist"
        return NoxPexError("cache-unsafe", problem, f"remove the link, or {_OTHER}")
    except OSError as error:
        return _unusable(directory, error)
    path = shlex.quote(str(directory))
    if not stat.S_ISDIR(found.st_mode):
        return NoxPexError("cache-unsafe", f"{directory} is not a directory", f"remove it, or {_OTHER}")
    if found.st_uid != os.geteuid():
        owner, user = _user(found.st_uid), _user(os.geteuid())
        problem = f"the cache directory {directory} belongs to user {owner}, and nox-pex runs as {user}"
        return NoxPexError(
            "cache-unsafe", problem, f"if you trust its content, run `chown -R {user} {path}`, or {_OTHER}"
        )
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid, directory)):
        problem = f"the cache directory {directory} may be written to by others ({stat.filemode(found.st_mode)})"
        remedy = _OTHER  # such as /tmp
        if not found.st_mode & stat.S_ISVTX:
            remedy = f"if you trust its content, run `chmod -R go-w {path}`, or {_OTHER}"
        return NoxPexError("cache-unsafe", problem, remedy)
    return None


def _unusable(directory: Path, error: OSError) -> NoxPexError:
    return NoxPexError("cache-unsafe", f"the cache directory {directory} cannot be used: {error.strerror}", _OTHER)


def _make(directory: Path) -> None:
    """Make `directory` and the directories above it, those that do not exist, with mode 0700. Raises `OSError`."""
    if not directory.parent.exists():
        _make(directory.parent)
    directory.mkdir(_MODE)
    directory.chmod(_MODE)  # the umask may have removed one of the user's own permissions


def _is_private(group: int, directory: Path) -> bool:
    """Whether the user is the only member of `group`, and no other user or group may write to `directory` either.

    Debian and Fedora give each user a private group of the same name, whose members may write (umask 002).
    """
    with suppress(KeyError, OSError):  # a user or a group without a name is not private
        user, members = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
        private = group == user.pw_gid and members.gr_name == user.pw_name and not {*members.gr_mem} - {user.pw_name}
        return private and not _has_acl(directory)
    return False


def _has_acl(directory: Path) -> bool:
    """Whether an access control list names other users or groups; the bits of the group are then its mask (acl(5))."""
    if not hasattr(os, "getxattr"):
        return False
    try:
        return bool(os.getxattr(directory, _ACL))
    except OSError:  # there is none, or the file system has none
        return False


def _user(number: int) -> str:
    """Return the name of a user, or the number if the user has no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
