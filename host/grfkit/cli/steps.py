"""``grf-steps``: every step of trials in one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import common

if TYPE_CHECKING:
    from ..steps.table import StepTable

app = common.make_app()

_Trials = Annotated[
    list[Path],
    typer.Argument(help="Trials of grf-sync, estimates of grf-estimate (.nc), or folders of them.", show_default=False),
]
_Out = Annotated[
    list[Path] | None,
    typer.Option("--out", help="Table to write: .csv, .parquet or .json; may be repeated.", show_default=False),
]
_Report = Annotated[
    Path | None, typer.Option("--report", help="HTML page with each person's steps.", show_default=False)
]
_Which = Annotated[str, typer.Option("--which", help="Force: measured, estimated or both.")]
_Rule = Annotated[
    str,
    typer.Option("--rule", help="Contact rule of plates: auto, 20N, 10N, 5%BW, or one of these and 'walking'."),
]
_Lowpass = Annotated[
    float, typer.Option("--lowpass-hz", help="Filter before peaks, impulses and loading rates; 0: none.")
]
_CopFrame = Annotated[
    str,
    typer.Option(
        "--cop-frame", help="Centre of pressure: lab, along the direction of walking; foot, from heel to toe marker."
    ),
]


@app.command(epilog=common.EXIT_CODES)
def steps(
    trials: _Trials,
    out: _Out = None,
    report: _Report = None,
    which: _Which = "both",
    rule: _Rule = "auto",
    lowpass_hz: _Lowpass = 50.0,
    cop_frame: _CopFrame = "lab",
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable table on stdout.")] = False,
) -> None:
    """Put every step of TRIALS into one table: times, peaks, impulses, loading rates, asymmetry, flags.

    What is not known is empty, never 0. Rejected contacts are rows of their own, with the reason.
    """
    # here and not above: --help must not wait for numpy and xarray
    from ..artefacts import check_file
    from ..steps.files import check_out, write_table
    from ..steps.study import study_table

    for path in out or []:
        check_out(path, force=force)
    if report is not None:
        check_file(report, force=force)
    with _progress() as tell:
        table = study_table(
            trials,
            which=which,  # type: ignore[arg-type]
            rule=rule,
            lowpass_hz=lowpass_hz,
            cop_frame=cop_frame,  # type: ignore[arg-type]
            progress=tell,
        )
    for path in out or []:
        write_table(table, path, force=force)
    if report is not None:
        from ..steps.page import write_steps_page

        write_steps_page(report, table, force=force)
    for name, why in table.left_out:
        common.say(f"left out: {why if why.startswith(name) else f'{name}: {why}'}")
    if as_json:
        from ..steps.summary import summary_json

        print(json.dumps(table.to_json() | {"means": summary_json(table)}, indent=1, allow_nan=False))
    else:
        print(words(table, [*(out or []), *([report] if report else [])]))


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """Give what moves a line on stderr: how many files are done, and the next one."""
    from .terminal import quiet_console

    with quiet_console() as console, console.status("reading ...") as status:
        yield lambda done, count, name: status.update(f"{done} of {count} files: {name}")


def words(table: StepTable, files: list[Path]) -> str:
    """Return what people read of a table: a line a foot, and what was rejected."""
    from ..steps.summary import summaries

    lines = []
    for foot in summaries(table):
        about = f"{foot.trial}, {foot.side or 'foot not known'}, {foot.force}"
        counted = f", {foot.counted} without a flag" if foot.counted < foot.steps else ""
        lines.append(f"{about}: {foot.steps} steps{counted}")
        parts = [
            f"{label} {mean:.{digits}f}" + (f" ({sd:.{digits}f})" if sd == sd else "")
            for name, label, digits in _TOLD
            for mean, sd, count in [foot.values[name]]
            if count
        ]
        lines += [f"  mean (SD): {'; '.join(parts)}"] if parts else []
    for trial in table.trials:
        lines += [
            f"{trial.trial}: {n} contact{'s' * (n != 1)} rejected: {reason}" for reason, n in trial.rejected.items()
        ]
    lines += [f"written: {path}" for path in files]
    return "\n".join(lines)


_TOLD = (
    ("contact_s", "contact, s", 3),
    ("flight_s", "flight, s", 3),
    ("cadence_steps_min", "steps/min", 1),
    ("vgrf_peak_bw", "peak, BW", 2),
)


def main() -> None:
    """Run ``grf-steps``."""
    common.run(app, name="grf-steps")


if __name__ == "__main__":
    main()
