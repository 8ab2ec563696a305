"""What ``grf-estimate`` does once its options are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import BadInputError
from ..estimate.estimate import EstimateRequest, Source, estimate
from ..estimate.files import check_outputs, summary, write_estimate
from ..estimate.open_model import open_model
from ..io import ReadOptions, read
from .common import say
from .terminal import quiet_console


def open_source(path: Path, options: ReadOptions) -> Source:
    """Return a trial of grf-sync, or any recording that grfkit reads.

    Raises
    ------
    BadInputError
        If it is neither, or options were given that a trial has no use for.
    """
    if _is_trial(path):
        if options != ReadOptions():
            raise BadInputError(
                f"{path}: is a trial, which states all itself; leave out --column-map, --rate-hz, --side"
            )
        return Source.of_trial(path)
    recording = read(path, options)
    for note in recording.notes:
        say(f"{path.name}: {note}")
    return Source.of_recording(recording, path)


def _is_trial(path: Path) -> bool:
    """Return whether a file is a netCDF4 file of a trial; what cannot be read is left to the readers."""
    import h5py

    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("artefact", "")) == "trial"
    except OSError:
        return False


def run_estimate(
    model: Path,
    recording: Path,
    options: ReadOptions,
    asked: dict[str, Any],
    *,
    out: Path,
    insole: str,
    heel_m: float,
    force: bool,
) -> tuple[dict[str, Any], str]:
    """Return the summary and its words; the estimate is written.

    Raises
    ------
    BadInputError
        For whatever cannot be used; nothing is written then.
    """
    files = check_outputs(out, force=force)
    if {p.resolve() for p in files} & {recording.resolve()}:
        raise BadInputError(f"{out}: is an input; name another file to write")
    request = _request(asked)
    geometry = _geometry(insole, out)
    with quiet_console() as console, console.status("estimating ..."):
        loaded = open_model(model)
        found = estimate(loaded, model, open_source(recording, options), request)
        written, said = write_estimate(found, out, geometry=geometry, heel_m=heel_m, force=force)
    told = summary(found)
    told["findings"] += said
    told["files"] = [str(path) for path in written]
    return told, words(told)


def _request(asked: dict[str, Any]) -> EstimateRequest:
    try:
        return EstimateRequest.model_validate(asked)
    except ValidationError as error:
        first = error.errors()[0]
        name = "--" + str(first["loc"][0]).replace("_", "-")
        raise BadInputError(f"{name} is {first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}") from error


def _geometry(insole: str, out: Path) -> Any:
    if not insole:
        return None
    if out.suffix.lower() != ".mot":
        raise BadInputError(f"--insole is of use for an OpenSim file only, and {out.name} is none; leave it out")
    from ..calibrate.library import load_insole

    return load_insole(insole).document


def words(told: dict[str, Any]) -> str:
    """Return what people read."""
    lines = [", ".join(told["files"]) + f": participant {told['participant']}, stances cut by {told['cut']}"]
    for side, foot in told["feet"].items():
        peak = "" if foot["median_peak_vgrf_bw"] is None else f", median peak {foot['median_peak_vgrf_bw']:.2f} BW"
        known = 100 * foot["known_samples"] / max(foot["samples"], 1)
        lines.append(f"  {side}: {foot['answered']} of {foot['stances']} stances{peak}; {known:.0f} % of samples known")
    lines += [f"  turned down: {n} x {why}" for why, n in told["rejected"].items()]
    lines += [f"  LEAKS: {leak}" for leak in told["leaks"]]
    lines += [f"  note: {text}" for text in told["findings"]]
    return "\n".join(lines)
