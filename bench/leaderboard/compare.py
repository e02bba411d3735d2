"""Runs side by side: the cases they share, what changed between them, and whether beyond chance.

Two runs share a case if model, training cities, test city and seed are the same, and so are the rows of the test users'
histories and the queries. Means are over shared cases only. A model whose runs hold different cases has no mean over
cities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.errors import UserError
from bench.evaluation import bootstrap, significance
from bench.leaderboard import panel
from bench.leaderboard.build import Leaderboard
from bench.leaderboard.conditions import Case, Other, Times, others, times
from bench.leaderboard.joined import joined, question
from bench.leaderboard.lineage import training_of
from bench.leaderboard.ranking import Metric
from bench.records.manifest import RunContent
from bench.records.record import Record

ALL = "all"


@dataclass(frozen=True)
class Change:
    """One metric of one model and training in a test city (or all), in a run and in the first one.

    means: by run, in their order. difference, low, high: of a later run minus the first, paired over users (one entry a
    later run); None where a run holds no scores of single users. verdict: +1 better beyond chance, -1 worse, 0 level,
    None if unknown.
    """

    model: str
    training: str
    city: str
    metric: str
    users: int
    seeds: int
    means: tuple[float, ...]
    differences: tuple[tuple[float, float, float] | None, ...]
    verdicts: tuple[int | None, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    alone: cases that not all runs hold, and why; unaveraged: models without a mean over cities, since their runs hold
    different cases; compared: the number of differences in Holm's correction; others: what else differs than
    scores; together: one ranking with the models that only later runs have, if any.
    """

    names: tuple[str, ...]
    paths: tuple[str, ...]
    metrics: Mapping[str, Metric]
    main: str
    changes: tuple[Change, ...]
    times: tuple[Times, ...]
    alone: tuple[tuple[str, str], ...]
    unaveraged: tuple[str, ...]
    compared: int
    others: tuple[Other, ...]
    together: Leaderboard | None


@dataclass(frozen=True)
class _Drawn:
    """Resampled differences of a line, later runs minus the first, better is larger: (resamples, later runs).

    owners: how many were resampled.
    """

    change: Change
    samples: np.ndarray | None
    owners: int


def compare(runs: Sequence[RunContent], names: Sequence[str] = ()) -> Comparison:
    """Compare runs over the cases that all of them hold; differences are to the first one.

    names: of the runs, by default the ends of their paths. Raises UserError if they share no case.
    """
    paths = names_of([run.folder for run in runs])
    names = tuple(names) or paths
    held = [_cases(run.records) for run in runs]
    shared = [case for case in held[0] if all(case in cases for cases in held[1:])]
    same = [case for case in shared if len({question(cases[case]) for cases in held}) == 1]
    alone = _alone(held, names, set(shared), set(same))
    together = joined(held, [run.folder for run in runs], names)
    if not same and together is None:
        why = alone[0][1] if alone else "they hold no case with scores"
        raise UserError(f"{', '.join(names)}: these runs share no case ({why}); compare runs of one protocol")
    metrics = _metrics([cases[case] for cases in held for case in same])
    lines = _lines(same, held, runs, metrics)
    everywhere = {line.change.model for line in lines} - {
        case[0] for cases in held for case in cases if case not in same
    }
    overall = _overall(lines, everywhere)
    judged, compared = _judged([*overall, *lines], metrics)
    cities = {line.change.city for line in lines}
    refused = {line.change.model for line in lines} - everywhere if len(cities) > 1 else set()
    return Comparison(
        names=names,
        paths=paths,
        metrics=metrics,
        main=next(iter(held[0].values())).main,
        changes=tuple(judged),
        times=tuple(times(same, held)),
        alone=tuple(alone),
        unaveraged=tuple(sorted(refused)),
        compared=compared,
        others=tuple(others(same, held)),
        together=together,
    )


