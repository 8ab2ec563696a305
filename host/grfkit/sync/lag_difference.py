"""Two devices of one foot on one clock: how much later the one shows a contact, beside what the lag table expects.

A lag common to both cannot be seen in a running trial, and a difference can: it needs no stated clock, only that the
two share one and that the reference says which contacts are the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..calibrate import load_lag_table
from ..calibrate.documents import LagTable
from ..calibrate.lags import lookup
from ..errors import BadInputError
from ..records import ClockMap, Recording, Surface
from ..signals.contacts import Contacts
from ..signals.robust import MAD_TO_SD, MEDIAN_TO_MEAN_ERROR
from .contact_events import device_train, reference_train
from .device import WALKING_STANCE_S, usual_stance_s

LOOK_S = 300.0
"""Length (s) from the middle of a long record that is looked at: hundreds of contacts, in little time."""
NEAR_S = 0.08
"""Distance (s) within which a device's contact is that of the reference: half a quick step."""
FEWEST_CONTACTS = 12
"""Contacts that both devices show, at the least; chosen by hand."""
INFLATION = 2.0
"""Factor on the variance of the mean: contacts' jitter is correlated; that of ``fit.py`` where it is not measured."""
_NORMAL_95 = 1.96


@dataclass(frozen=True)
class LagDifference:
    """How much later ``second`` shows the contacts of a foot than ``first``, both device classes on one clock.

    Attributes
    ----------
    seen_s, error_s
        The difference, and its standard error.
    expected_s, expected_sd_s
        What the lag table says of the two, and the SD of that.
    streams
        The streams of both.
    """

    foot: str
    first: str
    second: str
    seen_s: float
    error_s: float
    expected_s: float
    expected_sd_s: float
    contacts: int
    streams: tuple[str, ...]

    @property
    def is_expected(self) -> bool:
        """Return whether the table's 95 % range, widened by the error, holds what is seen."""
        allowed = _NORMAL_95 * float(np.hypot(self.error_s, self.expected_sd_s))
        return abs(self.seen_s - self.expected_s) <= allowed

    @property
    def words(self) -> str:
        """Return it as a sentence."""
        seen, expected = 1e3 * self.seen_s, 1e3 * self.expected_s
        error, spread = 1e3 * self.error_s, 1e3 * self.expected_sd_s
        text = (
            f"on their one clock the {self.foot} {self.second} shows contacts {seen:+.1f} ms (SD {error:.1f}) after the"
            f" {self.first}, {self.contacts} contacts; the lag table expects {expected:+.1f} ms (SD {spread:.1f})"
        )
        if self.is_expected:
            return text
        return f"{text}: these devices are not the table's; measure their lags (grf-calibrate lag)"


def lag_differences(
    reference: Recording,
    groups: Sequence[Mapping[str, xr.Dataset]],
    maps: Mapping[str, ClockMap],
    *,
    surface: Surface,
    lags: LagTable | None = None,
) -> list[LagDifference]:
    """Return the difference for every two device classes of one foot that are aligned on one clock.

    Groups whose clocks the user stated to be the reference's count as one.
    """
    aligned = [{n: s for n, s in group.items() if maps[n].verdict == "aligned"} for group in groups]
    joined: list[dict[str, xr.Dataset]] = []
    stated: dict[str, xr.Dataset] = {}
    for group in aligned:
        if group and maps[next(iter(group))].origin == "synchronised":
            stated |= group
        else:
            joined.append(group)
    joined.append(stated)
    several = [group for group in joined if len({str(s.attrs.get("kind")) for s in group.values()}) > 1]
    if not several:
        return []
    plates = surface == "overground"
    contacts, _ = reference_train(reference.streams, plates=plates)
    table = lags if lags is not None else load_lag_table().document
    found = [_of_foot(contacts, group, maps, foot, plates, table) for group in several for foot in ("left", "right")]
    return [difference for differences in found for difference in differences]


