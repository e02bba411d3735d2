"""The leaderboard: figures with intervals, ranks with ties, and costs, computed from records alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.adapters.registry import FLOOR
from bench.errors import UserError
from bench.evaluation import bootstrap
from bench.evaluation.metrics import limit_of
from bench.leaderboard import panel, ranking
from bench.leaderboard.facts import CostRow, Facts, TrainingRow, cost_rows, gather, training_rows
from bench.leaderboard.lineage import touched, training_of
from bench.leaderboard.overall import Gap, headline, mean_by_key, mean_by_metric
from bench.leaderboard.panel import MISSES, Line
from bench.leaderboard.ranking import Board, Figure, Metric, Row
from bench.leaderboard.seeds import SeedRow, seed_rows
from bench.leaderboard.usage import UsageRow, usage_rows
from bench.records.record import Record

FAMILIES = ("geobleu", "dtw")
REFERENCE = "slot_mode"


@dataclass(frozen=True)
class Leaderboard:
    """Everything that a report prints.

    main: the metric that ranks. reference: the model that win rates compare with, if any. overall: None with a single
    test city. seeds: of rows with several. gaps: failed and skipped cases.
    """

    main: str
    metrics: Mapping[str, Metric]
    reference: str | None
    overall: Board | None
    cities: tuple[Board, ...]
    seeds: tuple[SeedRow, ...]
    costs: tuple[CostRow, ...]
    usage: tuple[UsageRow, ...]
    trainings: tuple[TrainingRow, ...]
    gaps: tuple[Gap, ...]
    facts: Facts

    @property
    def versions(self) -> tuple[str, ...]:
        """The main figures: every recorded version of GEO-BLEU and of DTW, in the records' order.

        Another metric that ranks comes first; where neither of the two was measured, all others follow it.
        """
        usual = tuple(m for family in FAMILIES for m in self.metrics if m.partition("@")[0] == family)
        if self.main in usual or self.main not in self.metrics:
            return usual
        return (self.main, *(usual or (m for m in self.metrics if m != self.main)))

    @property
    def further(self) -> tuple[str, ...]:
        """The other recorded metrics."""
        return tuple(m for m in self.metrics if m not in self.versions)

    @property
    def boards(self) -> tuple[Board, ...]:
        """The headline, if there is one, then the cities."""
        return ((self.overall,) if self.overall else ()) + self.cities


def build(records: Sequence[Record], folder: Path, reference: str = REFERENCE) -> Leaderboard:
    """Compute the leaderboard of records whose score files lie under ``folder``.

    reference: the model that win rates compare with; by default the best that learns from nothing.
    Raises UserError if the records do not belong together or a score file is missing.
    """
    if not records:
        raise UserError("there are no records to report; run the protocol first")
    records = sorted(records, key=lambda r: (r.case.model, r.case.train_cities, r.case.test_city, r.case.seed))
    if len(mains := sorted({record.main for record in records})) > 1:
        raise UserError(f"the records are ranked by different metrics ({', '.join(mains)}); report them separately")
    metrics, named, main = _metrics(records), panel.names(records), mains[0]
    if main not in metrics and any(record.status == "done" for record in records):
        raise UserError(f"no model gives the main metric {main}; choose another one, or add a model that gives it")
    lines = panel.read_lines(records, folder)
    against = _reference(lines, metrics, main, reference)
    gaps = _gaps(records, named)
    touching = {record.identity.cost: touched(record, line.uids) for line in lines for record in line.records}
    by_city: dict[str, list[Row]] = defaultdict(list)
    for line in lines:
        by_city[line.city].append(_row(line, metrics, against, lines))
    return Leaderboard(
        main=main,
        metrics=metrics,
        reference=against,
        overall=headline(by_city, gaps, metrics, main) if len(by_city) > 1 else None,
        cities=tuple(ranking.make((city,), rows, metrics, main, _fewest(rows)) for city, rows in by_city.items()),
        seeds=seed_rows(lines),
        costs=cost_rows(records, named, touching),
        usage=usage_rows(records, named, touching),
        trainings=training_rows(records, named, touching),
        gaps=gaps,
        facts=gather(records),
    )


def _metrics(records: Iterable[Record]) -> dict[str, Metric]:
    """Every recorded metric, in the order of the first record that has it. Raises UserError if units differ."""
    found: dict[str, Metric] = {}
    for record in records:
        for name, score in record.scores.items():
            metric = Metric(name, score.unit, score.better)
            if found.setdefault(name, metric) != metric:
                raise UserError(f"{name}: records disagree on its unit or direction; score them again")
    return found


def _gaps(records: Iterable[Record], named: Mapping[str, str]) -> tuple[Gap, ...]:
    """List cases without scores. A model that learns from nothing is asked in every split, but answers once."""

    def key(record: Record) -> tuple[str, str, str, int]:
        case = record.case
        return named[record.identity.cost], training_of(record), case.test_city, case.seed

    done = {key(record) for record in records if record.status == "done"}
    missing = [record for record in records if record.status != "done" and key(record) not in done]
    found = [Gap(*key(record), record.status, record.reason or "no reason given") for record in missing]
    return tuple(dict.fromkeys(found))


def _reference(lines: Sequence[Line], metrics: Mapping[str, Metric], main: str, wanted: str) -> str | None:
    """Return the model that win rates compare with: the wanted one, else the best that learns from nothing."""
    plain = [line for line in lines if line.learns_from == "nothing" and line.unranked() is None]
    for line in plain:
        if wanted in (line.model, line.records[0].case.adapter):
            return line.model
    means: dict[str, list[float]] = defaultdict(list)
    for line in plain:
        means[line.model].append(metrics[main].sign * line.mean(main))
    most = max((len(values) for values in means.values()), default=0)
    full = {model: float(np.mean(values)) for model, values in means.items() if len(values) == most}
    return max(sorted(full), key=lambda model: full[model]) if full else None


def _fewest(rows: Sequence[Row]) -> int:
    """Return on how many users, or owners of their windows, a city's ranked rows rest."""
    return max((row.owners for row in rows if row.unranked is None), default=0)


