"""Breaks cut into the belts of 28 real walks (Pearl 2024): which are told, and how near in place and size.

``python -m tools.bench.sync.real_belt_breaks`` prints the sentence; a minute of one core.
"""

from __future__ import annotations

import numpy as np

from grfkit.dataset.public.pearl_trials import RATE_HZ
from grfkit.signals.belt_breaks import belt_parts

from ..harness import DATA
from .real_belts import FOLDER, walks

LOSSES_S = (0.05, 0.1, 0.2, 0.4)
"""Samples (s) that one of the belts loses."""
TIMES, SEED = 3, 3
"""Cuts of each size into each walk, and their seed."""


def sentence() -> str:
    """Return what is found of the cuts, and in the walks as they are."""
    rng = np.random.default_rng(SEED)
    uncut, cuts, places, sizes = 0, 0, [], []
    every = list(walks(DATA / FOLDER))
    for walk in every:
        forces = [walk.trial.force_n[:, side][:, [1, 0]] for side in range(2)]
        size = len(forces[0])
        uncut += bool(belt_parts(forces[0], forces[1], rate_hz=RATE_HZ))
        for loss_s in np.tile(LOSSES_S, TIMES):
            by, at, loser = round(loss_s * RATE_HZ), int(rng.uniform(0.25, 0.75) * size), int(rng.integers(2))
            cut = [
                np.delete(f, np.arange(at, at + by), axis=0) if k == loser else f[:-by] for k, f in enumerate(forces)
            ]
            parts = belt_parts(cut[0], cut[1], rate_hz=RATE_HZ)
            cuts += 1
            if len(parts) == 2:
                places.append(abs(parts[0].end_s - at / RATE_HZ))
                sizes.append(abs(parts[1].late_s - parts[0].late_s - (loss_s if loser == 0 else -loss_s)))
    sized = np.asarray(sizes)[np.isfinite(sizes)]
    return (
        f"{len(places)} of {cuts} breaks of {LOSSES_S[0]:g} to {LOSSES_S[-1]:g} s told, 95 % placed within"
        f" {np.percentile(places, 95):.2f} s, the farthest {max(places):.1f} s off; the size of {sized.size} to"
        f" {1e3 * np.percentile(sized, 95):.0f} ms (95 %), {1e3 * sized.max():.0f} ms at most, that of the others is"
        f" near half a stride and not told; of {len(every)} walks without one {uncut} are told to have one"
    )


if __name__ == "__main__":
    print(sentence())
