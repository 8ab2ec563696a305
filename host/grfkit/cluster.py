"""A running dask scheduler, connected to or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import BadInputError

if TYPE_CHECKING:
    from distributed import Client


def connected(scheduler: Any) -> Client:
    """Return a client of a scheduler (address or cluster), the process's default one.

    It is asked first by a client nobody sees: one that fails as the default stays it, and xarray writes files by it.

    Raises
    ------
    BadInputError
        If none answers there.
    """
    from distributed import Client

    try:
        Client(scheduler, timeout=10, set_as_default=False).close()
        return Client(scheduler, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        raise BadInputError(f"no dask scheduler answers at {scheduler} ({error})") from error
