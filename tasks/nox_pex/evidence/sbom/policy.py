"""The policy for licences: which of them the settings allow, and which they deny.

An expression `A OR B` needs one side that is allowed and not denied, `A AND B` needs both. A licence with an exception
is allowed if the licence is: an exception only adds permissions. A licence that the SPDX list does not have counts as
`LicenseRef-NAME`, and a distribution that names none as `LicenseRef-unknown-DISTRIBUTION`. So a policy can name all.

Fact source: the SPDX specification, annex "SPDX license expressions".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

_TOKEN: Final = re.compile(r"\(|\)|[^\s()]+")


_DEPRECATED: Final = re.compile(r"((?:A|L)?GPL-[0-9.]+|GFDL-[0-9.]+)(\+?)")
"""Identifiers that the SPDX list has replaced by two others: `GPL-2.0` and `GPL-2.0+`."""


class Expression(Struct, frozen=True, kw_only=True):
    """A licence, if `operator` is empty, or the `sides` of the operator AND or OR. `text` is its canonical text."""

    text: str
    operator: str = ""
    sides: tuple[Expression, ...] = ()


class Policy(Struct, frozen=True, kw_only=True):
    """The expressions that are allowed, and those that are denied. If none is allowed, all are that are not denied."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def refuses(self, expression: str) -> bool:
        """Whether the policy does not allow an SPDX expression."""
        return not _is_acceptable(parse(expression), self)


def reference(name: str) -> str:
    """Return an identifier of a licence that the SPDX list does not have: `LicenseRef-BSD-License`."""
    return f"LicenseRef-{re.sub('[^A-Za-z0-9.]+', '-', name).strip('-') or 'unnamed'}"


def parse(text: str) -> Expression:
    """Parse a valid SPDX expression."""
    tokens = list(reversed(_TOKEN.findall(text)))
    return _operation(tokens, ("OR", "AND"))


def _operation(tokens: list[str], operators: Sequence[str]) -> Expression:
    """Parse sides that the first of `operators` connects; the others bind stronger."""
    if not operators:
        return _licence(tokens)
    operator, *stronger = operators
    sides = [_operation(tokens, stronger)]
    while tokens and tokens[-1].upper() == operator:
        tokens.pop()
        sides.append(_operation(tokens, stronger))
    if len(sides) == 1:
        return sides[0]
    ordered = tuple(sorted(sides, key=lambda side: side.text))
    return Expression(text=f"({f' {operator} '.join(side.text for side in ordered)})", operator=operator, sides=ordered)


def _licence(tokens: list[str]) -> Expression:
    """Parse a licence, with its exception, or an expression in parentheses."""
    first = tokens.pop() if tokens else ""
    if first == "(":
        inner = _operation(tokens, ("OR", "AND"))
        if tokens:
            tokens.pop()
        return inner
    name = _current(first)
    if len(tokens) > 1 and tokens[-1].upper() == "WITH":
        tokens.pop()
        name = f"{name} WITH {tokens.pop()}"
    return Expression(text=name)


def _current(name: str) -> str:
    match = _DEPRECATED.fullmatch(name)
    return name if match is None else f"{match[1]}-{'or-later' if match[2] else 'only'}"


def _known(expressions: Iterable[str]) -> frozenset[str]:
    return frozenset(parse(each).text.lower() for each in expressions)


def _is_acceptable(expression: Expression, policy: Policy) -> bool:
    """Whether everybody may use, by the policy, what has this expression. An entry in both lists is denied."""
    allowed, denied = _known(policy.allow), _known(policy.deny)
    text = expression.text.lower()
    if text in denied:
        return False
    if text in allowed:
        return True
    if expression.operator:
        sides = (_is_acceptable(side, policy) for side in expression.sides)
        return any(sides) if expression.operator == "OR" else all(sides)
    licence, _, exception = text.partition(" with ")
    if exception and licence in denied:
        return False
    return not policy.allow or any(each in allowed for each in _weaker(text))


def _weaker(licence: str) -> Iterator[str]:
    """Yield the licences under which everybody may use what has `licence`, all in lower case."""
    name, _, exception = licence.partition(" with ")
    if exception:
        yield name
    for ending, replacement in (("-or-later", "-only"), ("+", "")):
        if name.endswith(ending):
            yield name.removesuffix(ending) + replacement
