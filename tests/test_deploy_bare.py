"""A convolutional network whose output follows its last block at once: the converter ends it with a reshape."""

from __future__ import annotations

import pytest

from grfkit.deploy.convert import convert_model
from grfkit.deploy.emit_c import c_model
from grfkit.deploy.from_torch import plan_inputs
from grfkit.deploy.gate import passed
from grfkit.deploy.parity import parity
from grfkit.deploy.repair import OUTPUT_MARGIN
from grfkit.learn.folds import Fold
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from test_deploy_files import pytestmark, smooth_stances

__all__ = ["pytestmark"]


def test_a_network_without_head_and_statics_is_converted_and_keeps_every_bound() -> None:
    data = smooth_stances(each=12)
    fold = Fold("f", ("a", "b", "c"), (), ("d", "e"))
    config = TrainConfig(epochs=40, lr=1e-2, batch=16, patience=0)
    model = fit(network_config("tcn", hidden=8, layers=2, kernel=3, head=(), dropout=0.1), config, data.of("abc"), fold)
    made = convert_model(model, kinds=("float32", "int8"))
    assert made.files["int8"].operators[-1].name == "RESHAPE"
    wide = made.files["int8_as_converted"].output.scale * OUTPUT_MARGIN
    assert made.files["int8"].output.scale == pytest.approx(wide, rel=1e-6), "somebody new presses harder"
    passed(made.files["int8"])
    assert not parity(model, made.plan, made.files, data.of("de")).failed
    assert len(made.mean_error) == 2
    assert c_model(made.files["int8"], "bare").name == "bare"
    assert plan_inputs(model, data).shape[2] == 5
