"""Options of the TCN: convolutions a level, growth of the dilation, who sees what, and its way to eight bits and C."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tflite_models as made
from firmware_c import need, need_compiler
from grfkit.deploy.from_torch import network_plan, plan_inputs
from grfkit.learn.networks import Shape, build, network_config
from grfkit.runtime import load, to_int8
from grfkit.runtime.compiled import CRuntime
from test_deploy_plan import far_from_start

POINTS, CHANNELS, STATICS, AXES = 40, 4, 1, 2
INT8: dict[str, dict[str, Any]] = {
    "narrow": {"levels": 3, "taps": 3, "growth": 3},
    "identity": {"levels": 3, "taps": 3, "growth": 3, "inputs": 6},
    "one_tap": {"levels": 1, "taps": 1, "growth": 1},
    "just_the_window": {"levels": 3, "taps": 4, "growth": 4, "points": 49},
    "beyond_the_window": {"levels": 4, "taps": 5, "growth": 3},
}
"""``just_the_window`` looks 48 samples back, to the first of 49, in its last level; ``beyond_the_window`` 108 of 40."""


def random_tcn(**settings: Any) -> Any:
    """Return a TCN in torch whose weights and norms are far from where they start."""
    config = network_config("tcn", **{"hidden": 6, "kernel": 3, "layers": 3, "head": (), **settings})
    return far_from_start(build(config, Shape(CHANNELS, STATICS, AXES), seed=2), by=0.3, seed=5)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("dilation", [1, 3, 4])
@pytest.mark.parametrize("convolutions", [1, 2])
def test_a_sample_is_seen_as_far_as_the_options_say_and_no_further(
    convolutions: int, dilation: int, *, centred: bool
) -> None:
    network = random_tcn(convolutions=convolutions, dilation=dilation, centred=centred)
    reach = convolutions * 2 * sum(dilation**k for k in range(3))  # kernel 3: two dilations a convolution
    points, at = 2 * reach + 9, reach + 4
    x = torch.randn(8, points, CHANNELS, generator=torch.Generator().manual_seed(1), requires_grad=True)
    network(x, torch.zeros(8, STATICS))[:, at].abs().sum().backward()
    assert x.grad is not None
    seen = torch.nonzero(x.grad.abs().sum(dim=(0, 2))).flatten() - at
    assert (int(seen.min()), int(seen.max())) == ((-reach // 2, reach // 2) if centred else (-reach, 0))


@pytest.mark.parametrize("statics_by", ["tile", "concat"])
@pytest.mark.parametrize("hidden", [CHANNELS, CHANNELS + STATICS, 7])
@pytest.mark.parametrize(("convolutions", "dilation", "layers"), [(1, 3, 3), (1, 4, 4), (2, 1, 2), (1, 1, 1)])
def test_the_plan_is_torch_whatever_the_options(
    convolutions: int, dilation: int, layers: int, hidden: int, statics_by: str
) -> None:
    """A width that is the number of channels, with tiled statics or without, leaves nothing to do around a level."""
    network = random_tcn(
        convolutions=convolutions, dilation=dilation, layers=layers, hidden=hidden, statics_by=statics_by
    )
    random = torch.Generator().manual_seed(3)
    x, s = torch.randn(3, 20, CHANNELS, generator=random), torch.randn(3, STATICS, generator=random)
    with torch.no_grad():
        due = network(x, s).numpy()
    inputs = np.concatenate([x.numpy(), np.repeat(s.numpy()[:, None], 20, axis=1)], axis=2)
    np.testing.assert_allclose(network_plan(network, 20).run(inputs), due, atol=2e-6 * np.abs(due).max())


def test_settings_from_before_the_options_are_the_same_network() -> None:
    before = {"hidden": 6, "kernel": 3, "layers": 2, "head": (), "centred": True}
    one = build(network_config("tcn", **before), Shape(CHANNELS, 0, AXES), seed=0)
    two = build(network_config("tcn", **before, convolutions=2, dilation=2), Shape(CHANNELS, 0, AXES), seed=0)
    assert {"body.blocks.1.second.weight", "body.blocks.1.norm_second.weight"} < set(one.state_dict())
    assert [tuple(b.first.dilation) for b in one.body.blocks] == [(1,), (2,)]
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key]), key


def int8_tcn(
    *, levels: int, taps: int, growth: int, inputs: int = 5, points: int = POINTS, units: int = 6, seed: int = 3
) -> bytes:
    """Return a causal TCN of one convolution a level, random weights; nothing around a level where widths agree."""
    w = made.ModelWriter(points, seed)
    x = w.rows(inputs, 0.04, 5)
    y = w.image(x)
    for level in range(levels):
        dilation = growth**level
        more = {"taps": taps, "dilation": dilation, "before": (taps - 1) * dilation}
        a = w.conv(y, units, scale=0.05, zero=-128, **more)
        around = y
        if w.widths[y] != units:
            around = w.conv(y, units, taps=1, dilation=1, before=0, scale=0.05, zero=-6, relu=False)
        y = w.add(a, around, scale=0.08, zero=-128)
    rows = w.rows(units, *w.scales[y])
    w.operator("RESHAPE", [y, w.constant([1, points, units])], [rows])
    return w.content(x, w.dense(rows, 3, scale=0.05, zero=-1))


Built = Callable[[str], tuple[bytes, Path]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Give the file and the compiled library of one of ``INT8``, made once."""
    need("ai_edge_litert", "flatbuffers", "tflite_micro")
    need_compiler()
    known: dict[str, tuple[bytes, Path]] = {}

    def build_one(name: str) -> tuple[bytes, Path]:
        if name not in known:
            content = int8_tcn(**INT8[name])
            known[name] = content, in_c(content, name, tmp_path_factory.mktemp(name))
        return known[name]

    return build_one


