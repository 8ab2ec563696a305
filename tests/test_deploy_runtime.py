"""The runtime alone: numbers, refusals, and that it brings neither torch nor TensorFlow with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.runtime import BACKENDS, from_int8, interpreters, load, to_int8

scales = st.floats(1e-4, 1.0)
points = st.integers(-128, 127)


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=50), scales, points)
def test_eight_bits_to_real_and_back_are_the_same(stored: list[int], scale: float, zero_point: int) -> None:
    values = np.asarray(stored, dtype=np.int8)
    again = to_int8(from_int8(values, scale=scale, zero_point=zero_point), scale=scale, zero_point=zero_point)
    assert again.values.tolist() == stored
    assert again.beyond == 0


@given(st.lists(st.floats(-300, 300), min_size=1, max_size=50), scales, points)
def test_the_nearest_number_is_taken_and_what_is_beyond_is_counted(real: list[float], scale: float, zero: int) -> None:
    values = np.asarray(real)
    made = to_int8(values, scale=scale, zero_point=zero)
    low, high = (-128 - zero) * scale, (127 - zero) * scale
    inside = (values >= low) & (values <= high)
    off = np.abs(from_int8(made.values, scale=scale, zero_point=zero) - values)
    assert (off[inside] <= 0.5 * scale * (1 + 1e-9)).all()
    assert (made.values[values > high] == 127).all()
    assert (made.values[values < low] == -128).all()
    far = (values > high + 0.51 * scale) | (values < low - 0.51 * scale)
    assert far.sum() <= made.beyond <= (~inside).sum()


def test_halves_are_rounded_up_and_what_is_no_number_is_refused() -> None:
    assert to_int8(np.asarray([0.5, -0.5, 1.5, -1.5]), scale=1.0, zero_point=0).values.tolist() == [1, 0, 2, -1]
    assert to_int8(np.asarray([127.4, 127.5, -128.5, -128.6]), scale=1.0, zero_point=0).beyond == 2
    with pytest.raises(ValueError, match="1 of 2 numbers are not finite"):
        to_int8(np.asarray([np.nan, 0.0]), scale=1.0, zero_point=0)


def test_the_runtime_brings_no_training_libraries() -> None:
    program = (
        "import sys, grfkit.runtime as r; r.available();"
        "bad = {'torch', 'tensorflow', 'tf_keras', 'xarray', 'scipy', 'pydantic', 'pandas'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(bad)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_loaded_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInputError, match="no backend 'onnx'; there are auto, litert, tflite-runtime, tflm"):
        load(b"", "onnx")
    with pytest.raises(BadInputError, match="no resolver 'fast'; there are xnnpack"):
        load(b"", resolver="fast")  # type: ignore[arg-type]
    monkeypatch.setattr(interpreters, "available", lambda: ("tflm",))
    with pytest.raises(BadInputError, match=r"\(litert or tflite-runtime\); pip install 'grfkit\[edge\]'"):
        load(b"")
    monkeypatch.setattr(interpreters, "available", lambda: tuple(BACKENDS))
    broken = tmp_path / "model.tflite"
    broken.write_bytes(b"not a model")
    with pytest.raises(BadInputError, match=r"model\.tflite is no \.tflite file: bytes 4 to 8 are b'a mo'"):
        load(broken)
    with pytest.raises(BadInputError, match="cannot be read"):
        load(tmp_path / "none.tflite")


def test_litert_is_taken_first_then_tflite_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def fake(name: str) -> object:
        return lambda _, resolver: taken.append(f"{name} {resolver}")

    known = {n: (n, fake(n)) for n in BACKENDS}
    monkeypatch.setattr(interpreters, "BACKENDS", known)
    content = b"\0\0\0\0TFL3"
    for installed in (("tflm", "tflite-runtime", "litert"), ("tflm", "tflite-runtime")):
        monkeypatch.setattr(interpreters, "available", lambda installed=installed: installed)
        load(content, resolver="reference")
    assert taken == ["litert reference", "tflite-runtime reference"]
