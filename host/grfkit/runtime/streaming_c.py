"""The C runtime with a model, as a shared library that was compiled before: windows, and rows as they come."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .numbers import Bytes
from .streaming import Port, check_rows

SUFFIX = ".so"
_STATUS = {1: "no memory", 2: "scratch is not aligned", 3: "this model needs its whole window", 4: "2^31 samples"}


class _Head(ctypes.Structure):
    """What opens ``grf_model_t`` in grf_model.h."""

    _fields_ = (
        ("points", ctypes.c_uint16),
        ("inputs", ctypes.c_uint16),
        ("outputs", ctypes.c_uint16),
        ("groups", ctypes.c_uint8),
        ("stream", ctypes.c_uint8),
        ("scratch_bytes", ctypes.c_uint32),
    )


class CRuntime:
    """A model's library, compiled before for this machine (``grfkit.embedded.compile.build_shared``).

    Parameters
    ----------
    path
        ``<name>.so``, which holds the model ``grf_<name>``; or a bundle's folder with that library in it, its ``c`` or
        its ``build`` folder. Scales and zero points are the manifest's; of a library alone they are not known (0).

    Raises
    ------
    BadInputError
        If there is no library, or it holds no such model.
    """

    def __init__(self, path: Path) -> None:
        library, ends = _found(Path(path))
        self.backend, self.version, self.resolver = "c", library.name, "grfkit C runtime"
        try:
            self._library = ctypes.CDLL(str(library.resolve()))
            self._head = _Head.in_dll(self._library, f"grf_{library.stem}")
        except (OSError, ValueError) as error:
            raise BadInputError(f"{library}: holds no model 'grf_{library.stem}' for this machine ({error})") from error
        head, (into, out) = self._head, ends
        self.input = Port((1, head.points, head.inputs), "int8", *into)
        self.output = Port((1, head.points, head.outputs), "int8", *out)
        self._window, self._stream = (self._scratch(), self._scratch())
        self._started = False

    def _scratch(self) -> Any:
        return (ctypes.c_uint32 * -(-self._head.scratch_bytes // 4))()

    def run(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return the answers (n, time, axes) to windows (n, time, width), each from a state of zeros."""
        expected = self.input.shape[1:]
        if windows.ndim != 3 or windows.shape[1:] != expected or windows.dtype != np.int8:
            raise BadInputError(
                f"windows are {windows.dtype.name} of shape {windows.shape}, the library takes int8 of shape (n,"
                f" {expected[0]}, {expected[1]})"
            )
        made = np.empty((len(windows), *self.output.shape[1:]), dtype=np.int8)
        for window, answer in zip(np.ascontiguousarray(windows), made):
            self._call("grf_model_run", _at(window), _at(answer), self._window)
        return made

    def start(self, points: int = 1) -> None:
        """Begin at any sample, with nothing before it; any number of rows may follow at once."""
        del points
        self._call("grf_model_start", self._stream)
        self._started = True

    def step(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the answers (rows, axes) to the next rows (rows, width)."""
        if not self._started:
            raise BadInputError("no stream was started; call start first")
        check_rows(rows, self.input.shape[2], "int8", 1)
        rows = np.ascontiguousarray(rows)
        made = np.empty((len(rows), self.output.shape[2]), dtype=np.int8)
        self._call("grf_model_step", _at(rows), _at(made), ctypes.c_uint32(len(rows)), self._stream)
        return made

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(ctypes.byref(self._head), *arguments)
        if status:
            raise BadInputError(f"{name} of '{self.version}' answered {status}: {_STATUS.get(status, 'unknown')}")


def _found(path: Path) -> tuple[Path, tuple[tuple[float, int], tuple[float, int]]]:
    """Return the library, and scale and zero point of input and output."""
    if not path.is_dir():
        if not path.is_file():
            raise BadInputError(
                f"{path}: is no library and no bundle; compile one (grfkit.embedded.compile.build_shared)"
            )
        return path, ((0.0, 0), (0.0, 0))
    from .bundle_files import read_manifest

    manifest = read_manifest(path)
    places = [path / folder / f"{manifest.name}{SUFFIX}" for folder in ("", "c", "build")]
    library = next((p for p in places if p.is_file()), None)
    if library is None:
        raise BadInputError(
            f"{path}: holds no {manifest.name}{SUFFIX}; compile c/{manifest.name}.c and runtime/*.c into one"
            " (grfkit.embedded.compile.build_shared)"
        )
    ends = [(p.scale, p.zero_point) for p in (manifest.input, manifest.output)]
    return library, (ends[0], ends[1])


def _at(values: Bytes) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.ctypes.data)
