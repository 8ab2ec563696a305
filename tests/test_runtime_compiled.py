"""The compiled library: windows and rows one by one are answered with the bytes of TFLite Micro's whole window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tflite_models as made
from firmware_c import need, need_compiler
from grfkit.deploy.compile_c import compile_c
from grfkit.deploy.emit_c import c_model
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.errors import BadInputError
from grfkit.runtime import load
from grfkit.runtime.compiled import CRuntime

POINTS = 40
CAUSAL: dict[str, Callable[[int], bytes]] = {
    "lstm": lambda points: made.lstm(points, 6, 8, 4),
    "lstm_stack": lambda points: made.lstm(points, 3, 5, 5, layers=2, power=-9),
    "tcn": lambda points: made.tcn(points, 6, 10, 6),
    "tcn_deep": lambda points: made.tcn(points, 3, 5, 8, levels=3, taps=5),
}
Library = Callable[[str], tuple[bytes, Path]]


def streamed(c: CRuntime, rows: np.ndarray, each: int) -> np.ndarray:
    c.start()
    return np.concatenate([c.step(rows[k : k + each]) for k in range(0, len(rows), each)])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    need("ai_edge_litert", "flatbuffers", "tflite_micro")
    need_compiler()
    libraries: dict[str, tuple[bytes, Path]] = {}

    def build(name: str) -> tuple[bytes, Path]:
        if name not in libraries:
            folder = tmp_path_factory.mktemp(name)
            content = CAUSAL[name](POINTS) if name in CAUSAL else made.bilstm(15, 4, 5, 1)
            compile_c(c_model(TfliteFile.of(content), name), folder)
            libraries[name] = content, folder / f"{name}.so"
        return libraries[name]

    return build


@given(start=st.integers(0, 3 * POINTS), rows=st.integers(1, 3), seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", ["lstm", "tcn"])
def test_a_stream_may_begin_anywhere_and_forgets_what_was_before(
    name: str, start: int, rows: int, seed: int, library: Library
) -> None:
    """A device cuts windows where contacts are: what it answers is the window's, whatever it was shown earlier."""
    c = CRuntime(library(name)[1])
    rng = np.random.default_rng(seed)
    recording = rng.integers(-128, 128, (4 * POINTS, c.input.shape[2])).astype(np.int8)
    c.start()
    c.step(recording[:start] if start else recording[:1])
    window = recording[start : start + POINTS]
    np.testing.assert_array_equal(streamed(c, window, rows), c.run(window[None])[0])


@pytest.mark.parametrize("name", CAUSAL)
def test_the_compiled_library_answers_windows_and_rows_with_the_same_bytes(name: str, library: Library) -> None:
    content, path = library(name)
    c, micro = CRuntime(path), load(content, "tflm")
    assert (load(path, "c").backend, c.input.shape, c.output.shape) == ("c", micro.input.shape, micro.output.shape)
    windows = made.windows(9, *micro.input.shape[1:], seed=8)
    due = micro.run(windows)
    assert np.unique(due).size > 10  # a model that answers one value proves nothing
    np.testing.assert_array_equal(c.run(windows), due)
    c.start()
    first = c.step(windows[0, :7])
    np.testing.assert_array_equal(c.run(windows[::-1]), due[::-1])  # another memory
    np.testing.assert_array_equal(np.concatenate([first, c.step(windows[0, 7:])]), due[0])
    # beyond the window's length it goes on as a longer window does
    long = windows.reshape(1, -1, windows.shape[2])
    np.testing.assert_array_equal(streamed(c, long[0], 11), load(CAUSAL[name](9 * POINTS), "tflm").run(long)[0])


def test_what_does_not_stream_is_refused_by_name(library: Library, tmp_path: Path) -> None:
    one = CRuntime(library("lstm")[1])
    with pytest.raises(BadInputError, match="no stream was started"):
        one.step(np.zeros((1, 6), dtype=np.int8))
    one.start()
    for wrong in (np.zeros((10, 5), np.int8), np.zeros((10, 6), np.float32), np.zeros((0, 6), np.int8),
                  np.zeros((1, 10, 6), np.int8)):  # fmt: skip
        with pytest.raises(BadInputError, match=r"expected int8 of shape \(rows, 6\)"):
            one.step(wrong)
    _, path = library("bilstm")
    c = CRuntime(path)
    with pytest.raises(BadInputError, match=r"grf_model_start of 'bilstm\.so' answered 3: .*its whole window"):
        c.start()
    with pytest.raises(BadInputError, match="no stream was started"):
        c.step(np.zeros((1, 4), dtype=np.int8))
    with pytest.raises(BadInputError, match=r"the library takes int8 of shape \(n, 15, 4\)"):
        c.run(np.zeros((1, 15, 5), dtype=np.int8))
    renamed = tmp_path / "other.so"
    renamed.write_bytes(path.read_bytes())
    with pytest.raises(BadInputError, match=r"other\.so: holds no model 'grf_other'"):
        load(renamed, "c")
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(BadInputError, match=r"text\.so: holds no model"):
        load(tmp_path / "text.so", "c")
    with pytest.raises(BadInputError, match="is no library and no bundle"):
        load(tmp_path / "none.so", "c")
    with pytest.raises(BadInputError, match=r"is no bundle"):
        load(tmp_path, "c")
    with pytest.raises(BadInputError, match="takes the path of a shared library"):
        load(b"", "c")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "tcn"])
def test_a_trained_network_streams_as_it_answers_windows(name: str, tmp_path: Path) -> None:
    """Trained, converted, compiled: windows of one recording that begin anywhere, in int8 and in torch."""
    need("tensorflow", "tf_keras")
    need_compiler()
    import torch

    from grfkit.deploy.convert import convert_model
    from grfkit.learn.folds import Fold
    from grfkit.learn.networks import network_config
    from grfkit.learn.train import fit
    from grfkit.learn.train_config import TrainConfig
    from learn_sets import made_up

    more = {"layers": 2, "kernel": 3} if name == "tcn" else {}
    network = network_config(name, hidden=8, head=(8,), dropout=0.0, **more)
    config = TrainConfig(epochs=4, lr=1e-2, patience=0)
    model = fit(network, config, made_up("abc", window="continuous", points=30), Fold("f", ("a", "b", "c"), (), ()))
    int8 = convert_model(model, kinds=("int8",)).files["int8"]
    rng = np.random.default_rng(4)
    recording = np.cumsum(rng.normal(size=(90, 5)), axis=0).astype(np.float32)
    recording = (recording - recording.mean(axis=0)) / recording.std(axis=0)
    starts = (0, 1, 17, 60)
    windows = np.stack([recording[k : k + 30] for k in starts])
    stored = np.clip(np.rint(windows / int8.input.scale) + int8.input.zero_point, -128, 127).astype(np.int8)
    c, due = compile_c(c_model(int8, name), tmp_path), load(int8.content, "tflm").run(stored)
    for points in (1, 10):
        np.testing.assert_array_equal([streamed(c, w, points) for w in stored], due)
    if name == "lstm":
        with torch.no_grad():
            whole, state = model.network.body(torch.from_numpy(windows)), None
            for i in range(30):
                row, state = model.network.body.step(torch.from_numpy(windows[:, i : i + 1]), state)
                torch.testing.assert_close(row[:, 0], whole[:, i], atol=1e-6, rtol=0)
