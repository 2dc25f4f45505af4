from __future__ import annotations

import tomllib as toml_reader
from typing import Any
