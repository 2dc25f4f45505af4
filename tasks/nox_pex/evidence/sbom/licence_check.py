"""The distributions of a bill of materials that a policy for licences refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom import policy
from nox_pex.evidence.sbom.bill import Bill, Component
from nox_pex.evidence.sbom.policy import Policy
from nox_pex.evidence.sbom.write import Declared

_OTHERS: Final = ("runtime:", "python:", "scie:")
"""Beginnings of the refs of components that are not distributions."""


_SHOWN: Final = 8
"""The number of distributions that the block of a failure names. Its one line has all of them."""


class Refused(Struct, frozen=True, kw_only=True):
    """A refused distribution, as an error shows it, and the expressions that the policy does not allow."""

    shown: str
    expressions: tuple[str, ...]


def is_distribution(component: Component) -> bool:
    """Whether a component is a distribution: what Poetry installed, or the wheel of the project."""
    return not component.ref.startswith(_OTHERS)


def refused(bill: Bill, licences: Mapping[str, Declared], rules: Policy, *, project: str) -> tuple[Refused, ...]:
    """Return the distributions that `rules` refuse, each once. The code of the `project` itself is not checked."""
    checked = (each for each in bill.components if is_distribution(each) and each.name != project)
    return tuple(dict.fromkeys(_refused(checked, licences, rules)))


def _refused(components: Iterator[Component], licences: Mapping[str, Declared], rules: Policy) -> Iterator[Refused]:
    for each in components:
        declared = licences[each.ref]
        expressions = [*declared.expressions, *map(policy.reference, declared.names)]
        expressions = expressions or [policy.reference(f"unknown-{each.name}")]
        if wrong := tuple(expression for expression in expressions if rules.refuses(expression)):
            names = [*declared.expressions, *(f'"{name}"' for name in declared.names)]
            yield Refused(
                shown=f"{each.name} {each.version} ({' and '.join(names) or 'no licence'})", expressions=wrong
            )


def error(found: Sequence[Refused], rules: Policy, *, place: str, name: str) -> NoxPexError:
    """Return the error about all refused distributions of the binary `name`. `place` is that of the policy."""
    problem = f"{place} does not allow the licences of {name}: {', '.join(each.shown for each in found)}"
    expressions = dict.fromkeys(expression for each in found for expression in each.expressions)
    entries = ", ".join(f'"{expression}"' for expression in expressions)
    also = " and not in deny-licenses" if rules.deny else ""
    accept = f"accept them in allow-licenses{also}" if rules.allow else "take them out of deny-licenses"
    named = [*(each.shown for each in found[:_SHOWN]), *_rest(len(found) - _SHOWN)]
    rows = tuple(("" if number else "refused", each) for number, each in enumerate(named))
    remedy = f"remove what has them, or {accept}: {entries}"
    return NoxPexError("license", problem, remedy, subject=f"{name}: licences", rows=rows)


def _rest(count: int) -> tuple[str, ...]:
    return (f"and {count} more",) if count > 0 else ()
