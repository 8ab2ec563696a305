"""The parts of a study: what each is made of, and how it is made."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..artefacts import check_file
from ..errors import BadInputError
from ..provenance import describe_input, tool_version
from ..records.evidence import as_columns
from ..sync.batch import ROW_VERDICTS, Row, read_table
from ..sync.batch_reports import run_with_reports
from .kept import Made
from .plan import StageName, StudyPlan

MODEL, PROOF, PROOF_PAGE = "model", "proof", "proof.html"
STEPS, STEPS_PAGE = "steps.csv", "steps.html"


@dataclass
class Work:
    """A study in progress: its folder and plan, the rows of its table, and what became of each."""

    folder: Path
    plan: StudyPlan
    processes: int | None
    scheduler: str | None
    force: bool
    progress: Callable[[str, int, int, str], None]
    table: list[Row] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    _digests: dict[Path, str] = field(default_factory=dict)

    def digest(self, trial: Path) -> str:
        """Return a trial's SHA-256; nothing changes one once the alignment is through."""
        if trial not in self._digests:
            self._digests[trial] = describe_input(trial).sha256
        return self._digests[trial]

    @property
    def table_path(self) -> Path:
        """Return where the table lies."""
        return self.folder / self.plan.table

    def trials(self, *, with_force: bool = False) -> list[Path]:
        """Return the trials that are there and were aligned; ``with_force`` those only that have a reference.

        Raises
        ------
        BadInputError
            If there is none.
        """
        good = {row["row"] for row in self.rows if row["verdict"] in ("aligned", "partial")}
        rows = [r for r in self.table if r.number in good or not self.rows]
        paths = [r.out for r in rows if r.out.exists() and (r.request.reference is not None or not with_force)]
        if not paths:
            what = "aligned trial with force" if with_force else "aligned trial"
            raise BadInputError(f"there is no {what} yet; see what became of the rows of {self.plan.table}")
        return paths


def check(work: Work) -> None:
    """Read the table, and refuse what cannot be used, before anything is done.

    Raises
    ------
    BadInputError
        If the table is missing, holds no row, or a row cannot be used.
    """
    path = work.table_path
    if not path.is_file():
        raise BadInputError(f"{path}: is not there; it is the table of trials that study.toml names")
    work.table = read_table(path, {})
    if work.plan.train.config is not None and not (work.folder / work.plan.train.config).is_file():
        raise BadInputError(
            f"{work.folder / work.plan.train.config}: is not there; study.toml names it as train.config"
        )


def key_of(name: StageName, work: Work) -> str:
    """Return what tells this part's work from any other: version, trials and options; empty: always done again."""
    if name == "align":  # its journal knows which rows are done
        return ""
    of_forces = name != "steps"
    facts: dict[str, Any] = {
        "version": tool_version(),
        "targets": work.plan.train.targets,
        "trials": [work.digest(path) for path in work.trials(with_force=of_forces)],
    }
    if of_forces:
        facts["train"] = work.plan.train.model_dump(mode="json")
        if work.plan.train.config is not None:
            facts["config"] = describe_input(work.folder / work.plan.train.config).sha256
    if name == "prove" and (document := work.folder / MODEL / "model.json").is_file():
        # with the training left out the model may be anybody's
        facts["model"] = describe_input(document).sha256
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def do(name: StageName, work: Work, *, known: tuple[str, ...]) -> Made:
    """Do a part and return what it made.

    Parameters
    ----------
    known
        What the part wrote in an earlier run: that, and nothing else, is overwritten without ``--force``.

    Raises
    ------
    GrfError
        As the function that does it.
    """
    return {"align": _align, "steps": _steps, "train": _train, "prove": _prove}[name](work, known)


