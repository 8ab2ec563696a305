"""grf-quantize as installed: exit codes, what goes where, and nothing left behind."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from bundle_models import STRANGER, Small, need_tensorflow, small
from grfkit.cli.quantize import main
from grfkit.cli.quantize_run import boards_of, export_words
from grfkit.errors import BadInputError
from grfkit.runtime.manifest import Manifest

SCRIPT = Path(sys.executable).parent / "grf-quantize"


@pytest.fixture(scope="module")
def made() -> Small:
    need_tensorflow()
    return small()


def here(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with patch.object(sys, "argv", ["grf-quantize", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def converted_once(made: Small):
    from grfkit.deploy import bundle

    return patch.object(bundle, "convert_model", lambda *_, **__: made.converted)


def test_help_answers_without_heavy_imports() -> None:
    if not SCRIPT.exists():
        pytest.skip("grf-quantize is not installed as a script here")
    for arguments in (["--help"], ["export", "--help"], ["verify", "--help"]):
        done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0
        assert "Exit codes: 0 done, 2 input" in " ".join(done.stdout.split())
        code = (
            f"import sys; sys.argv = ['grf-quantize', *{arguments}]\nfrom grfkit.cli.quantize import main\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            "heavy = ('numpy', 'scipy', 'xarray', 'torch', 'tensorflow', 'tf_keras', 'ai_edge_litert')\n"
            "print([m for m in heavy if m in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stderr.strip() == "[]"


def test_functions_and_commands_have_the_same_defaults() -> None:
    import typer

    from grfkit.cli.quantize import app
    from grfkit.deploy.bundle import UNSTATED, export_bundle
    from grfkit.deploy.verify import verify_bundle

    commands = typer.main.get_command(app).commands
    for name, function in (("export", export_bundle), ("verify", verify_bundle)):
        options = {o.name: o.default for o in commands[name].params}
        options["boards"] = boards_of(options["boards"])
        for key, parameter in inspect.signature(function).parameters.items():
            if key in options and parameter.default is not parameter.empty:
                assert (options[key] or None) == (parameter.default or None) or (
                    key == "licence" and not options[key] and parameter.default == UNSTATED
                ), key


def test_export_and_verify_from_the_command_line(
    made: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "edge"
    with converted_once(made):
        code, said, err = here(
            capsys, "export", made.model, "--out", out, "--held-out", made.stranger, "--boards", "none", "--json"
        )
        assert code == 0, err
        told = json.loads(said)
        assert told["parity"]["participants"] == [STRANGER]
        assert told["folder"] == str(out)
        code, said, err = here(capsys, "export", made.model, "--out", out, "--boards", "none")
        assert (code, said) == (2, "")
        assert "use --force" in err
        code, said, err = here(capsys, "export", made.model, "--out", out, "--boards", "none", "--force")
        assert code == 0, err
    assert "training people" in said
    assert "note: no held-out people were at hand" in said
    code, said, err = here(capsys, "verify", out, "--boards", "none", "--json")
    assert code == 0, err
    assert all(p["proven"] for p in json.loads(said)["proofs"] if p["name"] != "C")
    code, said, _ = here(capsys, "verify", out, "--boards", "none")
    assert code == 0
    assert "proven: LiteRT" in said
    assert "proven: boards: the bundle has no counts of them: no board was asked for" in said
    assert here(capsys, "verify", out, "--boards", "uno")[0] == 2


def test_verify_says_what_a_machine_without_the_tools_cannot_prove(
    made: Small, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from grfkit.deploy import verify as verifying
    from grfkit.deploy import verify_c

    monkeypatch.setattr(verify_c, "compiler", lambda: None)
    monkeypatch.setattr(verifying, "available", lambda: ("litert",))
    monkeypatch.setattr(verify_c, "missing", lambda: "qemu-system-arm missing")
    code, said, err = here(capsys, "verify", made.bundle, "--boards", "mps2-an386")
    assert code == 0, err
    for name in ("TFLite Micro", "C", "boards"):
        assert f"NOT PROVEN HERE: {name}:" in said
    assert "nothing wrong was found, but 3 of 10 were not proven here" in said
    code, said, err = here(capsys, "verify", made.bundle, "--json")
    assert len(json.loads(said)["not_proven"]) >= 2


def test_tensorflow_s_remarks_stay_off_the_terminal(made: Small, tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from grfkit.cli.terminal import quiet_console\n"
        "with quiet_console() as console, console.status('at work'):\n"
        "    os.write(2, b'INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nmine\\n')\n"
        "    console.print('seen')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "mine"
    assert "seen" in done.stderr
    out = tmp_path / "e.nc"
    code = f"import sys; from grfkit.cli import estimate; sys.argv = {['x', str(made.bundle), str(made.stranger)]!r}"
    code += f" + ['--out', {str(out)!r}]; estimate.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "TensorFlow" not in done.stderr


def test_refusals_end_with_3_and_bad_input_with_2(
    made: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(made.bundle, tmp_path / "b"))
    (copy / "CARD.md").write_text("The best model there is.")
    code, said, err = here(capsys, "verify", copy)
    assert (code, said) == (3, "")
    assert "CARD.md: was changed" in err
    assert "Traceback" not in err
    assert here(capsys, "verify", tmp_path / "nothing")[0] == 2
    assert here(capsys, "export", tmp_path / "nothing", "--out", tmp_path / "x")[0] == 2
    assert here(capsys, "export", made.model, "--out", tmp_path / "x", "--boards", "uno")[0] == 2
    assert here(capsys, "export", made.model)[0] == 2
    assert here(capsys, "export", made.model, "--out", tmp_path / "x", "--held-out", made.known)[0] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_every_broken_bound_is_said_and_the_failed_bundle_can_be_looked_at(
    made: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from grfkit.deploy import bundle
    from grfkit.deploy.bounds import BOUNDS

    strict = BOUNDS._replace(rms_bw=0.0, float_bw=0.0)
    honest = bundle.export_bundle
    with (
        converted_once(made),
        patch.object(bundle, "export_bundle", lambda *a, **k: honest(*a, **k, bounds=strict)),
    ):
        code, said, err = here(
            capsys, "export", made.model, "--out", tmp_path / "b", "--held-out", made.stranger, "--boards", "none",
            "--keep-failed", tmp_path / "look",
        )  # fmt: skip
    assert (code, said) == (3, "")
    assert "torch to float32 TFLite" in err
    assert err.count("error added, RMS, vgrf") == 3, "in three interpreters, once each"
    *broken, last = err.strip().splitlines()
    assert len(set(broken)) == len(broken) >= 4
    assert f"{len(broken)} broken (above); train with more dropout or weight decay" in last
    assert str(tmp_path / "look") in last
    assert max(map(len, broken)) < 200
    assert len(last) - len(str(tmp_path)) * 2 < 200
    assert [p.name for p in tmp_path.iterdir()] == ["look"]


def test_boards_are_named_once_each() -> None:
    assert boards_of("all") == ("mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
    assert boards_of("none") == ()
    assert boards_of("mps2-an505, mps2-an386") == ("mps2-an505", "mps2-an386")
    for wrong in ("m4f", "mps2-an386,", "mps2-an386,mps2-an386"):
        with pytest.raises(BadInputError, match="--boards names"):
            boards_of(wrong)


def test_a_model_without_a_recipe_takes_stance_sets_and_says_so_of_trials(
    made: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from grfkit.learn.model import GrfModel
    from grfkit.learn.recipe import recipe_of_model
    from grfkit.learn.window_sources import load_sets

    model, out = tmp_path / "saved", tmp_path / "b"
    shutil.copytree(made.model, model)
    document = model / "model.json"
    told = json.loads(document.read_text())
    del told["provenance"]["configuration"]["recipe"], told["document_sha256"]
    document.write_text(json.dumps(told))
    GrfModel.load(model)
    asked = ("export", model, "--out", out, "--boards", "none")
    for option in ("--calibrate", "--held-out"):
        status, _, said = here(capsys, *asked, option, tmp_path / "nowhere.nc")
        assert (status, "nowhere.nc: does not exist" in said) == (2, True), said
        status, _, said = here(capsys, *asked, option, made.known if option == "--calibrate" else made.stranger)
        assert status == 2
        assert "is a trial, and" in said
        assert "--preset" not in said
        assert "--config" not in said
    recipe = recipe_of_model(made.model)
    for name, path in (("known.nc", made.known), ("strangers.nc", made.stranger)):
        load_sets([path], recipe).to_netcdf(tmp_path / name)
    with converted_once(made):
        status, _, said = here(
            capsys, *asked, "--calibrate", tmp_path / "known.nc", "--held-out", tmp_path / "strangers.nc"
        )
    assert status == 0, said
    assert json.loads((out / "manifest.json").read_text())["parity"]["participants"] == [STRANGER]


def test_calibration_windows_that_are_lacking_are_asked_for_by_the_option(
    made: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "saved"
    shutil.copytree(made.model, model)
    (model / "calibration.nc").unlink()
    status, _, said = here(capsys, "export", model, "--out", tmp_path / "b")
    assert status == 2
    assert "no calibration windows" in said
    assert "--calibrate" in said


def test_a_refusal_is_one_line_on_a_stderr_that_is_no_terminal(made: Small, tmp_path: Path) -> None:
    code = "import sys; from grfkit.cli.quantize import main; sys.argv = ['grf-quantize', *sys.argv[1:]]; main()"
    asked = ["export", str(made.model), "--out", str(tmp_path / "b"), "--calibrate", str(tmp_path / "nowhere.nc")]
    done = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"grf-quantize: {tmp_path / 'nowhere.nc'}: does not exist\n"


def test_what_is_said_of_a_bundle_says_what_eight_bits_cost_beside_the_mean_curve() -> None:
    path = Path(__file__).parents[1] / "firmware_models" / "tcn_simulated" / "manifest.json"
    manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    error = manifest.parity.axes["vgrf"]
    said = export_words(Path("b"), manifest)
    assert f"vgrf: RMSE {error['rmse_bw int8']:.4f} BW in int8, {error['rmse_bw torch']:.4f} before" in said
    assert f"{error['rmse_bw mean curve']:.4f} of the mean curve, on held-out people" in said
    parity = manifest.parity.model_copy(update={"on": "training people"})
    assert "which says nothing of somebody new" in export_words(
        Path("b"), manifest.model_copy(update={"parity": parity})
    )
