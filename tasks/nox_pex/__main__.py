"""`python -m nox_pex`, the same as the script `nox-pex`."""

from nox_pex.system import import_path

with import_path.without():
    from nox_pex.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
