"""Libraries' remarks about themselves kept off a program's terminal; all other output stays."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["quiet_logs", "quiet_native"]

_REMARKS = (
    "INFO: Created TensorFlow Lite",
    "INFO: Initialized TensorFlow Lite",
    "WARNING: All log messages before absl",
)


def quiet_logs() -> None:
    """Silence Bumble's logger, whose errors come as a link's too; ``GRFKIT_DEBUG=1`` leaves it on."""
    if os.environ.get("GRFKIT_DEBUG") != "1":
        logging.getLogger("bumble").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def quiet_native() -> Iterator[None]:
    """Hold back stderr, and write it at the end without the remarks of TensorFlow Lite's native code."""
    try:
        # the file descriptor, not sys.stderr: native code writes past Python
        stderr, original = sys.stderr.fileno(), os.dup(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # stderr is closed, or no file
        yield
        return
    with tempfile.TemporaryFile() as captured:
        try:
            sys.stderr.flush()
            os.dup2(captured.fileno(), stderr)
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, stderr)
            os.close(original)
            captured.seek(0)
            rest = [line for line in captured.read().splitlines(keepends=True) if not _remark(line)]
            if rest:
                os.write(stderr, b"".join(rest))


def _remark(line: bytes) -> bool:
    return line.decode(errors="replace").startswith(_REMARKS)
