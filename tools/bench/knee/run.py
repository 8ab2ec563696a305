"""The benchmark of facts of people: ``make bench-knee`` (or ``python tools/bench knee --help``).

Do knee alignment and affected side help networks to estimate force? Every network and linear method on the same folds,
without these facts, with them, and with those of somebody else (the control); healthy walkers, simulated ones whose
truth is known, and real forces with a dose added. Finished folds are kept under build/bench/knee, so that a run that
was stopped goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grfkit import evaluate
from grfkit.evaluation.feature_comparison import feature_words
from grfkit.records.stance_set import StanceSet

from .. import harness
from ..harness import Rows
from . import sets

DOSES_BW_PER_DEG = (0.0, 0.002, 0.004, 0.008)
"""Added to the medial force: k x alignment x half-sine of stance. The phantom of gain 1 has .004."""
SMALL, TEN = ("mlp", "lstm", "cnn1d", "cnn1d_lstm"), "all"
"""Networks of the quick mode; every one of the preset."""


@dataclass(frozen=True)
class Part:
    """One comparison: its set, networks, features, trainings of each network, and what is asked of it."""

    name: str
    make: Callable[[], StanceSet]
    networks: str
    features: str
    asks: str
    seeds: int = 1
    kind: str = "fixed"


def parts(*, quick: bool) -> list[Part]:
    """Return the comparisons in order: the quick ones train few networks for few epochs on some stances."""
    each, people = (16, 24) if quick else (60, 60)
    seeds = 1 if quick else 3
    names = ",".join(SMALL) if quick else TEN
    few = "mlp,lstm" if quick else ",".join(SMALL)
    rows = [
        Part(
            "12 healthy walkers, joint centres",
            lambda: sets.thinned(sets.walkers("joint centres"), each),
            names,
            "alignment",
            "do facts of healthy people help?",
            seeds,
        )
    ]
    if not quick:
        rows += [
            Part("12 healthy walkers, virtual accelerometers", lambda: sets.walkers("accelerometers"), names,
                 "alignment",
                 "the same without the knee's place", seeds),
            Part("20 healthy runners, joint centres", lambda: sets.runners("joint centres", each), few, "alignment",
                 "the same running", seeds),
            Part("12 healthy walkers, joint centres, networks alone", lambda: sets.walkers("joint centres"), names,
                 "alignment", "as the study: no path of ridge", seeds, "faithful"),
        ]  # fmt: skip
    for gain, asks in ((2.0, "positive control"), (0.0, "negative control")):
        for given in ("accelerometers",) if quick else ("accelerometers", "joint centres"):
            rows.append(
                Part(
                    f"{people} SIMULATED walkers, gain {gain:g}, {given}",
                    lambda gain=gain, given=given: sets.phantom(given, people=people, gain=gain, each=16),
                    few,
                    "both",
                    asks,
                    seeds,
                )
            )
    for dose in DOSES_BW_PER_DEG:
        rows.append(
            Part(
                f"12 healthy walkers, accelerations, {dose:g} BW per degree added",
                lambda dose=dose: sets.dosed(sets.thinned(sets.walkers("accelerometers"), each), dose),
                "mlp",
                "alignment",
                "power",
                seeds,
            )
        )
    return rows


def compared(part: Part) -> Rows:
    """Return what a comparison found."""
    start = time.perf_counter()
    (sets.BUILD / "runs").mkdir(parents=True, exist_ok=True)
    found = evaluate(
        part.make(), preset="sugiarto2025", kind=part.kind, compare=part.networks, features=part.features, draws=2,
        seeds=part.seeds, split="grouped_kfold", out=sets.BUILD / "runs" / file_name(part), force=True,
    )  # fmt: skip
    document: Rows = found.scores["feature_comparison"]
    return {"asks": part.asks, "seconds": round(time.perf_counter() - start), "found": document}


def file_name(part: Part) -> str:
    """Return a folder's name for a comparison."""
    text = f"{part.name}_{part.networks}_{part.seeds}".lower()
    return "".join(c if c.isalnum() else "_" for c in text)


