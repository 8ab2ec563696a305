"""Real belts and shoes: 28 walks of Pearl 2024, every sensor on a false clock of its own.

``python -m tools.bench.sync.real_belts`` prints every stream with margin and reasons. The truth of each belt is its
reference lag, good to 15 ms (SOURCE.md of the data set).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from grfkit.dataset.public.pearl_trials import RATE_HZ, WalkTrial, read_people, read_trial
from grfkit.provenance import Provenance
from grfkit.records import Channel, ClockMap, Side, make_recording, make_stream
from grfkit.sync import AlignSettings, align, align_device

from ..harness import DATA

FOLDER = "pearl2024_imu_treadmill"
SIDES: tuple[Side, Side] = ("left", "right")
SENSORS_OF = {
    "pelvis": ("pelvis",),
    "torso": ("torso",),
    "thigh": ("femur_l", "femur_r"),
    "shank": ("tibia_l", "tibia_r"),
}
"""Sensors of the data set by place on the body; those of one place are on one clock."""
TOLD_MS, SURE_MS = 30.0, 15.0
"""Shift (ms) from which on belts are called shifted, and how near to the reference it has to be told."""
WRONG_MS = 120.0
"""A stream that is off by more is a step wrong, as in the simulated trials."""
TRUTH_UNTIL_S = {"Sub06_CSStiffKnee": 48.0}
"""Where a walk breaks (sensors' time, s), after which its reference lags are not sure (SOURCE.md)."""
LATER_S = 5.0
"""Time (s) by which a sensor on the body began later than the belts, at the most."""
WINDOWS, WINDOW_S, ONE_CLOCK_S = 6, (14.0, 29.5), 0.02
"""Short references cut out of each walk whose belts agree to so many seconds, and the range of their lengths (s)."""
FALSE_START_S, FALSE_PPM, SEED = 30.0, 50.0, 20261202
"""Range of the false clocks' offsets (s) and rates (ppm), and their seed."""


@dataclass(frozen=True)
class Walk:
    """One walk with its reference lags (s): sensor time minus time of the left and the right belt."""

    trial: WalkTrial
    lags_s: tuple[float, float]


@dataclass(frozen=True)
class Outcome:
    """One stream against its belt.

    Attributes
    ----------
    error_ms, worst_ms
        Mean error over the overlap, and the largest by magnitude; NaN where nothing was found.
    """

    walk: str
    person: str
    stream: str
    clock_map: ClockMap
    error_ms: float
    worst_ms: float


def walks(folder: Path) -> Iterator[Walk]:
    """Return the walks of a copy of the data set in the order of their names."""
    people = read_people(folder)
    with open(folder / "reference_lags.csv", encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            left, right = (1e-3 * float(row[f"{side}_imu_minus_force_ms"]) for side in SIDES)
            yield Walk(read_trial(folder / "trials" / f"{row['trial']}.npz", people), (left, right))


@dataclass(frozen=True)
class BeltsOutcome:
    """By how much (ms) the right belt was found to be late against the left, NaN where nothing was told; the truth."""

    walk: str
    found_ms: float
    true_ms: float


def belt(trial: WalkTrial, side: str, *, examined: bool = True) -> xr.Dataset:
    """Return a belt's force on its own clock."""
    forward, up, right = trial.force_n[:, SIDES.index(side)].T
    axes = [Channel(n, v, "N", "lab") for n, v in (("fx", forward), ("fy", -right), ("fz", up))]
    attrs = {"vertical": "+z", "knows_feet": side} | ({"doctor": "examined"} if examined else {})
    return make_stream(axes, trial.time_s, kind="force_plate", rate_hz=RATE_HZ, attrs=attrs)


def sensor(trial: WalkTrial, name: str, side: Side, clock: FalseClock, *, place: str = "") -> xr.Dataset:
    """Return a sensor's stream on a false clock."""
    acc, gyro = trial.of(name)
    channels = [Channel(f"acc_{c}", acc[:, i], "m/s^2", "sensor") for i, c in enumerate("xyz")]
    channels += [Channel(f"gyro_{c}", gyro[:, i], "rad/s", "sensor") for i, c in enumerate("xyz")]
    return make_stream(
        channels, clock.false_s(trial.time_s), kind="body_imu" if place else "imu", side=side, rate_hz=RATE_HZ,
        attrs={"place": place} if place else None,
    )  # fmt: skip


@dataclass(frozen=True)
class FalseClock:
    """A clock that shows ``(t - offset_s) / (1 + ppm * 1e-6)`` at the sensors' time t."""

    offset_s: float
    ppm: float

    def false_s(self, time_s: np.ndarray) -> np.ndarray:
        """Return what the clock shows."""
        return (time_s - self.offset_s) / (1.0 + 1e-6 * self.ppm)

    def true_s(self, false_s: np.ndarray) -> np.ndarray:
        """Return the sensors' time."""
        return self.offset_s + (1.0 + 1e-6 * self.ppm) * false_s


def false_clocks() -> Iterator[FalseClock]:
    """Return one false clock after the other, the same ones every time."""
    rng = np.random.default_rng(SEED)
    while True:
        yield FalseClock(float(rng.uniform(-1, 1) * FALSE_START_S), float(rng.uniform(-1, 1) * FALSE_PPM))


def judged(
    clock_map: ClockMap, trial: WalkTrial, clock: FalseClock, lag_s: float, *, first_s: float = 0.0
) -> tuple[float, float]:
    """Return mean and largest error (ms) over the overlap, as far as the truth is known.

    Parameters
    ----------
    first_s
        What the false clock shows at the map's time zero.
    """
    time_s = trial.time_s[trial.time_s < TRUTH_UNTIL_S.get(trial.name, np.inf)]
    if not clock_map.segments:
        return float("nan"), float("nan")
    false_s = clock.false_s(time_s) - first_s
    error = 1e3 * (clock_map.apply(false_s) - (time_s - lag_s))
    error = error[np.isfinite(error) & (time_s - lag_s >= 0) & (time_s - lag_s <= time_s[-1])]
    return (float(error.mean()), float(np.abs(error).max())) if error.size else (float("nan"), float("nan"))


def shoes(
    folder: Path, settings: AlignSettings | None = None, told: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Return what becomes of every shoe against its own belt."""
    outcomes, clocks = [], false_clocks()
    for walk in walks(folder):
        for side, lag_s, clock in zip(SIDES, walk.lags_s, clocks):
            trial = walk.trial
            shoe = {f"imu_{side}": sensor(trial, f"toes_{side[0]}", side, clock)}
            reference = {f"belt_{side}": belt(trial, side)}
            found = align_device(reference, shoe, surface="treadmill", settings=settings, accept_refused=True)
            error, worst = judged(found.clock_map, trial, clock, lag_s)
            outcomes.append(Outcome(trial.name, trial.participant, side, found.clock_map, error, worst))
            if told is not None:
                told(outcomes[-1])
    return outcomes


def body(
    folder: Path, place: str, *, told: Callable[[Outcome], None] | None = None
) -> tuple[list[Outcome], list[BeltsOutcome]]:
    """Return what becomes of every sensor on one place of the body, belts corrected, and of the belts themselves.

    Parameters
    ----------
    place
        A key of ``SENSORS_OF``.
    """
    outcomes, belts, clocks = [], [], false_clocks()
    rng = np.random.default_rng(SEED)
    for walk, clock in zip(walks(folder), clocks):
        trial = walk.trial
        # a recording counts from its first sample: so that the answer is not near 0, the sensor began later
        head = int(rng.uniform(0.0, LATER_S) * RATE_HZ)
        reference = make_recording(
            {f"belt_{side}": belt(trial, side, examined=False) for side in SIDES},
            device="belts", reader="pearl", provenance=Provenance(),
        )  # fmt: skip
        sensors = {n: sensor(trial, n, "unknown", clock, place=place) for n in SENSORS_OF[place]}
        worn = {f"imu_{name}": stream.isel(time=slice(head, None)) for name, stream in sensors.items()}
        wearable = make_recording(worn, device="imu", reader="pearl", provenance=Provenance())
        found = align(
            reference, wearable, surface="treadmill", mass_kg=trial.mass_kg, correct="belts", accept_refused=True
        )
        # the belts were put onto the clock of the first
        clock_map = next(iter(found.maps.values()))
        first_s = float(clock.false_s(np.asarray([head / RATE_HZ]))[0])
        error, worst = judged(clock_map, trial, clock, walk.lags_s[0], first_s=first_s)
        outcomes.append(Outcome(trial.name, trial.participant, place, clock_map, error, worst))
        if told is not None:
            told(outcomes[-1])
        shift = [float(row["value"]) for row in found.evidence.doctor if row["code"] == "belt_clock"]
        true_ms = 1e3 * (walk.lags_s[0] - walk.lags_s[1])
        belts.append(BeltsOutcome(trial.name, shift[0] if shift else float("nan"), true_ms))
    return outcomes, belts


def short_windows(folder: Path) -> list[Outcome]:
    """Return what becomes of both shoes against half a minute or less of both belts, where these are on one clock."""
    outcomes, rng = [], np.random.default_rng(SEED)
    for walk, clock in zip(walks(folder), false_clocks()):
        if abs(walk.lags_s[0] - walk.lags_s[1]) > ONE_CLOCK_S:
            continue
        trial, lag_s = walk.trial, float(np.mean(walk.lags_s))
        shoes_of = {f"imu_{side}": sensor(trial, f"toes_{side[0]}", side, clock) for side in SIDES}
        last_s = min(float(trial.time_s[-1]), TRUTH_UNTIL_S.get(trial.name, np.inf))
        for _ in range(WINDOWS):
            length_s = float(rng.uniform(*WINDOW_S))
            start_s = float(rng.uniform(0.0, last_s - length_s))
            within = np.flatnonzero((trial.time_s >= start_s) & (trial.time_s < start_s + length_s))
            reference = {f"belt_{side}": belt(trial, side).isel(time=within) for side in SIDES}
            found = align_device(reference, shoes_of, surface="treadmill", accept_refused=True).clock_map
            error_ms = np.asarray([np.nan])
            if found.segments:
                error_ms = 1e3 * (found.apply(clock.false_s(trial.time_s[within] + lag_s)) - trial.time_s[within])
            name = f"{trial.name} {start_s:.0f}+{length_s:.0f} s"
            error, worst = float(np.nanmean(error_ms)), float(np.nanmax(np.abs(error_ms)))
            outcomes.append(Outcome(name, trial.participant, "both", found, error, worst))
    return outcomes


def belts_sentence(belts: list[BeltsOutcome]) -> str:
    """Return in words which belts were told to be on two clocks, and which should have been."""
    shifted = [b for b in belts if abs(b.true_ms) >= TOLD_MS]
    right = [b for b in shifted if abs(b.found_ms - b.true_ms) <= SURE_MS]
    others = [b for b in belts if abs(b.true_ms) < TOLD_MS and np.isfinite(b.found_ms)]
    worst = max((abs(b.found_ms - b.true_ms) for b in shifted if np.isfinite(b.found_ms)), default=float("nan"))
    return (
        f"found {sum(np.isfinite(b.found_ms) for b in shifted)} of {len(shifted)} walks with shifted belts,"
        f" {len(right)} to within {SURE_MS:.0f} ms (worst {worst:.0f} ms); told of {len(others)} of the other"
        f" {len(belts) - len(shifted)}"
    )


def rows() -> list[dict[str, str]]:
    """Return the rows of the benchmark's table of real recordings."""
    folder = DATA / FOLDER
    table = [{"what": "Real belts and shoes, each on a false clock", "result": sentence(figures(shoes(folder)))}]
    low, high = WINDOW_S
    what = f"Real belts and both shoes, windows of {low:g} to {high:g} s of walks whose belts are on one clock"
    table.append({"what": what, "result": sentence(figures(short_windows(folder)))})
    belts: list[BeltsOutcome] = []
    for place in SENSORS_OF:
        outcomes, belts = body(folder, place)
        what = f"Real belts and a sensor on the {place}" if place in ("pelvis", "torso") else f"Real belts and {place}s"
        table.append({"what": f"{what}, --correct belts", "result": sentence(figures(outcomes))})
    return [*table, {"what": "Real belts on two clocks (finding belt_clock)", "result": belts_sentence(belts)}]


def line(outcome: Outcome) -> str:
    """Return an outcome in one line."""
    m = outcome.clock_map
    figures = [
        f"{outcome.walk:20s} {outcome.stream:6s} {m.verdict:8s} error {outcome.error_ms:8.1f} ms",
        f"+-{m.uncertainty_ms:5.1f}" if m.uncertainty_ms is not None else "",
        f"margin {m.margin:6.1f}" if m.margin is not None else "",
        f"scatter {m.residual_ms:5.1f}" if m.residual_ms is not None else "",
        f"matched {m.matched_anchors:3d}",
        f"{m.drift_ppm:+6.0f} ppm" if m.drift_ppm is not None else f"{len(m.segments)} segments",
    ]
    return "  ".join(figures) + "".join(f"\n      {reason}" for reason in m.reasons)


def lags_by_person(outcomes: list[Outcome]) -> dict[str, float]:
    """Return for each person the median error (ms) of all others, which is what one lag for the class would be."""
    sure = [o for o in outcomes if np.isfinite(o.error_ms) and abs(o.error_ms) < WRONG_MS]
    people = {o.person for o in outcomes}
    return {p: float(np.median([o.error_ms for o in sure if o.person != p])) for p in sorted(people)}


def figures(outcomes: list[Outcome]) -> dict[str, float]:
    """Return the figures of a row: errors after one lag for the class, which is that of the other people."""
    lags = lags_by_person(outcomes)
    accepted = [o for o in outcomes if o.clock_map.verdict == "aligned"]
    raw = np.asarray([o.error_ms for o in accepted])
    left = raw - np.asarray([lags[o.person] for o in accepted])
    stated = np.asarray([o.clock_map.uncertainty_ms for o in accepted])
    right = np.abs(raw) <= WRONG_MS
    return {
        "streams": len(outcomes),
        "accepted": len(accepted),
        "wrong": int((~right).sum()),
        "median_ms": float(np.median(raw[right])),
        "sd_ms": float(np.std(left[right])),
        "p95_ms": float(np.percentile(np.abs(left[right]), 95)),
        "covered": float(np.mean(np.abs(raw[right]) <= stated[right])),
    }


def sentence(row: dict[str, float]) -> str:
    """Return the figures of a row in words."""
    return (
        f"accepted {row['accepted']} of {row['streams']} ({100 * row['accepted'] / row['streams']:.0f} %),"
        f" wrong {row['wrong']}, error {row['median_ms']:+.1f} ms (median), after one lag for the class that of the"
        f" other people leaves: SD {row['sd_ms']:.1f} ms, 95 % within {row['p95_ms']:.1f} ms; within the stated"
        f" half-width {100 * row['covered']:.0f} %"
    )


def main() -> None:
    """Print every stream and the row."""
    outcomes = shoes(DATA / FOLDER, told=lambda outcome: print(line(outcome), flush=True))
    print(sentence(figures(outcomes)))
    outcomes = short_windows(DATA / FOLDER)
    print(*(line(outcome) for outcome in outcomes), "windows: " + sentence(figures(outcomes)), sep="\n")
    for place in SENSORS_OF:
        outcomes, belts = body(DATA / FOLDER, place, told=lambda outcome: print(line(outcome), flush=True))
        print(place, sentence(figures(outcomes)))
    print(belts_sentence(belts))


if __name__ == "__main__":
    main()
