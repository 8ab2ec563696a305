"""Converted files: repaired, gated, equal in every interpreter; and broken on purpose, refused by name.

Two tiny networks are converted once for all tests: a BiLSTM of two layers with statics, and a TCN.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from grfkit.deploy import convert as convert_module
from grfkit.deploy.convert import Converted, convert, convert_model, representative
from grfkit.deploy.from_torch import plan_inputs
from grfkit.deploy.gate import passed
from grfkit.deploy.layers import Lstm
from grfkit.deploy.parity import BOUNDS, Check, ParityReport, parity
from grfkit.deploy.repair import OUTPUT_MARGIN, repaired
from grfkit.deploy.scales import biases, differ, groups, whole_steps
from grfkit.deploy.tflite_file import TensorInfo, TfliteFile
from grfkit.errors import BadInputError, RefusedError
from grfkit.learn.folds import Fold, LeakError
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet, make_stance_set
from grfkit.runtime import available, from_int8, load, to_int8

NEEDED = ("tensorflow", "tf_keras", "ai_edge_litert", "tflite_micro")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(m) is None for m in NEEDED), reason=f"needs {', '.join(NEEDED)} (pip install 'grfkit[quantize]')"
    ),
]
NETWORKS: dict[str, dict[str, Any]] = {
    "bilstm": {"hidden": 4, "layers": 2, "head": (6,)},
    "tcn": {"hidden": 12, "layers": 2, "kernel": 3, "head": (12,)},
}


def smooth_stances(people: str = "abcde", each: int = 24, points: int = 20, seed: int = 0) -> StanceSet:
    """Return stances without noise: curves of a foot that presses and pushes off, mixed from five channels."""
    rng = np.random.default_rng(seed)
    n, t = len(people) * each, np.linspace(0, np.pi, points)
    waves = np.stack([np.sin(t), np.sin(2 * t), np.cos(t)])
    size = rng.uniform(0.6, 1.4, (n, 3, 1)) * np.asarray([1.0, 0.4, 0.3])[:, None]
    x = np.einsum("nkt,kc->ntc", size * waves, rng.normal(size=(3, 5)))
    vertical = 2.2 * size[:, 0] * waves[0] + 0.3 * np.tanh(3 * size[:, 1] * waves[1])
    forward = -0.3 * size[:, 1] * waves[1]
    return make_stance_set(
        x,
        np.stack([vertical, forward], axis=2),
        channels=[f"c{i}" for i in range(5)],
        units=["m/s^2"] * 5,
        labels={"participant": [p for p in people for _ in range(each)], "trial": ["t"] * n},
        scalars={"mass_kg": [70.0] * n, "speed_m_s": [3.0 + i % 2 for i in range(n)], "contact_s": [0.25] * n},
        window="stance",
        cut="force",
        source="made up",
        axes=("vgrf", "apgrf"),
    )


@pytest.fixture(scope="module")
def data() -> StanceSet:
    return smooth_stances()


@pytest.fixture(scope="module")
def models(data: StanceSet) -> dict[str, GrfModel]:
    config = TrainConfig(epochs=60, lr=1e-2, statics=("speed_m_s",), batch=16, patience=0)
    fold = Fold("f", ("a", "b", "c"), (), ("d", "e"))
    return {n: fit(network_config(n, dropout=0.0, **s), config, data.of("abc"), fold) for n, s in NETWORKS.items()}


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def made(models: dict[str, GrfModel], told: list[str]) -> dict[str, Converted]:
    kinds = {"bilstm": ("float32", "int8"), "tcn": ("float32", "float16", "int8")}
    return {n: convert_model(m, kinds=kinds[n], progress=told.append) for n, m in models.items()}


def edited(file: TfliteFile, change: Callable[[Any], None]) -> TfliteFile:
    """Return a file after a change to its schema object, packed anew."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(file.content, 0)
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return TfliteFile.of(bytes(builder.Output()))


def of(file: TfliteFile, operator: str, place: int = 0) -> TensorInfo:
    """Return an input tensor of the first operator of a name."""
    return file.tensors[next(o for o in file.operators if o.name == operator).inputs[place]]


