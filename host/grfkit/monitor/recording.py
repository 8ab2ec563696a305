"""The recording of a hub: where it goes, how it fares, and what people write into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..device.recorder import Recorder
from ..errors import BadInputError

__all__ = ["HubRecording"]


class HubRecording:
    """A recorder, or none.

    Parameters
    ----------
    path
        None records nothing.
    """

    def __init__(self, path: Path | None, *, force: bool) -> None:
        self._path, self._force = path, force
        self.recorder: Recorder | None = None
        self._last_problem: str | None = None

    def open(self) -> None:
        """Begin to record, where a path was named; BadInputError if it cannot be written."""
        if self._path is not None:
            self.recorder = Recorder(self._path, force=self._force)

    def close(self) -> None:
        """Write the rest, and close the file."""
        if self.recorder is not None:
            self.recorder.close()

    def required(self, what: str) -> Recorder:
        """Return the recorder for a ``what`` that is to be written down.

        Raises
        ------
        BadInputError
            If nothing is recorded.
        """
        if self.recorder is None:
            raise BadInputError(f"nothing is being recorded, so that a {what} has no place")
        return self.recorder

    def news(self) -> str | None:
        """Return what changed about writing since the last call: a problem, or that it is over."""
        problem = self.recorder.problem if self.recorder else None
        if problem == self._last_problem:
            return None
        self._last_problem = problem
        return problem or "the recording is being written again"

    def state(self, now_s: float) -> dict[str, Any] | None:
        """Return what a snapshot says of it, None where nothing is recorded."""
        if self.recorder is None:
            return None
        return {
            "path": str(self.recorder.path),
            "bytes": self.recorder.size,
            "seconds": now_s,
            "problem": self.recorder.problem,
            "lost": self.recorder.lost,
        }
