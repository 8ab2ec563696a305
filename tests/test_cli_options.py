"""Options that every command has: said more or less, logged, as a file and back, completed by the shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from grfkit.cli import common, completions
from grfkit.cli.command_names import COMMANDS
from grfkit.cli.shared_options import add_shared_options
from grfkit.documents import toml_document
from grfkit.errors import BadInputError
from grfkit.simulate.lab import simulate_trial


def run(words: str | list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command line that begins with ``grf-NAME``."""
    name, *rest = words.split() if isinstance(words, str) else words
    app = import_module(f"grfkit.cli.{name.removeprefix('grf-')}").app
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        common.run(app, rest, name=name)
    shown = capsys.readouterr()
    return int(end.value.code or 0), shown.out, shown.err


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    simulate_trial(seed=0, duration_s=8, wearables=("insole",)).on_true_clock().to_netcdf(tmp_path / "t.nc")
    return tmp_path / "t.nc"


def every_command() -> list[Any]:
    """Return every command and subcommand with the options of all."""
    found = []
    for name in (*COMMANDS, "grf"):
        command = add_shared_options(typer.main.get_command(import_module(f"grfkit.cli.{name}").app))
        found += [command, *getattr(command, "commands", {}).values()]
    return found


def test_every_command_and_subcommand_has_the_options_of_all_once() -> None:
    commands = every_command()
    assert len(commands) > 25
    for command in commands:
        options = [option for param in command.params for option in param.opts]
        assert len(options) == len(set(options)), command.name
        assert {"-v", "--verbose", "-q", "--quiet", "--log-file"} <= set(options), command.name
        own = [p for p in command.params if p.expose_value]
        assert ({"--config", "--print-config"} <= set(options)) == bool(own), command.name


def test_steps_are_said_with_v_and_every_one_is_logged(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("grf-steps t.nc --out s.csv", capsys)
    assert code == 0
    assert err == ""
    code, out_verbose, err = run("grf-steps -v t.nc --out s.csv --force --log-file l.log", capsys)
    assert out_verbose == out
    lines = err.splitlines()
    assert [re.sub(r"^\[ +\d+\.\d s\] ", "", line) for line in lines] == [
        "steps: counting steps of t", "artefacts: written: s.csv",
    ]  # fmt: skip
    log = Path("l.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO) grfkit\.", line) for line in log)
    assert "grf-steps -v t.nc --out s.csv --force --log-file l.log (grfkit 0." in log[0]
    assert [line.split(": ", 1)[1] for line in log[1:3]] == ["counting steps of t", "written: s.csv"]
    assert re.search(r"exit code 0 after \d+\.\d s$", log[-1])
    # the next one goes to its end, with the traceback of what went wrong
    run("grf-steps no.nc --log-file l.log", capsys)
    text = Path("l.log").read_text()
    assert text.startswith(log[0])
    assert "Traceback (most recent call last)" in text
    assert "WARNING grfkit.cli.said: grf-steps: no.nc: " in text
    assert text.rstrip().rpartition("exit code ")[2].startswith("2 after")


