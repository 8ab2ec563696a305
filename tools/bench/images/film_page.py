"""What ``images.keypoints`` prints, as lines of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ..harness import Rows, table, versions


def keypoint_lines(figures: Rows) -> list[str]:
    """Return the tables of points to force, and what the errors are made of."""
    parts: Sequence[Rows] = figures["parts"]
    made = [part["made"] for part in parts if part.get("made")]
    refused = [f"{name}: {why}" for part in parts for name, why in part["refused"].items()]
    return [
        "## Points of the films to force",
        "",
        f"Printed by `python tools/bench images.keypoints --results`. {versions(figures['machine'], but=('python',))}.",
        "",
        "The same walkers, everybody held out. Points `true`: projected, as a perfect pose model would give them;"
        " `read`: H.264 files through `read_film`. Limits `plates`: the stance's, known; `film`: found in the film, as"
        " `grf-estimate` does. Errors in % of body weight over the whole contact on the plates, mean (least to greatest"
        " person); stances that a film does not show whole are counted.",
        "",
        *table([row for part in parts for row in part["rows"]]),
        "",
        "Contacts that the films show, against the plates', no window given; + is late:",
        "",
        *table([row for part in parts for row in part["limits"]]),
        "",
        *(["Refused: " + "; ".join(refused) + ".", ""] if refused else []),
        "### What the error is made of",
        "",
        "Vertical, near foot, limits of the film, the last method of each part. `limits right`: the same curves, laid"
        " from the film's contact on the plates'; `person's mean error away`: with each person's own mean error curve"
        " taken off as well, so that what is left differs from stance to stance. Both need the plates: they say where"
        " the error lies. Fifths are of the contact; `r with speed`: over people, with how fast they walk.",
        "",
        *table([m["mean"] for m in made]),
        "",
        *table([row for m in made for row in m["people"]]),
        "",
    ]
