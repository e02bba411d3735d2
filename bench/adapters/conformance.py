"""What every adapter promises, as checks that anyone can run on their own model.

    bench check --adapter my_models:HomeOrWork --set k=3

In Python: ``conform(HomeOrWork, {"k": 3})``. Each check takes a Subject and raises Broken with what is wrong; the first
line of its docstring is the promise. ``CHECKS`` holds them all.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import ValidationError

from bench.adapters import registry
from bench.adapters.adapter import Adapter, Context, LearnsFrom
from bench.adapters.small_world import SmallWorld, locked
from bench.data.trajectories import OK, Answers, Queries, Trajectories
from bench.evaluation import answers as checks

HEAVY = ("torch", "sklearn", "numba", "transformers", "altair")
SAFE_FILES = (".json", ".npy", ".npz", ".parquet", ".safetensors", ".csv", ".txt", ".yaml")


class Broken(Exception):
    """A promise is broken; says how, in one line."""


def hold(kept: object, broken: str) -> None:
    """Raise Broken unless ``kept`` is true."""
    if not kept:
        raise Broken(broken)


@dataclass
class Subject:
    """An adapter under test: its class, settings, a small world and a folder to write in. Fits are made once."""

    adapter: type[Adapter]
    settings: Mapping[str, Any]
    folder: Path
    world: SmallWorld = field(default_factory=SmallWorld.make)
    _numbers: Any = field(default_factory=count)

    def new(self) -> Adapter:
        """Build an instance that has learned nothing."""
        return self.adapter(self.adapter.Settings(**self.settings))

    def place(self) -> Path:
        """Return a new empty folder."""
        path = self.folder / f"{self.adapter.name}_{next(self._numbers)}"
        path.mkdir(parents=True)
        return path

    def context(self, **given: object) -> Context:
        """Return a context with a folder of its own."""
        return self.world.context(folder=self.place(), **given)

    def fit(self, seed: int = 0) -> Adapter:
        """Fit a new instance on the split, as the runner would."""
        made, split = self.new(), self.world.split
        train = split.train
        if made.learns_from == "test histories":
            train = locked(Trajectories.concat([train, split.history]))
        if made.learns_from != "nothing":
            made.fit(train, split.validate, self.context(seed=seed))
        return made

    @cached_property
    def fitted(self) -> Adapter:
        """A fitted instance that all checks share."""
        return self.fit()

    @cached_property
    def answers(self) -> Answers:
        """Its answers to all queries in one call."""
        return self.ask(self.fitted)

    def ask(self, adapter: Adapter, *users: tuple[str, int]) -> Answers:
        """Ask for the given users (all by default) in one call; the answers are checked and the grid is applied."""
        split = self.world.split
        chosen = users or split.queries.users
        history, queries = locked(split.history.only(chosen)), locked(split.queries.only(chosen))
        given = adapter.predict(history, queries, self.context())
        return checks.check(given, queries, self.world.grid)


def the_class_is_described(subject: Subject) -> None:
    """Name, version, learns_from and settings are as the contract wants them; each setting has a description."""
    adapter = subject.adapter
    hold(isinstance(adapter.name, str) and adapter.name, f"name is {adapter.name!r}; it must be text")
    version = adapter.version
    hold(isinstance(version, int) and version >= 1, f"version is {version!r}; it counts from 1")
    learns = subject.new().learns_from
    hold(learns in get_args(LearnsFrom), f"learns_from is {learns!r}; it is one of {', '.join(get_args(LearnsFrom))}")
    hold(adapter.__doc__, "the class has no docstring")
    silent = [name for name, entry in adapter.Settings.model_fields.items() if not entry.description]
    hold(not silent, f"settings without a description: {', '.join(silent)}")
    unknown = adapter.Settings.predicts_with - set(adapter.Settings.model_fields)
    hold(not unknown, f"predicts_with names what is no setting: {', '.join(sorted(unknown))}")
    hold(isinstance(subject.new().seen(), tuple), "seen() is no tuple of cities")


def unknown_settings_are_refused(subject: Subject) -> None:
    """A misspelt setting is an error."""
    try:
        subject.adapter.Settings(**{**subject.settings, "no_such_setting": 1})
    except ValidationError:
        return
    raise Broken("Settings accepts a setting that does not exist; derive it from bench.adapters.adapter.Settings")


def settings_can_be_handed_on(subject: Subject) -> None:
    """Settings that are written out in full, as a worker is given them, are accepted and the same."""
    settings = subject.new().settings
    again = subject.adapter.Settings(**settings.model_dump(mode="json"))
    hold(again == settings, f"written out and read again the settings are {again}")


def importing_is_light(subject: Subject) -> None:
    """Importing the module loads no heavy library: import those inside methods."""
    adapter, known = subject.adapter, registry.names()
    target = known.get(adapter.name, f"{adapter.__module__}:{adapter.__qualname__}")
    add = f"registry.add({target!r}); " if ":" in target else ""
    code = f"import sys; from bench.adapters import registry; {add}registry.get({adapter.name!r}); "
    code += f"print('HEAVY', *(set({HEAVY}) & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    hold(run.returncode == 0, f"it cannot be imported in a new process: {' '.join(run.stderr.split()[-12:])}")
    found = run.stdout.splitlines()[-1].split()[1:]
    hold(not found, f"importing it imports {', '.join(found)}; move that into the methods")


def skip_gives_a_reason_or_none(subject: Subject) -> None:
    """skip() copes with any split, and says why in one line where it says no; the split of this suite can be run."""
    split = subject.world.split
    empty = Trajectories.empty(split.train.cities)
    for odd in (replace(split, validate=None), replace(split, train=empty), replace(split, test_city="elsewhere")):
        reason = subject.new().skip(odd)
        hold(reason is None or (reason and "\n" not in reason), f"skip() gave {reason!r}")
    reason = subject.new().skip(split)
    hold(reason is None, f"the split of this suite is skipped: {reason}")


def every_query_is_answered(subject: Subject) -> None:
    """There is one answer a query, and what is called ok lies in the grid."""
    given, split = subject.ask(subject.fitted), subject.world.split
    raw = subject.fitted.predict(split.history, split.queries, subject.context())
    hold((raw.status[given.status != raw.status] != OK).all(), "a cell outside the grid was called ok")
    hold(len(given) == len(split.queries), f"{len(given)} answers to {len(split.queries)} queries")


def nobody_is_too_little(subject: Subject) -> None:
    """A user with one point of history, one with none, one with a single query, and no user at all are coped with."""
    world = subject.world
    subject.ask(subject.fitted, world.lonely)
    subject.ask(subject.fitted, world.unknown)
    first = world.split.queries.take(slice(0, 1))
    given = subject.fitted.predict(world.split.history.of(first.users[0]), first, subject.context())
    hold(len(checks.check(given, first, world.grid)) == 1, "a single query has another number of answers than one")
    nothing = Queries.empty(first.cities)
    given = subject.fitted.predict(Trajectories.empty(first.cities), nothing, subject.context())
    hold(len(given) == 0, "no queries have answers")


def company_does_not_matter(subject: Subject) -> None:
    """A user's answers are the same alone, in another group and with everybody."""
    users = subject.world.split.queries.users
    for group in (*((user,) for user in users), users[::2], users[1:]):
        rows = np.concatenate([_rows(subject.world.split.queries, user) for user in users if user in group])
        _same(subject.ask(subject.fitted, *group), subject.answers, rows, f"with {len(group)} user(s) in the call")


