"""What the edge benchmark's networks were chosen from: ``python tools/edge_choice.py``.

Each candidate is trained on a fold's training people and scored on its inner people, never on those tested. One choice
was made for all folds, by the mean over them; so somebody who is inner in one fold and tested in another took part in
the choice, though in no training. Beside it, how long LiteRT takes for a candidate's int8 file and torch for it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import edge_latency as latency
import edge_models as models
from edge_models import DROPOUT, SHIPPED, TCN_SETTINGS, VARIED, Bench, Rows
from grfkit.learn.augment import Augmentation
from grfkit.learn.folds import Fold
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import NetworkConfig, network_config
from grfkit.learn.stance_set import StanceSet
from grfkit.learn.train import fit
from grfkit.stats.curves import by_participant, curve_errors, group

PLAIN = Augmentation()
BILSTM: Rows = {"name": "bilstm", "hidden": 32, "head": (32,)}
DEEP: Rows = {"hidden": 16, "layers": 4, "kernel": 5, "centred": True, "head": (32,)}
HEADLESS: Rows = TCN_SETTINGS | {"name": "tcn"}


def candidates(bench: Bench) -> dict[str, tuple[NetworkConfig, Augmentation]]:
    """Return the networks that were tried on a bench, with how their windows are varied."""
    varied = SHIPPED if bench.source == "lab" else VARIED
    networks: dict[str, Rows] = {
        "BiLSTM-32": BILSTM,
        "TCN, 2 convolutions x 4 levels, 16 wide, head 32": DEEP | {"name": "tcn"},
        "TCN, 1 x 4, 24 wide, dilation 2": HEADLESS | {"layers": 4, "dilation": 2},
        "TCN, 1 x 4, statics in the input": HEADLESS | {"layers": 4, "dilation": 2, "statics_by": "tile"},
        "TCN, 1 x 3, 32 wide, dilation 3": HEADLESS | {"hidden": 32},
        "TCN, 1 x 3, 24 wide, dilation 3, head 16": HEADLESS | {"head": (16,)},
        "TCN, 1 x 3, 24 wide, dilation 3 (taken)": HEADLESS,
    }
    found = {}
    for name, settings in networks.items():
        found[name] = (network_config(**{**settings, "dropout": DROPOUT}), varied)
    for name in ("BiLSTM-32", "TCN, 1 x 3, 24 wide, dilation 3 (taken)"):
        found[f"{name}, no noise"] = (found[name][0], PLAIN)
        found[f"{name}, no noise, no dropout"] = (network_config(**{**networks[name], "dropout": 0.0}), PLAIN)
    return found


def trained(bench: Bench, fold: Fold, network: NetworkConfig, varied: Augmentation) -> GrfModel:
    """Return a network trained on a fold's training people alone."""
    config = models.training(bench).model_copy(update={"augmentation": varied})
    return fit(network, config, fold.of(models.stances(bench), "train"), fold)


def rrmse(model: GrfModel, data: StanceSet) -> list[float]:
    """Return the mean rRMSE over people of each axis, percent."""
    _, true, weight = data.arrays()
    measured = np.where(weight[:, :, None] > 0, true, np.nan)
    said, who = predict(model, data), data.per_stance("participant").tolist()
    each = [curve_errors(measured[:, :, i], said[:, :, i])["rrmse_percent"] for i in range(said.shape[2])]
    return [group(by_participant(errors, who)).mean for errors in each]


def table(bench: Bench, *, folds: int, rounds: int) -> str:
    """Return the candidates of a bench with their errors, and how long a window takes."""
    chosen = [replace(f, inner=(), test=f.inner) for f in models.folds(bench)[:folds]]
    tried = candidates(bench)
    errors: dict[str, list[list[float]]] = {name: [] for name in tried}
    first: dict[str, GrfModel] = {}
    for fold in chosen:
        for name, (network, varied) in tried.items():
            model = trained(bench, fold, network, varied)
            first.setdefault(name, model)
            errors[name].append(rrmse(model, fold.of(models.stances(bench), "test")))
            print(f"  {bench.name}, {fold.name}: {name}", file=sys.stderr)
    times = _times(first, rounds)
    axes = next(iter(first.values())).spec.scaler.axes
    rows = [
        f"| {bench.name}: {len(chosen)} folds | {' | '.join(f'{a} rRMSE %' for a in axes)} | eager | int8 | ratio |"
    ]
    rows.append("|---" * (len(axes) + 4) + "|")
    for name, found in errors.items():
        rows.append(
            f"| {name} | {' | '.join(f'{v:.2f}' for v in np.mean(found, axis=0))} | {times.get(name, ' | | ')} |"
        )
    return "\n".join(rows)


def _times(first: dict[str, GrfModel], rounds: int) -> dict[str, str]:
    """Return CPU us in torch and in LiteRT's int8, and how many times BiLSTM-32 in torch takes the latter."""
    timed = {name: model for name, model in first.items() if "no noise" not in name}
    rows = latency.measured(timed, rounds=rounds, quick=True)["rows"]
    of = {(r["model"], r["engine"]): r.get("CPU ms median") for r in rows}
    found = {}
    for name in timed:
        eager, eight, slow = of[name, latency.EAGER], of[name, latency.EIGHT], of["BiLSTM-32", latency.EAGER]
        found[name] = f"{1e3 * eager:.0f} us | {1e3 * eight:.0f} us | {slow / eight:.1f}"
    return found


def main() -> None:
    """Print the candidates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["B", "lab"], help="of the edge benchmark")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=20, help="of timing")
    parser.add_argument("--out", type=Path, help="write the tables there as well")
    asked = parser.parse_args()
    known = models.benches(quick=False)
    if not set(asked.sets) <= set(known):
        parser.error(f"sets are of {', '.join(known)}")
    made = "\n\n".join(table(known[name], folds=asked.folds, rounds=asked.rounds) for name in asked.sets)
    print(made)
    if asked.out:
        asked.out.write_text(made + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
