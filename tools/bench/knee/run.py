"""The benchmark of facts of people: ``make bench-knee`` (or ``python tools/bench knee --help``).

Do knee alignment and affected side help networks to estimate force? Every network and linear method on the same folds,
without these facts, with them, and with those of somebody else (the control); healthy walkers, simulated ones whose
truth is known, and real forces with a dose added. Networks are added one by one, the cheap ones first, and every fit is
kept under build/bench/knee: a run that was stopped goes on, and one with more seeds trains those alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grfkit import evaluate
from grfkit.evaluation.feature_methods import Cell, feature_method
from grfkit.learn.batches import Windows, matching_channels
from grfkit.learn.cost import milliseconds
from grfkit.learn.networks import Shape, build
from grfkit.learn.recipe import Recipe, recipe_of
from grfkit.records.stance_set import StanceSet

from .. import harness
from ..harness import Rows
from . import sets
from .page import markdown

DOSES_BW_PER_DEG = (0.0, 0.002, 0.004, 0.008)
"""Added to the medial force: k x alignment x half-sine of stance. The phantom of gain 1 has .004."""
SMALL = ("mlp", "lstm", "cnn1d", "cnn1d_lstm")
"""Networks of the quick mode."""
EIGHT = ("lstm", "cnn1d", "mlp", "bilstm", "gru", "cnn1d_lstm", "cnn2d", "cnn2d_lstm")
TEN = (*EIGHT, "resnet50-frozen", "inception3-frozen")
"""The study's ten, the cheap ones first. Trunks of ResNet50 and Inception stay at random weights: trained, each takes
some four hours a table on one core."""
DRAWS = 2
"""Exchanges of features between people."""


@dataclass(frozen=True)
class Budget:
    """How long networks are trained.

    Attributes
    ----------
    kind
        Of the preset: ``fixed`` networks start from ridge, ``faithful`` ones are alone.
    epochs, batch, lr
        Those of the preset now, by the error of three people who were left out of each of three folds' training:
        batches of 32 are two steps an epoch of 36 stances, and 40 epochs of networks alone ended at 17 % of the range,
        150 of batches of 8 at 12 %, ridge at 10 % (accelerometers).
    """

    kind: str
    epochs: int
    batch: int = 8
    lr: float = 1e-3
    folds: int = 4

    def recipe(self) -> Recipe:
        """Return the preset's recipe with this training."""
        recipe = recipe_of("sugiarto2025", self.kind)
        train = {"epochs": self.epochs, "batch": self.batch, "lr": self.lr, "balance": "range"}
        return recipe.model_copy(update={"train": recipe.train.model_copy(update=train), "k": self.folds})


FROM_RIDGE, ALONE = Budget("fixed", 20), Budget("faithful", 150)
QUICK = Budget("fixed", 20, 32, 3e-3, 5)


@dataclass(frozen=True)
class Part:
    """One comparison: its set, networks, features, training, and what is asked of it."""

    name: str
    make: Callable[[], StanceSet]
    networks: tuple[str, ...]
    features: str
    asks: str
    budget: Budget = FROM_RIDGE


def parts(*, quick: bool) -> list[Part]:
    """Return the comparisons in order: the quick ones train few networks on some stances."""
    return _quick_parts() if quick else _full_parts()


def _quick_parts() -> list[Part]:
    def few() -> StanceSet:
        return sets.thinned(sets.walkers("joint centres"), 16)

    asks = "do facts of healthy people help?"
    rows = [Part("12 healthy walkers, joint centres", few, SMALL, "alignment", asks, QUICK)]
    return rows + _controls(24, ("accelerometers",), ("mlp", "lstm"), QUICK) + _doses(("mlp",), QUICK)


def _full_parts() -> list[Part]:
    def accelerations() -> StanceSet:
        return sets.walkers("accelerometers")

    def centres() -> StanceSet:
        return sets.walkers("joint centres")

    def running() -> StanceSet:
        return sets.runners("joint centres", 30)

    def running_accelerations() -> StanceSet:
        return sets.runners("accelerometers", 30)

    asks, walkers = "do facts of healthy people help?", "12 healthy walkers"
    return [
        Part(f"{walkers}, virtual accelerometers, from ridge", accelerations, TEN, "alignment", asks),
        Part(f"{walkers}, virtual accelerometers, networks alone", accelerations, TEN, "alignment",
             "as the study: no path of ridge", ALONE),
        Part(f"{walkers}, joint centres, from ridge", centres, EIGHT, "alignment", "the same, the knee's place known"),
        *_controls(24, ("accelerometers",), ("lstm", "cnn1d", "mlp", "cnn1d_lstm"), FROM_RIDGE),
        Part("20 healthy runners, virtual accelerometers, from ridge", running_accelerations, EIGHT[:6], "alignment",
             "the same running"),
        Part("20 healthy runners, joint centres, from ridge", running, EIGHT[:6], "alignment", "the same running"),
        *_doses(("lstm", "cnn1d", "mlp"), FROM_RIDGE),
        Part(f"{walkers}, joint centres, networks alone", centres, EIGHT, "alignment", "as the study: no path of ridge",
             ALONE),
        *_controls(24, ("joint centres",), ("lstm", "cnn1d", "mlp", "cnn1d_lstm"), FROM_RIDGE),
    ]  # fmt: skip


