"""Distillation: a small network of the past taught by a large one, on training windows only.

The loss is ``share * truth + (1 - share) * teacher`` (the weighted sum of Hinton et al. 2015, arXiv:1503.02531, with
squared errors in both parts). With ``w`` the weight of a sample, ``y`` the truth, ``t`` the teacher's answer and ``f``
the student's it is, up to a constant, ``W (f - z)^2`` with ``W = share * w + (1 - share)`` and
``z = (share * w * y + (1 - share) * t) / W``. So a student is trained like any network, on the windows of
:func:`taught`; where the truth does not count the teacher's answer does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .folds import Fold, check_blind
from .model import FittedModel, GrfModel, calibration_windows, predict
from .networks import NetworkConfig, network_config, parameter_count
from .recipe import Recipe
from .train import fit
from .train_config import TrainConfig
from .window_sources import WindowSource, load_sets

STUDENTS: tuple[NetworkConfig, ...] = (
    network_config("tcn", hidden=12, layers=3, kernel=5, head=(16,), dropout=0.0),
    network_config("tcn", hidden=16, layers=4, kernel=3, head=(16,), dropout=0.0),
    network_config("lstm", hidden=16, head=(16,), dropout=0.0),
)
SHARES = (0.5, 0.1)
_OWN = ("the teacher answers the windows it was trained on",)


@dataclass(frozen=True)
class Tried:
    """One network and share, and how well it did on the inner participants (least loss over epochs)."""

    network: NetworkConfig
    share: float
    weights: int
    inner_loss: float | None


@dataclass(frozen=True)
class Student:
    """A student, and everything that was tried."""

    model: GrfModel
    best: Tried
    tried: tuple[Tried, ...]


def taught(data: StanceSet, predicted: Floats, *, share: float) -> StanceSet:
    """Return windows whose targets and weights are those of the mixed loss.

    Parameters
    ----------
    data
        Training windows.
    predicted
        The teacher's predictions for them in BW, shape (stances, time, axes), NaN where it has none.
    share
        Of the truth, 0 (the teacher alone) to 1 (the truth alone).

    Raises
    ------
    BadInputError
        If the share is none, or the answers have another shape than the targets.
    """
    if not 0.0 <= share <= 1.0:
        raise BadInputError(f"share of the truth is {share:g}; expected 0 (the teacher alone) to 1 (the truth alone)")
    _, truth, weight = data.arrays()
    if predicted.shape != truth.shape:
        raise BadInputError(f"the teacher's answers have shape {predicted.shape}, the targets {truth.shape}")
    valid = np.asarray(np.isfinite(truth).all(axis=2) & (weight > 0))
    answered = np.asarray(np.isfinite(predicted).all(axis=2))
    of_truth = np.asarray(share * np.where(valid, weight, 0.0), dtype=np.float64)
    of_teacher = np.asarray((1.0 - share) * answered, dtype=np.float64)
    total = of_truth + of_teacher
    # z and W of the module's docstring; where neither counts, W is 0 and z does not matter
    mixed = np.where(valid[:, :, None], truth, 0.0).astype(np.float64) * of_truth[:, :, None]
    mixed += np.where(answered[:, :, None], predicted, 0.0) * of_teacher[:, :, None]
    mixed /= np.asarray(np.where(total > 0, total, 1.0))[:, :, None]
    return _with_answers(data, np.ones(data.size, dtype=bool), mixed, total)


def _with_answers(data: StanceSet, rows: NDArray[np.bool_], targets: Floats, weight: Floats) -> StanceSet:
    """Return the set with other targets and weights in some rows."""
    changed = data.data.copy()
    for name, new in (("targets", targets), ("weight", weight)):
        values = np.array(changed[name].values, dtype=np.float32)
        values[rows] = new
        changed[name] = (changed[name].dims, values, changed[name].attrs)
    return StanceSet(changed)


def teacher_predictions(teacher: GrfModel, data: StanceSet) -> Floats:
    """Return what a teacher says of its own training windows, in BW on the axes of the set.

    Raises
    ------
    BadInputError
        If the teacher lacks an axis, or does not take these windows.
    """
    axes = teacher.spec.scaler.axes
    missing = [a for a in data.axes if a not in axes]
    if missing:
        raise BadInputError(f"the teacher says nothing of {', '.join(missing)} (its axes: {', '.join(axes)})")
    return predict(teacher, data, leaks=_OWN)[:, :, [axes.index(a) for a in data.axes]]


def distil(
    teacher: GrfModel,
    data: StanceSet,
    fold: Fold,
    config: TrainConfig,
    *,
    students: Sequence[NetworkConfig] = STUDENTS,
    shares: Sequence[float] = SHARES,
    slack: float = 0.0,
) -> Student:
    """Return the student of a teacher that does best on the inner participants.

    Parameters
    ----------
    data
        Windows of the training and inner parts; the tested must have been taken out.
    config
        Of the students' training; augmentation moves the inputs, not what the teacher said of them as they were.
    students, shares
        Networks and shares of the truth that are tried, every one with every other.
    slack
        The smallest network is taken whose inner loss is at most so much (0.02: two percent) above the least.

    Raises
    ------
    LeakError
        If somebody to be tested is in the data, or was seen by the teacher, without a named leak.
    BadInputError
        If there is a choice and no inner participant to make it on, or nothing to choose from.
    """
    fold.check(data)
    check_blind(fold, teacher.participants, "the teacher")
    pairs = [(network, share) for network in students for share in shares]
    if not pairs or (len(pairs) > 1 and not fold.inner):
        raise BadInputError(
            f"{len(pairs)} students to choose from and {len(fold.inner)} inner participants; name one network and one"
            " share, or leave participants for the choice (inner)"
        )
    rows = np.isin(fold.keys(data), fold.train)
    truth = data.where(rows)
    predicted = teacher_predictions(teacher, truth)
    # one set for each share, however many networks are tried with it
    lessons = {share: _lesson(data, rows, taught(truth, predicted, share=share)) for share in dict.fromkeys(shares)}
    results = [_trained(lessons[share], fold, config, network, share) for network, share in pairs]
    tried = tuple(entry for _, entry in results)
    # chosen by the true force of inner participants, never by nearness to the teacher
    i = _best(tried, slack)
    return Student(_finished(results[i][0], teacher, truth, tried[i].share), tried[i], tried)


def _lesson(data: StanceSet, rows: NDArray[np.bool_], part: StanceSet) -> StanceSet:
    """Return the whole set with its training rows as they are taught; the inner ones stay true."""
    return _with_answers(data, rows, *(np.asarray(part.data[n].values) for n in ("targets", "weight")))


def _trained(
    lesson: StanceSet, fold: Fold, config: TrainConfig, network: NetworkConfig, share: float
) -> tuple[GrfModel, Tried]:
    """Return one student, stopped by what is true of the inner participants."""
    model = fit(network, config, lesson, fold)
    inner = [v for _, v in model.spec.history if v is not None]
    return model, Tried(network, share, parameter_count(model.network), min(inner) if inner else None)


def _best(tried: Sequence[Tried], slack: float) -> int:
    """Return which one is chosen: of those within the slack, the smallest, then the best."""
    losses = [t.inner_loss for t in tried]
    finite = [v for v in losses if v is not None]
    if not finite:
        return 0
    limit = min(finite) * (1.0 + slack)
    within = [i for i, v in enumerate(losses) if v is not None and v <= limit]
    # without slack only the least loss is within the limit; size would not matter
    return min(within, key=lambda i: (tried[i].weights if slack else 0, losses[i]))


def _finished(model: GrfModel, teacher: GrfModel, truth: StanceSet, share: float) -> GrfModel:
    """Return the student with what it owes its teacher, and with true forces beside its calibration windows."""
    spec = model.spec
    about = {
        "network": teacher.spec.network,
        "share_of_truth": share,
        "weights_sha256": _digest(teacher),
        "participants": list(teacher.participants),
    }
    # whom the teacher has seen, the student has seen through it: nobody of them may test it
    spec = spec.model_copy(
        update={
            "training": spec.training | {"teacher": about},
            "participants": tuple(sorted({*spec.participants, *teacher.participants})),
            "leaks": tuple(dict.fromkeys([*teacher.spec.leaks, *spec.leaks])),
        }
    )
    return GrfModel(spec, model.network, calibration_windows(truth))


def _digest(model: GrfModel) -> str:
    """Return the SHA-256 of a model's weights, in the order of their names."""
    state = model.network.state_dict()
    content = b"".join(k.encode() + v.detach().cpu().contiguous().numpy().tobytes() for k, v in sorted(state.items()))
    return hashlib.sha256(content).hexdigest()


