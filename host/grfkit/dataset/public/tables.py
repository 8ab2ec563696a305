"""The data files beside the adapters: people, file names and exclusions, each with its source."""

from __future__ import annotations

import sys
from importlib.resources import files
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def table(name: str) -> dict[str, Any]:
    """Return the data file of an adapter."""
    return tomllib.loads(files("grfkit.dataset.public").joinpath(f"{name}.toml").read_text(encoding="utf-8"))
