from __future__ import annotations

import base64
import json
from pathlib import Path

from nox_pex.system.secrets import Secrets
from nox_pex.verify.archive import open_pex
from nox_pex.verify.gates import leaks
from nox_pex.verify.gates.leaks import CREDENTIAL, KEY, SECRET, SECRET_FILE, Machine, Rules
from tests.support.pex_files import member, spoiled
from tests.support.workbench import Workbench

PROJECT = "an absolute path: the project"
PEM = b"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n"


def test_leaks_are_found_in_binaries_that_pex_built(packaged: Workbench, loose: Workbench, tmp_path: Path) -> None:
    secret = base64.b64encode(b"a secret of this run").decode()
    machine = Machine(
        paths={packaged.root: "the project", loose.root: "the project"},
        prefixes={},
        home=Path.home(),
        secrets=Secrets(values=(secret,)),
    )
    rules = Rules.of(machine)

    def problems(path: Path, own: str = "") -> tuple[str, ...]:
        with open_pex(path) as pex:
            mine = [wheel.name for wheel in pex.wheels if own and wheel.name.startswith(own)]
            return leaks.judge(pex, rules, own_wheels=mine).problems

    assert problems(packaged.binary("greeting-cards"), "greeting") == ()
    assert problems(loose.binary("loose")) == ()
    module, content = member(packaged.binary("greeting-cards"), "greeting/__init__.py")
    other, _ = member(packaged.binary("greeting-cards"), "idna/core.py")
    _, info = member(packaged.binary("greeting-cards"), "PEX-INFO")
    url = {**json.loads(info), "requirements": ["idna @ https://joe:hunter22@index.example/idna.whl"]}
    changes: dict[str, bytes | None] = {
        module: content + f"KEY = '''{PEM.decode()}'''\n".encode(),
        module.replace("__init__", "places"): f"ROOT = {str(packaged.root)!r}\n".encode(),
        module.replace("__init__.py", ".env"): b"A=1\n",
        other: f"x = {secret!r}\n".encode(),
        "PEX-INFO": json.dumps(url).encode(),
    }
    reported = problems(spoiled(packaged.binary("greeting-cards"), tmp_path / "x.pex", changes), "greeting")
    assert len(reported) == 5
    for name, kind in (
        (module, KEY),
        (module.replace("__init__", "places"), PROJECT),
        (module.replace("__init__.py", ".env"), SECRET_FILE),
        (other, SECRET),
        ("PEX-INFO", CREDENTIAL),
    ):
        assert f"{name} holds {kind}" in reported
