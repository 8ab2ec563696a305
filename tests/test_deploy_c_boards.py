"""Models on emulated boards: the bytes of the host, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest

import tflite_models as made
from firmware_c import need, need_compiler
from grfkit.deploy import qemu
from grfkit.deploy.compile_c import compile_c
from grfkit.deploy.emit_c import CModel, c_model
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.errors import BadInputError


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    need("ai_edge_litert", "flatbuffers")
    need_compiler()
    lacking = qemu.missing()
    if lacking:
        pytest.skip(lacking)


def _model(content: bytes, name: str) -> CModel:
    return c_model(TfliteFile.of(content), name)


@pytest.fixture(scope="module")
def b32(tmp_path_factory: pytest.TempPathFactory):
    """The measured model of reference figures: 101 x 12, 32 units in both directions, 3 outputs."""
    model = _model(made.bilstm(101, 12, 32, 1), "b32")
    x = made.windows(3, 101, 12, seed=2)
    return model, x, compile_c(model, tmp_path_factory.mktemp("b32")).run(x)


@pytest.mark.parametrize("board", qemu.BOARDS)
def test_every_board_answers_the_hosts_bytes(b32, board):
    model, x, due = b32
    found = qemu.run_on_board(model, x, board)
    np.testing.assert_array_equal(found.outputs, due)
    assert found.instructions < 3_300_000  # a prototype took 6.4 million and 7.1 KB
    assert found.ram_bytes < 2_300
    assert found.weights_bytes + found.code_bytes < 24_000


def test_portable_code_gives_the_bytes_of_the_dsp_instructions(b32):
    model, x, due = b32
    fast = qemu.run_on_board(model, x, "m4f")
    portable = qemu.run_on_board(model, x, "m4f", flags=("-O3", "-DGRF_PORTABLE"))
    np.testing.assert_array_equal(portable.outputs, due)
    np.testing.assert_array_equal(fast.outputs, due)
    assert fast.instructions < 0.8 * portable.instructions


def test_a_core_without_dsp_instructions_answers_the_hosts_bytes(b32):
    model, x, due = b32
    np.testing.assert_array_equal(qemu.run_on_board(model, x[:2], "m3").outputs, due[:2])


@pytest.mark.parametrize("flags", [("-Os",), ("-O3",)])
def test_convolutions_on_a_board_answer_the_hosts_bytes(tmp_path, flags):
    model = _model(made.tcn(30, 6, 10, 6), "tcn")
    x = made.windows(3, 30, 6, seed=3)
    found = qemu.run_on_board(model, x, "m4f", flags=flags)
    np.testing.assert_array_equal(found.outputs, compile_c(model, tmp_path).run(x))


def test_counts_repeat_and_grow_with_the_window():
    counts = []
    for points in (20, 20, 40):
        model = _model(made.lstm(points, 4, 8, 1), "one")
        counts.append(qemu.run_on_board(model, made.windows(1, points, 4, seed=1), "m4f").instructions)
    assert counts[0] == counts[1]
    assert 1.9 < counts[2] / counts[0] < 2.1


def test_an_unknown_board_is_refused(b32):
    with pytest.raises(BadInputError, match=r"board 'm0' is unknown; expected one of m4f, m7, m33, m55, m3"):
        qemu.run_on_board(b32[0], b32[1], "m0")
