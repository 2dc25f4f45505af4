"""The package index of this machine: Poetry and uv use the one that pip is configured for.

Fact sources: pip's `pip config` documentation and its `configuration.py` (files, their order, the sections); Poetry's
`locations.py`; uv's reference of environment variables.
"""

from __future__ import annotations

import locale
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.system import files
from nox_pex.system.environ import home_directory
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import configparser
else:
    configparser = lazy("configparser")  # only needed to install something

_SECTIONS: Final = ("install", "global")
"""The sections of a pip.conf that `pip install` reads; the first one wins, whichever file each of them is in."""


_UV_INDEX: Final = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE", "UV_NO_INDEX")
"""Variables by which a user configures the index of uv itself."""


class PipIndex(Struct, frozen=True, kw_only=True):
    """The index that pip uses instead of PyPI.

    `url` is the address of a simple API (`…/simple`), with its credentials if it has any. `cert` is the path of a
    bundle of CA certificates. Each is None if pip keeps its default.
    """

    url: str | None = None
    cert: str | None = None


def pip_index(environ: Mapping[str, str], *, prefix: Path) -> PipIndex:
    """Return the index that pip, run with `environ` in the Python environment `prefix`, would use instead of PyPI.

    pip is not run: its configuration files and variables are read in the order in which pip reads them. An
    `extra-index-url` is not read, because it does not replace the default index.
    Raises `NoxPexError` `config` if a configuration file cannot be parsed.
    """
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for file in pip_files(environ, prefix=prefix):
        parser = _ini(file)
        for name, values in sections.items():
            if parser.has_section(name):
                values.update({key.lower().replace("_", "-"): value for key, value in parser.items(name)})

    def value(key: str) -> str | None:
        variable = environ.get("PIP_" + key.upper().replace("-", "_"))
        # pip too ignores an empty value
        return variable or next((sections[name][key] for name in _SECTIONS if sections[name].get(key)), None)

    cert = value("cert")
    if cert is not None and cert.startswith("~/"):
        cert = str(home_directory(environ) / cert[2:])
    return PipIndex(url=value("index-url"), cert=cert)