def the_same_seed_gives_the_same_answers(subject: Subject) -> None:
    """Asking again and fitting again change nothing."""
    rows = np.arange(len(subject.answers))
    _same(subject.ask(subject.fitted), subject.answers, rows, "when asked again")
    _same(subject.ask(subject.fit()), subject.answers, rows, "when fitted again with the same seed")


def saving_keeps_everything(subject: Subject) -> None:
    """A fresh instance that loads what was saved answers alike; what was saved can be read without running code."""
    folder = subject.place()
    subject.fitted.save(folder)
    hold(not (folder / "fit.json").exists(), "save() wrote fit.json; the store writes its own there")
    unsafe = [path.name for path in folder.rglob("*") if path.is_file() and path.suffix not in SAFE_FILES]
    hold(not unsafe, f"save() wrote {', '.join(unsafe)}; safe kinds are {', '.join(SAFE_FILES)}")
    for path in (*folder.rglob("*.npz"), *folder.rglob("*.npy")):
        loaded = np.load(path, allow_pickle=False)
        _ = [loaded[name] for name in loaded.files] if path.suffix == ".npz" else loaded
    fresh = subject.new()
    fresh.load(folder)
    _same(subject.ask(fresh), subject.answers, np.arange(len(subject.answers)), "after saving and loading")
    hold(dict(fresh.facts()) == dict(subject.fitted.facts()), "facts() differs after loading")


