"""Run Poetry, watched. Runs on the Python of Poetry.

`python install_script.py REPORT ARGUMENTS…` runs Poetry with ARGUMENTS, which decides and installs as usual.

- It never writes through a link of the environment. There, `bin/python` is a link to the base interpreter. Poetry opens
  an existing file to replace its content, so a wheel with `NAME.data/scripts/python`, or with an entry point of that
  name, would replace the interpreter of the machine.
- It appends a JSON object and a line ending to the file REPORT for each thing that is known while it installs. After a
  package index said where the files of a package are: `{"index": …}`, as in `file_urls_script.py`. After Poetry chose
  one of them: `{"chosen": [NAME, VERSION, FILE]}`. After a distribution is installed with all its files, and they will
  not change: `{"installed": [NAME, VERSION]}`, as in the lock.

This file imports nothing of nox-pex. A Poetry that has no such classes works as usual, and reports nothing.
"""

from __future__ import annotations

import functools
import json
import os
import runpy
import sys
from collections.abc import Callable
from typing import Any

if sys.platform != "darwin":
    # keyring tries to import its backend for macOS everywhere. To find its libraries, that runs the C compiler.
    sys.modules["keyring.backends.macOS.api"] = None  # type: ignore[assignment]  # so its import fails, as it does then

try:
    from poetry.installation.executor import Executor
    from poetry.repositories.legacy_repository import LegacyRepository
    from poetry.repositories.pypi_repository import PyPiRepository
except ImportError:
    Executor = LegacyRepository = PyPiRepository = None
try:
    from poetry.installation.chooser import Chooser
except ImportError:
    Chooser = None
try:
    from poetry.repositories.exceptions import PackageNotFoundError
    from poetry.repositories.link_sources.json import SimpleJsonPage
except ImportError:
    SimpleJsonPage = None
    PackageNotFoundError = Exception

WRITING = os.O_WRONLY | os.O_RDWR


def refuse_links(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise `PermissionError` if a link in the environment is opened for writing. This is an audit hook (PEP 578)."""
    if event != "open" or isinstance(arguments[0], int) or not arguments[2] & WRITING:
        return
    # This runs for each installed file, and pathlib would take a tenth of the time of the install.
    path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100  # see the comment
    environment = os.path.join(os.environ["VIRTUAL_ENV"], "")  # noqa: PTH118  # see the comment
    if path.startswith(environment) and os.path.islink(path):  # noqa: PTH114  # see the comment
        msg = f"a distribution may not replace {path.removeprefix(environment)}, which belongs to the environment"
        raise PermissionError(msg)


def locked_links(repository: Any, package: Any) -> list[Any]:
    """The links of the locked files of `package`, in the order of the index; empty if they have to be found otherwise.

    Poetry parses the names of all files of all versions, which is a seventh of the time of an install, and installs
    only a file that the lock names. If it finds none of them, its own search gives its own error.
    """
    if SimpleJsonPage is None or not package.files or not isinstance(repository, LegacyRepository):
        return []
    try:
        page = repository.get_page(package.name)
        if not isinstance(page, SimpleJsonPage):
            return []
        names, wanted = {file["file"] for file in package.files}, (package.name, package.version)
        found = [file for file in page.content["files"] if file["filename"] in names]
        return [
            page._make_link(file)  # noqa: SLF001  # Poetry has no public way to it
            for file in found
            if file["filename"].endswith(tuple(page.SUPPORTED_FORMATS))
            and page._link_package_name_and_version(file["filename"]) == wanted  # noqa: SLF001  # the same
        ]
    except (AttributeError, PackageNotFoundError):  # another version of Poetry, or no such package
        return []


def report_addresses(repository: Any, write: Callable[[dict[str, Any]], None]) -> None:
    """Make a class of package indexes report the addresses that it finds."""
    find = repository.find_links_for_package

    @functools.wraps(find)
    def find_links_for_package(self: Any, package: Any) -> list[Any]:
        links = locked_links(self, package) or list(find(self, package))
        answer = {
            "name": package.name,
            "version": str(package.version),
            "source": package.source_reference,
            "index": self.url,
            "files": {link.filename: link.url_without_fragment for link in links},
        }
        write({"index": answer})
        return links

    repository.find_links_for_package = find_links_for_package


def report_installed(executor: Any, write: Callable[[dict[str, Any]], None]) -> None:
    """Make Poetry's executor report each distribution after its last file is written.

    To build a distribution from its sources, Poetry also installs a build backend, into a temporary environment.
    """
    execute = executor._do_execute_operation  # noqa: SLF001  # Poetry has no public way to it
    environment = os.path.realpath(os.environ["VIRTUAL_ENV"])

    @functools.wraps(execute)
    def do_execute_operation(self: Any, operation: Any) -> int:
        status: int = execute(self, operation)
        is_ours = os.path.realpath(self._env.path) == environment
        if status == 0 and is_ours and not operation.skipped and operation.job_type in ("install", "update"):
            write({"installed": [operation.package.name, str(operation.package.version)]})
        return status

    executor._do_execute_operation = do_execute_operation  # noqa: SLF001  # Poetry has no public way to it


def report_chosen(chooser: Any, write: Callable[[dict[str, Any]], None]) -> None:
    """Make Poetry's chooser report the file that it chose for each package of the environment.

    It also chooses files of build backends, for temporary environments.
    """
    choose = chooser.choose_for
    environment = os.path.realpath(os.environ["VIRTUAL_ENV"])

    @functools.wraps(choose)
    def choose_for(self: Any, package: Any) -> Any:
        link = choose(self, package)
        if os.path.realpath(self._env.path) == environment:
            write({"chosen": [package.name, str(package.version), link.filename]})
        return link

    chooser.choose_for = choose_for


def main() -> None:
    """Run Poetry."""
    report = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(line: dict[str, Any]) -> None:
        os.write(report, f"{json.dumps(line)}\n".encode())  # at once, because Poetry has several threads

    for repository in (LegacyRepository, PyPiRepository):
        if hasattr(repository, "find_links_for_package"):
            report_addresses(repository, write)
    if hasattr(Chooser, "choose_for"):
        report_chosen(Chooser, write)
    if hasattr(Executor, "_do_execute_operation"):
        report_installed(Executor, write)
    sys.addaudithook(refuse_links)
    runpy.run_module("poetry", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
