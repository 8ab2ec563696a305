"""A set in a file that other processes can read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..records.stance_set import StanceSet


@contextmanager
def shared_set(data: StanceSet, *, apart: bool) -> Iterator[Path | None]:
    """Give a file of the set that other processes can read, for as long as the block lasts; None if not ``apart``."""
    if not apart:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="grfkit-") as folder:
        path = Path(folder) / "set.nc"
        # once for all processes: sent with every job, the set would be copied for each fold and method
        data.to_netcdf(path)
        yield path
