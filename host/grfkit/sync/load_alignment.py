"""Alignment by the course of the load: for people who stand, push and stomp, whose steps tell nothing."""

from __future__ import annotations

import numpy as np

from ..calibrate.lags import Lag
from ..records import Anchors, Prior, Segment
from .advice import deciding_prior_sd_s
from .clock_map import DeviceAlignment, clock_map, nothing_to_align
from .contact_events import DeviceTrain, LoadSignal
from .decide import contradiction, too_close
from .settings import AlignSettings
from .waveform import WaveformLag, search_waveform

COURSE_SD_S = 0.010
"""SD (s) that a load's course adds to its lag: two devices see a push differently; chosen by hand."""
LEAST_LAG_SD_S = 0.002
"""Least SD (s) taken for a sensor's lag, where the table states a smaller one; chosen by hand."""
USUAL_STEP_S = 0.5
"""Step time (s) that a prior's SD is compared with, where nobody steps; a walker's, rounded."""
LEAST_CORRELATION = 0.5
"""Correlation of the loads at the best lag; chosen by hand."""
_NORMAL_95 = 1.96
"""Half-width of a 95 % interval of the normal distribution, in SDs."""


def align_loads(
    loads: list[LoadSignal], train: DeviceTrain, prior: Prior | None, settings: AlignSettings, lag: Lag
) -> DeviceAlignment:
    """Return the alignment of a device's load with that of the plates, drift taken as zero.

    Parameters
    ----------
    loads
        The plates' loads.
    lag
        The device's lag; only its SD is used, for no feature of a contact is timed.
    """
    best = search_waveform(loads, list(train.loads), prior=prior)
    if best is None:
        return nothing_to_align(
            "nobody steps on or off a plate while both devices record; record three jumps or stomps on the plate"
        )
    sd_s = float(np.hypot(np.hypot(best.sd_s, COURSE_SD_S), max(lag.sd_s, LEAST_LAG_SD_S)))
    segment = Segment(start_s=train.start_s, end_s=train.end_s, offset_s=best.offset_s, drift_ppm=0.0)
    reasons = _doubts(best, settings, prior)
    residual = best.anchor_reference_s - best.anchor_device_s - best.offset_s
    described = clock_map(
        best,
        [segment],
        lag,
        reasons=reasons,
        uncertainty_ms=1e3 * _NORMAL_95 * sd_s,
        residual_ms=1e3 * float(np.std(residual)) if residual.size else None,
        p_wrong=settings.overground_wrong(best.margin),
        inliers=None,
        matched_anchors=best.edges,
        overlap_s=best.overlap_s,
        findings=[
            "aligned by the course of the load, not by steps: "
            + ", ".join(f"{a} on {b}" for a, b in best.pairs)
            + f" (correlation {best.correlation:.2f}); drift was taken as zero"
        ],
    )
    anchors = Anchors(best.anchor_device_s, best.anchor_reference_s, residual, np.ones(residual.size, dtype=bool))
    return DeviceAlignment(
        described, anchors, best.lags_s, best.log_likelihood, anchor_kind="loadings",
        deciding_prior_sd_s=_deciding_prior_sd_s(best, settings, prior) if reasons else None,
    )  # fmt: skip


def _deciding_prior_sd_s(best: WaveformLag, settings: AlignSettings, prior: Prior | None) -> float | None:
    """Return how sure a prior would have to be to lift the refusal; None where more than the margin is short."""
    if best.edges < settings.waveform.contacts or best.correlation < LEAST_CORRELATION:
        return None
    largest_s = settings.prior_relaxes_below_steps * USUAL_STEP_S
    return deciding_prior_sd_s(
        best.lags_s, best.log_likelihood, offset_s=best.offset_s, gate=settings.waveform.margin,
        same_s=largest_s, largest_s=largest_s, range_s=best.range_s, prior=prior,
    )  # fmt: skip


def _doubts(best: WaveformLag, settings: AlignSettings, prior: Prior | None) -> list[str]:
    gate = settings.waveform
    tight = prior is not None and prior.sd_s < settings.prior_relaxes_below_steps * USUAL_STEP_S
    margin = best.margin if tight else min(best.margin, best.margin_without_prior)
    reasons = contradiction("loads", best.against_prior)
    if margin < gate.margin:
        reasons.append(
            f"{too_close('lag', margin, best.runner_up_s, gate.margin)}: record three jumps or stomps on the plate"
        )
    if best.edges < gate.contacts:
        none = "none" if best.edges == 0 else f"only {best.edges}"
        reasons.append(
            f"of the times that this device is loaded or unloaded, {none} agree with a plate's ({gate.contacts} a foot"
            " needed), as of a foot that stays on its plate: record three jumps or stomps of both feet on the plate"
        )
    if best.correlation < LEAST_CORRELATION:
        reasons.append(
            f"the loads agree poorly at the best lag (correlation {best.correlation:.2f}, {LEAST_CORRELATION} needed)"
        )
    return reasons
