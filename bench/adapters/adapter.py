"""The contract between the harness and a model: Adapter, Context, Needs, Split."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from bench.adapters.origin import Learning, Tuned
from bench.data.poi import Poi
from bench.data.trajectories import MISSING, Answers, Queries, Trajectories, by_user
from bench.data.world import Calendar, Grid, Window, World
from bench.evaluation.probabilities import Probabilities

LearnsFrom = Literal["nothing", "train users", "test histories"]


class Settings(BaseModel):
    """Base of every adapter's settings: typed, documented, frozen; unknown keys are refused.

    predicts_with: names of settings that fit, save and load never look at; cases that differ only in them share a fit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    predicts_with: ClassVar[frozenset[str]] = frozenset()

    def recorded(self) -> dict[str, Any]:
        """Return the settings as records and identities hold them: no paths of this machine, files by their hash."""
        return self.model_dump(mode="json")


def later(default: Any, **more: Any) -> Any:
    """Return a setting that came after results were published; ``more`` is what pydantic's Field takes.

    It is recorded only where it differs from its default, so that what was fitted without it keeps its identity.
    """
    return Field(default, exclude_if=lambda value: value == default, **more)


@dataclass(frozen=True)
class Needs:
    """What an adapter needs to run; checked before anything is loaded.

    packages: modules to import; install: what to give pip for them, e.g. ``mobility-bench[llm]`` (if empty, the
    packages themselves). environment: variables with a key that the model's process may see; keeps: whether
    ``Context.folder`` survives the run although the model learns from nothing. Both work only for the project's own
    models.
    """

    packages: tuple[str, ...] = ()
    install: str = ""
    cuda: bool = False
    gpu_gb: float = 0.0
    cpu_gb: float = 0.0
    environment: tuple[str, ...] = ()
    keeps: bool = False


@dataclass(frozen=True)
class Split:
    """What a model may see of one case. The truth is not here and never reaches a model.

    train: all rows of the training users on the training days; validate: the same for users held out for validation,
    or None; history: the test users' rows on the window's history days; queries: the points to predict; worlds: grid
    and calendar of each city.
    """

    train_cities: tuple[str, ...]
    test_city: str
    window: Window
    train: Trajectories
    validate: Trajectories | None
    history: Trajectories
    queries: Queries
    worlds: Mapping[str, World] = field(default_factory=dict)

    def world(self, city: str) -> World:
        """Return a city's grid and calendar; HuMob's by default."""
        return self.worlds.get(city, World())


class OutOfTime(RuntimeError):
    """The case's time limit was reached."""


def _quiet(_label: str, _done: float, _total: float) -> None:
    """Drop progress."""


def _ignore(_step: int, _value: float) -> None:
    """Drop intermediate values."""


