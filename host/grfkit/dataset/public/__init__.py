"""Public recordings as stance sets: each adapter's ``load(folder, ...)`` reads one data set's own files."""

from __future__ import annotations

from types import ModuleType

from ...errors import BadInputError
from . import bach, gaitpdb, hamner, pearl, rbds, schreiber

ADAPTERS: dict[str, ModuleType] = {
    "bach": bach,
    "rbds": rbds,
    "schreiber": schreiber,
    "gaitpdb": gaitpdb,
    "hamner": hamner,
    "pearl": pearl,
}


def adapter(name: str) -> ModuleType:
    """Return an adapter by name.

    Raises
    ------
    BadInputError
        If there is none.
    """
    if name not in ADAPTERS:
        raise BadInputError(f"there is no adapter '{name}'; there are {', '.join(ADAPTERS)}")
    return ADAPTERS[name]
