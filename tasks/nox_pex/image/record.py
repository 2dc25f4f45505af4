"""The keys of `NAME.image.json` by which the image's statements are made. Pure.

`evidence.results.ImageResult` reads them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from nox_pex.oci.descriptor import Digest
from nox_pex.pex.build_record import timestamp
from nox_pex.pex.circumstances import Circumstances
from nox_pex.smoke import report
from nox_pex.smoke.report import SmokeReport


class CheckedManifest(Struct, frozen=True, kw_only=True):
    """The check of the image for one platform (`linux/arm64`): run, or skipped with a reason.

    `digest` is that of its manifest, None if an engine built it. `base` is that of the base's manifest, if it is known.
    """

    platform: str
    report: SmokeReport
    digest: Digest | None = None
    base: Digest | None = None


class Checked(Struct, frozen=True, kw_only=True):
    """The check of a whole image, for each of its platforms.

    `binary` is the file name of the binary in it, and `sha256` its digest; empty if it is not known. `under` are the
    circumstances from before the check, `overrides` the options of the command line that changed it. `build_started`
    and `build_finished` are the times of the image's own build, `finished` is that of the check.
    """

    binary: str
    sha256: str
    manifests: Sequence[CheckedManifest]
    under: Circumstances
    build_started: dt.datetime
    build_finished: dt.datetime
    finished: dt.datetime
    overrides: Mapping[str, str | float] = {}

    @property
    def passed(self) -> bool | None:
        """Whether no check failed; None if the image was only served."""
        found = [each.report.passed for each in self.manifests]
        return False if False in found else None if None in found else True

    def as_json(self) -> dict[str, Any]:
        """Return the keys of `NAME.image.json` about the check."""
        failure = next((each.report.failure for each in self.manifests if each.report.failure is not None), None)
        return {
            "binary": self.binary,
            "sha256": self.sha256,
            "passed": self.passed,
            **self.under.as_json(finished=self.finished),
            "overrides": dict(self.overrides),
            "built": {"started": timestamp(self.build_started), "finished": timestamp(self.build_finished)},
            "platforms": [
                {
                    "platform": each.platform,
                    "digest": each.digest,
                    "base": each.base,
                    "conditions": [report.boot_as_json(boot) for boot in each.report.boot_results],
                }
                for each in self.manifests
            ],
            "failure": None if failure is None else report.failure_as_json(failure),
        }
