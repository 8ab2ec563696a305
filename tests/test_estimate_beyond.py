"""A model does not answer far outside its training in silence: channels are named, and refused where hopeless."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

import grfkit
from grfkit.cli.estimate import main
from grfkit.errors import RefusedError
from grfkit.learn.batches import Windows
from grfkit.learn.beyond import FAR, REFUSED, beyond_training, distances, hardly_moving
from grfkit.learn.scaler import fit_scaler
from grfkit.records import Trial
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up


def trial(seed: int) -> Trial:
    lab = grfkit.simulate_trial(seed=seed, duration_s=14, wearables=("insole", "imu"))
    return lab.on_true_clock(participant=f"P{seed}")


def scaled(whole: Trial, pattern: str, factor: float) -> Trial:
    """Return the trial with some channels of its IMUs times a factor, as a wrong unit makes it."""
    tree = whole.tree.copy(deep=True)
    for node in tree.subtree:
        if "imu" in (node.name or ""):
            data = node.to_dataset()
            for name in [str(n) for n in data.data_vars if str(n).startswith(pattern)]:
                data[name] = data[name].copy(data=data[name].values * factor)
            node.dataset = data
    return Trial(tree)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beyond")
    sets = [grfkit.cut_windows(trial(seed), kinds=("imu",)) for seed in (1, 2, 3)]
    grfkit.train(sets, network="mlp", epochs=1, out=folder / "model")
    trial(9).to_netcdf(folder / "right.nc")
    scaled(trial(9), "gyro_", np.rad2deg(1.0)).to_netcdf(folder / "gyro57.nc")
    return folder


def test_a_stranger_who_is_right_is_answered_without_a_word(folder: Path) -> None:
    for seed in (9, 10, 11):
        result = grfkit.estimate(folder / "model", trial(seed))
        assert not any("BEYOND" in text for text in result.findings)


def test_a_gyroscope_57_times_too_large_is_refused_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "gyro57.csv"
    arguments = ["grf-estimate", str(folder / "model"), str(folder / "gyro57.nc"), "--out", str(out)]
    with patch("sys.argv", arguments), pytest.raises(SystemExit) as ended:
        main()
    text = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 3
    assert "far beyond the training range" in text
    assert "gyro_" in text
    assert "acc_" not in text
    assert not out.exists()
    with patch("sys.argv", [*arguments, "--accept-beyond"]), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "BEYOND TRAINING: gyro_" in capsys.readouterr().out
    assert out.exists()


@pytest.mark.parametrize(
    ("pattern", "factor", "text"),
    [("acc_", 9.80665, "BEYOND TRAINING: acc_"), ("gyro_", np.deg2rad(1.0), "BEYOND TRAINING: no axis of gyro")],
)
def test_a_smaller_or_a_too_small_input_is_answered_and_named(
    folder: Path, pattern: str, factor: float, text: str
) -> None:
    result = grfkit.estimate(folder / "model", scaled(trial(9), pattern, factor))
    (finding,) = [f for f in result.findings if "BEYOND" in f]
    assert finding.startswith(text)
    assert finding in result.provenance.findings


def test_accelerations_a_thousand_times_too_large_are_refused_from_python(folder: Path) -> None:
    with pytest.raises(RefusedError, match=r"acc_. \[m/s\^2\]"):
        grfkit.estimate(folder / "model", scaled(trial(9), "acc_", 1000.0))


def changed(data: StanceSet, channel: str, factor: float, rows: slice = slice(None)) -> StanceSet:
    inputs = data.data["inputs"].values.copy()
    inputs[rows, :, data.channels.index(channel)] *= factor
    return StanceSet(data.data.assign(inputs=(data.data["inputs"].dims, inputs)))


@pytest.mark.parametrize("kind", ["zscore", "minmax"])
def test_distances_are_one_in_training_and_grow_with_the_factor(kind: str) -> None:
    data = made_up("abcdef")
    scaler = fit_scaler(Windows(data.of("abc"), data.channels, (), data.axes), kind=kind)  # type: ignore[arg-type]
    here = distances(scaler, data.of("abc")).distance
    assert np.sqrt(np.mean(here**2)) == pytest.approx(1.0 if kind == "zscore" else 0.4, rel=0.3)
    rest = data.of("def")
    assert beyond_training(scaler, [distances(scaler, rest)]) == []
    (far,) = beyond_training(scaler, [distances(scaler, changed(rest, "acc_y", 57.3))])
    assert (far.channel, far.unit, far.refused, far.share) == ("acc_y", "m/s^2", True, 1.0)
    assert far.median > REFUSED


def test_some_wild_windows_are_nobodys_unit_and_half_of_them_are_named() -> None:
    data = made_up("abcdef")
    scaler = fit_scaler(Windows(data.of("abc"), data.channels, (), data.axes))
    rest = data.of("def")
    assert beyond_training(scaler, [distances(scaler, changed(rest, "acc_y", 57.3, slice(0, 5)))]) == []
    (far,) = beyond_training(scaler, [distances(scaler, changed(rest, "acc_y", 57.3, slice(0, 14)))])
    assert far.share == pytest.approx(14 / 36)
    assert far.median < FAR
    assert not far.refused


def test_missing_channels_and_those_that_never_moved_in_training_have_no_distance() -> None:
    data = made_up("abcdef")
    still = changed(data.of("abc"), "cell_1", 0.0)
    scaler = fit_scaler(Windows(still, data.channels, (), data.axes))
    rest = changed(data.of("def"), "cell_2", np.nan)
    apart = distances(scaler, rest)
    assert np.isnan(apart.distance[:, list(data.channels).index("cell_1")]).all()
    assert np.isnan(apart.distance[:, list(data.channels).index("cell_2")]).all()
    assert beyond_training(scaler, [apart]) == []
    plain = fit_scaler(Windows(data.of("abc"), data.channels, (), data.axes), kind="none")
    assert np.isnan(distances(plain, rest).distance).all(), "nothing is known without scaling"
    assert beyond_training(scaler, []) == []
    assert hardly_moving(scaler, []) == []


def test_counts_of_another_insole_are_named_and_not_refused() -> None:
    data = made_up("abcdef")
    units = data.data["unit"].values.copy()
    units[[c.startswith("cell") for c in data.channels]] = "count"
    data = StanceSet(data.data.assign_coords(unit=("channel", units)))
    scaler = fit_scaler(Windows(data.of("abc"), data.channels, (), data.axes))
    (far,) = beyond_training(scaler, [distances(scaler, changed(data.of("def"), "cell_1", 64.0))])
    assert far.median > REFUSED
    assert not far.refused
