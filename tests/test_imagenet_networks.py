"""Networks of images over signals: the picture, the published sizes, weights from a user's file, what is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from grfkit.errors import BadInputError
from grfkit.learn.everyone import whole_fold
from grfkit.learn.model import GrfModel
from grfkit.learn.networks import Shape, build, imagenet, imagenet_network_names, network_config
from grfkit.learn.networks.imagenet import ImagenetBody
from grfkit.learn.networks.inception3 import Inception3
from grfkit.learn.networks.planes import completed, picture, planes_of
from grfkit.learn.networks.resnet50 import Resnet50
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from test_learn_chosen import made_up

SMALL = {"resnet50": 64, "inception3": 96}


@pytest.mark.parametrize(
    ("trunk", "parameters", "names_and_shapes"),
    [
        # 25,557,032 and 27,161,264 are published with the classifiers; digests: all names and shapes of torchvision's
        # state_dict but those of the classifiers, outputs compared with its networks once (differences of 0)
        (Resnet50, 25_557_032 - 2_049_000, "235adc60434f8b2d889284dec59eab45ae04b1f05ad39c1c9818ef39da7547b6"),
        (Inception3, 21_785_568, "53dfbd0c1bd592f43bd9a5c50b8fb183575be4d885e6f9835ec99912ac69d1f7"),
    ],
)
def test_trunks_have_the_published_parameters_under_the_published_names(
    trunk: type[torch.nn.Module], parameters: int, names_and_shapes: str
) -> None:
    with torch.device("meta"):
        made = trunk()
    assert sum(p.numel() for p in made.parameters()) == parameters
    listed = sorted([k, list(v.shape)] for k, v in made.state_dict().items() if not k.endswith("tracked"))
    assert hashlib.sha256(json.dumps(listed).encode()).hexdigest() == names_and_shapes


def test_places_are_rows_and_their_axes_are_colours() -> None:
    channels = ["hip_x", "knee_y", "hip_y", "load", "hip_z", "acc_x_foot", "acc_y_foot", "acc_z_foot"]
    planes = planes_of(channels)
    assert planes == ((0, 2, 4), (1, 1, 1), (3, 3, 3), (5, 6, 7))
    assert completed(planes, 10)[4:] == ((8, 8, 8), (9, 9, 9))
    inputs = torch.arange(24.0).reshape(1, 3, 8)
    image = picture(inputs, torch.tensor(planes), 4)
    assert image.shape == (1, 3, 4, 4)
    # 4 rows, so that each row of the picture is one; the first and last columns are the first and last samples
    np.testing.assert_allclose(image[0, :, 0, 0], [0.0, 2.0, 4.0])
    np.testing.assert_allclose(image[0, :, 3, -1], [21.0, 22.0, 23.0])
    np.testing.assert_allclose(image[0, :, 1, 0], [1.0, 1.0, 1.0])


@pytest.mark.parametrize("name", imagenet_network_names())
def test_lengths_are_kept_statics_matter_and_every_parameter_is_in_a_stage(name: str) -> None:
    config = network_config(name, pixels=SMALL[name], hidden=8, statics_by="film")
    network = build(config, Shape(5, 2, 3), seed=1).eval()
    torch.nn.init.constant_(network.film.net[2].weight, 0.1)
    x, s = torch.randn(2, 23, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([[0.0, 1.0]] * 2)
    with torch.no_grad():
        out, other, later = network(x, s), network(x, s + 1), network(x.flip(1), s)
    assert out.shape == (2, 23, 3)
    assert (out - other).abs().max() > 1e-5
    assert (out - later).abs().max() > 1e-6
    staged = [id(p) for stage in network.stages() for p in stage]
    assert sorted(staged) == sorted(id(p) for p in network.parameters())


def weights(path: Path, *, seed: int = 3) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state = Resnet50().state_dict() | {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return state


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_users_own_weights_are_the_start_and_their_digest_is_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    state = weights(path)
    data = made_up("abc", each=2)
    config = network_config("resnet50", pixels=64, hidden=8, trunk="frozen", imagenet=str(path))
    model = fit(config, TrainConfig(epochs=1, patience=0, batch=4), data, whole_fold(data, 0))
    told = model.spec.network
    assert told["imagenet_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told["planes"]
    trunk = model.network.body.trunk
    # frozen: neither weights nor the statistics of the norms have moved
    assert all(torch.equal(trunk.state_dict()[k], state[k]) for k in trunk.state_dict() if not k.endswith("tracked"))
    others = made_up("de", each=2)
    before = model.predict(others)
    model.save(tmp_path / "model")
    path.unlink()
    np.testing.assert_allclose(GrfModel.load(tmp_path / "model").predict(others), before, atol=2e-3)


def test_files_that_are_no_weights_are_refused_and_nothing_else_is_unpickled(tmp_path: Path) -> None:
    data = made_up("abc", each=2)

    def start(path: Path, name: str = "resnet50") -> None:
        config = network_config(name, pixels=SMALL[name], hidden=8, imagenet=str(path))
        fit(config, TrainConfig(epochs=1, patience=0), data, whole_fold(data, 0))

    with pytest.raises(BadInputError, match="cannot be read"):
        start(tmp_path / "none.pth")
    evil = tmp_path / "evil.pth"
    evil.write_bytes(pickle.dumps(print))
    with pytest.raises(BadInputError, match="is no file of weights"):
        start(evil)
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("weights")
        with pytest.raises(BadInputError, match="is no file of weights"):
            start(tmp_path / name)
    for content in (b"", b"."):
        (tmp_path / "lost.pth").write_bytes(content)
        with pytest.raises(BadInputError, match=rf"not a whole one \({len(content)} bytes\)"):
            start(tmp_path / "lost.pth")
    path = tmp_path / "resnet.pth"
    state = weights(path)
    with pytest.raises(BadInputError, match="holds no weights of inception3"):
        start(path, "inception3")
    torch.save(state | {"conv1.weight": torch.zeros(64, 1, 7, 7)}, path)
    with pytest.raises(BadInputError, match=r"'conv1.weight' has shape \(64, 1, 7, 7\), expected \(64, 3, 7, 7\)"):
        start(path)
    torch.save(state | {"bn1.bias": torch.full((64,), torch.nan)}, path)
    with pytest.raises(BadInputError, match="not finite"):
        start(path)
    torch.save([1, 2], path)
    with pytest.raises(BadInputError, match="no state_dict"):
        start(path)


def test_a_frozen_trunk_of_random_weights_gives_numbers_of_use_and_each_window_passes_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = made_up("abc", each=2)
    maps: list[torch.Tensor] = []
    whole = ImagenetBody._map
    monkeypatch.setattr(ImagenetBody, "_map", lambda body, part: maps.append(whole(body, part)) or maps[-1])
    # the one whose numbers grow most
    config = network_config("inception3", pixels=SMALL["inception3"], hidden=8, trunk="frozen")
    model = fit(config, TrainConfig(epochs=4, patience=0, batch=4), data, whole_fold(data, 0))
    # once together for the statistics of the norms, once one by one for the four epochs
    assert [len(columns) for columns in maps] == [data.size, *[1] * data.size]
    # as they came from the random weights alone, Inception's were about 100,000
    assert 0.1 < float(torch.cat(maps[1:]).std()) < 10
    others = made_up("de", each=2)
    before = model.predict(others)
    assert np.isfinite(before).all()
    np.testing.assert_allclose(model.predict(others), before)
    maps.clear()
    # another decoder on the same trunk finds the columns of these windows there, and the other training its bits again
    wider = config.model_copy(update={"head": (16,)})
    fit(wider, TrainConfig(epochs=2, patience=0, batch=4), data, whole_fold(data, 0))
    assert [len(columns) for columns in maps] == [data.size]
    imagenet._KEPT.of("")
    again = fit(config, TrainConfig(epochs=4, patience=0, batch=4), data, whole_fold(data, 0))
    np.testing.assert_array_equal(again.predict(others), before)
