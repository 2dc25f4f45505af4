from __future__ import annotations

import pytest

from nox_pex.distributions.metadata import cleaned
from nox_pex.distributions.record import record_with


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
def test_a_requirement_names_nothing_of_this_machine(line: str, expected: str) -> None:
    text = f"Name: x\n{line}\n\nRequires-Dist: read @ file:///me\n"
    assert cleaned(text) == f"Name: x\n{expected}\n\nRequires-Dist: read @ file:///me\n"


def test_the_row_of_a_file_that_was_changed() -> None:
    record = 'x-1.dist-info/METADATA,sha256=old,3\n"a, b.py",sha256=abc,1\nx-1.dist-info/RECORD,,\n'
    assert record_with(record, path="x-1.dist-info/METADATA", content=b"") == (
        "x-1.dist-info/METADATA,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
        '"a, b.py",sha256=abc,1\nx-1.dist-info/RECORD,,\n'
    )
