"""How one device's clock becomes the reference clock, and how surely; or a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import xarray as xr

from ..calibrate.documents import LagTable
from ..calibrate.lags import Lag, lookup
from ..errors import BadInputError
from ..records import Prior, Recording, Surface
from ..signals.contacts import Contacts
from .advice import prior_advice
from .body_alignment import align_body, body_sensors
from .clock_map import DeviceAlignment, nothing_to_align, without_map
from .contact_alignment import ContactPair, align_contacts
from .contact_events import (
    LONGEST_STANCE_S,
    TWIN_LEVEL,
    DeviceTrain,
    LoadSignal,
    device_train,
    follows_force,
    hides_feet,
    reference_train,
)
from .device_pair import align_pair
from .doubts import LEAST_LANDING_EVIDENCE
from .known_device import KnownDevice
from .lap_feet import with_feet
from .load_alignment import align_loads
from .rhythm import rhythm
from .settings import AlignSettings
from .shoe_turning import TURNING, by_turning, middles
from .waveform import is_standing
from .worn_on import is_of_body_alone

Streams = Mapping[str, xr.Dataset]

CLEAR_MISMATCH = 0.4
"""Difference of two readings' log ratios of contact time that decides between them; chosen by hand: a swing of a run
lasts twice a stance, a log ratio of 0.7."""
LARGEST_MISMATCH = 0.6
"""Log ratio of contact times (a factor of 1.8) beyond which a reading is not considered; chosen by hand."""
WALKING_STANCE_S = 0.42
"""Usual contact time (s) above which a person walks: the lag table has entries by gait; chosen by hand between a run's
0.2 to 0.35 s and a walk's 0.5 s and more."""
SAME_OFFSET_S = 0.03
"""Offsets (s) that agree within this are one: a stance, by which two readings differ, is several times as long."""
HOPELESS_MARGIN = 5.0
"""Margin (nats) below which a refusal by contacts says less than one by the load's course; chosen by hand."""
_UPSIDE_DOWN = (
    "its load fits nearly as well turned upside down ({:.1f} nats worse, {:.0f} needed): say which sign is load by a"
    " calibration document of the insole, whose gain is negative where values fall under load (--calibration FILE;"
    " calibrations=FILE in Python)"
)
_PUSH_OFFS = (
    "this IMU's landings cannot be told from its push-offs, and those fit nearly as well ({:.1f} nats worse, {:.0f}"
    " needed): align an insole"
)
TWIN_SD_S = 0.0005
"""SD (s) of what remains of a lag between two force plates: filters and sampling."""

_ONE_BELT = (
    "the reference is one force that is never at rest, as of walking on one belt: while both feet stand on it nobody"
    " sees which one lands; use a belt or plate for each foot, or align a run"
)


def align_device(
    reference: Recording | Streams,
    device: Recording | Streams,
    *,
    surface: Surface,
    prior: Prior | None = None,
    settings: AlignSettings | None = None,
    lags: LagTable | None = None,
    accept_refused: bool = False,
    clock_rate_ppm: tuple[float, float] | None = None,
    known: KnownDevice | None = None,
) -> DeviceAlignment:
    """Return how one device's clock becomes the reference clock, or a refusal without a map.

    All streams of ``device`` are taken to share one clock, and the plates are taken as they are: nothing is examined,
    grouped or assembled. :func:`grfkit.sync.align` does all of that.

    Parameters
    ----------
    reference
        Force plates; without any, two devices are aligned by :func:`~grfkit.sync.device_pair.align_pair`.
    device
        Insoles, IMUs, landmarks or the keypoints of a film, any unit; counts do.
    surface
        ``treadmill``: the reference sees every contact; ``overground``: separate plates, some contacts.
    prior
        Gaussian on ``offset_s``.
    settings
        Gates and limits.
    lags
        Sensor-lag table; the packaged one by default.
    accept_refused
        Keep the map of a refused alignment; ``verdict`` stays ``refused``.
    clock_rate_ppm
        Mean and SD (ppm) of the clock's rate, where other trials of a session tell it; for the fit, not the search.
    known
        What other trials of a session say of the device; used over plates.

    Raises
    ------
    BadInputError
        If either side holds nothing that shows contacts, or the surface is unknown.
    """
    if surface not in ("treadmill", "overground"):
        raise BadInputError(f"surface is '{surface}', expected 'treadmill' or 'overground'")
    if not any(stream.attrs.get("kind") == "force_plate" for stream in _streams(reference).values()):
        return align_pair(reference, device, prior=prior, settings=settings, lags=lags, accept_refused=accept_refused)
    plates = surface == "overground"
    settings, table = settings or AlignSettings(), lags if lags is not None else packaged_lags()
    by_body = partial(
        align_body, _streams(reference), _streams(device), surface=surface, prior=prior, settings=settings, lags=table
    )
    if is_of_body_alone(_streams(device)):
        return _shown(by_body(), accept_refused)
    contacts, loads = reference_train(_streams(reference), plates=plates)
    if not plates and hides_feet(loads):
        return replace(nothing_to_align(_ONE_BELT), reference_loads=tuple(loads))
    alignment, pair = best_reading(
        contacts, _streams(reference), _streams(device), plates=plates, prior=prior, settings=settings, lags=table,
        clock_rate_ppm=clock_rate_ppm, known=known,
    )  # fmt: skip
    alignment = _by_load_where_standing(alignment, pair, loads)
    aligned = alignment.clock_map
    if aligned.segments and pair.train.loads and not plates and follows_force(loads, pair.train.loads, aligned.apply):
        # known only once it is aligned: then anew, for an insole's lag would have been subtracted from a force
        pair, loads = _as_twin(pair, _streams(reference), _streams(device))
        alignment = align_contacts(pair)
    if alignment.clock_map.verdict == "refused" and not plates and body_sensors(_streams(device)):
        second = by_body()
        if second.clock_map.verdict == "aligned":
            return second
    return _described(alignment, pair, loads, accept_refused)