def test_progress_is_told_and_the_training_people_are_named(made: dict[str, Converted], told: list[str]) -> None:
    assert told == ["reading", "keras", "float32", "int8", "reading", "keras", "float32", "float16", "int8"]
    assert {c.calibrated_on for c in made.values()} == {("a", "b", "c")}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_float_file_is_torch_and_float16_nearly(
    name: str, made: dict[str, Converted], models: dict[str, GrfModel], data: StanceSet
) -> None:
    tested = data.of("de")
    inputs, expected = plan_inputs(models[name], tested), predict(models[name], tested)
    plan, files = made[name].plan, made[name].files
    for resolver in ("xnnpack", "reference"):
        said = plan.forces(load(files["float32"].content, resolver=resolver).run(inputs))
        assert np.abs(said - expected).max() <= BOUNDS.float_bw
    if "float16" in files:
        off = np.abs(plan.forces(load(files["float16"].content).run(inputs)) - expected).max()
        assert BOUNDS.float_bw < off < 5e-3
    assert all(not o.options.get("cell_clip") for o in files["float32"].operators)


def test_the_bilstm_as_converted_is_refused_and_the_repaired_one_passes(made: dict[str, Converted]) -> None:
    before, after = made["bilstm"].files["int8_as_converted"], made["bilstm"].files["int8"]
    with pytest.raises(RefusedError, match=r"tensor \d+ '.*' \(scale .* hold the same bytes by operator \d+ "):
        passed(before)
    found = passed(after)
    assert found.operators["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 4
    assert set(found.operators) == {"CONCATENATION", "FULLY_CONNECTED", "REVERSE_V2", "UNIDIRECTIONAL_SEQUENCE_LSTM"}
    assert not any(differ(g) for g in groups(after))
    for bias in biases(after):
        due = bias.source.scale * np.asarray(bias.weight.scales)
        np.testing.assert_allclose(bias.bias.scales, due, rtol=1e-6)
    assert any(differ(g) for g in groups(before)), "nothing to repair: this test shows nothing"
    report = made["bilstm"].repair
    assert report is not None
    assert report.worst_scale_percent > 0.1
    assert {c.tensor for c in report.scales} >= {t.index for g in groups(before) for t in g if differ(g)} - {
        t.index for g in groups(after) for t in g if before.tensors[t.index].scale == t.scale
    }
    json.dumps(report.to_dict(), allow_nan=False)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_repair_changes_scales_and_biases_and_nothing_else(name: str, made: dict[str, Converted]) -> None:
    before, after = made[name].files["int8_as_converted"], made[name].files["int8"]
    assert len(before.content) == len(after.content)
    assert before.operators == after.operators
    for old, new in zip(before.tensors, after.tensors):
        assert (old.name, old.shape, old.dtype, old.variable) == (new.name, new.shape, new.dtype, new.variable)
        if old.data is not None and new.data is not None and old.dtype != "int32":
            assert np.array_equal(old.data, new.data)
    assert after.output.scale == pytest.approx(before.output.scale * OUTPUT_MARGIN, rel=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_somebody_who_goes_a_quarter_beyond_training_meets_no_border(
    name: str, models: dict[str, GrfModel], made: dict[str, Converted]
) -> None:
    plan, file = made[name].plan, made[name].files["int8"]
    assert models[name].calibration is not None
    beyond = 1.25 * plan_inputs(models[name], models[name].calibration)
    into = to_int8(beyond, scale=file.input.scale, zero_point=file.input.zero_point)
    assert into.beyond == 0
    said = from_int8(load(file.content).run(into.values), scale=file.output.scale, zero_point=file.output.zero_point)
    errors = np.abs(said - plan.run(beyond))
    assert np.quantile(errors, 0.999) < 0.1, "of half the range of an axis"


@pytest.mark.parametrize("name", NETWORKS)
def test_a_repaired_file_needs_no_further_repair(name: str, made: dict[str, Converted]) -> None:
    once, _ = repaired(made[name].files["int8_as_converted"], made[name].plan, output_margin=1.0)
    twice, report = repaired(once, made[name].plan, output_margin=1.0)
    assert twice.content == once.content
    assert (report.scales, report.biases, report.worst_scale_percent) == ((), (), 0.0)


def test_a_bias_that_hangs_on_a_changed_scale_is_quantised_again_from_the_plan(made: dict[str, Converted]) -> None:
    plan = made["tcn"].plan
    good, _ = repaired(made["tcn"].files["int8_as_converted"], plan, output_margin=1.0)
    first = of(good, "CONV_2D")
    group = next(g for g in groups(good) if first in g)
    wider = good.with_scales({t.index: (t.scale * 1.5, t.zero_point) for t in group})
    with pytest.raises(RefusedError, match=r"bias of operator \d+ CONV_2D, has scale"):
        passed(wider)
    again, report = repaired(wider, plan, output_margin=1.0)
    assert {c.operator.split()[-1] for c in report.biases} == {"CONV_2D"}
    for before, after in zip(biases(good), biases(again)):
        step = np.asarray(after.bias.scales)
        assert (
            np.abs(before.bias.real() - after.bias.real()) <= 0.51 * step + 0.51 * np.asarray(before.bias.scales)
        ).all()
    passed(again)


def test_cells_have_room_for_what_they_reach_within_a_window(
    made: dict[str, Converted], models: dict[str, GrfModel], data: StanceSet
) -> None:
    made_of, plan = made["bilstm"].files, made["bilstm"].plan
    inputs = plan_inputs(models["bilstm"], data.of("abc"))

    def reach(times: float) -> list[float]:
        values = plan.values(times * inputs)
        cells = (n.states([values[i] for i in n.inputs])[1] for n in plan.layers if isinstance(n, Lstm))
        return sorted(float(np.abs(c).max()) for c in cells)

    def rooms(file: TfliteFile) -> list[float]:
        cells = [file.tensors[o.inputs[19]].scale for o in file.operators if o.name.endswith("LSTM")]
        assert all(np.log2(c) % 1 == 0 for c in cells), "kernels take powers of two only"
        return sorted(2**15 * c for c in cells)

    assert any(room < most for room, most in zip(rooms(made_of["int8_as_converted"]), reach(1.0))), "nothing to repair"
    for room, *most in zip(rooms(made_of["int8"]), reach(1.0), reach(1.3)):
        assert 1.1 * max(most) <= room < 2.2 * max(most), "somebody new goes beyond those in training"


def test_a_file_of_another_model_is_refused_by_the_repair(made: dict[str, Converted]) -> None:
    with pytest.raises(BadInputError, match=r"bias \d+ '.*' is none of the plan's"):
        repaired(made["bilstm"].files["int8_as_converted"], made["tcn"].plan)


@pytest.mark.parametrize("name", NETWORKS)
def test_windows_in_another_order_give_the_same_bytes_because_state_is_reset(
    name: str, made: dict[str, Converted], models: dict[str, GrfModel], data: StanceSet
) -> None:
    content = made[name].files["int8"].content
    inputs = plan_inputs(models[name], data.of("de"))
    for backend in ("litert", "tflm"):
        engine = load(content, backend)
        into = to_int8(inputs, scale=engine.input.scale, zero_point=engine.input.zero_point).values
        order = np.random.default_rng(0).permutation(len(into))
        assert np.array_equal(engine.run(into[order]), engine.run(into)[order])
        assert np.array_equal(engine.run(into[5:6]), engine.run(into)[5:6])


def test_without_a_reset_the_order_would_matter(
    made: dict[str, Converted], models: dict[str, GrfModel], data: StanceSet
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    file = made["bilstm"].files["int8"]
    into = to_int8(
        plan_inputs(models["bilstm"], data.of("d")), scale=file.input.scale, zero_point=file.input.zero_point
    )
    raw = Interpreter(model_content=file.content)
    raw.allocate_tensors()
    answers = []
    for _ in range(2):
        raw.set_tensor(file.inputs[0], into.values[:1])
        raw.invoke()
        answers.append(raw.get_tensor(file.outputs[0]).copy())
    assert not np.array_equal(*answers)


def test_parity_on_people_the_model_has_not_seen(
    made: dict[str, Converted], models: dict[str, GrfModel], data: StanceSet
) -> None:
    report = parity(models["tcn"], made["tcn"].plan, made["tcn"].files, data.of("de"))
    assert report.participants == ("d", "e")
    assert report.windows == 48
    assert len(report.interpreters) == 3
    # the made-up forward force is known almost exactly, so that one step of eight bits shows in its relative error
    assert not [f for f in report.failed if "rRMSE added, apgrf" not in f], report.failed
    micro = next(i for i in report.interpreters if i.startswith("tflite-micro"))
    figures = {c.name: c.value for c in report.checks}
    assert figures[f"{micro}: error added, RMS, vgrf"] > 1e-5, "int8 that costs nothing was not run"
    assert report.axes["vgrf"][f"saturated {micro}"] == 0
    json.dumps(report.to_dict(), allow_nan=False)


def test_the_repair_brings_two_interpreters_together_and_both_to_torch(
    made: dict[str, Converted], models: dict[str, GrfModel], data: StanceSet
) -> None:
    files = made["bilstm"].files
    before, after = (
        parity(models["bilstm"], made["bilstm"].plan, {"int8": files[k]}, data.of("de"))
        for k in ("int8_as_converted", "int8")
    )
    apart = [next(c.value for c in r.checks if "REF to TFLite Micro, greatest" in c.name) for r in (before, after)]
    assert apart[0] > 10
    assert apart[1] < 0.1 * apart[0], "four units in two layers: not the bound of 2 that wider networks keep, but near"
    for axis in ("vgrf", "apgrf"):
        assert _micro(after, f"error added, RMS, {axis}") < 0.1 * _micro(before, f"error added, RMS, {axis}")
    assert _micro(after, "error added, RMS, vgrf") < BOUNDS.rms_bw
    assert _micro(after, "error added, p99.9, vgrf") < BOUNDS.p999_bw
    assert _micro(after, "windows that differ in another order") == 0


def _micro(report: ParityReport, figure: str) -> float:
    return next(c.value for c in report.checks if c.name.startswith("tflite-micro") and c.name.endswith(f": {figure}"))


def test_parity_figures_are_those_of_a_direct_computation(
    made: dict[str, Converted], models: dict[str, GrfModel], data: StanceSet
) -> None:
    tested, plan, file = data.of("d"), made["tcn"].plan, made["tcn"].files["int8"]
    report = parity(models["tcn"], plan, {"int8": file}, tested)
    engine = load(file.content, "tflm")
    into = to_int8(plan_inputs(models["tcn"], tested), scale=file.input.scale, zero_point=file.input.zero_point).values
    said = plan.forces(from_int8(engine.run(into), scale=file.output.scale, zero_point=file.output.zero_point))
    torch_said, true = predict(models["tcn"], tested), tested.arrays()[1].astype(np.float64)

    def rrmse(forces: Any) -> float:
        rmse = np.sqrt(((forces[:, :, 0] - true[:, :, 0]) ** 2).mean(axis=1))
        return float((100 * rmse / np.ptp(true[:, :, 0], axis=1)).mean())

    figures = {c.name.split(": ", 1)[-1]: c.value for c in report.checks if c.name.startswith("tflite-micro")}
    assert figures["rRMSE added, vgrf"] == pytest.approx(rrmse(said) - rrmse(torch_said), abs=1e-9)
    off = (said - torch_said)[:, :, 0]
    assert figures["error added, RMS, vgrf"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-9)
    assert figures["error added, greatest, vgrf"] == pytest.approx(np.abs(off).max(), rel=1e-9)


def test_parity_sees_a_file_that_is_off(
    made: dict[str, Converted], models: dict[str, GrfModel], data: StanceSet
) -> None:
    wrong = made["tcn"].files["int8"].with_bias(*_shifted_bias(made["tcn"].files["int8"]))
    failed = parity(models["tcn"], made["tcn"].plan, {"int8": wrong}, data.of("d"), windows=12).failed
    assert any("error added, RMS, vgrf" in f and "bound 0.02" in f for f in failed)


def _shifted_bias(file: TfliteFile) -> tuple[int, Any, tuple[float, ...]]:
    bias = next(b for b in biases(file) if b.operator.outputs[0] == file.outputs[0]).bias
    assert bias.data is not None
    return bias.index, (bias.data + np.rint(0.5 / np.asarray(bias.scales))).astype(np.int32), bias.scales


def test_parity_refuses_people_the_model_has_seen(
    made: dict[str, Converted], models: dict[str, GrfModel], data: StanceSet
) -> None:
    with pytest.raises(LeakError, match="participant c was in training"):
        parity(models["tcn"], made["tcn"].plan, made["tcn"].files, data.of("cd"))


def test_a_figure_that_is_no_number_keeps_no_bound() -> None:
    assert not Check("x", float("nan"), "BW", 1.0).kept
    assert Check("x", float("nan"), "BW").kept
    assert Check("x", 1.0, "BW", 1.0).kept


def test_a_changed_scale_is_refused_by_tensor_and_operator(made: dict[str, Converted]) -> None:
    file = made["bilstm"].files["int8"]
    reverse = next(o for o in file.operators if o.name == "REVERSE_V2")
    tensor = file.tensors[reverse.outputs[0]]
    broken = file.with_scales({tensor.index: (tensor.scale * 1.01, tensor.zero_point)})
    with pytest.raises(RefusedError, match=rf"tensor {tensor.index} '{tensor.name}'.*REVERSE_V2"):
        passed(broken)
    point = file.with_scales({tensor.index: (tensor.scale, tensor.zero_point + 1)})
    with pytest.raises(RefusedError, match=rf"zero point {tensor.zero_point + 1}\).*hold the same bytes"):
        passed(point)


def test_a_dynamic_shape_is_refused(made: dict[str, Converted]) -> None:
    file = made["tcn"].files["int8"]
    tensor = of(file, "FULLY_CONNECTED")

    def loosen(model: Any) -> None:
        model.subgraphs[0].tensors[tensor.index].shapeSignature = np.asarray([-1, *tensor.shape[1:]], dtype=np.int32)

    with pytest.raises(RefusedError, match=rf"tensor {tensor.index} '.*FULLY_CONNECTED has the dynamic.*\[-1"):
        passed(edited(file, loosen))


def test_flex_and_custom_operators_are_refused(made: dict[str, Converted]) -> None:
    file = made["tcn"].files["int8"]

    def custom(model: Any) -> None:
        from ai_edge_litert import schema_py_generated as schema

        used = next(o for o, i in zip(model.subgraphs[0].operators, file.operators) if i.name == "ADD")
        code = model.operatorCodes[used.opcodeIndex]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"FlexAddV2"

    with pytest.raises(RefusedError, match=r"operator \d+ CUSTOM:FlexAddV2, which makes tensor"):
        passed(edited(file, custom))


def test_files_with_dequantize_are_refused_for_micro_and_taken_as_float(made: dict[str, Converted]) -> None:
    half = made["tcn"].files["float16"]
    with pytest.raises(RefusedError, match=r"operator \d+ DEQUANTIZE, which makes tensor \d+ '"):
        passed(half)
    assert passed(half, "float").operators["DEQUANTIZE"] > 0
    assert passed(made["bilstm"].files["float32"], "float").groups == 0


def test_eight_bit_weights_under_float_activations_are_refused(made: dict[str, Converted]) -> None:
    file = made["bilstm"].files["float32"]
    weight = of(file, "FULLY_CONNECTED", 1)

    def hybrid(model: Any) -> None:
        from ai_edge_litert import schema_py_generated as schema

        tensor = model.subgraphs[0].tensors[weight.index]
        tensor.type = schema.TensorType.INT8
        model.buffers[tensor.buffer].data = np.zeros(int(np.prod(weight.shape)), dtype=np.uint8)

    with pytest.raises(RefusedError, match=rf"FULLY_CONNECTED has 8-bit weights \(tensor {weight.index} .*NaN"):
        passed(edited(file, hybrid), "float")


def test_answers_that_are_no_numbers_or_never_move_are_refused(made: dict[str, Converted]) -> None:
    file = made["bilstm"].files["float32"]
    bias = file.tensors[file.operators[-1].inputs[2]]

    def broken(model: Any) -> None:
        values = np.full(bias.shape, np.nan, dtype="<f4")
        model.buffers[model.subgraphs[0].tensors[bias.index].buffer].data = values.view(np.uint8)

    with pytest.raises(RefusedError, match=r"is no number in \d+ of"):
        passed(edited(file, broken), "float")
    eight = made["tcn"].files["int8"]
    still = eight.with_scales({eight.outputs[0]: (1e6, 0)})
    with pytest.raises(RefusedError, match="whatever the window"):
        passed(still)


@pytest.mark.parametrize("keep", [0, 3, 8, 60, 1000, 4000])
def test_truncated_files_are_refused_never_misread(keep: int, made: dict[str, Converted]) -> None:
    content = made["bilstm"].files["int8"].content[:keep]
    with pytest.raises(BadInputError, match=r"no \.tflite file|broken or truncated"):
        TfliteFile.of(content)


def test_interpreters_name_themselves_and_refuse_what_does_not_fit(made: dict[str, Converted]) -> None:
    file = made["tcn"].files["int8"]
    names = {load(file.content, resolver=r).resolver for r in ("xnnpack", "builtin", "reference")}
    assert names == {"BUILTIN with XNNPACK", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN_REF"}
    micro, lite = load(file.content, "tflm"), load(file.content)
    assert (micro.backend, micro.input, micro.output) == ("tflite-micro", lite.input, lite.output)
    assert set(available()) >= {"litert", "tflm"}
    for engine in (micro, lite):
        with pytest.raises(BadInputError, match=r"windows are float32 of shape \(1, 20, 6\), the file takes int8"):
            engine.run(np.zeros((1, 20, 6), dtype=np.float32))
        with pytest.raises(BadInputError, match=r"shape \(1, 19, 6\), the file takes int8 of shape \(n, 20, 6\)"):
            engine.run(np.zeros((1, 19, 6), dtype=np.int8))
        assert engine.run(np.zeros((0, 20, 6), dtype=np.int8)).shape == (0, 20, 2)


def test_calibration_takes_training_people_only(models: dict[str, GrfModel], data: StanceSet) -> None:
    with pytest.raises(BadInputError, match="participant d, e of the calibration windows was not in training"):
        representative(models["tcn"], data)
    empty = GrfModel(models["tcn"].spec, models["tcn"].network, None)
    with pytest.raises(BadInputError, match="has no calibration windows"):
        representative(empty)


def test_a_conversion_that_takes_too_long_or_fails_says_so(
    made: dict[str, Converted], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = made["tcn"].plan
    windows = np.zeros((2, plan.points, plan.width), dtype=np.float32)
    with pytest.raises(BadInputError, match=r"took longer than 0\.2 s"):
        convert(plan, windows, kinds=("int8",), limit_s=0.2)
    with pytest.raises(BadInputError, match="the conversion failed"):
        convert(plan, windows[:, :3], kinds=("int8",), limit_s=60)
    with pytest.raises(BadInputError, match="no kind 'int16' of file; there are float32"):
        convert(plan, windows, kinds=("int16",))
    monkeypatch.setattr(convert_module, "find_spec", lambda _: None)
    with pytest.raises(BadInputError, match=r"needs tensorflow and tf_keras; pip install 'grfkit\[quantize\]'"):
        convert(plan, windows)


@pytest.mark.parametrize("wrong", [3e9, -3e9, 2.0**31, np.nan, np.inf])
def test_a_bias_beyond_32_bits_is_refused_and_not_cast(made: dict[str, Converted], wrong: float) -> None:
    """Of a channel in the middle; its neighbours' largest steps pass."""
    bias = next(biases(made["bilstm"].files["int8"]))
    steps = np.asarray([0.0, 2.0**31 - 1, -(2.0**31) + 1, 7.0])
    assert whole_steps(bias, steps).tolist() == [0, 2**31 - 1, -(2**31) + 1, 7]
    steps[2] = wrong
    with pytest.raises(BadInputError, match=r"of channel 2 is \S+ steps of \S+, which 32 bits do not hold"):
        whole_steps(bias, steps)


def test_a_mean_error_that_no_bias_can_take_back_is_refused(made: dict[str, Converted]) -> None:
    """Weights that are no numbers give a mean error that is none."""
    from dataclasses import replace

    from grfkit.deploy.smooth import centred

    plan, file = made["bilstm"].plan, made["bilstm"].files["int8"]
    last = plan.layers[-1]
    far = replace(plan, layers=(*plan.layers[:-1], replace(last, bias=last.bias + np.float32(1e9))))
    inputs = np.zeros((2, *file.input.shape[1:]), np.float32)
    with pytest.raises(BadInputError, match="which 32 bits do not hold"):
        centred(file, far, inputs)
