"""Every service below `services/` as one file, proven: `nox -s smoke`, or `nox -s "smoke(api)"`."""

import nox_pex

nox_pex.register("services/*")
