"""What a user states of a trial is held against the forces: mass, speed, slope, surface; one table of limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grfkit import align, assemble, simulate_trial
from grfkit.calibrate import correct, examine
from grfkit.cli.sync_words import table_words
from grfkit.errors import BadInputError
from grfkit.estimation.source import EstimateRequest
from grfkit.limits import MASS_KG, SLOPE_PERCENT, SPEED_M_S
from grfkit.monitor.headless import MonitorRequest
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_recording, make_stream
from grfkit.report.batch import summary_row
from grfkit.simulate.lab import LabTrial
from grfkit.sync.plausible import input_doubts
from grfkit.sync.request import SyncRequest
from grfkit.sync.summary import doubts_in

RUN = simulate_trial(seed=1, surface="treadmill", gait="run")
BELT_WALK = simulate_trial(seed=1, surface="treadmill", gait="walk")
FLOOR_WALK = simulate_trial(seed=1, surface="overground", gait="walk")


def doubts(lab: LabTrial, **stated: Any) -> tuple[str, ...]:
    now = lab.truth.world.situation
    true = {"surface": lab.truth.condition.surface, "mass_kg": now.mass_kg, "speed_m_s": now.speed_m_s}
    request = SyncRequest(reference=Path("r"), wearables=(Path("w"),), **(true | stated))
    findings = examine(lab.reference, surface=request.surface, mass_kg=request.mass_kg)
    rows = [finding.model_dump() for plate in findings for finding in plate.findings]
    return input_doubts(request, correct(lab.reference, findings), list(lab.wearables.values()), rows)


@pytest.mark.parametrize("lab", [RUN, BELT_WALK, FLOOR_WALK], ids=["run", "walk on one belt", "walk over plates"])
def test_what_is_right_is_not_doubted(lab: LabTrial) -> None:
    assert doubts(lab) == ()
    assert doubts(lab, mass_kg=None, speed_m_s=None) == ()
    assert doubts(lab, mass_kg=0.8 * lab.truth.world.situation.mass_kg, slope_percent=15.0) == ()


@pytest.mark.parametrize("lab", [BELT_WALK, FLOOR_WALK], ids=["one belt", "plates"])
def test_a_mass_in_pounds_taken_for_kilograms(lab: LabTrial) -> None:
    (doubt,) = doubts(lab, mass_kg=2.2046 * lab.truth.world.situation.mass_kg)
    assert "check the mass (in kg?)" in doubt


def test_a_mass_that_the_plates_examination_doubts_is_not_doubted_twice() -> None:
    assert doubts(RUN, mass_kg=2.0 * RUN.truth.world.situation.mass_kg) == ()


@pytest.mark.parametrize("lab", [RUN, BELT_WALK, FLOOR_WALK], ids=["run", "walk on one belt", "walk over plates"])
def test_a_speed_in_km_h_taken_for_m_s(lab: LabTrial) -> None:
    stated = round(3.6 * lab.truth.world.situation.speed_m_s, 1)
    (doubt,) = doubts(lab, speed_m_s=stated)
    assert f"the speed is stated as {stated:g} m/s" in doubt
    assert f"is it in km/h ({stated:g} km/h are {stated / 3.6:.2f} m/s)?" in doubt


def test_eleven_metres_a_second_and_a_crawl_are_doubted_but_not_a_sprint() -> None:
    assert "11 m/s (39.6 km/h)" in doubts(RUN, speed_m_s=11.0)[0]
    assert "is it in m/s?" in doubts(RUN, speed_m_s=0.1)[0]
    assert doubts(RUN, speed_m_s=0.0) == ()
    sprint = contacts(np.arange(40) * 0.24, 0.1, 1400.0)
    assert stated(sprint, speed_m_s=11.0) == ()
    assert len(stated(sprint, speed_m_s=0.5)) == 1


def test_slopes_and_surfaces() -> None:
    assert "are 20 degrees" in doubts(RUN, slope_percent=36.0)[0]
    assert "--surface treadmill" in doubts(RUN, surface="overground", mass_kg=None)[0]
    assert "--surface treadmill" in doubts(BELT_WALK, surface="overground", mass_kg=None, speed_m_s=None)[0]
    passes = contacts(np.asarray([3.0, 15.0]), 0.65, 600.0)
    assert stated(passes, surface="overground") == ()
    assert "--surface overground" in stated(passes, surface="treadmill")[0]


def contacts(at_s: np.ndarray, stance_s: float, mean_n: float, unit: str = "N", kind: str = "force_plate") -> Recording:
    """A plate (or insole) with half-sine contacts of a mean load, for 20 s at 200 Hz."""
    time = np.arange(4000) / 200.0
    load = np.random.default_rng(0).normal(size=time.size) * 1e-3 * mean_n
    for start in at_s:
        phase = (time - start) / stance_s
        load += np.where((phase > 0) & (phase < 1), 0.5 * np.pi * mean_n * np.sin(np.pi * phase), 0.0)
    name = "fz" if kind == "force_plate" else "force"
    attrs = {"vertical": "+z"} if kind == "force_plate" else None
    stream = make_stream([Channel(name, load, unit)], time, kind=kind, side="unknown", attrs=attrs)  # type: ignore[arg-type]
    return make_recording({"one": stream}, device="test", reader="none", provenance=Provenance())


def stated(reference: Recording, surface: str = "treadmill", **facts: Any) -> tuple[str, ...]:
    return input_doubts(
        SyncRequest(reference=Path("r"), wearables=(Path("w"),), surface=surface, **facts), reference, ()
    )


@pytest.mark.parametrize(
    ("stance_s", "mean_bw", "doubted"),
    [(0.65, 0.85, False), (0.25, 1.7, False), (0.65, 0.85 / 4.448, True), (0.65, 0.85 * 4.448, True),
     (0.25, 1.7 / 4.448, True), (0.25, 1.7 * 9.81, True), (0.65, 0.85 / 9.81, True)],
)  # fmt: skip
def test_forces_in_lbf_or_kgf_against_the_mass(stance_s: float, mean_bw: float, doubted: bool) -> None:
    reference = contacts(np.arange(1.0, 18.0, 1.2), stance_s, mean_bw * 70 * 9.81)
    assert bool(stated(reference, mass_kg=70.0)) == doubted
    assert stated(reference) == (), "without the mass nobody can tell"


def test_an_insole_in_body_weights_stated_as_newtons_is_doubted_by_its_mass_too() -> None:
    insole = contacts(np.arange(1.0, 18.0, 1.2), 0.65, 0.05 * 70 * 9.81, kind="insole")
    (doubt,) = stated(insole, mass_kg=70.0)
    assert doubt.startswith("a contact loads the insoles (one) by 40 N")
    assert stated(contacts(np.arange(1.0, 18.0, 1.2), 0.65, 0.5 * 70 * 9.81, kind="insole"), mass_kg=70.0) == ()


def test_a_doubt_travels_into_messages_trial_report_and_table() -> None:
    lab = simulate_trial(seed=0, wearables=("insole",))
    alignment = align(lab.reference, lab.wearables["insole"], surface="treadmill", participant="P1", speed_m_s=11.0)
    (doubt,) = alignment.doubts
    assert f"warning: {doubt}" in alignment.messages
    assert doubt in alignment.evidence.notes
    assert doubt in assemble(alignment).provenance.findings
    summary = alignment.to_json("trial.nc")
    assert doubts_in(summary["maps"]) == [doubt]
    assert doubt in table_words({"aligned": 1}, [{"row": 1, "out": "trial.nc", **summary}])
    assert doubt in summary_row({"out": "trial.nc", **summary}).note


@pytest.mark.parametrize(
    ("field", "low", "high"), [("mass_kg", *MASS_KG), ("speed_m_s", *SPEED_M_S), ("slope_percent", *SLOPE_PERCENT)]
)
def test_one_table_of_limits_for_all_that_asks(field: str, low: float, high: float) -> None:
    def sync(value: float) -> object:
        return SyncRequest(reference=Path("r"), wearables=(Path("w"),), surface="treadmill", **{field: value})

    def monitor(value: float) -> object:
        return MonitorRequest(**{field: value})

    def estimate(value: float) -> object:
        return EstimateRequest.of(**{field: value})

    for asks in (sync, monitor, estimate):
        for value in (low, high):
            asks(value)
        for value in (low - 1, high + 1):
            with pytest.raises((ValueError, BadInputError)):
                asks(value)