def best_reading(
    contacts: Contacts,
    reference: Streams,
    device: Streams,
    *,
    plates: bool,
    prior: Prior | None,
    settings: AlignSettings,
    lags: LagTable,
    clock_rate_ppm: tuple[float, float] | None = None,
    known: KnownDevice | None = None,
) -> tuple[DeviceAlignment, ContactPair]:
    """Return the alignment by contacts and the trains it compares, of the reading of the device that fits best."""
    gait = "walking" if usual_stance_s(contacts) > WALKING_STANCE_S else "running"
    readings = []
    trains = _trains(device, contacts, plates)
    if plates:
        step_s = rhythm(contacts, trains[0].contacts, plates=True).step_s
        contacts = with_feet(contacts, dict(reference), step_s)
    for train in trains:
        lag = lookup(lags, device_class=train.device_class, feature=train.feature, rate_hz=train.rate_hz, gait=gait)
        timed = middles(contacts) if train.feature == TURNING else contacts
        pair = ContactPair(timed, train, plates, prior, settings, lag, clock_rate_ppm, known)
        readings.append((align_contacts(pair), pair))
    alignment, pair = max(readings, key=lambda reading: float(reading[0].log_likelihood.max(initial=-np.inf)))
    return _against_other_readings(
        alignment, [reading[0] for reading in readings], plates, settings, shocks=not pair.train.loads
    ), pair


def _by_load_where_standing(alignment: DeviceAlignment, pair: ContactPair, loads: list[LoadSignal]) -> DeviceAlignment:
    """Return the alignment by the load's course in place of a refused one by contacts, where people stand on plates."""
    refused = alignment.clock_map
    if not (pair.plates and refused.verdict == "refused" and pair.train.loads and is_standing(loads)):
        return alignment
    by_load = align_loads(loads, pair.train, pair.prior, pair.settings, pair.lag)
    hopeless = refused.margin is None or refused.margin < HOPELESS_MARGIN
    return by_load if by_load.clock_map.verdict == "aligned" or hopeless else alignment


def _as_twin(
    pair: ContactPair, reference: dict[str, xr.Dataset], device: dict[str, xr.Dataset]
) -> tuple[ContactPair, list[LoadSignal]]:
    """Return the pair of a device that is a second force plate: both cut at one level, and no sensor lag."""
    train = device_train(device, level=TWIN_LEVEL, inverted=pair.train.loads[0].inverted)
    contacts, loads = reference_train(reference, plates=False, level=TWIN_LEVEL)
    lag = Lag(0.0, TWIN_SD_S, "the device's load is the reference's own force: no sensor lag")
    return replace(pair, reference=contacts, train=train, lag=lag), loads


def _described(
    alignment: DeviceAlignment, pair: ContactPair, loads: list[LoadSignal], accept_refused: bool
) -> DeviceAlignment:
    """Return the alignment with names, lag and loads in it, and without a map where that is refused."""
    upside = [load.name for load in (*loads, *pair.train.loads) if load.inverted]
    findings = list(alignment.clock_map.findings)
    if upside:
        findings.append(f"the load of {', '.join(upside)} points down in the file; its sign was turned to align")
    clock_map = alignment.clock_map.model_copy(
        update={
            "source": "+".join(pair.train.streams),
            "target": "reference",
            "lag_source": pair.lag.source,
            "inverted": bool(upside),
            "findings": findings,
        }
    )
    if clock_map.verdict == "refused" and alignment.deciding_prior_sd_s is not None:
        reasons = [*clock_map.reasons, prior_advice(alignment.deciding_prior_sd_s)]
        clock_map = clock_map.model_copy(update={"reasons": reasons})
    alignment = _shown(replace(alignment, clock_map=clock_map), accept_refused)
    return replace(alignment, reference_loads=tuple(loads), device_loads=pair.train.loads)


