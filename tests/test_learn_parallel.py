"""Folds over processes and clusters: the same bits everywhere, nothing run twice, nothing lost by a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import default_client

from grfkit.errors import BadInputError
from grfkit.learn.folds import loso
from grfkit.learn.parallel import Job, JobReport, local_processes, map_folds
from grfkit.learn.result_cache import JOURNAL, ResultCache, digest_of, fingerprint_of, plain
from grfkit.records.stance_set import StanceSet
from learn_sets import logged_square, made_up, own_process, trained_forces


def squares(log: Path, numbers: tuple[int, ...] = (3, 4, 5)) -> list[Job]:
    return [Job(f"n{n}", {"number": n, "log": str(log)}) for n in numbers]


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other))
    return bool(one == other)


def test_training_gives_the_same_bits_here_in_processes_on_dask_and_from_disk(tmp_path: Path) -> None:
    from distributed import LocalCluster

    data = made_up("abc", each=8)
    jobs = [Job(f.name, {"data": data, "fold": f}) for f in loso(data)]
    here = map_folds(trained_forces, jobs, workers=0)
    assert [r["test"] for r in here] == [["a"], ["b"], ["c"]]
    assert not equal(here[0]["forces"], here[1]["forces"])
    assert equal(map_folds(trained_forces, jobs, workers=2), here)
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        kept = map_folds(trained_forces, jobs, cluster=cluster, results=tmp_path)
        assert equal(kept, here)
    told: list[JobReport] = []
    assert equal(map_folds(trained_forces, jobs, workers=0, results=tmp_path, progress=told.append), here)
    assert [t.reused for t in told] == [True] * 3


def test_each_process_has_one_thread_and_the_settings_here_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with local_processes(1) as pool:
        first, second = (map_folds(own_process, [Job("x", {"number": n})], workers=pool)[0] for n in (1, 2))
    assert first["pid"] == second["pid"] != os.getpid(), "an open pool is used again"
    assert first["threads"] == 1
    assert first["omp"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ
    with pytest.raises(BadInputError, match="workers is -1; expected 1 or more, or 0"):
        map_folds(own_process, [Job("x", {"number": 1})], workers=-1)


def test_what_is_kept_is_not_run_again_and_other_arguments_are(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = map_folds(logged_square, squares(log), workers=0, results=tmp_path / "kept")
    again = map_folds(logged_square, squares(log), workers=0, results=tmp_path / "kept")
    assert equal(first, again)
    assert [r["square"] for r in again] == [9, 16, 25]
    assert again[1]["values"].dtype == np.float32
    assert log.read_text().split() == ["3", "4", "5"]
    told: list[JobReport] = []
    map_folds(logged_square, squares(log, (4, 6)), workers=0, results=tmp_path / "kept", progress=told.append)
    assert log.read_text().split() == ["3", "4", "5", "6"]
    assert [(t.name, t.done, t.total, t.reused) for t in told] == [("n4", 1, 2, True), ("n6", 2, 2, False)]
    assert told[0].eta_s is None
    assert told[1].eta_s == 0.0


def test_a_result_that_was_cut_short_or_changed_is_made_again(tmp_path: Path) -> None:
    log, kept = tmp_path / "log", tmp_path / "kept"
    map_folds(logged_square, squares(log), workers=0, results=kept)
    files = sorted(kept.glob("*.safetensors"))
    files[0].write_bytes(files[0].read_bytes()[:-3])
    map_folds(logged_square, squares(log), workers=0, results=kept)
    assert len(log.read_text().split()) == 4
    kept, journal = tmp_path / "torn", tmp_path / "torn" / JOURNAL
    map_folds(logged_square, squares(log), workers=0, results=kept)
    assert len(log.read_text().split()) == 7
    journal.write_bytes(journal.read_bytes()[:-20])  # the last line was being written when the power went
    result = map_folds(logged_square, squares(log), workers=0, results=kept)
    assert len(log.read_text().split()) == 8
    assert [r["square"] for r in result] == [9, 16, 25]
    map_folds(logged_square, squares(log), workers=0, results=kept)
    assert len(log.read_text().split()) == 8, "the line after the torn one is whole"


def test_a_run_killed_outright_loses_what_was_running_and_nothing_else(tmp_path: Path) -> None:
    log, kept = tmp_path / "log", tmp_path / "kept"
    code = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "from pathlib import Path\n"
        "from learn_sets import logged_square\n"
        "from grfkit.learn.parallel import Job, map_folds\n"
        "if __name__ == '__main__':\n"
        "    jobs = [Job(f'n{n}', {'number': n, 'log': sys.argv[1], 'wait_s': 30.0 * (n == 5)}) for n in (3, 4, 5)]\n"
        "    map_folds(logged_square, jobs, workers=1, results=Path(sys.argv[2]))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    arguments = [sys.executable, str(script), str(log), str(kept), str(Path(__file__).parent)]
    run = subprocess.Popen(arguments, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while len(ResultCache(kept).entries()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert [e["name"] for e in ResultCache(kept).entries()] == ["n3", "n4"]
        while _group_lives(run.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _group_lives(run.pid), "its processes end with it"
    finally:
        if _group_lives(run.pid):
            os.killpg(run.pid, signal.SIGKILL)
    jobs = [Job(f"n{n}", {"number": n, "log": str(log), "wait_s": 30.0 * (n == 5)}) for n in (3, 4)]
    map_folds(logged_square, jobs, workers=0, results=kept)
    assert log.read_text().split() == ["3", "4"]


def _group_lives(group: int) -> bool:
    """Return whether any process of a group is there and no zombie."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, own = status.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(own) == group and state != "Z":
            return True
    return False


