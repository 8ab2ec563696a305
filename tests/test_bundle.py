"""A bundle is whole or not there, says who it was measured on, and holds what a device needs, byte for byte."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundle_models import STRANGER, TRAINED, Small, need_compiler, need_tensorflow, small
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.embedded.compile import RUNTIME
from grfkit.errors import BadInputError
from grfkit.runtime.bundle import load_bundle
from grfkit.runtime.bundle_files import read_manifest
from grfkit.runtime.manifest import schema_text

SCHEMA = Path(__file__).resolve().parents[1] / "firmware_models" / "manifest.schema.json"


@pytest.fixture(scope="module")
def made() -> Small:
    need_tensorflow()
    return small()


def another_bias(source: str) -> str:
    """Return a model's C with the first number of its first int32 array changed."""
    changed = re.sub(r"(static const int32_t \w+\[\d+\] GRF_ALIGNED = \{\s*)-?\d+", r"\g<1>99999", source, count=1)
    assert changed != source
    return changed


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_schema_file_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "write grfkit.runtime.manifest.schema_text() into it"


def test_a_bundle_says_who_and_what_and_names_every_file(made: Small) -> None:
    told = json.loads((made.bundle / "manifest.json").read_text())
    tflite = (made.bundle / "model.tflite").read_bytes()
    assert told["model_id"] == zlib.crc32(tflite)
    assert sorted(told["trained_on"]) == list(TRAINED)
    assert set(told["calibrated_on"]) <= set(TRAINED)
    assert told["parity"]["on"] == "held-out people"
    assert told["parity"]["participants"] == [STRANGER]
    assert told["parity"]["c_windows"] >= 1000 or told["c"] is None
    assert all(f["kept"] and (f["bound"] is None or f["value"] <= f["bound"]) for f in told["parity"]["figures"])
    assert [told["window"], told["points"], told["cut"], told["mirrored"]] == ["stance", 51, "insole_causal", True]
    listed = {f["path"]: f["sha256"] for f in told["files"]}
    present = {p.relative_to(made.bundle).as_posix(): p for p in made.bundle.rglob("*") if p.is_file()}
    assert set(present) == set(listed) | {"manifest.json", "SHA256SUMS"}
    for path, digest in listed.items():
        assert hashlib.sha256(present[path].read_bytes()).hexdigest() == digest
    weights = (made.model / "model.safetensors").read_bytes()
    assert told["trained"]["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert not [p for p in made.folder.iterdir() if p.name.startswith(".")], "something was left beside the bundle"


def test_the_mean_curve_stands_beside_the_model_and_a_model_that_loses_to_it_says_so(
    made: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grfkit.deploy import bundle_manifest
    from grfkit.learn.recipe import recipe_of_model
    from grfkit.learn.window_sources import load_sets
    from grfkit.records.stance_set import StanceSet

    manifest = read_manifest(made.bundle)
    known = StanceSet.open(made.model / "calibration.nc").data.load()
    axes = [str(a) for a in known["axis"].values]
    own = load_sets([made.stranger], recipe_of_model(made.model)).data
    people = known["participant"].values
    usual = np.mean([np.nanmean(known["targets"].values[people == p], axis=0) for p in np.unique(people)], axis=0)
    for axis, row in manifest.parity.axes.items():
        off = own["targets"].values[..., axes.index(axis)] - usual[:, axes.index(axis)]
        assert row["rmse_bw mean curve"] == pytest.approx(np.sqrt(np.nanmean(off**2)), rel=1e-3)
        assert row["rmse_bw int8"] < row["rmse_bw mean curve"]
    assert not [f for f in manifest.findings if "mean curve" in f]
    monkeypatch.setattr(bundle_manifest, "mean_curve", lambda _: np.nanmean(own["targets"].values, axis=0))
    monkeypatch.setattr(bundle_manifest, "predict", lambda _, data, **__: np.zeros(data.data["targets"].shape))
    monkeypatch.setattr(bundle_manifest, "from_int8", lambda stored, **_: np.zeros(stored.shape))
    lost = made.export(tmp_path / "b").findings
    assert [f for f in lost if "vgrf" in f and "does not beat the mean curve" in f]


def test_columns_are_channels_then_masks_then_statics_with_the_scaler_s_numbers(made: Small) -> None:
    manifest = read_manifest(made.bundle)
    scaler = json.loads((made.model / "model.json").read_text())["scaler"]
    channels = scaler["channels"]
    assert [c.name for c in manifest.columns] == [*channels, *channels, "contact_s"]
    roles = ["channel"] * len(channels) + ["missing"] * len(channels) + ["static"]
    assert [c.role for c in manifest.columns] == roles
    assert [c.centre for c in manifest.columns[: len(channels)]] == scaler["centre"]
    assert manifest.columns[-1].size == scaler["static_size"][0]
    file = TfliteFile.read(made.bundle / "model.tflite")
    for column in manifest.columns:
        for count in (-300, 0, 7, 1200):  # the integers against the z-score they stand for
            value = (count * column.unit_per_count - column.centre) / column.size
            expected = np.clip(np.floor(value / file.input.scale + 0.5) + file.input.zero_point, -128, 127)
            steps = column.zero + (
                ((count - column.offset) * column.multiplier + (1 << column.shift - 1)) >> column.shift
            )
            assert abs(min(127, max(-128, steps)) - expected) <= 1, (column.name, count)


def test_scaled_inputs_are_those_of_training_to_the_last_bit_gaps_too(made: Small) -> None:
    from grfkit.deploy.from_torch import plan_inputs
    from grfkit.deploy.golden import physical
    from grfkit.learn.model import GrfModel
    from grfkit.records.stance_set import StanceSet

    model = GrfModel.load(made.model)
    data = StanceSet(model.calibration.data.load())
    holes = np.random.default_rng(3).random(data.data["inputs"].shape) < 0.1
    values = np.where(holes, np.nan, data.data["inputs"].values).astype(np.float32)
    gappy = StanceSet(data.data.assign(inputs=(data.data["inputs"].dims, values)))
    known = physical(model.spec, gappy)
    got = load_bundle(made.bundle).scaled(known.inputs, known.statics)
    assert np.isnan(known.inputs).any()
    np.testing.assert_array_equal(got, plan_inputs(model, gappy))


def test_a_window_without_one_sample_is_not_answered(made: Small) -> None:
    bundle = load_bundle(made.bundle)
    inputs = np.full((2, 51, len(bundle.manifest.of_role("channel"))), np.nan, dtype=np.float32)
    inputs[1] = 1.0
    forces = bundle.predict(inputs, np.full((2, 1), 0.25, dtype=np.float32), np.full(2, 70.0))
    assert np.isnan(forces[0]).all()
    assert np.isfinite(forces[1]).all()
    with pytest.raises(BadInputError, match="inputs have shape"):
        bundle.predict(inputs[:, :-1], np.zeros((2, 1)), np.full(2, 70.0))


def test_golden_vectors_are_what_int8_and_the_manifest_make_of_counts(made: Small) -> None:
    told = read_manifest(made.bundle)
    with np.load(made.bundle / "golden.npz") as stored:
        golden = dict(stored)
    assert golden["raw"].dtype == np.int16
    assert golden["input_int8"].dtype == golden["output_int8"].dtype == np.int8
    real = (golden["output_int8"].astype(float) - told.output.zero_point) * told.output.scale
    force = real * [a.size for a in told.axes] + [a.centre for a in told.axes]
    np.testing.assert_allclose(golden["force_bw"], force, atol=1e-12)
    vertical = [a.name for a in told.axes].index("vgrf")
    off = np.abs(golden["force_bw"] - golden["torch_bw"])[:, :, vertical]
    assert np.sqrt((off**2).mean()) <= 0.02


def test_the_makefile_s_test_passes_and_fails_on_a_changed_weight(made: Small, tmp_path: Path) -> None:
    need_compiler()
    told = read_manifest(made.bundle)
    assert told.c is not None
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(made.bundle), str(copy)], check=True)
    ran = subprocess.run(["make", "-s", "test"], cwd=copy, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "8 golden windows, every byte equal" in ran.stdout
    source = copy / told.c.source
    text = source.read_text()
    source.write_text(another_bias(text))
    ran = subprocess.run(["make", "-s", "test"], cwd=copy, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "int8 out differs" in ran.stdout


def test_the_same_export_gives_the_same_bytes(made: Small, tmp_path: Path) -> None:
    out = tmp_path / "small_net"
    made.export(out, thorough=True)
    files = [p.relative_to(out) for p in out.rglob("*") if p.is_file()]
    assert len(files) > 30
    for path in files:
        assert (out / path).read_bytes() == (made.bundle / path).read_bytes(), path


def test_without_strangers_manifest_and_card_say_that_training_people_were_measured(
    made: Small, tmp_path: Path
) -> None:
    manifest = made.export(tmp_path / "b", held_out=None)
    assert manifest.parity.on == "training people"
    assert set(manifest.parity.participants) <= set(TRAINED)
    assert any("no held-out people" in f for f in manifest.findings)
    card = (tmp_path / "b" / "CARD.md").read_text()
    assert "These people were in training" in card
    assert "on training people" in card


def test_windows_beside_the_model_are_taken_for_held_out(made: Small, tmp_path: Path) -> None:
    from grfkit.learn.recipe import recipe_of_model
    from grfkit.learn.window_sources import load_sets

    model = tmp_path / "model"
    subprocess.run(["cp", "-r", str(made.model), str(model)], check=True)
    load_sets([made.stranger], recipe_of_model(made.model)).to_netcdf(model / "held_out.nc")
    manifest = replace(made, folder=tmp_path).export(tmp_path / "b", held_out=None)
    assert (manifest.parity.on, manifest.parity.participants) == ("held-out people", (STRANGER,))


def test_people_of_the_training_never_count_as_held_out(made: Small, tmp_path: Path) -> None:
    from grfkit.learn.folds import LeakError

    with pytest.raises(LeakError, match="P1"):
        made.export(tmp_path / "b", held_out=[made.known])
    manifest = made.export(tmp_path / "c", held_out=[made.known, made.stranger])
    assert manifest.parity.participants == (STRANGER,)
    assert any("P1" in f and "left out of parity" in f for f in manifest.findings)
    with pytest.raises(BadInputError, match=f"{STRANGER}.*was not in training"):
        made.export(tmp_path / "d", calibrate=[made.stranger])
    assert names(tmp_path) == ["c"]


def test_held_out_windows_without_a_known_sample_are_left_out_and_told_and_none_is_refused(
    made: Small, tmp_path: Path
) -> None:
    from grfkit.learn.recipe import recipe_of_model
    from grfkit.learn.window_sources import load_sets
    from grfkit.records.stance_set import StanceSet

    data = load_sets([made.stranger], recipe_of_model(made.model)).data.load()
    gappy = data.copy(deep=True)
    gappy["inputs"].values[3] = np.nan
    manifest = made.export(tmp_path / "b", held_out=StanceSet(gappy))
    assert manifest.parity.windows == data.sizes["stance"] - 1
    assert f"1 of {data.sizes['stance']} windows have no known sample and were left out of parity" in manifest.findings
    for name in ("inputs", "targets"):
        empty = data.assign({name: data[name] * np.nan})
        with pytest.raises(BadInputError, match="has a known sample and a measured force"):
            made.export(tmp_path / "c", held_out=StanceSet(empty))
    assert names(tmp_path) == ["b"]


def test_a_rate_that_no_detector_works_at_is_refused_before_anything_is_converted(
    made: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grfkit.deploy import bundle

    monkeypatch.setattr(bundle, "convert_model", lambda *_, **__: pytest.fail("was converted"))
    for rate_hz in (7.0, -5.0, float("nan"), float("inf")):
        with pytest.raises(BadInputError, match=r"expected 20 to 10000 Hz"):
            bundle.export_bundle(made.model, tmp_path / "b", held_out=[made.stranger], boards=(), rate_hz=rate_hz)
    assert names(tmp_path) == []


def test_a_broken_bound_refuses_everything_and_writes_nothing(made: Small, tmp_path: Path) -> None:
    from grfkit.deploy.bounds import BOUNDS
    from grfkit.deploy.bundle import Refusal

    strict = BOUNDS._replace(rms_bw=0.0, p999_bw=1e-9)
    with pytest.raises(Refusal, match="error added, RMS, vgrf") as caught:
        made.export(tmp_path / "b", bounds=strict)
    assert caught.value.exit_code == 3
    assert any("p99.9, vgrf" in text for text in caught.value.broken)
    assert names(tmp_path) == []
    with pytest.raises(Refusal):
        made.export(tmp_path / "b", bounds=strict, keep_failed=tmp_path / "look")
    kept = names(tmp_path / "look")
    assert names(tmp_path) == ["look"]
    assert "model.tflite" in kept
    assert "manifest.json" not in kept
    assert "RMS, vgrf" in (tmp_path / "look" / "FAILED.txt").read_text()


def test_c_that_answers_another_byte_is_refused(made: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grfkit.deploy import bundle

    need_compiler()
    honest = bundle.c_model

    def wrong(file: TfliteFile, name: str):
        model = honest(file, name)
        return replace(model, source=another_bias(model.source))

    monkeypatch.setattr(bundle, "c_model", wrong)
    with pytest.raises(bundle.Refusal, match="C to TFLite Micro, windows that differ is"):
        made.export(tmp_path / "b")
    assert names(tmp_path) == []


def test_a_network_without_c_is_a_bundle_that_says_why(
    made: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grfkit.deploy import bundle
    from grfkit.deploy.c_layers import NoC
    from grfkit.deploy.verify import verify_bundle

    def none(file: TfliteFile, name: str):
        raise NoC("operator 3 MAX_POOL_2D is not in the C runtime")

    monkeypatch.setattr(bundle, "c_model", none)
    manifest = made.export(tmp_path / "b", boards=("mps2-an386",))
    assert manifest.c is None
    assert "MAX_POOL_2D" in manifest.c_reason
    assert manifest.sizes.boards is None
    assert "MAX_POOL_2D" in manifest.sizes.boards_reason
    assert not (tmp_path / "b" / "c").exists()
    assert "No C" in (tmp_path / "b" / "CARD.md").read_text()
    assert verify_bundle(tmp_path / "b", boards=None).missing == ()


def test_boards_that_cannot_run_here_leave_a_reason(
    made: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grfkit.deploy import same_bytes

    need_compiler()
    monkeypatch.setattr(same_bytes, "missing", lambda: "qemu-system-arm missing")
    manifest = made.export(tmp_path / "b", boards=("mps2-an386",))
    assert (manifest.sizes.boards, manifest.sizes.boards_reason) == (None, "qemu-system-arm missing")
    with pytest.raises(BadInputError, match="board 'm4' is unknown"):
        made.export(tmp_path / "c", boards=("m4",))


def test_a_board_counts_and_answers_the_same_bytes(made: Small, tmp_path: Path) -> None:
    from grfkit.deploy.qemu import missing

    need_compiler()
    if missing():
        pytest.skip(str(missing()))
    manifest = made.export(tmp_path / "b", boards=("mps2-an386",))
    assert manifest.sizes.boards is not None
    board = manifest.sizes.boards["mps2-an386"]
    assert board.same_bytes_as_host
    assert 1e5 < board.instructions < 1e8
    assert json.loads((tmp_path / "b" / "sizes.json").read_text())["boards"]["mps2-an386"]["core"] == "M4F"


def test_what_is_there_is_replaced_with_force_alone_and_only_if_it_is_a_bundle(made: Small, tmp_path: Path) -> None:
    out = tmp_path / "b"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(BadInputError, match="is no bundle"):
            made.export(out, force=force)
    (out / "thesis.txt").unlink()
    (out / "manifest.json").write_text("{}")
    with pytest.raises(BadInputError, match="--force"):
        made.export(out)
    made.export(out, force=True)
    assert read_manifest(out).name == "b"
    with pytest.raises(BadInputError, match="folder does not exist"):
        made.export(tmp_path / "no" / "b")


def test_a_disk_that_fails_leaves_the_old_bundle_and_nothing_beside_it(
    made: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "b"
    made.export(out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    honest = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == "golden.npz":
            raise OSError(28, "No space left on device")
        return honest(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadInputError, match="No space left"):
        made.export(out, force=True)
    assert names(tmp_path) == ["b"]
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_the_bundle_s_runtime_is_the_repository_s(made: Small) -> None:
    need_compiler()
    for path in (*RUNTIME.glob("grf_*.c"), *RUNTIME.glob("grf_*.h")):
        assert (made.bundle / "runtime" / path.name).is_file()
