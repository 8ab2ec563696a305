"""A trained model on the host, fed with an insole's raw packets: the windows, the hub, and what losses do to both."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")
pytest.importorskip("torch")

from grfkit.calibrate.scale_documents import FootScale, LoadScale
from grfkit.dataset.cut import CutRequest
from grfkit.dataset.windows import trial_windows
from grfkit.device.session import Samples, Session, TimedItem
from grfkit.learn.model import GrfModel
from grfkit.learn.recipe import Recipe
from grfkit.learn.train_config import TrainConfig
from grfkit.learn.training_job import train_model
from grfkit.monitor.hub import HubSettings
from grfkit.monitor.live import LiveFoot, StanceRequest
from grfkit.monitor.live_calibration import NAMES, LiveCalibration
from grfkit.monitor.live_model import LiveModel, open_live_model
from grfkit.records.stance_set import StanceSet, join, make_stance_set
from grfkit.virtual.insole import InsoleSettings
from grfkit.virtual.source import SampleSource, phantom
from grfkit.virtual.stream import Faults
from grfkit.wire import Info, Running
from monitor_room import lab, until
from test_learn_trials import LAB, trial

POINTS = 41


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hardly trained model of insole counts: it hears all, and what it says means nothing."""
    return trained(tmp_path_factory.mktemp("models") / "insole")


def trained(folder: Path, newtons: float = 0.0) -> Path:
    """Write the model; of newtons where it is said how many a count is."""
    cut = CutRequest(points=POINTS, kinds=("insole",))
    sets = [trial_windows(trial(LAB, participant=name), cut) for name in ("P1", "P2")]
    if newtons:
        sets = [
            StanceSet(
                s.data.assign(inputs=newtons * s.data["inputs"])
                .assign_coords(unit=("channel", np.full(len(s.channels), "N", object)))
                .assign_attrs(calibrated='{"insole": {"load_scale": ["T"]}}')
            )
            for s in sets
        ]
    recipe = Recipe(
        network={"name": "bilstm", "hidden": 8, "head": (8,)},
        train=TrainConfig(epochs=1, batch=16, lr=1e-2, threads=1),
        cut=cut,
        inner=0,
    )
    train_model(join(sets), recipe).model.save(folder)
    return folder


