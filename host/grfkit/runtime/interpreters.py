"""A .tflite file -> answers to windows, by whichever interpreter is installed; its state is new for every window."""

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

from ..errors import BadInputError
from .streaming import Port, Raw, Streaming
from .streaming_c import CRuntime

Resolver = Literal["xnnpack", "builtin", "reference"]
RESOLVERS: Mapping[str, str] = {
    "xnnpack": "BUILTIN",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
"""Ours -> the interpreters' name: optimised kernels with and without the XNNPACK delegate, and reference kernels."""
ARENA = 1 << 20
"""Least memory given to TFLite Micro on the host, bytes."""


class Interpreter(Protocol):
    """What every backend gives.

    Attributes
    ----------
    backend, version
        Which interpreter this is.
    resolver
        Which kernels it runs.
    """

    backend: str
    version: str
    resolver: str
    input: Port
    output: Port

    def run(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return the answers (n, time, axes) to windows (n, time, width), each from a state of zeros.

        Raises
        ------
        BadInputError
            If shape or type are not those of the input.
        """
        ...

    def start(self, points: int = 1) -> None:
        """Begin a stream at any sample, with nothing before it; so many samples are answered at once.

        Raises
        ------
        BadInputError
            If the network needs its whole window.
        """
        ...

    def step(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the answers (rows, axes) to the next rows (rows, width): the bytes of the whole window.

        Raises
        ------
        BadInputError
            Before ``start``, or if the rows do not fit.
        """
        ...


class LiteRt(Streaming):
    """LiteRT, or its older name tflite-runtime: the same interface in another package."""

    def __init__(self, module: ModuleType, package: str, content: bytes, resolver: Resolver) -> None:
        self.backend, self.version, self.resolver = package, _version(package), RESOLVERS[resolver]
        if resolver == "xnnpack":
            self.resolver += " with XNNPACK"
        self._content, self._module, self._kernels = content, module, RESOLVERS[resolver]
        self._engine = self._engine_of(content)
        (takes,), (gives,) = self._engine.get_input_details(), self._engine.get_output_details()
        self._in, self._out = takes["index"], gives["index"]
        self.input, self.output = _port(takes), _port(gives)

    def _engine_of(self, content: bytes) -> Any:
        kind = getattr(self._module.OpResolverType, self._kernels)
        try:
            made = self._module.Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=kind)
            made.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BadInputError(f"{self.backend} {self.version} does not take the file ({_line(error)})") from error
        return made

    def _raw(self, content: bytes, inputs: int) -> Raw:
        del inputs
        return _LiteRtRaw(self._engine_of(content))

    def run(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return the answers (n, time, axes) to windows (n, time, width), each from a state of zeros."""
        made = _room(self, windows)
        for i, window in enumerate(windows):
            self._engine.reset_all_variables()
            self._engine.set_tensor(self._in, window[None])
            self._engine.invoke()
            made[i] = self._engine.get_tensor(self._out)[0]
        return made


class Micro(Streaming):
    """TFLite Micro's own interpreter, on the host."""

    def __init__(self, content: bytes) -> None:
        self.backend, self.version, self.resolver = "tflite-micro", _version("tflite-micro"), "TFLM reference kernels"
        self._content = content
        self._engine = self._engine_of(content)
        takes, gives = self._engine.get_input_details(0), self._engine.get_output_details(0)
        self.input, self.output = _micro_port(takes), _micro_port(gives)

    def _engine_of(self, content: bytes) -> Any:
        runtime = import_module("tflite_micro.python.tflite_micro.runtime")
        try:
            return runtime.Interpreter.from_bytes(content, arena_size=max(ARENA, 10 * len(content)))
        except (ValueError, RuntimeError) as error:
            raise BadInputError(f"tflite-micro {self.version} does not take the file ({_line(error)})") from error

    def _raw(self, content: bytes, inputs: int) -> Raw:
        return _MicroRaw(self._engine_of(content), inputs)

    def run(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return the answers (n, time, axes) to windows (n, time, width), each from a state of zeros."""
        made = _room(self, windows)
        for i, window in enumerate(windows):
            self._engine.reset()
            self._engine.set_input(np.ascontiguousarray(window[None]), 0)
            self._engine.invoke()
            made[i] = self._engine.get_output(0)[0]
        return made


class _LiteRtRaw:
    """All inputs and outputs of a file in LiteRT or tflite-runtime."""

    def __init__(self, engine: Any) -> None:
        self._engine, self._inputs, self._outputs = engine, engine.get_input_details(), engine.get_output_details()

    def reset(self) -> None:
        self._engine.reset_all_variables()

    def types(self) -> list[tuple[tuple[int, ...], str]]:
        return [(p.shape, p.dtype) for p in map(_port, self._inputs)]

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        for place, value in zip(self._inputs, inputs):
            self._engine.set_tensor(place["index"], value)
        self._engine.invoke()
        return [self._engine.get_tensor(place["index"]) for place in self._outputs]


class _MicroRaw:
    """All inputs and outputs of a file in TFLite Micro; there are as many of both."""

    def __init__(self, engine: Any, count: int) -> None:
        self._engine, self._count = engine, count

    def reset(self) -> None:
        self._engine.reset()

    def types(self) -> list[tuple[tuple[int, ...], str]]:
        ports = [_micro_port(self._engine.get_input_details(i)) for i in range(self._count)]
        return [(p.shape, p.dtype) for p in ports]

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        for i, value in enumerate(inputs):
            self._engine.set_input(np.ascontiguousarray(value), i)
        self._engine.invoke()
        return [self._engine.get_output(i) for i in range(self._count)]


def _litert(content: bytes, resolver: Resolver) -> Interpreter:
    return LiteRt(import_module("ai_edge_litert.interpreter"), "ai-edge-litert", content, resolver)


def _tflite_runtime(content: bytes, resolver: Resolver) -> Interpreter:
    return LiteRt(import_module("tflite_runtime.interpreter"), "tflite-runtime", content, resolver)


def _micro(content: bytes, resolver: Resolver) -> Interpreter:
    del resolver
    return Micro(content)


BACKENDS: Mapping[str, tuple[str, Callable[[bytes, Resolver], Interpreter]]] = {
    "litert": ("ai_edge_litert", _litert),
    "tflite-runtime": ("tflite_runtime", _tflite_runtime),
    "tflm": ("tflite_micro", _micro),
}
"""Name -> (module it needs, what makes it). ``auto`` takes the first of the first two that is installed."""
AUTO = ("litert", "tflite-runtime")


def available() -> tuple[str, ...]:
    """Return the backends whose package is installed."""
    return tuple(name for name, (module, _) in BACKENDS.items() if find_spec(module) is not None)


def load(file: Path | bytes, backend: str = "auto", *, resolver: Resolver = "xnnpack") -> Interpreter:
    """Return an interpreter of a .tflite file.

    Parameters
    ----------
    file
        A path, or what the file holds; for ``c`` the path of a shared library, or of a bundle with one in it.
    backend
        One of :data:`BACKENDS`; ``auto``: LiteRT, else tflite-runtime; or ``c``: a model compiled before
        (:class:`~grfkit.runtime.streaming_c.CRuntime`).
    resolver
        Which kernels LiteRT and tflite-runtime run; answers differ by steps of the last bit between them.

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
        wanted = " or ".join(AUTO) if backend == "auto" else backend
        raise BadInputError(f"no interpreter of .tflite files is installed ({wanted}); pip install 'grfkit[edge]'")
    return BACKENDS[installed[0]][1](_content(file), resolver)


def _content(file: Path | bytes) -> bytes:
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


def _room(engine: Interpreter, windows: NDArray[Any]) -> NDArray[Any]:
    """Return an array for the answers to windows of the right shape and type."""
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
