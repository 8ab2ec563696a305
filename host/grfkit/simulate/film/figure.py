"""The body of capsules: which circles stand at which points of the body, how wide, in which order they are painted.

A capsule is the hull of two circles. Radii are those of a body of 1.75 m, grow with stature, and were set by eye.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...arrays import Floats
from .camera import Camera
from .look import Clothes, Colour
from .motion import FilmedBody

_REFERENCE_M = 1.75
"""Stature (m) of which radii are given."""
_FAR_SHADE = 0.78
"""Brightness of the limbs behind the trunk: they stand in its shadow. Chosen by hand."""


@dataclass(frozen=True)
class Part:
    """A chain of circles in one colour: neighbours are joined, or all of them where ``hull``."""

    name: str
    centres_m: Floats
    radii_m: Floats
    colour: Colour
    hull: bool = False


@dataclass(frozen=True)
class PaintedPart:
    """A part in the picture: ``centres_px`` (frames, circles, 2) and ``radii_px`` (frames, circles)."""

    name: str
    centres_px: Floats
    radii_px: Floats
    colour: Colour
    hull: bool

    def capsules(self, frame: int) -> Iterator[tuple[Floats, Floats]]:
        """Give centres and radii of each hull in one frame: of neighbours, or of all circles."""
        centres, radii = self.centres_px[frame], self.radii_px[frame]
        if self.hull:
            yield centres, radii
            return
        for k in range(radii.size - 1):
            yield centres[k : k + 2], radii[k : k + 2]


def figure(body: FilmedBody, clothes: Clothes, near_side: str) -> list[Part]:
    """Return the parts of a body in the order in which they are painted: the farthest first."""
    far_side = "left" if near_side == "right" else "right"
    maker = _Maker(body, clothes)
    far = [*maker.arm(far_side), *maker.leg(far_side)]
    shaded = [Part(p.name, p.centres_m, p.radii_m, _shaded(p.colour), p.hull) for p in far]
    return [*shaded, *maker.leg(near_side), *maker.trunk(), *maker.head(), *maker.arm(near_side)]


def painted(parts: Sequence[Part], camera: Camera) -> list[PaintedPart]:
    """Return the parts as a camera sees them."""
    seen = []
    for part in parts:
        centres, per_m = camera.project(part.centres_m)
        seen.append(PaintedPart(part.name, centres, np.asarray(per_m * part.radii_m), part.colour, part.hull))
    return seen


def _on_floor(path: Floats, radius_m: float) -> Floats:
    return np.asarray(np.maximum(path, np.asarray([-np.inf, -np.inf, radius_m])))


def _shaded(colour: Colour) -> Colour:
    red, green, blue = (int(_FAR_SHADE * c) for c in colour)
    return red, green, blue


@dataclass(frozen=True)
class _Maker:
    body: FilmedBody
    clothes: Clothes

    def leg(self, side: str) -> list[Part]:
        """Return foot, shank and thigh, in this order."""
        clothes, of = self.clothes, self._of(side)
        hip, knee, ankle = of("hip"), of("knee"), of("ankle")
        heel, ball, toe = of("heel"), of("ball"), of("toe")
        along = (ball - heel) / np.linalg.norm(ball - heel, axis=1, keepdims=True)
        # markers lie on the shoe's surface, circles inside it; the floor holds the sole
        heel, ball = _on_floor(heel + 0.022 * along, 0.028), _on_floor(ball, 0.03)
        toe = _on_floor(toe - 0.015 * along, 0.016)
        calf = knee + 0.3 * (ankle - knee)
        legs = clothes.skin if clothes.shorts else clothes.trousers
        loose = 1.0 if clothes.shorts else 1.1
        above = knee + 0.18 * (hip - knee)
        thigh = [hip, hip + 0.45 * (knee - hip), above]
        return [
            self._part(
                f"foot_{side}", [heel, ankle, ball, toe], (0.030, 0.040, 0.033, 0.020), clothes.shoes, hull=True
            ),
            self._part(f"shank_{side}", [knee, calf, ankle], (0.054 * loose, 0.056 * loose, 0.040 * loose), legs),
            self._part(f"knee_{side}", [above, knee], (0.062 * loose, 0.054 * loose), legs),
            self._part(f"thigh_{side}", thigh, (0.092, 0.082, 0.066 * loose), clothes.trousers),
        ]

    def arm(self, side: str) -> list[Part]:
        """Return hand, forearm and upper arm, in this order."""
        clothes, of = self.clothes, self._of(side)
        shoulder, elbow, wrist, hand = of("shoulder"), of("elbow"), of("wrist"), of("hand")
        sleeve = clothes.shirt if clothes.sleeves else clothes.skin
        middle = shoulder + 0.55 * (elbow - shoulder)
        return [
            self._part(f"hand_{side}", [wrist, hand], (0.026, 0.034), clothes.skin),
            self._part(f"forearm_{side}", [elbow, elbow + 0.3 * (wrist - elbow), wrist], (0.040, 0.042, 0.028), sleeve),
            self._part(f"upper_arm_{side}", [middle, elbow], (0.045, 0.040), sleeve),
            self._part(f"sleeve_{side}", [shoulder, middle], (0.056, 0.050), clothes.shirt),
        ]

    def trunk(self) -> list[Part]:
        """Return neck and trunk, in this order."""
        hip, shoulder, neck = self.body.middle("hip"), self.body.middle("shoulder"), self.body.points["neck"]
        up = shoulder - hip
        # the spine lies behind the line from hips to shoulders, the belly before it
        ahead = np.asarray([0.012, 0.0, 0.0])
        chain = [hip + 0.02 * up, hip + 0.38 * up + ahead, hip + 0.74 * up + ahead, shoulder]
        wide = self.clothes.trunk_width / self.clothes.width
        radii = tuple(wide * r for r in (0.116, 0.110, 0.122, 0.086))
        head = self.body.points["head"]
        return [
            self._part(
                "neck", [neck - 0.2 * (head - neck), neck + 0.8 * (head - neck)], (0.070, 0.056), self.clothes.skin
            ),
            self._part("trunk", chain, radii, self.clothes.shirt),
        ]

    def head(self) -> list[Part]:
        """Return hair, face and nose, in this order."""
        head, nose = self.body.points["head"], self.body.points["nose"]
        ahead = nose - self.body.middle("ear")
        ahead = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
        up = np.asarray([0.0, 0.0, 1.0])
        crown, chin = head + 0.028 * up - 0.018 * ahead, head - 0.062 * up + 0.052 * ahead
        face = head - 0.008 * up + 0.028 * ahead
        ear = self.body.middle("ear")
        skin, hair = self.clothes.skin, self.clothes.hair
        darker = (int(0.8 * skin[0]), int(0.75 * skin[1]), int(0.75 * skin[2]))
        return [
            self._part("hair", [crown, crown - 0.03 * up - 0.015 * ahead], (0.100, 0.092), hair, slim=True),
            self._part("face", [face, chin], (0.082, 0.044), skin, hull=True, slim=True),
            self._part(
                "nose", [nose - 0.022 * ahead + 0.02 * up, nose - 0.012 * ahead], (0.012, 0.014), skin, slim=True
            ),
            self._part("ear", [ear, ear + 0.02 * up], (0.014, 0.016), darker, slim=True),
            self._part("eye", [nose - 0.03 * ahead + 0.045 * up] * 2, (0.009, 0.009), (40, 34, 32), slim=True),
        ]

    def _of(self, side: str) -> Callable[[str], Floats]:
        return lambda part: self.body.points[f"{part}_{side}"]

    def _part(
        self,
        name: str,
        centres: Sequence[Floats],
        radii_m: Sequence[float],
        colour: Colour,
        *,
        hull: bool = False,
        slim: bool = False,
    ) -> Part:
        # heads grow less wide with clothes and build than limbs do
        width = 1.0 if slim else self.clothes.width
        radii = np.asarray(radii_m) * width * self.body.height_m / _REFERENCE_M
        return Part(name, np.stack(centres, axis=1), radii, colour, hull)
