"""The record of one case: what was asked, what came back, what it cost, where it ran. Leaderboards read only these."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.adapters.origin import Learning, Tuned

SCHEMA = 3  # raise it, and schema_version below, when a field is added or means something else
LEAST_PEOPLE = 40  # real people behind a published mean
READ = (2, SCHEMA)  # 2: without slices, agreement and corpus


class Part(BaseModel):
    """Base of the record's parts: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Identity(Part):
    """Hashes of what the fit, the answers and the cost depend on (bench/running/plan.py)."""

    fit: str
    answers: str
    cost: str


class Case(Part):
    """What was asked: a model with its settings, a split, a seed. ``protocol`` is provenance, not identity."""

    protocol: str
    protocol_version: int
    scale: str
    model: str = Field(description="name shown in tables")
    adapter: str
    adapter_version: int
    settings: dict[str, Any] = Field(description="resolved, with defaults")
    predicts_with: tuple[str, ...] = Field((), description="settings that no fit depends on")
    learns_from: Literal["nothing", "train users", "test histories"]
    seen: tuple[str, ...] = Field((), description="cities in the model's pretraining")
    tuned: tuple[Tuned, ...] = Field((), description="what was chosen on whose data before any fit")
    train_cities: tuple[str, ...]
    train_days: tuple[int, int] | None
    test_city: str
    seed: int
    history: tuple[int, int]
    horizon: tuple[int, int]


class Data(Part):
    """What it was asked on."""

    source: str
    synthetic: bool
    fingerprint: dict[str, str] = Field({}, description="city -> SHA-256 of its whole table")
    parts: dict[str, str] = Field({}, description="train, validate, history, queries -> SHA-256 of the rows")
    worlds: dict[str, dict[str, Any]] = Field({}, description="city -> grid and calendar, where they are not HuMob's")
    train_users: int
    validate_users: int
    test_users: int
    test_points: int
    notes: tuple[str, ...] = Field((), description="e.g. fewer users than the protocol wanted")


class SliceScore(Part):
    """One metric over the users who have points in a slice (bench/evaluation/metrics/slices.py)."""

    users: int
    mean: float
    low: float | None = Field(None, description="95 % bootstrap interval over users; none of fewer than ten")
    high: float | None = None


class Agreement(Part):
    """How far a model agrees with itself: its answers of this seed beside those of another one, mean over users."""

    seed: int
    answers: str = Field(description="identity of the other seed's answers")
    same_cell: float = Field(description="share of points answered with the same cell")
    same_low: float | None = Field(description="95 % bootstrap interval over users")
    same_high: float | None
    geobleu: float = Field(description="GEO-BLEU (HuMob 2024) of the one seed's answers with the other's as the truth")


class Corpus(Part):
    """One metric of all test users together: a divergence between what was predicted and what was true."""

    value: float
    low: float | None = Field(description="95 % bootstrap interval over users")
    high: float | None
    unit: str
    better: Literal["higher", "lower"]


class Score(Part):
    """One metric over the case's test users."""

    mean: float
    low: float | None = Field(description="95 % bootstrap interval over users; none of a single user")
    high: float | None
    median: float
    misses_as_zero: float | None = Field(None, description="mean with users' unanswered points counted as worst")
    unit: str
    better: Literal["higher", "lower"]
    groups: dict[str, float] = Field({}, description="mean by group of users, e.g. activity_q1")
    slices: dict[str, SliceScore] = Field({}, description="by part of the points, e.g. step=move, cell=new, hour=7")


class AnswerCounts(Part):
    """How the queries were answered before the fallback filled the gaps."""

    asked: int
    ok: int
    invalid: int
    missing: int
    filled: int
    coverage: float = Field(description="share of queries the model itself answered with a cell")
    fallback: str
    most_filled: float = Field(description="share above which the case is not ranked")


class Usage(Part):
    """What a language model used, by the keys of Adapter.usage: tokens, passes, drafts, seconds."""

    alone: dict[str, float] = Field({}, description="mean a trajectory, one at a time")
    batch: dict[str, float] = Field({}, description="mean a trajectory, in one batch")
    answering: dict[str, float] = Field({}, description="sums over the calls that made the answers")


