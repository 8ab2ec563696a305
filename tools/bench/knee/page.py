"""The page of the knee benchmark: what features did, errors, claims, cost, and what was not run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from grfkit.evaluation.feature_comparison import feature_words

from .. import harness
from ..harness import Rows


class Planned(Protocol):
    """A comparison that the benchmark has in mind."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def networks(self) -> tuple[str, ...]:
        """Return the networks that it is to compare."""


def markdown(figures: Rows, planned: Sequence[Planned]) -> str:
    """Return the page."""
    quick, done = bool(figures.get("quick")), figures.get("parts", {})
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
        *(_quick_words() if quick else _full_words(done)),
        *_not_run(done, planned),
        "## What the facts did",
        "",
        *harness.table(control_rows(done)),
        "",
        "## The study's claims",
        "",
        *harness.table(claim_rows(done)),
        "",
        "## Errors",
        "",
        *harness.table(error_rows(done)),
        "",
        *(["## Cost", "", *_cost_words(), "", *harness.table(cost_rows(done)), ""] if cost_rows(done) else []),
        "## As grf-evaluate prints it",
        *texts,
        "",
        f"All of it took {sum(row['seconds'] for row in done.values()) / 60:.0f} min"
        " (every fit, on one thread beside other work).",
        "",
    ]
    return "\n".join(lines)


def _quick_words() -> list[str]:
    return [
        "Quick mode: a few of the preset's ten networks, one training each. ResNet50, Inception v3 and those of two"
        " dimensions are trained in the full mode only.",
        "",
    ]


def _full_words(done: Rows) -> list[str]:
    seeds = sorted({row["found"]["seeds"] for row in done.values()})
    return [
        f"Trainings of each network (seeds): {' or '.join(map(str, seeds)) or 'none yet'}; more are added by"
        " `--seeds 3`. *resnet50-frozen*, *inception3-frozen*: their trunks keep random weights and the decoder alone"
        " learns; trained whole each takes some four hours a table on one core. They are not the study's networks, and"
        " no claim counts them.",
        "",
    ]


def _not_run(done: Rows, planned: Sequence[Planned]) -> list[str]:
    lacking = [part.name for part in planned if part.name not in done]
    lacking += [f"{name}: {', '.join(row['lacking'])}" for name, row in done.items() if row.get("lacking")]
    return ["**Not run:**", "", *(f"* {name}" for name in lacking), ""] if lacking else []


def _cost_words() -> list[str]:
    return [
        "Of one window (a stance of 101 samples): parameters, multiply-accumulates, milliseconds on one thread;"
        " seconds a training (a fold) took, beside other work on the same machine.",
    ]


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
    """Return the error of every method without and with features, and how many times ridge's it is without."""
    rows = []
    for name, row in figures.items():
        if "added" in name:
            continue
        by_name: dict[str, Rows] = {}
        for one in row["found"]["errors"]["overall"]:
            key = "of others" if one["of_others"] else "without" if one["features"] == "none" else "with"
            by_name.setdefault(one["network"], {})[key] = float(one["mean"])
        ridge = by_name["ridge"]["without"]
        for network, values in by_name.items():
            rows.append(
                {"people": name, "method": network}
                | {k: f"{v:.2f}" for k, v in values.items()}
                | {"without: times ridge's": f"{values['without'] / ridge:.2f}"}
                | {"training": "" if network.endswith("ridge") else row.get("training", "")}
            )
    return rows


def _millions(count: int) -> str:
    value = count / 1e6
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cost_rows(figures: Rows) -> list[Rows]:
    """Return what each network costs, of the first comparison that trained it in each set of inputs."""
    return [
        {"people": name, "network": network, "parameters": f"{of['parameters']:,}",
         "million MAC": _millions(of["macs"]), "ms": f"{row['ms'][network]:.{0 if row['ms'][network] >= 10 else 2}f}",
         "seconds to train": f"{row['seconds_a_fit'][network]:.1f}"}
        for name, row in figures.items()
        if "walkers, " in name and "SIMULATED" not in name
        for network, of in row.get("cost", {}).items()
    ]  # fmt: skip