def names_of(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the shortest ends of the paths that tell the folders apart. Raises UserError if two are the same."""
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise UserError("a run is named twice; give different runs")
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        names = tuple("/".join(path.parts[-length:]) for path in paths)
        if len(set(names)) == len(names):
            return names
    return tuple(map(str, paths))


def _cases(records: Iterable[Record]) -> dict[Case, Record]:
    records = [record for record in records if record.status == "done"]
    named = panel.names(records)
    return {
        (named[r.identity.cost], training_of(r), r.case.test_city, r.case.seed): r
        for r in sorted(records, key=lambda r: (r.case.model, r.case.train_cities, r.case.test_city, r.case.seed))
    }


def _alone(
    held: Sequence[Mapping[Case, Record]], names: Sequence[str], shared: set[Case], same: set[Case]
) -> list[tuple[str, str]]:
    """Name the cases that not all runs share, and why."""
    found: dict[tuple[str, str], str] = {}
    for case in dict.fromkeys(case for cases in held for case in cases):
        if case in same:
            continue
        model, training, city, seed = case
        label = " -> ".join(part for part in (training, city) if part)
        if case in shared:
            why = "other test users, histories or days"
        else:
            why = f"only in {', '.join(n for n, cases in zip(names, held, strict=True) if case in cases)}"
        found[f"{model}: {label}, seed {seed}", why] = ""
    return list(found)


def _metrics(records: Iterable[Record]) -> dict[str, Metric]:
    """Return the metrics that all records have."""
    records = list(records)
    if not records:
        return {}
    shared = [name for name in records[0].scores if all(name in record.scores for record in records)]
    return {name: Metric(name, records[0].scores[name].unit, records[0].scores[name].better) for name in shared}


def _lines(
    same: Sequence[Case],
    held: Sequence[Mapping[Case, Record]],
    runs: Sequence[RunContent],
    metrics: Mapping[str, Metric],
) -> list[_Drawn]:
    """Return one entry a model, training, test city and metric."""
    groups: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for case in same:
        groups[case[:3]].append(case)
    found = []
    for key, cases in sorted(groups.items(), key=lambda item: (item[0][2], item[0])):
        owners, users = _per_user(cases, held, runs)
        people = held[0][cases[0]].people
        for name, metric in metrics.items():
            means = tuple(float(np.mean([of[case].scores[name].mean for case in cases])) for of in held)
            data = held[0][cases[0]].data
            none = (None,) * (len(runs) - 1)
            change = Change(*key, name, data.test_users if data else 0, len(cases), means, none, none)
            found.append(_Drawn(change, _samples((*key[:2], people), users, owners, metric), len(np.unique(owners))))
    return found


def _per_user(
    cases: Sequence[Case], held: Sequence[Mapping[Case, Record]], runs: Sequence[RunContent]
) -> tuple[np.ndarray, list[list[dict[str, np.ndarray]]]]:
    """Return the owners of the users and each run's scores by seed; none where a run holds none or other users."""
    nobody: tuple[np.ndarray, list[list[dict[str, np.ndarray]]]] = np.empty(0), []
    found, uids, owners = [], set(), np.empty(0)
    for of, run in zip(held, runs, strict=True):
        seeds = []
        for case in cases:
            if not (run.folder / of[case].files.get("scores", "none")).is_file():
                return nobody
            ids, scores = panel.read_scores(of[case], run.folder)
            owners = ids // of[case].uids_a_user
            uids.add(ids.tobytes())
            seeds.append(scores)
        found.append(seeds)
    return (owners, found) if len(uids) == 1 else nobody


def _samples(
    key: tuple[str, str, str], users: Sequence[Sequence[Mapping[str, np.ndarray]]], owners: np.ndarray, metric: Metric
) -> np.ndarray | None:
    """Resample the users, and the seeds, of every later run minus the first: (resamples, later runs), signed."""
    model, training, people = key
    if not users or any(metric.name not in scores for seeds in users for scores in seeds):
        return None
    first = np.stack([scores[metric.name] for scores in users[0]])
    later = [np.stack([scores[metric.name] for scores in seeds]) - first for seeds in users[1:]]
    drawn = bootstrap.over_users(np.concatenate(later).T, people, owners=owners)
    blocks = drawn.T.reshape(len(later), len(first), -1)
    return metric.sign * np.stack([bootstrap.over_seeds(block, f"{model}\x00{training}") for block in blocks], axis=1)


def _overall(lines: Sequence[_Drawn], everywhere: set[str]) -> list[_Drawn]:
    """Average the lines of each model over trainings, then over cities, where all runs hold the same cases of it."""
    cities = {line.change.city for line in lines}
    groups: dict[tuple[str, str], dict[str, list[_Drawn]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        if line.change.model in everywhere:
            groups[line.change.model, line.change.metric][line.change.city].append(line)
    found = []
    for (model, metric), towns in sorted(groups.items()):
        if len(cities) < 2 or set(towns) != cities:
            continue
        parts = [line for town in towns.values() for line in town]
        training = " | ".join(sorted({line.change.training for line in parts if line.change.training}))
        means = np.mean([np.mean([line.change.means for line in town], axis=0) for town in towns.values()], axis=0)
        known = [[line.samples for line in town if line.samples is not None] for town in towns.values()]
        whole = sum(map(len, known)) == len(parts)
        users = sum(town[0].change.users for town in towns.values())
        change = Change(
            model, training, ALL, metric, users, min(line.change.seeds for line in parts), tuple(map(float, means)),
            parts[0].change.differences, parts[0].change.verdicts,
        )  # fmt: skip
        mean = np.mean([np.mean(town, axis=0) for town in known], axis=0) if whole else None
        found.append(_Drawn(change, mean, min(line.owners for line in parts)))
    return found


def _judged(lines: Sequence[_Drawn], metrics: Mapping[str, Metric]) -> tuple[list[Change], int]:
    """Give every difference its interval and verdict, Holm-corrected over all of them; return how many were tested."""
    columns, at = [], []
    for i, line in enumerate(lines):
        if line.samples is not None:
            columns += list(line.samples.T)
            at += [(i, run) for run in range(line.samples.shape[1])]
    fewest = min((line.owners for line in lines if line.samples is not None), default=0)
    verdicts, compared = significance.moved(np.stack(columns, axis=1), fewest) if columns else (np.zeros(0, int), 0)
    told: dict[tuple[int, int], tuple[tuple[float, float, float], int]] = {}
    for (i, run), samples, verdict in zip(at, columns, verdicts, strict=True):
        change, sign = lines[i].change, metrics[lines[i].change.metric].sign
        if np.abs(samples).max() <= bootstrap.SAME * max(1.0, abs(change.means[0])):
            told[i, run] = (0.0, 0.0, 0.0), 0
            continue
        low, high = (float(value) for value in bootstrap.interval(sign * samples))
        told[i, run] = (change.means[run + 1] - change.means[0], low, high), int(verdict)
    changes = []
    for i, line in enumerate(lines):
        later = range(len(line.change.means) - 1)
        both = [told.get((i, run), (None, None)) for run in later]
        values = {
            **line.change.__dict__,
            "differences": tuple(d for d, _ in both),
            "verdicts": tuple(v for _, v in both),
        }
        changes.append(Change(**values))
    return changes, compared