def _align(work: Work, _: tuple[str, ...]) -> Made:
    done = 0

    def one_more(summary: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        work.progress("align", done, len(work.table), str(summary.get("out", "")))

    reports = work.plan.align.reports
    work.rows = run_with_reports(
        work.table_path, work.table, processes=work.processes, scheduler=work.scheduler, reports=reports,
        force=work.force, remake=True, progress=one_more, study=work.plan.name or work.folder.resolve().name,
    )  # fmt: skip
    counts = {verdict: sum(row["verdict"] == verdict for row in work.rows) for verdict in ROW_VERDICTS}
    names = {"partial": "partly aligned"}
    lines = [", ".join(f"{n} {names.get(verdict, verdict)}" for verdict, n in counts.items() if n)]
    lines += [f"{row['out']}: {_why(row)}" for row in work.rows if row["verdict"] != "aligned"]
    page = work.table_path.with_suffix(".html")
    good = counts["aligned"]
    doubt = "" if good == len(work.rows) else f"{good} of {len(work.rows)} trials aligned"
    return Made(lines=tuple(lines), files=(_relative(work, page),) if reports else (), doubt=doubt)


def _why(row: dict[str, Any]) -> str:
    reasons = [reason for one in row["maps"] for reason in one.get("reasons", [])]
    return as_columns(str(row["error"] or "; ".join(dict.fromkeys(reasons[:1])) or row["verdict"]))


def _steps(work: Work, known: tuple[str, ...]) -> Made:
    from ..steps.files import check_out, write_table
    from ..steps.page import write_steps_page
    from ..steps.study import study_table

    table_path, page = work.folder / STEPS, work.folder / STEPS_PAGE
    check_out(table_path, force=work.force or STEPS in known)
    check_file(page, force=work.force or STEPS_PAGE in known)
    table = study_table(
        work.trials(), which="measured", progress=lambda done, of, name: work.progress("steps", done, of, name)
    )
    write_table(table, table_path, force=True)
    write_steps_page(page, table, force=True)
    rejected = sum((Counter(trial.rejected) for trial in table.trials), Counter[str]())
    lines = [f"{len(table.steps)} steps of {len(table.trials)} trials"]
    if work.plan.train.targets == "cop":
        known_cop = sum(row["cop_from"] is not None for row in table.steps)
        lines.append(f"centre of pressure under the foot known of {known_cop} of these steps")
    lines += [f"not counted: {n} x {reason}" for reason, n in rejected.most_common()]
    lines += [f"{file}: {reason}" for file, reason in table.left_out]
    return Made(lines=tuple(lines), files=(STEPS_PAGE, STEPS))


def _train(work: Work, known: tuple[str, ...]) -> Made:
    if work.plan.train.targets == "cop":
        return _train_cop(work, known)
    from ..learn.training_job import train

    options = work.plan.train
    model = train(
        work.trials(with_force=True), out=work.folder / MODEL, preset=options.preset, kind=options.kind,
        config=None if options.config is None else work.folder / options.config, method=options.method,
        network=options.network, epochs=options.epochs, force=work.force or MODEL in known,
        progress=lambda done, of, text: work.progress("train", done, of, text),
    )  # fmt: skip
    summary = model.summary
    method = summary["network"]["name"] if summary["method"] == "network" else summary["method"]
    lines = [f"{method}, of {len(summary['participants'])} people and {summary['windows']} stances"]
    if summary.get("choice"):
        lines.append(summary["choice"]["words"])
    lines += [f"left out: {n} x {reason}" for reason, n in summary["excluded"].items()]
    return Made(lines=(*lines, *summary["findings"]), files=(MODEL, f"{MODEL}/CARD.md"))


def _train_cop(work: Work, known: tuple[str, ...]) -> Made:
    from ..learn.cop_job import path_words, train_cop

    options = work.plan.train
    model = train_cop(
        work.trials(with_force=True), out=work.folder / MODEL,
        config=None if options.config is None else work.folder / options.config,
        method=options.method, force=work.force or MODEL in known,
        progress=lambda done, of, text: work.progress("train", done, of, text),
    )  # fmt: skip
    summary = model.summary
    method, people = path_words(summary["method"]), len(summary["participants"])
    lines = [f"centre of pressure (mm) by {method}, of {people} people and {summary['windows']} stances"]
    if summary["choice"]["words"]:
        lines.append(summary["choice"]["words"])
    lines += [f"left out: {n} x {reason}" for reason, n in summary["excluded"].items()]
    return Made(lines=(*lines, *summary["findings"]), files=(MODEL, f"{MODEL}/CARD.md"))


def _prove(work: Work, known: tuple[str, ...]) -> Made:
    model = work.folder / MODEL
    if not model.is_dir():
        raise BadInputError("there is no model to prove; see the part before this one")
    (work.folder / PROOF).mkdir(exist_ok=True)
    return (_prove_cop if work.plan.train.targets == "cop" else _prove_force)(work, known)


def _prove_cop(work: Work, known: tuple[str, ...]) -> Made:
    from ..evaluation.cop import evaluate_cop
    from ..report.cop_page import cop_headline

    predictions = evaluate_cop(
        work.trials(with_force=True), model=work.folder / MODEL, out=work.folder / PROOF,
        report=work.folder / PROOF_PAGE,
        workers=0 if work.processes in (None, 1) else work.processes or 0, scheduler=work.scheduler,
        force=work.force or PROOF in known, progress=lambda done, of, text: work.progress("prove", done, of, text),
    )  # fmt: skip
    scores = predictions.scores
    first = cop_headline(scores)
    lines = [first.text, _tested(scores), *scores["words"]]
    doubt = "" if first.verdict == "aligned" else "not better than the sensor-blind paths"
    return Made(lines=(*lines, *scores["findings"]), files=(PROOF_PAGE, PROOF), doubt=doubt)


def _prove_force(work: Work, known: tuple[str, ...]) -> Made:
    from ..evaluation.evaluate import evaluate
    from ..report.headline import axis_words, headline

    model, out = work.folder / MODEL, work.folder / PROOF
    predictions = evaluate(
        work.trials(with_force=True), model=model, out=out, report=work.folder / PROOF_PAGE,
        workers=0 if work.processes in (None, 1) else work.processes or 0, scheduler=work.scheduler,
        force=work.force or PROOF in known, progress=lambda done, of, text: work.progress("prove", done, of, text),
    )  # fmt: skip
    scores = predictions.scores
    first = headline(scores)
    lines = [first.text, _tested(scores)]
    lines += [_error(scores, axis) for axis in scores["axes"]]
    lines += [axis_words(scores, axis) for axis in scores["axes"]]
    doubt = "" if first.verdict == "aligned" else "not better than every baseline"
    return Made(lines=(*lines, *scores["findings"]), files=(PROOF_PAGE, PROOF), doubt=doubt)


def _error(scores: dict[str, Any], axis: str) -> str:
    """Return the error of the headline and of the two baselines that everyone should know, in BW."""
    from ..report.headline import NAMES

    shown = [scores["headline"], *(m for m in ("mean curve", "ridge") if m in scores["methods"])]
    errors = [(m, scores["methods"][m][axis]["group"]["rmse_bw"]["mean"]) for m in dict.fromkeys(shown)]
    known = [f"{method} {value:.3f} BW" for method, value in errors if value is not None]
    return f"{NAMES.get(axis, axis)} force: RMSE of {', '.join(known)}"


def _tested(scores: dict[str, Any]) -> str:
    """Return how many people the proof is of, and how they were left out."""
    from ..report.headline import SPLITS

    split = SPLITS.get(scores["split"], scores["split"])
    return f"{scores['participants']} people, each answered by what had not seen them ({split})"


def _relative(work: Work, path: Path) -> str:
    return Path(os.path.relpath(path, work.folder)).as_posix()


__all__ = ["Made", "Work", "check", "do", "key_of"]
