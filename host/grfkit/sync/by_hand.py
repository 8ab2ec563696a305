"""A trial with what a person decided by eye in it: streams moved, maps marked, changed contacts beside the old ones."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..errors import BadInputError
from ..provenance import InputFile, Provenance
from ..records import ClockMap, Trial
from ..records.by_hand import by_hand_findings
from ..records.clock import ByHand
from .assemble import on_reference_clock
from .clock_map import without_map
from .review import ContactEdit, Decision, moved, on_device_clock
from .summary import joint_verdict

CLOSE_S = 0.0005
"""A device that was moved by less (s) has not been moved: half the smallest step of the page."""


def decided(
    trial: Trial, decisions: Sequence[Decision], *, file: InputFile | None = None, keep_refused: bool = True
) -> Trial:
    """Return the trial after a person's decisions, each on one clock; what was not decided stays as it was.

    An accepted clock is ``by hand`` from then on, wherever the trial goes. A refused one's streams are left out, as of
    any refused alignment; its map says who refused it, and what it was before.

    Parameters
    ----------
    file
        The trial's file, for provenance.
    keep_refused
        Whether what alignment refused, and nobody decided on, stays in the trial, as refused.

    Raises
    ------
    BadInputError
        If a decision is on a stream that the trial does not hold.
    """
    maps, streams = trial.clock_maps, trial.streams
    for decision in decisions:
        for name in decision.streams:
            if name not in maps or not maps[name].segments or name not in streams:
                raise BadInputError(f"there is no aligned stream '{name}' in this trial to decide on")
            maps[name] = _map_by_hand(maps[name], decision)
    refused = {n for d in decisions if not d.accept for n in d.streams}
    changed = {n for d in decisions for n in d.streams}
    if not keep_refused:
        left = {n for n, m in maps.items() if m.verdict == "refused" and n not in changed}
        maps |= {n: without_map(maps[n]) for n in left}
        refused |= left
    nodes = {node.path: node.to_dataset() for node in trial.tree.subtree if node.path != "/"}
    for name, stream in streams.items():
        leader = str(stream.attrs.get("clock_map", name))
        if leader in refused:
            del nodes[f"/{name}"]
        elif leader in changed:
            nodes[f"/{name}"] = on_reference_clock(on_device_clock(stream).drop_vars("time_device"), maps[leader])
    for decision in decisions:
        if decision.accept and decision.edits:
            nodes[f"/sync/{decision.streams[0]}/by_hand"] = _edit_table(decision.edits)
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs.update(trial.tree.attrs)
    tree.attrs["verdict"] = joint_verdict(maps)
    tree.attrs["clock_maps"] = json.dumps({n: m.stored() for n, m in maps.items()}, sort_keys=True)
    told = [f"{', '.join(d.streams)}: {maps[d.streams[0]].reasons[0]}" for d in decisions if not d.accept]
    findings = Provenance(inputs=[] if file is None else [file], findings=[*by_hand_findings(maps), *told])
    tree.attrs["provenance"] = trial.provenance.merged(findings).model_dump_json()
    return Trial(tree)


def _map_by_hand(before: ClockMap, decision: Decision) -> ClockMap:
    """Return a stream's map after a decision on it."""
    start = before.segments if decision.fitted is None else [decision.fitted]
    segments = list(moved(start, decision.shift_s))
    stays = decision.fitted is None and abs(decision.shift_s) < CLOSE_S
    if stays:
        segments = list(before.segments)
    by_hand = ByHand(
        who=decision.who,
        when=decision.when,
        note=decision.note,
        accepted=decision.accept,
        moved_s=0.0 if stays else _moved_s(before, segments),
        nats=decision.nats,
        best_nats=decision.best_nats,
        events_changed=len(decision.edits),
        before=before,
    )
    words = by_hand.in_words()
    if not decision.accept:
        refused = {"verdict": "refused", "reasons": [words, *before.reasons], "origin": "by hand", "by_hand": by_hand}
        return without_map(before.model_copy(update=refused))
    alone = segments[0] if len(segments) == 1 else None
    was_ms = before.uncertainty_ms if stays else None
    return before.model_copy(
        update={
            "verdict": "aligned",
            "reasons": [],
            "offset_s": alone.offset_s if alone else None,
            "drift_ppm": alone.drift_ppm if alone else None,
            "knots": list(alone.knots) if alone else [],
            "segments": segments,
            "uncertainty_ms": decision.uncertainty_ms if decision.uncertainty_ms is not None else was_ms,
            "residual_ms": before.residual_ms if stays else None,
            "margin": None,
            "margin_without_prior": None,
            "p_wrong": None,
            "inliers": before.inliers if stays else None,
            "matched_anchors": before.matched_anchors if stays else 0,
            "runner_up_offset_s": None,
            "findings": [f"clock by hand, not estimated: {words}", *before.findings],
            "origin": "by hand",
            "check": "",
            "by_hand": by_hand,
        }
    )


def _moved_s(before: ClockMap, segments: Sequence[object]) -> float:
    """Return by how much (s) a map was moved in the middle of its device's recording."""
    after = before.model_copy(update={"segments": list(segments)})
    edge = [before.segments[0].start_s, before.segments[-1].end_s]
    at = np.linspace(edge[0], edge[1], 25)
    difference = after.apply(at) - before.apply(at)
    return float(np.nanmedian(difference))


def _edit_table(edits: Sequence[ContactEdit]) -> xr.Dataset:
    """Return changed contacts as a table; the detected ones stay in the table of anchors."""
    unknown = float("nan")
    was = np.asarray([unknown if e.was_s is None else e.was_s for e in edits])
    now = np.asarray([unknown if e.now_s is None else e.now_s for e in edits])
    about = {"units": "s", "long_name": "on the clock of its own side"}
    return xr.Dataset(
        {
            "onset_before": ("contact", was, about),
            "onset": ("contact", now, about),
            "on": ("contact", np.asarray([e.on for e in edits], dtype=object)),
            "action": ("contact", np.asarray([e.action for e in edits], dtype=object)),
            "foot": ("contact", np.asarray([e.foot for e in edits], dtype=np.int8)),
        },
        attrs={"origin": "by hand"},
    )
