"""Single users for the page: where they were, where they went, what each model said, and what that scored.

Of synthetic people the source makes the same trajectories again. Of real people nothing is here unless their files are
given, and then the page is for this machine only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench.data.sources import Source, open_source
from bench.data.sources.synthetic import Synthetic
from bench.data.trajectories import INVALID, OK, Trajectories
from bench.errors import UserError
from bench.leaderboard import Board, Row
from bench.leaderboard.panel import array
from bench.records.manifest import RunContent, file_of
from bench.records.record import Record

_WRONG, _SILENT = -1, -2  # in place of a cell: invalid, missing


@dataclass(frozen=True)
class People:
    """Who is shown: a run with its boards, and the data source of its users (None: none can be shown)."""

    content: RunContent
    source: Source

    def payload(self, boards: Sequence[Board], chosen: Mapping[tuple[str, int], Sequence[Record]]) -> dict[str, Any]:
        """Return all test users. chosen: (city, place of the row on its board) -> the row's records."""
        return {
            "cities": {
                board.cities[0]: self._city(board, chosen) for board in boards if len(board.cities) == 1 and board.rows
            },
        }

    def _city(self, board: Board, chosen: Mapping[tuple[str, int], Sequence[Record]]) -> dict[str, Any]:
        city = board.cities[0]
        world = self.source.world(city)
        rows = [(i, row, chosen.get((city, i), ())) for i, row in enumerate(board.rows)]
        rows = [(i, row, records) for i, row, records in rows if records]
        table = load(self.source, city, rows[0][2][0])
        history, horizon = rows[0][2][0].case.history, rows[0][2][0].case.horizon
        scores = [self._scores(records, row, city) for _, row, records in rows]
        answers = [self._answers(records[0]) for _, _, records in rows]
        uids = sorted(set().union(*(of.keys() for of in scores)))
        users = []
        for uid in uids:
            whole = table.of((city, uid))
            said = [given.get(uid) if given else None for given in answers]
            users.append(_user(uid, whole.days(*history), whole.days(*horizon), said))
            users[-1]["scores"] = [of.get(uid) for of in scores]
        days = range(history[0], horizon[1] + 1)
        return {
            "grid": [world.grid.width, world.grid.height, world.grid.cell_km, world.grid.slots],
            "off": [day for day, free in zip(days, world.calendar.is_off(days).tolist(), strict=True) if free],
            "rows": [i for i, _, _ in rows],
            "metrics": list(self._metrics),
            "users": users,
        }

    @cached_property
    def _metrics(self) -> tuple[str, ...]:
        frame = self.content.scores
        return tuple(name for name in frame.columns if "@" in name and "|" not in name)

    def _scores(self, records: Sequence[Record], row: Row, city: str) -> dict[int, list[float | None]]:
        """Each user's scores, the mean over the row's seeds: uid -> a number a metric."""
        frame = self.content.scores
        mine = frame[frame["case"].isin([record.identity.cost for record in records]) & (frame["city"] == city)]
        means = mine.groupby("uid")[list(self._metrics)].mean()
        return {
            int(uid): [None if value != value else float(f"{value:.4g}") for value in values]
            for uid, values in zip(means.index, means.to_numpy(float), strict=True)
        }

    def _answers(self, record: Record) -> dict[int, np.ndarray] | None:
        """Answers by user, as the model gave them: uid -> rows d, t, x, y, status; None where they are not kept."""
        path = file_of(self.content, record, "answers")
        if path is None:
            return None
        table = pq.ParquetFile(path).read(("uid", "d", "t", "x", "y", "status"))
        rows = np.stack([array(table.column(name)).astype(np.int64) for name in table.column_names])
        rows = rows[:, np.lexsort((rows[2], rows[1], rows[0]))]
        uids, first = np.unique(rows[0], return_index=True)
        return dict(zip(uids.tolist(), np.split(rows[1:], first[1:], axis=1), strict=True))


def source_of(content: RunContent, data: str | None) -> Source | None:
    """Open the data of a run again: synthetic ones by what the records say, real ones by ``data`` (humob:FOLDER).

    None where real people's files are not given, or records name several sources.
    """
    specs = {record.data.source for record in content.records if record.data}
    if data:
        return open_source(data)
    if len(specs) != 1:
        return None
    return Synthetic.named(next(iter(specs)))


def load(source: Source, city: str, record: Record) -> Trajectories:
    """Return a city's table. Raises UserError where it is not the one that the record was made on."""
    if city not in source.cities():
        raise UserError(f"city {city} is not in {source.spec}; a run's users need the data of the run")
    table = source.load(city)
    wanted = record.data.fingerprint.get(city) if record.data else None
    if wanted and table.fingerprint() != wanted:
        raise UserError(
            f"{source.spec}, city {city}: other rows than those of the run; give the data that it was made on"
        )
    return table


def _user(uid: int, past: Trajectories, truth: Trajectories, said: Sequence[Any]) -> dict[str, Any]:
    """A user with all cells by number: history as (cell, points), truth and answers point by point."""
    known: dict[tuple[int, int], int] = {}

    def number(x: int, y: int) -> int:
        return known.setdefault((x, y), len(known))

    counts: dict[int, int] = {}
    for x, y in zip(past.x.tolist(), past.y.tolist(), strict=True):
        cell = number(x, y)
        counts[cell] = counts.get(cell, 0) + 1
    there = [number(x, y) for x, y in zip(truth.x.tolist(), truth.y.tolist(), strict=True)]
    keys = np.stack([truth.d, truth.t])
    return {
        "uid": uid,
        "history": [n for pair in counts.items() for n in pair],
        "d": truth.d.tolist(),
        "t": truth.t.tolist(),
        "truth": there,
        "answers": [None if rows is None else _said(rows, keys, number) for rows in said],
        "cells": [n for cell in known for n in cell],
    }


def _said(rows: np.ndarray, keys: np.ndarray, number: Any) -> list[int] | None:
    """One model's answers in the order of the truth; None where they answer other points."""
    if not np.array_equal(rows[:2], keys):
        return None
    cells = rows[2:].T.tolist()
    return [number(x, y) if state == OK else _WRONG if state == INVALID else _SILENT for x, y, state in cells]
