"""Terminal output of ``grf-train`` and ``grf-evaluate``: texts of their results, and a bar while they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .talk import progress_console

if TYPE_CHECKING:
    from rich.console import Console

Bar = Callable[[int, int, str], None]
"""Moves a progress bar: how many parts are done, of how many, and a text."""


def say_left_out(findings: Sequence[str]) -> None:
    """Write on stderr which trials were left out whole: a model of fewer trials than were named must say so aloud."""
    from ..learn.uncalibrated import LEFT_OUT, left_out
    from .common import say

    for text in left_out(findings):
        say(f"LEFT OUT: {text.removeprefix(LEFT_OUT)}")


def model_text(summary: dict[str, Any]) -> str:
    """Return what people read of a trained model."""
    inner = "" if summary["inner_loss"] is None else f", inner loss {summary['inner_loss']:.4g}"
    name = summary["network"]["name"] if summary["method"] == "network" else summary["method"]
    epochs = [f"  best of {summary['epochs']} epochs: {summary['best_epoch']}{inner}"] if summary["epochs"] else []
    lines = [
        f"{summary['model']}: {name}, {summary['parameters']} parameters,{_macs(summary['macs'])}"
        f" {len(summary['participants'])} participants, {summary['windows']} {_windows(summary['cut'])}",
        *_search_lines(summary.get("search")),
        *choice_lines(summary.get("choice")),
        *epochs,
        *[f"  left out: {n} x {reason}" for reason, n in summary["excluded"].items()],
        *[f"  note: {text}" for text in summary["findings"]],
        f"  how good it is for somebody new: grf-evaluate TRIALS --model {summary['model']}",
    ]
    return "\n".join(lines)


def _macs(count: int | None) -> str:
    """Return the multiply-accumulates of a window in millions; nothing of a method that is no network."""
    return f" {count / 1e6:.3g} million multiply-accumulates a window," if count else ""


def choice_lines(choice: dict[str, Any] | None) -> list[str]:
    """Return what was chosen and by how much, the table it was chosen from, and what a mix is made of."""
    if not choice:
        return []
    from ..learn.card import mix_weights

    rows = choice["table"]
    title = "RMSE in BW of people left out"
    width = max(len(title), *(len(row["method"]) for row in rows))
    axes = list(rows[0]["rmse_bw"])
    lines = [f"  {choice['words']}", f"    {title:<{width}}" + "".join(f"  {axis:>6}" for axis in axes)]
    lines += [f"    {row['method']:<{width}}" + "".join(f"  {row['rmse_bw'][a]:6.3f}" for a in axes) for row in rows]
    weights = mix_weights(choice)
    return [*lines, f"    the mix, by axis: {weights}"] if weights else lines


def student_text(summary: dict[str, Any]) -> str:
    """Return what people read of a model that a teacher taught."""
    students = [f"{t['network']['name']} {t['network']['hidden']} {t['inner_loss']:.4g}" for t in summary["tried"]]
    return (
        f"{summary['model']}: {summary['network']['name']}, {summary['parameters']} parameters, taught"
        f" {1 - summary['share_of_truth']:.0%} by the teacher\n  inner loss of what was tried: {', '.join(students)}"
    )


def _search_lines(search: dict[str, Any] | None) -> list[str]:
    """Return the table of a search, the best trials first, and what was chosen."""
    if not search:
        return []
    rows = sorted(search["trials"], key=lambda r: (r["score"] is None, r["score"] or 0.0, r["number"]))
    best = ", ".join(f"{k} {_short(v)}" for k, v in search["settings"].items())
    lines = [f"  search: best of {len(rows)} trials, error {search['score']:.4f} of the mean range: {best}"]
    for row in rows[1:5]:
        score = "diverged" if row["score"] is None else f"{row['score']:.4f}"
        lines.append(f"    {score}: {', '.join(f'{k} {_short(v)}' for k, v in row['settings'].items())}")
    return lines


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _windows(cut: str) -> str:
    return "continuous windows" if cut == "none" else f"windows cut by {cut}"


def scores_text(scores: dict[str, Any]) -> str:
    """Return the table of an evaluation and what it says."""
    from ..learn.card import stance_measures, table_text
    from ..report.headline import axis_words, headline

    leaks = [f"LEAKS: {leak}; these figures are no headline" for leak in scores["leaks"]]
    cut = f"windows cut by {scores['cut']}" if scores["window"] == "stance" else "continuous windows"
    head = f"{scores['split']}, {scores['participants']} participants, {sum(scores['windows'].values())} {cut}"
    # of clips, papers print the error over all samples of a person
    stance = scores["window"] == "stance"
    measures = stance_measures(scores) if stance else ("rmse_bw", "mae_percent_bw", "r_samples")
    first = headline(scores)
    lines = [
        first.text,
        *(f"  {line}" for line in first.lines if line),
        "",
        head,
        *leaks,
        "",
        table_text(scores, measures=measures),
        "",
        *(axis_words(scores, axis) for axis in scores["axes"]),
    ]
    for axis, band in scores["bands"].items():
        if "half_width_bw" in band:
            lines.append(
                f"{axis}: +-{band['half_width_bw']:.3f} BW holds {100 * band['within']:.0f} % of a new participant's"
                f" samples for {100 * band['level']:.0f} % of participants (observed {100 * band['held']:.0f} %)"
            )
    if "feature_comparison" in scores:
        from ..evaluation.feature_comparison import feature_words

        lines += ["", *feature_words(scores["feature_comparison"])]
    elif "comparison" in scores:
        from ..evaluation.comparison import comparison_words

        lines += ["", *comparison_words(scores["comparison"])]
    for part in ("search", "personalisation"):
        if part in scores:
            lines += ["", *scores[part]["words"]]
    return "\n".join([*lines, *(f"note: {text}" for text in scores["findings"])])


@contextmanager
def progress_bar(title: str, console: Console | None = None) -> Iterator[Bar]:
    """Give a function (done, of how many, words) that moves a bar, on stderr where no console is given."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = console or progress_console()
    if not screen.is_interactive:  # a bar leaves an empty line behind in a file or pipe
        yield lambda *_: None
        return
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(title, total=None)
        before = 0

        def move(count: int, total: int, text: str) -> None:
            """Set the bar to ``count`` of ``total``."""
            nonlocal before
            if count < before:  # another part has begun, with a pace of its own
                bar.reset(task)
            before = count
            bar.update(task, completed=count, total=total, description=text)

        yield move