def _controls(people: int, given: Sequence[str], networks: tuple[str, ...], budget: Budget) -> list[Part]:
    return [
        Part(
            f"{people} SIMULATED walkers, gain {gain:g}, {inputs}",
            lambda gain=gain, inputs=inputs: sets.phantom(inputs, people=people, gain=gain, each=16),
            networks,
            "both",
            asks,
            budget,
        )
        for gain, asks in ((2.0, "positive control"), (0.0, "negative control"))
        for inputs in given
    ]


def _doses(networks: tuple[str, ...], budget: Budget) -> list[Part]:
    return [
        Part(
            f"12 healthy walkers, accelerations, {dose:g} BW per degree added",
            lambda dose=dose: sets.dosed(sets.thinned(sets.walkers("accelerometers"), 16), dose),
            networks,
            "alignment",
            "power",
            budget,
        )
        for dose in DOSES_BW_PER_DEG
    ]


def compared(part: Part, networks: Sequence[str], seeds: int) -> Rows:
    """Return what a comparison of so many of a part's networks found."""
    (sets.BUILD / "runs").mkdir(parents=True, exist_ok=True)
    data, recipe = part.make(), part.budget.recipe()
    found = evaluate(
        data, config=recipe, compare=",".join(networks), features=part.features, draws=DRAWS,
        seeds=seeds, out=sets.BUILD / "runs" / file_name(part), force=True,
    )  # fmt: skip
    seconds = found.data["seconds"]
    return {
        "asks": part.asks,
        "kind": part.budget.kind,
        "training": f"{part.budget.epochs} epochs of batches of {part.budget.batch}, learning rate {part.budget.lr:g}",
        "lacking": [n for n in part.networks if n not in networks],
        "seconds": round(float(seconds.sum())),
        "seconds_a_fit": {n: round(float(seconds.sel({"method": n}).mean()), 2) for n in networks},
        "cost": {n: found.scores["comparison"]["cost"][n] for n in networks},
        "ms": {n: round(_milliseconds(n, recipe, data), 3) for n in networks},
        "found": found.scores["feature_comparison"],
    }


def _milliseconds(name: str, recipe: Recipe, data: StanceSet) -> float:
    """Return how long a network takes for one stance, on one thread."""
    method = feature_method(Cell(name), recipe)
    network, channels = method.network, matching_channels(data.channels, recipe.train.channels)
    windows = Windows(data, channels, (), data.axes, memory_mb=0.0)
    made = build(network.for_windows(windows), Shape(len(channels), 0, len(data.axes)), seed=0)
    return milliseconds(made, windows.points)


def file_name(part: Part) -> str:
    """Return a folder's name for a comparison; fits of other networks and seeds lie in it together."""
    text = f"{part.name} {part.budget.kind}".lower()
    return "".join(c if c.isalnum() else "_" for c in text)


def _begun(part: Part, row: Rows | None) -> int:
    """Return how many of a part's networks were compared before; their fits are read, and compared again at once."""
    before = [] if row is None else [n for n in part.networks if n in row["found"]["networks"]]
    return max(1, len(before))


def main() -> None:
    """Run the benchmark."""
    options = harness.parser(__doc__, "knee")
    options.add_argument("--quick", action="store_true", help="four networks (ten minutes)")
    options.add_argument("--only", default="", help="parts whose name holds this")
    options.add_argument("--seeds", type=int, default=1, help="trainings of each network from different starts")
    options.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin no other network after so many minutes"
    )
    request = options.parse_args()
    out, end = harness.quick_out(request), time.monotonic() + 60.0 * request.minutes
    before = harness.earlier(out)
    figures: Rows = {
        "machine": before.get("machine") or harness.machine("torch"),
        "quick": request.quick,
        "parts": before.get("parts", {}),
    }
    listed = parts(quick=request.quick)
    for part in listed:
        if request.only not in part.name:
            continue
        for count in range(_begun(part, figures["parts"].get(part.name)), len(part.networks) + 1):
            if time.monotonic() > end:
                break
            print(f"{part.name}: {part.networks[count - 1]} ...", flush=True)
            figures["machine"] = harness.machine("torch")
            figures["parts"][part.name] = compared(part, part.networks[:count], request.seeds)
            # after every network: what was stopped has its rows
            harness.write(out, figures, markdown(figures, listed), compact=True)
    # figures of an earlier run in words of now: --only with no part's name runs nothing
    harness.write(out, figures, markdown(figures, listed), compact=True)
    print(markdown(figures, listed))


if __name__ == "__main__":
    main()
