"""The console for progress: other libraries cannot write between its lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from .talk import progress_console, shows_bars

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def quiet_console() -> Iterator[Console]:
    """Give a console on stderr, and keep TensorFlow Lite's messages off stderr meanwhile.

    The console writes to a stderr of its own, so that a bar still moves while the output of others is held back
    (:func:`grfkit.quiet.quiet_native`).
    """
    from rich.console import Console

    from ..quiet import quiet_native

    with ExitStack() as stack:
        try:
            stderr = stack.enter_context(
                os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace")
            )
            stack.enter_context(quiet_native())
        except (OSError, ValueError, AttributeError):  # stderr is closed or no file, or there is nowhere to hold it
            yield progress_console()
            return
        yield Console(file=stderr, quiet=not shows_bars())
