"""The C runtime on this machine: a model compiled into a shared library, run through ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..embedded.compile import RUNTIME, build_shared
from ..errors import BadInputError
from .emit_c import CModel

Int8s = NDArray[np.int8]


def write_model(model: CModel, folder: Path) -> Path:
    """Write ``<name>.c`` and ``<name>.h``; return the first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{model.name}.h").write_text(model.header, encoding="utf-8")
    path = folder / f"{model.name}.c"
    path.write_text(model.source, encoding="utf-8")
    return path


class CLibrary:
    """A model's shared library.

    Parameters
    ----------
    path
        Of the library.
    model
        What it was emitted from: names and sizes.
    """

    def __init__(self, path: Path, model: CModel) -> None:
        self.model = model
        self._library = ctypes.CDLL(str(path))
        self._table = ctypes.byref(ctypes.c_char.in_dll(self._library, f"grf_{model.name}"))
        self._scratch = (ctypes.c_uint32 * (model.scratch_bytes // 4))()

    @classmethod
    def build(cls, model: CModel, folder: Path, *, runtime: Path = RUNTIME, flags: Sequence[str] = ()) -> CLibrary:
        """Write, compile and load a model.

        Raises
        ------
        BadInputError
            As :func:`build_shared`.
        """
        source = write_model(model, folder)
        return cls(build_shared([source], folder / f"{model.name}.so", runtime=runtime, flags=flags), model)

    def run(self, windows: Int8s) -> Int8s:
        """Return the answers to whole windows, state reset for each: (n, T, inputs) to (n, T, outputs).

        Raises
        ------
        BadInputError
            If the windows are not int8 of the model's shape.
        """
        shape = (self.model.points, self.model.inputs)
        if windows.dtype != np.int8 or windows.ndim != 3 or windows.shape[1:] != shape:
            raise BadInputError(
                f"windows are {windows.dtype} {windows.shape}, expected int8 (n, {shape[0]}, {shape[1]})"
            )
        answers = np.empty((len(windows), self.model.points, self.model.outputs), dtype=np.int8)
        for window, answer in zip(np.ascontiguousarray(windows), answers):
            status = self._library.grf_model_run(self._table, _at(window), _at(answer), self._scratch)
            self._check(status, "grf_model_run")
        return answers

    def start(self) -> None:
        """Forget all rows before.

        Raises
        ------
        BadInputError
            If the model needs its whole window.
        """
        self._check(self._library.grf_model_start(self._table, self._scratch), "grf_model_start")

    def step(self, rows: Int8s) -> Int8s:
        """Return the answers to the next rows: (rows, inputs) to (rows, outputs).

        Raises
        ------
        BadInputError
            If the rows are not int8 of the model's width, or the model needs its whole window.
        """
        if rows.dtype != np.int8 or rows.ndim != 2 or rows.shape[1] != self.model.inputs:
            raise BadInputError(f"rows are {rows.dtype} {rows.shape}, expected int8 (rows, {self.model.inputs})")
        rows = np.ascontiguousarray(rows)
        answers = np.empty((len(rows), self.model.outputs), dtype=np.int8)
        status = self._library.grf_model_step(
            self._table, _at(rows), _at(answers), ctypes.c_uint32(len(rows)), self._scratch
        )
        self._check(status, "grf_model_step")
        return answers

    def _check(self, status: int, name: str) -> None:
        if status:
            raise BadInputError(f"{name} of '{self.model.name}' answered {status}; see grf_status_t in grf_model.h")


def _at(values: Int8s) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.ctypes.data)
