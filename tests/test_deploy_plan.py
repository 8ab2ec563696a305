"""The plan says what torch says: weights in their order, norms folded, statics in place, factors taken back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grfkit.deploy.from_torch import network_plan, plan_inputs, plan_of
from grfkit.deploy.layers import Conv, Dense, Lstm, Pool
from grfkit.deploy.manifest import units_without_counts
from grfkit.deploy.plan import Plan, calibrated
from grfkit.deploy.smooth import equalised
from grfkit.errors import BadInputError
from grfkit.learn.folds import Fold
from grfkit.learn.model import predict
from grfkit.learn.networks import Shape, build, network_config, network_names
from grfkit.learn.spec import ModelSpec
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from learn_sets import made_up

POINTS, CHANNELS, STATICS, AXES = 17, 5, 2, 3
SUPPORTED = tuple(n for n in network_names() if n != "gru")


def network(name: str, **settings: Any) -> Any:
    """Return a network whose weights and batch norms are far from where they start."""
    made = build(
        network_config(name, **{"hidden": 6, "head": (5,), **settings}), Shape(CHANNELS, STATICS, AXES), seed=3
    )
    return far_from_start(made, by=0.2, seed=4)


def far_from_start(made: Any, *, by: float, seed: int) -> Any:
    """Return the network with weights and batch norms moved by so many SDs of noise."""
    random = torch.Generator().manual_seed(seed)
    for key, value in made.state_dict().items():
        if key.endswith("running_var"):
            value.copy_(0.2 + torch.rand(value.shape, generator=random))
        elif value.is_floating_point():
            value.add_(by * torch.randn(value.shape, generator=random))
    return made.eval()


def windows(n: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Return channels, statics, and both as a plan takes them."""
    random = torch.Generator().manual_seed(seed)
    x, s = torch.randn(n, POINTS, CHANNELS, generator=random), torch.randn(n, STATICS, generator=random)
    return x, s, np.concatenate([x.numpy(), np.repeat(s.numpy()[:, None], POINTS, axis=1)], axis=2)


def answer(made: Any, x: torch.Tensor, s: torch.Tensor) -> Any:
    with torch.no_grad():
        return made(x, s).numpy()


@pytest.mark.parametrize("statics_by", ["tile", "concat"])
@pytest.mark.parametrize("name", SUPPORTED)
def test_the_plan_of_every_network_says_what_torch_says(name: str, statics_by: str) -> None:
    made = network(name, statics_by=statics_by)
    x, s, inputs = windows()
    plan = network_plan(made, POINTS)
    np.testing.assert_allclose(plan.run(inputs), answer(made, x, s), atol=3e-6)
    assert np.abs(plan.run(inputs) - answer(made, x, s + 1.0)).max() > 1e-3, "statics do nothing"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("bilstm", {"layers": 3, "head": ()}),
        ("lstm", {"layers": 2, "head": (7, 4)}),
        ("tcn", {"hidden": CHANNELS, "layers": 1, "kernel": 3}),
        ("tcn", {"hidden": 6, "layers": 2, "centred": True}),
        ("tcn", {"hidden": 6, "layers": 3, "convolutions": 1, "dilation": 3, "statics_by": "tile", "head": ()}),
        ("tcn", {"hidden": CHANNELS + STATICS, "layers": 2, "statics_by": "tile"}),
        ("cnn1d", {"dilation": 1, "kernel": 1}),
        ("cnn2d", {"rows": 1, "maps": (3, 2)}),
        ("cnn2d_lstm", {"maps": (3, 4), "both": True}),
        ("cnn1d_lstm", {"both": False, "maps": 3}),
        ("mlp", {"context": 0, "layers": 1}),
    ],
)
def test_other_shapes_of_the_networks_too(name: str, settings: dict[str, Any]) -> None:
    made = network(name, **settings)
    x, s, inputs = windows(seed=7)
    plan = network_plan(made, POINTS)
    np.testing.assert_allclose(plan.run(inputs), answer(made, x, s), atol=3e-6)
    scaled = calibrated(equalised(plan, inputs), inputs)
    np.testing.assert_allclose(scaled.forces(scaled.run(inputs)), answer(made, x, s), atol=1e-5)


@pytest.mark.parametrize("name", SUPPORTED)
def test_factors_for_eight_bits_change_nothing_that_is_said(name: str) -> None:
    made = network(name)
    x, s, inputs = windows(8)
    plan = network_plan(made, POINTS)
    scaled = calibrated(equalised(plan, inputs), inputs)
    np.testing.assert_allclose(scaled.forces(scaled.run(inputs)), answer(made, x, s), atol=1e-5)
    said = scaled.run(inputs)
    np.testing.assert_allclose(said.max(axis=(0, 1)), 1.0, atol=1e-4)
    np.testing.assert_allclose(said.min(axis=(0, 1)), -1.0, atol=1e-4)
    values = scaled.values(inputs)
    joined = next(n for n in scaled.layers if n.kind == "join" and n.inputs[-1] == "statics")
    features = max(np.abs(values[n]).max() for n in joined.inputs[:-1])
    raw = np.abs(inputs[:, :, -plan.statics :]).max(axis=(0, 1))
    room = np.maximum(2.0 * raw, 5.0) / raw  # somebody new is beyond those trained on
    np.testing.assert_allclose(np.abs(values["statics"]).max(axis=(0, 1)) * room, features, rtol=1e-4)


