"""Alignment by contacts: search, follow where samples were lost, fit each piece, and decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from ..calibrate.lags import Lag
from ..records import Anchors, Prior, Segment
from ..signals.contacts import Contacts
from .clock_map import DeviceAlignment, clock_map, nothing_to_align
from .contact_events import DeviceTrain
from .decide import Decision, decide, decides, gate_for, preferred_elsewhere
from .doubts import is_suspicious, rate_doubts, shoe_doubts, slip_doubts, stray_doubts
from .fit import ClockFit, fit_anchors, segment_of, unsteadiness_s
from .known_device import KnownDevice
from .losses import loss_sentences, lost_samples
from .matching import match
from .rate_scan import scan_rates
from .search import BestLag, Limits, search
from .settings import STEEPEST_PPM, AlignSettings
from .track import Piece, Tracked, track

SCANNED_RATE_PRIOR_PPM = 150.0
"""SD (ppm) of the rate about a scanned one: a scan's steps are 500 ppm apart, and the best is refined (reference
design: 150 ppm for the refinement)."""
BY_CONTACTS = ("insole", "imu")
"""Devices whose overlap is judged by contacts; of landmarks and films less than the usual time was not measured."""
SHORTEST_PLATE_OVERLAP_S = 5.0
"""Overlap (s) below which no lag is a candidate over plates: about one pass; chosen by hand."""
SHORTEST_TREADMILL_OVERLAP_S = 5.0
"""The same on a treadmill where contacts are asked and not seconds: a third of the 13 s in which a run has 32 contacts;
chosen by hand."""
TREADMILL_OVERLAP_SHARE = 0.5
"""The same where seconds are asked, as a share of them: a lag with less is still a rival of the winner; chosen by
hand."""
PIECE_RATE_PRIOR_PPM = 30.0
"""SD (ppm) of a piece's rate about that of the whole record; chosen by hand, above the 12 ppm of a warm-up."""
FREE_RATE_PPM = 1000.0
"""SD (ppm) of a rate that the contacts alone shall say, about what the search found; chosen by hand, far above any
crystal's."""
PIECE_FIT_RATE_PPM = 200.0
"""The same where its contacts are matched and the rate is fitted; wide, as the path's rate is a rough one."""
PIECE_WINDOWS_S = (0.06, 0.05)
"""Matching windows (s) within a piece, whose lag is known to some 10 ms already; chosen by hand."""
FEWEST_IN_PIECE = 6
"""Contacts that a piece needs for a fit of its own; chosen by hand."""
FEWEST_TO_MATCH = 3
"""Contacts that each side needs: with fewer any lag fits."""
LEAST_FOLLOWED = 0.7
"""Share of a long record's half-minutes that have to follow the clock; chosen by hand."""
_ALLOWED_SDS = 2.0
"""How many SDs of its prior the largest rate lies out that a user allows; chosen by hand: a limit is seldom passed."""
_CONFIDENCE = 0.975
"""Upper quantile of a two-sided 95 % interval."""
_NORMAL_95 = 1.96
"""The same quantile of the normal distribution, in SDs."""


@dataclass(frozen=True)
class ContactPair:
    """Contacts of the reference and of one device, and what is known beforehand of their alignment.

    Attributes
    ----------
    plates
        True where the reference sees only some of the contacts.
    lag
        The device's lag, subtracted from its contacts.
    clock_rate_ppm
        Mean and SD of the clock's rate, where it is known from elsewhere (other trials of a session).
    known
        What other trials of a session say of the device; used on plates.
    """

    reference: Contacts
    train: DeviceTrain
    plates: bool
    prior: Prior | None
    settings: AlignSettings
    lag: Lag
    clock_rate_ppm: tuple[float, float] | None = None
    known: KnownDevice | None = None


@dataclass(frozen=True)
class _Stretch:
    """One stretch of device time, fitted.

    Attributes
    ----------
    piece
        Where the path through the record places it.
    visible
        How many of its contacts the reference could see.
    """

    anchors: Anchors
    fit: ClockFit
    segment: Segment
    piece: Piece
    visible: int