def pip_files(environ: Mapping[str, str], *, prefix: Path, platform: str = sys.platform) -> tuple[Path, ...]:
    """Return the configuration files that pip looks for, existing or not; a later one overrides an earlier one.

    `platform` is a value of `sys.platform`.
    """
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return ()
    home = home_directory(environ)
    if platform == "darwin":
        shared = [Path("/Library/Application Support/pip")]
        library = home / "Library/Application Support/pip"
        user = library if library.is_dir() else home / ".config/pip"
    else:
        shared = [Path(path, "pip") for path in _xdg(environ, "XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)]
        shared.append(Path("/etc"))
        user = Path(_xdg(environ, "XDG_CONFIG_HOME", str(home / ".config")), "pip")
    files = [directory / "pip.conf" for directory in shared]
    if not (named and Path(named).exists()):  # a file that PIP_CONFIG_FILE names replaces the user's
        files += [home / ".pip/pip.conf", user / "pip.conf"]
    files.append(prefix / "pip.conf")
    if named:
        files.append(Path(named))
    return tuple(files)


def poetry_index_environ(environ: Mapping[str, str], *, prefix: Path, project: Path) -> dict[str, str]:
    """Return the variables to add to `environ` so that Poetry, in the project `project`, uses the index that pip uses.

    `prefix` is as for `pip_index`. poetry-plugin-pypi-mirror reads `POETRY_PYPI_MIRROR_URL`. If pip keeps its default,
    `poetry/launch_script.py` sets that variable to the simple API of PyPI, because the plugin reads an index that
    serves only HTML, which Poetry's own client does not. A mirror that the user has configured for Poetry stays.
    Raises `NoxPexError` `config` if a configuration file of pip or Poetry cannot be parsed.
    """
    pip = pip_index(environ, prefix=prefix)
    added = {}
    files = (poetry_config(environ), project / "poetry.toml")
    if not environ.get("POETRY_PYPI_MIRROR_URL") and not any(_names_mirror(_toml(file)) for file in files):
        added.update({"POETRY_PYPI_MIRROR_URL": pip.url} if pip.url else {"NOX_PEX_DEFAULT_INDEX": "1"})
    if pip.cert and not (environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")):
        added["REQUESTS_CA_BUNDLE"] = pip.cert
    return added


def uv_index_environ(environ: Mapping[str, str], *, prefix: Path) -> dict[str, str]:
    """Return the variables to add to `environ` so that uv uses the index that pip uses.

    `prefix` is as for `pip_index`. An index that the user has configured for uv stays.
    Raises `NoxPexError` `config` if a configuration file of pip or uv cannot be parsed.
    """
    pip = pip_index(environ, prefix=prefix)
    added = {}
    by_variable = any(environ.get(name) for name in _UV_INDEX)
    if pip.url and not by_variable and not any(_names_default_index(_toml(file)) for file in uv_files(environ)):
        added["UV_DEFAULT_INDEX"] = pip.url
    if pip.cert and not environ.get("SSL_CERT_FILE"):
        added["SSL_CERT_FILE"] = pip.cert
    return added


def uv_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the configuration files of uv, existing or not: the user's and the system's."""
    user = Path(_xdg(environ, "XDG_CONFIG_HOME", str(home_directory(environ) / ".config")))
    return (user / "uv" / "uv.toml", Path("/etc/uv/uv.toml"))


def netrc_file(environ: Mapping[str, str]) -> Path:
    """Return the file in which pip, uv and Poetry look up passwords by host, existing or not."""
    return Path(environ.get("NETRC") or home_directory(environ) / ".netrc")


def _names_mirror(settings: Mapping[str, Any]) -> bool:
    """Whether the contents of a configuration file of Poetry have `plugins.pypi_mirror.url`."""
    mirror = _table(_table(settings, "plugins"), "pypi_mirror")
    return bool(mirror.get("url"))


def _names_default_index(settings: Mapping[str, Any]) -> bool:
    """Whether the contents of a uv.toml name an index that replaces PyPI."""
    indexes = settings.get("index")
    listed = indexes if isinstance(indexes, list) else []
    return (
        "index-url" in settings
        or "index-url" in _table(settings, "pip")
        or any(index.get("default") for index in listed if isinstance(index, dict))
    )


def _table(settings: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the table at `key`; empty if there is none."""
    value = settings.get(key)
    return value if isinstance(value, dict) else {}


def poetry_config(environ: Mapping[str, str], *, platform: str = sys.platform) -> Path:
    """Return the path of Poetry's configuration file, existing or not; `platform` is a value of `sys.platform`."""
    if named := environ.get("POETRY_CONFIG_DIR"):
        return Path(named, "config.toml")
    default = "Library/Application Support" if platform == "darwin" else ".config"
    return Path(_xdg(environ, "XDG_CONFIG_HOME", str(home_directory(environ) / default)), "pypoetry", "config.toml")


def _xdg(environ: Mapping[str, str], name: str, default: str) -> str:
    """Return the value of a variable of the XDG base directories, or `default` if it is unset or blank."""
    return environ.get(name, "").strip() or default


def _ini(file: Path) -> configparser.RawConfigParser:
    """Return the contents of a pip.conf; empty if it does not exist or is not readable, as for pip."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding=locale.getpreferredencoding(False))
    except (configparser.Error, UnicodeDecodeError) as error:
        # the message of `error` would quote the line, which may hold a password
        problem = f"pip's configuration file {file} cannot be parsed"
        raise NoxPexError("config", problem, "correct it (`pip config debug` lists the files)") from error
    return parser


def _toml(file: Path) -> dict[str, Any]:
    """Return the contents of a TOML file; empty if it does not exist or is not readable."""
    try:
        return tomllib.loads(files.read_text(file))
    except OSError:
        return {}
    except (ValueError, RecursionError) as error:
        raise NoxPexError("config", f"{file} is not valid TOML", "correct it") from error