def in_c(content: bytes, name: str, folder: Path) -> Path:
    """Return the compiled library of an int8 file."""
    from grfkit.deploy.compile_c import write_model
    from grfkit.deploy.emit_c import c_model
    from grfkit.deploy.tflite_file import TfliteFile
    from grfkit.embedded.compile import build_shared

    source = write_model(c_model(TfliteFile.of(content), name), folder)
    return build_shared([source], folder / f"{name}.so")


def streamed(c: CRuntime, rows: np.ndarray, points: int) -> np.ndarray:
    c.start()
    return np.concatenate([c.step(rows[k : k + points]) for k in range(0, len(rows), points)])


@pytest.mark.parametrize("name", INT8)
def test_c_answers_the_bytes_of_tflite_micro(name: str, built: Built) -> None:
    content, library = built(name)
    micro = load(content, "tflm")
    windows = made.windows(60, *micro.input.shape[1:], seed=1)
    due = micro.run(windows)
    assert np.unique(due).size > 10  # a model that answers one value proves nothing
    np.testing.assert_array_equal(load(library, "c").run(windows), due)


@pytest.mark.parametrize("points", [1, 10])
@pytest.mark.parametrize("name", [n for n in INT8 if n != "just_the_window"])
def test_a_stream_answers_the_bytes_of_the_whole_window(name: str, points: int, built: Built) -> None:
    content, library = built(name)
    c = CRuntime(library)
    windows = made.windows(3, *c.input.shape[1:], seed=6)
    for window, answer in zip(windows, load(content, "tflm").run(windows)):
        np.testing.assert_array_equal(streamed(c, window, points), answer)


@pytest.mark.parametrize("name", INT8)
def test_a_stream_in_c_goes_on_beyond_the_window_as_that_of_a_longer_window(name: str, built: Built) -> None:
    """Whatever a level looks back at is there, though it lies further back than a window is long."""
    _, library = built(name)
    c = CRuntime(library)
    rows = made.windows(1, 5 * c.input.shape[1], c.input.shape[2], seed=9)
    longer = load(int8_tcn(**{**INT8[name], "points": rows.shape[1]}), "tflm")
    np.testing.assert_array_equal(streamed(c, rows[0], 1), longer.run(rows)[0])


@pytest.mark.slow
def test_a_trained_tcn_of_one_convolution_is_whole_from_torch_to_c(tmp_path: Path) -> None:
    """As wide as channels and tiled statics together, so that its first level adds the input itself."""
    need("tensorflow", "tf_keras", "ai_edge_litert", "tflite_micro")
    need_compiler()
    from grfkit.deploy.convert import convert_model
    from grfkit.deploy.gate import passed
    from grfkit.learn.folds import Fold
    from grfkit.learn.model import predict
    from grfkit.learn.train import fit
    from grfkit.learn.train_config import TrainConfig
    from test_deploy_files import smooth_stances

    data = smooth_stances(each=12, points=POINTS)
    config = TrainConfig(epochs=25, lr=1e-2, statics=("speed_m_s",), batch=16, patience=0)
    options: dict[str, Any] = {"convolutions": 1, "dilation": 3, "statics_by": "tile", "head": ()}
    network = network_config("tcn", hidden=6, layers=3, kernel=3, dropout=0.1, **options)
    model = fit(network, config, data.of("abc"), Fold("f", ("a", "b", "c"), (), ("d", "e")))
    converted = convert_model(model, kinds=("float32", "int8"))
    tested, int8 = data.of("de"), converted.files["int8"]
    inputs, due = plan_inputs(model, tested), predict(model, tested)
    assert np.abs(converted.plan.forces(converted.plan.run(inputs)) - due).max() < 1e-5
    assert np.abs(converted.plan.forces(load(converted.files["float32"].content).run(inputs)) - due).max() < 1e-5
    assert passed(int8).operators == {"ADD": 3, "CONV_2D": 3, "FULLY_CONNECTED": 1, "PAD": 3, "RESHAPE": 2}
    windows = to_int8(inputs, scale=int8.input.scale, zero_point=int8.input.zero_point).values
    micro, c = load(int8.content, "tflm"), CRuntime(in_c(int8.content, "small", tmp_path))
    np.testing.assert_array_equal(c.run(windows), micro.run(windows))
    for points in (1, 10):
        np.testing.assert_array_equal([streamed(c, w, points) for w in windows[:2]], micro.run(windows[:2]))
