from __future__ import annotations

import pytest

from nox_pex.distributions.metadata import cleaned


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Requires-Dist: shelf @ file:///home/joe/shelf", "Requires-Dist: shelf"),
        (
            'Requires-Dist: shelf[a,b] @ file:///home/j%20e/s.whl ; python_version < "3.12"',
            'Requires-Dist: shelf[a,b] ; python_version < "3.12"',
        ),
        ("Requires-Dist: a @ https://joe:pw@host.example/a.whl", "Requires-Dist: a @ https://host.example/a.whl"),
        ("Requires-Dist: a @ git+ssh://git@host.example/a@v1", "Requires-Dist: a @ git+ssh://git@host.example/a@v1"),
        ("Requires-Dist: a (>=1,<2)", "Requires-Dist: a (>=1,<2)"),
        ("Author-email: joe@host.example", "Author-email: joe@host.example"),
    ],
)
def test_a_requirement_has_no_path_of_this_machine_and_no_password(line: str, expected: str) -> None:
    text = f"Name: x\n{line}\n\nRequires-Dist: read @ file:///me\n"
    assert cleaned(text) == f"Name: x\n{expected}\n\nRequires-Dist: read @ file:///me\n"
