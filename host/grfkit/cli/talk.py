"""How much a command says while it works: ``-v``, ``-q`` and ``--log-file``, the same for all commands.

Results, warnings and refusals are said whatever was asked for: ``-q`` leaves out progress alone.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInputError

if TYPE_CHECKING:
    import logging

    from rich.console import Console

_ROOT = "grfkit"
"""The logger above those of all modules."""
_SAID = "grfkit.cli.said"
"""The logger of lines that stand on stderr already; the log file holds them too."""
_STAMP = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
"""How a line of a log file begins."""
_SECRETS = ("--token",)
"""Options whose values no log holds."""


class _Talk:
    """What was asked for; one process runs one command at a time."""

    def __init__(self) -> None:
        self.verbose = 0
        self.quiet = False
        self.handlers: list[logging.Handler] = []
        self.command = ""
        self.start = time.time()


_talk = _Talk()


def begin(program: str, arguments: Sequence[str]) -> None:
    """Forget what an earlier command of this process was asked for, and keep what is asked now."""
    _close()
    _talk.__init__()  # type: ignore[misc]
    _talk.command = " ".join([program, *_without_secrets(arguments)])


def say_more(count: int) -> None:
    """Show the library's steps on stderr: 1 the main ones, 2 each."""
    if not count:
        return
    _refuse_both(verbose=count, quiet=_talk.quiet)
    import logging

    if not _talk.verbose:
        handler = logging.StreamHandler(_stderr())
        handler.format = _elapsed  # type: ignore[method-assign]
        handler.addFilter(lambda record: record.name != _SAID)
        handler.setLevel(logging.DEBUG if count > 1 else logging.INFO)
        _add(handler)
    _talk.verbose = count


def say_less(asked: bool) -> None:
    """Show no progress."""
    if asked:
        _refuse_both(verbose=_talk.verbose, quiet=True)
        _talk.quiet = True


def keep_log(path: Path | None) -> None:
    """Write every step, with its time, to the end of a file too.

    Raises
    ------
    BadInputError
        If it cannot be written, or holds something else than a log.
    """
    if path is None:
        return
    import logging

    try:
        if path.exists() and path.stat().st_size and not _STAMP.match(path.read_bytes()[:19]):
            raise BadInputError(f"{path}: exists and is no log of grfkit; name another file with --log-file")
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error.strerror or error})") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.DEBUG)
    _add(handler)
    from ..provenance import tool_version

    versions = f"grfkit {tool_version()}, Python {platform.python_version()}, {platform.system()}"
    _logger("cli").debug("%s (%s)", _talk.command, versions)


def note(text: str) -> None:
    """Put a line that was said on stderr into the log file, too."""
    if _talk.handlers:
        import logging

        logging.getLogger(_SAID).warning("%s", text)


def ended(code: int) -> None:
    """Put into the log how the command ended, and close it."""
    if _talk.handlers:
        _logger("cli").debug("exit code %d after %.1f s", code, time.time() - _talk.start)
    _close()


def failed(error: BaseException) -> None:
    """Put the traceback of what ended the command into the log file."""
    if _talk.handlers:
        import logging

        logging.getLogger(_SAID).debug("the error came from here", exc_info=error)


def shows_bars() -> bool:
    """Return whether progress is shown as bars: not where it was declined, nor where lines are shown in its place."""
    return not _talk.quiet and not _talk.verbose


def progress_console() -> Console:
    """Return the console on stderr that bars are shown on."""
    from rich.console import Console

    return Console(stderr=True, quiet=not shows_bars())


def _close() -> None:
    for handler in _talk.handlers:
        _logger().removeHandler(handler)
        handler.close()
        stream = getattr(handler, "stream", None)
        if stream is not None and stream is not sys.stderr:
            stream.close()
    _talk.handlers.clear()


def _refuse_both(*, verbose: int, quiet: bool) -> None:
    if verbose and quiet:
        raise BadInputError("-v says more and -q less; give one of them")


def _logger(room: str = "") -> logging.Logger:
    import logging

    return logging.getLogger(f"{_ROOT}.{room}" if room else _ROOT)


def _add(handler: logging.Handler) -> None:
    import logging

    _talk.handlers.append(handler)
    root = _logger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)


def _stderr() -> Any:
    """Return a stderr of its own, which is open while native code's messages are held back."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="backslashreplace")
    return sys.stderr


def _without_secrets(arguments: Sequence[str]) -> list[str]:
    words = [f"{w.partition('=')[0]}=***" if w.partition("=")[0] in _SECRETS and "=" in w else w for w in arguments]
    return ["***" if k and words[k - 1] in _SECRETS else word for k, word in enumerate(words)]


def _elapsed(record: logging.LogRecord) -> str:
    """Return a record as seconds since the command began, the room of the house, and the message."""
    room = record.name.split(".")[1] if "." in record.name else record.name
    return f"[{max(record.created - _talk.start, 0.0):6.1f} s] {room}: {record.getMessage()}"
