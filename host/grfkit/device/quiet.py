"""What libraries say about themselves kept off a program's terminal; what is anybody else's stays."""

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
    """Silence Bumble's logger: what goes wrong there comes as a link's error too; ``GRFKIT_DEBUG=1`` leaves it."""
    if os.environ.get("GRFKIT_DEBUG") != "1":
        logging.getLogger("bumble").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def quiet_native() -> Iterator[None]:
    """Leave out what native code of TensorFlow Lite remarks on stderr meanwhile; all else is written at the end."""
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
