"""Personalisation: how the error of one person falls with the number of strides a model may be calibrated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..learn.folds import Fold, LeakError, unit_keys
from ..learn.model import GrfModel, predict
from ..learn.train import fine_tune
from ..learn.train_config import Mode, TrainConfig
from ..records.stance_set import StanceSet

COUNTS = (0, 2, 4, 8, 16)
LEAK_PERSONAL = "personalisation: earlier windows of the tested participant were used to calibrate"
Way = Literal["affine", "fine-tune"]
WAYS: dict[Way, str] = {"affine": "gain and offset of the answer", "fine-tune": "network trained further"}


@dataclass(frozen=True)
class Affine:
    """Gain and offset (BW) of each axis: a prediction times ``gain`` plus ``offset_bw``."""

    gain: Floats
    offset_bw: Floats

    def __call__(self, forces_bw: Floats) -> Floats:
        """Return corrected forces, shape (windows, time, axes)."""
        return np.asarray(forces_bw * self.gain + self.offset_bw)


def fit_affine(forces_bw: Floats, targets_bw: Floats, weight: Floats, *, prior_windows: float = 1.0) -> Affine:
    """Return the gain and offset of each axis that bring forces nearest to targets, drawn towards 1 and 0.

    Minimises ``sum w (g p + o - y)^2 + m (P (g - 1)^2 + W o^2)`` per axis: ridge regression about the identity, with
    ``P`` the mean over windows of ``sum w p^2``, ``W`` that of ``sum w``, and ``m`` the ``prior_windows``.

    Parameters
    ----------
    forces_bw, targets_bw
        Shape (windows, time, axes).
    weight
        Shape (windows, time).
    prior_windows
        How many windows the identity weighs as much as; 0: least squares alone.
    """
    axes = forces_bw.shape[2]
    gain, offset = np.ones(axes), np.zeros(axes)
    valid = np.isfinite(forces_bw) & np.isfinite(targets_bw) & (weight > 0)[:, :, None]
    share = prior_windows / max(len(forces_bw), 1)
    for k in range(axes):
        rows = valid[:, :, k]
        w, p, y = weight[rows].astype(np.float64), forces_bw[:, :, k][rows], targets_bw[:, :, k][rows]
        # the correction (g - 1, o) against the residual: zero is the identity
        square = np.array([[(w * p * p).sum(), (w * p).sum()], [(w * p).sum(), w.sum()]])
        right = np.array([(w * p * (y - p)).sum(), (w * (y - p)).sum()])
        penalty = share * np.diag(np.diag(square))
        # least squares, not solve: a prediction that is 0 throughout makes the matrix singular
        change = np.linalg.lstsq(square + penalty, right, rcond=None)[0]
        gain[k], offset[k] = 1.0 + change[0], change[1]
    return Affine(gain, offset)


@dataclass(frozen=True)
class Calibrated:
    """One row: error of a participant after calibration on ``windows`` windows, always on the same later ones.

    Attributes
    ----------
    rmse_bw
        Axis -> mean over the test windows of each one's RMSE, BW.
    forces_bw
        Predictions for the test windows, shape (test windows, time, axes).
    leaks
        Empty without calibration, else :data:`LEAK_PERSONAL`: such a row is no headline.
    """

    participant: str
    method: Way
    windows: int
    test_windows: int
    rmse_bw: dict[str, float]
    leaks: tuple[str, ...]
    forces_bw: Floats

    def row(self) -> dict[str, Any]:
        """Return the row for a table."""
        names = ("participant", "method", "windows", "test_windows")
        return {n: getattr(self, n) for n in names} | {"rmse_bw": dict(self.rmse_bw), "leaks": list(self.leaks)}


def in_time(data: StanceSet) -> StanceSet:
    """Return the windows ordered by trial and, within it, by time.

    Raises
    ------
    BadInputError
        If a start is not known.
    """
    unit_keys(data, "window")
    starts = np.asarray(data.data["start_s"].values, dtype=np.float64)
    # the last key counts first: by trial, then start, then side
    order = np.lexsort((data.per_stance("side"), starts, data.per_stance("trial")))
    return StanceSet(data.data.isel(stance=order))


def parts_for(data: StanceSet, counts: Sequence[int]) -> tuple[StanceSet, StanceSet]:
    """Return the windows that may calibrate, as many as the largest count, and those after them, which are tested.

    A trial that begins within the calibration is tested from where it ends; of continuous windows, those that overlap
    one of the calibration are neither.

    Raises
    ------
    BadInputError
        If there is more than one participant, a count is negative or repeated, or no window is left to test.
    """
    if len(data.participants) != 1:
        raise BadInputError(f"one participant is calibrated at a time, not {', '.join(data.participants)}")
    if not counts or min(counts) < 0 or len(set(counts)) != len(counts):
        raise BadInputError(f"counts are {list(counts)}; expected different numbers of windows, 0 or more")
    most = max(counts)
    if data.size <= most:
        raise BadInputError(
            f"participant {data.participants[0]} has {data.size} windows; calibration on {most} leaves none to test:"
            " ask for fewer, or record longer"
        )
    ordered = in_time(data)
    index = np.arange(data.size)
    # always split after the largest count: every count is tested on the same later windows
    early, late = ordered.where(index < most), ordered.where(index >= most)
    if not most or str(data.data.attrs["window"]) == "stance":
        return early, late
    apart = _apart(early, late)
    if not apart.any():
        raise BadInputError(
            f"participant {data.participants[0]}: no window begins after the {most} of calibration have ended; ask for"
            " fewer, or record longer"
        )
    return early, late.where(apart)


def _apart(early: StanceSet, late: StanceSet) -> NDArray[np.bool_]:
    """Return which late continuous windows begin when the last early one of their trial has ended."""
    duration_s = float(early.data.sizes["time"]) / float(early.data.attrs["rate_hz"])
    ends: dict[str, float] = {}
    # continuous windows may overlap: a test window must not share samples with calibration
    for trial, start_s in zip(early.per_stance("trial"), early.data["start_s"].values):
        ends[str(trial)] = max(ends.get(str(trial), -np.inf), float(start_s) + duration_s)
    limits = np.asarray([ends.get(str(t), -np.inf) for t in late.per_stance("trial")])
    # 1 ns for the rounding of start plus duration
    return np.asarray(late.data["start_s"].values >= limits - 1e-9)


def personalise(
    model: GrfModel,
    data: StanceSet,
    *,
    counts: Sequence[int] = COUNTS,
    method: Way = "affine",
    config: TrainConfig | None = None,
    mode: Mode = "all",
    lr_factor: float = 0.1,
    prior_windows: float = 1.0,
) -> tuple[Calibrated, ...]:
    """Return the error of one participant by number of calibration windows, each count from the same model.

    Parameters
    ----------
    model
        Must not have seen the participant.
    data
        Windows of one participant with targets and starts; a window is a stance of one foot.
    method
        ``affine``: a gain and an offset of each axis (:func:`fit_affine`); ``fine-tune``: the network trained further
        on these windows with ``config`` (epochs are all trained: nobody is inner), ``mode`` and ``lr_factor``.

    Raises
    ------
    LeakError
        If the model has seen the participant.
    BadInputError
        If the windows do not suffice or do not fit the model.
    """
    early, late = parts_for(data, counts)
    if set(data.participants) & set(model.participants):
        raise LeakError(
            f"participant {data.participants[0]} was in the training of the model to be personalised; take one trained"
            " without"
        )
    settings = config or TrainConfig(epochs=20, patience=0, batch=8, lr=1e-3, schedule="constant")
    rows = []
    for count in sorted(counts):
        # always the first ones, as a person would give them, and each count from the untouched model
        calibration = early.where(np.arange(early.size) < count)
        if not count:
            forces = predict(model, late)
        elif method == "affine":
            forces = fit_affine(predict(model, calibration), *_truth(model, calibration), prior_windows=prior_windows)(
                predict(model, late)
            )
        else:
            forces = _tuned(model, calibration, late, settings, mode, lr_factor)
        rows.append(_row(model, late, forces, method, count))
    return tuple(rows)


def _truth(model: GrfModel, data: StanceSet) -> tuple[Floats, Floats]:
    """Return targets of the model's axes and weights."""
    _, y, w = data.arrays()
    at = [data.axes.index(a) for a in model.spec.scaler.axes]
    return y[:, :, at].astype(np.float64), w.astype(np.float64)


