"""A hundred mistakes of beginners: each is refused before anything is loaded, in one line that says what to do."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from grfkit import align, simulate_trial
from grfkit.arguments import as_choice, choices_of, refuse_file_ending, refuse_other_ending
from grfkit.cli.command_line import as_typed, for_terminal
from grfkit.cli.common import EXIT_BAD_INPUT
from grfkit.cli.sync_words import table_code, table_words
from grfkit.errors import BadInputError
from grfkit.records import Surface
from grfkit.records.evidence import verdict_in_words
from grfkit.runtime.bundle_files import shipped_bundle
from grfkit.simulate.folder import csv_file, write_reference
from grfkit.sync.advice import deciding_prior_sd_s
from grfkit.sync.batch import read_table
from grfkit.sync.request import SyncRequest

FOREIGN = ("Input should", "Traceback", "Errno", "validation error", "NoneType", "in Python", "Got unexpected")
"""What no message of a command may hold: other libraries' sentences, and what is meant for callers from Python."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Work in a folder with plates, an insole, a bundle, and everything that a beginner takes for them."""
    folder = tmp_path_factory.mktemp("everyday")
    lab = simulate_trial(seed=0, duration_s=20, wearables=("insole",))
    write_reference(folder / "plates.c3d", lab)
    (folder / "insole.csv").write_text(csv_file(lab.wearables["insole"]), encoding="utf-8")
    (folder / "spaces and ü").mkdir()
    (folder / "spaces and ü" / "insole.csv").write_bytes((folder / "insole.csv").read_bytes())
    (folder / "empty.csv").touch()
    (folder / "folder").mkdir()
    (folder / "there.nc").write_text("precious")
    (folder / "letter.txt").write_text("Dear Sir,\n\nthe shoes fit.\n")
    (folder / "wrong.toml").write_text("[plate]\n")
    (folder / "broken.toml").write_text("= 3\n")
    (folder / "document.json").write_text('{"kind": "lag_table"}')
    os.symlink(shipped_bundle("bilstm_simulated"), folder / "bundle")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def ran(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command line, run within this process."""
    command, *arguments = shlex.split(line)
    main = importlib.import_module(f"grfkit.cli.{command.removeprefix('grf-')}").main
    with patch.object(sys, "argv", [command, *arguments]), pytest.raises(SystemExit) as stop:
        main()
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


BOTH = "grf-sync --reference plates.c3d --wearable insole.csv"
GOOD = f"{BOTH} --surface treadmill --out trial.nc"
MISTAKES: list[tuple[str, str]] = [
    # what is missing
    ("grf-sync", "--reference FILE, --wearable FILE, --surface treadmill|overground, --out TRIAL.nc are missing"),
    ("grf-sync --reference plates.c3d --wearable insole.csv --surface treadmill", "--out TRIAL.nc is missing"),
    (f"{BOTH} --out trial.nc", "--surface treadmill|overground is missing"),
    ("grf-sync --reference", "requires an argument"),
    ("grf-sync batch", "TABLE is missing"),
    ("grf-calibrate", "say what to do: bodyweight or imu or lag or plates or "),
    ("grf-calibrate lag", "--out LAG.json is missing"),
    ("grf-calibrate lag --out lag.json", "--reference FILE is missing"),
    ("grf-calibrate lag --reference plates.c3d --out lag.nc", "a lag document is written as JSON"),
    (
        "grf-calibrate lag --reference plates.c3d --wearable insole.csv --out lag.json",
        "between unknown clocks a lag looks like an offset",
    ),
    (
        "grf-calibrate lag --reference plates.c3d --out lag.json",
        "plates.c3d: no insole load, acceleration, heel and toe landmarks or film",
    ),
    ("grf-inspect", "FILE is missing"),
    ("grf-simulate", "say what to do: film or insole or lab or session"),
    ("grf-simulate lab", "OUT_DIR is missing"),
    ("grf-train", "TRIALS is missing"),
    ("grf-train folder", "--out is missing"),
    ("grf-evaluate", "TRIALS is missing"),
    ("grf-estimate", "MODEL is missing"),
    ("grf-estimate bundle", "RECORDING is missing"),
    ("grf-steps", "TRIALS is missing"),
    ("grf-export", "TRIAL is missing"),
    ("grf-export trial.nc --out a.csv", "--to is missing"),
    ("grf-quantize", "say what to do: export or verify"),
    ("grf-quantize export", "MODEL is missing"),
    ("grf-quantize verify", "BUNDLE is missing"),
    # options that there are not
    ("grf-sync --refrence plates.c3d", "there is no option --refrence; did you mean --reference"),
    (f"{GOOD} --mass 70", "there is no option --mass; did you mean --mass-kg?"),
    (f"{GOOD} --weight 70", "did you mean --mass-kg?"),
    (f"{GOOD} --speed 3", "did you mean --speed-m-s?"),
    (f"{GOOD} --overwrite", "did you mean --force?"),
    (f"{GOOD} --subject P01", "did you mean --participant?"),
    (f"{GOOD} --output other.nc", "did you mean --out?"),
    (f"{GOOD} --debug", "GRFKIT_DEBUG=1"),
    ("grf-sync batch table.csv --mass-kg 70", "it is one of the command without 'batch'"),
    ("grf-sync bacth table.csv", "there is no command 'bacth'; did you mean 'batch'?"),
    ("grf-sync plates.c3d insole.csv", "name it with an option, as in --wearable plates.c3d"),
    ("grf-inspect insole.csv --jsn", "did you mean --json?"),
    ("grf-simulate lab out --duration 30", "did you mean --duration-s?"),
    ("grf-simulate out", "'out' is no command; expected film or insole or lab"),
    ("grf-quantize bundle", "expected export or verify"),
    ("grf-estimate bundle insole.csv --out e.nc --mass 70", "did you mean --mass-kg?"),
    ("grf-inspect insole.csv plates.c3d", "plates.c3d is one word too many"),
    ("grf-quantize export folder --out b --calibrate a.nc b.nc", "repeat it: --calibrate A --calibrate B"),
    # values
    (f"{GOOD} --mass-kg 70,5", "--mass-kg is '70,5', expected a number with a decimal point, as in 70.5"),
    (f"{GOOD} --mass-kg heavy", "--mass-kg is 'heavy', expected a number"),
    (f"{GOOD} --mass-kg 0", "--mass-kg is 0.0, expected 10 or more"),
    (f"{GOOD} --mass-kg -70", "--mass-kg is -70.0, expected 10 or more"),
    (f"{GOOD} --mass-kg nan", "--mass-kg is nan, expected a finite number"),
    (f"{GOOD} --mass-kg inf", "--mass-kg is inf, expected a finite number"),
    (f"{GOOD} --mass-kg 70000", "--mass-kg is 70000.0, expected 250 or less"),
    (f"{GOOD} --speed-m-s 300", "--speed-m-s is 300.0, expected 15 or less"),
    (f"{GOOD} --slope-percent 100", "--slope-percent is 100.0, expected 45 or less"),
    (f"{BOTH} --surface tredmill --out trial.nc", "--surface is 'tredmill', expected 'treadmill' or 'overground'"),
    (f"{GOOD} --forward north", "--forward is 'north', expected one of +x -x +y -y +z -z"),
    (f"{GOOD} --correct everything", "correction 'everything' is not known; expected one of zero"),
    (f"{GOOD} --side middle", "--side 1 is 'middle', expected 'left' or 'right'"),
    (f"{GOOD} --prior-offset 3", "a prior needs both its offset and its SD: --prior-offset and --prior-sd"),
    (f"{GOOD} --prior-offset 3 --prior-sd 0", "--prior-sd is 0.0, expected more than 0"),
    (f"{GOOD} --prior-offset nan --prior-sd 1", "--prior-offset is nan, expected a finite number"),
    (f"{GOOD} --min-overlap-s 0", "--min-overlap-s is 0.0, expected 5 or more"),
    (f"{GOOD} --rate-hz -5", "--rate-hz is -5.0, expected more than 0"),
    ("grf-inspect insole.csv --rate-hz 0", "--rate-hz is 0, expected a rate above 0"),
    ("grf-inspect insole.csv --side middle", "--side is 'middle', expected one of 'left', 'right'"),
    ("grf-steps there.nc --which all", "--which is 'all', expected one of measured, estimated, both"),
    ("grf-steps there.nc --rule 50N", "contact rule '50N' is unknown"),
    ("grf-steps there.nc --lowpass-hz -1", "--lowpass-hz is -1"),
    ("grf-simulate lab out --people 0", "--people is 0, expected 1 or more"),
    ("grf-simulate lab out --people 1.5", "--people is '1.5', expected a whole number"),
    ("grf-simulate lab out --surface grass", "--surface is 'grass', expected 'treadmill', 'overground' or 'both'"),
    ("grf-simulate lab out --gait fly", "--gait is 'fly', expected 'run' or 'walk'"),
    ("grf-simulate lab out --duration-s -3", "--duration-s is -3.0, expected 20 or more"),
    ("grf-train folder --out m --epochs 0", "--epochs is '0', expected 1 or more"),
    ("grf-train folder --out m --epochs many", "--epochs is 'many', expected a whole number"),
    ("grf-train folder --out m --network bilstmm", "there is no network 'bilstmm'; there are bilstm"),
    ("grf-train folder --out m --preset carter", "there is no preset 'carter'; there are carter2024"),
    ("grf-train folder --out m --kind faithful", "--kind says how to take a --preset; name one"),
    ("grf-train folder --out m --regime Z", "--regime is 'Z', expected nothing, 'A', 'B'"),
    ("grf-train folder --out m --device gpu", "device 'gpu' cannot be used here; take cpu"),
    ("grf-evaluate folder --split kfold", "--split is 'kfold', expected 'loso', 'grouped_kfold'"),
    ("grf-evaluate folder --regimes A,Z", "--regimes names 'Z', expected some of A, B"),
    ("grf-evaluate folder --personalise 1,x", "--personalise is '1,x', expected different whole numbers"),
    ("grf-evaluate folder --workers -1", "--workers is '-1', expected 0 or more"),
    ("grf-estimate bundle insole.csv --out e.nc --mass-kg -1", "--mass-kg is -1.0, expected 10 or more"),
    (
        "grf-estimate bundle insole.csv --out e.nc --cut eyes",
        "which cannot be run on a recording; expected one of insole_causal",
    ),
    ("grf-estimate bundle insole.csv --out e.mot --insole fsr99", "'insoles/fsr99' is not known"),
    ("grf-quantize export folder --out b --boards uno", "--boards names 'uno'; expected each once of mps2-an386"),
    # files that are missing, empty, folders, or of another kind
    (GOOD.replace("plates.c3d", "none.c3d"), "none.c3d: cannot be read (No such file or directory)"),
    (GOOD.replace("insole.csv", "none.csv"), "none.csv: cannot be read (No such file or directory)"),
    (GOOD.replace("insole.csv", "folder"), "folder: is a folder; name one file in it"),
    (GOOD.replace("insole.csv", "empty.csv"), "empty.csv: is empty (0 bytes)"),
    (GOOD.replace("insole.csv", "letter.txt"), "letter.txt: is of no format that grfkit reads"),
    (GOOD.replace("insole.csv", "insole.csv,plates.c3d"), "name each file with an option of its own: --wearable A"),
    (GOOD.replace("insole.csv", "insole.csv insole.csv"), "name the same file twice"),
    (f"{GOOD} --column-map none.toml", "none.toml: cannot be read"),
    (f"{GOOD} --column-map broken.toml", "broken.toml: is no"),
    (f"{GOOD} --plates none.toml", "none.toml"),
    (f"{GOOD} --plates wrong.toml", "plate is an empty dict, expected a list"),
    (f"{GOOD} --calibration none.json", "none.json: cannot be read"),
    (f"{GOOD} --calibration insoles/none", "'insoles/none' is not known"),
    (f"{GOOD} --calibration document.json", "document.json: is no calibration document: "),
    (f"{GOOD} --calibration lags/default --calibration lags/default", "is a second lag table"),
    ("grf-inspect folder", "folder: is a folder; name one file in it"),
    ("grf-inspect none.c3d", "none.c3d: cannot be read (No such file or directory)"),
    ("grf-inspect plates.c3d --plates none.toml", "none.toml"),
    ("grf-train none.nc --out m", "none.nc: does not exist"),
    ("grf-steps none.nc", "none.nc"),
    ("grf-export none.nc --to csv --out a.csv", "none.nc"),
    ("grf-export none.nc --to xls --out a.xls", "--to is 'xls', expected one of csv, parquet"),
    ("grf-export none.nc --to csv --out there.nc", "there.nc: ends in '.nc', expected .csv, or a folder"),
    ("grf-export none.nc --to csv --out folder/none/a.csv", "its folder does not exist"),
    ("grf-export none.nc --to bids --out data.tsv", "expected a folder without an ending"),
    ("grf-export none.nc --to bids --out data --task 'my run'", "--task is 'my run', expected letters and digits"),
    ("grf-export none.nc --to bids --out folder/data", "none.nc"),
    ("grf-export none.nc --to c3d --out walk.mot", "ends in '.mot', expected .c3d"),
    ("grf-export none.nc --to opensim --out walk", "ends in '', expected .mot"),
    ("grf-export none.nc --to mat --out a.mat --unknown zero", "--unknown is 'zero', expected refuse or cut"),
    ("grf-export none.nc --to mat --out a.mat --rate-hz 100", "--rate-hz is for one table"),
    ("grf-steps folder", "folder: holds no .nc file; name a folder of trials"),
    ("grf-steps folder --out steps.xlsx", "steps.xlsx: ends in '.xlsx', expected one of .csv, .parquet, .json"),
    ("grf-steps folder --out there.nc", "there.nc: ends in '.nc'"),
    ("grf-train folder --out m", "folder: holds no .nc file"),
    ("grf-train insole.csv --out m", "insole.csv: is no netCDF4 file; name trials that grf-sync wrote"),
    ("grf-train folder --out m --config none.toml", "none.toml: cannot be read"),
    ("grf-estimate insole.csv bundle --out e.nc", "are model and recording exchanged?"),
    ("grf-quantize export bundle --out b", "bundle: is a bundle already; name the folder that grf-train wrote"),
    ("grf-quantize verify folder", "folder: is no bundle of grf-quantize"),
    # exchanged
    (
        "grf-sync --reference insole.csv --wearable plates.c3d --surface treadmill --out trial.nc",
        "are the two exchanged? Take --reference plates.c3d --wearable insole.csv",
    ),
    # what is to be written
    (GOOD.replace("trial.nc", "trial.csv"), "trial.csv: a trial is written as netCDF4, so its name ends in .nc"),
    (GOOD.replace("trial.nc", "trial"), "take trial.nc"),
    (GOOD.replace("trial.nc", "folder"), "folder: is a folder; name a file to write"),
    (GOOD.replace("trial.nc", "there.nc"), "there.nc: exists; use --force to overwrite it"),
    (GOOD.replace("trial.nc", "none/trial.nc"), "its folder does not exist"),
    (f"{GOOD} --report page.pdf", "page.pdf: a report is written as HTML, so its name ends in .html"),
    (f"{GOOD} --report trial.nc", "name the same file"),
    ("grf-simulate lab out.csv", "a lab is a folder, and this is the name of a file; take out"),
    ("grf-simulate insole --truth truth.csv", "the truth is written as JSON"),
    ("grf-simulate insole --plate plate.csv", "the plate is written as C3D"),
    ("grf-train folder --out model.pt", "a model is a folder, and this is the name of a file; take model"),
    ("grf-train folder --out none/model", "its folder does not exist"),
    ("grf-evaluate folder --report page.pdf", "a report is written as HTML"),
    ("grf-estimate bundle insole.csv --out e.xlsx", "ends in '.xlsx', expected one of .nc, .csv, .mot"),
    ("grf-estimate bundle insole.csv --out e", "has no ending, expected one of .nc, .csv, .mot"),
    ("grf-quantize export folder --out b.tflite", "a bundle is a folder, and this is the name of a file; take b"),
]


@pytest.mark.parametrize(("line", "words"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_refused_in_one_line_that_says_what_to_do(
    home: Path, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    before = sorted(p.name for p in home.iterdir())
    code, out, err = ran(line, capsys)
    assert code == EXIT_BAD_INPUT
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith(f"{line.split()[0]}: ")
    assert words in last
    assert not any(piece in err for piece in FOREIGN)
    assert sorted(p.name for p in home.iterdir()) == before
    assert (home / "there.nc").read_text() == "precious"


TABLES: list[tuple[str, str]] = [
    ("", "holds no row and no heading; its first line names the columns"),
    ("reference,wearable,surface,out\n", "holds no row"),
    ("reference,wearable,surface\na,b,treadmill\n", "column out is missing"),
    ("reference,wearable,out\na,b,c.nc\n", "column surface is missing"),
    ("reference,wearable,surface,out,speeed_m_s\na,b,treadmill,c.nc,3\n", "did you mean 'speed_m_s'?"),
    ("reference,wearable,surface,out,out\na,b,treadmill,c.nc,d.nc\n", "has the column 'out' twice"),
    ("reference,wearable,surface,out\na,b,tredmill,c.nc\n", "row 1, surface is 'tredmill'"),
    ("reference,wearable,surface,out\na,b,,c.nc\n", "row 1 has no 'surface'"),
    ("reference,wearable,surface,out\na,,treadmill,c.nc\n", "row 1 has no 'wearable'"),
    ("reference,wearable,surface,out\na,b,treadmill,c.csv\n", "row 1, .*a trial is written as netCDF4"),
    ("reference,wearable,surface,out,report\na,b,treadmill,c.nc,d.pdf\n", "row 1, .*a report is written as HTML"),
    ("reference,wearable,surface,out,mass_kg\na,b,treadmill,c.nc,0\n", "row 1, mass_kg is '0', expected 10 or more"),
    ("reference,wearable,surface,out,prior_sd\na,b,treadmill,c.nc,-1\n", "row 1, prior_sd is '-1', expected more"),
    ("reference,wearable,surface,out,prior_sd\na,b,treadmill,c.nc,1\n", "row 1, a prior needs both"),
    ("reference,wearable,surface,out,forward\na,b,treadmill,c.nc,up\n", "row 1, forward is 'up'"),
    ("reference,wearable,surface,out,min_overlap_s\na,b,treadmill,c.nc,1\n", "row 1, min_overlap_s is '1', expected 5"),
]


@pytest.mark.parametrize(("text", "words"), TABLES)
def test_a_wrong_table_is_refused_before_any_row_runs(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "TABLE.csv").write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match=words) as caught:
        read_table(tmp_path / "TABLE.csv", {})
    assert "Input should" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "Reference, Wearable ,SURFACE,Mass kg,OUT\nf.c3d,a.csv; b.csv,Treadmill,70.5,t.nc\n",
        'reference;wearable;surface;mass_kg;out\nf.c3d;"a.csv;b.csv";treadmill;70,5;t.nc\n',
        "reference\twearables\tsurface\tmass\tout\nf.c3d\ta.csv;b.csv\tTREADMILL\t70.5\tt.nc\n\n\t\t\t\t\n",
    ],
)
def test_tables_as_spreadsheets_write_them_are_one_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "T.csv").write_text(text, encoding="utf-8-sig")
    (row,) = read_table(tmp_path / "T.csv", {})
    assert row.request.wearables == (tmp_path / "a.csv", tmp_path / "b.csv")
    assert (row.request.surface, row.request.mass_kg, row.out) == ("treadmill", 70.5, tmp_path / "t.nc")


def test_a_table_has_a_column_for_every_option_that_messages_name(tmp_path: Path) -> None:
    (tmp_path / "T.csv").write_text(
        "reference,wearable,surface,out,side,plates,calibration,correct,together,allow_partial,min_overlap_s\n"
        "f.c3d,a.csv;b.csv,treadmill,t.nc,Left;right,p.toml,c.json;lags/default,Zero;sign,false,true,20\n"
    )
    (row,) = read_table(tmp_path / "T.csv", {})
    request = row.request
    assert request.side == ("left", "right")
    assert request.plates == tmp_path / "p.toml"
    assert request.calibrations == (tmp_path / "c.json", Path("lags/default"))
    assert request.correct == ("zero", "sign")
    assert (request.together, request.allow_partial, request.settings.shortest_overlap_s) == (False, True, 20.0)


def test_several_values_may_follow_one_option_and_a_tilde_is_home(monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from grfkit.cli.quantize import app as quantize
    from grfkit.cli.sync import app as sync

    monkeypatch.setenv("HOME", "/home/me")
    command = typer.main.get_command(sync)
    line = "--wearable a b --reference ~/f.c3d --wearable=c d --out=~/t.nc --correct zero sign --force"
    typed = (
        "--wearable a --wearable b --reference /home/me/f.c3d --wearable=c --wearable d --out=/home/me/t.nc"
        " --correct zero --correct sign --force"
    )
    assert as_typed(command, shlex.split(line)) == shlex.split(typed)
    assert as_typed(command, ["batch", "~/T.csv"]) == ["batch", "/home/me/T.csv"]
    assert as_typed(typer.main.get_command(quantize), ["export", "m", "--calibrate", "a", "b"])[-1] == "b"


def test_choices_ignore_case_and_blanks() -> None:
    request = SyncRequest(reference=Path("a"), wearables=(Path("b"),), surface=" TreadMill ", forward="+X")  # type: ignore[arg-type]
    assert (request.surface, request.forward) == ("treadmill", "+x")
    assert choices_of(Surface | None) == ("treadmill", "overground")
    assert as_choice("LOSO ", ("loso", "grouped_kfold")) == "loso"
    assert as_choice("a", ("A", "B")) == "A"
    assert as_choice("c", ("A", "B")) == "c"
    assert as_choice(3, ("A",)) == 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x: exists; use --force (force=True in Python) to replace it", "x: exists; use --force to replace it"),
        ("state it with --side left (ReadOptions(extra={'side': 'left'}) in Python)", "state it with --side left"),
        ("only 3 contacts match (18 needed)", "only 3 contacts match (18 needed)"),
    ],
)
def test_a_terminal_shows_no_python(text: str, shown: str) -> None:
    assert for_terminal(text) == shown


def test_from_python_the_argument_is_named(home: Path) -> None:
    del home
    with pytest.raises(BadInputError, match=r"^mass_kg is -1, expected 10 or more$"):
        align("plates.c3d", "insole.csv", surface="treadmill", mass_kg=-1)
    with pytest.raises(BadInputError, match="prior_offset_s and prior_sd_s in Python"):
        align("plates.c3d", "insole.csv", surface="treadmill", prior_offset_s=3.0)
    with pytest.raises(BadInputError, match="min_overlap_s is 1, expected 5 or more"):
        align("plates.c3d", "insole.csv", surface="treadmill", min_overlap_s=1)


def test_one_outcome_has_one_verdict_in_words_and_one_code() -> None:
    assert verdict_in_words("aligned", aligned=2) == "aligned"
    assert for_terminal(verdict_in_words("partial", aligned=2)) == (
        "partly aligned, nothing written; --allow-partial writes the 2 that align"
    )
    assert verdict_in_words("partial", aligned=1, allow_partial=True) == "partly aligned, the 1 that aligns is written"
    assert verdict_in_words("refused", aligned=0) == "refused, nothing written"
    assert verdict_in_words("refused", aligned=0, accept_refused=True).startswith("refused, written all the same")
    maps = [
        {"verdict": "aligned", "stream": "a", "reasons": []},
        {"verdict": "refused", "stream": "b", "reasons": ["x"]},
    ]
    partial = {"verdict": "partial", "trial": None, "maps": maps, "error": None, "row": 1, "out": "t.nc"}
    head, line = table_words({"aligned": 0, "partial": 1}, [partial]).split("\n")
    assert head == "1 partly aligned"
    why = "partly aligned, nothing written; the column allow_partial writes the 1 that aligns; b: x"
    assert line == f"  row 1 (t.nc): {why}"
    assert table_code([partial]) == 3
    assert table_code([partial | {"trial": "t.nc"}]) == 0
    assert table_code([partial, {"verdict": "bad input", "trial": None}]) == 2
    assert table_code([{"verdict": "bad input", "trial": None}, {"verdict": "internal error", "trial": None}]) == 1


def test_a_prior_is_advised_only_where_it_gives_the_margin() -> None:
    import numpy as np

    lags = np.arange(-2.0, 2.01, 0.5)
    score = np.full(lags.size, -40.0)
    score[4], score[5] = 30.0, 25.0  # the best at 0 s, its rival 0.5 s away and 5 nats worse
    same = {"offset_s": 0.0, "gate": 20.0, "same_s": 0.15, "range_s": 200.0, "prior": None}
    # 15 nats are lacking: 0.5**2 / (2 * 15) is the largest variance that gives them
    assert deciding_prior_sd_s(lags, score, largest_s=1.0, **same) == pytest.approx(0.5 / np.sqrt(30.0))
    assert deciding_prior_sd_s(lags, score, largest_s=0.05, **same) == pytest.approx(0.0495)
    # 5 nats are lacking to none at all: a prior saves so many that leaves chance one of exp(5) offsets
    none_better = np.where(lags == 0.0, 15.0, -40.0)
    saves_5 = 200.0 / np.sqrt(2.0 * np.pi) * np.exp(-5.0)
    assert deciding_prior_sd_s(lags, none_better, largest_s=1.0, **same) == pytest.approx(saves_5)
    # no prior of 10 ms or more saves 12 nats of 200 s
    assert deciding_prior_sd_s(lags, score - 22.0, largest_s=1.0, **same) is None
    assert deciding_prior_sd_s(lags, np.where(lags == 0.5, 29.99 + 500.0, score), largest_s=1.0, **same) is not None
    assert deciding_prior_sd_s(np.zeros(0), np.zeros(0), largest_s=1.0, **same) is None


def test_endings_decide_or_are_refused(tmp_path: Path) -> None:
    refuse_other_ending(tmp_path / "a.NC", (".nc",), "a trial is written as netCDF4")
    with pytest.raises(BadInputError, match=r"take .*a\.b\.nc$"):
        refuse_other_ending(tmp_path / "a.b.txt", (".nc",), "a trial is written as netCDF4")
    refuse_file_ending(tmp_path / "model-v1.2", "a model")
    with pytest.raises(BadInputError, match=r"take .*model$"):
        refuse_file_ending(tmp_path / "model.h5", "a model")
