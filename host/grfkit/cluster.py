"""Work in other processes: a running dask scheduler, connected to or refused, and what workers log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import BadInputError

if TYPE_CHECKING:
    from distributed import Client


_ANSWER_S = 10
"""How long a scheduler may take to answer; chosen by hand."""
_LOGGER = "grfkit"
"""The logger above those of all modules."""
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Logged(Generic[_Value]):
    """What a worker gave, and what it logged meanwhile; :meth:`told` logs that here, and gives the value."""

    value: _Value
    records: tuple[dict[str, Any], ...] = ()

    def told(self) -> _Value:
        """Log what the worker logged, each with the time that it had there, and return what it gave."""
        for fields in self.records:
            record = logging.makeLogRecord(fields)
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
        return self.value


class _Keeping(logging.Handler):
    """Keeps what the jobs of this process log, for whoever asked for them: of each thread apart, jobs may share one."""

    def __init__(self) -> None:
        super().__init__()
        self.of_thread = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        kept = getattr(self.of_thread, "records", None)
        if kept is not None:
            # what a record holds may be no more than this process can hold; text can go anywhere
            text = self.format(record)
            kept.append(record.__dict__ | {"msg": text, "args": None, "exc_info": None, "exc_text": None})


_KEEPING = _Keeping()


def log_level() -> int | None:
    """Return from which level on somebody here reads what is logged; None for nobody."""
    return logging.getLogger(_LOGGER).getEffectiveLevel() if _is_read_here() else None


def _is_read_here() -> bool:
    """Return whether what is logged goes anywhere but to the records that are kept for another process."""
    logger: logging.Logger | None = logging.getLogger(_LOGGER)
    while logger is not None:
        if any(handler is not _KEEPING for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def with_log(level: int | None, work: Callable[..., _Value], /, *arguments: Any) -> Logged[_Value]:
    """Return what ``work`` gives in this process, and what it logged from a level on where nobody here reads it.

    Parameters
    ----------
    level
        Of :func:`log_level` of the process that asks.
    """
    # a process that was forked has the handlers of its parent, and writes itself
    if level is None or _is_read_here():
        return Logged(work(*arguments))
    logger = logging.getLogger(_LOGGER)
    if _KEEPING not in logger.handlers:
        logger.addHandler(_KEEPING)
    if not logger.isEnabledFor(level):
        logger.setLevel(level)
    records: list[dict[str, Any]] = []
    _KEEPING.of_thread.records = records
    try:
        value = work(*arguments)
    finally:
        _KEEPING.of_thread.records = None
    return Logged(value, tuple(records))


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
