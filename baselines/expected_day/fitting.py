"""Fitting the conditional logit: maximum likelihood over each query's candidates, with a ridge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from baselines._windows import windows
from baselines.expected_day.choices import Choices
from baselines.expected_day.weights import TRANSITIONS, Weights, rows_of
from bench.adapters.adapter import Context
from bench.data.trajectories import Queries, Trajectories

Describe = Callable[[Trajectories, Queries, int, Context], Choices]  # history, queries, candidates at most


@dataclass(frozen=True)
class Examples:
    """Training points whose truth is among their candidates.

    columns: float32 (columns, points, candidates), the unary ones, then TRANSITIONS; truth: int64 (points,), which
    candidate is the true one; real: bool (points, candidates), False where a user has fewer places than there is room.
    """

    columns: np.ndarray
    truth: np.ndarray
    real: np.ndarray


def fit(examples: Examples, ridge: float, steps: int, without: Sequence[str] = ()) -> Weights:
    """Fit the unary logit alone, and the one with transitions.

    ridge: penalty on the squared weights of columns scaled to a standard deviation of one; steps: of L-BFGS; without:
    PARTS whose weights stay 0. Returns the weights of the columns as they are. The examples' columns are scaled in
    place: it is the largest array there is.
    """
    from threadpoolctl import threadpool_limits

    columns = examples.columns
    scale = np.array([column[examples.real].std(dtype=np.float64) for column in columns])
    scale[scale < 1e-6] = np.inf  # a column that never varies gets no weight
    scale[rows_of(without)] = np.inf
    columns /= scale[:, None, None].astype(np.float32)
    n = len(columns) - len(TRANSITIONS)
    with threadpool_limits(1):  # sums stay in one order
        alone = _maximise(columns[:n], examples, ridge, steps) / scale[:n]
        joint = _maximise(columns, examples, ridge, steps) / scale
    return Weights(alone, joint[:n], joint[n:])


def _maximise(columns: np.ndarray, examples: Examples, ridge: float, steps: int) -> np.ndarray:
    """Return the weights of highest penalised likelihood."""
    from scipy.optimize import minimize

    flat, truth, rows = columns.reshape(len(columns), -1), examples.truth, np.arange(len(examples.truth))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = (weights.astype(np.float32) @ flat).reshape(examples.real.shape).astype(np.float64)
        logits[~examples.real] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        chance = np.exp(logits)
        total = chance.sum(axis=1, keepdims=True)
        nats = float(np.log(total).sum() - logits[rows, truth].sum())
        chance /= total
        chance[rows, truth] -= 1.0
        slope = (flat @ chance.ravel().astype(np.float32)).astype(np.float64)
        return nats + 0.5 * ridge * float(weights @ weights), slope + ridge * weights

    start = np.zeros(len(columns))
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps}).x)


def examples(
    train: Trajectories,
    most_windows: int,
    candidates: int,
    points: int,
    ctx: Context,
    describe: Describe = Choices.of,
) -> Examples | None:
    """Describe points of windows cut from the training days, ``points`` at most (drawn); None where there are none."""
    cut = windows(train, ctx.window, most_windows)
    asked = sum(int(((train.d >= first) & (train.d <= last)).sum()) for _past, (first, last) in cut)
    share = min(1.0, points / max(1, asked))
    parts = []
    for i, user in enumerate(train.users):
        ctx.check_time()
        ctx.progress("candidates", i, len(train.users))
        rows = train.of(user)
        for past, horizon in cut:
            history, truth = rows.days(*past), rows.days(*horizon)
            if len(history) and len(truth):
                drawn = ctx.rng("points", *user, horizon[0]).random(len(truth)) < share
                parts.append(_of_user(history, truth, drawn, candidates, ctx.at(user[0]), describe))
    if not sum(len(part.truth) for part in parts):
        return None
    return Examples(
        np.concatenate([part.columns for part in parts], axis=1),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.real for part in parts]),
    )


def _of_user(
    history: Trajectories,
    truth: Trajectories,
    drawn: np.ndarray,
    candidates: int,
    ctx: Context,
    describe: Describe,
) -> Examples:
    """Describe one user's points that are drawn and whose truth is a candidate; transitions follow the true cells."""
    from baselines.expected_day import transitions

    queries = truth.queries()
    found = describe(history, queries, candidates, ctx)
    places, index = found.places, found.index
    same = (places.x[index] == truth.x[:, None]) & (places.y[index] == truth.y[:, None])
    rows = np.flatnonzero(drawn & same.any(axis=1))
    unary = len(found.columns)
    columns = np.zeros((unary + len(TRANSITIONS), len(rows), candidates), np.float32)
    columns[:unary, :, : index.shape[1]] = found.columns[:, rows]
    columns[unary:, :, : index.shape[1]] = transitions.after_truth(history, truth, found, ctx)[:, rows]
    real = np.zeros((len(rows), candidates), bool)
    real[:, : index.shape[1]] = True
    return Examples(columns, same[rows].argmax(axis=1), real)
