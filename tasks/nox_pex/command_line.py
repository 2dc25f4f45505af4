"""The script `nox-pex`: `check` for whoever deploys a file, `sign` for a job that runs no code of the project.

Neither needs Nox or a checkout. Only `check --image` uses the network.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from nox_pex.errors import NoxPexError
from nox_pex.evidence import keys
from nox_pex.evidence.kinds import KINDS, Kind
from nox_pex.system import import_path, os_errors, outside_text, streams, withheld, wording
from nox_pex.system.lazy import lazy, pattern
from nox_pex.system.supported import check_supported
from nox_pex.version import __version__

if TYPE_CHECKING:
    from nox_pex.evidence import signing
    from nox_pex.evidence.check import image as image_check
    from nox_pex.evidence.check import policy, report, repository, run
    from nox_pex.oci import reference
    from nox_pex.registry import repository as registry
    from nox_pex.screen import form
    from nox_pex.screen import screen as screens
    from nox_pex.system import command, secret_patterns, secrets
else:
    signing = lazy("nox_pex.evidence.signing")  # not needed by `check`
    policy = lazy("nox_pex.evidence.check.policy")  # not needed by `sign`
    report = lazy("nox_pex.evidence.check.report")  # not needed by `sign`
    repository = lazy("nox_pex.evidence.check.repository")  # not needed by `sign`
    run = lazy("nox_pex.evidence.check.run")  # not needed by `sign`
    image_check = lazy("nox_pex.evidence.check.image")  # only needed for an image
    reference = lazy("nox_pex.oci.reference")  # only needed for an image
    registry = lazy("nox_pex.registry.repository")  # only needed for an image
    form = lazy("nox_pex.screen.form")  # only needed for an image
    screens = lazy("nox_pex.screen.screen")  # only needed for an image
    command = lazy("nox_pex.system.command")  # only needed for an image
    secrets = lazy("nox_pex.system.secrets")  # only needed for an image
    secret_patterns = lazy("nox_pex.system.secret_patterns")  # only needed for an error

_USAGE: Final = 2


_FAILED: Final = 1


_AGE: Final = pattern(r"(?P<number>[0-9]{1,6})(?P<unit>[dhms])")


_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


_COMMIT: Final = pattern(r"[0-9a-f]{12,40}|[0-9a-f]{64}")
"""Twelve digits are what Git shows of a commit in a large repository, or more."""


_VALUE: Final = pattern(r"(invalid choice|ignored explicit argument).*", re.DOTALL)
"""The messages of `argparse` that repeat what the user has given."""


_OPTION: Final = pattern(r"--?[A-Za-z][A-Za-z-]*(?:=|\Z)")


_HERE: Final = Path()
"""The working directory, which may have been removed: then it has no absolute path."""


_CHECK_EPILOG: Final = """\
A statement counts if one of the keys has signed it and it is about the bytes of FILE. Every other line of the bundle is
listed as ignored. Exit status: 0 if everything that is required is proven, 1 if not, 2 for wrong usage.
The kinds: provenance (how it was built), smoke (it was started and tested), verify (complete, unmodified, no secrets),
sbom (what is in it).
With --image, the statements are read from the image's registry, and the statement `verify` is not required: it is about
the file. Credentials are those of Podman and Docker.
"""


_OF_IMAGE: Final[tuple[Kind, ...]] = ("provenance", "smoke", "sbom")
"""The kinds that an image must have by default: those of the statements that `push` makes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, without the name of the program. Return the exit status: 0, 1, or 2 for usage."""
    try:
        with import_path.without(), os_errors.one_line("nox-pex", place=_HERE):
            check_supported()
            arguments = _arguments(argv)
            function: Callable[[argparse.Namespace, Mapping[str, str]], int] = arguments.function
            return function(arguments, os.environ)
    except NoxPexError as error:
        for line in error.masked(secret_patterns.mask_private_keys).lines:
            streams.show_line(line, sys.stderr)
        return _USAGE if error.code == "usage" else _FAILED
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and show no argument: it may be a key, or the path of one."""

    def error(self, message: str) -> NoReturn:
        message = _VALUE.sub(r"\1", message)
        raise NoxPexError("usage", f"{self.prog}: {message}", f"see {self.prog} --help")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line.

    Of arguments that are not known, only the names of options are shown: another one may be the path of a key.
    """
    arguments, others = _parser().parse_known_args(argv)
    if others:
        options = [each.partition("=")[0] for each in others if _OPTION.match(each)]
        named = f"unrecognised arguments: {' '.join(options)}"
        problem = named if options else f"{wording.counted(others, 'argument')} too many"
        command = "sign" if arguments.function is _sign else "check"
        raise NoxPexError("usage", f"nox-pex {command}: {problem}", f"see nox-pex {command} --help")
    return arguments


def _parser() -> argparse.ArgumentParser:
    description = "Check a file with the signed statements about it, or sign such statements."
    parser = _Parser(prog="nox-pex", description=description, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"nox-pex {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_check(commands)
    _add_sign(commands)
    return parser


def _add_check(commands: argparse._SubParsersAction[_Parser]) -> None:
    check = commands.add_parser(
        "check",
        help="check that signed statements say that exactly this file was built, tested and verified",
        description="Check that signed statements say that exactly this file was built, tested and verified.",
        epilog=_CHECK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    check.set_defaults(function=_check)
    check.add_argument("file", metavar="FILE", nargs="?", help="the file, such as service.pex")
    check.add_argument(
        "--image", metavar="NAME@sha256:…", help="check this image in its registry instead of FILE; a tag is refused"
    )
    check.add_argument("--bundle", metavar="B", help="the file with its statements (default: FILE.intoto.jsonl)")
    check.add_argument(
        "--key",
        metavar="PUB",
        action="append",
        required=True,
        help="a public key that you trust, in PEM: Ed25519 or ECDSA P-256; may be given several times",
    )
    check.add_argument(
        "--require",
        metavar="KINDS",
        action="append",
        help=f"the kinds of statements that there must be, separated by commas (default: {','.join(KINDS)}; "
        f"for an image {','.join(_OF_IMAGE)})",
    )
    check.add_argument("--source", metavar="REPO", help="the repository that it must be built from, such as its URL")
    check.add_argument("--commit", metavar="SHA", help="the commit that it must be built from: 12 digits or more")
    check.add_argument(
        "--max-age", metavar="AGE", help="how old the proofs may be: 30d, 12h, 90m or 45s; not for the sbom"
    )
    check.add_argument("--allow-warned", action="store_true", help="accept a smoke test with skipped conditions")
    check.add_argument("--json", action="store_true", help="write the verdict to the standard output as JSON")


def _add_sign(commands: argparse._SubParsersAction[_Parser]) -> None:
    sign = commands.add_parser(
        "sign",
        help="sign the finished statements that `nox -s attest` has written",
        description="Sign the finished statements that `nox -s attest` has written. Runs nothing else.",
        epilog=f"The passphrase of an encrypted key is in {withheld.PASSPHRASE}.",
        allow_abbrev=False,
    )
    sign.set_defaults(function=_sign)
    sign.add_argument("directory", metavar="DIR", help="dist/NAME.attestations, or a directory with several: dist")
    sign.add_argument(
        "--key",
        metavar="K",
        help="the path of the private key in PEM (PKCS#8), Ed25519 or ECDSA P-256; "
        f"default: {withheld.KEY}, a path or the key",
    )


def _check(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    _require_one_subject(arguments)
    conditions = policy.Policy(
        keys=tuple(
            keys.verifying_key(value, relative_to=_HERE, name=f"public key {number} (--key)")
            for number, value in enumerate(arguments.key, 1)
        ),
        required=_required(arguments),
        source=None if arguments.source is None else _source(arguments.source),
        commit=None if arguments.commit is None else _commit(arguments.commit),
        max_age=None if arguments.max_age is None else _max_age(arguments.max_age),
        allow_warned=arguments.allow_warned,
        subject="file" if arguments.image is None else "image",
    )
    if arguments.image is None:
        bundle = None if arguments.bundle is None else Path(arguments.bundle)
        checked = run.check(Path(arguments.file), bundle, conditions, now=dt.datetime.now(dt.UTC))
    else:
        checked = _check_image(arguments.image, conditions, environ, json=arguments.json)
    if arguments.json:
        _write_json(checked)
    else:
        streams.write_line("\n".join(report.lines(checked)), sys.stdout)
    error = report.error(checked)
    if error is not None:
        raise error
    return 0


def _require_one_subject(arguments: argparse.Namespace) -> None:
    """Raise `NoxPexError` `usage` unless there is either a file or an image."""
    if arguments.file is None and arguments.image is None:
        problem = "the following arguments are required: FILE, or --image"
    elif arguments.file is not None and arguments.image is not None:
        problem = "give FILE or --image, and not both"
    elif arguments.image is not None and arguments.bundle is not None:
        problem = "--bundle is for FILE; the statements of an image are in its registry"
    else:
        return
    raise NoxPexError("usage", f"nox-pex check: {problem}", "see nox-pex check --help")


def _write_json(checked: report.Checked) -> None:
    streams.write_line(outside_text.json_text(report.json_value(checked)).rstrip("\n"), sys.stdout)


def _check_image(text: str, conditions: policy.Policy, environ: Mapping[str, str], *, json: bool) -> report.Checked:
    """Return the verdict about an image. If its registry does not give it, and with `json`, write the verdict first."""
    try:
        name = reference.parse(text)
    except ValueError as error:
        shown = outside_text.shown(secret_patterns.mask_named(text))
        remedy = "write it as registry.example/team/service@sha256:…"
        raise NoxPexError("usage", f"--image {shown!r} is no image: {error}", remedy) from error
    digest = image_check.require_digest(name)

    screen = screens.Screen(
        form.LOG, write=lambda line: streams.show_line(outside_text.shown(line), sys.stderr), stream=None
    )
    shell = command.Shell(environ=environ, secrets=secrets.Secrets.of(environ), say=screen.say)
    try:
        with registry.open_repository(name, environ=environ, shell=shell, say=screen.say) as opened:
            return image_check.check(opened, digest, conditions, now=dt.datetime.now(dt.UTC))
    except NoxPexError as error:
        if json:
            _write_json(image_check.unread(name, digest, error))
        raise


def _required(arguments: argparse.Namespace) -> tuple[Kind, ...]:
    """Return the required kinds in their order; a source or a commit can only be in a provenance."""
    default = KINDS if arguments.image is None else _OF_IMAGE
    given = ",".join(default if arguments.require is None else arguments.require)
    names = [name.strip() for name in given.split(",")]
    for name in names:
        if name not in KINDS:
            remedy = wording.did_you_mean(name, KINDS, otherwise="the kinds are")
            raise NoxPexError("usage", f"--require: there is no kind {name!r} of statements", remedy)
    if arguments.source is not None or arguments.commit is not None:
        names.append("provenance")
    return tuple(kind for kind in KINDS if kind in names)


def _source(address: str) -> repository.Repository:
    found = repository.parse(address.strip())
    if found is None:
        shown = secret_patterns.mask_named(address)
        raise NoxPexError("usage", f"--source {shown!r} is no repository", "write it as https://HOST/PATH")
    return found


def _commit(text: str) -> str:
    if not _COMMIT.fullmatch(text.lower()):
        raise NoxPexError("usage", f"--commit {text!r} is no commit", "write all its digits, or 12 at least")
    return text.lower()


def _max_age(text: str) -> dt.timedelta:
    match = _AGE.fullmatch(text)
    if match is None or not int(match["number"]):
        raise NoxPexError("usage", f"--max-age {text!r} is no age", "write it as 30d, 12h, 90m or 45s")
    return dt.timedelta(seconds=int(match["number"]) * _SECONDS[match["unit"]])


def _sign(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    value = environ.get(withheld.KEY, "") if arguments.key is None else arguments.key
    if arguments.key is None and not value:
        raise NoxPexError("usage", "nox-pex sign: there is no signing key", f"give it with --key, or in {withheld.KEY}")
    directories = signing.directories(Path(arguments.directory))
    key = keys.signing_key(value, environ.get(withheld.PASSPHRASE), relative_to=_HERE)
    for directory in directories:
        bundle = signing.sign(directory, key)
        streams.write_line(outside_text.shown(f"signed the statements in {directory}: {bundle}"), sys.stdout)
    return 0
