"""The addresses of the sections of docs/evidence.md by which statements name a build type, a policy, a builder."""

from __future__ import annotations

from typing import Final

from nox_pex import site

PAGE: Final = site.page("evidence")


BUILD_TYPE: Final = f"{PAGE}#build-type-v1"
"""`buildType` of the provenance: how nox-pex builds a PEX."""


IMAGE_BUILD_TYPE: Final = f"{PAGE}#image-build-type-v1"
"""`buildType` of the provenance of an image: how nox-pex puts a PEX onto a base image."""


LOCAL_BUILDER: Final = f"{PAGE}#local-builder"
"""`builder.id` if the settings name none: an unknown machine, of which nothing is claimed."""


VERIFIER: Final = f"{PAGE}#verifier"
"""`verifier.id` of the verification summary."""


VERIFY_POLICY: Final = f"{PAGE}#verify-policy-v1"
"""The policy of the verification summary: the gates of `verify`."""
