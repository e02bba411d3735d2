"""Promises about answers: complete, independent of other users, the same after saving, and without the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.adapters.adapter import Adapter
from bench.adapters.conformance.subject import Subject, hold, rows_of, same
from bench.adapters.small_world import locked
from bench.data.trajectories import OK, Queries, Trajectories
from bench.evaluation import answers as checks
from bench.evaluation.probabilities import check as check_probabilities
from bench.evaluation.probabilities import log_chances

SAFE_FILES = (".json", ".npy", ".npz", ".parquet", ".safetensors", ".csv", ".txt", ".yaml")


def every_query_is_answered(subject: Subject) -> None:
    """Every query gets one answer, and a cell with status ok lies in the grid."""
    given, split = subject.ask(subject.fitted), subject.world.split
    raw = subject.fitted.predict(split.history, split.queries, subject.context())
    hold((raw.status[given.status != raw.status] != OK).all(), "a cell outside the grid has status ok")
    hold(len(given) == len(split.queries), f"{len(given)} answers to {len(split.queries)} queries")


def nobody_is_too_little(subject: Subject) -> None:
    """A history of one point, no history, a single query and no query at all are handled."""
    world = subject.world
    subject.ask(subject.fitted, world.lonely)
    subject.ask(subject.fitted, world.unknown)
    first = world.split.queries.take(slice(0, 1))
    given = subject.fitted.predict(world.split.history.of(first.users[0]), first, subject.context())
    hold(len(checks.check(given, first, world.grid)) == 1, "a single query did not get one answer")
    nothing = Queries.empty(first.cities)
    given = subject.fitted.predict(Trajectories.empty(first.cities), nothing, subject.context())
    hold(len(given) == 0, "answers came back for no queries")


def company_does_not_matter(subject: Subject) -> None:
    """A user's answers do not depend on who else is in the call."""
    users = subject.world.split.queries.users
    for group in (*((user,) for user in users), users[::2], users[1:]):
        rows = np.concatenate([rows_of(subject.world.split.queries, user) for user in users if user in group])
        same(subject.ask(subject.fitted, *group), subject.answers, rows, f"with {len(group)} user(s) in the call")


def the_same_seed_gives_the_same_answers(subject: Subject) -> None:
    """Asking again, and fitting again with the same seed, change nothing."""
    rows = np.arange(len(subject.answers))
    same(subject.ask(subject.fitted), subject.answers, rows, "when asked again")
    same(subject.ask(subject.fit()), subject.answers, rows, "when fitted again with the same seed")


def saving_keeps_everything(subject: Subject) -> None:
    """A new instance that loads what was saved gives the same answers; loading runs no saved code."""
    folder = subject.place()
    subject.fitted.save(folder)
    hold(not (folder / "fit.json").exists(), "save() wrote fit.json; the store writes its own there")
    unsafe = [path.name for path in folder.rglob("*") if path.is_file() and path.suffix not in SAFE_FILES]
    hold(not unsafe, f"save() wrote {', '.join(unsafe)}; allowed are {', '.join(SAFE_FILES)}")
    for path in (*folder.rglob("*.npz"), *folder.rglob("*.npy")):
        loaded = np.load(path, allow_pickle=False)
        _ = [loaded[name] for name in loaded.files] if path.suffix == ".npz" else loaded
    fresh = subject.new()
    fresh.load(folder)
    same(subject.ask(fresh), subject.answers, np.arange(len(subject.answers)), "after saving and loading")
    hold(dict(fresh.facts()) == dict(subject.fitted.facts()), "facts() differs after loading")


def probabilities_look_at_nothing_that_comes_after(subject: Subject) -> None:
    """Probabilities, if given, are distributions; they depend on no other user and on no later cell."""
    world, made = subject.world, subject.fitted
    if type(made).probabilities is Adapter.probabilities:
        return
    split, truth, grid = world.split, world.truth, world.grid

    def told(shown: Trajectories) -> np.ndarray:
        chosen = split.queries.only(shown.users)
        past = locked(split.history.only(shown.users))
        given = made.probabilities(past, locked(chosen), subject.context(), shown if made.in_context else None)
        return log_chances(check_probabilities(given, chosen, grid), truth.only(shown.users), grid)

    whole = told(truth)
    for user in truth.users:
        rows, own = rows_of(truth, user), truth.of(user)
        hold(np.abs(told(own) - whole[rows]).max() < 0.1, "a user's probabilities depend on who else is in the call")
        cut = len(own) // 2
        later = np.arange(len(own)) >= cut
        moved = replace(own, x=np.where(later, grid.width + 1 - own.x, own.x), y=np.where(later, 1, own.y))
        apart = np.abs(told(moved) - whole[rows])
        looked = max(apart[:cut].max(initial=0), apart[cut, 0])  # y at the cut may look at its x
        hold(looked < 0.1, "probabilities of a cell depend on that cell or on later ones")


def inputs_stay_as_they_are(subject: Subject) -> None:
    """Inputs are not changed (their columns are locked, and compared afterwards)."""
    split = subject.world.split
    tables = [table for table in (split.train, split.validate, split.history, split.queries) if table is not None]
    before = [table.fingerprint() for table in tables]
    subject.ask(subject.fit())
    hold([table.fingerprint() for table in tables] == before, "an input table was changed")


def the_truth_is_out_of_reach(subject: Subject) -> None:
    """Queries and context carry no true cells; another truth behind the same queries changes no answer."""
    world = subject.world
    hold(type(world.split.queries) is Queries, "queries carry cells")
    context = subject.context()
    carried = [name for name, value in vars(context).items() if isinstance(value, Trajectories)]
    hold(not carried, f"the context carries {carried}")
    hold(world.split.history.d.max() < world.window.horizon[0], "the history reaches into the horizon")
    moved = replace(world.truth, x=world.grid.width + 1 - world.truth.x)
    given = subject.fitted.predict(world.split.history, moved.queries(), context)
    rows = np.arange(len(subject.answers))
    same(checks.check(given, world.split.queries, world.grid), subject.answers, rows, "with another truth")
