"""Pictures of recordings and stance sets: what is missing stays empty, every axis has a unit."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_recording, make_stream

pytest.importorskip("matplotlib")


def recording(time: np.ndarray, channels: int = 2) -> Recording:
    """Return an insole's recording with one lost sample, the tenth."""
    values = np.sin(time)
    values[10] = np.nan
    cells = [Channel(f"cell_{k + 1:02d}", values + k, "N") for k in range(channels)]
    stream = make_stream(cells, time, kind="insole", side="left")
    return make_recording({"insole_left": stream}, device="demo", reader="none", provenance=Provenance())


def test_a_lost_sample_is_a_hole_in_the_line_and_marked() -> None:
    figure = recording(np.arange(100) / 100).plot()
    (panel,) = figure.axes
    marks, *lines = panel.get_lines()
    assert [line.get_label() for line in (marks, *lines)] == ["missing", "cell_01", "cell_02"]
    assert np.flatnonzero(np.isnan(lines[0].get_ydata())).tolist() == [10]
    assert marks.get_xdata() == pytest.approx([0.10])
    assert (panel.get_ylabel(), panel.get_xlabel()) == ("insole_left\nN", "time (s)")


def test_no_line_crosses_a_gap_without_rows() -> None:
    time = np.concatenate([np.arange(50) / 100, 100 + np.arange(50) / 100])
    lines = recording(time).plot().axes[0].get_lines()[1:]
    at = np.asarray(lines[0].get_xdata())
    assert np.isnan(np.asarray(lines[0].get_ydata())[(at > 0.495) & (at < 99.5)]).any()


def test_many_channels_become_rows_of_colour_with_a_scale_in_their_unit() -> None:
    figure = recording(np.arange(100) / 100, channels=16).plot()
    panel, scale = figure.axes
    assert panel.get_ylabel() == "insole_left\nchannel"
    assert scale.get_ylabel() == "N"
    figure.savefig(io.BytesIO())


def test_no_two_lines_look_alike() -> None:
    (panel,) = recording(np.arange(100) / 100, channels=12).plot().axes
    looks = [(line.get_color(), line.get_linestyle()) for line in panel.get_lines() if line.get_label() != "missing"]
    assert len(set(looks)) == len(looks) == 12


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(BadInputError, match=r"pip install 'grfkit\[plot\]'"):
        recording(np.arange(20) / 100).plot()


def test_stances_are_drawn_over_the_stance_with_mean_and_spread() -> None:
    from grfkit import cut_windows, simulate_trial

    trial = simulate_trial(seed=0, duration_s=20).on_true_clock(participant="P01")
    windows = cut_windows(trial, source="force", kinds=("insole",))
    (panel,) = windows.plot().axes
    assert (panel.get_ylabel(), panel.get_xlabel()) == ("vgrf\nBW", "% of stance")
    mean = panel.get_lines()[-1]
    assert mean.get_label() == "mean"
    assert np.nanmax(mean.get_ydata()) == pytest.approx(
        float(np.nanmax(windows.data["targets"].mean("stance"))), rel=1e-3
    )