def align_contacts(pair: ContactPair) -> DeviceAlignment:
    """Return the alignment of two contact trains: :func:`grfkit.sync.align_device` past the detectors."""
    reference, device = pair.reference, pair.train.contacts
    if min(reference.size, device.size) < FEWEST_TO_MATCH:
        who = "reference" if reference.size < FEWEST_TO_MATCH else "device"
        count = min(reference.size, device.size)
        return nothing_to_align(f"the {who} shows {count} contacts only; there is nothing to match")
    settings, plates = pair.settings, pair.plates
    if not plates and (_scans(pair) or pair.train.device_class not in BY_CONTACTS):
        # every rate that is tried is one more chance of a coincidence
        settings = settings.whatever_the_contacts()
        pair = replace(pair, settings=settings)
    shortest_s = SHORTEST_PLATE_OVERLAP_S if plates else _shortest_treadmill_overlap_s(settings)
    rate, findings = _start_rate(pair, shortest_s)
    rate_prior_ppm = _unscanned_prior_ppm(pair) if rate == 1.0 else SCANNED_RATE_PRIOR_PPM
    limits = Limits(pair.prior, rate, rate_prior_ppm, shortest_s, settings.swap_chance, pair.known)
    # what both recorded is never searched as one where it is long: the clock wanders too far for one line
    long = min(np.ptp(device.onset_s), np.ptp(reference.onset_s)) > settings.long_record_s
    best = None if long else search(reference, device, limits, plates=plates)
    if best is not None and (plates or not is_suspicious(reference, device, best, _scatter_s(pair, best))):
        return _from_search(pair, best, limits, findings)
    tracked = None if plates else track(reference, device, limits)
    if tracked is not None and (long or len(tracked.pieces) > 1 or best is None):
        return _from_pieces(pair, tracked, findings)
    if best is None:
        return nothing_to_align(
            f"no lag gives the two records enough overlap: none of less than {shortest_s:g} s is looked at"
        )
    return _from_search(pair, best, limits, findings)


def _scatter_s(pair: ContactPair, best: BestLag) -> float:
    return gate_for(best, pair.settings, plates=pair.plates)[0].scatter_s(best.beat.step_s)


def _shortest_treadmill_overlap_s(settings: AlignSettings) -> float:
    """Return the overlap (s) below which no lag is a candidate on a treadmill."""
    if settings.shortest_overlap_s is None:
        return SHORTEST_TREADMILL_OVERLAP_S
    return settings.shortest_overlap_s * TREADMILL_OVERLAP_SHARE


def _scans(pair: ContactPair) -> bool:
    """Return whether rates far off the nominal one are looked for, where the reference sees every contact."""
    return pair.train.stamp_source == "index" or pair.settings.max_drift_ppm > STEEPEST_PPM


def _start_rate(pair: ContactPair, shortest_s: float) -> tuple[float, list[str]]:
    """Return the rate to search around, scanned where stamps are sample counts, and a finding where it was."""
    counted = pair.train.stamp_source == "index"
    half_width = pair.settings.rate_scan if counted else 1e-6 * pair.settings.max_drift_ppm
    if pair.plates or not _scans(pair):
        return 1.0, []
    limits = Limits(pair.prior, shortest_overlap_s=shortest_s)
    rate = scan_rates(pair.reference, pair.train.contacts, limits, half_width=half_width)
    if rate is None or (not counted and abs(rate - 1.0) < 1e-6 * STEEPEST_PPM):
        return 1.0, []
    if counted:
        return rate, [f"stamps are sample counts; true rate is {1e6 * (1 / rate - 1):+.0f} ppm off nominal"]
    return rate, [f"a drift far beyond a crystal's was allowed and found: about {1e6 * (rate - 1):+.0f} ppm"]


def _unscanned_prior_ppm(pair: ContactPair) -> float:
    """Return the SD (ppm) of the prior on the rate about the nominal one: wider where a user allows a larger drift."""
    settings = pair.settings
    allowed = settings.max_drift_ppm if pair.plates and settings.max_drift_ppm > STEEPEST_PPM else 0.0
    return max(settings.rate_prior_ppm, allowed / _ALLOWED_SDS)


