"""``grf-evaluate --targets cop``: how far off the centre of pressure is for people left out, beside the mean path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import as_path
from ..arrays import Floats, PathLike
from ..artefacts import written_together
from ..errors import BadInputError
from ..learn.chosen import fit_chosen
from ..learn.cop_card import add_cop_evaluation
from ..learn.cop_job import NETWORK, cop_recipe, families_of, path_words
from ..learn.everyone import usable
from ..learn.folds import Fold
from ..learn.kernel import KernelMethod
from ..learn.method import Method
from ..learn.model import FittedModel
from ..learn.recipe import Recipe, recipe_of_model
from ..learn.spec import read_spec
from ..learn.train_config import TrainConfig
from ..learn.training_job import Progress
from ..learn.uncalibrated import cut_of
from ..learn.window_sources import WindowSource, load_sets
from ..records.stance_set import StanceSet
from ..report.headline import LEVEL
from ..stats.agreement import bland_altman
from ..stats.compare import paired, with_holm
from ..sync.request import as_several
from .cop_drawn import drawn_paths
from .methods import BaselineMethod
from .predictions import Predictions, predict_folds
from .recipe_methods import as_trained
from .request_checks import checked_output, checked_page

BLIND, OF_SPEED = "mean curve", "mean curve of the known speed"
DIRECTIONS = ("along", "across", "distance")
P95 = 95.0
FEWEST = 3
"""People below whom nothing is said of a next one."""


@dataclass(frozen=True)
class ChosenPath:
    """What ``grf-train --targets cop`` would have trained of the fold's people: chosen anew in every fold."""

    name: str
    base: TrainConfig
    method: str = "best"

    def fit(self, data: StanceSet, fold: Fold) -> FittedModel:
        """Return the model that was chosen on people left out within the fold's training part."""
        model, _ = fit_chosen(data, fold, base=self.base, method=self.method, families=families_of(self.method))
        return FittedModel(model, fold.leaks)