def student_of(
    teacher: Path,
    sources: WindowSource | Sequence[WindowSource],
    recipe: Recipe,
    *,
    own_network: bool,
    out: Path | None,
) -> GrfModel:
    """Return the student of a trained model, taught on trials, with its summary.

    Parameters
    ----------
    recipe
        Of the student; channels and statics are the teacher's where it names none.
    own_network
        Whether the recipe's network is asked for; else one of :data:`STUDENTS` is chosen on the inner participants.

    Raises
    ------
    BadInputError
        If the trials do not fit the teacher.
    """
    from .everyone import summary, usable, whole_fold

    model = GrfModel.load(teacher)
    data = load_sets(sources, recipe)
    recipe, findings = usable(data, recipe)
    default, config, scaler = TrainConfig(), recipe.train, model.spec.scaler
    from_teacher = {
        name: getattr(scaler, name)
        for name in ("channels", "statics")
        # only what the recipe leaves at its default: a user's own choice stands
        if getattr(config, name) == getattr(default, name)
    }
    student = distil(
        model, data, whole_fold(data, max(1, recipe.inner)), config.model_copy(update=from_teacher),
        students=(recipe.network_config(),) if own_network else STUDENTS,
    )  # fmt: skip
    student.model.summary = summary(student.model, data, findings, out) | {
        "share_of_truth": student.best.share,
        "tried": [asdict(t) | {"network": t.network.model_dump(mode="json")} for t in student.tried],
    }
    return student.model


@dataclass(frozen=True)
class Distilled:
    """A student of a teacher that is trained on the same fold: a method to stand beside it.

    Attributes
    ----------
    teacher, teaching
        The large network and its training.
    config, students, shares, slack
        Of :func:`distil`.
    """

    name: str
    teacher: NetworkConfig
    teaching: TrainConfig
    config: TrainConfig
    students: tuple[NetworkConfig, ...] = STUDENTS
    shares: tuple[float, ...] = SHARES
    slack: float = 0.0

    def fit(self, data: StanceSet, fold: Fold) -> FittedModel:
        """Return the student of a teacher trained on the same fold; the fold's inner part stops and chooses."""
        teacher = fit(self.teacher, self.teaching, data, fold)
        student = distil(
            teacher, data, fold, self.config, students=self.students, shares=self.shares, slack=self.slack
        )  # fmt: skip
        return FittedModel(student.model, fold.leaks)
