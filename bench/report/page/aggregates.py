"""A published run on real people: its records and leaderboard.csv, without scores of single users.

What needs single users is not here: paired differences are those to the best floor row alone.
"""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from bench.adapters.registry import FLOOR
from bench.leaderboard import Metric
from bench.leaderboard.facts import gather
from bench.leaderboard.overall import mean_by_metric
from bench.leaderboard.panel import names
from bench.leaderboard.parts import CITY
from bench.records.manifest import RunContent
from bench.records.record import Score
from bench.report import numbers
from bench.report.charts.style import Mark, marks
from bench.report.page import content, parts, views
from bench.report.tables import make_table, unsheet

TABLE = "leaderboard.csv"
ALL = "all"
_STANDING = {"better": 1, "level": 0, "worse": -1}
_FIGURE = ("mean", "low", "high", "median", "wins", "rank", "rank_last")


def run(read: RunContent) -> dict[str, Any]:
    """Return the page's part of such a run."""
    with (read.folder / TABLE).open(encoding="utf-8", newline="") as file:
        lines = [{name: unsheet(text) for name, text in line.items()} for line in csv.DictReader(file)]
    done = [record for record in read.records if record.status == "done"]
    main = done[0].main
    metrics = {n: Metric(n, score.unit, score.better) for record in done for n, score in record.scores.items()}
    marked = marks(line["model"] for line in lines)
    boards = [_board(read, city, [ln for ln in lines if ln["test_city"] == city], metrics, main, marked)
              for city in dict.fromkeys(line["test_city"] for line in lines)]  # fmt: skip
    missing = [[r.case.model, r.case.test_city, r.status, r.reason or ""] for r in read.records if r.status != "done"]
    columns = [(head, False) for head in ("model", "city", "status", "reason")]
    gaps = [make_table("Failed and skipped cases", columns, missing)] if missing else []
    facts = gather(done)
    return content.shell(read, metrics, main) | {
        "lines": [
            f"Data: {'; '.join(facts.sources)}. Windows: {'; '.join(facts.windows)}. Code: {'; '.join(facts.code)}.",
            "Of real people aggregates alone are published: no score of a single user is here.",
        ],
        "why_no_people": "Single users of real data are never published.",
        "boards": boards,
        "findings": [{"title": "Findings", "lines": list(_said(boards[0], main)), "tables": []}],
        "facts": [{"title": table.title, "lines": [], "tables": [vars(table)]} for table in gaps],
    }


def _board(
    read: RunContent, city: str, lines: Sequence[dict[str, str]], metrics: dict[str, Metric], main: str,
    marked: dict[str, Mark],
) -> dict[str, Any]:  # fmt: skip
    rows = [_row(read, line, metrics, marked, lines) for line in lines]
    names = [name for name in metrics if any(name in row["figures"] for row in rows)]
    floors = [
        i for i, line in enumerate(lines) if line["model"] == next((ln["floor"] for ln in lines if ln["floor"]), "")
    ]
    pairs = [
        [i, floors[0], *(float(line[f"over_floor{part}"]) for part in ("", "_low", "_high")),
         _STANDING[line["over_floor_verdict"]]]
        for i, line in enumerate(lines) if floors and line["over_floor"]
    ]  # fmt: skip
    cities = sorted({record.case.test_city for record in read.records}) if city == ALL else [city]
    users = max(row["users"] for row in rows)
    return {
        "title": f"{'Mean over cities' if city == ALL else 'City'} {', '.join(cities)}: {users} users",
        "name": "all cities" if city == ALL else city,
        "rows": rows,
        "pairs": {name: pairs if name == main else [] for name in names},
        "letters": {name: {} for name in names},
        "left_out": [],
        "charts": {name: views.charts(rows, metrics[name]) for name in names},
        "ranked": sum(not row["unranked"] for row in rows),
        "parts": parts.of_rows([_parts(read, row["records"]) for row in rows], {}),
    }


def _row(
    read: RunContent, line: dict[str, str], metrics: dict[str, Metric], marked: dict[str, Mark],
    lines: Sequence[dict[str, str]],
) -> dict[str, Any]:  # fmt: skip
    model, city = line["model"], line["test_city"]
    named, parts = names(read.records), (line["model"], *line["model"].split(" = "))
    mine = [r for r in read.records if named[r.identity.cost] in parts and city in (ALL, r.case.test_city)]
    alone = sum(other["model"] == model for other in lines) == 1
    flags = [
        [tag, line[key]] for tag, key in (("leak", "leak"), ("shape", "shape"), ("too good", "too_good")) if line[key]
    ]
    figures = {}
    for name in metrics:
        values = [_number(line.get(f"{name}|{part}", "")) for part in _FIGURE]
        if values[0] is not None:
            figures[name] = values
    return {
        "name": model if alone else f"{model} ({line['learned_from']})",
        "colour": marked[model].colour,
        "shape": marked[model].shape,
        "family": views.family(mine[0].case.adapter, mine[0].case.settings) if mine else views.OTHER,
        "model": model,
        "learned": line["learned_from"],
        "users": int(line["users"]),
        "seeds": int(line["seeds"]),
        "coverage": _number(line["coverage"]),
        "unranked": line["unranked"] or None,
        "floor": line["model"] == line["floor"] or bool(mine and mine[0].case.adapter in FLOOR),
        "flags": flags,
        "seconds": _median(r.cost.latency_median_s for r in mine if r.cost),
        "fit": _median(r.cost.fit_seconds for r in mine if r.cost),
        "parameters": _median(_size(r.facts.get("parameters")) for r in mine),
        "figures": figures,
        "records": [record.identity.cost for record in mine],
    }


def _parts(read: RunContent, identities: Sequence[str]) -> dict[str, dict[str, float]]:
    """Metric -> part -> the mean of a row's records, in each city and then over cities."""
    towns: dict[str, list[dict[str, dict[str, float]]]] = defaultdict(list)
    for record in read.records:
        if record.identity.cost in identities and record.status == "done":
            towns[record.case.test_city].append({name: _of_score(score) for name, score in record.scores.items()})
    alone = {town: mean_by_metric(of) for town, of in towns.items()}
    found = mean_by_metric(list(alone.values()))
    for name, of in found.items():
        of.pop(ALL)
        if len(alone) > 1:
            of |= {f"{CITY}={town}": figures[name][ALL] for town, figures in alone.items()}
    return found


def _of_score(score: Score) -> dict[str, float]:
    return {ALL: score.mean, **score.groups, **{key: part.mean for key, part in score.slices.items()}}


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value]
    return statistics.median(known) if known else None


def _size(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _number(text: str) -> float | None:
    return float(text) if text else None


def _said(board: dict[str, Any], main: str) -> list[str]:
    """Say who leads, and which rows are significantly better than the best floor row."""
    rows, pairs = board["rows"], board["pairs"][main]
    best = max(rows, key=lambda row: -(row["figures"].get(main, [0] * 6)[5] or 99))
    lines = [f"{best['name']} has the best {numbers.title(main)}: {best['figures'][main][0]:.3f}."]
    better = [rows[i]["name"] for i, _, _, _, _, standing in pairs if standing > 0]
    if pairs:
        floor = rows[pairs[0][1]]["name"]
        lines.append(f"Significantly better than the best floor row, {floor}: {'; '.join(better) or 'none'}.")
    return lines
