"""Stances of trials: is a window's force that of its foot and instant, and is what cannot be learnt from refused?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.learn.trials import CutRequest, from_trial, from_trials
from grfkit.provenance import Provenance
from grfkit.records import Anchors, ClockMap, Segment, Trial
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.sync.assemble import assemble
from grfkit.units import G

LAB = simulate_trial(Condition(family="A", duration_s=40.0, wearables=("insole", "imu")), 5)
MASS_KG = 70.0


def trial(lab: LabTrial = LAB, *, participant: str = "P1", mass_kg: float = MASS_KG, verdict: str = "aligned") -> Trial:
    """Return the trial with the clocks that are known to be true."""
    streams, maps = {}, {}
    for wearable, recording in lab.wearables.items():
        for name, stream in recording.streams.items():
            truth = lab.truth.streams[(wearable, name)]
            segment = Segment(start_s=-1e6, end_s=1e6, offset_s=truth.offset_s, drift_ppm=truth.drift_ppm, knots=[])
            streams[name] = stream
            maps[name] = ClockMap(source=name, target="reference", verdict=verdict, segments=[segment])  # type: ignore[arg-type]
    none = np.zeros(0)
    anchors = {name: Anchors(none, none, none, np.zeros(0, dtype=bool)) for name in streams}
    attrs = {"participant": participant, "surface": "treadmill", "mass_kg": mass_kg, "speed_m_s": 3.0,
             "slope_percent": 0.0}  # fmt: skip
    return assemble(lab.reference, streams, maps, anchors, attrs=attrs, provenance=Provenance())


def test_a_window_holds_the_force_of_its_instants_in_body_weights() -> None:
    made = from_trial(trial(), CutRequest(source="force"))
    plate = next(s for s in LAB.reference.of_kind("force_plate").values())
    time_s = plate["time"].values
    up = np.abs(plate["fz"].values)
    _, targets, _ = made.arrays()
    starts, contact = made.data["start_s"].values, made.scalar("contact_s")
    for row in range(0, made.size, 7):
        at = np.linspace(starts[row], starts[row] + contact[row], 101)
        np.testing.assert_allclose(targets[row, :, 0], np.interp(at, time_s, up) / (MASS_KG * G), atol=0.02)
    assert made.size > 60
    assert set(made.per_stance("side")) == {"left", "right"}
    assert made.data.attrs["cut"] == "force"


def test_each_foot_gets_its_own_sensors_and_loads_rise_with_the_force() -> None:
    made = from_trial(trial(), CutRequest(source="force", kinds=("insole",)))
    inputs, targets, _ = made.arrays()
    cells = [i for i, c in enumerate(made.channels) if c.startswith("cell_")]
    load = np.nansum(inputs[:, :, cells], axis=2)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(load, targets[:, :, 0])]
    assert len(cells) == 16
    assert np.median(r) > 0.8  # the other foot is in the air: its load would not follow


def test_the_device_detector_is_the_default_and_named() -> None:
    made = from_trial(trial())
    assert made.data.attrs["cut"] == "insole_causal"
    assert made.size > 50
    assert {"acc_x", "gyro_z", "cell_01"} <= set(made.channels)


def test_mirroring_turns_lateral_channels_of_left_feet_alone() -> None:
    plain = from_trial(trial(), CutRequest(source="force", mirror=False))
    turned = from_trial(trial(), CutRequest(source="force", mirror=True))
    left = plain.per_stance("side") == "left"
    x, y = plain.arrays()[0], turned.arrays()[0]
    lateral = plain.channels.index("acc_y")
    forward = plain.channels.index("acc_x")
    np.testing.assert_array_equal(x[left][:, :, lateral], -y[left][:, :, lateral])
    np.testing.assert_array_equal(x[~left], y[~left])
    np.testing.assert_array_equal(x[left][:, :, forward], y[left][:, :, forward])


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"participant": " "}, "names no participant"),
        ({"mass_kg": float("nan")}, "states no body mass"),
        ({"verdict": "refused"}, "refused by alignment"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(given: dict[str, object], what: str, tmp_path: Path) -> None:
    path = tmp_path / "t.nc"
    trial(**given).to_netcdf(path)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match=what):
        from_trials([path])


def test_no_trial_and_no_stance_are_refused() -> None:
    with pytest.raises(BadInputError, match="no trial was given"):
        from_trials([])
    still = simulate_trial(Condition(family="A", duration_s=30.0, standing=True, wearables=("insole",)), 6)
    with pytest.raises(BadInputError, match="no stance is left"):
        from_trial(trial(still), CutRequest(source="force", kinds=("insole",)))
