"""Runs of a calibration bench: read, brought onto one clock, examined, and fitted into a document."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import Floats
from ..calibrate.cell_apply import cell_force
from ..calibrate.cell_documents import BenchRun, CellCalibration, CellLaw, CellOut, LawScore
from ..calibrate.cell_faults import common_course, examine_cells
from ..calibrate.cell_fit import CellFit, JoinedRun, Score, Zero, fit_cells, run_rest
from ..calibrate.cell_laws import LAWS, LawName
from ..errors import BadInputError
from ..io.bench_files import BenchFile, BenchMap, bench_map, read_bench
from ..provenance import describe_input
from ..units import parse_unit
from .bench_clock import BenchClock, join_bench


@dataclass(frozen=True)
class Bench:
    """Everything measured: the document, and what its report shows."""

    document: CellCalibration
    fit: CellFit
    runs: tuple[JoinedRun, ...]
    clocks: tuple[BenchClock, ...]


def calibrate_pressure(
    runs: Sequence[Path],
    benches: Sequence[Path],
    columns: Path,
    *,
    name: str,
    stream: str,
    area_mm2: float | None = None,
    laws: Sequence[LawName] = LAWS,
    chosen: LawName | None = None,
    zero_s: float | None = None,
    made_on: str = "",
) -> Bench:
    """Return the document of an insole's cells, measured on a bench that loads all of them alike.

    Parameters
    ----------
    runs, benches
        Files of the cells, and of the bench: one for each, or none where the cells' files hold both.
    columns
        TOML file as :mod:`grfkit.io.bench_files` describes.
    area_mm2
        Area of a cell, by which the pressure of a chamber becomes the cell's force.
    laws, chosen
        Laws that are compared, and the one that is taken; the best where it is not given.
    zero_s
        Unloaded seconds that every later recording begins with; its cells' rest is then seen in it.

    Raises
    ------
    BadInputError
        If files, units or area do not fit, two loggers do not overlap, or a run shows nothing.
    """
    if benches and len(benches) != len(runs):
        raise BadInputError(
            f"{len(benches)} files of the bench and {len(runs)} of the cells; give one for each, or none"
        )
    where = bench_map(columns)
    digests = [describe_input(path).sha256 for path in runs]
    for later, digest in enumerate(digests):
        if (first := digests.index(digest)) < later:
            raise BadInputError(
                f"{runs[later]}: is the same recording as {runs[first]}; a law is judged on runs it has not seen"
            )
    if len(runs) < 2:
        raise BadInputError(
            f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} of the bench; two or more are needed, so that a law can"
            " be judged on one it has not seen"
        )
    area_m2 = _area_m2(where, area_mm2)
    zero: Zero = "document" if zero_s is None else "start"
    joined, clocks = [], []
    for cells, load in zip(runs, benches or runs):
        run, clock = join_run(read_bench(cells, load, where), where, area_m2)
        joined.append(run)
        clocks.append(clock)
    widths = {run.cells.shape[1] for run in joined}
    if len(widths) > 1:
        raise BadInputError(f"the runs have {', '.join(map(str, sorted(widths)))} cells; expected those of one insole")
    fit = fit_cells(joined, laws=laws, zero=zero, take=chosen)
    inputs = [describe_input(p, role="cells") for p in runs] + [describe_input(p, role="bench") for p in benches]
    document = CellCalibration(
        name=name,
        source=_source(where, len(runs), area_mm2),
        made_on=made_on,
        stream=stream,
        device=where.cells.device,
        unit_in=where.cells.unit,
        law=fit.law,
        zero_s=zero_s,
        area_mm2=area_mm2,
        cells=tuple(_cells(fit)),
        out_of_use=tuple(_out(fit, joined)),
        residual_n=float(fit.residual_n[[law is not None for law in fit.laws]].mean()),
        force_max_n=max(float(np.nanmax(run.force_n)) for run in joined),
        hysteresis_percent=_known(next(s for s in fit.scores if s.law == fit.law and s.zero == zero)),
        compared=tuple(_compared(s) for s in fit.scores),
        runs=tuple(_bench_run(run, clock) for run, clock in zip(joined, clocks)),
        inputs=(*inputs, describe_input(columns, role="columns")),
    )
    return Bench(document, fit, tuple(joined), tuple(clocks))


def join_run(file: BenchFile, where: BenchMap, area_m2: float) -> tuple[JoinedRun, BenchClock]:
    """Return one run on the cells' clock, its cells examined, and the clock that joined it."""
    clock = join_bench(file.cells_s, common_course(file.cells_s, file.cells), file.load_s, file.load, name=file.name)
    force = np.interp(file.cells_s, clock.apply(file.load_s), _despiked(file.load), left=np.nan, right=np.nan) * area_m2
    try:
        examined = examine_cells(file.cells_s, file.cells, force, full_scale=where.cells.full_scale)
    except BadInputError as error:
        raise BadInputError(f"{file.name}: {error}") from error
    return JoinedRun(file.name, file.cells_s, file.cells, force, examined), clock


