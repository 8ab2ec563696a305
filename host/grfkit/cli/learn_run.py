"""What ``grf-train`` and ``grf-evaluate`` do once their options are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInputError

if TYPE_CHECKING:
    from rich.console import Console

    from ..learn.parallel import JobReport
    from ..learn.recipe import Recipe
    from ..learn.search import TrialRow
    from ..learn.search_plan import SearchPlan
    from ..learn.train_config import EpochReport


def recipe_of(
    preset: str,
    kind: str,
    config: Path | None,
    *,
    network: str = "",
    split: str = "",
    regime: str = "",
    epochs: int | None = None,
    device: str = "",
    model: Path | None = None,
) -> Recipe:
    """Return the recipe that the options ask for: a model's or a preset's, a TOML file over it, single options last.

    Raises
    ------
    BadInputError
        If an option does not exist, or options contradict each other.
    """
    from ..learn.preset import load_preset
    from ..learn.recipe import Recipe, from_preset, parse_recipe, recipe_from_toml, recipe_of_model

    if model is not None and (preset or config is not None or network or epochs or split):
        raise BadInputError("--model brings its own recipe; leave out --preset, --config, --network, --split, --epochs")
    if kind != "fixed" and not preset:
        raise BadInputError("--kind says how to take a --preset; name one")
    recipe = Recipe()
    if model is not None:
        recipe = recipe_of_model(model)
    elif preset:
        recipe = from_preset(load_preset(preset, kind))
    if config is not None:
        recipe = recipe_from_toml(config, recipe)
    told: dict[str, Any] = {}
    if network:
        told["network"] = {"name": network}
    if split:
        told["split"] = split
    if regime:
        told["regime"] = regime
    train: dict[str, Any] = {}
    if epochs is not None:
        train["epochs"] = epochs
    if device:
        train["device"] = device
    if train:
        told["train"] = train
    return parse_recipe(told, recipe, where="options")


def plan_of_search(recipe: Recipe, trials: int | None, *, model: Path | None = None) -> SearchPlan | None:
    """Return the search that is asked for, or the one a model's settings were found by; None without.

    Raises
    ------
    BadInputError
        If a model is given and a search is asked for, or the recipe cannot be searched.
    """
    from ..learn.search_plan import plan_of, search_of_model

    if model is not None:
        if trials is not None:
            raise BadInputError("--model is proven by the search its settings came from, if any; leave out --search")
        return search_of_model(model)
    return None if trials is None else plan_of(recipe, trials)


def run_training(
    trials: Sequence[Path],
    recipe: Recipe,
    *,
    out: Path,
    force: bool,
    plan: SearchPlan | None = None,
    study: Path | None = None,
) -> tuple[dict[str, Any], str]:
    """Return the summary of a training and its words; the model is written."""
    from ..learn.device import check_device
    from ..learn.training_job import train_job

    check_folder(out)
    check_device(recipe.train.device)
    with _bar("training") as told:
        summary = train_job(
            trials, recipe, out=out, force=force, progress=lambda r: _epoch(told, r), plan=plan, study=study,
            tried=lambda r: _trial(told, r, 0 if plan is None else plan.trials),
        )  # fmt: skip
    inner = "" if summary["inner_loss"] is None else f", inner loss {summary['inner_loss']:.4g}"
    lines = [
        f"{out}: {summary['network']['name']}, {summary['parameters']} parameters, {len(summary['participants'])}"
        f" participants, {summary['windows']} {_windows(summary['cut'])}",
        *_search_lines(summary.get("search")),
        f"  best of {summary['epochs']} epochs: {summary['best_epoch']}{inner}",
        *[f"  left out: {n} x {reason}" for reason, n in summary["excluded"].items()],
        *[f"  note: {text}" for text in summary["findings"]],
        f"  how good it is for somebody new: grf-evaluate TRIALS --model {out}",
    ]
    return summary, "\n".join(lines)


def _search_lines(found: dict[str, Any] | None) -> list[str]:
    """Return the table of a search, the best trials first, and what was chosen."""
    if not found:
        return []
    rows = sorted(found["trials"], key=lambda r: (r["score"] is None, r["score"] or 0.0, r["number"]))
    best = ", ".join(f"{k} {_short(v)}" for k, v in found["settings"].items())
    lines = [f"  search: best of {len(rows)} trials, error {found['score']:.4f} of the mean range: {best}"]
    for row in rows[1:5]:
        said = "diverged" if row["score"] is None else f"{row['score']:.4f}"
        lines.append(f"    {said}: {', '.join(f'{k} {_short(v)}' for k, v in row['settings'].items())}")
    return lines


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def run_evaluation(
    trials: Sequence[Path],
    recipe: Recipe,
    *,
    model: Path | None,
    regimes: str,
    plan: SearchPlan | None = None,
    personalise: str = "",
    out: Path | None,
    report: Path | None,
    workers: int,
    scheduler: str | None,
    force: bool,
) -> tuple[dict[str, Any], str]:
    """Return the scores of an evaluation and their words; report, answers and card are written."""
    from ..evaluate.evaluation import evaluate_job
    from ..evaluate.personal_folds import plan_of_counts
    from ..learn.card import add_evaluation
    from ..learn.device import check_device
    from ..learn.transfer import REGIMES

    if report is not None:
        check_can_write(report, force=force)
    check_device(recipe.train.device)
    chosen = tuple(REGIMES) if regimes == "all" else tuple(r for r in regimes.replace(" ", "").split(",") if r)
    personal = plan_of_counts(personalise) if personalise else None
    with _bar("evaluating") as told:
        found = evaluate_job(
            trials, recipe, out=out, force=force, model=model, regimes=chosen, search=plan, personal=personal,
            workers=workers, cluster=scheduler, progress=lambda r: _job(told, r),
        )  # fmt: skip
    if model is not None:
        add_evaluation(model, found)
    if report is not None:
        from ..report.accuracy_page import write_accuracy_report

        write_accuracy_report(report, found, force=force)
    return found, words(found)


def _windows(cut: str) -> str:
    return "continuous windows" if cut == "none" else f"windows cut by {cut}"


def check_folder(path: Path) -> None:
    """Refuse a path to write whose folder does not exist or cannot be written to."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise BadInputError(f"{path}: its folder does not exist; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInputError(f"{path}: its folder cannot be written to")