def _tuned(
    model: GrfModel, early: StanceSet, late: StanceSet, config: TrainConfig, mode: Mode, lr_factor: float
) -> Floats:
    # a fold by windows, since the person is in both parts: its leak is named, and the result carries it
    keys: list[NDArray[np.str_]] = [unit_keys(s, "window") for s in (early, late)]
    person = early.participants[0]
    fold = Fold(
        f"personalise:{person}/{early.size}",
        tuple(str(k) for k in keys[0]),
        (),
        tuple(str(k) for k in keys[1]),
        "window",
        (LEAK_PERSONAL,),
    )
    tuned = fine_tune(model, config, early, fold, mode=mode, lr_factor=lr_factor)
    return predict(tuned, late, leaks=tuned.spec.leaks)


def _row(model: GrfModel, late: StanceSet, forces: Floats, method: Way, count: int) -> Calibrated:
    targets, weight = _truth(model, late)
    valid = (weight > 0)[:, :, None] & np.isfinite(targets)
    w = np.where(valid, weight[:, :, None], 0.0)
    squared = np.where(valid, (forces - np.where(valid, targets, 0.0)) ** 2, 0.0)
    total = w.sum(axis=1)
    counted = total > 0
    each = np.sqrt((w * squared).sum(axis=1) / np.where(counted, total, 1.0))
    errors = {
        axis: float(each[counted[:, k], k].mean()) if counted[:, k].any() else float("nan")
        for k, axis in enumerate(model.spec.scaler.axes)
    }
    leaks = (LEAK_PERSONAL,) if count else ()
    return Calibrated(late.participants[0], method, count, late.size, errors, leaks, forces)