class Cost(Part):
    """Seconds and memory, on the machine that the record names."""

    device: str
    threads: int
    batch_users: int
    fit_seconds: float | None = Field(None, description="of the last try, where a killed fit went on")
    predict_seconds: float | None = Field(None, description="all test users, after the warm-up where there was one")
    latency_median_s: float | None = Field(None, description="one trajectory at a time, after warm-up")
    latency_p95_s: float | None = None
    latency_users: int = 0
    alone: bool = Field(True, description="nothing else of this run was running meanwhile")
    throughput_per_s: float | None = Field(None, description="trajectories a second, in batches")
    peak_memory_mb: float | None = None
    peak_gpu_memory_mb: float | None = None
    usage: Usage | None = None


class Machine(Part):
    """Hardware and software, without host names or paths."""

    cpu: str
    cores: int
    memory_gb: float
    gpu: str | None = None
    system: str
    python: str
    packages: dict[str, str]


class Provenance(Part):
    """Which code made the record, and when."""

    bench_version: str
    commit: str | None
    dirty: bool
    adapter_source: str = Field(description="SHA-256 of the adapter's source files")
    created: str = Field(description="UTC, ISO 8601")


class Record(Part):
    """One case, done, failed or skipped."""

    schema_version: Literal[2, 3] = 3
    status: Literal["done", "failed", "skipped"]
    reason: str | None = Field(None, description="why it failed or was skipped; one line")
    identity: Identity
    case: Case
    data: Data | None = None
    main: str = Field(description="the metric that ranks, name@version")
    scores: dict[str, Score] = {}
    corpus: dict[str, Corpus] = Field({}, description="metrics of all users together, name@version")
    agreement: tuple[Agreement, ...] = Field((), description="with the same model's answers of other seeds")
    answers: AnswerCounts | None = None
    cost: Cost | None = None
    learning: Learning | None = Field(None, description="where the weights began, and which were kept")
    facts: dict[str, int | float | str] = {}
    confined: bool | None = Field(
        None, description="whether fit and answers were made out of reach of the data's files and the store"
    )
    numerics: dict[str, str] = Field({}, description="precision, determinism")
    files: dict[str, str] = Field({}, description="scores: path in the run's folder; answers: path in the store")
    machine: Machine
    provenance: Provenance

    @property
    def uids_a_user(self) -> int:
        """Above 1 where the test city's uids are windows of one person or animal (bench/data/world.py)."""
        return int(self._world.get("uids_a_user", 1))

    @property
    def people(self) -> str:
        """The city whose people were asked: another one where the test city has its people on another grid."""
        return str(self._world.get("people") or self.case.test_city)

    @property
    def _world(self) -> dict[str, Any]:
        return self.data.worlds.get(self.case.test_city, {}) if self.data else {}

    @property
    def kept_start(self) -> bool:
        """Whether a fit was asked for and its weights are those it began with."""
        return self.learning is not None and self.learning.kept_start

    def for_others(self) -> Record:
        """Return the record as it may be published: of real people without means over fewer than LEAST_PEOPLE.

        A slice says how many users it holds; a group is a quarter of the users.
        """
        if self.data is None or self.data.synthetic:
            return self
        grouped = self.data.test_users >= 4 * LEAST_PEOPLE

        def of_many(score: Score) -> Score:
            slices = {key: part for key, part in score.slices.items() if part.users >= LEAST_PEOPLE}
            return score.model_copy(update={"slices": slices, "groups": score.groups if grouped else {}})

        return self.model_copy(update={"scores": {name: of_many(score) for name, score in self.scores.items()}})

    def unranked(self) -> str | None:
        """Return why a done case may not be ranked, or None."""
        if self.answers and self.answers.asked and self.answers.filled / self.answers.asked > self.answers.most_filled:
            return f"{self.answers.filled / self.answers.asked:.0%} of its answers were filled by the fallback"
        if self.facts.get("undertrained"):
            return f"undertrained: {self.facts['undertrained']}"
        return None


def write(record: Record, path: Path) -> None:
    """Write a record as JSON, whole or not at all."""
    from bench.files import write_text

    write_text(path, record.model_dump_json(indent=1) + "\n")


def read(path: Path) -> Record:
    """Read a record. Raises OSError, and ValueError where it is broken or of another schema."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict) and content.get("schema_version") not in READ:
        reads = " and ".join(map(str, READ))
        raise ValueError(f"it has schema {content.get('schema_version')}, this version reads {reads}")
    return Record.model_validate(content)