def _row(line: Line, metrics: Mapping[str, Metric], reference: str | None, lines: Sequence[Line]) -> Row:
    """Turn a line into a row without ranks."""
    rivals = [] if line.model == reference else [other for other in lines if other.model == reference]
    rival = next((o for o in rivals if o.city == line.city and np.array_equal(o.uids, line.uids)), None)
    counts = [record.answers for record in line.records if record.answers]
    figures = {name: _figure(line, metric, rival) for name, metric in metrics.items() if name in line.scores}
    return Row(
        model=line.model,
        training=line.training,
        lineage=line.lineage,
        asked_with=_asked_with(line.records[0]),
        users=len(line.uids),
        owners=len(np.unique(line.owners)),
        seeds=len(line.records),
        figures=figures,
        unranked=line.unranked(),
        leaks=line.leaks(),
        coverage=float(np.mean([count.coverage for count in counts])) if counts else None,
        floor=line.records[0].case.adapter in FLOOR,
        beyond=tuple(name for name, figure in figures.items() if _too_good(figure, metrics[name])),
        groups=mean_by_metric([{name: score.groups for name, score in r.scores.items()} for r in line.records]),
        slices=mean_by_metric([_slices(r) for r in line.records]),
        corpus=mean_by_key([{name: part.value for name, part in r.corpus.items()} for r in line.records]),
        samples=line.samples,
    )


def _slices(record: Record) -> dict[str, dict[str, float]]:
    return {name: {key: part.mean for key, part in score.slices.items()} for name, score in record.scores.items()}


def _asked_with(record: Record) -> str:
    """Name the adapter and its prediction settings: two starts that share them may be one model."""
    case = record.case
    asked = {name: value for name, value in case.settings.items() if name in case.predicts_with}
    return json.dumps([case.adapter, asked], sort_keys=True)


def _too_good(figure: Figure, metric: Metric) -> bool:
    """Whether the interval, or the mean of a single user, lies beyond what any logged or published model reaches."""
    limit = limit_of(metric.name)
    if limit is None:
        return False
    worst = figure.low if metric.better == "higher" else figure.high
    return metric.sign * ((figure.mean if worst is None else worst) - limit) > 0


def _figure(line: Line, metric: Metric, rival: Line | None) -> Figure:
    name = metric.name
    low, high = bootstrap.interval(line.samples[name])
    wins = None
    if rival is not None and name in rival.scores:
        wins = bootstrap.win_share(line.per_user[name], rival.per_user[name], metric.better)
    zero = line.mean(name + MISSES) if name + MISSES in line.scores else None
    known = bool(np.isfinite(low))
    return Figure(
        mean=line.mean(name),
        low=float(low) if known else None,
        high=float(high) if known else None,
        median=line.median(name),
        wins=wins,
        misses_as_zero=zero,
    )
