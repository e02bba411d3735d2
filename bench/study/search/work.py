"""A worker: takes trial after trial from a shared study until its total is reached or its time is up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.study.search.claims import REASON, SCORED, Claims, is_void
from bench.study.search.evaluate import TEST, Evaluator, Failed, Scored
from bench.study.spec.placing import VALIDATION, place, protocol_at
from bench.study.spec.reading import make
from bench.study.spec.schema import Choice, Point, Study

if TYPE_CHECKING:
    import optuna
    from optuna.trial import Trial

Say = Callable[[str], None]
CITIES, USERS = "cities", "users.train"  # axes that readers know without their names
SHARES = "shares."  # before the city whose share an axis is


def work(study: Study, opened: optuna.Study, evaluator: Evaluator, say: Say, *, number: int = 0) -> None:
    """Run trials of one study. What stops it passes out after the point is given back."""
    opened.pruner = make("pruner", study.spec.pruner)
    claims = Claims(study, opened, number)
    deadline = time.monotonic() + study.spec.timeout if study.spec.timeout else None
    while (trial := claims.next(deadline)) is not None:
        began = time.monotonic()
        try:
            with claims.alive(trial):
                said = _run(study, opened, evaluator, trial)
        except BaseException:
            claims.interrupted(trial)
            raise
        stands = len([t for t in claims.standing() if t.state.is_finished()])
        say(f"[{stands}/{study.total}] {study.model} {shown(trial.params)}: {said} ({time.monotonic() - began:.0f} s)")


def _run(study: Study, opened: optuna.Study, evaluator: Evaluator, trial: Trial) -> str:
    """Run one trial and tell Optuna; return what came of it. A trial that was given to another meanwhile is dropped."""
    from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
    from optuna.trial import TrialState

    def heard(step: int, value: float) -> None:
        trial.report(value, step)
        if trial.should_prune():
            raise TrialPruned

    prunes = study.spec.pruner.name != "NopPruner"
    scored, state, said = None, TrialState.PRUNED, "pruned"
    try:
        scored = score_point(study, evaluator, trial.params, heard=heard if prunes else None)
    except Failed as error:
        state, said = TrialState.FAIL, f"failed: {error}"
    except (TrialPruned, UpdateFinishedTrialError):
        pass
    try:
        if scored:
            trial.set_user_attr(SCORED, scored.to_plain())
            said = ", ".join(f"{name} {scored.value(name):.4g}" for name in study.spec.objectives)
            values = [scored.value(name) for name in study.spec.objectives]
            told = opened.tell(trial, values, skip_if_finished=True)
        else:
            trial.set_user_attr(REASON, said)
            told = opened.tell(trial, state=state, skip_if_finished=True)
        dropped = is_void(told)
    except UpdateFinishedTrialError:
        dropped = True
    return "dropped: it was given to another worker meanwhile" if dropped else said


def score_point(
    study: Study,
    evaluator: Evaluator,
    point: Point | None,
    *,
    test: bool = False,
    heard: Callable[[int, float], None] | None = None,
) -> Scored:
    """Score a point, or the empty set of cities (None), on validation users or on test users. Raises Failed."""
    try:
        protocol = protocol_at(study, point, test=test)
    except UserError as error:  # choices that are well alone and not together
        raise Failed(str(error)) from None
    trains = point is not None and place(study.document, study.axes, point) is not None
    return evaluator.score(protocol, kind=TEST if test else VALIDATION, trains=trains, heard=heard)


def shown(point: Point) -> str:
    """Write a point for readers: ``A+B, 240 in all, loss proximity``, ``shares A 0.5, B 1``."""
    parts = {name: text if name in (CITIES, USERS) else f"{name} {text}" for name, text in labels(point).items()}
    shares = [text.removeprefix(SHARES) for name, text in parts.items() if name.startswith(SHARES)]
    rest = [text for name, text in parts.items() if not name.startswith(SHARES)]
    return ", ".join([*rest, *([f"shares {', '.join(shares)}"] if shares else [])])


def labels(point: Point) -> dict[str, str]:
    """Write the choices for readers: ``{"total":240}`` is ``240 in all``, ``models.lp_bert.loss`` is ``loss``.

    A study has one model, so a setting's last name tells it.
    """
    return {brief(name): volume(choice) if name == USERS else _label(choice) for name, choice in point.items()}


def volume(choice: Choice, unit: str = "") -> str:
    """Write how many users train: ``60 a city``, ``240 in all``; unit: of what, e.g. ``trajectories``."""
    text = _label(choice)
    if isinstance(choice, int):
        return " ".join(filter(None, (text, unit, "a city")))
    if text.startswith("total "):
        return " ".join(filter(None, (text.removeprefix("total "), unit, "in all")))
    return f"{unit}: {text}" if unit else text


def brief(axis: str) -> str:
    """Return an axis as readers see it: a setting without ``models.NAME``."""
    return axis.split(".", 2)[2] if axis.startswith("models.") else axis


def _label(choice: Choice) -> str:
    if isinstance(choice, str) and choice.startswith("{"):
        return ", ".join(f"{key} {value}" for key, value in json.loads(choice).items())
    return f"{choice:.4g}" if isinstance(choice, float) else str(choice)