def _shown(alignment: DeviceAlignment, accept_refused: bool) -> DeviceAlignment:
    """Return the alignment without a map where that is refused, but for users who accept it."""
    if alignment.clock_map.verdict == "aligned" or accept_refused:
        return alignment
    return replace(alignment, clock_map=without_map(alignment.clock_map))


def _against_other_readings(
    best: DeviceAlignment,
    readings: Sequence[DeviceAlignment],
    plates: bool,
    settings: AlignSettings,
    *,
    shocks: bool = False,
) -> DeviceAlignment:
    """Return the best reading, refused where the load turned round says another thing and says it nearly as well."""
    offset = best.clock_map.offset_s
    rivals = [r for r in readings if r is not best and r.log_likelihood.size]
    if not rivals or not best.clock_map.segments:
        return best
    rival = max(rivals, key=lambda r: float(r.log_likelihood.max()))
    other = rival.clock_map.offset_s
    lead = float(best.log_likelihood.max() - rival.log_likelihood.max())
    same = None not in (offset, other) and abs(float(other or 0.0) - float(offset or 0.0)) < SAME_OFFSET_S
    gate = settings.overground if plates else settings.treadmill
    if same or lead >= gate.margin:
        return best
    chance_wrong = settings.overground_wrong if plates else settings.treadmill_wrong
    reason = (_PUSH_OFFS if shocks else _UPSIDE_DOWN).format(lead, gate.margin)
    refused = best.clock_map
    update = {
        "verdict": "refused",
        "reasons": [*refused.reasons, reason],
        "p_wrong": max(refused.p_wrong or 0.0, chance_wrong(lead)),
        "margin": min(refused.margin if refused.margin is not None else lead, lead),
    }
    return replace(best, clock_map=refused.model_copy(update=update), deciding_prior_sd_s=None)


def _trains(streams: Streams, reference: Contacts, plates: bool) -> list[DeviceTrain]:
    """Return the device's contacts, and a second reading with its load turned round where that is as plausible.

    An insole whose counts fall under load shows its swings as contacts; those would match contacts too, a stance late.
    In running a swing lasts twice a stance and only one reading remains; in walking, or with a saturated insole, both
    do, and the likelihood decides.
    """
    train = device_train(streams, plates=plates, stance_s=usual_stance_s(reference))
    if not train.loads:
        stance_s = usual_stance_s(reference)
        walks = train.device_class == "imu" and stance_s > WALKING_STANCE_S and not plates
        turning = by_turning(streams, train, stance_s) if walks else None
        return [turning] if turning else _shocks(streams, train, plates, stance_s)
    turned = device_train(streams, plates=plates, inverted=True)
    mismatch, mismatch_turned = _mismatch(train, reference), _mismatch(turned, reference)
    plausible = np.isfinite(mismatch_turned) and mismatch_turned < LARGEST_MISMATCH
    if not plausible or mismatch < mismatch_turned - CLEAR_MISMATCH:
        return [train]
    return [turned] if mismatch_turned < mismatch - CLEAR_MISMATCH else [train, turned]


def _shocks(streams: Streams, train: DeviceTrain, plates: bool, stance_s: float) -> list[DeviceTrain]:
    """Return a train of shocks, and its other reading where landings look like push-offs: the likelihood decides.

    Push-offs come a stance later, and stances vary: against the reference's landings they scatter more.
    """
    if train.feature != "jerk" or not train.landing_evidence <= LEAST_LANDING_EVIDENCE:
        return [train]
    both = [train, device_train(streams, plates=plates, stance_s=stance_s, inverted=True)]
    return [replace(reading, landing_evidence=float("inf")) for reading in both]


def _mismatch(train: DeviceTrain, reference: Contacts) -> float:
    """Return how far (log ratio) the device's usual contact time is from the reference's, NaN if unknown."""
    durations = train.contacts.duration_s[np.isfinite(train.contacts.duration_s)]
    if not durations.size or not reference.size:
        return float("nan")
    return float(abs(np.log(np.median(durations) / np.median(reference.duration_s))))


def usual_stance_s(reference: Contacts) -> float:
    """Return the reference's usual contact time (s), standing and jumps left out; NaN where it has none."""
    stances = reference.duration_s[np.isfinite(reference.duration_s) & (reference.duration_s < LONGEST_STANCE_S)]
    return float(np.median(stances)) if stances.size >= 3 else float("nan")


@lru_cache(maxsize=1)
def packaged_lags() -> LagTable:
    """Return the lag table that comes with grfkit."""
    from ..calibrate import load_lag_table

    return load_lag_table().document


def _streams(source: Recording | Streams) -> dict[str, xr.Dataset]:
    return source.streams if isinstance(source, Recording) else dict(source)
