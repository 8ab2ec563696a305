"""What ``images.keypoints`` prints, as lines of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ..harness import Rows, table, versions

OWN = "person's mean error away"


def with_chance(made: Rows) -> Rows:
    """Return the row of means, one decimal, with what chance alone would leave after a person's mean is taken off."""
    mean: Rows = {}
    for name, value in made["mean"].items():
        mean[name] = f"{value:.1f}" if isinstance(value, float) and name != "r with speed" else value
        if name == OWN:
            # a mean of n independent errors takes 1 / n of their variance with it
            left = [float(row["limits right"]) * (1.0 - 1.0 / row["stances"]) ** 0.5 for row in made["people"]]
            mean["chance"] = f"{sum(left) / len(left):.1f}"
    return mean


def keypoint_lines(figures: Rows) -> list[str]:
    """Return the tables of points to force, and what the errors are made of."""
    parts: Sequence[Rows] = figures["parts"]
    made = [part["made"] for part in parts if part.get("made")]
    refused = [f"{name}: {why}" for part in parts for name, why in part["refused"].items()]
    return [
        "## Points of the films to force",
        "",
        "Printed by `python tools/bench images.keypoints --points read --other --results`."
        f" {versions(figures['machine'], but=('python',))}.",
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
        " taken off as well, so that what is left differs from stance to stance; `chance`: what would be left of errors"
        " that have nothing in common, since a mean of few stances takes some of any error with it. These need the"
        " plates: they say where the error lies. Fifths are of the contact; `r with speed`: over people, with how fast"
        " they walk.",
        "",
        *table([with_chance(m) for m in made]),
        "",
        *table([row for m in made for row in m["people"]]),
        "",
    ]
