"""Two devices without a force plate: how one's clock becomes the other's, and how surely; or a refusal.

Both saw the same feet land. What differs from a device against plates:

* A shoe IMU's landings are told from its push-offs by itself: the foot stands after a landing and swings before it. An
  insole's contact time, by which plates do it, is up to twice the true one (its load falls slowly).
* Feet that both wear are compared foot by foot. Where one device is on the left foot and the other on the right one, a
  landing is expected halfway between two of the other foot's.
* The lag is the difference of the two devices' lags, its variance the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..calibrate.documents import LagTable
from ..calibrate.lags import Lag, lookup
from ..records import Anchors, ClockMap, Knot, Prior, Recording, Segment
from ..signals.clocks import dejittered
from ..signals.contacts import Contacts, merge
from ..signals.impacts import Impacts
from ..signals.shoe_rest import CLEAR_REST, shoe_landings
from .advice import prior_advice
from .clock_map import DeviceAlignment, without_map
from .contact_alignment import ContactPair, align_contacts
from .contact_events import DeviceTrain, device_train, points_down
from .rhythm import fundamental
from .settings import AlignSettings
from .shoe_turning import TURNING, middles, turning_contacts
from .worn_on import FOOT, shoe_streams

Streams = Mapping[str, xr.Dataset]

LIMP = 0.02
"""SD of how far from the middle of the other foot's stride a foot lands, as a share of the stride; chosen by hand:
healthy people's step times differ by up to 3 %. Unseen where each foot has a clock of its own."""
WALKING_STRIDE_S = 0.9
"""Stride (s) above which a person walks, as no contact time is known well; chosen by hand between a run's 0.6 to 0.8 s
and a walk's 1.0 s and more."""
OTHER_FOOT_MARGIN = 25.0
"""Nats to the best other lag that two devices on different feet need. Of 28 real walks on two shoes (Pearl 2024, slow,
37 to 112 s) four were at a wrong stride, with 22.5 nats at the most; on a treadmill 20 are needed."""
UNEVEN_STEPS = 0.018
"""Scatter allowed about the middle of the other foot's stride, as a share of it: two steps of a stride differ by more
than a sensor errs. 23 ms of a slow walk; in the same walks those at a wrong stride scattered by 25 ms and more."""
TWICE = 1.5
"""Ratio of two periods above which one device sees both feet and the other one alone, as it is 2 then and 1 else."""
WHOLE_STRIDE = 1.6
"""Intervals between one foot's landings that are longer than so many usual ones hold a landing that was missed."""


@dataclass(frozen=True)
class _Device:
    """One side of a pair: its contacts, its lag, and what is doubtful about them."""

    train: DeviceTrain
    lag: Lag
    reasons: tuple[str, ...] = ()


def align_pair(
    target: Recording | Streams,
    device: Recording | Streams,
    *,
    prior: Prior | None = None,
    settings: AlignSettings | None = None,
    lags: LagTable | None = None,
    accept_refused: bool = False,
) -> DeviceAlignment:
    """Return how one device's clock becomes another's, no force plate needed; or a refusal without a map.

    Parameters
    ----------
    target
        Insole, landmarks or shoe IMU whose clock is kept. All its streams share one clock.
    device
        The device whose clock is mapped. It may be on the same foot, on both, or on the other one.
    prior
        Gaussian on ``offset_s``: time of the target minus time of the device.
    settings
        Gates and limits: those of a treadmill, as both devices see every landing.
    lags
        Sensor-lag table; the packaged one by default.
    accept_refused
        Keep the map of a refused alignment; ``verdict`` stays ``refused``.

    Raises
    ------
    BadInputError
        If one of them shows no contacts.
    """
    settings = (settings or AlignSettings()).whatever_the_contacts()
    table = lags if lags is not None else _packaged_lags()
    first, second = _both(_streams(target), _streams(device), table)
    alignment = _aligned(first, second, prior, settings)
    clock_map = alignment.clock_map.model_copy(
        update={
            "source": "+".join(second.train.streams),
            "target": "+".join(first.train.streams),
        }
    )
    reasons = [*clock_map.reasons, *first.reasons, *second.reasons]
    if clock_map.verdict == "refused" and alignment.deciding_prior_sd_s is not None and not first.reasons:
        reasons.append(prior_advice(alignment.deciding_prior_sd_s))
    clock_map = clock_map.model_copy(update={"reasons": reasons, "verdict": "refused" if reasons else "aligned"})
    if clock_map.verdict == "refused" and not accept_refused:
        clock_map = without_map(clock_map)
    return replace(alignment, clock_map=clock_map, reference_loads=first.train.loads, device_loads=second.train.loads)