def inputs_stay_as_they_are(subject: Subject) -> None:
    """Nothing is written into what an adapter is given (the columns are locked, and compared afterwards)."""
    split = subject.world.split
    tables = [table for table in (split.train, split.validate, split.history, split.queries) if table is not None]
    before = [table.fingerprint() for table in tables]
    subject.ask(subject.fit())
    hold([table.fingerprint() for table in tables] == before, "an input table was changed")


def the_truth_is_out_of_reach(subject: Subject) -> None:
    """Neither queries nor context carry cells; another truth behind the same queries changes no answer."""
    world = subject.world
    hold(type(world.split.queries) is Queries, "queries carry cells")
    context = subject.context()
    carried = [name for name, value in vars(context).items() if isinstance(value, Trajectories)]
    hold(not carried, f"the context carries {carried}")
    hold(world.split.history.d.max() < world.window.horizon[0], "the history reaches into the horizon")
    moved = replace(world.truth, x=world.grid.width + 1 - world.truth.x)
    given = subject.fitted.predict(world.split.history, moved.queries(), context)
    rows = np.arange(len(subject.answers))
    _same(checks.check(given, world.split.queries, world.grid), subject.answers, rows, "with another truth")


def facts_are_scalars(subject: Subject) -> None:
    """facts() holds names and finite scalars that JSON can hold."""
    for key, value in subject.fitted.facts().items():
        hold(isinstance(key, str), f"fact {key!r} is not named by text")
        hold(isinstance(value, (int, float, str)), f"fact {key} is a {type(value).__name__}")
        hold(isinstance(value, str) or np.isfinite(value), f"fact {key} is {value}")


def usage_is_of_the_last_call(subject: Subject) -> None:
    """usage() holds names and finite numbers, with the users they are of, and forgets the calls before."""
    subject.ask(subject.fitted)
    everybody = dict(subject.fitted.usage())
    for key, value in everybody.items():
        hold(isinstance(key, str), f"usage {key!r} is not named by text")
        hold(np.isfinite(value), f"usage {key} is {value}")
    one = subject.world.split.queries.users[0]
    subject.ask(subject.fitted, one)
    alone = dict(subject.fitted.usage())
    if everybody:
        hold(everybody.get("users", -1) >= alone.get("users", -1) >= 0, "usage() does not say of how many users")
        counts = ("users", "tokens_read", "tokens_fed", "forward_passes")
        more = [key for key in counts if alone.get(key, 0) > everybody.get(key, 0)]
        hold(not more, f"one user took more {', '.join(more)} than everybody: usage() is about the last call")


Check = Callable[[Subject], None]
CHECKS: tuple[Check, ...] = (
    the_class_is_described,
    unknown_settings_are_refused,
    settings_can_be_handed_on,
    importing_is_light,
    skip_gives_a_reason_or_none,
    every_query_is_answered,
    nobody_is_too_little,
    company_does_not_matter,
    the_same_seed_gives_the_same_answers,
    saving_keeps_everything,
    inputs_stay_as_they_are,
    the_truth_is_out_of_reach,
    facts_are_scalars,
    usage_is_of_the_last_call,
)


@dataclass(frozen=True)
class Outcome:
    """One promise and, where it is broken, how."""

    promise: str
    broken: str | None = None


def conform(adapter: type[Adapter], settings: Mapping[str, Any] | None = None) -> Iterator[Outcome]:
    """Run all checks on an adapter; yield one outcome a promise. An error that it raises breaks the promise."""
    with tempfile.TemporaryDirectory() as scratch:
        subject = Subject(adapter, settings or {}, Path(scratch))
        for check in CHECKS:
            promise = str(check.__doc__).strip().splitlines()[0]
            try:
                check(subject)
            except Broken as error:
                yield Outcome(promise, str(error))
            except Exception as error:
                yield Outcome(promise, f"{type(error).__name__}: {' '.join(str(error).split())}")
            else:
                yield Outcome(promise)


def _rows(queries: Queries, user: tuple[str, int]) -> np.ndarray:
    """Return the rows of one user."""
    i = queries.users.index(user)
    return np.arange(queries.starts[i], queries.starts[i + 1])


def _same(given: Answers, reference: Answers, rows: np.ndarray, when: str) -> None:
    """Compare answers with some rows of the reference: status everywhere, cells where they are ok."""
    status = reference.status[rows]
    hold(np.array_equal(given.status, status), f"statuses differ {when}")
    ok = status == OK
    differ = (given.x != reference.x[rows]) | (given.y != reference.y[rows])
    hold(not (differ & ok).any(), f"{int((differ & ok).sum())} of {len(rows)} answers differ {when}")
