"""Secrets in the data of a page."""

from __future__ import annotations

from nox_pex.contents.model import BinaryContents, Group, PackedFile
from nox_pex.page import masking
from nox_pex.page.model import Identity, Page, Proof, Verdict
from nox_pex.system.secrets import Secrets

EMPTY = Group(kind="own", stored=0, files=())


def page(reason: str) -> Page:
    own = Group(kind="own", stored=1, files=(PackedFile(path="hunter22.py", size=1, stored=1),))
    return Page(
        nox_pex="0",
        identity=Identity(
            name="service",
            project="shop",
            file="service.pex",
            sha256="3a" * 32,
            size=1,
            is_directory=False,
            is_scie=False,
            is_recorded=True,
            tools=(("pex", "hunter22"),),
        ),
        verdict=Verdict(outcome="passed", reason=reason),
        proofs=(Proof(step="smoke", standing="current", outcome="passed", summary="passed"),),
        contents=BinaryContents(
            file="service.pex",
            sha256="3a" * 32,
            size=1,
            layout="zipapp",
            settings={"inject_env": {"hunter22": ["the hunter22 key"]}},
            distributions=(),
            own=own,
            runtime=EMPTY,
        ),
    )


def test_a_secret_is_masked_wherever_it_is() -> None:
    found = masking.masked(page("it answered hunter22"), Secrets.from_values(["hunter22"]).mask)
    assert "hunter22" not in str(found)
    assert found.verdict.reason == "it answered ****"
    assert found.contents is not None
    assert found.contents.own.files[0].path == "****.py"
    assert found.contents.settings == {"inject_env": {"****": ("the **** key",)}}


def test_a_secret_that_is_one_of_our_words_does_not_change_the_verdict() -> None:
    found = masking.masked(page("all passed"), Secrets.from_values(["passed", "current", "zipapp"]).mask)
    assert (found.verdict.outcome, found.verdict.reason) == ("passed", "all ****")
    assert (found.proofs[0].outcome, found.proofs[0].standing, found.proofs[0].summary) == ("passed", "current", "****")


def test_without_a_secret_in_it_the_data_is_the_same_object() -> None:
    whole = page("fine")
    assert masking.masked(whole, Secrets.from_values(["not-in-it"]).mask) is whole
