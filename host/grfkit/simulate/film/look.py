"""How a rendered film looks: laboratory, camera and clothes, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ...arrays import Floats
from .camera import Camera
from .motion import FilmedBody

Laboratory = Literal["base", "other"]
Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""


@dataclass(frozen=True)
class CameraRanges:
    """Ranges of a camera's pose about 1.0 m high, 3.5 m away and perpendicular; drawn flat. Chosen by hand.

    ``pitch_deg`` is about the aim of whoever films: at the middle of the body.
    """

    height_m: tuple[float, float]
    distance_m: tuple[float, float]
    along_m: tuple[float, float]
    yaw_deg: tuple[float, float]
    pitch_deg: tuple[float, float]
    roll_deg: tuple[float, float]
    field_deg: tuple[float, float]


_CAMERAS: dict[str, CameraRanges] = {
    "base": CameraRanges((0.97, 1.03), (3.4, 3.6), (-0.1, 0.1), (-1.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (65.0, 67.0)),
    "other": CameraRanges((0.8, 1.3), (3.2, 4.3), (-0.3, 0.3), (-5.0, 5.0), (-1.5, 1.5), (-1.5, 1.5), (62.0, 72.0)),
}
_AIM_M = 0.93
"""Height (m) of the middle of what whoever films wants to see. Chosen by hand."""
_WIDTHS: dict[str, tuple[float, float]] = {"base": (0.92, 1.08), "other": (0.95, 1.25)}
"""Factor on the width of limbs and trunk: clothes and build. Chosen by hand."""
_SKIN: tuple[Colour, ...] = ((236, 198, 172), (222, 178, 148), (192, 140, 108), (150, 104, 78), (104, 72, 54))
_HAIR: tuple[Colour, ...] = ((42, 32, 28), (78, 54, 38), (128, 92, 58), (24, 22, 24), (150, 146, 140))
_CLOTH: dict[str, tuple[Colour, ...]] = {
    "base": ((52, 60, 78), (120, 34, 40), (38, 82, 66), (178, 178, 172), (66, 66, 70), (70, 92, 140), (150, 120, 70)),
    "other": ((222, 226, 230), (24, 26, 30), (196, 132, 60), (96, 60, 120), (120, 160, 80), (60, 130, 160)),
}


@dataclass(frozen=True)
class Clothes:
    """Colours and width of one person on film."""

    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    sleeves: bool
    shorts: bool
    width: float
    trunk_width: float


@dataclass(frozen=True)
class Look:
    """What a film looks like; everything is drawn from seeds.

    Attributes
    ----------
    light
        Direction from which light falls in the picture: x to the right, y down.
    contrast
        How much brighter a limb's lit side is than its other one.
    noise
        SD of a pixel's noise, of 255.
    """

    laboratory: Laboratory
    clothes: Clothes
    light: tuple[float, float]
    contrast: float
    noise: float
    scene_seed: int
    pose: dict[str, float] = field(default_factory=dict)

    def camera(self, body: FilmedBody, near_side: str, *, width_px: int, height_px: int) -> Camera:
        """Return the camera on that side of the body's walkway, opposite the plates."""
        across = float(body.middle("hip")[body.measured, 1].mean())
        place = np.asarray(
            [
                body.middle_m + self.pose["along_m"],
                across + (-1.0 if near_side == "right" else 1.0) * self.pose["distance_m"],
                self.pose["height_m"],
            ]
        )
        turns = {name: self.pose[name] for name in ("yaw_deg", "pitch_deg", "roll_deg", "field_deg")}
        return Camera(place, near_side, width_px, height_px, **turns)


def draw_look(laboratory: Laboratory, *, seed: int, person: int) -> Look:
    """Return the look of one person's films in a laboratory.

    Parameters
    ----------
    seed
        Of the laboratory: with ``person`` it sets camera and background.
    person
        Number of the person: with ``laboratory`` it sets clothes and build, whatever the seed.
    """
    number = 0 if laboratory == "base" else 1
    scene = np.random.default_rng([seed, number, person, 1])
    who = np.random.default_rng([person, number, 2])
    pose = {
        name: float(scene.uniform(*getattr(_CAMERAS[laboratory], name)))
        for name in ("height_m", "distance_m", "along_m", "yaw_deg", "pitch_deg", "roll_deg", "field_deg")
    }
    pose["pitch_deg"] += float(np.degrees(np.arctan2(_AIM_M - pose["height_m"], pose["distance_m"])))
    angle = scene.uniform(0.15, 0.85) * np.pi
    return Look(
        laboratory=laboratory,
        clothes=_clothes(who, laboratory),
        light=(float(np.cos(angle)), -float(np.sin(angle))),
        contrast=float(scene.uniform(0.25, 0.5)),
        noise=float(scene.uniform(1.5, 3.5) if laboratory == "base" else scene.uniform(2.0, 5.0)),
        scene_seed=int(scene.integers(2**31)),
        pose=pose,
    )


def _clothes(rng: np.random.Generator, laboratory: str) -> Clothes:
    cloth = _CLOTH[laboratory]
    shirt, trousers = rng.choice(len(cloth), 2, replace=False)
    width = float(rng.uniform(*_WIDTHS[laboratory]))
    return Clothes(
        skin=_varied(rng, _SKIN[int(rng.integers(len(_SKIN)))]),
        hair=_varied(rng, _HAIR[int(rng.integers(len(_HAIR)))]),
        shirt=_varied(rng, cloth[int(shirt)]),
        trousers=_varied(rng, cloth[int(trousers)]),
        shoes=_varied(rng, ((40, 40, 44), (214, 214, 210), (150, 60, 50))[int(rng.integers(3))]),
        sleeves=bool(rng.random() < 0.4),
        shorts=bool(rng.random() < 0.4),
        width=width,
        trunk_width=width * float(rng.uniform(0.92, 1.12)),
    )


def _varied(rng: np.random.Generator, colour: Colour) -> Colour:
    shifted: Floats = np.clip(np.asarray(colour) * (1.0 + rng.normal(0.0, 0.08)) + rng.normal(0.0, 3.0, 3), 5, 250)
    return int(shifted[0]), int(shifted[1]), int(shifted[2])
