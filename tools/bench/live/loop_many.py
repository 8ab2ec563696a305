"""The loop without its link, for more people than there is time for: insole to truth, on true clocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.arrays import Floats
from grfkit.dataset.foot_force import of_foot, plate_contact
from grfkit.gait.stances import Stance
from grfkit.simulate.world import World
from grfkit.virtual.stance import OnDeviceModel, OnDeviceRun

from . import loop_score as score
from .insoles import RATE_HZ


@dataclass(frozen=True)
class TruePlate:
    """A plate without noise, on the world's own clock, in the place of :class:`score.Plate`."""

    world: World
    contacts: tuple[Stance, ...]

    @classmethod
    def of(cls, world: World) -> TruePlate:
        """Return the plate of a world."""
        steps = world.steps
        rows = zip(steps.onset_s.tolist(), (steps.onset_s + steps.contact_s).tolist(), steps.left.tolist())
        return cls(world, tuple(Stance(ic, to, "left" if left else "right", "truth", "truth") for ic, to, left in rows))

    def contact_of(self, answer: score.Answer) -> Stance | None:
        """Return the true contact that a stance is."""
        side: Any = answer.side
        return plate_contact(Stance(answer.start_s, answer.end_s, side, "device", "device"), self.contacts)

    def force_bw(self, contact: Stance, side: str, at_s: Floats) -> Floats:
        """Return the true force (BW), shape (times, AXES); 0 outside the contact."""
        phase = (at_s - contact.ic_s) / (contact.to_s - contact.ic_s)
        force = self.world.force_n(self.contacts.index(contact), np.clip(phase, 0, 1)) / self.world.weight_n
        inside = (phase >= 0) & (phase <= 1)
        return of_foot(np.where(inside[:, None], force, 0.0)[:, [2, 0, 1]], side)


def without_link(runners: Iterable[Any], bundle: Path, mean_bw: Floats) -> list[dict[str, Any]]:
    """Return for each person how far the insoles' curves and the mean curve are from the truth."""
    maker = OnDeviceModel(bundle)
    people = []
    for runner in runners:
        plate = TruePlate.of(runner.person.trial.truth.world)
        device = [answer for side in score.SIDES for answer in _reports(runner, maker, side)]
        curves = {"device": device, "mean": score.with_mean_curve(device, mean_bw)}
        methods = {name: score.errors(answers, plate) for name, answers in curves.items()}
        people.append({"seed": runner.seed, "contacts": _due(device, plate), "methods": methods})
    return people


def _reports(runner: Any, maker: OnDeviceModel, side: str) -> list[score.Answer]:
    source, clock = runner.person.sources[side], runner.person.clocks[side]
    reports = OnDeviceRun(maker, source, RATE_HZ, runner.settings).push(*source.rows(0, len(source.cells)))
    answers = []
    for first, report in reports:
        start_s, end_s = clock.running(np.asarray([first / RATE_HZ, first / RATE_HZ + report.contact_s]))
        answers.append(score.Answer(side, float(start_s), float(end_s), _in_order(report.axes, report.force_bw)))
    return answers


def _in_order(axes: int, force_bw: Floats) -> Floats:
    """Return curves in the order of AXES; the wire's bits are forward, medial, up."""
    curves = np.full((len(force_bw), len(score.AXES)), np.nan)
    sent = [bit for bit in range(3) if axes >> bit & 1]
    for column, bit in enumerate(sent):
        # AXES are up, forward, medial
        curves[:, (1, 2, 0)[bit]] = force_bw[:, column]
    return curves


def _due(answers: Sequence[score.Answer], plate: TruePlate) -> int:
    """Return how many true contacts lie between the first and the last answer."""
    if not answers:
        return 0
    first, last = min(a.start_s for a in answers), max(a.start_s for a in answers)
    return sum(first - score.NEAR_S <= c.ic_s <= last + score.NEAR_S for c in plate.contacts)
