"""The request that says which windows are cut from trials, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ..gait.stances import StanceSource
from ..records.target_units import Targets
from ..runtime.manifest import MOST_POINTS

KINDS = ("insole", "imu")
"""Wearables whose channels are inputs."""
LATERAL = ("acc_y", "gyro_x", "gyro_z", "cop_y")
"""Channels whose sign turns where a left foot is mirrored onto a right one: y of vectors, x and z of rotations."""


Input = Literal["position", "velocity", "acceleration", "accelerometer"]
INPUTS: tuple[Input, ...] = ("position", "velocity", "acceleration")
"""Inputs of landmarks where nothing is said: ridge errs a third less vertically with velocities and accelerations than
with positions alone (`docs/results/accuracy.md`, B and C); which of the three are of use, training chooses."""


@dataclass(frozen=True)
class CutRequest:
    """How windows are cut from trials.

    Attributes
    ----------
    points
        Samples of a time-normalised stance; 101 are 0 to 100 %.
    rule
        Of contacts in the force, and the limits of every detector's contacts: ``20N``, ``10N`` or ``5%BW`` for runners
        (0.08 to 0.5 s), or one of them with the word ``walking`` after it (0.2 to 2 s).
    source
        The detector: ``insole_causal`` is what a device can run; ``force`` uses the target itself and is named in
        results. ``imu`` and ``landmarks`` see no toe-off and cut no stances, but for ``imu`` of ``shoes``.
    kinds
        Wearables whose channels become inputs; or only ``landmarks``, through ``mapping``; or only ``keypoints``, those
        of a film, whose stances ``film`` cuts by what the film shows; or only ``images``, the pictures of a film
        (:mod:`~grfkit.dataset.from_pictures`); or only ``shoes``, the IMUs of both shoes of a walker in axes of the
        walk, each foot with the other one's signals beside its own (:mod:`~grfkit.dataset.from_shoes`).
    cells
        ``as recorded``, or ``relative`` to the foot's own steps, for counts that are not calibrated
        (:func:`~grfkit.gait.relative_cells.relative_cells`).
    mirror
        Turn left feet into right ones, so that one network serves both. This assumes that sensors are mounted alike on
        both shoes with y to the left; turn it off where they are not.
    force_lowpass_hz, imu_lowpass_hz
        Zero-lag Butterworth (second order each way) on the whole record before anything is cut; 0 filters nothing,
        and neither does a cut-off at or above half a stream's rate.
    lowpass_corrected
        Whether a cut-off is that of both passes together, or of each.
    window
        ``stance``, or ``continuous``: windows of ``window_s`` at ``rate_hz``, one foot each, sharing ``overlap`` (0 to
        1), with weight 1 where that foot's force is known (:func:`~grfkit.dataset.foot_force.foot_force`).
    mapping
        Of landmarks: name of a shipped mapping, or the path of one.
    landmark_inputs, frame, physics
        Of landmarks: see :class:`~grfkit.dataset.motion.MotionSettings`; ``accelerometer`` are virtual ones.
    picture, foot
        Of a film: which pictures (``silhouette``, ``grey``, ``full frame``, ``background silhouette``; empty where
        there is one stream of them, or for silhouettes), and which foot's force, the one ``near`` the camera or the
        ``far`` one.
    targets
        What is learnt: the ``force`` on the foot (BW), or ``cop``, its centre of pressure (mm) on the ground under it,
        of stances of insoles, IMUs, both shoes or landmarks (:mod:`~grfkit.gait.cop_path`).
    """

    points: Annotated[int, Field(ge=2, le=MOST_POINTS)] = 101
    source: StanceSource = "insole_causal"
    rule: str = "20N"
    kinds: tuple[str, ...] = KINDS
    cells: Literal["as recorded", "relative"] = "as recorded"
    mirror: bool = True
    force_lowpass_hz: float = 0.0
    imu_lowpass_hz: float = 0.0
    lowpass_corrected: bool = True
    window: Literal["stance", "continuous"] = "stance"
    window_s: float = 2.0
    overlap: float = 0.0
    rate_hz: float = 100.0
    mapping: str = ""
    landmark_inputs: tuple[Input, ...] = INPUTS
    frame: Literal["landing", "travelling", "lab"] = "landing"
    physics: bool = False
    picture: str = ""
    foot: Literal["near", "far"] = "near"
    targets: Targets = "force"
