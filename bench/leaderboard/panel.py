"""The lines of one test city: per-user scores read from records, with their resampled means.

A line is one (model, training, test city) with all its seeds. Everything here is computed from records and the score
files beside them; nothing imports an adapter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import UserError
from bench.evaluation import bootstrap
from bench.leaderboard.lineage import Lineage, lineage_of, touched, training_of
from bench.records.record import Record

MISSES = "|misses_as_zero"


@dataclass(frozen=True, eq=False)
class Line:
    """Scores of one model, learned from one training part, in one test city.

    records: one a seed, by seed. uids: the test users, ascending. scores: metric -> (seeds, users), as the score file
    names its columns. failed: how many further seeds have no scores. usual: whether its users are those of most lines
    of this city, so that they can be compared.
    """

    model: str
    training: str
    city: str
    records: tuple[Record, ...]
    uids: np.ndarray
    scores: Mapping[str, np.ndarray]
    failed: int = 0
    usual: bool = True
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def learns_from(self) -> str:
        """What the model learns from."""
        return self.records[0].case.learns_from

    @property
    def owners(self) -> np.ndarray:
        """Each user, or whose window of days it is: who is resampled as a whole."""
        return self.uids // self.records[0].uids_a_user

    @cached_property
    def lineage(self) -> Lineage:
        """What its fits learned from, and what in it was chosen on test users of this table."""
        return lineage_of(self.records, {record.identity.cost: touched(record, self.uids) for record in self.records})

    @cached_property
    def per_user(self) -> dict[str, np.ndarray]:
        """Each user's score, the mean over seeds: metric -> (users,)."""
        return {metric: values.mean(axis=0) for metric, values in self.scores.items()}

    def mean(self, metric: str) -> float:
        """The mean over users, then over seeds; users without a score are left out (NaN in the file)."""
        return float(np.nanmean(self.scores[metric], axis=1).mean())

    def median(self, metric: str) -> float:
        """The median over users of their mean over seeds."""
        return float(np.nanmedian(self.per_user[metric]))

    def unranked(self) -> str | None:
        """Return why the line takes part in no ranking, or None."""
        main = self.records[0].main
        if self.failed:
            return f"{self.failed} of {self.failed + len(self.records)} seeds have no score"
        for record in self.records:
            if reason := record.unranked():
                return reason
        if not self.usual:
            return "scored on other users than most models here"
        if main not in self.scores:
            return f"not scored with {main}"
        if not np.isfinite(self.scores[main]).all():
            return f"users without a {main}"
        return None

    def leaks(self) -> tuple[str, ...]:
        """Say where the model may have seen the test city before."""
        case = self.records[0].case
        learned = self.training and not all(record.kept_start for record in self.records)
        found = [f"{self.city} is among its training cities"] if learned and self.city in case.train_cities else []
        if self.city in case.seen:
            found.append(f"{self.city} is in its pretraining")
        return tuple(found)


def names(records: Sequence[Record]) -> dict[str, str]:
    """Return the name of each record's model, by the record's cost identity.

    A protocol may sweep other things than the model: "lp_bert" fitted on 10 and on 100 users of B becomes "lp_bert, 10
    train users" and so on, so that no mean mixes them.
    """
    values: dict[tuple[str, str, str, int, str], set[object]] = defaultdict(set)
    for record in records:
        case = record.case
        for aspect, value in _aspects(record).items():
            values[case.model, training_of(record), case.test_city, case.seed, aspect].add(value)
    swept = {(key[0], key[-1]) for key, found in values.items() if len(found) > 1}
    named = {}
    for record in records:
        model = record.case.model
        parts = [f"{value} {aspect}" for aspect, value in _aspects(record).items() if (model, aspect) in swept]
        named[record.identity.cost] = ", ".join([model, *parts])
    return named


