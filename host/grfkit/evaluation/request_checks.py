"""What an evaluation is asked for, refused before hours are spent on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from ..arguments import ArgumentError, as_choice, as_path, refuse_other, refuse_other_ending
from ..arrays import PathLike
from ..artefacts import check_file
from ..errors import BadInputError
from ..learn.outputs import check_into
from ..learn.recipe import Recipe
from ..learn.transfer import REGIMES, Regime


def checked_page(report: PathLike, *, force: bool) -> Path:
    """Return where a report is written to; refuse a path that cannot be, before the work.

    Raises
    ------
    BadInputError
        If it exists and ``force`` is false, or its ending is not that of a page.
    """
    page = as_path(report, what="the report to write")
    check_file(page, force=force)
    refuse_other_ending(page, (".html", ".htm"), "a report is written as HTML")
    return page


def check_for_card(folder: Path, recipe: Recipe, regimes: Sequence[str]) -> None:
    """Refuse an evaluation whose headline could not stand on the model's card."""
    if recipe.leaks or recipe.split in ("leave_one_trial_out", "within_trial"):
        why = "; ".join(recipe.leaks) or recipe.split
        raise BadInputError(
            f"{folder}: its recipe leaks ({why}), and what leaks is no figure for a model's card; evaluate its recipe"
            " without the model: --preset, --config (preset, config in Python)"
        )
    if regimes and regimes[-1] != recipe.regime:
        raise BadInputError(
            f"{folder}: was trained by regime '{recipe.regime or 'none'}', and the last of --regimes (regimes in"
            f" Python), '{regimes[-1]}', would be the headline on its card; name the model's own one last, or leave out"
            " --model (model in Python)"
        )


def regimes_of(regimes: str | Sequence[str]) -> tuple[Regime, ...]:
    """Return regimes of a text such as ``A,B`` or ``all``, or as they are; unknown ones are refused by their users."""
    if isinstance(regimes, str):
        names = [name for name in regimes.replace(" ", "").split(",") if name]
        regimes = REGIMES if regimes.strip().lower() == "all" else [as_choice(name, REGIMES) for name in names]
    refuse_other(regimes, Iterable, "regimes as 'A,B' or a list of them")
    # before hours are spent on windows
    if wrong := [name for name in regimes if name not in REGIMES]:
        raise ArgumentError("regimes", f"names '{wrong[0]}', expected some of {', '.join(REGIMES)}, or all")
    return cast("tuple[Regime, ...]", tuple(regimes))


def checked_output(folder: Path, *, force: bool) -> Path:
    """Return the folder to write to; one that holds an evaluation is refused without ``force``."""
    if (folder / "evaluation.json").exists() and not force:
        raise BadInputError(f"{folder}: holds an evaluation; use --force (force=True in Python) to overwrite it")
    check_into(folder)
    return folder