@dataclass
class Context:
    """What the harness gives a model for one fit or one call of predict.

    grid, calendar: of the test city in predict; in fit, of all cities, or of the first one for a model that
    ``knows_worlds`` and asks :meth:`at`. worlds: of each city. seed: the case's seed; device: "cpu" or "cuda"; threads:
    CPU threads to use; folder: scratch space that survives a killed run, for checkpoints; progress(label, done, total);
    intermediate(step, value): a validation score while fitting (a study may raise from it to prune); deadline: a
    time.monotonic() value, or None; poi: points of interest by city, for models that want them
    (:meth:`Adapter.wants_poi`); ranks: how many cells an answer should rank (``Answers.ranked``), 0 where one is
    enough.
    """

    window: Window = field(default_factory=Window)
    grid: Grid = field(default_factory=Grid)
    calendar: Calendar = field(default_factory=Calendar)
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    folder: Path = Path(".")
    progress: Callable[[str, float, float], None] = _quiet
    intermediate: Callable[[int, float], None] = _ignore
    deadline: float | None = None
    poi: Mapping[str, Poi] = field(default_factory=dict)
    ranks: int = 0
    worlds: Mapping[str, World] = field(default_factory=dict)

    def at(self, city: str) -> Context:
        """Return this context with the grid and calendar of one city."""
        world = self.worlds.get(city)
        if world is None or (world.grid == self.grid and world.calendar == self.calendar):
            return self
        return replace(self, grid=world.grid, calendar=world.calendar)

    def seed_for(self, *purpose: str | int) -> int:
        """Return a seed below 2**63 hashed from the case's seed and the purpose.

        Name in the purpose everything it may depend on, e.g. ``seed_for("noise", city, uid)``. Then it does not change
        with other models or users.
        """
        text = "\x00".join(str(part) for part in (self.seed, *purpose))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def rng(self, *purpose: str | int) -> np.random.Generator:
        """Return a numpy generator seeded by :meth:`seed_for`."""
        return np.random.default_rng(self.seed_for(*purpose))

    def check_time(self) -> None:
        """Raise OutOfTime once the time limit is reached."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime("the time limit was reached")


class Adapter(ABC):
    """A model under test. Its file's or folder's name under ``baselines/`` or ``models/`` is its name.

    fit is called once (never for learns_from = "nothing"), then predict any number of times with any subset of the test
    users: an answer for a user must not depend on who else is in the call. Heavy imports sit inside methods.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raise it when the same settings answer otherwise
    Settings: ClassVar[type[Settings]] = Settings
    needs: ClassVar[Needs] = Needs()
    learns_from: ClassVar[LearnsFrom] = "train users"
    batch_users: ClassVar[int] = 256  # users in one call of predict
    knows_worlds: ClassVar[bool] = False  # fit asks ctx.at(city) for grid and calendar: its cities' may differ
    device: str = "cpu"  # where the case runs: said before skip is called; fit and predict hear of it in their Context
    in_context: bool = False  # whether probabilities looks at the cells of the user's queries before
    shipped: ClassVar[Path | None] = (
        None  # of the project's own models: a folder of fits by identity, as a store has them
    )
    timed: ClassVar[bool] = True  # False where answers come from a file: its seconds say nothing of the model

    def __init__(self, settings: Any = None) -> None:
        """Take the adapter's own ``Settings``; the defaults where there are none."""
        self.settings: Any = settings if settings is not None else self.Settings()

    def seen(self) -> tuple[str, ...]:
        """Cities in the model's pretraining, before fit: the leak flag. May depend on the settings."""
        return ()

    def tuned(self) -> tuple[Tuned, ...]:
        """What in the model was chosen on whose data before any fit; empty if nobody's data were used."""
        return ()

    def learning(self) -> Learning:
        """Where the weights began and which were kept, after fit or load; by default a model has no weights."""
        return Learning()

    def wants_poi(self) -> bool:
        """Whether fit and predict look at ``ctx.poi``; if a city has no such table, the case is skipped."""
        return False

    def precision(self, device: str) -> str:
        """Return the number format of fit and predict on this device; part of the fit's identity."""
        return "float32"

    def skip(self, split: Split) -> str | None:
        """Return why this model cannot take part in this split, on ``self.device``, or None; the reason is shown."""
        return None

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:  # noqa: B027
        """Learn. With learns_from = "test histories" the test users' histories are among the rows of ``train``."""

    @abstractmethod
    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer every query, in order, with status ``invalid`` or ``missing`` where there is no answer."""

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> Probabilities:
        """Return the probability of each cell at every query, in order; the metric ``nats@v1`` is computed from it.

        A model without probabilities leaves this out. It is asked in a separate process after all answers are in, with
        the same fit, some users at a time. shown: None unless ``in_context``; then the queries' rows with cells, the
        true ones or the model's own answers. A query may depend on the cells of the user's earlier queries, and its y
        on its own x, but on nothing else of its own cell and on no later one. To test this, the runner changes cells
        from some query on and compares (bench/running/losses.py). A user without a history gets a uniform guess.
        """
        raise NotImplementedError

    def save(self, folder: Path) -> None:  # noqa: B027
        """Write what fit learned into an empty folder: safetensors, JSON or npz; no pickle, no ``fit.json``."""

    def load(self, folder: Path) -> None:  # noqa: B027
        """Read what save wrote."""

    def facts(self) -> Mapping[str, int | float | str]:
        """Facts about the fit for the record, e.g. parameters, trained_parameters.

        Reserved keys: ``parameters`` (all), ``trained_parameters``, ``epochs``, ``init`` (pretrained, scratch),
        ``undertrained`` (a reason: the case is shown and not ranked), ``shots`` (training users shown in each prompt),
        ``shipped`` (how the fit was made that ships with the model).
        """
        return {}

    def usage(self) -> Mapping[str, float]:
        """Totals over the last call of predict, apart from seconds; empty for a model without such work.

        Keys that tables show: ``users`` (required with any other; means are over them), ``tokens_read`` (prompts),
        ``tokens_fed`` (while decoding), ``drafted``, ``accepted``, ``forward_passes`` (after the prompt; the sum over
        users of those a user took part in), ``prefill_seconds``, ``decode_seconds``, ``smallest_margin``,
        ``malformed``, ``missing``, ``surplus``, ``out_of_range``. Keys that begin with ``smallest_`` keep the
        smallest value; all others are summed.
        """
        return {}


class PerUser(Adapter):
    """Base of models that answer from a user's own history: implement :meth:`answer`."""

    learns_from: ClassVar[LearnsFrom] = "nothing"

    @abstractmethod
    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y for one user's queries, from a history with at least one row."""

    def rank(self, history: Trajectories, queries: Queries, ctx: Context) -> np.ndarray | None:
        """Return the ``ctx.ranks`` likeliest cells of each query (``Answers.ranked``), or None: the answer alone."""
        return None

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer user by user; users without a history get ``missing``."""
        parts = []
        for _user, past, asked in by_user(history, queries):
            if len(past):
                said = Answers.of(*self.answer(past, asked, ctx))
                parts.append(replace(said, ranked=self.rank(past, asked, ctx)) if ctx.ranks else said)
            else:
                zero = np.zeros(len(asked), np.int16)
                parts.append(Answers.of(zero, zero, np.full(len(asked), MISSING)))
        return Answers.concat(parts)
