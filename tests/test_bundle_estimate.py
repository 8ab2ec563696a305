"""A bundle estimates what its model estimates, within what parity promised, and without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bundle_models import STRANGER, Small, need_tensorflow, small
from grfkit.estimation.estimate import estimate_source
from grfkit.estimation.open_model import load_bundle_model, open_model
from grfkit.estimation.source import EstimateRequest, EstimateSource
from grfkit.learn.folds import LeakError


@pytest.fixture(scope="module")
def made() -> Small:
    need_tensorflow()
    return small()


def test_the_curves_of_model_and_bundle_are_one_within_the_bounds(made: Small) -> None:
    source = EstimateSource.of_trial(made.stranger)
    real = estimate_source(open_model(made.model), made.model, source)
    eight = estimate_source(open_model(made.bundle), made.bundle, source)
    assert real.participant == eight.participant == STRANGER
    assert eight.axes == real.axes
    off = []
    for side, foot in real.feet.items():
        other = eight.feet[side]
        np.testing.assert_array_equal(other.time_s, foot.time_s)
        np.testing.assert_array_equal(np.isnan(other.force_bw), np.isnan(foot.force_bw))
        in_stance = foot.force_bw[:, 0] != 0
        off.append(np.abs(other.force_bw - foot.force_bw)[in_stance & np.isfinite(foot.force_bw[:, 0]), 0])
    errors = np.concatenate(off)
    assert errors.size > 1000
    assert np.sqrt(np.mean(errors**2)) <= 0.02
    assert np.quantile(errors, 0.999) <= 0.06
    assert errors.max() > 0, "eight bits say exactly what torch says; the bundle was not asked"
    assert [(r.side, r.start_s, r.flags) for r in real.rows] == [(r.side, r.start_s, r.flags) for r in eight.rows]


def test_the_estimate_says_which_files_answered(made: Small) -> None:
    found = estimate_source(open_model(made.bundle), made.bundle, EstimateSource.of_trial(made.stranger))
    assert "in int8" in found.network
    assert [i.name for i in found.provenance.inputs] == [
        f"{STRANGER}.nc", "manifest.json", "model.tflite", "model.json",
    ]  # fmt: skip


def test_people_of_the_training_are_refused_by_a_bundle_too(made: Small) -> None:
    source = EstimateSource.of_trial(made.known)
    with pytest.raises(LeakError, match="P1"):
        estimate_source(open_model(made.bundle), made.bundle, source)
    found = estimate_source(open_model(made.bundle), made.bundle, source, EstimateRequest(allow_leak="a look"))
    assert any("P1" in leak for leak in found.leaks)


def test_windows_of_other_units_or_kinds_are_refused_by_a_bundle_too(made: Small) -> None:
    from grfkit.errors import BadInputError
    from grfkit.learn.recipe import recipe_of_model
    from grfkit.learn.window_sources import load_sets
    from grfkit.records.stance_set import StanceSet

    data = load_sets([made.stranger], recipe_of_model(made.model))
    bundle = load_bundle_model(made.bundle)
    assert np.isfinite(bundle.predict(data)).all()
    units = np.asarray(["kPa"] * len(data.channels), dtype=object)
    with pytest.raises(BadInputError, match="is in kPa"):
        bundle.predict(StanceSet(data.data.assign_coords(unit=("channel", units))))
    with pytest.raises(BadInputError, match="windows are stance of 40 points"):
        bundle.predict(StanceSet(data.data.isel(time=slice(0, 40)).assign_attrs(points=40)))


def test_grf_estimate_with_a_bundle_imports_neither_torch_nor_tensorflow(made: Small, tmp_path: Path) -> None:
    out = tmp_path / "e.nc"
    code = (
        "import sys; from grfkit.cli import estimate\n"
        f"sys.argv = ['grf-estimate', {str(made.bundle)!r}, {str(made.stranger)!r}, '--out', {str(out)!r}, '--json']\n"
        "try: estimate.main()\n"
        "except SystemExit as stop: code = stop.code\n"
        "print([m for m in ('torch', 'tensorflow', 'tf_keras', 'safetensors') if m in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("[]")
    assert json.loads(done.stdout)["participant"] == STRANGER
    assert out.is_file()


def test_a_folder_that_is_neither_says_so(tmp_path: Path) -> None:
    from grfkit.errors import BadInputError

    with pytest.raises(BadInputError, match="is no grfkit model"):
        open_model(tmp_path)


def louder(path: Path, times: float) -> EstimateSource:
    """Return a trial whose cells and inertial signals read so many times as much as they did."""
    source = EstimateSource.of_trial(path)
    for name, stream in list(source.trial.streams.items()):
        if stream.attrs.get("kind") == "insole":
            turned_up = {
                v: stream[v] * times for v in stream.data_vars if str(v).startswith(("acc_", "gyro_", "cell_"))
            }
            for signal, array in turned_up.items():
                array.attrs.update(stream[signal].attrs)
            source.trial.tree[name] = xr.DataTree(stream.assign(turned_up))
    return source


def beyond_by_hand(bundle: Path, inputs: np.ndarray, statics: np.ndarray) -> np.ndarray:
    """Count, window by window, the numbers that have no 8-bit number; straight from the manifest's JSON."""
    told = json.loads((bundle / "manifest.json").read_text())
    values = {"channel": inputs, "static": np.repeat(statics[:, None], inputs.shape[1], axis=1)}
    counts = np.zeros(len(inputs), dtype=int)
    for role, real in values.items():
        for k, column in enumerate([c for c in told["columns"] if c["role"] == role]):
            z = np.nan_to_num((real[:, :, k] - column["centre"]) / column["size"])
            stored = np.floor(z / told["input"]["scale"] + 0.5) + told["input"]["zero_point"]
            counts += ((stored < -128) | (stored > 127)).sum(axis=1)
    return counts


