"""Trials and estimates to a table of steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from ..arguments import ArgumentError, as_path
from ..arrays import PathLike
from ..gait.contacts import rule_of
from ..gait.foot_frame import COP_FRAMES, CopFrame, foot_frames
from ..provenance import InputFile, Provenance
from ..records import Trial
from ..records.by_hand import by_hand_findings
from .insole_centre import insole_centres
from .measured import measured_steps
from .table import Cell, StepTable, TrialSteps, completed

LOWPASS_HZ = 50.0
"""Cut-off (Hz) where none is stated: below it the filter determines a loading rate more than the runner does
(:mod:`~grfkit.gait.loading`)."""


def step_table(
    trial: Trial | PathLike,
    *,
    name: str = "",
    rule: str = "auto",
    lowpass_hz: float | None = LOWPASS_HZ,
    cop_frame: CopFrame = "lab",
) -> StepTable:
    """Return one row per step and foot of a trial, with times, peaks, impulses, loading rates and asymmetry.

    Parameters
    ----------
    trial
        A trial, or the path of its file.
    name
        What its rows are named by; the file's name, or ``trial``, where nothing is said.
    rule
        ``auto``, or a contact rule (``20N``, ``10N``, ``5%BW``, with ``walking`` behind it for a walker).
    lowpass_hz
        Cut-off of the filter before peaks, impulses and rates; None, or 0, filters nothing.
    cop_frame
        Of the centre of pressure: ``lab``, along the direction of walking and across it, or ``foot``, along the line
        from heel to toe marker of the standing foot, and from the heel marker.

    Returns
    -------
    StepTable
        What a column holds stands in :data:`~grfkit.steps.columns.COLUMNS` and in ``docs/steps.md``. What is not known
        is None, never 0. Rejected contacts are rows of their own, with the reason.

    Raises
    ------
    BadInputError
        If there is no such file, the trial has no force plates, an option cannot be used, or the foot's frame is asked
        of a trial without heel and toe markers.

    Examples
    --------
    >>> from grfkit import simulate_trial, step_table
    >>> trial = simulate_trial(seed=0, duration_s=20).on_true_clock(participant="P01")
    >>> table = step_table(trial)
    >>> table
    StepTable(63 steps, 1 rejected contacts, 1 trial of P01)
    >>> round(float(table.to_pandas()["contact_s"].median()), 2)
    0.18
    """
    lowpass_hz = check_options(rule, lowpass_hz, cop_frame)
    inputs: tuple[InputFile, ...] = ()
    if not isinstance(trial, Trial):
        path = as_path(trial, what="a trial, or a Trial")
        name, trial = name or path.stem, Trial.from_netcdf(path)
    return measured_table(trial, name or "trial", rule=rule, lowpass_hz=lowpass_hz, inputs=inputs, cop_frame=cop_frame)


def check_options(rule: str, lowpass_hz: float | None, cop_frame: str = "lab") -> float | None:
    """Return the cut-off, None for 0; refuse a rule or a frame that is unknown, or a cut-off that cannot be.

    Raises
    ------
    BadInputError
        If an option cannot be used.
    """
    if rule != "auto":
        rule_of(rule)
    if cop_frame not in COP_FRAMES:
        raise ArgumentError("cop_frame", f"is '{cop_frame}', expected one of {', '.join(COP_FRAMES)}")
    if lowpass_hz is None:
        return None
    if isinstance(lowpass_hz, bool) or not isinstance(lowpass_hz, float | int) or not 0 <= lowpass_hz < np.inf:
        raise ArgumentError("lowpass_hz", f"is {lowpass_hz!r}, expected a frequency in Hz, or 0 for no filter")
    return float(lowpass_hz) or None


def _too_slow(trial: Trial, lowpass_hz: float | None) -> str:
    """Return why a cut-off filters nothing: it is not below half the rate of the trial's plates; else empty."""
    rates = [
        float(s.attrs.get("rate_hz", np.inf)) for s in trial.streams.values() if s.attrs.get("kind") == "force_plate"
    ]
    if lowpass_hz is None or not rates or lowpass_hz < min(rates) / 2:
        return ""
    return f"plates of {min(rates):.6g} Hz hold nothing from {min(rates) / 2:.6g} Hz on"


def measured_table(
    trial: Trial,
    name: str,
    *,
    rule: str,
    lowpass_hz: float | None,
    inputs: tuple[InputFile, ...],
    cop_frame: CopFrame = "lab",
) -> StepTable:
    """Return the rows of the steps that a trial's plates measured."""
    slow = _too_slow(trial, lowpass_hz)
    if slow and lowpass_hz != LOWPASS_HZ:
        raise ArgumentError("lowpass_hz", f"is {lowpass_hz:g}, and {slow}; state a lower one, or 0 for no filter")
    frames = foot_frames(trial, name) if cop_frame == "foot" else None
    found = measured_steps(trial, rule=rule, lowpass_hz=lowpass_hz, frames=frames)
    rows = named_rows(found.rows, trial_cells(trial, name) | {"force": "measured"})
    maps = trial.clock_maps if "clock_maps" in trial.tree.attrs else {}
    reasons = Counter(r.reason for r in found.stances.rejections)
    about = TrialSteps(
        trial=name,
        participant=str(trial.tree.attrs.get("participant", "")),
        accepted={"measured": len(found.stances.stances)},
        rejected=dict(sorted(reasons.items())),
        notes=(*trial_notes(trial), *by_hand_findings(maps), *([f"not filtered: {slow}"] if slow else [])),
        findings=_findings(trial),
        inputs=inputs,
    )
    return StepTable(tuple(rows), (about,))


def trial_notes(trial: Trial) -> tuple[str, ...]:
    """Return what limits the numbers of a trial: a mass that is not known, refused clocks, insoles' centres."""
    notes = []
    if not np.isfinite(float(trial.tree.attrs.get("mass_kg", np.nan))):
        notes.append("the body mass is not stated: nothing in body weights, and no loading rate")
    if refused := trial.refused_streams:
        notes.append(
            f"alignment refused and taken all the same: {', '.join(refused)}; feet named by these may be wrong"
        )
    notes += [f"{side} insole: {centre.words}" for side, centre in insole_centres(trial).items()]
    return tuple(notes)


def _findings(trial: Trial) -> tuple[str, ...]:
    stored = trial.tree.attrs.get("provenance")
    return tuple(Provenance.model_validate_json(str(stored)).findings) if stored else ()


def trial_cells(trial: Trial, name: str) -> dict[str, Cell]:
    """Return the cells that every row of a trial has."""
    attrs = trial.tree.attrs
    return {
        "trial": name,
        "participant": str(attrs.get("participant", "")),
        "surface": str(attrs.get("surface", "")),
        **{key: float(attrs.get(key, np.nan)) for key in ("speed_m_s", "slope_percent", "mass_kg")},
    }


def named_rows(rows: tuple[dict[str, Cell], ...], shared: Mapping[str, Cell]) -> list[dict[str, Cell]]:
    """Return complete rows, numbered from 1, with the cells that all of them share."""
    return [completed({**shared, **row, "step": number}) for number, row in enumerate(rows, start=1)]
