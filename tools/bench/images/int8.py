"""Networks of pictures in eight bits: ``python tools/bench images.int8``.

Trained on the silhouettes of three walkers of four, measured on the fourth ones (``make bench-images`` makes the sets):
what eight bits add to the error, the bytes, and answers a second on one core, the pose model's time included.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from grfkit.deploy.picture_parity import picture_parity, quantised_pictures
from grfkit.learn.folds import Fold
from grfkit.learn.networks import network_config, parameter_count
from grfkit.learn.train import fit

from .. import harness
from ..harness import Rows
from .picture_rows import CONVOLUTIONS, TRAIN, of_axes
from .picture_sets import picture_set

EVERY = 4
"""Every so manieth walker is left out of training, and measured on."""
POSE_MS = 47.0
"""Time of the pose model for a frame on one core, ms: shared/reference, and ``python tools/bench images.poses``."""
TRIED: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("2D-CNN, soft labels", {"name": "film_cnn2d", "hidden": 4, "layers": 3, "head": (16,)}, 30),
    ("2D-CNN, a number", {"name": "film_cnn2d", "hidden": 4, "layers": 3, "head": (16,), "answer": "absolute"}, 30),
    ("3D-CNN, soft labels", {"name": "film_cnn3d", "hidden": 4, "layers": 3, "head": (16,)}, 10),
    ("MLP, soft labels", {"name": "film_mlp", "hidden": 64, "head": (64,)}, 40),
)
"""Networks of five frames: words, settings, epochs."""


def tested(words: str, settings: dict[str, Any], epochs: int) -> Rows:
    """Return the row of one network."""
    data = of_axes(picture_set("silhouette"), ("vgrf",))
    people = list(data.participants)
    held = tuple(people[::EVERY])
    fold = Fold("int8", tuple(p for p in people if p not in held), (), held)
    batch = CONVOLUTIONS["batch"] if "cnn" in settings["name"] else TRAIN.batch
    config = TRAIN.model_copy(update={"epochs": epochs, "batch": batch})
    model = fit(network_config(**settings), config, fold.of(data, "train"), fold)
    made = quantised_pictures(model, fold.of(data, "train"))
    test = fold.of(data, "test")
    found = picture_parity(model, made, test, test.scalar("mass_kg"))
    engine = found.interpreters[0]
    rms = next(f.value for f in found.figures if f.name.startswith(f"{engine}: from torch, RMS"))
    return {
        "network": words, "epochs": epochs, "parameters": parameter_count(model.network),
        "float32, bytes": len(made.files["float32"].content), "int8, bytes": len(made.files["int8"].content),
        "MAE % BW, torch": round(found.mae["torch"]["vgrf"], 2), "int8": round(found.mae[engine]["vgrf"], 2),
        "added, points": f"{found.mae[engine]['vgrf'] - found.mae['torch']['vgrf']:+.3f}",
        "RMS from torch, BW": f"{rms:.4f}",
        "answers/s": round(found.frames_per_s),
        "with pose, frames/s": round(1.0 / (POSE_MS / 1e3 + 1.0 / found.frames_per_s), 1),
        "bounds": "kept" if not found.failed else "; ".join(found.failed),
    }  # fmt: skip


def main() -> None:
    """Print the table."""
    options = harness.parser(__doc__, "images.int8")
    options.add_argument("--only", default="", help="rows whose name begins so")
    only = options.parse_args().only
    rows = []
    for words, settings, epochs in TRIED:
        if words.startswith(only):
            start = time.monotonic()
            rows.append(tested(words, settings, epochs))
            print(f"{words}: {time.monotonic() - start:.0f} s {rows[-1]}", file=sys.stderr)
    print("\n".join(harness.table(rows)))


if __name__ == "__main__":
    main()