def _from_search(pair: ContactPair, best: BestLag, limits: Limits, findings: Sequence[str]) -> DeviceAlignment:
    """Return the alignment of a record that one line fits: its single stretch is that of the search."""
    reference, train, lag = pair.reference, pair.train, pair.lag
    start, end = _overlap(reference, train, best)
    overlap_s = max(end - start, 0.0)
    decision = decide(best, plates=pair.plates, overlap_s=overlap_s, prior=pair.prior, settings=pair.settings)
    if (best.inlier & (best.partner >= 0)).sum() < FEWEST_TO_MATCH or end - start < 1.0:
        return nothing_to_align("too few contacts match to fit a clock")
    # of what is known beforehand: the search's own rate has used these contacts already
    mean, sd_ppm = pair.clock_rate_ppm or (1e6 * (limits.rate - 1.0), limits.rate_prior_ppm)
    anchors, fit = _fitted(pair, best, (start, end), 1.0 + 1e-6 * mean, sd_ppm)
    # judged is what the contacts alone say: held by its prior a rate far off would look like one that a crystal has
    _, alone = _fitted(pair, best, (start, end), best.rate, FREE_RATE_PPM)
    segment = segment_of(fit, train.start_s, train.end_s)
    reasons = [*decision.reasons, *shoe_doubts(train), *rate_doubts(train, alone, pair.settings.max_drift_ppm)]
    if not pair.plates:
        reasons += stray_doubts(reference, train, [segment], lag.lag_s)
    if pair.prior is not None and decides(pair.prior, best, pair.settings) and not decision.reasons:
        anywhere = search(reference, train.contacts, replace(limits, prior=None), plates=pair.plates)
        reasons += preferred_elsewhere(best, anywhere, pair.prior)
    reasons += slip_doubts(reference, train.contacts, best.offset_s, best.rate, best.beat.step_s, plates=pair.plates)
    # few pairs: Student's t in place of the normal quantile, for an offset, a rate and a foot difference
    quantile = float(stdtrit(max(int(anchors.kept.sum()) - 3, 1), _CONFIDENCE))
    found = _joined(
        pair,
        best,
        [anchors],
        [segment],
        spread_s=quantile * fit.worst_sd_s,
        reasons=reasons,
        findings=[*findings, *_swap_finding(best), *_unseen_losses(pair)],
        decision=decision,
        matched=best.matched,
        overlap_s=overlap_s,
    )
    return replace(found, rate_ppm=(1e6 * (alone.rate - 1.0), 1e6 * alone.rate_sd), shown=best.shown)


def _fitted(
    pair: ContactPair, best: BestLag, overlap_s: tuple[float, float], rate: float, rate_sd_ppm: float
) -> tuple[Anchors, ClockFit]:
    """Return a search's matched contacts and the clock through them, by a prior on its rate."""
    return fit_anchors(
        pair.reference,
        pair.train.contacts,
        best.partner,
        best.inlier,
        lag_s=pair.lag.lag_s,
        start_s=overlap_s[0],
        end_s=overlap_s[1],
        rate=rate,
        rate_sd_ppm=rate_sd_ppm,
        foot_s=best.foot_s,
    )


def _from_pieces(pair: ContactPair, tracked: Tracked, findings: Sequence[str]) -> DeviceAlignment:
    """Return the alignment of a record cut into pieces, each fitted on its own."""
    reference, train, lag = pair.reference, pair.train, pair.lag
    stretches, reasons = _fitted_pieces(pair, tracked)
    if not stretches:
        return nothing_to_align("no stretch of the record could be fitted")
    segments = [s.segment for s in stretches]
    lost = lost_samples(segments, train.rate_hz)
    overlap_s = sum(_shared_s(reference, s.segment, s.piece) for s in stretches)
    matched = sum(int(s.anchors.kept.sum()) for s in stretches)
    best = replace(
        tracked.anchor,
        inliers=min(1.0, matched / max(sum(s.visible for s in stretches), 1)),
        residual_sd_s=max(float(np.std(s.fit.residual_s)) for s in stretches),
        margin=tracked.margin,
        margin_without_prior=min(tracked.margin, tracked.anchor.margin_without_prior),
    )
    # contacts of several pieces are no evidence of one clock
    settings = pair.settings if len(stretches) == 1 else pair.settings.whatever_the_contacts()
    decision = decide(best, plates=False, overlap_s=overlap_s, prior=pair.prior, settings=settings)
    reasons += [*decision.reasons, *shoe_doubts(train), *stray_doubts(reference, train, segments, lag.lag_s)]
    if tracked.share < LEAST_FOLLOWED:
        reasons.append(f"only {100 * tracked.share:.0f} % of the record's half-minutes follow the clock found")
    losses = loss_sentences(lost, segments) if len(segments) > 1 else []
    return _joined(
        pair,
        best,
        [s.anchors for s in stretches],
        segments,
        spread_s=_NORMAL_95 * max(s.fit.worst_sd_s for s in stretches),
        reasons=reasons,
        findings=[*findings, *losses, *_swap_finding(best)],
        decision=decision,
        matched=matched,
        overlap_s=overlap_s,
        lost=lost,
    )


def _fitted_pieces(pair: ContactPair, tracked: Tracked) -> tuple[list[_Stretch], list[str]]:
    """Return the pieces of a record that can be fitted, and reasons against those that cannot or fit another step."""
    train, stretches = pair.train, []
    reasons: list[str] = []
    for number, piece in enumerate(tracked.pieces):
        onset_s = train.contacts.onset_s
        part = train.contacts.subset((onset_s >= piece.start_s) & (onset_s < piece.end_s))
        fitted = _fitted_piece(pair, part, tracked, piece)
        if fitted is None:
            reasons.append(f"the stretch {piece.start_s:.0f} to {piece.end_s:.0f} s matches too few contacts")
            continue
        anchors, fit, visible = fitted
        reasons += slip_doubts(pair.reference, part, piece.lag_s, tracked.rate, tracked.anchor.beat.step_s)
        # the first and the last piece reach to the ends of the record
        first = train.start_s if number == 0 else piece.start_s
        last = train.end_s if number == len(tracked.pieces) - 1 else piece.end_s
        stretches.append(_Stretch(anchors, fit, segment_of(fit, first, last), piece, visible))
    return stretches, reasons


