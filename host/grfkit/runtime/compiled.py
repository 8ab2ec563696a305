"""The C runtime with a model, compiled into a shared library of this machine: windows, and rows one by one."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import PathLike
from ..errors import BadInputError
from .numbers import Bytes, Port

SUFFIX = ".so"
_STATUS = {1: "no memory", 2: "scratch is not aligned", 3: "this model needs its whole window", 4: "2^31 samples"}


class _Head(ctypes.Structure):
    """The first fields of ``grf_model_t`` in grf_model.h."""

    _fields_ = (
        ("points", ctypes.c_uint16),
        ("inputs", ctypes.c_uint16),
        ("outputs", ctypes.c_uint16),
        ("groups", ctypes.c_uint8),
        ("stream", ctypes.c_uint8),
        ("scratch_bytes", ctypes.c_uint32),
    )


class CRuntime:
    """A model's shared library, compiled before (``grfkit.deploy.compile_c``, ``grfkit.embedded.compile``).

    Windows and the stream of rows have a scratch memory each, so that neither disturbs the other.

    Parameters
    ----------
    path
        ``<name>.so``, which holds the model ``grf_<name>``; or a bundle's folder with that library in it, its ``c`` or
        its ``build`` folder. Scales and zero points are the manifest's; of a library alone they are unknown (0).

    Attributes
    ----------
    stream
        Whether the model sees the past only, so that rows may come one by one.

    Raises
    ------
    BadInputError
        If there is no library, or it holds no such model.
    """

    def __init__(self, path: PathLike) -> None:
        library, (input_scale, output_scale) = _library_in(Path(path))
        self.backend, self.version, self.resolver = "c", library.name, "grfkit C runtime"
        try:
            # an absolute path: a bare name would be looked for where the system keeps its libraries
            self._library = ctypes.CDLL(str(library.resolve()))
            self._head = _Head.in_dll(self._library, f"grf_{library.stem}")
        except (OSError, ValueError) as error:
            raise BadInputError(f"{library}: holds no model 'grf_{library.stem}' for this machine ({error})") from error
        head = self._head
        self.input = Port((1, head.points, head.inputs), "int8", *input_scale)
        self.output = Port((1, head.points, head.outputs), "int8", *output_scale)
        self.stream = bool(head.stream)
        self._window_scratch, self._stream_scratch = self._scratch(), self._scratch()
        self._started = False

    def _scratch(self) -> Any:
        # of 32-bit numbers, because the runtime asks for memory aligned to 4 bytes
        return (ctypes.c_uint32 * -(-self._head.scratch_bytes // 4))()

    def run(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return the predictions (n, time, axes) for windows (n, time, width), each from a state of zeros.

        Raises
        ------
        BadInputError
            If the windows are not int8 of the model's shape.
        """
        expected = self.input.shape[1:]
        if windows.ndim != 3 or windows.shape[1:] != expected or windows.dtype != np.int8:
            raise BadInputError(
                f"windows are {windows.dtype.name} of shape {windows.shape}, the library takes int8 of shape (n,"
                f" {expected[0]}, {expected[1]})"
            )
        predictions = np.empty((len(windows), *self.output.shape[1:]), dtype=np.int8)
        for window, prediction in zip(np.ascontiguousarray(windows), predictions):
            self._call("grf_model_run", _pointer(window), _pointer(prediction), self._window_scratch)
        return predictions

    def start(self) -> None:
        """Begin a stream at any sample, with nothing before it.

        Raises
        ------
        BadInputError
            If the model needs its whole window.
        """
        self._call("grf_model_start", self._stream_scratch)
        self._started = True

    def step(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the predictions (rows, axes) for the next rows (rows, width), any number of them at once.

        Raises
        ------
        BadInputError
            Before ``start``, or if the rows are not int8 of the model's width.
        """
        if not self._started:
            raise BadInputError("no stream was started; call start first")
        width = self.input.shape[2]
        if rows.ndim != 2 or rows.shape[1] != width or rows.dtype != np.int8 or not len(rows):
            raise BadInputError(
                f"rows are {rows.dtype.name} of shape {rows.shape}; expected int8 of shape (rows, {width})"
            )
        rows = np.ascontiguousarray(rows)
        predictions = np.empty((len(rows), self.output.shape[2]), dtype=np.int8)
        count = ctypes.c_uint32(len(rows))
        self._call("grf_model_step", _pointer(rows), _pointer(predictions), count, self._stream_scratch)
        return predictions

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(ctypes.byref(self._head), *arguments)
        if status:
            raise BadInputError(f"{name} of '{self.version}' answered {status}: {_STATUS.get(status, 'unknown')}")


def _library_in(path: Path) -> tuple[Path, tuple[tuple[float, int], tuple[float, int]]]:
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
    scales = [(p.scale, p.zero_point) for p in (manifest.input, manifest.output)]
    return library, (scales[0], scales[1])


def _pointer(values: Bytes) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.ctypes.data)
