"""Drafts follow the history and the answers so far, and the simulated verifier counts passes as theory says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.sources import open_source
from bench.data.world import Calendar
from models.llama_mob.engine.drafter import Drafter, Weights, shipped
from models.llama_mob.engine.evidence import SIZE, IntArray
from models.llama_mob.tools.simulate import agreeing, count, judges, jump_passes, passes_of

IS_OFF = Calendar().is_off


def life(seed: int, days: int, habit: float = 0.9, width: int = 20) -> IntArray:
    """Return rows of d, t, x, y of someone who mostly keeps to home, work and a way between."""
    rng = np.random.default_rng(seed)
    usual = rng.integers(1, width, (4, 2))
    rows = []
    for day in range(days):
        for slot in sorted(rng.choice(48, 6, replace=False)):
            place = usual[slot // 12] if rng.random() < habit else rng.integers(1, width, 2)
            rows.append((day, slot, *place))
    return np.array(rows, dtype=np.int64)


def parts(seed: int, habit: float = 0.9) -> tuple[IntArray, IntArray]:
    rows = life(seed, 30, habit)
    return rows[rows[:, 0] < 24], rows[rows[:, 0] >= 24]


def at_slot(at: int, answers: IntArray) -> tuple[int, int | None, IntArray]:
    return at, int(answers[at // 2, 2]) if at % 2 else None, answers[: at // 2, 2:]


def test_one_who_always_stays_is_drafted_there() -> None:
    rows = np.array([(day, slot, 7, 9) for day in range(10) for slot in (3, 20, 40)])
    drafter = Drafter(rows[:24], rows[24:, :2], IS_OFF)
    assert drafter.chain(0, None, rows[:0, 2:], 16).tolist() == [7, 9] * 6
    assert drafter.chain(1, 7, rows[:0, 2:], 5).tolist() == [9, 7, 9, 7, 9]
    assert count(drafter, rows[24:, 2:], 16, tree=False).passes == 1


def test_own_answers_outweigh_nothing_seen() -> None:
    rows = np.array([(day, slot, 7 + (slot > 20), 9) for day in range(10) for slot in (3, 20, 40)])
    drafter = Drafter(rows[:0], rows[:, :2], IS_OFF)
    assert len(drafter.chain(0, None, rows[:0, 2:], 16)) == 0
    assert drafter.chain(40, None, rows[:20, 2:], 8).tolist() == rows[20:24, 2:].ravel().tolist()


def test_an_x_never_seen_is_drafted_on() -> None:
    history, queries = parts(1)
    guesses = Drafter(history, queries[:, :2], IS_OFF).chain(1, 150, queries[:0, 2:], 8)
    assert len(guesses) == 8
    assert guesses.min() >= 1


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), at=st.integers(0, 60), nodes=st.integers(1, 70))
def test_trees_are_trees_of_the_likeliest_numbers(seed: int, at: int, nodes: int) -> None:
    history, queries = parts(seed)
    drafter = Drafter(history, queries[:, :2], IS_OFF)
    tree = drafter.tree(*at_slot(at, queries), nodes)
    assert 0 < len(tree) <= nodes
    assert np.all(tree.parents < np.arange(len(tree)))
    first = tree.parents < 0
    assert np.all(tree.slots[first] == at)
    assert np.all(tree.slots[~first] == tree.slots[tree.parents[~first]] + 1)
    assert tree.slots.max() < 2 * len(queries)
    assert len({*zip(tree.parents.tolist(), tree.tokens.tolist(), strict=True)}) == len(tree)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), at=st.integers(0, 60))
def test_a_draft_does_not_depend_on_drafts_before(seed: int, at: int) -> None:
    history, queries = parts(seed, habit=0.5)
    used, fresh = (Drafter(history, queries[:, :2], IS_OFF) for _ in range(2))
    for earlier in range(0, at, 7):
        used.tree(*at_slot(earlier, queries), 33)
    assert used.chain(*at_slot(at, queries), 16).tolist() == fresh.chain(*at_slot(at, queries), 16).tolist()


def test_a_smaller_tree_is_the_beginning_of_a_larger_one() -> None:
    history, queries = parts(3, habit=0.6)
    small, large = (Drafter(history, queries[:, :2], IS_OFF).tree(*at_slot(21, queries), nodes) for nodes in (16, 64))
    assert small.tokens.tolist() == large.tokens[:16].tolist()
    assert small.parents.tolist() == large.parents[:16].tolist()


def test_nothing_is_drafted_under_the_threshold() -> None:
    history, queries = parts(4, habit=0.6)
    lengths = []
    for threshold in (0.0, 0.1, 0.5, 1.1):
        drafter = Drafter(history, queries[:, :2], IS_OFF, threshold=threshold)
        lengths.append(len(drafter.chain(*at_slot(30, queries), 16)))
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == 16
    assert lengths[-1] == 0


def test_what_is_not_known_yet_is_not_looked_at() -> None:
    history, queries = parts(5)
    drafter = Drafter(history, queries[:, :2], IS_OFF)
    at, x, known = at_slot(31, queries)
    assert known.shape == (15, 2)
    other = queries.copy()
    other[16:, 2:] = 1
    again = Drafter(history, other[:, :2], IS_OFF)
    assert drafter.tree(at, x, known, 32).tokens.tolist() == again.tree(at, x, known, 32).tokens.tolist()


class Knows:
    """Drafts what it was told, shifted by an error."""

    def __init__(self, answers: IntArray, error: int) -> None:
        self.numbers = answers.ravel() + error

    def chain(self, at: int, x: int | None, known: IntArray, k: int) -> IntArray:
        return self.numbers[at : at + k]


def test_passes_are_counted_as_theory_says() -> None:
    answers = parts(6)[1][:, 2:]
    numbers = answers.size
    right, wrong = (count(Knows(answers, error), answers, 16, tree=False) for error in (0, 1))  # type: ignore[arg-type]
    assert right.passes == -(-(numbers - 1) // 17)
    assert right.accepted == right.drafted == numbers - 1 - (numbers - 1) // 17
    assert (wrong.passes, wrong.accepted) == (jump_passes(len(answers)), 0)


def test_the_best_path_of_a_tree_is_followed() -> None:
    history, queries = parts(7)
    tree = Drafter(history, queries[:, :2], IS_OFF).tree(*at_slot(20, queries), 40)
    deepest = int(tree.slots.argmax())
    path = []
    while deepest >= 0:
        path.append(int(tree.tokens[deepest]))
        deepest = int(tree.parents[deepest])
    numbers = np.array([0] * 20 + path[::-1] + [-1])
    assert agreeing(tree, numbers, 20) == len(path)


def test_trees_need_no_more_passes_than_chains() -> None:
    passes = np.zeros(4)
    for seed in range(5):
        history, queries = parts(seed)
        for column, (nodes, tree) in enumerate(((16, False), (16, True), (32, True), (64, True))):
            drafter = Drafter(history, queries[:, :2], IS_OFF)
            passes[column] += count(drafter, queries[:, 2:], nodes, tree=tree).passes
    assert np.all(np.diff(passes) < 0)
    assert passes[0] < 0.6 * 5 * jump_passes(36)


def test_weights_survive_their_file(tmp_path: Path) -> None:
    file = tmp_path / "weights.json"
    logs = np.random.default_rng(0).normal(size=SIZE)
    file.write_text(Weights(logs, 1.25).as_text("nothing"))
    again = Weights.read(file)
    assert again.power == 1.25
    assert np.abs(again.logs - logs).max() <= 0.0005001
    assert np.all(np.isfinite(shipped().logs))


@pytest.mark.slow
@pytest.mark.parametrize("city", ["B", "C"])
def test_logged_answers_of_llama_need_few_passes(humob100: Path, city: str) -> None:
    """At most 90 with a chain of 16 numbers, 55 with a tree of 64, on users whose answers the weights never saw."""
    source = open_source(f"humob:{humob100}")
    logged = {city: humob100 / "predictions" / f"llama-3-8b-mob_AB_{city}.csv.gz"}
    people = judges(source, logged, fitted="B")[city]
    means = [
        np.mean([passes_of(person, source.world(city).calendar.is_off, nodes, tree=tree) for person in people])
        for nodes, tree in ((16, False), (64, True))
    ]
    assert len(people) == (50 if city == "B" else 100)
    assert means[0] <= 90
    assert means[1] <= 55
