"""A running dask scheduler, connected to or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import BadInputError

if TYPE_CHECKING:
    from distributed import Client


_ANSWER_S = 10
"""How long a scheduler may take to answer; chosen by hand."""


def exposure(scheduler: Any) -> str:
    """Return a warning of what a scheduler's address means for its computers, or an empty text.

    Of one that checks certificates (``tls://``), and of a cluster that is no address, there is nothing to say.
    """
    if not isinstance(scheduler, str) or scheduler.startswith("tls://"):
        return ""
    return (
        f"warning: {scheduler} is a dask scheduler without certificates: it and its workers run code for whoever"
        " reaches it; use one on a network that you trust, or tls://"
    )


def connected(scheduler: Any) -> Client:
    """Return a client of a scheduler (address or cluster), the process's default one.

    Raises
    ------
    BadInputError
        If none answers there.
    """
    from distributed import Client

    try:
        # first by a client that is not the default: one that fails stays the default, and xarray would write by it
        Client(scheduler, timeout=_ANSWER_S, set_as_default=False).close()
        return Client(scheduler, timeout=_ANSWER_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise BadInputError(f"no dask scheduler answers at {scheduler} ({error})") from error
