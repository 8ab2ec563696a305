"""The work of ``grf-sync review`` once its options are read: the page, and what came of it in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInputError
from ..extras import refuse_without
from .common import EXIT_REFUSED, say

if TYPE_CHECKING:
    from ..records import Trial
    from ..review.desk import Desk
    from ..sync import Alignment

Outcome = tuple[dict[str, Any], str, int]


def run_review(path: Path, *, out: Path | None, who: str, port: int, browser: bool, force: bool) -> Outcome:
    """Return the JSON result, the words and the exit code of a review; the page is served meanwhile."""
    from ..artefacts import check_file
    from ..provenance import describe_input
    from ..records import Trial

    written = out if out is not None else path.with_name(f"{path.stem}.reviewed.nc")
    if written.resolve() == path.resolve():
        raise BadInputError(f"--out is {written}, the trial itself, which stays as it is; name another file")
    _refuse_ending(written)
    check_file(written, force=force)
    trial = Trial.from_netcdf(path)
    file = describe_input(path, role="trial before review")
    desk = _desk(trial, written, force=force, name=path.name, file=file, who=who)
    _serve(desk, port=port, browser=browser)
    result = desk.result()
    return result, _words(desk, result), 0 if result["verdict"] == "aligned" else EXIT_REFUSED


def review_alignment(
    alignment: Alignment, out: Path, report: Path | None, *, accept_refused: bool, browser: bool, force: bool
) -> Outcome:
    """Return JSON, words and exit code of an alignment that a person decides on before anything is written.

    Where nothing was decided, it is written as it would have been without the page.
    """
    from ..sync.by_eye import evidence_after, trial_to_review
    from ..sync.summary import map_lines, map_row

    trial = trial_to_review(alignment, accept_refused=accept_refused)
    desk = _desk(trial, out, force=force, name=out.name, keep_refused=accept_refused)
    _serve(desk, port=0, browser=browser)
    reviewed, result = desk.reviewed(), desk.result()
    usual = alignment.verdict == "aligned" or accept_refused
    usual |= alignment.verdict == "partial" and alignment.request.allow_partial
    if not desk.decisions and usual:
        reviewed.to_netcdf(out, force=force)
        result["written"] = str(out)
    maps = reviewed.clock_maps
    if report is not None:
        from ..report import write_sync_report

        write_sync_report(report, evidence_after(alignment.evidence, maps, accept_refused=accept_refused), force=force)
    rows = [map_row(name, clock_map, alignment.warnings) for name, clock_map in maps.items()]
    summary = {"verdict": reviewed.verdict, "trial": result["written"], "maps": rows, "review": result}
    lines = [_words(desk, result), *(f"  {line}" for line in map_lines(maps))]
    lines += [f"report: {report}"] if report is not None else []
    return summary, "\n".join(lines), 0 if reviewed.verdict == "aligned" else EXIT_REFUSED


def _desk(trial: Trial, out: Path, **about: Any) -> Desk:
    refuse_without("the page of a review", {"page": ("starlette", "uvicorn")})
    from ..review.desk import Desk

    return Desk(trial, out, **about)


def _serve(desk: Desk, *, port: int, browser: bool) -> None:
    """Serve the page until the review has ended."""
    from ..device.interrupted import run_loop
    from ..monitor.serving import new_token
    from ..review.server import serve_review
    from .monitor_run import open_page

    browse = open_page if browser else None
    run_loop(serve_review(desk, port=port, token=new_token(), ready=_say_page, browse=browse))


def _say_page(url: str) -> None:
    say(f"the page is at {url} (Ctrl-C ends the review; what was decided is written at once)")


def _refuse_ending(path: Path) -> None:
    from ..arguments import refuse_other_ending

    refuse_other_ending(path, (".nc",), "a trial is written as netCDF4")


def _words(desk: Desk, result: dict[str, Any]) -> str:
    lines = [f"verdict: {result['verdict']}" + (" (with clocks by hand)" if result["decisions"] else "")]
    for decision in desk.decisions.values():
        what = "accepted" if decision.accept else "refused"
        note = f": {decision.note}" if decision.note else ""
        lines.append(f"  {', '.join(decision.streams)}: {what} by hand by {decision.who}{note}")
    for open_ in result["undecided"]:
        changes = [f"moved by {1e3 * open_['shift_s']:+.0f} ms"] if open_["shift_s"] else []
        changes += ["fitted to contacts"] if open_["fitted"] else []
        changes += [f"{len(open_['edits'])} contacts changed"] if open_["edits"] else []
        lines.append(f"  {', '.join(open_['streams'])}: NOT DECIDED ({', '.join(changes)}); nothing of it was written")
    lines.append(f"trial: {result['written']}" if result["written"] else "nothing was decided, no trial was written")
    return "\n".join(lines)