def _both(target: Streams, device: Streams, table: LagTable) -> tuple[_Device, _Device]:
    """Return both sides of a pair, walkers' shoes timed by their turning where both are shoes."""
    trains = _train(target), _train(device)
    gait = _gait(*trains)
    if gait == "walking":
        trains = _by_turning(target, trains[0], device, trains[1])
    first, second = trains
    return _described(first, table, gait), _described(second, table, gait)


def compared_contacts(
    target: Streams, device: Streams, *, settings: AlignSettings, lags: LagTable
) -> ContactPair | None:
    """Return the contacts that :func:`align_pair` compares; None where it compares them the other way round.

    Raises
    ------
    BadInputError
        If one of them shows no contacts.
    """
    first, second = _both(target, device, lags)
    return _pair(first, second, None, settings)


def _pair(first: _Device, second: _Device, prior: Prior | None, settings: AlignSettings) -> ContactPair | None:
    """Return the contacts of two devices to compare, of the feet that both saw; None where the second saw more."""
    a, b = first.train.contacts, second.train.contacts
    lag = _joint_lag(first, second)
    shared = _feet(a) & _feet(b)
    if shared:
        a, b = _of_feet(a, shared), _of_feet(b, shared)
    elif _feet(a) and _feet(b):
        sd_s = float(np.hypot(lag.sd_s, LIMP * fundamental(a.onset_s)))
        lag = Lag(lag.lag_s, sd_s, f"{lag.source}; and {100 * LIMP:g} % of the stride, for a limp is not seen")
        settings = _for_other_foot(settings, fundamental(a.onset_s))
        a, b = halfway(a), _any_foot(b)
    elif b.size and a.size and fundamental(a.onset_s) > TWICE * fundamental(b.onset_s):
        return None
    return ContactPair(a, replace(second.train, contacts=b), False, prior, settings, lag)


def _aligned(first: _Device, second: _Device, prior: Prior | None, settings: AlignSettings) -> DeviceAlignment:
    """Return the alignment of two trains, by the feet that both saw, or by the other foot's landings."""
    pair = _pair(first, second, prior, settings)
    if pair is None:
        # the one of both feet has to be the reference: every contact of the other is one of its own
        lag = _joint_lag(first, second)
        turned = Prior(offset_s=-prior.offset_s, sd_s=prior.sd_s) if prior is not None else None
        back = Lag(-lag.lag_s, lag.sd_s, lag.source)
        return turned_round(
            align_contacts(ContactPair(second.train.contacts, first.train, False, turned, settings, back))
        )
    mine, other = _feet(first.train.contacts), _feet(second.train.contacts)
    if mine and other and not mine & other:
        found = "one device is on the left foot and one on the right: a limp would not be seen"
        return _with_finding(align_contacts(pair), found)
    return align_contacts(pair)


def _for_other_foot(settings: AlignSettings, stride_s: float) -> AlignSettings:
    """Return the settings with the gates of two devices on different feet."""
    gate = settings.treadmill
    update = {
        "margin": max(gate.margin, OTHER_FOOT_MARGIN),
        "residual_s": max(gate.residual_s, UNEVEN_STEPS * stride_s),
        # no feet are compared, so that a step is a stride for whoever judges
        "residual_share": UNEVEN_STEPS,
    }
    return settings.model_copy(update={"treadmill": gate.model_copy(update=update)})


