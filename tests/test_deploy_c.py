"""The C runtime against TFLite Micro, byte for byte: activations exhaustively, models window by window."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tflite_models as made
from firmware_c import need, need_compiler, pointer, probes, tflm
from grfkit.deploy.c_layers import NoC, factor
from grfkit.deploy.compile_c import compile_c
from grfkit.deploy.emit_c import c_model, pack_rows
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.errors import BadInputError
from grfkit.runtime.compiled import CRuntime

ALL = np.arange(-32768, 32768).astype(np.int16)
MODELS = {
    "bilstm": lambda: made.bilstm(41, 12, 16, 1),
    "bilstm_head": lambda: made.bilstm(17, 5, 7, 2, head=9),
    "bilstm_clip": lambda: made.bilstm(15, 12, 8, 3, clip=2.0, power=-12),
    "lstm": lambda: made.lstm(20, 3, 5, 4),
    "lstm_stack": lambda: made.lstm(20, 3, 5, 5, layers=2, power=-9),
    "lstm_fine_cell": lambda: made.lstm(20, 12, 10, 5, power=-14, gain=3.0),
    "lstm_steep": lambda: made.lstm(20, 8, 9, 6, power=-10, gain=9.0),
    "tcn": lambda: made.tcn(30, 6, 10, 6),
    "tcn_deep": lambda: made.tcn(40, 3, 5, 8, levels=4, taps=5),
    "cnn_centred": lambda: made.tcn(30, 6, 10, 7, causal=False, taps=5),
    "statics": lambda: made.with_statics(12, 7, 5, 8),
    "lags": lambda: made.lagged(20, 5, 6, 9),
    "lags_beyond": lambda: made.lagged(11, 3, 5, 10, step=4),
    "lags_both": lambda: made.lagged(20, 5, 6, 11, causal=False),
    "window": lambda: made.over_the_window(21, 5, 6, 12),
    # 26 x 19 weights of +-127, whose sums come within 5 % of what two rows in one number hold
    "window_full": lambda: made.over_the_window(101, 19, 4, 13, full=True),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return probes(tmp_path_factory.mktemp("probes"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory):
    """A model of ``MODELS`` with its library, built once."""
    need("ai_edge_litert", "flatbuffers")
    need_compiler()
    known: dict[str, tuple[bytes, CRuntime]] = {}

    def build(name: str) -> tuple[bytes, CRuntime]:
        if name not in known:
            content = MODELS[name]()
            model = c_model(TfliteFile.of(content), name)
            known[name] = content, compile_c(model, tmp_path_factory.mktemp(name))
        return known[name]

    return build


def _sigmoid_c(library: ctypes.CDLL) -> np.ndarray:
    y = np.empty_like(ALL)
    library.probe_sigmoid(pointer(ALL), pointer(y), ctypes.c_uint32(ALL.size))
    return y


def _tanh_c(library: ctypes.CDLL, power: int) -> np.ndarray:
    y = np.empty_like(ALL)
    library.probe_tanh(pointer(ALL), pointer(y), ctypes.c_uint32(ALL.size), ctypes.c_int32(power))
    return y


def test_the_sigmoid_of_all_65536_inputs_is_tflms(library):
    need("tflite_micro", "ai_edge_litert", "flatbuffers")
    np.testing.assert_array_equal(_sigmoid_c(library), tflm(made.activation("LOGISTIC", -12), ALL[None])[0])


@pytest.mark.parametrize("power", [-12, -11])
def test_the_tanh_of_all_65536_inputs_is_tflms(library, power):
    need("tflite_micro", "ai_edge_litert", "flatbuffers")
    np.testing.assert_array_equal(_tanh_c(library, power), tflm(made.activation("TANH", power), ALL[None])[0])


@pytest.mark.parametrize("power", [-16, -15, -13, -12, -10, -8, -3])
def test_every_tanh_is_close_to_tanh_and_odd_up_to_rounding(library, power):
    found = _tanh_c(library, power).astype(float)
    due = 32768 * np.tanh(ALL.astype(float) * 2.0**power)
    # below 2^-12 the input is first rounded, halves up, to thirds of 2^-12: one step there is 2.7 of the output's
    assert np.abs(found - np.clip(due, -32768, 32767)).max() <= 2.5
    assert np.abs(found[1:] + found[1:][::-1]).max() <= (1 if power >= -12 else 3)
    assert (np.diff(found) >= 0).all()


def test_the_sigmoid_is_close_to_the_sigmoid(library):
    due = 32768 / (1 + np.exp(ALL.astype(float) / -4096.0))
    # half of the straight line's error (0.34), half a unit of the table (0.25), half of the output's (0.5)
    assert np.abs(_sigmoid_c(library) - due).max() <= 1.1


def test_the_table_follows_its_rule():
    from grfkit.embedded.compile import RUNTIME

    text = (RUNTIME / "grf_math.c").read_text().split("{", 1)[1]
    words = np.asarray([int(w.strip().rstrip("u}; \n"), 16) for w in text.replace("}", "").split(",")], dtype=np.int64)
    i = np.arange(256)
    f, middle = (65536 / (1 + np.exp(-(i + s) / 24)) for s in (0.0, 0.5))
    error = (f + 65536 / (1 + np.exp(-(i + 1) / 24))) / 2 - middle
    due = np.floor(f - error / 2 + 0.5).astype(np.int64)
    due[-1] = 65535
    ends = np.append(due, 65535)
    np.testing.assert_array_equal(words[256:] >> 16, due)
    np.testing.assert_array_equal(words[:256] >> 16, 65536 - ends[:0:-1])
    np.testing.assert_array_equal(words & 0xFFFF, np.concatenate([np.diff(ends)[::-1], np.diff(ends)]))


def _gemmlowp(x: int, multiplier: int, left: int, right: int) -> int:
    """SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT, with numbers of any size."""
    product = x * 2**left * multiplier
    nudge = 2**30 if product >= 0 else 1 - 2**30
    high = abs(product + nudge) // 2**31 * (1 if product + nudge >= 0 else -1)
    mask = 2**right - 1
    rest = high & mask
    return (high >> right) + (1 if rest > (mask >> 1) + (1 if high < 0 else 0) else 0)


@given(
    st.lists(st.integers(-(2**22), 2**22), min_size=1, max_size=50),
    st.integers(2**30, 2**31 - 1),
    st.integers(-20, 8),
)
def test_rescaling_is_gemmlowps(library, values, multiplier, power):
    left, right = max(power, 0), max(-power, 0)
    x = np.asarray(values, dtype=np.int32)
    y = np.empty_like(x)
    scale = (ctypes.c_int32(multiplier), ctypes.c_int32(left + 1), ctypes.c_int32(right))
    library.probe_rescale(pointer(x), pointer(y), ctypes.c_uint32(x.size), *scale)
    assert y.tolist() == [_gemmlowp(v, multiplier, left, right) for v in values]


@given(st.integers(-31, 7), st.integers(1, 31))
def test_halves_round_away_from_zero_at_the_second_rounding(library, value, right):
    x = np.asarray([2 * value * 2 ** max(right - 1, 0)], dtype=np.int64)
    if abs(int(x[0])) >= 2**30:
        return
    x32, y = x.astype(np.int32), np.empty(1, dtype=np.int32)
    library.probe_rescale(
        pointer(x32), pointer(y), ctypes.c_uint32(1), ctypes.c_int32(2**30), ctypes.c_int32(1), ctypes.c_int32(right)
    )
    exact = value / 2
    assert y[0] == math.copysign(math.floor(abs(exact) + 0.5), exact)


@given(st.floats(1e-9, 200.0))
def test_factors_are_the_number_to_31_bits(real):
    one = factor(real)
    value = one.multiplier / 2**31 * 2.0 ** (one.up - 1) / 2.0**one.right
    assert abs(value / real - 1) <= 2**-31
    assert 2**30 <= one.multiplier < 2**31
    assert one.up >= 1
    assert one.right == 0 or one.up == 1


@given(st.integers(1, 9), st.integers(1, 11), st.integers(0, 2**31))
def test_packed_rows_hold_every_weight_once(rows, width, seed):
    weights = np.random.default_rng(seed).integers(-127, 128, (rows, width))
    packed = pack_rows(weights).astype(np.int64)
    low = (packed.astype(np.int64) + 128) % 256 - 128
    high = (packed - low) >> 8
    fours = -(-width // 4)
    unpacked = np.stack([low, high], axis=1).reshape(-1, fours, 2, 4, 2).transpose(0, 2, 4, 1, 3).reshape(-1, 4 * fours)
    np.testing.assert_array_equal(unpacked[:rows, :width], weights)
    assert not unpacked[rows:].any()
    assert not unpacked[:, width:].any()


@pytest.mark.parametrize("name", MODELS)
def test_every_byte_is_tflms_in_two_orders(built, name):
    need("tflite_micro")
    content, c = built(name)
    x = made.windows(1002 if name == "bilstm" else 48, *c.input.shape[1:], seed=11)
    due = tflm(content, x)
    assert np.unique(due).size > 20  # a model that answers one value proves nothing
    order = np.random.default_rng(3).permutation(len(x))
    np.testing.assert_array_equal(c.run(x), due)
    np.testing.assert_array_equal(c.run(x[order]), due[order])


def test_the_largest_sums_of_a_window_are_tflms(built):
    """Each number of the path at its greatest and least, whose sums pass 8 million."""
    need("tflite_micro")
    content, c = built("window_full")
    (rows,) = (o for o in TfliteFile.of(content).tensors if o.data is not None and o.shape == (5, 26, 1, 19))
    x = np.zeros((10, 101, 19), dtype=np.int8)
    x[:, ::4] = [np.where(sign * w[:, 0] > 0, 127, -128) for w in rows.data.astype(int) for sign in (1, -1)]
    np.testing.assert_array_equal(c.run(x), tflm(content, x))


@pytest.mark.parametrize("name", MODELS)
def test_what_was_in_the_scratch_memory_does_not_matter(built, name):
    _, c = built(name)
    x = made.windows(3, *c.input.shape[1:], seed=12)
    first = c.run(x)
    ctypes.memset(c._window_scratch, 0xA7, ctypes.sizeof(c._window_scratch))
    np.testing.assert_array_equal(c.run(x), first)


@pytest.mark.parametrize("name", ["lstm", "lstm_stack", "tcn", "tcn_deep", "lags", "lags_beyond"])
@pytest.mark.parametrize("rows", [1, 10])
def test_row_by_row_gives_the_bytes_of_the_whole_window(built, name, rows):
    _, c = built(name)
    assert c.stream
    x = made.windows(4, *c.input.shape[1:], seed=13)
    due = c.run(x)
    for window, answer in zip(x, due):
        c.start()
        found = [c.step(window[k : k + rows]) for k in range(0, len(window), rows)]
        np.testing.assert_array_equal(np.concatenate(found), answer)


def test_a_model_of_both_directions_refuses_single_rows(built):
    _, c = built("bilstm")
    assert not c.stream
    with pytest.raises(BadInputError, match=r"grf_model_start of 'bilstm\.so' answered 3"):
        c.start()
    row, out = np.zeros(12, dtype=np.int8), np.zeros(1, dtype=np.int8)
    with pytest.raises(BadInputError, match="answered 3"):
        c._call("grf_model_step", pointer(row), pointer(out), ctypes.c_uint32(1), c._stream_scratch)
    with pytest.raises(BadInputError, match="no stream was started"):
        c.step(row[None])


def test_two_scratch_memories_run_at_once(built):
    _, c = built("tcn")
    x = made.windows(2, *c.input.shape[1:], seed=14)
    due = c.run(x)
    mine = [(ctypes.c_uint32 * (c._head.scratch_bytes // 4))() for _ in range(2)]
    found = np.empty_like(due)
    for s in mine:
        assert c._library.grf_model_start(ctypes.byref(c._head), s) == 0
    for row in range(c.input.shape[1]):
        for k, s in enumerate(mine):
            into, out = np.ascontiguousarray(x[k, row]), np.empty(3, dtype=np.int8)
            assert (
                c._library.grf_model_step(ctypes.byref(c._head), pointer(into), pointer(out), ctypes.c_uint32(1), s)
                == 0
            )
            found[k, row] = out
    np.testing.assert_array_equal(found, due)


def test_no_memory_and_bad_alignment_are_told(built):
    _, c = built("lstm")
    buffer = np.zeros(4096, dtype=np.int8)
    assert c._library.grf_model_run(ctypes.byref(c._head), pointer(buffer), pointer(buffer), None) == 1
    odd = ctypes.c_void_p(buffer.ctypes.data // 4 * 4 + 6)
    assert c._library.grf_model_run(ctypes.byref(c._head), pointer(buffer), pointer(buffer), odd) == 2


def test_wrong_windows_are_refused(built):
    _, c = built("lstm")
    c.start()
    with pytest.raises(BadInputError, match=r"takes int8 of shape \(n, 20, 3\)"):
        c.run(np.zeros((1, 20, 4), dtype=np.int8))
    with pytest.raises(BadInputError, match=r"expected int8 of shape \(rows, 3\)"):
        c.step(np.zeros((1, 3), dtype=np.int16))


def test_one_direction_is_kept_and_nothing_twice(built):
    """RAM: sums of three outputs or the rows of one direction, whichever is smaller; a stream needs no window."""
    _, both = built("bilstm")
    assert both._head.scratch_bytes < 41 * 16 + 41 * 4 * 4
    _, head = built("bilstm_head")
    assert head._head.scratch_bytes < 17 * 7 + 150
    _, one = built("lstm")
    assert one._head.scratch_bytes < 100


def _file(name: str = "bilstm_head") -> TfliteFile:
    need("ai_edge_litert", "flatbuffers")
    return TfliteFile.of(MODELS[name]())


def test_scales_that_disagree_are_refused_by_name():
    file = _file()
    reverse = [o for o in file.operators if o.name == "REVERSE_V2"][1]
    broken = file.with_scales({reverse.outputs[0]: (0.01, 0)})
    with pytest.raises(NoC, match=r"operator 2 REVERSE_V2 copies bytes of scale 0\.0078125 .* repair the file"):
        c_model(broken, "broken")


def test_a_hidden_state_of_another_scale_is_refused_by_name():
    file = _file("lstm")
    with pytest.raises(NoC, match=r"hidden state 'tensor_.*' and output 'tensor_.*' differ in scale"):
        c_model(file.with_scales({file.operators[0].inputs[18]: (0.011, 0)}), "broken")


def test_an_operator_without_c_is_named():
    need("ai_edge_litert", "flatbuffers")
    file = TfliteFile.of(made.activation("LOGISTIC", -12))
    writer = made.ModelWriter(4, 0)
    x = writer.rows(2, 0.1, 0)
    y = writer.rows(2, 1 / 256, -128)
    writer.operator("LOGISTIC", [x], [y])
    with pytest.raises(NoC, match="operator 0 LOGISTIC is not in the C runtime"):
        c_model(TfliteFile.of(writer.content(x, y)), "soft")
    with pytest.raises(NoC, match=r"tensor 'tensor_0' is int16"):
        c_model(file, "wide")


@pytest.mark.parametrize(("part", "refused"), [(False, "is not one layer's output"), (True, "keeps rows of 27")])
def test_a_single_row_that_goes_out_or_is_a_part_of_one_is_refused(part, refused):
    need("ai_edge_litert", "flatbuffers")
    w = made.ModelWriter(9, 1)
    x = w.rows(5, 0.05, 3)
    out = w.conv(w.image(x), 54, taps=3, dilation=4, before=0, scale=0.1, zero=0, rows=1)
    if part:
        half, start, end = w.tensor((1, 1, 1, 27), scale=0.1), w.constant([0, 0, 0, 27]), w.constant([0, 0, 0, 54])
        w.operator("STRIDED_SLICE", [out, start, end, w.constant([1] * 4)], [half], 2, beginMask=7, endMask=7)
        curve = w.rows(3, 0.1, 0)
        w.operator("RESHAPE", [half, w.constant([1, 9, 3])], [curve])
        out = w.dense(curve, 3, scale=0.3, zero=1)
    with pytest.raises(NoC, match=refused):
        c_model(TfliteFile.of(w.content(x, out)), "odd")


@pytest.mark.parametrize("name", ["", "9x", "A", "a-b", "../x"])
def test_names_that_are_no_c_are_refused(name):
    with pytest.raises(BadInputError, match="is no name for C files"):
        c_model(_file("lstm"), name)


def test_the_same_file_gives_the_same_c():
    one, two = (c_model(_file("tcn"), "same") for _ in range(2))
    assert (one.source, one.header) == (two.source, two.header)


def test_a_compiler_that_refuses_is_told(tmp_path: Path):
    from grfkit.embedded.compile import build_shared

    need_compiler()
    (tmp_path / "bad.c").write_text("int f(void) { return missing; }\n")
    with pytest.raises(BadInputError, match=r"ended with 1: .*bad\.c.*error.*missing"):
        build_shared([tmp_path / "bad.c"], tmp_path / "bad.so")


@pytest.mark.parametrize(("kind", "end"), [("RELU_N1_TO_1", 1.0), ("RELU6", 6.0)])
@pytest.mark.parametrize("half", [2.5, 12.5, 20.5, 0.5])
def test_a_clamp_that_lies_half_way_between_two_steps_is_tflms(tmp_path: Path, kind: str, end: float, half: float):
    """Kernels round 2.5 steps to 3 and -2.5 to -3; Python's round gives 2, and misses the single precision beside."""
    need("tflite_micro", "ai_edge_litert", "flatbuffers")
    need_compiler()
    writer = made.ModelWriter(6, 11)
    source = writer.rows(4, 0.08, 3)
    out = writer.dense(source, 5, scale=end / half, zero=-1)
    writer.graph.operators[-1].builtinOptions.fusedActivationFunction = getattr(
        writer.schema.ActivationFunctionType, kind
    )
    content = writer.content(source, out)
    x = made.windows(40, 6, 4, seed=5)
    answers = compile_c(c_model(TfliteFile.of(content), "clamped"), tmp_path).run(x)
    low = -1 - int(half + 0.5) if kind == "RELU_N1_TO_1" else -1
    assert (answers.min(), answers.max()) == (low, -1 + int(half + 0.5)), "both ends are reached"
    np.testing.assert_array_equal(answers, tflm(content, x))