def test_equalising_brings_the_channels_of_a_convolution_nearer_to_each_other() -> None:
    made = network("tcn", statics_by="tile")
    with torch.no_grad():
        made.body.blocks[1].norm_first.weight.mul_(torch.tensor([20.0, 1.0, 1.0, 1.0, 1.0, 0.05]))
    _, _, inputs = windows(8)
    plan = network_plan(made, POINTS)

    def spread(of: Plan) -> float:
        most = of.values(inputs)["first_1"].max(axis=(0, 1, 2))
        return float(most.max() / np.median(most))

    assert spread(equalised(plan, inputs)) < 0.5 * spread(plan)


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [("gru", {}, "network 'gru' cannot be quantised.*train one of bilstm"), ("lstm", {"statics_by": "film"}, "FiLM")],
)
def test_what_cannot_be_quantised_is_refused_by_name(name: str, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        network_plan(network(name, **settings), POINTS)


def test_inputs_of_another_shape_are_refused() -> None:
    plan = network_plan(network("lstm"), POINTS)
    with pytest.raises(BadInputError, match=r"shape \(2, 17, 5\), the plan takes \(n, 17, 7\)"):
        plan.run(np.zeros((2, POINTS, CHANNELS)))


def test_a_plan_read_back_is_the_plan(tmp_path: Path) -> None:
    _, _, inputs = windows()
    plan = calibrated(network_plan(network("cnn2d_lstm"), POINTS), inputs)
    plan.save(tmp_path)
    again = Plan.load(tmp_path)
    assert np.array_equal(again.run(inputs), plan.run(inputs))
    assert (again.axes, again.centre, again.size, again.unit) == (plan.axes, plan.centre, plan.size, plan.unit)


@pytest.mark.parametrize("target", ["bw", "newton", "zscore"])
def test_the_plan_of_a_model_gives_its_forces(target: Any) -> None:
    data = made_up("abcd", each=6)
    values = data.data["inputs"].values.copy()
    values[::3, 4:9, 1] = np.nan
    data = type(data)(data.data.assign(inputs=(data.data["inputs"].dims, values)))
    config = TrainConfig(epochs=2, statics=("speed_m_s",), missing_masks=True, target=target)
    model = fit(
        network_config("lstm", hidden=4, head=(4,)), config, data.of("abc"), Fold("f", ("a", "b", "c"), (), ("d",))
    )
    tested = data.of("d")
    plan = plan_of(model)
    assert (plan.width, plan.statics, plan.unit) == (11, 1, "N" if target == "newton" else "BW")
    forces = plan.forces(plan.run(plan_inputs(model, tested)))
    if target == "newton":
        forces /= 70.0 * 9.80665
    np.testing.assert_allclose(forces, predict(model, tested), atol=1e-5)


@given(st.integers(1, 3), st.integers(0, 9), st.integers(1, 4))
def test_a_convolution_is_torchs(dilation: int, seed: int, taps: int) -> None:
    rng = np.random.default_rng(seed)
    x, kernel, bias = rng.normal(size=(2, 11, 3, 2)), rng.normal(size=(taps, 3, 2, 4)), rng.normal(size=4)
    pad = ((taps - 1) * dilation, 0)
    made = Conv("c", ("x",), kernel.astype(np.float32), bias.astype(np.float32), dilation, pad, 1, True).run([x])
    t = torch.nn.functional.pad(torch.from_numpy(x).permute(0, 3, 1, 2), (1, 1, *pad))
    weight = torch.from_numpy(kernel.astype(np.float32)).permute(3, 2, 0, 1).double()
    due = torch.conv2d(t, weight, torch.from_numpy(bias.astype(np.float32)).double(), dilation=(dilation, 1)).relu()
    np.testing.assert_allclose(made, due.permute(0, 2, 3, 1).numpy(), atol=1e-9)


def test_layers_by_hand() -> None:
    dense = Dense("d", ("x",), np.asarray([[1.0], [-2.0]], dtype=np.float32), np.asarray([0.5], dtype=np.float32), True)
    assert dense.run([np.asarray([[[3.0, 1.0], [0.0, 1.0]]])]).tolist() == [[[1.5], [0.0]]]
    pool = Pool("p", ("x",), 2)
    assert pool.run([np.asarray([1.0, 5.0, 2.0, 3.0, 9.0]).reshape(1, 1, 5, 1)]).reshape(-1).tolist() == [5.0, 3.0]
    gates = np.asarray(
        [[0.0, 0.0, 1.0, 0.0]], dtype=np.float32
    )  # only the cell's input is fed: h = s(0) tanh(s(0) tanh x)
    lstm = Lstm("l", ("x",), gates, np.zeros((1, 4), np.float32), np.zeros(4, np.float32), reverse=True)
    said = lstm.run([np.asarray([[[0.0], [0.7]]])])[0, :, 0]
    cell = 0.5 * np.tanh(0.7)
    np.testing.assert_allclose(said, [0.5 * np.tanh(0.5 * cell), 0.5 * np.tanh(cell)], rtol=1e-12)


def test_counts_that_were_chosen_by_range_are_named() -> None:
    scaler = SimpleNamespace(units=("m/s^2",), statics=("contact_s", "hka_own", "affected_own"))
    # facts of a person have counts of no device; a fact without a unit is named by itself
    assert units_without_counts(cast(ModelSpec, SimpleNamespace(scaler=scaler))) == ["affected_own", "deg"]
