"""Centre of pressure of a walker's foot from the IMUs of both shoes, against two belts (Pearl 2022), people left out.

The truth is the belts' own centre of pressure, moved along with the belt at its stated speed; errors in mm.
"""

from __future__ import annotations

import sys

from grfkit.dataset.public import pearl
from grfkit.dataset.public.pearl import PearlSettings
from grfkit.evaluation.cop import evaluate_cop
from grfkit.records.stance_set import StanceSet

from .. import harness
from .sets import cached
from .shoes import FOLDER


def windows() -> StanceSet:
    """Return the stances of both conditions with the belts' centre of pressure, made once (20 s)."""
    return cached("E_cop", lambda: pearl.load(FOLDER, settings=PearlSettings(targets="cop")))


def main() -> int:
    """Leave each person out, and print and write the tables."""
    request = harness.parser(__doc__, "cop").parse_args()
    if not FOLDER.is_dir():
        print(f"{FOLDER}: not there; tools/fetch_recordings.py fetches it", file=sys.stderr)
        return 1
    data = windows()
    scores = evaluate_cop(data, progress=lambda done, total, name: print(f"{done} of {total}: {name}", file=sys.stderr))
    # what the page draws is no figure
    found = {name: value for name, value in scores.scores.items() if name != "drawn"}
    figures = {"about": harness.machine("numpy", "scipy", "torch"), "scores": found}
    text = [
        "# Centre of pressure from shoe IMUs, against the belts",
        "",
        f"`python tools/bench accuracy.cop` at commit {harness.commit()}: {found['windows']} stances of"
        f" {found['participants']} walkers (slow, normal and with an imitated stiff knee), each person left out in"
        " turn. Millimetres from the path's own mean, where the foot bears .3 BW or more.",
        "",
        *found["table"],
        "",
        *(f"* {sentence}." for sentence in found["words"]),
        "",
        "Left out: " + "; ".join(f"{n} x {why}" for why, n in found["excluded"].items()) + ".",
    ]
    harness.write(request.out, figures, "\n".join(text) + "\n")
    print("\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