@pytest.fixture(scope="module")
def host(folder: Path) -> LiveModel:
    return open_live_model(folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> GrfModel:
    return GrfModel.load(folder)


@pytest.fixture(scope="module")
def source() -> SampleSource:
    return phantom(seed=3, duration_s=12.0).sources["left"]


def asked(host: LiveModel, source: SampleSource, lost: set[int], **more: Any) -> list[StanceRequest]:
    """What a foot has answered of a source's packets, some of them lost."""
    found: list[StanceRequest] = []
    options = {"refuse": pytest.fail} | more
    foot = LiveFoot(0, host, {}, show=lambda _: None, predict=found.append, **options)
    one = Session(number=1, info=Info(0, 16, 12, 16, 2000, 0), running=Running(1, 5, 200, 5000), started_ns=0)
    foot.session_began(one, None, sends=False)
    missing = 0
    for k in range(0, len(source.cells) - 4, 5):
        if k // 5 in lost:
            missing += 5
            continue
        item = Samples(k, k * 5000, 0, 0, missing, False, False, False, source.cells[k : k + 5], source.imu[k : k + 5])
        foot.take(TimedItem(item, 10.0 + np.arange(k, k + 5) / 200.0, 1.0), 7)
        missing = 0
    return found


def expected(model: GrfModel, source: SampleSource, one: StanceRequest) -> np.ndarray:
    """The model on a window made here: every cell on straight lines between samples, from contact to toe-off."""
    at = one.cut.start + one.cut.contact_s * 200.0 * np.arange(POINTS) / (POINTS - 1)
    spec = model.spec
    numbers = [int(name.split("_")[1]) - 1 for name in spec.scaler.channels]
    rows = np.arange(len(source.cells))
    window = np.stack([np.interp(at, rows, source.cells[:, n].astype(float)) for n in numbers], axis=1)
    data = make_stance_set(
        window[None],
        np.full((1, POINTS, len(spec.scaler.axes)), np.nan),
        weight=np.zeros((1, POINTS)),
        channels=spec.scaler.channels,
        units=spec.scaler.units,
        axes=spec.scaler.axes,
        labels={"participant": ["X"], "trial": ["live"], "side": ["left"]},
        scalars={"contact_s": [one.cut.contact_s]},
        window=spec.window,
        cut=spec.cut,
        source="live",
        mirrored=spec.mirrored,
    )
    return np.asarray(model.predict(data)[0])


def test_what_it_answers_is_the_model_on_the_insoles_own_samples(
    host: LiveModel, model: GrfModel, source: SampleSource
) -> None:
    assert set(model.spec.scaler.units) == {"count"}
    found = asked(host, source, set())
    assert len(found) >= 10
    for one in found:
        made = np.stack(list(host.forces_bw(one.cut, "left", {}).values()), axis=1)
        assert np.allclose(made, expected(model, source, one), atol=2e-3)
        assert one.cut.missed == 0
        assert one.start_s == pytest.approx(10.0 + one.cut.start / 200.0, abs=1e-6)


def test_a_lost_packet_is_bridged_and_told_and_two_cost_the_stance(host: LiveModel, source: SampleSource) -> None:
    whole = asked(host, source, set())
    middle = int((whole[4].cut.start + 100.0 * whole[4].cut.contact_s) / 5)
    bridged = asked(host, source, {middle})
    assert len(bridged) == len(whole)
    assert [one.cut.missed for one in bridged] == [5 * (k == 4) for k in range(len(whole))]
    peak = {name: np.abs(curve).max() for name, curve in host.forces_bw(whole[4].cut, "left", {}).items()}
    for name, curve in host.forces_bw(bridged[4].cut, "left", {}).items():
        assert np.abs(curve - host.forces_bw(whole[4].cut, "left", {})[name]).max() < 0.25 * peak[name]
    lost = asked(host, source, {middle, middle + 1})
    assert [round(one.cut.start) for one in lost] == [round(one.cut.start) for one in whole if one is not whole[4]]


def test_a_model_of_newtons_is_given_calibrated_cells_or_not_asked(
    host: LiveModel, source: SampleSource, tmp_path: Path
) -> None:
    """Its scaler takes the factor out again: what it says of newtons is what the model of counts says of counts."""
    model = open_live_model(trained(tmp_path / "newtons", newtons=0.05))
    assert (model.newtons, model.calibrated) == (True, ("load_scale",))
    foot = FootScale(stream="insole_left", scale=0.05, rest=dict.fromkeys(NAMES, 0.0), error_percent=1)
    document = LoadScale(
        name="scale", source="made for a test", unit_in="count", mass_kg=70, method="strides", feet=(foot,), n=9,
        residual_percent=1, load_max_bw=2,
    )  # fmt: skip
    (tmp_path / "scale.json").write_text(document.model_dump_json(), encoding="utf-8")
    calibration = LiveCalibration([tmp_path / "scale.json"])
    found, plain = asked(model, source, set(), calibration=calibration), asked(host, source, set())
    assert len(found) == len(plain) >= 10
    for one, other in zip(found, plain):
        np.testing.assert_allclose(one.cut.window, 0.05 * other.cut.window, rtol=1e-6)
        ours, theirs = model.forces_bw(one.cut, "left", {}), host.forces_bw(other.cut, "left", {})
        assert np.allclose(ours["v"], theirs["v"], atol=2e-3)
    told: list[str] = []
    assert not asked(model, source, set(), refuse=told.append)
    assert "insole signals are as recorded here" in told[0]
    assert "takes cells in N, and these are counts; name their --calibration" in told[1]


def test_the_hub_shows_what_the_host_answers(host: LiveModel, source: SampleSource) -> None:
    """Over GATT, 4 % of packets lost: stances in BW from the host, those with a gap marked and in no mean."""

    async def work() -> None:
        async with lab() as one:
            await one.add("left", InsoleSettings(faults=Faults(seed=5, loss=0.04)), source=source)
            hub = one.hub(HubSettings(model=host))
            async with hub:
                told = one.listen(hub)
                await hub.ready()
                await until(
                    lambda: sum(not s.missed for s in told.stances) >= 3 and any(s.missed for s in told.stances)
                )
                await until(lambda: hub.snapshot().devices[0].cadence_per_min is not None)
                state = hub.snapshot().devices[0]
            shown = told.stances
        assert {(s.source, s.unit, len(s.axes["v"])) for s in shown} == {("host", "BW", 101)}
        assert state.estimate == host.name
        assert state.stances_bridged == sum(s.missed > 0 for s in shown[: state.stances])
        kept = [s for s in shown[: state.stances][-12:] if not s.missed][-10:]
        assert state.contact_s == pytest.approx(np.mean([s.contact_s for s in kept]))
        assert state.peak == pytest.approx(np.mean([s.features["peak"] for s in kept]))

    asyncio.run(asyncio.wait_for(work(), 200))
    gc.collect()
