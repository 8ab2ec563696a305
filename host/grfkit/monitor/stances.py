"""Stances as they become known: predicted by a model on the host where there is one, shown, judged by a target."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..arrays import Floats
from ..errors import GrfError
from ..wire import SettingKey
from .insoles import Insoles
from .live import StanceRequest
from .live_contact import Contact, features, interval, on_points
from .live_model import LiveModel
from .messages import StanceShown
from .stance_log import StanceLog, Target
from .timeline import Timeline

__all__ = ["LiveStances"]

_LONGEST_FLIGHT_S = 0.6
"""Far longer than a runner's flight: beyond it a contact of the other foot is missing between. Chosen by hand."""
_FLIGHT_UNSURE_MS = 10.0
"""With either clock more uncertain than this a flight is left out; chosen by hand, a tenth of a flight."""


class LiveStances:
    """The stances of all feet.

    Parameters
    ----------
    model
        Predicts stances on the host; None where only insoles do.
    set_values
        Mass, speed and slope, read at each stance.
    publish
        Called with each stance that is shown.
    alert
        Called with device and text when a foot leaves the target.

    Attributes
    ----------
    target
        Of biofeedback, None for none.
    """

    def __init__(
        self,
        insoles: Insoles,
        timeline: Timeline,
        model: LiveModel | None,
        set_values: Mapping[SettingKey, float],
        *,
        publish: Callable[[StanceShown], None],
        alert: Callable[[int, str], None],
    ) -> None:
        self._insoles, self._timeline = insoles, timeline
        self._model, self._set_values = model, set_values
        self._publish, self._alert = publish, alert
        self.log = StanceLog()
        self.target: Target | None = None
        self._within: dict[int, bool | None] = {}
        # one thread: stances stay in order, and no interpreter is called by two threads at once
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="grf model")
        self._predicting: set[asyncio.Future[None]] = set()

    def predict(self, device: int, request: StanceRequest) -> None:
        """Have the model predict a stance beside the event loop, one after the other, and show it then."""
        if self._model is None:
            return
        side = self._insoles.connections[device].side
        forces = asyncio.get_running_loop().run_in_executor(
            # a copy: SET may change the values before it is the stance's turn
            self._pool,
            self._model.forces_bw,
            request.cut,
            side,
            dict(self._set_values),
        )
        task = asyncio.ensure_future(self._show_predicted(device, request, self._model, forces))
        self._predicting.add(task)
        task.add_done_callback(self._predicting.discard)

    async def _show_predicted(
        self, device: int, request: StanceRequest, model: LiveModel, forces: Awaitable[dict[str, Floats]]
    ) -> None:
        try:
            axes = await forces
        except GrfError as error:
            self._insoles.connections[device].report_problem(str(error))
            return
        cut, half = request.cut, model.half_width_bw
        self.show(
            device, Contact(request.start_s, cut.contact_s, axes, "BW", "host", cut.missed, request.arrival_ns, half)
        )

    def show(self, device: int, contact: Contact) -> None:
        """Publish a contact with its features, and judge it by the target."""
        side = self._insoles.connections[device].side
        values = features(contact)
        start_s = contact.start_s - self._timeline.origin_ns * 1e-9
        flight_s = self._flight_s(device, contact.start_s)
        if flight_s is not None:
            values["flight_s"] = flight_s
        within = self.target.holds(side, values) if self.target and not contact.missed else None
        low, high = interval(contact)
        stance = StanceShown(
            device=device,
            number=self.log.counts.get(device, 0),
            start_s=start_s,
            contact_s=contact.contact_s,
            axes={name: on_points(curve) for name, curve in contact.axes.items()},
            unit=contact.unit,
            source=contact.source,
            features=values,
            low=low,
            high=high,
            missed=contact.missed,
            latency_ms=self._timeline.late_ms(contact.arrival_ns),
            within=within,
            era=self._insoles.feet[device].era,
        )
        self.log.add(stance)
        self._publish(stance)
        if not contact.missed:
            self._judge(device, side, within, values)

    def _flight_s(self, device: int, start_s: float) -> float | None:
        """Return how long both feet were in the air before a contact, by the cells of both.

        None in walking, where a contact may be missing between, and while the clocks are too uncertain.
        """
        feet, others = self._insoles.feet, self._insoles.other_feet(device)
        uncertainties = [feet[k].uncertainty_ms for k in (device, *others)]
        start = feet[device].track.start_near(start_s)
        if len(others) != 1 or start is None or any(u is None or u > _FLIGHT_UNSURE_MS for u in uncertainties):
            return None
        since = feet[others[0]].track.in_air_since(start)
        flight_s = math.inf if since is None else start - since
        return flight_s if 0 < flight_s <= _LONGEST_FLIGHT_S else None

    def _judge(self, device: int, side: str, within: bool | None, values: dict[str, float]) -> None:
        """Alert when a foot leaves the target; not again until it has kept to it meanwhile."""
        before, self._within[device] = self._within.get(device), within
        if within is False and before is not False and self.target is not None:
            value = values[self.target.feature]
            self._alert(device, f"{side}: {self.target.feature} is {value:.3g}, wanted {self.target.words()}")

    def aim(self, target: Target | None) -> None:
        """Judge by another target, or by none."""
        self.target = target
        self._within.clear()

    def target_state(self) -> dict[str, Any] | None:
        """Return what a snapshot says of the target."""
        target = self.target
        if target is None:
            return None
        within = {str(k): self._within.get(k) for k in range(len(self._insoles.feet))}
        return {
            "feature": target.feature,
            "low": target.low,
            "high": target.high,
            "side": target.side,
            "within": within,
        }

    def asymmetry_percent(self) -> dict[str, float | None]:
        """Return left against right by feature; of another runner's pair with the first device's number before it."""
        percent: dict[str, float | None] = {}
        for left, right in self._insoles.pairs():
            prefix = f"{left}:" if left else ""
            percent |= {prefix + name: value for name, value in self.log.asymmetry_percent(left, right).items()}
        return percent

    async def settle(self) -> None:
        """Wait for predictions under way."""
        if self._predicting:
            await asyncio.wait(self._predicting)

    def close(self) -> None:
        """End the thread that predicts."""
        self._pool.shutdown()