def control_rows(figures: Rows) -> list[Rows]:
    """Return what the features did in every comparison, a row for each method."""
    lines = []
    for name, row in figures.items():
        for one in row["found"]["help"]:
            if one["axis"] == ("mlgrf" if "added" in name else "overall"):
                lines.append(
                    {
                        "people": name, "asked": row["asks"], "method": one["network"],
                        "with less without": _interval(one["given"]),
                        "with less those of others": _interval(one["true"]),
                        "said": one["word"],
                    }
                )  # fmt: skip
    return lines


def _interval(one: dict[str, Any]) -> str:
    digits = 4 if abs(one["high"]) < 0.1 else 2
    return f"{one['mean']:+.{digits}f} ({one['low']:+.{digits}f} to {one['high']:+.{digits}f})"


def claim_rows(figures: Rows) -> list[Rows]:
    """Return the study's claims where they were tested on real people as they are."""
    return [
        {
            "people": name,
            "claim": f"{c['number']}. {c['claim']}",
            "verdict": c["verdict"],
            "why": c["why"],
            "power": c["power"],
        }
        for name, row in figures.items()
        if row["asks"].startswith(("do facts", "as the study", "the same"))
        for c in row["found"]["claims"]
    ]


def error_rows(figures: Rows) -> list[Rows]:
    """Return the error of every method without and with features, for real people as they are."""
    rows = []
    for name, row in figures.items():
        if "added" in name:
            continue
        by_name: dict[str, Rows] = {}
        for one in row["found"]["errors"]["overall"]:
            key = "of others" if one["of_others"] else "without" if one["features"] == "none" else "with"
            by_name.setdefault(one["network"], {})[key] = one["mean"]
        for network, values in by_name.items():
            rows.append({"people": name, "method": network} | {k: round(float(v), 2) for k, v in values.items()})
    return rows


def markdown(figures: Rows) -> str:
    """Return the page."""
    quick, done = bool(figures.get("quick")), figures.get("parts", {})
    lacking = [p.name for p in parts(quick=quick) if p.name not in done]
    texts = [
        text
        for name, row in done.items()
        for text in ("", f"### {name}", "", "```", *feature_words(row["found"]), "```")
    ]
    lines = [
        "# Do facts of people help? Knee alignment and affected side",
        "",
        f"Printed by `python tools/bench knee{' --quick' if quick else ''}`."
        f" {harness.versions(figures['machine'], but=('python',))}.",
        "",
        "Preset `sugiarto2025`, a reconstruction, not replication. Real people are healthy (alignment from their"
        " static trials, nobody's leg is affected), so that nothing here speaks of patients. *With those of others*:"
        " trained and asked with the facts of somebody else, the control. Errors: mean over axes of RMSE in % of the"
        " measured range; where a dose was added, of the medial force in BW.",
        "",
        *([f"**Not run:** {'; '.join(lacking)}.", ""] if lacking else []),
        *(
            [
                f"Quick mode: {', '.join(SMALL)} of the preset's ten networks, one training each."
                " ResNet50, Inception v3 and those of two dimensions are trained in the full mode only.",
                "",
            ]
            if quick
            else []
        ),
        "## What the facts did",
        "",
        *harness.table(control_rows(done)),
        "",
        "## Errors",
        "",
        *harness.table(error_rows(done)),
        "",
        "## The study's claims",
        "",
        *harness.table(claim_rows(done)),
        "",
        "## As grf-evaluate prints it",
        *texts,
        "",
        f"All of it took {sum(row['seconds'] for row in done.values()) / 60:.0f} min (the last runs; kept folds not"
        " counted).",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    options = harness.parser(__doc__, "knee")
    options.add_argument("--quick", action="store_true", help="four networks, one training each (ten minutes)")
    options.add_argument("--only", default="", help="parts whose name holds this")
    request = options.parse_args()
    out = harness.quick_out(request)
    figures = {
        "machine": harness.machine("torch"),
        "quick": request.quick,
        "parts": harness.earlier(out).get("parts", {}),
    }
    for part in parts(quick=request.quick):
        if request.only not in part.name:
            continue
        print(f"{part.name} ...", flush=True)
        figures["parts"][part.name] = compared(part)
        # after every part: what was stopped has its rows
        harness.write(out, figures, markdown(figures))
    print(markdown(figures))


if __name__ == "__main__":
    main()
