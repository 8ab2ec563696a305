"""Networks of pictures on the way to eight bits: 3D convolutions over stacked frames are exact, files mean the same."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from grfkit.deploy.from_pictures import picture_plan
from grfkit.deploy.picture_bundle import export_picture_bundle, verified
from grfkit.deploy.picture_parity import answer_of, voxel_of
from grfkit.errors import BadInputError, RefusedError
from grfkit.estimation.open_model import open_model
from grfkit.learn.folds import Fold
from grfkit.learn.model import predict
from grfkit.learn.networks import Shape, build, network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from test_film_pictures import a_set

AXES = ("vgrf", "apgrf")
SMALL = {"rows": 12, "columns": 10, "hidden": 3, "head": (5,), "before": 3}
TRIED = {
    "2D": {"name": "film_cnn2d", "kernel": 3, "layers": 2},
    "2D, an even kernel, stride": {"name": "film_cnn2d", "kernel": 4, "stride": 2, "layers": 1, "convolutions": 2},
    "3D": {"name": "film_cnn3d", "kernel": 3, "layers": 2, "depth": 2},
    "3D as published": {
        "name": "film_cnn3d", "kernel": 3, "layers": 2, "depth": 2, "convolutions": 2, "pool": 3, "pool_stride": 1,
        "widening": 1, "norm": False,
    },
    "3D of three frames": {"name": "film_cnn3d", "kernel": 3, "layers": 1, "depth": 3, "after": 1},
    "components": {"name": "film_mlp", "components": 6, "after": 2},
}  # fmt: skip


def a_network(**settings: Any) -> Any:
    """Return a network whose weights, norms and components are random."""
    network = build(network_config(**(SMALL | settings)), Shape(120, 0, len(AXES)), seed=3)
    torch.manual_seed(3)
    with torch.no_grad():
        for module in network.modules():
            if hasattr(module, "running_var"):
                module.running_var.uniform_(0.5, 2.0)
                module.running_mean.uniform_(-0.5, 0.5)
        if hasattr(network.body, "basis"):
            network.body.basis.normal_(0.0, 0.2)
            network.body.mean.uniform_()
            network.body.size.uniform_(0.5, 2.0)
    return network.eval()


def a_model(network: Any) -> Any:
    """Return what the plan needs of a model: its network, and a scaler that changes nothing."""
    scaler = SimpleNamespace(
        axes=AXES, target_centre=(0.0, 0.0), target_size=(1.0, 1.0), target="bw",
    )  # fmt: skip
    return SimpleNamespace(network=network, spec=SimpleNamespace(scaler=scaler))


@pytest.mark.parametrize("answer", ["soft", "squared"])
@pytest.mark.parametrize("tried", TRIED)
def test_stacked_frames_answer_as_the_network_does(tried: str, answer: str) -> None:
    network = a_network(**TRIED[tried], answer=answer)
    model = a_model(network)
    pictures = torch.rand(2, 7, 120)
    with torch.no_grad():
        expected = network(pictures).numpy().reshape(-1, len(AXES))
    plan = picture_plan(model)
    inputs = np.concatenate([voxel_of(model).of(clip.numpy()) for clip in pictures])
    found = answer_of(model, plan).bw(plan.run(inputs)[:, 0], 70.0)
    assert np.abs(found - expected).max() < 1e-5 * max(1.0, np.abs(expected).max())


def test_units_over_the_clip_are_refused() -> None:
    model = a_model(a_network(name="film_cnn2d_gru", kernel=3, layers=1, recurrent=4, before=0))
    with pytest.raises(BadInputError, match=r"film_cnn2d_gru.*film_cnn2d, film_cnn3d, film_mlp"):
        picture_plan(model)


def test_a_bundle_of_pictures_answers_as_the_model_and_is_proven_again(tmp_path: Path) -> None:
    data = a_set("abcd")
    config = network_config(
        "film_cnn2d", rows=6, columns=6, kernel=3, layers=1, hidden=4, head=(8,), answer="absolute", before=1
    )
    fold = Fold("x", ("a", "b", "c"), (), ("d",))
    train = TrainConfig(scaling="none", target="bw", batch=2, lr=1e-2, epochs=15, patience=0)
    model = fit(config, train, data.without("d"), fold)
    model.save(tmp_path / "model")
    made = export_picture_bundle(tmp_path / "model", tmp_path / "int8", held_out=data.of(["d"]))
    assert made.on == "held-out people"
    assert made.participants == ("d",)
    assert all(f.kept for f in made.parity)
    opened = open_model(tmp_path / "int8")
    off = opened.predict(data.of(["d"])) - predict(model, data.of(["d"]))
    assert np.sqrt(np.mean(off**2)) < 0.02
    assert any("golden inputs" in line for line in verified(tmp_path / "int8"))
    file = tmp_path / "int8" / "model.tflite"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RefusedError, match="was changed"):
        open_model(tmp_path / "int8")
