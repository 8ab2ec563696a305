"""Columns of the table of steps: name with unit, kind, and what the number is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnKind = Literal["text", "number", "count"]


@dataclass(frozen=True)
class StepColumn:
    """A column: its name, which ends in the unit, the kind of its values, and what it holds."""

    name: str
    kind: ColumnKind
    meaning: str


def _of(kind: ColumnKind, text: str) -> tuple[StepColumn, ...]:
    rows = [line.split(None, 1) for line in text.strip().splitlines()]
    return tuple(StepColumn(name, kind, meaning) for name, meaning in rows)


COLUMNS: tuple[StepColumn, ...] = (
    *_of(
        "text",
        """
participant    code of the person
trial          name of the file, without its ending
force          measured (by plates or belts) or estimated (by a model)
""",
    ),
    *_of("count", "step           number of the row within trial and force, from 1 in order of contact"),
    *_of(
        "text",
        """
status         step, or rejected: a contact that is no whole step of one foot; then only its times and reasons are given
side           left or right; empty where no plate, belt, wearable or marker shows the foot
surface        treadmill or overground
gait           walk (two feet on the ground at times) or run; empty where neither flight nor contact time shows it
""",
    ),
    *_of(
        "number",
        """
speed_m_s      stated for the trial
slope_percent  stated for the trial
mass_kg        stated for the trial
ic_s           initial contact, on the trial's reference clock
to_s           toe-off
contact_s      toe-off minus initial contact
flight_s       next contact of the other foot minus toe-off; negative: both feet stood for so long
step_s         to the next contact of the other foot
stride_s       to the next contact of the same foot
duty_factor_1  contact over stride time
cadence_steps_min  60 over the step time
vgrf_peak_n    highest vertical force
vgrf_peak_bw   the same in body weights
vgrf_peak_at_s when, after contact
impact_peak_bw first peak early in a runner's contact; empty where the curve has none
impact_peak_at_s   when, after contact
active_peak_bw highest force after 30 % of a runner's contact
active_peak_at_s   when, after contact
first_peak_bw  highest force in the first half of a walker's contact; empty where the curve has no valley after it
first_peak_at_s    when, after contact
valley_bw      lowest force between the two peaks of a walker
second_peak_bw highest force in the second half of a walker's contact
second_peak_at_s   when, after contact
vertical_impulse_n_s   area of the vertical force
vertical_impulse_bw_s  the same in body weights
net_vertical_impulse_bw_s  less one body weight for as long as the contact lasted
braking_peak_bw    lowest forward force, negative
braking_impulse_bw_s   area of the backward force, negative
propulsive_peak_bw highest forward force after a tenth of the contact
propulsive_impulse_bw_s    area of the forward force
medial_peak_bw highest force to the inner side of the foot
lateral_peak_bw    lowest one, negative: to its outer side
medial_impulse_bw_s    area of the force to the inner side
lateral_impulse_bw_s   area of the force to the outer side, negative
valr_a_bw_s    loading rate: mean slope from contact to the impact peak
valr_b_time_bw_s   mean slope from 20 to 80 % of the time to the impact peak
valr_b_force_bw_s  mean slope from 20 to 80 % of the impact peak's force
valr_c_bw_s    mean slope over the first 50 ms
valr_d_bw_s    mean slope over the first 25 ms
valr_e_bw_s    mean slope from 3 to 12 % of the contact
vilr_bw_s      highest slope between contact and impact peak
""",
    ),
    *_of(
        "text",
        "loading_peak   peak: A, B and VILR end at a real impact peak; 13 %: at the force at 13 % of the contact",
    ),
    *_of("number", "filter_hz      cut-off of the low-pass before peaks, impulses and rates; empty: none"),
    *_of(
        "text",
        """
contact_rule   rule or detector of contact and toe-off, which work on the unfiltered force
forward_from   what shows the walking direction: lab (stated axes), force, model; empty: not known
cop_from       what the centre of pressure is of: plate, or model (of an estimated step)
cop_frame      forward is, lab: the direction of walking, foot: heel to toe marker as it stands; level, less the belt
""",
    ),
    *_of(
        "number",
        """
cop_path_m     length of the way of the centre of pressure under the foot
cop_forward_m  how far it went forward, from the first to the last loaded sample
cop_sideways_m how wide it went across
cop_heel_forward_m     of plates, in the foot's frame: mean place, weighed by force, in front of the heel marker
cop_heel_medial_m      the same to the inner side of the line from heel to toe marker
cop_start_s    first loaded sample, after contact
cop_end_s      last loaded sample, after contact
cop_within_forward_m   of a model: within so much along lay 95 % of each left-out person's samples; empty: not known
cop_within_sideways_m  the same across
plate_cop_path_m       of an estimated step: the plates' own from cop_start_s to cop_end_s, to be set against cop_path_m
plate_cop_forward_m    the same of cop_forward_m
plate_cop_sideways_m   the same of cop_sideways_m
insole_cop_path_m      the same of the centre of pressure of the insole's cells, whose places are known
insole_cop_forward_m   how far it went forward
insole_cop_sideways_m  how wide it went across
insole_cop_within_forward_m   within so much of the true one lay 95 % of samples of walkers held out; empty: not known
insole_cop_within_sideways_m  the same across
free_moment_left_n_m   largest moment on the foot about the vertical through its centre of pressure, turning left
free_moment_right_n_m  the same to the right (least value); of a foot on one plate alone
asymmetry_contact_percent  left minus right over their mean, of this and the next step: contact time
asymmetry_step_percent     the same of step times
asymmetry_peak_percent     the same of the vertical peak
asymmetry_impulse_percent  the same of the vertical impulse
""",
    ),
    *_of("count", "insole_cop_cells  cells of the insole in use; dead ones are left out"),
    *_of("count", "measured_step  of an estimated step: number of the measured one of that foot at the time"),
    *_of(
        "text",
        """
plates         plates or belts that bore the foot
flags          what limits the row; several are separated by semicolons
reasons        of a rejected contact: why
""",
    ),
)
NAMES = tuple(column.name for column in COLUMNS)
