"""Rows as they come are answered with the bytes of the whole window: LiteRT, TFLite Micro, C, trained networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tflite_models as made
from firmware_c import need, need_compiler
from grfkit.errors import BadInputError
from grfkit.runtime import Interpreter, load
from grfkit.runtime.streaming_file import step_file

POINTS = 40
CAUSAL: dict[str, Callable[[int], bytes]] = {
    "lstm": lambda points: made.lstm(points, 6, 8, 4),
    "lstm_stack": lambda points: made.lstm(points, 3, 5, 5, layers=2, power=-9),
    "tcn": lambda points: made.tcn(points, 6, 10, 6),
    "tcn_deep": lambda points: made.tcn(points, 3, 5, 8, levels=3, taps=5),
}
ENGINES = [("litert", "xnnpack"), ("litert", "reference"), ("tflm", "xnnpack")]


@pytest.fixture(autouse=True)
def _installed() -> None:
    need("ai_edge_litert", "flatbuffers", "tflite_micro")


def streamed(engine: Interpreter, rows: np.ndarray, points: int, each: int | None = None) -> np.ndarray:
    engine.start(points)
    each = each or points
    return np.concatenate([engine.step(rows[k : k + each]) for k in range(0, len(rows), each)])


@pytest.mark.parametrize("points", [1, 10])
@pytest.mark.parametrize("engine", ENGINES, ids=["xnnpack", "reference", "micro"])
@pytest.mark.parametrize("name", CAUSAL)
def test_row_by_row_gives_the_bytes_of_the_whole_window(name: str, engine: tuple[str, str], points: int) -> None:
    content = CAUSAL[name](POINTS)
    one = load(content, engine[0], resolver=engine[1])  # type: ignore[arg-type]
    windows = made.windows(4, *one.input.shape[1:], seed=3)
    due = one.run(windows)
    assert np.unique(due).size > 10  # a model that answers one value proves nothing
    for window, answer in zip(windows, due):
        np.testing.assert_array_equal(streamed(one, window, points), answer)
    # windows answered in between leave the stream alone, and the stream leaves the windows alone
    one.start(points)
    first = one.step(windows[0, :20])
    np.testing.assert_array_equal(one.run(windows), due)
    np.testing.assert_array_equal(np.concatenate([first, one.step(windows[0, 20:])]), due[0])


@given(start=st.integers(0, 3 * POINTS), rows=st.integers(1, 3), seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("name", ["lstm", "tcn"])
def test_a_stream_may_begin_anywhere_and_forgets_what_was_before(name: str, start: int, rows: int, seed: int) -> None:
    """A device cuts windows where contacts are: what it answers is the window's, whatever it was shown earlier."""
    one = load(CAUSAL[name](POINTS), "litert")
    rng = np.random.default_rng(seed)
    recording = rng.integers(-128, 128, (4 * POINTS, one.input.shape[2])).astype(np.int8)
    one.start(1)
    one.step(recording[:start] if start else recording[:1])
    window = recording[start : start + POINTS]
    found = streamed(one, window, 1, each=rows)
    np.testing.assert_array_equal(found, one.run(window[None])[0])


def test_a_stream_longer_than_the_window_is_that_of_a_longer_window() -> None:
    for name in CAUSAL:
        short, long = load(CAUSAL[name](20), "tflm"), load(CAUSAL[name](90), "tflm")
        window = made.windows(1, *long.input.shape[1:], seed=5)
        np.testing.assert_array_equal(streamed(short, window[0], 10), long.run(window)[0])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[bytes, Path]]:
    need("ai_edge_litert", "flatbuffers")
    need_compiler()
    from grfkit.deploy.clib import write_model
    from grfkit.deploy.emit_c import c_model
    from grfkit.deploy.tflite_file import TfliteFile
    from grfkit.embedded.compile import build_shared

    known: dict[str, tuple[bytes, Path]] = {}

    def build(name: str) -> tuple[bytes, Path]:
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            content = CAUSAL[name](POINTS) if name in CAUSAL else made.bilstm(15, 4, 5, 1)
            source = write_model(c_model(TfliteFile.of(content), name), folder)
            known[name] = content, build_shared([source], folder / f"{name}.so")
        return known[name]

    return build


