"""Transitions: columns as defined, days drawn as often as the chain says."""

from __future__ import annotations

import numpy as np
import pytest
from plain_logit import pairs_of_the_hour

from baselines.expected_day import transitions
from baselines.expected_day.choices import Choices
from baselines.expected_day.weights import TRANSITIONS
from bench.adapters.small_world import SmallWorld, person
from bench.data.trajectories import Trajectories


def parts(uid: int = 1) -> tuple[Trajectories, Trajectories, Choices]:
    """Return a history, the days after it, and the candidates there."""
    rows = person("R", uid, 24)
    history, truth = rows.days(0, 20), rows.days(21, 23)
    return history, truth, Choices.of(history, truth.queries(), 6, SmallWorld.make().context())


def test_columns_say_what_their_names_say() -> None:
    history, truth, found = parts()
    ctx = SmallWorld.make().context()
    columns = dict(zip(TRANSITIONS, transitions.after_truth(history, truth, found, ctx), strict=True))
    time = truth.d.astype(int) * 48 + truth.t
    x, y = found.places.x[found.index], found.places.y[found.index]
    assert not any(column[0].any() for column in columns.values())  # the first point follows nothing
    gap = np.minimum(np.diff(time), 48)[:, None]
    apart = np.hypot(x[1:] - truth.x[:-1, None], y[1:] - truth.y[:-1, None])
    same = apart == 0
    assert np.array_equal(columns["same, gap to 1"][1:], same & (gap == 1))
    assert np.array_equal(columns["same, gap over 16"][1:], same & (gap > 16))
    assert np.allclose(columns["proximity"][1:], np.where(same, 0, np.exp(-0.5 * apart)))
    assert np.allclose(columns["log distance, gap to 4"][1:], np.where((gap > 2) & (gap <= 4), np.log1p(apart), 0))
    assert np.allclose(columns["speed"][1:], np.minimum(apart / gap, 20) / 10)
    first = np.diff(truth.d)[:, None] > 0
    assert np.array_equal(columns["same, first of day"][1:], same & first)
    neighbour = ~same & (apart < 1.6)
    assert np.array_equal(columns["neighbour, gap to 2"][1:], neighbour & (gap <= 2))
    assert np.array_equal(columns["neighbour, gap over 2"][1:], neighbour & (gap > 2))


def test_pairs_of_the_hour_are_counted_as_defined() -> None:
    history, truth, found = parts()
    ctx, places = SmallWorld.make().context(), found.places
    column = transitions.after_truth(history, truth, found, ctx)[TRANSITIONS.index("pairs of the hour, gap to 2")]
    number = {cell: i for i, cell in enumerate(zip(places.x.tolist(), places.y.tolist(), strict=True))}
    time = truth.d.astype(int) * 48 + truth.t
    checked = 0
    for q in range(1, len(truth)):
        before = number.get((int(truth.x[q - 1]), int(truth.y[q - 1])))
        if before is not None and time[q] - time[q - 1] <= 2:
            plain = pairs_of_the_hour(history, places.row, int(truth.d[q]), int(truth.t[q]), ctx.calendar)
            row = plain[before, found.index[q]] + 0.1
            assert np.allclose(column[q], np.log(row / row.sum()), atol=1e-5)
            checked += 1
    assert checked > 5


@pytest.mark.parametrize("chained", [False, True])
def test_days_are_drawn_as_often_as_the_chain_says(chained: bool) -> None:
    """Against the chain's own marginals, computed forward; without transitions points are independent."""
    history, truth, found = parts()
    ctx, queries = SmallWorld.make().context(), truth.queries().take(slice(0, 8))
    index, rng = found.index[:8], np.random.default_rng(0)
    logits, weights = rng.normal(size=index.shape), rng.normal(size=len(TRANSITIONS)) if chained else np.zeros(0)
    now, past = transitions.asked(queries, ctx), transitions.past(history, found.places, found.stays, ctx)
    drawn, k, samples = np.empty((8, 4000), np.int64), index.shape[1], 4000
    transitions.walk(now, past, index, logits, weights, rng.random(index.shape), rng.random((8, samples)), drawn)
    marginal = softmax(logits[0])
    where, of_hour, joint = np.full((2, len(found.places)), -1), np.zeros((k, k)), np.zeros((k, k))
    for q in range(8):
        if q:
            if chained:
                transitions._score(now, q, index[q - 1], index[q], where, past, of_hour, weights, joint)
            marginal = marginal @ softmax(logits[q] + joint)
        share = np.bincount(drawn[q], minlength=k) / samples
        assert np.abs(share - marginal).max() < 0.05


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities along the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))
