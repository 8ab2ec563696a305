"""Figures of Bach 2022 for answers of benchmark A: R2, epsilon, and errors of foot contact and foot off in ms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from grfkit.arrays import Floats
from grfkit.evaluation.predictions import Predictions
from grfkit.gait.contacts import ContactRule, contacts_from_force, rule_of
from grfkit.units import G

from ..harness import Rows

LEFT_OUT = 36
"""Samples: 250 ms at 142.86 Hz, where the paper's networks wash out their start."""
NEAR_S = 0.15
"""An estimated contact farther off (s) is another contact, chosen by hand: about half of a running step."""
LEVEL_BW = 0.2
"""Contact level (BW) of both curves, chosen by hand: above what a regression leaves in swing."""
MASS_KG = 1.0 / G
"""Mass of a body of 1 N, so that forces in body weights are newtons."""


def by_trial(answers: Predictions, method: str) -> Iterator[tuple[str, Floats, Floats, Floats]]:
    """Give name, times (s), measured and predicted vertical force (BW) of every trial, start and gaps left out."""
    y, p = answers.measured[:, :, 0], answers.predicted(method)[:, :, 0]
    keys = np.asarray([f"{a}/{b}" for a, b in zip(answers.per_stance("participant"), answers.per_stance("trial"))])
    start = np.asarray(answers.data["start_s"].values, dtype=np.float64)
    rate = float(answers.data.attrs["rate_hz"])
    for key in np.unique(keys):
        rows = np.flatnonzero(keys == key)
        rows = rows[np.argsort(start[rows])]
        at = start[rows][:, None] + np.arange(y.shape[1]) / rate
        # a trial's windows in a row, so that contacts that lie across their edges are seen
        time, true, estimate = (v.ravel()[LEFT_OUT:] for v in (at, y[rows], p[rows]))
        measured = np.isfinite(true)
        yield str(key), time[measured], true[measured], estimate[measured]


def paper_figures(answers: Predictions, method: str) -> Rows:
    """Return R2, epsilon (RMSE over the measured range, percent), contact and toe-off errors (ms), mean over trials.

    R2 and epsilon are of z-scored force in the paper, which changes neither. Contacts: 20 % of body weight in both
    curves, above what a regression leaves in swing (:mod:`grfkit.gait.contacts`, a walker's limits in walking; the
    paper's level is not known here); error: size of the difference to the nearest estimated contact within 150 ms;
    ``missed`` counts measured contacts without one.
    """
    r2, epsilon, contact, off = [], [], [], []
    missed = total = 0
    for key, time, true, estimate in by_trial(answers, method):
        r2.append(1 - ((true - estimate) ** 2).sum() / ((true - true.mean()) ** 2).sum())
        epsilon.append(100 * np.sqrt(((true - estimate) ** 2).mean()) / np.ptp(true))
        walks = bool((answers.per_stance("condition")[_of(answers, key)] == "walking").any())
        a, b, lost, n = event_errors_ms(time, true, estimate, walking=walks)
        contact.append(a)
        off.append(b)
        missed, total = missed + lost, total + n
    return {
        "R2": float(np.mean(r2)), "R2_sd": float(np.std(r2)), "epsilon_percent": float(np.mean(epsilon)),
        "epsilon_sd": float(np.std(epsilon)), "contact_ms": _mean(contact), "contact_sd": _sd(contact),
        "off_ms": _mean(off), "off_sd": _sd(off), "missed_percent": 100 * missed / max(total, 1), "trials": len(r2),
    }  # fmt: skip


def _of(answers: Predictions, key: str) -> NDArray[np.bool_]:
    keys = [f"{a}/{b}" for a, b in zip(answers.per_stance("participant"), answers.per_stance("trial"))]
    return np.asarray([k == key for k in keys])


def _mean(values: list[float]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _sd(values: list[float]) -> float:
    return float(np.nanstd(values)) if np.isfinite(values).any() else float("nan")


def event_errors_ms(
    time_s: Floats, true_bw: Floats, said_bw: Floats, *, walking: bool = False
) -> tuple[float, float, int, int]:
    """Return mean errors (ms) of foot contact and foot off, contacts without an estimate, and all contacts.

    Parameters
    ----------
    time_s, true_bw, said_bw
        Shape (samples,); time increasing, perhaps with holes, in which no contact is looked for.
    """
    rule = replace(rule_of("5%BW"), name="20%BW", level_bw=LEVEL_BW)
    rule = rule.walking() if walking else rule
    contacts = [_contacts(time_s, force, rule) for force in (true_bw, said_bw)]
    errors: tuple[list[float], list[float]] = ([], [])
    for k in (0, 1):
        for at in contacts[0][:, k]:
            near = np.abs(contacts[1][:, k] - at)
            if near.size and near.min() < NEAR_S:
                errors[k].append(1e3 * float(near.min()))
    n = len(contacts[0])
    return _mean(errors[0]), _mean(errors[1]), n - len(errors[0]), n


def _contacts(time_s: Floats, force_bw: Floats, rule: ContactRule) -> Floats:
    """Return contact and toe-off (s) of every contact that no hole touches, shape (contacts, 2)."""
    # every instant once, in rising order, as contacts are looked for
    at, first = np.unique(time_s, return_index=True)
    contacts = contacts_from_force(at, force_bw[first], rule=rule, mass_kg=MASS_KG)
    return np.stack([contacts.ic_s, contacts.to_s], axis=1)


PUBLISHED = {
    "leave_one_trial_out": {"method": "Bach 2022", "R2": 0.906, "R2_sd": 0.161, "epsilon_percent": 8.3,
                            "epsilon_sd": 6.4, "contact_ms": 34.8, "off_ms": 80.0},
    "within_trial": {"method": "Bach 2022", "R2": 0.974, "epsilon_percent": 5.2},
}  # fmt: skip


def paper_tables(split: str, figures: dict[str, Rows]) -> dict[str, list[Rows]]:
    """Return the paper's figures beside ours, and the goals."""
    bound = {"leave_one_trial_out": 0.95, "within_trial": 0.974}[split]
    goals = [
        {"goal": f"R2 > {bound}", "method": m, "measured": v["R2"], "verdict": "met" if v["R2"] > bound else "not met"}
        for m, v in figures.items()
    ]
    rows = [{"method": m} | v for m, v in figures.items()]
    return {"The paper's figures, mean and SD over trials": [*rows, PUBLISHED[split]], "Goals": goals}