@pytest.mark.parametrize("name", CAUSAL)
def test_the_compiled_library_answers_windows_and_rows_with_the_same_bytes(
    name: str, library: Callable[[str], tuple[bytes, Path]]
) -> None:
    content, path = library(name)
    c, micro = load(path, "c"), load(content, "tflm")
    assert (c.backend, c.input.shape, c.output.shape) == ("c", micro.input.shape, micro.output.shape)
    windows = made.windows(9, *micro.input.shape[1:], seed=8)
    due = micro.run(windows)
    np.testing.assert_array_equal(c.run(windows), due)
    c.start()
    first = c.step(windows[0, :7])
    np.testing.assert_array_equal(c.run(windows[::-1]), due[::-1])  # another memory
    np.testing.assert_array_equal(np.concatenate([first, c.step(windows[0, 7:])]), due[0])
    # beyond the window's length all go on alike
    long = windows.reshape(-1, windows.shape[2])
    np.testing.assert_array_equal(streamed(c, long, 1, each=11), streamed(micro, long, 10))


def test_what_does_not_stream_is_refused_by_name(library: Callable[[str], tuple[bytes, Path]], tmp_path: Path) -> None:
    both = load(made.bilstm(15, 4, 5, 1))
    with pytest.raises(BadInputError, match=r"operator 0 REVERSE_V2 does not run sample by sample; .*\(lstm, tcn\)"):
        both.start()
    with pytest.raises(BadInputError, match=r"PAD of 'tensor_1' adds .*\[2, 2\].*looks ahead"):
        load(made.tcn(30, 6, 10, 7, causal=False, taps=5)).start()
    one = load(CAUSAL["lstm"](POINTS))
    with pytest.raises(BadInputError, match="no stream was started"):
        one.step(np.zeros((1, 6), dtype=np.int8))
    for points in (0, POINTS + 1):
        with pytest.raises(BadInputError, match=rf"{points} samples a step; expected 1 to the 40"):
            one.start(points)
    one.start(10)
    for wrong in (np.zeros((10, 5), np.int8), np.zeros((10, 6), np.float32), np.zeros((0, 6), np.int8),
                  np.zeros((15, 6), np.int8), np.zeros((1, 10, 6), np.int8)):  # fmt: skip
        with pytest.raises(BadInputError, match=r"expected int8 of shape \(rows, 6\), a multiple of 10 rows"):
            one.step(wrong)
    _, path = library("bilstm")
    c = load(path, "c")
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


@pytest.mark.parametrize("keep", [0, 8, 60, 1000])
def test_broken_files_are_refused(keep: int) -> None:
    with pytest.raises(BadInputError, match="broken or truncated"):
        step_file(CAUSAL["tcn"](POINTS)[:keep], 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "tcn"])
def test_a_trained_network_streams_as_it_answers_windows(name: str, tmp_path: Path) -> None:
    """Trained, converted, compiled: windows of one recording that begin anywhere, in int8, float32 and torch."""
    need("tensorflow", "tf_keras")
    need_compiler()
    import torch

    from grfkit.deploy.clib import write_model
    from grfkit.deploy.convert import convert_model
    from grfkit.deploy.emit_c import c_model
    from grfkit.embedded.compile import build_shared
    from grfkit.learn.folds import Fold
    from grfkit.learn.networks import network_config
    from grfkit.learn.train import TrainConfig, fit
    from learn_sets import made_up

    more = {"layers": 2, "kernel": 3} if name == "tcn" else {}
    network = network_config(name, hidden=8, head=(8,), dropout=0.0, **more)
    config = TrainConfig(epochs=4, lr=1e-2, patience=0)
    model = fit(network, config, made_up("abc", window="continuous", points=30), Fold("f", ("a", "b", "c"), (), ()))
    files = convert_model(model, kinds=("float32", "int8")).files
    rng = np.random.default_rng(4)
    recording = np.cumsum(rng.normal(size=(90, 5)), axis=0).astype(np.float32)
    recording = (recording - recording.mean(axis=0)) / recording.std(axis=0)
    starts = (0, 1, 17, 60)
    windows = np.stack([recording[k : k + 30] for k in starts])
    real = load(files["float32"].content, "litert")
    source = write_model(c_model(files["int8"], name), tmp_path)
    eight = [load(files["int8"].content, b) for b in ("litert", "tflm")]
    eight.append(load(build_shared([source], tmp_path / f"{name}.so"), "c"))
    port = eight[0].input
    stored = np.clip(np.rint(windows / port.scale) + port.zero_point, -128, 127).astype(np.int8)
    for points in (1, 10):
        for engine in eight:
            np.testing.assert_array_equal([streamed(engine, w, points) for w in stored], engine.run(stored))
        found = np.stack([streamed(real, w, points) for w in windows])
        np.testing.assert_allclose(found, real.run(windows), atol=2e-6)
    if name == "lstm":
        with torch.no_grad():
            whole, state = model.network.body(torch.from_numpy(windows)), None
            for i in range(30):
                row, state = model.network.body.step(torch.from_numpy(windows[:, i : i + 1]), state)
                torch.testing.assert_close(row[:, 0], whole[:, i], atol=1e-6, rtol=0)
