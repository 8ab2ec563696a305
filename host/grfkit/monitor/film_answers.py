"""Stances of a film that goes on: what a model says of a pass so far, each stance told once, and what does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadInputError, RefusedError
from .live_contact import Contact
from .messages import SIDES

if TYPE_CHECKING:
    from ..arrays import Floats
    from ..estimation.types import Estimate, StanceRow
    from ..learn.spec import ForceModel
    from ..video.watch import Watch

__all__ = ["FilmAnswers", "FilmModel", "FilmStance", "PassResult", "open_film_model"]

SETTLED_S = 0.3
"""Time after a stance's end from which on it is told: contacts are found from what comes before and after them (a
low-pass of 6 Hz reaches .15 s). Chosen by hand."""
_SAME_S = 0.15
"""How far the beginnings of one stance may lie apart from one look to the next, s: a quarter of a stance. By hand."""
_AXES = {"vgrf": "v", "apgrf": "ap", "mlgrf": "ml"}
_FEATURES = ("contact_s", "peak", "impulse", "braking", "propulsion")
"""Features of a film's stance: loading rates are none of what 60 pictures a second show."""


@dataclass(frozen=True)
class FilmModel:
    """A model of films, opened: its folder, what it is called, the half-widths of its intervals, what is said of it."""

    model: ForceModel
    folder: Path
    half_width_bw: dict[str, float]
    said: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the name that stands beside its stances."""
        return f"{self.folder.name} ({self.model.name})"


@dataclass(frozen=True)
class FilmStance:
    """A stance of a film: its foot, and the contact in seconds of the film."""

    side: str
    contact: Contact
    far: bool
    flags: tuple[str, ...]


@dataclass
class PassResult:
    """A pass through the picture: its time (s of the film), its stances, why there is no force, what was said."""

    start_s: float
    end_s: float = float("nan")
    stances: list[FilmStance] = field(default_factory=list)
    refused: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "stances": [
                {
                    "side": s.side,
                    "start_s": round(s.contact.start_s, 3),
                    "contact_s": round(s.contact.contact_s, 3),
                    "peak_bw": round(float(np.max(s.contact.axes["v"])), 4),
                    "flags": list(s.flags),
                }
                for s in self.stances
            ],
            "refused": self.refused or None,
            "notes": list(self.notes),
        }


def open_film_model(model: str) -> FilmModel:
    """Return a model or bundle that answers for films.

    Raises
    ------
    BadInputError
        If it takes no film, or whole frames, which are cut only once the film is over.
    """
    from ..dataset.from_keypoints import FILM
    from ..dataset.keypoint_inputs import MARGIN_S
    from ..estimation.film_feet import of_film, trained_on
    from ..estimation.open_model import open_model
    from ..estimation.picture_feet import SILHOUETTE, picture_of
    from ..estimation.stated_error import stated_error
    from ..learn.packaged import about_of, model_folder
    from .live_model import half_widths

    folder = model_folder(model)
    opened = open_model(folder)
    pictures = picture_of(opened.spec)
    if pictures and pictures != SILHOUETTE:
        raise BadInputError(
            f"{model}: takes pictures that show '{pictures}', and live ones are silhouettes; take a model of these, or"
            " grf-estimate on the film"
        )
    if not pictures and not of_film(opened.spec):
        raise BadInputError(
            f"{model}: is no model of films; take grfkit:walking-side-view, or one that grf-train made of films"
        )
    about, error = about_of(folder), stated_error(folder)
    said = [trained_on(about)] if about is not None else []
    beyond_s = 2.0 * MARGIN_S if of_film(opened.spec) and opened.spec.cut == FILM else 0.0
    said += [error.told(beyond_s)] if error is not None else ["the model states no error: no evaluation lies beside it"]
    return FilmModel(opened, folder, half_widths(folder), tuple(said))


class FilmAnswers:
    """What a model says of one pass after the other.

    Parameters
    ----------
    mass_kg
        Of who walks.
    """

    def __init__(self, model: FilmModel, *, mass_kg: float, name: str) -> None:
        from ..estimation.source import EstimateRequest

        self._model, self._name = model, name
        self._request = EstimateRequest(mass_kg=mass_kg)
        self.passes: list[PassResult] = []
        self._now: PassResult | None = None

    def look(self, watch: Watch, *, final: bool) -> tuple[list[FilmStance], PassResult | None]:
        """Return the stances that have become known of a pass, and the pass itself once it is over.

        Of a pass that is refused when it is over no stance holds, also if some were told before.
        """
        if self._now is None:
            self._now = PassResult(watch.start_s)
            self.passes.append(self._now)
        current = self._now
        current.end_s = watch.end_s
        new: list[FilmStance] = []
        try:
            found, notes, near = self._estimate(watch)
        except (BadInputError, RefusedError) as error:
            current.refused = _of_monitor(" ".join(str(error).split())) if final else ""
        else:
            current.notes = tuple(_of_monitor(note) for note in notes)
            for row in found.rows:
                settled = row.end_s + watch.start_s <= watch.end_s - SETTLED_S
                stance = self._stance(row, found, watch.start_s, far=row.side != near) if final or settled else None
                if stance is not None and not _told(stance, current.stances):
                    new.append(stance)
                    current.stances.append(stance)
        if not final:
            return new, None
        self._now = None
        return new, current

    def _estimate(self, watch: Watch) -> tuple[Estimate, tuple[str, ...], str]:
        from ..dataset.keypoint_inputs import keypoint_stream, near_side
        from ..estimation.estimate import estimate_source
        from ..estimation.source import EstimateSource
        from ..records import Trial

        recording = watch.recording()
        source = EstimateSource(Trial(recording.tree), self._name, False, None, told=tuple(recording.notes))
        # in memory only: its files' digests are of no use to stances that nobody writes
        found = estimate_source(self._model.model, None, source, self._request)
        said = tuple(dict.fromkeys((*recording.notes, *found.findings)))
        return found, said, near_side(keypoint_stream(source.trial.streams)[1])

    def _stance(self, row: StanceRow, found: Estimate, offset_s: float, *, far: bool) -> FilmStance | None:
        """Return a stance of an estimate, None where its force is not known throughout."""
        curve = found.feet.get(row.side)
        if curve is None or not row.answered or row.side not in SIDES:
            return None
        force: Floats = curve.at(np.linspace(row.start_s, row.end_s, 101))
        known = np.isfinite(force).all(axis=1)
        if known.sum() < 2:
            return None
        at = np.arange(len(force))
        axes = {
            _AXES[name]: np.interp(at, at[known], force[known, k]) for k, name in enumerate(found.axes) if name in _AXES
        }
        contact = Contact(
            row.start_s + offset_s, row.contact_s, axes, "BW", "host", half_width=self._model.half_width_bw
        )
        return FilmStance(row.side, contact, far, row.flags)


def _of_monitor(text: str) -> str:
    """Return what a film's reader or an estimate says, its options named as those of grf-estimate."""
    for option in ("--accept-beyond", "--walker"):
        text = text.replace(option, f"grf-estimate {option}")
    return text


def _told(stance: FilmStance, stances: Sequence[FilmStance]) -> bool:
    """Return whether a stance was told before."""
    return any(s.side == stance.side and abs(s.contact.start_s - stance.contact.start_s) < _SAME_S for s in stances)


def shown_features(values: dict[str, float]) -> dict[str, float]:
    """Return those features of a contact that a film shows."""
    return {name: value for name, value in values.items() if name in _FEATURES}