def test_what_is_said_less_is_progress_alone(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run("grf-steps t.nc --out s.csv", capsys)
    assert run("grf-steps -q t.nc --out s.csv --force", capsys) == shown
    code, _, err = run("grf-steps -q no.nc", capsys)
    assert code == 2
    assert err.startswith("grf-steps: no.nc: ")
    code, out, err = run("grf-export -q t.nc --to csv --out all.csv", capsys)
    plain = run("grf-export t.nc --to csv --out all.csv --force", capsys)
    assert (code, out, err) == plain
    assert run("grf-steps -q -v t.nc", capsys)[2] == "grf-steps: -v says more and -q less; give one of them\n"


def test_a_log_is_appended_to_logs_only_and_holds_no_secret(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = trial.read_bytes()
    code, _, err = run("grf-steps t.nc --log-file t.nc", capsys)
    assert (code, err) == (2, "grf-steps: t.nc: exists and is no log of grfkit; name another file with --log-file\n")
    assert trial.read_bytes() == before
    assert "cannot be written (No such file or directory)" in run("grf-steps t.nc --log-file no/l.log", capsys)[2]
    run("grf-monitor --log-file m.log replay no.grfrec --token geheim --headless", capsys)
    run("grf-monitor replay no.grfrec --token=geheim --headless --log-file m.log", capsys)
    text = Path("m.log").read_text()
    assert "--token *** --headless" in text
    assert "--token=*** --headless" in text
    assert "geheim" not in text


@pytest.mark.parametrize("words", [
    ["grf-sync", "--wearable", "a b.csv", "c.csv", "--mass-kg", "70", "--apart", "--surface", "treadmill"],
    ["grf-sync", "batch", "t.csv", "--reports", "--processes", "2"],
    ["grf-train", "a.nc", "b.nc", "--out", "m", "--method", "ridge", "--kind", "faithful"],
    ["grf-estimate", "m", "a.nc", "--side", "left", "--heel-m", "-0.01", "--no-balance"],
    ["grf-simulate", "lab", "lab", "--no-gaps", "--knee-gain", "1"],
    ["grf-quantize", "export", "m", "--out", "b", "--boards", "none"],
    ["grf-monitor", "--demo", "--seconds", "3"],
])  # fmt: skip
def test_options_are_printed_and_read_back_as_they_were(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed, err = run([*words, "--print-config"], capsys)
    assert (code, err) == (0, "")
    Path("o.toml").write_text(printed)
    (table,) = toml_document(Path("o.toml"))
    assert table == words[0]
    name = words[:2] if words[1] in ("batch", "lab", "export") else words[:1]
    code, again, err = run([*name, "--config", "o.toml", "--print-config"], capsys)
    assert (code, err) == (0, "")
    assert again == printed
    # nothing is lost: as many values as the command line has
    assert len(re.findall(r"^[\w-]+ = ", printed, re.M)) >= sum(word.startswith("--") for word in words)
    assert not list(tmp_path.glob("[!o]*"))


def test_a_file_does_what_the_command_line_does_which_wins(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("o.toml").write_text(
        '[grf-steps]\ntrials = "t.nc"\nout = "a.csv"\nlowpass-hz = 20\n[grf-sync]\nsurface = "?"\n'
    )
    code, _, err = run("grf-steps --config o.toml", capsys)
    assert (code, err) == (0, "")
    run("grf-steps t.nc --out b.csv --lowpass-hz 20", capsys)
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    run("grf-steps --config o.toml --out c.csv --lowpass-hz 50", capsys)
    assert Path("c.csv").read_bytes() != Path("b.csv").read_bytes()


@pytest.mark.parametrize(("text", "refusal"), [
    ("[grf-steps]\nlowpas-hz = 3\n", "[grf-steps] has no option 'lowpas-hz'; did you mean lowpass-hz?"),
    ("[grf-steps]\nforce = true\n", "[grf-steps] cannot state 'force'; give --force on the command line"),
    ("[grf-steps]\nlowpass-hz = [1, 2]\n", "[grf-steps] lowpass-hz is a list, expected number"),
    ("[grf-steps]\njson = 1\n", "[grf-steps] json is 1, expected true or false"),
    ("[grf-steps]\nout = true\n", "[grf-steps] out is true, expected list of paths"),
    ("[grf-sync]\nsurface = 'treadmill'\n", "has no table [grf-steps]; it holds [grf-sync]"),
    ("lowpass-hz = 3\n", "'lowpass-hz' belongs to no command; options stand below [grf-steps]"),
    ("[grf-steps\n", "is no TOML"),
])  # fmt: skip
def test_what_a_file_of_options_cannot_hold_is_refused_by_name(
    text: str, refusal: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "o.toml").write_text(text)
    code, _, err = run(["grf-steps", "--config", str(tmp_path / "o.toml")], capsys)
    assert code == 2
    assert refusal in err
    assert err.count("\n") == 1


def test_a_recipe_and_options_stand_in_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from grfkit.learn.recipe import recipe_from_toml

    recipe = '# ours\n[network]\nname = "lstm"\n'
    (tmp_path / "r.toml").write_text(recipe)
    words = ["grf-train", "a.nc", "--out", "m", "--config", str(tmp_path / "r.toml"), "--print-config"]
    code, printed, _ = run(words, capsys)
    assert code == 0
    assert recipe in printed
    (tmp_path / "both.toml").write_text(printed)
    assert recipe_from_toml(tmp_path / "both.toml") == recipe_from_toml(tmp_path / "r.toml")
    code, again, _ = run(["grf-train", "--config", str(tmp_path / "both.toml"), "--print-config"], capsys)
    assert code == 0
    assert toml_document(tmp_path / "both.toml") == _toml(again, tmp_path)
    # an unknown key of the recipe is refused by the recipe
    (tmp_path / "both.toml").write_text("nonsense = 1\n" + printed)
    code, _, err = run(["grf-train", "--config", str(tmp_path / "both.toml")], capsys)
    assert code == 2
    assert "nonsense" in err


def _toml(text: str, folder: Path) -> dict[str, Any]:
    (folder / "again.toml").write_text(text)
    return toml_document(folder / "again.toml")


def test_what_completes_an_option_is_known_where_the_option_is() -> None:
    for path, options in completions.CHOICES.items():
        module = "grf" if path == ("run",) else path[0]
        command = typer.main.get_command(import_module(f"grfkit.cli.{module}").app)
        for name in path[0 if module == "grf" else 1 :]:
            command = command.commands[name]
        params = {param.name for param in command.params}
        for name, place in options.items():
            assert name == "*" or name in params or path[0] in ("train", "evaluate"), (path, name)
            for each in params if name == "*" else (name,):
                choices = completions.choices_at(place, each)
                assert name == "*" or len(tuple(choices)) > 1, (path, each)


@pytest.mark.parametrize(("typed", "expected"), [
    ("grf tr", ["train"]),
    ("grf-sync --surface ", ["treadmill", "overground"]),
    ("grf export t.nc --to b", ["bids"]),
    ("grf-estimate --side l", ["left"]),
    ("grf-steps --log", ["--log-file"]),
])  # fmt: skip
def test_bash_completes(typed: str, expected: list[str]) -> None:
    words = typed.split(" ")
    program = words[0]
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    env = os.environ | {"COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1), variable: "complete_bash"}
    assert in_a_shell(program, env).split() == expected


def test_bash_is_told_how_to_complete() -> None:
    shown = in_a_shell("grf-sync", dict(os.environ), "--show-completion", "bash")
    assert "_GRF_SYNC_COMPLETE=complete_bash" in shown
    assert re.search(r"complete -o default -F \w+ grf-sync", shown)


def in_a_shell(program: str, env: dict[str, str], *words: str) -> str:
    """Return the stdout of a program."""
    name = "grf" if program == "grf" else program.removeprefix("grf-")
    done = subprocess.run(
        [sys.executable, "-m", f"grfkit.cli.{name}", *words], capture_output=True, text=True, check=False,
        env=env | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    "words",
    [
        "grf-estimate m a.csv b.csv --side left --side right --out x.nc",
        "grf-estimate m a.csv --mass-kg 70 --out x.nc --mass-kg=71",
        "grf-calibrate lag a.csv --side left --side right --out d.toml",
        "grf-estimate m a.csv --slope-percent 0 --slope-percent 4 --out x.nc",
        "grf-estimate m a.csv b.csv --column-map a.toml --column-map b.toml --out x.nc",
        "grf-sync --reference a.c3d --reference b.c3d --wearable c.csv --surface treadmill --out x.nc",
        "grf-monitor --mass left=70 --mass 71",
    ],
)
def test_a_fact_that_is_stated_twice_is_not_taken_for_all_files(
    words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(words, capsys)
    assert (code, out) == (2, "")
    option = r"--(side|mass-kg|slope-percent|column-map|reference|mass)"
    assert re.search(rf": {option} is given 2 times, and the last would hold for all files: say it once", err)
    assert list(tmp_path.iterdir()) == []


def test_options_of_several_values_and_flags_are_given_as_often_as_wanted(
    capsys: pytest.CaptureFixture[str], trial: Path
) -> None:
    words = f"grf-sync --reference {trial} --wearable {trial} --side left --side right --surface treadmill --out o.nc"
    code, _, err = run(words, capsys)
    assert code == 2
    assert "times" not in err
    assert run(f"grf-inspect {trial} -q -q", capsys)[0] == 0


def test_compare_that_names_nothing_is_still_all(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in ("--compare", "--compare --json"):
        code, _, err = run(f"grf-evaluate {tmp_path / 'nowhere'} {words}", capsys)
        assert code == 2
        assert "nowhere: does not exist" in err


def test_a_line_that_is_being_completed_may_repeat_an_option() -> None:
    command = add_shared_options(typer.main.get_command(import_module("grfkit.cli.estimate").app))
    words = ["m", "a.csv", "--side", "left", "--side", "right"]
    assert command.make_context("grf-estimate", list(words), resilient_parsing=True).params["side"] is not None
    with pytest.raises(BadInputError, match="--side is given 2 times"):
        command.make_context("grf-estimate", list(words))
