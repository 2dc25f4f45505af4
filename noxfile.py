# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "backports.zstd>=1.3; python_version < '3.14'",
#     "blake3>=1.0",
#     "cryptography>=46.0",
#     "httpcore2>=2.16",
#     "htpy>=26.5",
#     "httpx2>=2.16",
#     "jsonschema>=4.26",
#     "msgspec>=0.22",
#     "nox[uv]>=2026.10.20",
#     "packaging>=26.0,<26.4",
#     "platformdirs>=4.5",
#     "psutil>=7.2",
#     "pyproject-hooks>=1.3",
#     "python-discovery>=1.9",
#     "python-jsonpath>=2.2",
#     "referencing>=0.37",
#     "rich>=14.2",
#     "tenacity>=9.1",
#     "tomli-w>=1.2",
# ]
# ///
"""The sessions for the development of nox-pex, and those of nox-pex: for `sample_app`, and `own-…` for itself.

Your noxfile lists `nox-pex` in the header above. This one imports nox-pex from the checkout, so its header lists the
dependencies of nox-pex, as in `pyproject.toml`.
"""

import os
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tasks"))

import nox_pex  # noqa: E402  # the line above makes it importable

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

nox_pex.register("sample_app")
nox_pex.register(prefix="own-", only=["attest", "report"])  # nox-pex as a binary


def install_locked(session: nox.Session, *groups: str) -> None:
    """Install the locked dependencies of the library and of `groups`, as the session `install` does for users."""
    from nox_pex import nox_screen  # noqa: PLC0415  # `nox --list` does not need it
    from nox_pex.distributions import environment, interpreter  # noqa: PLC0415  # `nox --list` does not need it
    from nox_pex.poetry import install, selection  # noqa: PLC0415  # `nox --list` does not need it
    from nox_pex.project import pyproject  # noqa: PLC0415  # `nox --list` does not need it
    from nox_pex.system import command, secrets  # noqa: PLC0415  # `nox --list` does not need it
    from nox_pex.tools import cache, provision  # noqa: PLC0415  # `nox --list` does not need it

    screen = nox_screen.screen_of(session)
    shell = command.Shell(environ=os.environ, secrets=secrets.Secrets.of(os.environ), say=screen.say)
    provisioner = provision.Provisioner(
        shell=shell, caches=cache.Caches.of(os.environ), uv=provision.find_uv(os.environ)
    )
    target = environment.Environment(path=session.env_dir.absolute())
    python = target.interpreter().executable
    installer = install.Installer(
        project=pyproject.read(ROOT),
        base=interpreter.BasePython(name=str(python), find=lambda: python),
        provisioner=provisioner,
        poetry_version=None,
        force=False,
    )
    with screen.opened():
        installer.install(selection.Selection(groups=("main", *groups), extras=()), target)


@nox.session(venv_params=["--no-seed"])
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    install_locked(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(venv_params=["--no-seed"])
def types(session: nox.Session) -> None:
    """Check types."""
    install_locked(session, "docs", "test", "types")
    session.run("mypy")


@nox.session(venv_params=["--no-seed"])
def tests(session: nox.Session) -> None:
    """Run the tests; `-- -m "not integration and not programs"` runs only those that take seconds."""
    install_locked(session, "docs", "test")
    session.run("pytest", "--numprocesses", "auto", "--dist", "worksteal", *session.posargs)


@nox.session(venv_params=["--no-seed"])
def docs(session: nox.Session) -> None:
    """Build the documentation in .nox/site, and check its links; with `-- --external` also those to other sites."""
    install_locked(session, "docs")
    session.run("python", "docs/generate.py")
    build = ["sphinx-build", "--fail-on-warning", "--nitpicky", "--keep-going", "--fresh-env", "--quiet"]
    build += ["--doctree-dir", session.create_tmp(), "docs"]
    site = ROOT / ".nox" / "site"  # not below docs/: whatever reads the pages would find them twice
    session.run(*build, str(site), "--builder", "html")
    session.run("python", "docs/check_links.py", str(site))
    session.log(f"the first page is {(site / 'index.html').as_uri()}")
    if "--external" in session.posargs:
        session.run(*build, session.create_tmp(), "--builder", "linkcheck")


@nox.session(name="lock-tools", venv_backend="none", default=False)
def lock_tools(session: nox.Session) -> None:
    """Write the requirement files with the hashes of Poetry, pex and poetry-core, after a change of their pins."""
    from nox_pex.tools import index, pinned, provision  # noqa: PLC0415  # `nox --list` does not need it

    uv = provision.find_uv(os.environ)
    if uv is None:
        session.error("uv is not installed; run `pip install uv`")
    environ = index.uv_index_environ(os.environ, prefix=Path(sys.prefix))
    requirements = Path(session.create_tmp()) / "requirements.in"
    for each in pinned.LOCKED:
        requirements.write_text("\n".join(each.requirements), "utf-8")
        session.run(
            *[str(uv), "pip", "compile", str(requirements), "--output-file", str(each.file), "--quiet", "--no-config"],
            *["--upgrade", "--universal", "--python-version", each.lowest_python, "--generate-hashes"],
            *["--no-annotate", "--custom-compile-command", "nox -s lock-tools"],
            env=environ,
            external=True,
        )


@nox.session(venv_params=["--no-seed"], default=False)
def distributions(session: nox.Session) -> None:
    """Build the sdist, and the wheel from it, into a directory (`-- published`), and check both."""
    install_locked(session, "test")
    directory = Path(*session.posargs or ["published"]).resolve()
    session.run("python", "-m", "build", "--installer", "uv", "--outdir", str(directory), str(ROOT))
    session.run("twine", "check", "--strict", *sorted(map(str, directory.iterdir())))
    session.run("check-wheel-contents", *sorted(map(str, directory.glob("*.whl"))))


@nox.session(venv_backend="none", default=False)
def release(session: nox.Session) -> None:
    """Write the version of a release (`-- 1.2.3`) and today's date into the files that have them."""
    session.run(sys.executable, "-m", "publishing.release", "prepare", *session.posargs, external=True)


@nox.session(venv_params=["--no-seed"], default=False)
def bench(session: nox.Session) -> None:
    """Measure nox-pex and other ways to build a binary; takes half an hour, or three minutes with `-- --quick`."""
    install_locked(session)
    session.run("python", "-m", "benchmarks", *session.posargs, env={"PYTHONPATH": "tasks"})


if __name__ == "__main__":
    nox.main()
