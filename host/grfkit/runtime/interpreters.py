"""Predictions of a .tflite file for windows, by the interpreter that is installed; every window starts from zeros."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import PathLike
from ..errors import BadInputError
from .compiled import CRuntime
from .numbers import Port

Resolver = Literal["xnnpack", "builtin", "reference"]
RESOLVERS: Mapping[str, str] = {
    "xnnpack": "BUILTIN",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
"""Our name -> theirs: optimised kernels with and without XNNPACK, and reference kernels."""
ARENA, ARENA_PER_BYTE = 1 << 20, 10
"""Memory for TFLite Micro on the host: bytes at least, and for each byte of the file. Chosen by hand, far above what
the networks here need: on a host it costs nothing, and too little would refuse a good file."""


class Interpreter(Protocol):
    """The interface of every backend.

    Attributes
    ----------
    backend, version
        Which interpreter runs, and of which version.
    resolver
        The kernels in use.
    """

    backend: str
    version: str
    resolver: str
    input: Port
    output: Port

    def run(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return the predictions (n, time, axes) for windows (n, time, width), each from a state of zeros.

        Raises
        ------
        BadInputError
            If shape or type are not those of the input.
        """
        ...


class LiteRt:
    """LiteRT, or its older name tflite-runtime: the same interface in another package."""

    def __init__(self, module: ModuleType, package: str, content: bytes, resolver: Resolver) -> None:
        self.backend, self.version, self.resolver = package, _version(package), RESOLVERS[resolver]
        if resolver == "xnnpack":
            self.resolver += " with XNNPACK"
        kernels = getattr(module.OpResolverType, RESOLVERS[resolver])
        try:
            engine = module.Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=kernels)
            engine.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BadInputError(f"{package} {self.version} does not take the file ({_line(error)})") from error
        # the interpreter reads the file's bytes for as long as it lives
        self._engine, self._content = engine, content
        (source,), (target,) = engine.get_input_details(), engine.get_output_details()
        self._in, self._out = source["index"], target["index"]
        self.input, self.output = _port(source), _port(target)

    def run(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return the predictions (n, time, axes) for windows (n, time, width), each from a state of zeros."""
        predictions = _room_for_predictions(self, windows)
        for i, window in enumerate(windows):
            # the state of an LSTM outlives a run: outputs of the next window would be up to 31 steps off
            self._engine.reset_all_variables()
            self._engine.set_tensor(self._in, window[None])
            self._engine.invoke()
            predictions[i] = self._engine.get_tensor(self._out)[0]
        return predictions


class Micro:
    """TFLite Micro's own interpreter, on the host."""

    def __init__(self, content: bytes) -> None:
        self.backend, self.version, self.resolver = "tflite-micro", _version("tflite-micro"), "TFLM reference kernels"
        runtime = import_module("tflite_micro.python.tflite_micro.runtime")
        try:
            engine = runtime.Interpreter.from_bytes(content, arena_size=max(ARENA, ARENA_PER_BYTE * len(content)))
        except (ValueError, RuntimeError) as error:
            raise BadInputError(f"tflite-micro {self.version} does not take the file ({_line(error)})") from error
        self._engine, self._content = engine, content
        self.input, self.output = _micro_port(engine.get_input_details(0)), _micro_port(engine.get_output_details(0))

    def run(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return the predictions (n, time, axes) for windows (n, time, width), each from a state of zeros."""
        predictions = _room_for_predictions(self, windows)
        for i, window in enumerate(windows):
            self._engine.reset()
            self._engine.set_input(np.ascontiguousarray(window[None]), 0)
            self._engine.invoke()
            predictions[i] = self._engine.get_output(0)[0]
        return predictions


def _litert(content: bytes, resolver: Resolver) -> Interpreter:
    return LiteRt(import_module("ai_edge_litert.interpreter"), "ai-edge-litert", content, resolver)


def _tflite_runtime(content: bytes, resolver: Resolver) -> Interpreter:
    return LiteRt(import_module("tflite_runtime.interpreter"), "tflite-runtime", content, resolver)


BACKENDS: Mapping[str, tuple[str, Callable[[bytes, Resolver], Interpreter]]] = {
    "litert": ("ai_edge_litert", _litert),
    "tflite-runtime": ("tflite_runtime", _tflite_runtime),
    "tflm": ("tflite_micro", lambda content, _: Micro(content)),
}
"""Name -> (module it needs, how it is opened)."""
AUTO = ("litert", "tflite-runtime")
"""Backends that ``auto`` looks for, in this order: LiteRT is the maintained successor of tflite-runtime."""


def available() -> tuple[str, ...]:
    """Return the backends whose package is installed."""
    return tuple(name for name, (module, _) in BACKENDS.items() if find_spec(module) is not None)


def label(engine: Interpreter) -> str:
    """Return backend, version and kernels of an interpreter in words, as reports and manifests name it."""
    return f"{engine.backend} {engine.version}, {engine.resolver}"


def load(file: PathLike | bytes, backend: str = "auto", *, resolver: Resolver = "xnnpack") -> Interpreter:
    """Return an interpreter of a .tflite file.

    Parameters
    ----------
    file
        A path, or the file's bytes; for ``c`` the path of a shared library, or of a bundle with one in it.
    backend
        One of :data:`BACKENDS`; ``auto``: LiteRT, else tflite-runtime; or ``c``: a model compiled before
        (:class:`~grfkit.runtime.compiled.CRuntime`).
    resolver
        The kernels of LiteRT and tflite-runtime; predictions differ by steps of the last bit between them.

    Raises
    ------
    BadInputError
        If the backend is unknown or not installed, or does not take the file.
    """
    if backend == "c":
        if isinstance(file, bytes):
            raise BadInputError("backend c takes the path of a shared library or bundle, not what a file holds")
        return CRuntime(file)
    if backend != "auto" and backend not in BACKENDS:
        raise BadInputError(f"there is no backend '{backend}'; there are auto, {', '.join(BACKENDS)}, c")
    if resolver not in RESOLVERS:
        raise BadInputError(f"there is no resolver '{resolver}'; there are {', '.join(RESOLVERS)}")
    installed = [n for n in (AUTO if backend == "auto" else (backend,)) if n in available()]
    if not installed:
        missing = " or ".join(AUTO) if backend == "auto" else backend
        raise BadInputError(f"no interpreter of .tflite files is installed ({missing}); pip install 'grfkit[edge]'")
    return BACKENDS[installed[0]][1](_content(file), resolver)


def _content(file: PathLike | bytes) -> bytes:
    if isinstance(file, bytes):
        content, name = file, "the file"
    else:
        name = str(file)
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise BadInputError(f"{file}: cannot be read ({error.strerror or error})") from error
    if content[4:8] != b"TFL3":
        raise BadInputError(f"{name} is no .tflite file: bytes 4 to 8 are {content[4:8]!r}, expected b'TFL3'")
    return content


def _room_for_predictions(engine: Interpreter, windows: NDArray[Any]) -> NDArray[Any]:
    """Return an empty array for the predictions; refuse windows of another shape or type."""
    expected = engine.input
    if windows.ndim != 3 or windows.shape[1:] != expected.shape[1:] or windows.dtype.name != expected.dtype:
        raise BadInputError(
            f"windows are {windows.dtype.name} of shape {windows.shape}, the file takes {expected.dtype} of shape"
            f" (n, {', '.join(str(s) for s in expected.shape[1:])})"
        )
    return np.empty((len(windows), *engine.output.shape[1:]), dtype=engine.output.dtype)


def _port(details: dict[str, Any]) -> Port:
    scale, point = details["quantization"]
    return Port(tuple(int(s) for s in details["shape"]), np.dtype(details["dtype"]).name, float(scale), int(point))


def _micro_port(details: dict[str, Any]) -> Port:
    numbers = details["quantization_parameters"]
    scales, points = np.atleast_1d(numbers["scales"]), np.atleast_1d(numbers["zero_points"])
    shape = tuple(int(s) for s in details["shape"])
    first = (float(scales[0]), int(points[0])) if scales.size else (0.0, 0)
    return Port(shape, np.dtype(details["dtype"]).name, *first)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