def halfway(contacts: Contacts) -> Contacts:
    """Return where the other foot is expected to land: halfway between two landings of this one.

    Nothing is expected, and nothing covered, where a landing was missed.
    """
    onset = contacts.onset_s
    usual = fundamental(onset)
    stride = np.diff(onset)
    whole = stride < WHOLE_STRIDE * usual
    middle = (onset[:-1] + stride / 2.0)[whole]
    # a stretch from the first to the last expected landing of each run of whole strides
    edges = np.flatnonzero(np.diff(np.concatenate([[False], whole, [False]]).astype(int)))
    covered = np.stack([onset[edges[::2]], onset[edges[1::2]]], axis=1) if edges.size else np.zeros((0, 2))
    unknown = np.full(middle.size, np.nan)
    return Contacts(middle, unknown, unknown, np.full(middle.size, -1, dtype=np.int64), covered)


def turned_round(alignment: DeviceAlignment) -> DeviceAlignment:
    """Return the same alignment with target and device exchanged."""
    found = alignment.clock_map
    segments = [_inverted(segment) for segment in found.segments]
    alone = segments[0] if len(segments) == 1 else None
    used = alignment.anchors
    update = {
        "segments": segments,
        "offset_s": alone.offset_s if alone else None,
        "drift_ppm": alone.drift_ppm if alone else None,
        "knots": alone.knots if alone else [],
        "runner_up_offset_s": None if found.runner_up_offset_s is None else -found.runner_up_offset_s,
        "lag_s": -found.lag_s,
        "source": found.target,
        "target": found.source,
    }
    return replace(
        alignment,
        clock_map=found.model_copy(update=update),
        anchors=Anchors(used.t_reference_s, used.t_device_s, -used.residual_s, used.kept),
        lags_s=-alignment.lags_s[::-1],
        log_likelihood=alignment.log_likelihood[::-1],
    )


def _inverted(segment: Segment) -> Segment:
    """Return the inverse of a segment: straight between its knots, as the segment itself is."""
    ends = np.asarray([segment.start_s, segment.end_s])
    knots = np.asarray([knot.t_device_s for knot in segment.knots])
    device_s = np.unique(np.concatenate([ends, knots]))
    target_s = segment.apply(device_s)
    rate = 1.0 / (1.0 + 1e-6 * segment.drift_ppm)
    offset_s = -segment.offset_s * rate
    extra: Floats = device_s - (offset_s + rate * target_s)
    return Segment(
        start_s=float(target_s[0]),
        end_s=float(target_s[-1]),
        offset_s=offset_s,
        drift_ppm=1e6 * (rate - 1.0),
        knots=[Knot(t_device_s=float(t), extra_s=float(e)) for t, e in zip(target_s, extra)] if knots.size else [],
    )


def _train(streams: Streams, *, inverted: bool = False) -> DeviceTrain:
    """Return a device's contacts: of insoles and landmarks as ever, of shoe IMUs by themselves."""
    shoes = shoe_streams(streams)
    if len(shoes) < len(streams):
        return device_train(streams, inverted=inverted)
    shocks = {name: shock for name, s in shoes.items() if (shock := _landings(s)) is not None}
    if not shocks:
        return device_train(streams)
    times = [shoes[name]["time"].values for name in shocks]
    first = shoes[next(iter(shocks))]
    return DeviceTrain(
        merge([shock.contacts for shock in shocks.values()]),
        "imu",
        "jerk",
        float(first.attrs["rate_hz"]),
        (),
        streams=tuple(shocks),
        stamp_source=str(first.attrs.get("stamp_source", "unknown")),
        start_s=min(float(t[0]) for t in times),
        end_s=max(float(t[-1]) for t in times),
        landing_evidence=min(shock.landing_evidence for shock in shocks.values()),
    )


