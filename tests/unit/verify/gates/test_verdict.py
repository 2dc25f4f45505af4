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


def test_a_block_says_which_gate_failed_and_has_a_row_for_each_problem() -> None:
    verdict = Verdict(summary="", problems=("one", "two"))
    error = failure("leak", verdict, subject="x.pex", remedy="fix it", what="service: leaks")
    assert error is not None
    assert error.block("")[:3] == (("FAILED", "service: leaks"), ("found", "one"), ("", "two"))
