"""The settings of `sbom`: `[tool.nox-pex.sbom]`, the policy for licences."""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from nox_pex.settings.table import Table
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from packaging import licenses
else:
    licenses = lazy("packaging.licenses")  # only needed if there is a policy

_LONGEST: Final = 500
"""Characters of an expression. The longest ones in use have about a hundred."""


_SHOWN: Final = 60
"""Characters of a wrong expression that an error shows."""


class Sbom(Table, frozen=True, kw_only=True):
    """`[tool.nox-pex.sbom]`, in SPDX expressions; `LicenseRef-…` names a licence that the SPDX list does not have."""

    example: ClassVar[str] = '{ deny-licenses = ["AGPL-3.0-or-later"] }'

    allow_licenses: tuple[str, ...] = ()
    """The licences that are allowed, as SPDX expressions; if empty, all that are not denied."""
    deny_licenses: tuple[str, ...] = ()
    """The licences that are denied, as SPDX expressions."""

    def _broken_rules(self) -> Iterator[str]:
        for key, expressions in (("allow-licenses", self.allow_licenses), ("deny-licenses", self.deny_licenses)):
            for at, text in enumerate(expressions):
                yield from _check_expression(f"{key}[{at}]", text)


def _check_expression(key: str, text: str) -> Iterator[str]:
    try:
        if len(text) > _LONGEST:
            msg = f"`{key}`: it has {len(text)} characters, more than {_LONGEST}; write one licence in each entry"
            yield msg
            return
        licenses.canonicalize_license_expression(text)
    except (ValueError, RecursionError, MemoryError):  # `InvalidLicenseExpression` is a `ValueError`
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        msg = (
            f'`{key}`: {shown!r} is not an SPDX expression; write one such as "MIT", or the `LicenseRef-…` that '
            "error[license] names"
        )
        yield msg