def middle_estimate(document: CellCalibration, run: JoinedRun, *, most: int = 40) -> tuple[Floats, Floats, Floats]:
    """Return times, the bench's force, and the middle of some cells' estimates with the document, thinned to 0.5 s.

    Each cell's rest is that of the run's own unloaded start where the document takes it from there.
    """
    step = max(1, round(0.5 / float(np.median(np.diff(run.time_s)))))
    usable = [c for c in document.cells if run.examined.usable[c.number - 1]]
    rests = run_rest(run)
    estimates = []
    for cell in usable[:: max(1, len(usable) // most)]:
        good = run.examined.good[:, cell.number - 1]
        rest = cell.rest if document.zero_s is None else float(rests[cell.number - 1])
        force = cell_force(cell, document.law, np.where(good, run.cells[:, cell.number - 1], np.nan), rest)
        estimates.append(force)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a moment at which no cell holds has no middle
        middle = np.nanmedian(np.stack(estimates), axis=0)
    return run.time_s[::step], run.force_n[::step], middle[::step]


def _despiked(load: Floats) -> Floats:
    from scipy import ndimage

    return np.asarray(ndimage.median_filter(load, 9, mode="nearest"), dtype=np.float64)


def _area_m2(where: BenchMap, area_mm2: float | None) -> float:
    is_pressure = parse_unit(where.bench.unit).canonical == "Pa"
    if is_pressure and area_mm2 is None:
        raise BadInputError(
            f"the bench is in {where.bench.unit}, which becomes newtons by a cell's area only; give --cell-area-mm2"
        )
    if not is_pressure and area_mm2 is not None:
        raise BadInputError(f"the bench is in {where.bench.unit}, which needs no area; leave --cell-area-mm2 out")
    return 1.0 if area_mm2 is None else area_mm2 * 1e-6


def _source(where: BenchMap, runs: int, area_mm2: float | None) -> str:
    area = "" if area_mm2 is None else f", a cell's area taken as {area_mm2:g} mm^2"
    return (
        f"grf-calibrate pressure: {runs} runs of a bench in {where.bench.unit}{area}; each law judged on runs held out"
    )


def _cells(fit: CellFit) -> list[CellLaw]:
    return [
        CellLaw(
            number=j + 1,
            rest=float(fit.rest[j]),
            sign=1 if fit.sign[j] > 0 else -1,
            polynomial=law.polynomial,
            play_widths=law.play_widths,
            play_gains=law.play_gains,
            gain=law.gain,
            start=law.start,
            exponent=law.exponent,
            valid_max_u=float(fit.valid_max_u[j]),
            residual_n=float(fit.residual_n[j]),
            noise_n=float(fit.noise_n[j]),
        )
        for j, law in enumerate(fit.laws)
        if law is not None
    ]


def _out(fit: CellFit, runs: Sequence[JoinedRun]) -> list[CellOut]:
    out = []
    for j, law in enumerate(fit.laws):
        if law is not None:
            continue
        why = [
            f"{run.name}: {fault.kind}, {fault.text}"
            for run in runs
            for fault in run.examined.faults
            if fault.number == j + 1 and not run.examined.usable[j]
        ]
        out.append(CellOut(number=j + 1, why="; ".join(why) or "works in fewer than two runs, or hardly answers"))
    return out


def _known(score: Score) -> float | None:
    known = score.hysteresis_percent[np.isfinite(score.hysteresis_percent)]
    return float(known.mean()) if known.size else None


def _compared(score: Score) -> LawScore:
    return LawScore(
        law=score.law,
        zero=score.zero,
        rms_n=score.mean_n,
        median_rms_n=float(np.median(score.rms_n)),
        p95_rms_n=float(np.percentile(score.rms_n, 95)),
        hysteresis_percent=_known(score),
        n=int(score.rms_n.size),
    )


def _bench_run(run: JoinedRun, clock: BenchClock) -> BenchRun:
    return BenchRun(
        name=run.name,
        duration_s=float(np.ptp(run.time_s)),
        force_max_n=float(np.nanmax(run.force_n)),
        offset_s=clock.offset_s,
        rate=clock.rate,
        clock_sd_s=clock.sd_s,
        margin_nats=clock.margin_nats,
        cells_used=int(run.examined.usable.sum()),
    )