def test_one_refusal_is_told_after_the_others_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    jobs = squares(log, (3, -1, 5))
    with pytest.raises(BadInputError, match=r"1 of 3 jobs refused; the others are kept; 'n-1': number is -1"):
        map_folds(logged_square, jobs, workers=0, results=tmp_path / "kept")
    assert log.read_text().split() == ["3", "5"]
    assert len(ResultCache(tmp_path / "kept").entries()) == 2
    with pytest.raises(BadInputError, match="two jobs are named 'n3'"):
        map_folds(logged_square, squares(log, (3, 3)), workers=0)


def test_fingerprints_tell_content_apart_and_not_places(tmp_path: Path) -> None:
    data = made_up("ab", each=4)
    data.to_netcdf(tmp_path / "set.nc")
    opened = StanceSet.open(tmp_path / "set.nc")
    assert digest_of(made_up("ab", each=4)) == digest_of(data)
    assert digest_of(opened, block=3) == digest_of(opened)
    changed = made_up("ab", each=4)
    changed.data["inputs"][3, 2, 1] += 1e-3
    renamed = made_up("ac", each=4)
    digests = {digest_of(s) for s in (data, changed, renamed)}
    assert len(digests) == 3
    one, two = tmp_path / "x.txt", tmp_path / "sub" / "x.txt"
    two.parent.mkdir()
    one.write_text("1")
    two.write_text("1")
    assert fingerprint_of(own_process, {"p": one}) == fingerprint_of(own_process, {"p": two})
    two.write_text("2")
    assert fingerprint_of(own_process, {"p": one}) != fingerprint_of(own_process, {"p": two})
    assert fingerprint_of(own_process, {}) != fingerprint_of(logged_square, {})
    with pytest.raises(BadInputError, match="has no fingerprint, gives a object"):
        fingerprint_of(own_process, {"x": object()})


@pytest.mark.parametrize(
    ("value", "says"),
    [({1: 2}, "has the key 1"), ({"a": [object()]}, "a object"), (np.array(["x"]), "a ndarray")],
)
def test_results_that_could_not_come_back_are_refused(value: Any, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        plain(value)


def test_a_result_comes_back_as_it_went_in(tmp_path: Path) -> None:
    value = plain(
        {
            "a": np.array(2.5),
            "b": [np.zeros((0, 3), dtype=np.int64), {"c": np.eye(2)[:, ::-1]}],
            "d": float("nan"),
            "e": (1, True, None, "text", 0.1 + 0.2, np.float64(1.5)),
        }
    )
    ResultCache(tmp_path).write("k", value, name="x", seconds=0.0)
    back = ResultCache(tmp_path).read("k")
    assert json.dumps(back.pop("d")) == json.dumps(value.pop("d")) == "NaN"
    assert equal(back, value)
    assert back["a"].shape == ()


def test_a_cluster_that_does_not_answer_is_refused_in_words() -> None:
    with pytest.raises(BadInputError, match="no dask scheduler answers at nowhere"):
        map_folds(own_process, [Job("x", {"number": 1})], cluster="nowhere://1")
    with pytest.raises(ValueError, match="No clients found"):  # else xarray would write its files by it
        default_client()


def test_every_process_is_started_with_one_thread_not_the_first_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with local_processes(3) as pool:
        # wait_s: no process is free again before the others have taken a job
        jobs = [Job(f"{n}", {"number": n, "wait_s": 0.3}) for n in range(6)]
        seen = map_folds(own_process, jobs, workers=pool)
    assert {each["omp"] for each in seen} == {"1"}
    assert {each["threads"] for each in seen} == {1}
    assert os.environ["OMP_NUM_THREADS"] == "7"
