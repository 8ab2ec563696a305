"""What runs a bundle on a virtual insole: LiteRT, TFLite Micro, or the bundle's own C as a shared library."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bumble")

from firmware_c import need, need_compiler
from grfkit import wire
from grfkit.errors import BadInputError, RefusedError
from grfkit.virtual.run import InsoleRequest, run_insoles
from grfkit.virtual.source import Phantom, phantom
from grfkit.virtual.stance import OnDeviceModel
from grfkit.wire import SettingKey

SHIPPED = Path(__file__).resolve().parents[1] / "firmware_models" / "bilstm_simulated"


@pytest.fixture(scope="module")
def bundle() -> Path:
    if not (SHIPPED / "manifest.json").is_file():
        pytest.skip(f"{SHIPPED.name} is not in firmware_models")
    return SHIPPED


@pytest.fixture(scope="module")
def runner() -> Phantom:
    return phantom(seed=7_302, duration_s=12.0, rate_hz=200.0, loops=False)


def stances(bundle: Path, backend: str, runner: Phantom, side: str) -> list[tuple[float, wire.StanceReport]]:
    source = runner.sources[side]
    model = OnDeviceModel(bundle, backend)(
        source, 200, {SettingKey.MASS: 71.0, SettingKey.SPEED: 3.1, SettingKey.SLOPE: 0.0}
    )
    return model.push(*source.rows(0, 2400))


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_c_sends_what_litert_sends_within_four_steps_and_what_tflite_micro_sends_exactly(
    bundle: Path, runner: Phantom, side: str
) -> None:
    need("ai_edge_litert")
    need_compiler()
    in_c, litert = (stances(bundle, one, runner, side) for one in ("c", "litert"))
    assert len(in_c) == len(litert) > 8
    for (start, one), (other_start, other) in zip(in_c, litert):
        assert (start, one.model_id, one.axes, one.contact_s) == (
            other_start,
            other.model_id,
            other.axes,
            other.contact_s,
        )
        assert np.abs(one.curve.astype(int) - other.curve.astype(int)).max() <= 4
    assert len({one.curve.tobytes() for _, one in in_c}) == len(in_c), "each stance has an answer of its own"
    need("tflite_micro")
    micro = stances(bundle, "tflm", runner, side)
    assert [one.curve.tobytes() for _, one in in_c] == [one.curve.tobytes() for _, one in micro]


def test_c_that_was_changed_is_not_compiled(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    with (copy / "runtime" / "grf_lstm.c").open("a") as one:
        one.write("/* one more */\n")
    with pytest.raises(RefusedError, match=r"grf_lstm\.c"):
        OnDeviceModel(copy, "c")


def test_a_backend_without_a_bundle_is_refused() -> None:
    with pytest.raises(BadInputError, match="--on-device"):
        asyncio.run(run_insoles(InsoleRequest(backend="c"), lambda _: None))
