"""An alignment made a trial for a person to decide on, refused or not, and what a report shows after the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..records import ClockMap, Segment, Trial
from ..records.evidence import TrialEvidence
from .align import Alignment
from .assemble import assemble
from .summary import joint_verdict


def trial_to_review(alignment: Alignment, *, accept_refused: bool) -> Trial:
    """Return the trial of an alignment that kept the maps of what it refused (``accept_refused``), to be reviewed.

    Streams for which no place was found at all begin with the reference.

    Parameters
    ----------
    accept_refused
        What the user asked for, which the trial's provenance repeats.
    """
    maps = {name: _placed(m, alignment.wearables.streams[name]["time"].values) for name, m in alignment.maps.items()}
    trial = assemble(replace(alignment, maps=maps))
    provenance = trial.provenance
    provenance.configuration["accept_refused"] = accept_refused
    trial.tree.attrs["provenance"] = provenance.model_dump_json()
    return trial


def _placed(clock_map: ClockMap, time_s: np.ndarray) -> ClockMap:
    if clock_map.segments:
        return clock_map
    start = Segment(start_s=float(time_s[0]), end_s=float(time_s[-1]), offset_s=-float(time_s[0]), drift_ppm=0.0)
    return clock_map.model_copy(update={"segments": [start], "offset_s": start.offset_s, "drift_ppm": 0.0})


def evidence_after(evidence: TrialEvidence, maps: Mapping[str, ClockMap], *, accept_refused: bool) -> TrialEvidence:
    """Return what a report shows once a person has decided: the same signals, under the maps that were decided on."""
    streams = [replace(stream, clock_map=maps[stream.stream]) for stream in evidence.streams]
    configuration = {**evidence.configuration, "accept_refused": accept_refused}
    return replace(evidence, streams=streams, verdict=joint_verdict(maps), configuration=configuration)
