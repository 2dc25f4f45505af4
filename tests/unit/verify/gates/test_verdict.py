from __future__ import annotations

from nox_pex.verify.gates.verdict import Verdict, failure


def test_an_error_names_five_problems_in_one_line() -> None:
    verdict = Verdict(summary="", problems=tuple(f"problem {number}" for number in range(7)))
    error = failure("closure", verdict, subject="x.pex", remedy="fix it")
    assert error is not None
    assert str(error) == (
        "error[closure]: x.pex: problem 0; problem 1; problem 2; problem 3; problem 4; and 2 more; fix it"
    )
    assert failure("closure", Verdict(summary="all well"), subject="x.pex", remedy="fix it") is None
