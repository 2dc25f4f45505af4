"""Build and smoke-test every service below `services/`: `nox -s smoke`, or one of them: `nox -s "smoke(api)"`."""

import nox_pex

nox_pex.register("services/*")
