"""A bundle estimates what its model estimates, within what parity promised, and without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bundle_models import STRANGER, Small, need_tensorflow, small
from grfkit.learn.bundled import load_bundled, open_model
from grfkit.learn.estimate import EstimateRequest, Source, estimate
from grfkit.learn.folds import LeakError


@pytest.fixture(scope="module")
def made() -> Small:
    need_tensorflow()
    return small()


def test_the_curves_of_model_and_bundle_are_one_within_the_bounds(made: Small) -> None:
    source = Source.of_trial(made.stranger)
    real = estimate(open_model(made.model), made.model, source)
    eight = estimate(open_model(made.bundle), made.bundle, source)
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
    found = estimate(open_model(made.bundle), made.bundle, Source.of_trial(made.stranger))
    assert "in int8" in found.network
    assert [i.name for i in found.provenance.inputs] == [
        f"{STRANGER}.nc", "manifest.json", "model.tflite", "model.json",
    ]  # fmt: skip


def test_people_of_the_training_are_refused_by_a_bundle_too(made: Small) -> None:
    source = Source.of_trial(made.known)
    with pytest.raises(LeakError, match="P1"):
        estimate(open_model(made.bundle), made.bundle, source)
    found = estimate(open_model(made.bundle), made.bundle, source, EstimateRequest(allow_leak="a look"))
    assert any("P1" in leak for leak in found.leaks)


def test_windows_of_other_units_or_kinds_are_refused_by_a_bundle_too(made: Small) -> None:
    from grfkit.errors import BadInputError
    from grfkit.learn.evaluation import recipe_of_model
    from grfkit.learn.recipe import load_sets
    from grfkit.learn.stance_set import StanceSet

    data = load_sets([made.stranger], recipe_of_model(made.model))
    bundle = load_bundled(made.bundle)
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