def _aspects(record: Record) -> dict[str, object]:
    """What a protocol may vary besides the model, as far as this record says."""
    case = record.case
    found: dict[str, object] = {}
    if training_of(record):
        if record.data:
            found["train users"] = record.data.train_users
        if case.train_days:
            found["train days"] = "{}-{}".format(*case.train_days)
    found["history"] = "{}-{}".format(*case.history)
    found["horizon"] = "{}-{}".format(*case.horizon)
    return found


def read_lines(records: Sequence[Record], folder: Path) -> list[Line]:
    """Read and resample the lines of all done records, by city, model and training. Raises UserError."""
    named = names(records)
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda r: r.case.seed):
        groups[record.case.test_city, named[record.identity.cost], training_of(record)].append(record)
    lines = []
    for (city, model, training), group in sorted(groups.items()):
        done = [record for record in group if record.status == "done"]
        _refuse_doubles(done, model, training, city)
        parts: dict[bytes, list[tuple[Record, np.ndarray, dict[str, np.ndarray]]]] = defaultdict(list)
        for record in done:
            uids, scores = read_scores(record, folder)
            parts[uids.tobytes()].append((record, uids, scores))
        for part in parts.values():
            shared = [m for m in part[0][2] if all(m in scores for _, _, scores in part)]
            stacked = {metric: np.stack([scores[metric] for _, _, scores in part]) for metric in shared}
            seeds = tuple(record for record, _, _ in part)
            failed = len({record.case.seed for record in group} - {record.case.seed for record in seeds})
            lines.append(Line(model, training, city, seeds, part[0][1], stacked, failed))
    return [line for city in sorted({line.city for line in lines}) for line in _resampled(lines, city)]


def _resampled(lines: Iterable[Line], city: str) -> list[Line]:
    """Add the samples to the lines of one city, all drawn together for each set of users."""
    panels: dict[bytes, list[Line]] = defaultdict(list)
    for line in lines:
        if line.city == city:
            panels[line.uids.tobytes()].append(line)
    usual = Counter({key: len(panel) for key, panel in panels.items()}).most_common(1)[0][0]
    found = []
    for key, panel in panels.items():
        blocks = [line.scores[metric] for line in panel for metric in line.scores]
        scores = np.concatenate([np.empty((0, len(panel[0].uids))), *blocks]).T
        drawn = bootstrap.over_users(scores, panel[0].records[0].people, owners=panel[0].owners)
        at = 0
        for line in panel:
            samples = {}
            for metric, values in line.scores.items():
                seeds = drawn[:, at : at + len(values)].T
                samples[metric] = bootstrap.over_seeds(seeds, f"{line.model}\x00{line.training}")
                at += len(values)
            found.append(replace(line, usual=key == usual, samples=samples))
    return found


def read_scores(record: Record, folder: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the users (ascending) and each metric's column in their order."""
    path = folder / record.files.get("scores", "scores is not named")
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, ValueError) as error:
        what = f"record {record.identity.cost} ({record.case.model}, city {record.case.test_city})"
        raise UserError(f"{what}: cannot read its scores {path}: {error}; run the protocol again") from None
    uids = array(table.column("uid")).astype(np.int64)
    order = np.argsort(uids, kind="stable")
    columns = [name for name in table.column_names if "@" in name]  # the others are keys and groups of users
    return uids[order], {name: array(table.column(name)).astype(float)[order] for name in columns}


def array(column: pa.ChunkedArray) -> np.ndarray:
    """Turn a column of numbers into numpy, gaps into NaN. pyarrow's to_numpy imports pandas: a third of a second."""
    whole = column.combine_chunks()
    return np.from_dlpack(whole.fill_null(float("nan")) if whole.null_count else whole)


def _refuse_doubles(records: Sequence[Record], model: str, training: str, city: str) -> None:
    seeds = [record.case.seed for record in records]
    if len(set(seeds)) < len(seeds):
        where = f"{model}, trained on {training or 'nothing'}, city {city}"
        raise UserError(f"{where}: two records for one seed; give models with different settings different names")
