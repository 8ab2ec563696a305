"""Networks that start from the linear answer, and points that have scales of their own: torch = plan = int8 = C."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from firmware_c import need, need_compiler
from grfkit.deploy.bounds import BOUNDS
from grfkit.deploy.bundle_manifest import errors_of
from grfkit.deploy.bundle_windows import ParityWindows
from grfkit.deploy.convert import Converted, convert_model
from grfkit.deploy.from_torch import network_plan, plan_inputs
from grfkit.deploy.gate import passed
from grfkit.deploy.manifest import axes_of, columns
from grfkit.deploy.plan import calibrated
from grfkit.deploy.smooth import equalised
from grfkit.embedded.curve import curve_integers, curve_of
from grfkit.embedded.int8_input import Int8Channel, counts_to_int8, int8_points
from grfkit.errors import BadInputError
from grfkit.learn.balance import Balance
from grfkit.learn.folds import Fold
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import Shape, build, network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.runtime import from_int8, load, to_int8
from grfkit.runtime.compiled import CRuntime
from grfkit.runtime.manifest import Axis, Points
from grfkit.runtime.numbers import Saturated
from test_deploy_files import smooth_stances
from test_deploy_plan import far_from_start
from test_deploy_tcn_options import in_c, streamed

POINTS = 42  # every second sample is picked, and one is left over after the last
WINDOW, LAGS = {"kind": "window", "rank": 5, "points": POINTS}, {"kind": "lags", "lags": 2, "step": 3}
TRIED: dict[str, dict[str, Any]] = {
    "bilstm beside the window": {"name": "bilstm", "hidden": 4, "head": (3,), "linear": WINDOW},
    "bilstm, statics tiled": {"name": "bilstm", "hidden": 4, "head": (), "statics_by": "tile", "linear": WINDOW},
    "cnn2d beside the window": {"name": "cnn2d", "maps": (2, 3), "hidden": 4, "linear": WINDOW},
    "tcn of the past beside lags": {"name": "tcn", "hidden": 4, "layers": 2, "kernel": 3, "linear": LAGS},
    "tcn of both sides": {"name": "tcn", "hidden": 4, "layers": 1, "kernel": 3, "centred": True, "linear": LAGS},
    "one lag": {"name": "lstm", "hidden": 4, "linear": {"kind": "lags", "lags": 0}},
    "ridge": {"name": "linear", "linear": WINDOW},
    "ridge of lags": {"name": "linear", "linear": LAGS},
}


@pytest.mark.parametrize("name", TRIED)
def test_the_plan_says_what_torch_says_also_with_the_factors_for_eight_bits(name: str) -> None:
    made = far_from_start(build(network_config(**TRIED[name]), Shape(5, 2, 3), seed=3), by=0.3, seed=4)
    random = torch.Generator().manual_seed(1)
    x, s = torch.randn(6, POINTS, 5, generator=random), torch.randn(6, 2, generator=random)
    with torch.no_grad():
        due = made(x, s).numpy()
    inputs = np.concatenate([x.numpy(), np.repeat(s.numpy()[:, None], POINTS, axis=1)], axis=2)
    plan = network_plan(made, POINTS)
    np.testing.assert_allclose(plan.run(inputs), due, atol=5e-6)
    scaled = calibrated(equalised(plan, inputs), inputs)
    np.testing.assert_allclose(scaled.forces(scaled.run(inputs)), due, atol=2e-5)
    np.testing.assert_allclose(np.abs(scaled.run(inputs)).max(axis=(0, 1)), 1.0, atol=1e-4)


def test_a_path_over_windows_of_another_length_is_refused() -> None:
    made = build(network_config(**TRIED["ridge"]), Shape(5, 2, 3), seed=3)
    with pytest.raises(BadInputError, match="over windows of 42 samples, not of 41"):
        network_plan(made, POINTS - 1)


class Whole(NamedTuple):
    model: GrfModel
    converted: Converted
    stored: Saturated
    library: Path


@pytest.fixture(scope="module", params=["bilstm, per point", "tcn of the past"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    need("tensorflow", "tf_keras", "ai_edge_litert", "tflite_micro")
    need_compiler()
    data, per_point = smooth_stances(each=12, points=POINTS), request.param == "bilstm, per point"
    network: dict[str, Any] = (
        {"name": "bilstm", "hidden": 4, "head": (6,), "linear": {"rank": 4}}
        if per_point
        else {"name": "tcn", "hidden": 8, "layers": 1, "kernel": 3, "head": (6,), "linear": LAGS}
    )
    config = TrainConfig(epochs=3, statics=("speed_m_s",), batch=16, patience=0, per_point=per_point)
    fold = Fold("f", ("a", "b", "c"), (), ("d", "e"))
    model = fit(network_config(**network), config, data.of("abc"), fold)
    converted = convert_model(model, kinds=("float32", "int8"))
    file = converted.files["int8"]
    stored = to_int8(plan_inputs(model, data.of("de")), scale=file.input.scale, zero_point=file.input.zero_point)
    library = in_c(file.content, "straight", tmp_path_factory.mktemp("straight"))
    return Whole(model, converted, stored, library)


def test_eight_bits_keep_the_bounds_and_c_answers_the_bytes_of_tflite_micro(whole: Whole) -> None:
    files, plan, stored = whole.converted.files, whole.converted.plan, whole.stored.values
    passed(files["int8"])
    passed(files["float32"], "float")
    answers = load(files["int8"].content, "tflm").run(stored)
    np.testing.assert_array_equal(load(whole.library, "c").run(stored), answers)
    other = load(files["int8"].content, "litert", resolver="reference").run(stored)
    assert np.abs(answers.astype(int) - other).max() <= 1
    output = files["int8"].output
    forces = plan.forces(from_int8(answers, scale=output.scale, zero_point=output.zero_point))
    due = predict(whole.model, smooth_stances(each=12, points=POINTS).of("de"))
    assert np.sqrt(((forces - due) ** 2).mean()) < BOUNDS.rms_bw


def test_errors_of_a_bundle_are_those_of_one_stance_at_a_time_though_the_model_balances_trials(whole: Whole) -> None:
    model, data = whole.model, smooth_stances(each=12, points=POINTS).of("de")
    for name, seconds in (("contact_s", 0.3), ("stride_s", 0.7)):
        data.data["scalars"].loc[{"scalar": name}] = seconds
    balanced = replace(model, spec=model.spec.model_copy(update={"balance": Balance(vertical=1.1)}))
    assert np.abs(predict(balanced, data) - predict(model, data)).max() > 0.02
    tested = ParityWindows(data, "held-out people", (), data)
    assert errors_of(balanced, whole.converted, tested, whole.stored.values) == errors_of(
        model, whole.converted, tested, whole.stored.values
    )


def test_only_a_path_of_the_past_streams_and_then_in_the_bytes_of_the_window(whole: Whole) -> None:
    stored = whole.stored.values[:2]
    answers = load(whole.converted.files["int8"].content, "tflm").run(stored)
    library = CRuntime(whole.library)
    if whole.model.network.config.causal:
        for window, due in zip(stored, answers):
            np.testing.assert_array_equal(streamed(library, window, 1), due)
    else:
        with pytest.raises(BadInputError):
            library.start()


def test_a_bundle_has_the_scales_of_every_point(whole: Whole) -> None:
    scaler, plan = whole.model.spec.scaler, whole.converted.plan
    inputs = columns(whole.converted.files["int8"], whole.model.spec)
    axes = [Axis(**axis) for axis in axes_of(plan)]
    if not scaler.per_point:
        assert not any(part.points for part in (*inputs, *axes))
        return
    assert [c.points is None for c in inputs] == [False] * 5 + [True]
    assert inputs[2].points is not None
    np.testing.assert_allclose(inputs[2].points.centre, np.asarray(scaler.point_centre)[:, 2])
    outputs = plan.run(plan_inputs(whole.model, smooth_stances(each=12, points=POINTS).of("a")))
    for k, axis in enumerate(axes):
        assert axis.points is not None
        force = outputs[:, :, k] * axis.points.size + axis.points.centre
        np.testing.assert_allclose(force, plan.forces(outputs)[:, :, k], atol=1e-12)
        assert np.abs(force - axis.centre).max() <= axis.size * (1 + 1e-9), "the report's range holds training"


def test_the_integers_of_points_are_their_z_scores() -> None:
    rng = np.random.default_rng(0)
    centre, size = rng.uniform(-9000, 9000, POINTS), 10.0 ** rng.uniform(1.5, 3.0, POINTS)
    channel = int8_points(Int8Channel(0, 1, 1, -3), centre=centre, size=size, scale=0.05)
    raw = np.rint(centre + size * rng.normal(size=(50, POINTS))).astype(np.int64)
    due = np.clip(np.rint((raw - centre) / size / 0.05) - 3, -128, 127)
    got = counts_to_int8(raw[:, :, None], [channel])[:, :, 0]
    assert np.abs(got - due).max() <= 1
    with pytest.raises(BadInputError, match="does not fit 16 bits"):
        int8_points(Int8Channel(0, 1, 1, 0), centre=centre * 9, size=size, scale=0.05)
    with pytest.raises(BadInputError, match="without a centre or size"):
        int8_points(Int8Channel(0, 1, 1, 0), centre=centre, size=size * 0, scale=0.05)


def test_a_report_s_curve_is_the_force_of_every_point_to_half_a_step() -> None:
    rng = np.random.default_rng(2)
    points = Points(centre=tuple(rng.uniform(-0.3, 2.0, POINTS)), size=tuple(rng.uniform(0.02, 0.5, POINTS)))
    ends = SimpleNamespace(scale=0.01, zero_point=7)
    axis = Axis(name="vgrf", centre=0.9, size=1.6, points=points)
    manifest: Any = SimpleNamespace(points=POINTS, axes=(axis,), output=ends)
    stored = rng.integers(-128, 128, (POINTS, 1)).astype(np.int8)
    real = ends.scale * (stored[:, 0].astype(float) - ends.zero_point)
    force = np.asarray(points.centre) + np.asarray(points.size) * real
    sent = axis.centre + axis.size * ends.scale * (curve_of(manifest, stored)[:, 0].astype(float) - ends.zero_point)
    assert np.abs(sent - force).max() <= 0.51 * axis.size * ends.scale
    manifest.axes = (axis.model_copy(update={"points": None}),)
    assert curve_integers(manifest) is None
    np.testing.assert_array_equal(curve_of(manifest, stored), stored)
    manifest.axes = (axis.model_copy(update={"size": 1e-9}),)
    with pytest.raises(BadInputError, match="too far from its centre"):
        curve_of(manifest, stored)
