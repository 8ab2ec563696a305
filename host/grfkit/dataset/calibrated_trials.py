"""Calibration documents applied to aligned trials, before windows are cut from them."""

from __future__ import annotations

from collections.abc import Sequence

from ..arguments import as_path
from ..arrays import PathLike
from ..calibrate import apply
from ..calibrate.kinds import AnyDocument
from ..calibrate.library import Loaded
from ..calibrate.scale_documents import LoadScale
from ..errors import BadInputError
from ..records import Recording, Trial
from ..sync.documents import load_documents


class TrialCalibration:
    """Documents for a study's trials: each trial takes those that fit its insoles and sensors.

    Raises
    ------
    BadInputError
        If a document cannot be read, or is one that only alignment can apply (plates, lags).
    """

    def __init__(self, paths: Sequence[PathLike]) -> None:
        found = load_documents([as_path(path, what="a calibration document") for path in paths])
        if found.lags is not None or found.plates:
            what = "a lag table" if found.lags is not None else f"'{found.plates[0].document.name}' is of a force plate"
            raise BadInputError(f"{what}: plates and lags are for grf-sync --calibration, which aligns")
        self._documents = found.wearables
        self._used: set[str] = set()

    def applied(self, trial: Trial, name: str) -> Trial:
        """Return the trial with every document applied that fits it; one that was applied before alignment stays so.

        Raises
        ------
        BadInputError
            If none fits, or two scales fit one foot and neither was measured from the trial's own recording.
        """
        recording, fitting, why = Recording(trial.tree), [], ""
        for document in self._documents:
            if _applied_before(trial, document):
                fitting.append(document)
                continue
            try:
                apply(recording, [document])
            except BadInputError as error:
                why = why or str(error)
            else:
                fitting.append(document)
        if self._documents and not fitting:
            raise BadInputError(f"no calibration fits trial '{name}': {why}")
        chosen = _one_scale_a_foot(trial, fitting, name)
        self._used |= {document.sha256 for document in chosen}
        fresh = [document for document in chosen if not _applied_before(trial, document)]
        return Trial(apply(recording, fresh).tree) if fresh else trial

    def check_all_used(self) -> None:
        """Refuse a document that fitted no trial: it would seem to have been applied."""
        unused = [d.document.name for d in self._documents if d.sha256 not in self._used]
        if unused:
            raise BadInputError(f"calibration '{unused[0]}' fits no trial; leave it out, or name the trials it is for")


def _applied_before(trial: Trial, document: Loaded[AnyDocument]) -> bool:
    return any(document.sha256 in str(s.attrs.get("calibrations", "")).split() for s in trial.streams.values())


def _one_scale_a_foot(trial: Trial, documents: list[Loaded[AnyDocument]], name: str) -> list[Loaded[AnyDocument]]:
    """Return the documents with one scale for each foot: of several, the one measured from the trial's recording."""
    scales = [d for d in documents if isinstance(d.document, LoadScale)]
    if len({foot for d in scales for foot in _feet(d)}) == sum(len(_feet(d)) for d in scales):
        return documents
    recordings = {file.sha256 for file in trial.provenance.inputs}
    own = [
        d for d in scales if isinstance(d.document, LoadScale) and {i.sha256 for i in d.document.inputs} & recordings
    ]
    if len({foot for d in own for foot in _feet(d)}) != sum(len(_feet(d)) for d in own) or not own:
        names = ", ".join(f"'{d.document.name}'" for d in scales)
        raise BadInputError(
            f"{names} all fit trial '{name}', and {'more than one' if own else 'none'} was measured from its recording;"
            " calibrate each recording when aligning it (grf-sync --calibration)"
        )
    return [d for d in documents if d not in scales or d in own]


def _feet(document: Loaded[AnyDocument]) -> list[str]:
    return [f.stream for f in document.document.feet] if isinstance(document.document, LoadScale) else []
