from __future__ import annotations

import generate


def test_what_the_documentation_repeats_of_the_code_is_current() -> None:
    stale = [str(file.relative_to(generate.ROOT)) for file in generate.stale()]

    assert stale == [], "run `python docs/generate.py` and commit what it writes"
