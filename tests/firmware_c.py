"""The C runtime's parts in a shared library, for tests; what is missing on a machine is told as a reason to skip."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
from pathlib import Path

import numpy as np
import pytest

from grfkit.embedded.compile import RUNTIME, build_shared, compiler

PROBES = RUNTIME.parent / "tests"


def need_compiler() -> None:
    if compiler() is None:
        pytest.skip("no C compiler (cc, gcc, clang)")


def need(*modules: str) -> None:
    for name in modules:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


def need_flags(cc: str, *flags: str, folder: Path) -> None:
    """Skip where a compiler cannot build the smallest program with these flags (sanitizers come in a package)."""
    source = folder / "smallest.c"
    body = "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { (void)d; (void)n; return 0; }"
    source.write_text(body if any("fuzzer" in flag for flag in flags) else "int main(void) { return 0; }")
    command = [cc, *flags, str(source), "-o", str(folder / "smallest")]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip(f"{Path(cc).name} has no {' '.join(flag for flag in flags if 'sanitize' in flag)}")


def pointer(values: np.ndarray) -> ctypes.c_void_p:
    assert values.flags.c_contiguous
    return values.ctypes.data_as(ctypes.c_void_p)  # holds the array as well


def probes(folder: Path) -> ctypes.CDLL:
    """The functions of probe.h."""
    need_compiler()
    library = build_shared([PROBES / "probe.c"], folder / "probe.so")
    return ctypes.CDLL(str(library))


def tflm(content: bytes, windows: np.ndarray, *, reset: bool = True) -> np.ndarray:
    """What TFLite Micro answers to windows, in their order; state is reset before each."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=4_000_000)
    answers = []
    for window in windows:
        if reset:
            interpreter.reset()
        interpreter.set_input(window[None], 0)
        interpreter.invoke()
        answers.append(interpreter.get_output(0)[0].copy())
    return np.asarray(answers)