def test_numbers_beyond_the_range_are_counted_by_window(made: Small) -> None:
    from grfkit.learn.recipe import recipe_of_model
    from grfkit.learn.window_sources import load_sets
    from grfkit.records.stance_set import StanceSet

    data = load_sets([made.stranger], recipe_of_model(made.model))
    changed = data.data.copy(deep=True)
    changed["inputs"].values[2, 5:9, 0] = 1e6
    changed["inputs"].values[3] = np.nan  # is not answered, whatever its statics are
    changed["scalars"].values[[3, 4], data.data["scalar"].values.tolist().index("contact_s")] = 1e3
    bundle = load_bundle_model(made.bundle)
    order = [data.channels.index(c.name) for c in bundle.bundle.manifest.of_role("channel")]
    contact_s = StanceSet(changed).scalar("contact_s")[:, None]
    due = beyond_by_hand(made.bundle, changed["inputs"].values[:, :, order], contact_s)
    due[3] = 0
    counts = bundle.beyond(StanceSet(changed))
    np.testing.assert_array_equal(counts, due)
    before = bundle.beyond(data)
    assert counts[2] >= 4
    assert counts[4] >= bundle.spec.points
    np.testing.assert_array_equal(np.delete(counts, [2, 3, 4]), np.delete(before, [2, 3, 4]))


def test_an_estimate_says_where_the_bundle_s_range_ends(made: Small) -> None:
    from grfkit.cli.estimate import words
    from grfkit.estimation.files import summary

    def told(folder: Path, source: EstimateSource) -> tuple[list[str], int]:
        found = estimate_source(open_model(folder), folder, source)
        said = [text for text in summary(found)["findings"] if "beyond the bundle's range" in text]
        assert [f"note: {text}" in words(summary(found) | {"files": ["e.nc"]}) for text in said] == [True] * len(said)
        assert [text for text in found.provenance.findings if text in said] == said
        return said, sum(row.answered for row in found.rows)

    assert told(made.bundle, EstimateSource.of_trial(made.stranger))[0] == []
    assert told(made.model, louder(made.stranger, 6.0))[0] == [], "a network of floats has no border"
    (text,), answered = told(made.bundle, louder(made.stranger, 6.0))
    windows, of, numbers = (int(n) for n in re.findall(r"\d+", text))
    assert text == (
        f"{windows} of {of} windows have numbers beyond the bundle's range ({numbers} numbers); its answers for them"
        " are held at the border"
    )
    assert 0 < windows <= of == answered
    assert numbers > windows
