"""``grf-inspect``: what a file holds, and which reader took it and why."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import ALLOW_SHORT, EXIT_CODES, make_app, run
from .terminal import quiet_console

if TYPE_CHECKING:
    from ..io import ReadOptions
    from ..records import Recording

app = make_app()

LARGEST_RATE_HZ = 1e6
"""Upper end of a believable ``--rate-hz``, chosen by hand: no sensor of gait samples at 1 MHz."""


class FootOption(str, Enum):
    """The foot that a recording was worn on."""

    left = "left"
    right = "right"


@app.command(epilog=EXIT_CODES)
def inspect(
    file: Annotated[Path, typer.Argument(help="The recording.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    column_map: Annotated[
        Path | None, typer.Option(help="TOML file: which column of a CSV file is what.", show_default=False)
    ] = None,
    rate_hz: Annotated[
        float | None, typer.Option(help="Sampling rate of a file that states none.", show_default=False)
    ] = None,
    allow_short: Annotated[bool, typer.Option("--allow-short", help=ALLOW_SHORT)] = False,
    side: Annotated[
        FootOption | None,
        typer.Option(help="Foot of a recording that does not say it.", show_default=False, case_sensitive=False),
    ] = None,
    plates: Annotated[
        Path | None,
        typer.Option(help="TOML of the plates, for a C3D that does not describe them.", show_default=False),
    ] = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option("--calibration", metavar="<path>", help="Document of grf-calibrate to apply first; repeatable."),
    ] = None,
    walker: Annotated[
        str,
        typer.Option(
            "--walker",
            help="Of several people in a film: left or right of those who walk, or a number (0 goes farthest).",
        ),
    ] = "",
    near_side: Annotated[
        str,
        typer.Option(
            "--near-side",
            help="Of a mirrored film: the side of the body near the camera, left or right.",
        ),
    ] = "",
    picture: Annotated[
        str,
        typer.Option(
            "--picture",
            help="Of a film: what its pictures show: silhouette, grey, full frame, or 'background silhouette' (by"
            " background subtraction, without the pose model: no contacts, no force).",
        ),
    ] = "",
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", help="Of a film: contact sheet to write (.png, .jpg): pictures with skeleton, mask and contacts."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the contact sheet.")] = False,
    static: Annotated[
        bool,
        typer.Option("--static", help="FILE is a static trial: show the alignment of both knees (varus is positive)."),
    ] = False,
    mapping: Annotated[
        str, typer.Option("--mapping", help="With --static: which markers are which, if the names do not tell.")
    ] = "",
) -> None:
    """Show what a recording holds, and which reader took it and why.

    Streams, channels, units, rates, duration, gaps and plates; of a trial its streams and clocks; of a film who walks
    where, and the contacts. Nothing is written but the contact sheet of a film, where --sheet asks for it.
    """
    from ..io.inspect import inspect_with as describe

    if static or mapping:
        options = read_options(column_map, rate_hz, side, plates, file=file, allow_short=allow_short)
        _show_knees(file, mapping, options, static, as_json)
        return
    if _is_trial(
        file,
        as_json,
        stated=allow_short or any(o is not None for o in (column_map, rate_hz, side, plates, calibration)),
    ):
        return
    options = read_options(column_map, rate_hz, side, plates, file=file, allow_short=allow_short)
    options.extra.update(_of_film(file, walker, near_side, sheet, picture, force=force))
    with quiet_console() as console, console.status(f"reading {file.name} ..."):
        report, recording = describe(file, options, change=_calibration(file, calibration))
        if sheet is not None:
            _write_sheet(sheet, file, recording, force=force)
    if as_json:
        import json

        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    from .tables import show_report

    show_report(report)


def _calibration(file: Path, paths: list[Path] | None) -> Callable[[Recording], Recording] | None:
    """Return what applies the documents to a recording, None without any."""
    if not paths:
        return None
    from ..calibrate import apply, load
    from ..errors import BadInputError

    documents = [load(path) for path in paths]

    def changed(recording: Recording) -> Recording:
        try:
            return apply(recording, documents)
        except BadInputError as error:
            raise BadInputError(f"{file}: {error}") from error

    return changed


def _of_film(
    file: Path, walker: str, near_side: str, sheet: Path | None, picture: str, *, force: bool
) -> dict[str, Any]:
    """Return what is stated of a film, as its reader takes it; refused of other files before they are read."""
    from ..arguments import refuse_other_ending
    from ..artefacts import check_file
    from ..errors import BadInputError
    from ..video.containers import is_film

    stated = {"--walker": walker, "--near-side": near_side, "--sheet": sheet, "--picture": picture}
    given = [option for option, value in stated.items() if value]
    if given and not is_film(file):
        raise BadInputError(f"{file}: is no film; leave out {', '.join(given)}")
    if sheet is not None:
        check_file(sheet, force=force)
        refuse_other_ending(sheet, (".png", ".jpg"), "a contact sheet is written as PNG or JPEG")
    known = {"near_side": near_side, "walker": walker, "picture": picture}
    return {name: value for name, value in known.items() if value}


def _write_sheet(sheet: Path, file: Path, recording: Recording, *, force: bool) -> None:
    from ..artefacts import written_whole
    from ..video.sheet import contact_sheet

    with written_whole(sheet, force=force) as temporary:
        temporary.write_bytes(contact_sheet(file, recording, ending=sheet.suffix.lower()))


def _show_knees(file: Path, mapping: str, options: ReadOptions, static: bool, as_json: bool) -> None:
    """Show the alignment of both knees in a static trial."""
    from ..errors import BadInputError
    from ..gait.knee_alignment import knee_alignment_of
    from ..io import read

    if not static:
        raise BadInputError("--mapping says which markers are which in a static trial; give it with --static")
    try:
        legs = knee_alignment_of(read(file, options), mapping)
    except BadInputError as error:
        raise BadInputError(str(error) if str(error).startswith(str(file)) else f"{file}: {error}") from error
    if as_json:
        import json

        keys = {f"hka_{side}_deg": leg.deviation_deg for side, leg in legs.items()}
        spread = {f"hka_{side}_sd_deg": leg.sd_deg for side, leg in legs.items()}
        print(json.dumps({"file": str(file), "hka_method": "static markers", **keys, **spread}, indent=2))
        return
    for side, leg in legs.items():
        kind = "varus" if leg.deviation_deg > 0 else "valgus"
        print(
            f"{side} knee: {leg.deviation_deg:+.1f} degrees ({kind}), SD {leg.sd_deg:.1f},"
            f" from {leg.frames} frame{'s' * (leg.frames != 1)}"
        )
    print("deviation of the hip-knee-ankle axis from 180 degrees by markers; radiographs are the standard")


def _is_trial(file: Path, as_json: bool, *, stated: bool) -> bool:
    """Return whether the file is a trial of grf-sync, and say what it holds."""
    from .inspect_trial import trial_document, trial_in, trial_words

    trial = trial_in(file)
    if trial is None:
        return False
    if stated:
        from ..errors import BadInputError

        raise BadInputError(f"{file}: is a trial, which states all of this itself; give it without further options")
    if as_json:
        import json

        print(json.dumps(trial_document(trial, file), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        from .command_line import for_terminal

        print(for_terminal(trial_words(trial)))
    return True


def read_options(
    column_map: Path | None,
    rate_hz: float | None,
    side: FootOption | None,
    plates: Path | None = None,
    *,
    file: Path | None = None,
    allow_short: bool = False,
) -> ReadOptions:
    """Return what the user states of a file, as readers take it.

    Raises
    ------
    BadInputError
        If the rate is not above 0, or the column map or the description of plates cannot be used.
    """
    from ..errors import BadInputError
    from ..io import ReadOptions
    from ..io.columns import load_column_map

    if rate_hz is not None and not 0 < rate_hz < LARGEST_RATE_HZ:
        raise BadInputError(f"--rate-hz is {rate_hz:g}, expected a rate above 0 and below {LARGEST_RATE_HZ:g}")
    extra: dict[str, Any] = {"side": side.value} if side else {}
    if plates is not None:
        from ..formats.c3d_plates_toml import plates_by_hand

        plates_by_hand(plates)
        extra["plates"] = plates
    options = ReadOptions(rate_hz=rate_hz, allow_short=allow_short, extra=extra)
    return load_column_map(column_map).options(options, file=file or "") if column_map else options


def main() -> None:
    """Run ``grf-inspect``."""
    run(app, name="grf-inspect")


if __name__ == "__main__":
    main()