def check_can_write(path: Path, *, force: bool) -> None:
    """Refuse a file that cannot be written, before anything is trained for it.

    Raises
    ------
    BadInputError
        If it exists and ``force`` is false, is a folder, or its folder does not exist or cannot be written to.
    """
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder; name a file to write")
    if path.exists() and not force:
        raise BadInputError(f"{path}: exists; use --force to overwrite it")
    check_folder(path)


def words(found: dict[str, Any]) -> str:
    """Return the table of an evaluation and what it says."""
    from ..learn.card import beaten, table_text

    leaks = [f"LEAKS: {leak}; these figures are no headline" for leak in found["leaks"]]
    cut = f"windows cut by {found['cut']}" if found["window"] == "stance" else "continuous windows"
    head = f"{found['split']}, {found['participants']} participants, {sum(found['windows'].values())} {cut}"
    lines = [head, *leaks, "", table_text(found), "", *(beaten(found, axis) for axis in found["axes"])]
    for axis, band in found["bands"].items():
        if "half_width_bw" in band:
            lines.append(
                f"{axis}: +-{band['half_width_bw']:.3f} BW holds {100 * band['within']:.0f} % of a new participant's"
                f" samples for {100 * band['level']:.0f} % of participants (observed {100 * band['held']:.0f} %)"
            )
    for part in ("search", "personalisation"):
        if part in found:
            lines += ["", *found[part]["words"]]
    return "\n".join([*lines, *(f"note: {text}" for text in found["findings"])])


Bar = Callable[[int, int, str], None]


@contextmanager
def _bar(title: str, console: Console | None = None) -> Iterator[Bar]:
    """Give a function (done, of how many, words) that moves a bar, on stderr where no console is given."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = console or Console(stderr=True)
    if not shown.is_interactive:  # a bar leaves an empty line behind in a file or pipe
        yield lambda *_: None
        return
    with Progress(*columns, console=shown, transient=True) as bar:
        task = bar.add_task(title, total=None)
        before = 0

        def told(done: int, total: int, text: str) -> None:
            nonlocal before
            if done < before:  # another part has begun, with a pace of its own
                bar.reset(task)
            before = done
            bar.update(task, completed=done, total=total, description=text)

        yield told


def _epoch(told: Bar, report: EpochReport) -> None:
    inner = "" if report.inner_loss is None else f", inner {report.inner_loss:.4g}"
    told(report.epoch, report.epochs, f"loss {report.loss:.4g}{inner}")


def _trial(told: Bar, row: TrialRow, trials: int) -> None:
    told(row.number + 1, trials, "search, diverged" if row.score is None else f"search, error {row.score:.4g}")


def _job(told: Bar, report: JobReport) -> None:
    told(report.done, report.total, report.name)
