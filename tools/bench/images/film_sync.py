"""Films of simulated people on false clocks: aligned, a step off, refused; and films of other people.

``python -m tools.bench.images.film_sync [--trials N] [--seed S]``; points are projected (:mod:`.side_film`).
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Literal

import numpy as np

from grfkit import simulate_trial
from grfkit.simulate.lab import LabTrial
from grfkit.sync import align_device

from .side_film import phantom_film

Surface = Literal["treadmill", "overground"]
KINDS: tuple[tuple[Surface, Literal["walk", "run"], float, tuple[float, ...]], ...] = (
    ("treadmill", "walk", 1.0, (40.0, 60.0, 90.0)),
    ("overground", "walk", 1.5, (60.0, 120.0, 180.0)),
    ("treadmill", "run", 0.4, (40.0, 60.0, 90.0)),
)
"""Surface, gait, share of the trials, and lengths (s) in turn."""
WRONG_MS, LARGEST_OFFSET_S, OTHERS = 120.0, 30.0, 4000
"""Error (ms) beyond which a film is a step off; range of the false clocks (s); how far the seeds of others lie off."""


def people(seed: int, surface: Surface, gait: Literal["walk", "run"], length_s: float) -> LabTrial:
    """Return a trial of a simulated person."""
    split = surface == "treadmill" and gait == "walk"
    return simulate_trial(
        seed=seed, surface=surface, gait=gait, split_belt=split, wearables=("landmarks",), duration_s=length_s
    )


def row(surface: Surface, gait: Literal["walk", "run"], lengths: tuple[float, ...], seeds: range, other: bool) -> str:
    """Return what alignment makes of the films of these seeds, or of other people's beside their plates."""
    errors, widths, reasons = [], [], Counter[str]()
    for k, seed in enumerate(seeds):
        lab = people(seed, surface, gait, lengths[k % 3])
        truth = people(seed + OTHERS, surface, gait, lengths[k % 3]).truth if other else lab.truth
        offset = float(np.random.default_rng(seed).uniform(-1, 1) * LARGEST_OFFSET_S)
        start, end = truth.reference_s
        film = phantom_film(
            truth, start_s=start + 1, end_s=end - 1, near=("left", "right")[k % 2], rate_hz=(25.0, 30.0, 60.0)[k % 3],
            offset_s=offset, seed=seed,
        )  # fmt: skip
        found = align_device(lab.reference, {"keypoints": film}, surface=surface).clock_map
        if found.verdict == "aligned" and found.uncertainty_ms is not None:
            at = film["time"].values[::50]
            errors.append(1e3 * float(np.nanmean(found.apply(at) - at - offset)))
            widths.append(found.uncertainty_ms)
        else:
            reasons[found.reasons[0].split(",")[0][:50]] += 1
    off = np.asarray(errors)
    text = f"{off.size} of {len(seeds)} aligned, {int((np.abs(off) > WRONG_MS).sum())} a step off"
    if off.size:
        within = np.mean(np.abs(off) <= widths)
        text += f"; {np.median(off):+.0f} ms, SD {off.std():.0f}; {within:.0%} within the half-width"
    return f"{text}; refused: {dict(reasons.most_common(3))}"


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30, help="walks on a belt; of the other kinds a share")
    parser.add_argument("--seed", type=int, default=41_000_000)
    asked = parser.parse_args()
    for surface, gait, share, lengths in KINDS:
        seeds = range(asked.seed, asked.seed + max(1, round(share * asked.trials)))
        for other in (False, True):
            whose = "another person's film" if other else "own film"
            print(f"{surface}, {gait}, {whose}: {row(surface, gait, lengths, seeds, other)}", flush=True)


if __name__ == "__main__":
    main()
