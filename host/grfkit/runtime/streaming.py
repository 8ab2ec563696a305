"""Samples as they come, instead of whole windows: one interpreter that goes on where it stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .streaming_file import StepFile, step_file


@dataclass(frozen=True)
class Port:
    """Shape, type, scale and zero point of the input or the output; scale 0 where it is not quantised or not known."""

    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


class Raw(Protocol):
    """An interpreter of a file with several inputs and outputs."""

    def reset(self) -> None:
        """Set the file's variables to zero."""
        ...

    def types(self) -> list[tuple[tuple[int, ...], str]]:
        """Return shape and type of every input, in the file's order."""
        ...

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs, in the file's order; variables are kept."""
        ...


class Stream:
    """A step file in an interpreter, and what its convolutions look back at."""

    def __init__(self, raw: Raw, file: StepFile) -> None:
        self.points = file.points
        self._raw, self._types, self._padding = raw, raw.types(), file.padding
        self._past: list[NDArray[Any]] = []

    def start(self) -> None:
        """Forget all rows before."""
        self._raw.reset()
        self._past = [np.full(s, p, dtype=k) for (s, k), p in zip(self._types[1:], self._padding)]

    def step(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the answers (rows, axes) to the next rows (rows, width)."""
        (_, _, width), kind = self._types[0]
        check_rows(rows, width, kind, self.points)
        made = []
        for first in range(0, len(rows), self.points):
            window = np.ascontiguousarray(rows[None, first : first + self.points])
            answer, *self._past = self._raw.run([window, *self._past])
            made.append(answer[0])
        return np.concatenate(made)


def check_rows(rows: NDArray[Any], width: int, kind: str, points: int) -> None:
    """Refuse rows of another width or type, or that are no whole number of steps.

    Raises
    ------
    BadInputError
        Saying what was expected.
    """
    fits = rows.ndim == 2 and rows.shape[1] == width and rows.dtype.name == kind
    if not fits or not len(rows) or len(rows) % points:
        raise BadInputError(
            f"rows are {rows.dtype.name} of shape {rows.shape}; expected {kind} of shape (rows, {width}), a multiple of"
            f" {points} rows, at least {points}"
        )


class Streaming:
    """What interpreters of .tflite files share: a second one of the same file, for rows as they come.

    Windows answered by ``run`` in between change nothing in the stream.
    """

    _content: bytes
    _stream: Stream | None = None

    def _raw(self, content: bytes, inputs: int) -> Raw:
        """Return a new interpreter of another file of so many inputs, and as many outputs."""
        raise NotImplementedError

    def start(self, points: int = 1) -> None:
        """Begin at any sample, with nothing before it; the next ones go to :meth:`step`.

        Parameters
        ----------
        points
            Samples that are answered at once; ``step`` takes multiples of them.

        Raises
        ------
        BadInputError
            If the network needs its whole window, or ai-edge-litert is not installed (it writes the shorter file).
        """
        if self._stream is None or self._stream.points != points:
            file = step_file(self._content, points)
            self._stream = Stream(self._raw(file.content, 1 + len(file.padding)), file)
        self._stream.start()

    def step(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the answers (rows, axes) to the next rows (rows, width), as bytes of the whole window.

        Raises
        ------
        BadInputError
            Before ``start``, or if the rows do not fit.
        """
        if self._stream is None:
            raise BadInputError("no stream was started; call start first")
        return self._stream.step(rows)