def evaluate_cop(
    data: WindowSource | Sequence[WindowSource],
    *,
    model: PathLike | None = None,
    config: PathLike | Recipe | None = None,
    method: str = "",
    out: PathLike | None = None,
    report: PathLike | None = None,
    force: bool = False,
    workers: int = 0,
    scheduler: Any = None,
    calibrations: PathLike | Sequence[PathLike] = (),
    progress: Progress | None = None,
) -> Predictions:
    """Return paths predicted for people left out of training, with their errors in mm as ``scores``.

    Each person is left out in turn. Beside the method stand the sensor-blind mean path of the others, that of the known
    speed (or condition), ridge, kernel ridge and the nearest stances.

    Parameters
    ----------
    data
        Stance sets, trials, files of either, or folders of them.
    model
        Folder of a model of the centre of pressure: its recipe is taken, and the result written beside it.
    config, method
        Of :func:`~grfkit.learn.cop_job.train_cop`.
    out
        Folder for ``answers.nc`` and ``evaluation.json``.
    report
        HTML page to write.
    force, workers, scheduler, calibrations, progress
        Of :func:`~grfkit.evaluation.evaluate.evaluate`.

    Raises
    ------
    BadInputError
        If the output exists and ``force`` is false, or the trials cannot be evaluated; nothing is written then.
    """
    if model is not None and (config or method):
        raise BadInputError("--model (model in Python) brings its own recipe; leave out --config and --method")
    folder = None if model is None else as_path(model, what="a model's folder")
    html = None if report is None else checked_page(report, force=force)
    target = None if out is None else checked_output(as_path(out, what="the folder to write"), force=force)
    base = None if folder is None else recipe_of_model(read_spec(folder, targets="cop"))
    recipe = cop_recipe(config, method, base)
    windows = load_sets(data, recipe, as_several(calibrations))
    recipe = recipe.model_copy(update={"cut": cut_of(windows, recipe.cut), "decide_cells": False})
    recipe, findings = usable(windows, recipe)
    words = "network from ridge" if recipe.method == NETWORK else path_words(recipe.method)
    name = "chosen in each fold" if recipe.method == "best" else as_trained(words)
    methods: list[Method] = [BaselineMethod(n) for n in (BLIND, OF_SPEED, "ridge", "kNN")]
    methods += [KernelMethod(), ChosenPath(name, recipe.train, recipe.method)]
    tell = progress or (lambda *_: None)
    predictions = predict_folds(
        windows, recipe.folds(windows), methods, split=recipe.split, workers=workers, cluster=scheduler,
        configuration={"recipe": recipe.model_dump(mode="json")},
        results=None if target is None else target / "folds", progress=lambda r: tell(r.done, r.total, r.name),
    )  # fmt: skip
    about = {"recipe": recipe.model_dump(mode="json"), "people": list(windows.participants)}
    scores = about | {"excluded": windows.excluded, "findings": list(findings)} | cop_scores(predictions)
    predictions = replace(predictions, scores=scores)
    if target is not None:
        target.mkdir(exist_ok=True)
        with written_together((target / "answers.nc", target / "evaluation.json"), force=True) as (answers, document):
            predictions.write_to(answers)
            document.write_text(json.dumps(scores, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if folder is not None:
        add_cop_evaluation(Path(folder), scores)
    if html is not None:
        from ..report.cop_page import write_cop_report

        write_cop_report(html, scores, force=force)
    return predictions


def cop_scores(predictions: Predictions) -> dict[str, Any]:
    """Return the errors (mm) of every method, people first, as JSON values with a table and sentences.

    A person's median and 95th percentile are over all samples of their stances that have a centre; figures are means
    over people. ``half_width_mm`` is the largest of the people's 95th percentiles; ``held`` is the share of a person's
    samples within the largest of the *other* people's.
    """
    people = predictions.per_stance("participant")
    errors = {m: _errors(predictions, m) for m in predictions.methods}
    main = predictions.methods[-1]
    methods = {m: _of_method(e, people) for m, e in errors.items()}
    against = _against(methods, main)
    scores: dict[str, Any] = {
        "targets": "cop", "unit": "mm", "split": str(predictions.data.attrs["split"]),
        "cut": str(predictions.data.attrs["cut"]), "source": str(predictions.data.attrs["source"]),
        "participants": len(predictions.participants), "windows": int(predictions.data.sizes["stance"]),
        "headline": main, "methods": methods, "against": against, "band": _band(errors[main], people),
        "conditions": _by_condition(predictions, errors, main), "drawn": drawn_paths(predictions, main),
    }  # fmt: skip
    scores["agreement"] = _agreement(scores["drawn"]["contacts"])
    return scores | {"table": table_lines(scores), "words": sentences(scores)}


def _errors(predictions: Predictions, method: str) -> Floats:
    """Return errors along, across and in distance (mm), shape (stances, time, 3); NaN where there is no centre."""
    off = predictions.predicted(method) - predictions.measured
    return np.concatenate([np.abs(off), np.hypot(off[..., :1], off[..., 1:])], axis=2)


def _of_method(errors: Floats, people: Any) -> dict[str, Any]:
    by_person: dict[str, dict[str, dict[str, float]]] = {}
    for person in sorted(set(people.tolist())):
        of_person = errors[people == person].reshape(-1, 3)
        of_person = of_person[np.isfinite(of_person).all(axis=1)]
        median, high = np.percentile(of_person, (50.0, P95), axis=0)
        by_person[person] = {d: {"median": float(m), "p95": float(h)} for d, m, h in zip(DIRECTIONS, median, high)}
    means = {
        d: {k: float(np.mean([v[d][k] for v in by_person.values()])) for k in ("median", "p95")} for d in DIRECTIONS
    }
    return {"mean": means, "participants": by_person}


def _against(methods: dict[str, Any], main: str) -> dict[str, Any]:
    """Return the comparison of people's median distances with each sensor-blind path, p after Holm over both."""
    median = {
        m: {p: v["distance"]["median"] for p, v in methods[m]["participants"].items()} for m in (main, BLIND, OF_SPEED)
    }
    if len(median[main]) < 2:
        return {blind: {"note": "one participant: nothing to compare"} for blind in (BLIND, OF_SPEED)}
    family = with_holm({blind: paired(median[main], median[blind]) for blind in (BLIND, OF_SPEED)})
    return {blind: asdict(found) | {"excludes_zero": found.excludes_zero} for blind, found in family.items()}


def _band(errors: Floats, people: Any) -> dict[str, Any]:
    names = sorted(set(people.tolist()))
    if len(names) < FEWEST:
        return {"note": f"{len(names)} participants: no interval for a next one"}
    high = {n: np.nanpercentile(errors[people == n].reshape(-1, 3), P95, axis=0)[:2] for n in names}
    held = []
    for name in names:
        others = np.max([v for n, v in high.items() if n != name], axis=0)
        own = errors[people == name].reshape(-1, 3)[:, :2]
        own = own[np.isfinite(own).all(axis=1)]
        held.append((own <= others).mean(axis=0))
    width, share = np.max(list(high.values()), axis=0), np.mean(held, axis=0)
    return {
        "half_width_mm": dict(zip(DIRECTIONS, map(float, width))),
        "held": dict(zip(DIRECTIONS, map(float, share))),
    }


def _agreement(contacts: dict[str, Any]) -> dict[str, Any]:
    """Return bias and limits of agreement of each measure of contacts; nothing of one person."""
    found = {}
    for name, values in contacts.items():
        if len(set(values["person"])) > 1:
            measured, estimated = (np.asarray(values[k], dtype=np.float64) for k in ("measured", "estimated"))
            limits = bland_altman(estimated, measured, values["person"])
            found[name] = {k: getattr(limits, k) for k in ("n_participants", "n", "bias", "low", "high", "sd")}
    return found


def _by_condition(predictions: Predictions, errors: dict[str, Floats], main: str) -> dict[str, Any]:
    labels, people = predictions.per_stance("condition"), predictions.per_stance("participant")
    kinds = sorted({label for label in labels.tolist() if label})
    if len(kinds) < 2:
        return {}
    return {
        kind: {
            m: _of_method(errors[m][labels == kind], people[labels == kind])["mean"]
            for m in dict.fromkeys((BLIND, OF_SPEED, main))
        }
        for kind in kinds
    }


def table_lines(scores: dict[str, Any]) -> list[str]:
    """Return the errors of every method as a Markdown table."""
    lines = [
        "| error, mm: median / p95, mean over people | along | across | distance |",
        "|---|---|---|---|",
    ]
    rows = [(path_words(m), v["mean"]) for m, v in scores["methods"].items()]
    rows += [(f"{kind}: {path_words(m)}", v) for kind, found in scores["conditions"].items() for m, v in found.items()]
    for name, mean in rows:
        cells = [f"{mean[d]['median']:.1f} / {mean[d]['p95']:.1f}" for d in DIRECTIONS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def sentences(scores: dict[str, Any]) -> list[str]:
    """Return what an evaluation says: whether the method beats the mean path, and what holds for a next person."""
    main, said = scores["headline"], []
    for blind, found in scores["against"].items():
        if "mean" not in found:
            said.append(str(found["note"]))
            continue
        shown = found["p_holm"] is not None and found["p_holm"] < LEVEL
        verdict = (
            "is better than" if shown and found["high"] < 0
            else "is worse than" if shown and found["low"] > 0
            else "is not shown to differ from"
        )  # fmt: skip
        p = "fewer than 6 people give no p" if found["p_holm"] is None else f"p {found['p_holm']:.2g} after Holm"
        said.append(
            f"'{main}' {verdict} the {path_words(blind)}: median distance {found['mean']:+.1f} mm (95 % interval"
            f" {found['low']:+.1f} to {found['high']:+.1f}; {p}) over {found['n']} people, smaller for"
            f" {found['better']}"
        )
    band = scores["band"]
    if "note" in band:
        return [*said, str(band["note"])]
    width, held = band["half_width_mm"], band["held"]
    return [
        *said,
        f"Somebody new: within +-{width['along']:.0f} mm along and +-{width['across']:.0f} mm across in 95 % of"
        " samples, if no further off than the worst of these people; with the width of the others alone"
        f" {100 * held['along']:.0f} and {100 * held['across']:.0f} % of a person's samples lay within",
    ]


def cop_text(scores: dict[str, Any]) -> str:
    """Return what people read of an evaluation of the centre of pressure."""
    head = (
        f"{scores['split']}, {scores['participants']} participants, {scores['windows']} stances cut by"
        f" {scores['cut']}; centre of pressure, mm"
    )
    notes = [f"note: {text}" for text in scores["findings"]]
    left = [f"left out: {n} x {why}" for why, n in scores["excluded"].items()]
    return "\n".join([head, "", *scores["table"], "", *scores["words"], *left, *notes])