def _of_foot(
    reference: Contacts,
    group: Mapping[str, xr.Dataset],
    maps: Mapping[str, ClockMap],
    foot: str,
    plates: bool,
    table: LagTable,
) -> list[LagDifference]:
    stance_s = usual_stance_s(reference)
    gait = "walking" if stance_s > WALKING_STANCE_S else "running"
    late: dict[str, tuple[Floats, str, float, float]] = {}
    for kind in ("insole", "imu"):
        own = {n: s for n, s in group.items() if (s.attrs.get("kind"), s.attrs.get("side")) == (kind, foot)}
        if len(own) != 1:
            continue
        name, stream = next(iter(own.items()))
        try:
            train = device_train({name: _middle(stream)}, plates=plates, stance_s=stance_s)
            lag = lookup(table, device_class=kind, feature=train.feature, rate_hz=train.rate_hz, gait=gait)
        except BadInputError:
            continue
        onset_s = maps[name].apply(train.contacts.onset_s)
        late[kind] = (_late_s(reference, onset_s, lag.lag_s), name, lag.lag_s, lag.sd_s)
    rows = []
    for first, second in itertools.combinations(late, 2):
        (early_s, name, lag_s, sd_s), (late_s, other, other_lag_s, other_sd_s) = late[first], late[second]
        apart = late_s - early_s
        apart = apart[np.isfinite(apart)]
        if apart.size < FEWEST_CONTACTS:
            continue
        middle = float(np.median(apart))
        scatter = MAD_TO_SD * float(np.median(np.abs(apart - middle)))
        error = MEDIAN_TO_MEAN_ERROR * scatter * float(np.sqrt(INFLATION / apart.size))
        rows.append(
            LagDifference(
                foot,
                first,
                second,
                middle,
                error,
                other_lag_s - lag_s,
                float(np.hypot(sd_s, other_sd_s)),
                int(apart.size),
                (name, other),
            )
        )
    return rows


def _middle(stream: xr.Dataset) -> xr.Dataset:
    """Return a stream's middle ``LOOK_S``."""
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    centre = 0.5 * (time_s[0] + time_s[-1])
    first, last = np.searchsorted(time_s, [centre - LOOK_S / 2, centre + LOOK_S / 2])
    part: xr.Dataset = stream.isel(time=slice(int(first), int(last)))
    return part


def _late_s(reference: Contacts, onset_s: Floats, expected_s: float) -> Floats:
    """Return for every contact of the reference how much later (s) the device shows it; NaN where it does not."""
    late = np.full(reference.size, np.nan)
    onset_s = onset_s[np.isfinite(onset_s)]
    if not onset_s.size:
        return late
    index = np.clip(np.searchsorted(onset_s, reference.onset_s + expected_s), 1, max(onset_s.size - 1, 1))
    index = np.minimum(index, onset_s.size - 1)
    before, after = onset_s[np.maximum(index - 1, 0)], onset_s[index]
    target = reference.onset_s + expected_s
    nearest = np.where(np.abs(before - target) < np.abs(after - target), before, after)
    close = np.abs(nearest - target) < NEAR_S
    late[close] = (nearest - reference.onset_s)[close]
    return late


def refuse_unused_lags(table: LagTable | None, streams: Iterable[xr.Dataset]) -> None:
    """Refuse a lag document that was measured on classes of which no stream is one.

    Raises
    ------
    BadInputError
        With the classes of both.
    """
    classes = {str(stream.attrs.get("kind")) for stream in streams}
    own = sorted({measured.device_class for measured in table.measured}) if table is not None else []
    if table is not None and own and not classes & set(own):
        raise BadInputError(
            f"the lag document '{table.name}' is of no use: it was measured on {', '.join(own)}, and what is aligned is"
            f" {', '.join(sorted(classes)) or 'nothing'}; leave it out (--calibration; calibrations in Python)"
        )


def with_lag_findings(maps: Mapping[str, ClockMap], differences: Sequence[LagDifference]) -> dict[str, ClockMap]:
    """Return the maps with each difference as a finding of both its streams."""
    changed = dict(maps)
    for difference in differences:
        for name in difference.streams:
            found = [*changed[name].findings, difference.words]
            changed[name] = changed[name].model_copy(update={"findings": found})
    return changed