def _by_turning(
    target: Streams, first: DeviceTrain, device: Streams, second: DeviceTrain
) -> tuple[DeviceTrain, DeviceTrain]:
    """Return the trains of two walker's shoes timed by their turning, which both show better than their landings."""
    if first.feature != "jerk" or second.feature != "jerk":
        return first, second
    found = turning_contacts(target), turning_contacts(device)
    if found[0] is None or found[1] is None:
        return first, second
    return (
        replace(first, contacts=middles(found[0]), feature=TURNING),
        replace(second, contacts=middles(found[1]), feature=TURNING),
    )


def _landings(stream: xr.Dataset) -> Impacts | None:
    names = [n for n in ("acc_x", "acc_y", "acc_z") if n in stream and np.isfinite(stream[n].values).any()]
    if not names:
        return None
    time_s = dejittered(np.asarray(stream["time"].values, dtype=np.float64))
    values = np.stack([stream[n].values for n in names], axis=1)
    return shoe_landings(time_s, values, foot=FOOT.get(str(stream.attrs.get("side", "")), -1))


def _described(train: DeviceTrain, table: LagTable, gait: str) -> _Device:
    """Return a device with its lag, and with why its shocks cannot be taken for landings."""
    lag = lookup(table, device_class=train.device_class, feature=train.feature, rate_hz=train.rate_hz, gait=gait)
    unclear = train.feature == "jerk" and not train.landing_evidence >= CLEAR_REST
    reasons = []
    if unclear:
        reasons.append(
            f"the shocks of {'+'.join(train.streams)} cannot be told to be landings: the foot is not at rest after"
            " them; is the sensor on a shoe?"
        )
    # a runner's foot is in the air for most of the time; a walker's load may rest at either end
    down = [load.name for load in train.loads if gait == "running" and points_down(load.value)]
    if down:
        reasons.append(
            f"the load of {'+'.join(down)} is high for most of a run, as if it were upside down: say which sign is load"
            " by a calibration document of the insole, whose gain is negative where values fall under load"
            " (--calibration FILE; calibrations=FILE in Python)"
        )
    # a landing is known to be one here, whatever the usual test by contact time would say
    known = replace(train, landing_evidence=np.inf) if train.feature == "jerk" and not unclear else train
    return _Device(known, lag, tuple(reasons))


def _joint_lag(first: _Device, second: _Device) -> Lag:
    source = f"{second.lag.source}, less that of the target: {first.lag.source}"
    return Lag(second.lag.lag_s - first.lag.lag_s, float(np.hypot(first.lag.sd_s, second.lag.sd_s)), source)


def _gait(first: DeviceTrain, second: DeviceTrain) -> str:
    """Return the gait for the lag table, by the stride: an insole's contact time is up to twice the true one."""
    strides = [fundamental(_one_foot(train.contacts).onset_s) for train in (first, second)]
    return "walking" if max(strides) > WALKING_STRIDE_S else "running"


def _one_foot(contacts: Contacts) -> Contacts:
    feet = sorted(_feet(contacts))
    return _of_feet(contacts, {feet[0]}) if feet else contacts


def _feet(contacts: Contacts) -> set[int]:
    """Return the feet that are labelled, empty where any contact has no foot."""
    feet = set(contacts.foot.tolist())
    return set() if -1 in feet else feet


def _of_feet(contacts: Contacts, feet: set[int]) -> Contacts:
    return contacts.subset(np.isin(contacts.foot, sorted(feet)))


def _any_foot(contacts: Contacts) -> Contacts:
    return replace(contacts, foot=np.full(contacts.size, -1, dtype=np.int64))


def _with_finding(alignment: DeviceAlignment, finding: str) -> DeviceAlignment:
    found: ClockMap = alignment.clock_map
    return replace(alignment, clock_map=found.model_copy(update={"findings": [*found.findings, finding]}))


@lru_cache(maxsize=1)
def _packaged_lags() -> LagTable:
    from ..calibrate import load_lag_table

    return load_lag_table().document


def _streams(source: Recording | Streams) -> dict[str, xr.Dataset]:
    return source.streams if isinstance(source, Recording) else dict(source)