def _joined(
    pair: ContactPair,
    best: BestLag,
    anchors: Sequence[Anchors],
    segments: Sequence[Segment],
    *,
    spread_s: float,
    reasons: list[str],
    findings: list[str],
    decision: Decision,
    matched: int,
    overlap_s: float,
    lost: Sequence[tuple[float, int]] = (),
) -> DeviceAlignment:
    """Return the alignment of one stretch or more, in order of device time.

    Parameters
    ----------
    spread_s
        95 % half-width of the fit at its worst instant.
    """
    # added and not in quadrature: it is no noise, but a course of the clock that the fit does not follow
    unsteady_s = max(unsteadiness_s(part) for part in anchors)
    fields = ("t_device_s", "t_reference_s", "residual_s", "kept")
    together = Anchors(*(np.concatenate([getattr(part, name) for part in anchors]) for name in fields))
    described = clock_map(
        best,
        segments,
        pair.lag,
        reasons=reasons,
        uncertainty_ms=1e3 * float(np.hypot(spread_s + unsteady_s, _NORMAL_95 * pair.lag.sd_s)),
        residual_ms=1e3 * best.residual_sd_s,
        p_wrong=decision.p_wrong,
        inliers=best.inliers,
        matched_anchors=matched,
        overlap_s=overlap_s,
        lost_samples=sum(max(count, 0) for _, count in lost),
        lag_s=pair.lag.lag_s,
        swapped_sides=best.swapped,
        findings=findings,
    )
    # whatever else speaks against the alignment stands with a prior too
    lifted = decision.deciding_prior_sd_s if reasons and set(reasons) <= set(decision.reasons) else None
    lifted = lifted if len(segments) == 1 else None
    return DeviceAlignment(
        described,
        together,
        best.lags_s,
        best.log_likelihood,
        lost=tuple(lost),
        deciding_prior_sd_s=lifted,
        as_labelled=best.as_labelled,
    )


def _fitted_piece(
    pair: ContactPair, part: Contacts, tracked: Tracked, piece: Piece
) -> tuple[Anchors, ClockFit, int] | None:
    """Return a piece's anchors, its fit, and how many contacts the reference could see; None if too few match."""
    if part.size < FEWEST_IN_PIECE:
        return None
    matches = match(
        pair.reference,
        part,
        np.asarray([piece.lag_s]),
        rate=tracked.rate,
        rate_prior_ppm=PIECE_RATE_PRIOR_PPM,
        windows_s=PIECE_WINDOWS_S,
    )
    if (matches.inlier[0] & (matches.partner[0] >= 0)).sum() < FEWEST_IN_PIECE:
        return None
    anchors, fit = fit_anchors(
        pair.reference,
        part,
        matches.partner[0],
        matches.inlier[0],
        lag_s=pair.lag.lag_s,
        start_s=piece.start_s,
        end_s=piece.end_s,
        rate=tracked.rate,
        rate_sd_ppm=PIECE_FIT_RATE_PPM,
        foot_s=float(matches.foot_s[0]),
    )
    return anchors, fit, int(matches.visible[0])


def _overlap(reference: Contacts, train: DeviceTrain, best: BestLag) -> tuple[float, float]:
    """Return start and end of the overlap, in device time."""
    first = (reference.covered_s[0, 0] - best.offset_s) / best.rate
    last = (reference.covered_s[-1, 1] - best.offset_s) / best.rate
    return max(first, train.start_s), min(last, train.end_s)


def _shared_s(reference: Contacts, segment: Segment, piece: Piece) -> float:
    """Return how much (s) of a piece the reference recorded too."""
    start, end = segment.apply(np.asarray([piece.start_s, piece.end_s]))
    return float(max(min(end, reference.covered_s[-1, 1]) - max(start, reference.covered_s[0, 0]), 0.0))


def _unseen_losses(pair: ContactPair) -> list[str]:
    if not pair.plates or pair.train.stamp_source == "crystal":
        return []
    return [
        "samples lost between passes over the plates would go unseen, as these stamps are not the device's own clock:"
        " jumps at the beginning and at the end would show a loss"
    ]


def _swap_finding(best: BestLag) -> list[str]:
    if not best.swapped:
        return []
    return ["left and right of the device are exchanged against the reference; the streams keep their names"]
