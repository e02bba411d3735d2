"""The leaderboard's tables of parts of the points and of divergences."""

from __future__ import annotations

from pathlib import Path

from mock_run import TYPICAL, make_run

from bench.leaderboard import build
from bench.records.record import Corpus, SliceScore
from bench.report import part_tables

PARTS = {"step=move": 0.1, "step=stay": 0.4, "cell=new": 0.02, "hour=7": 0.3}


def test_parts_and_divergences_are_averaged_over_cities_and_old_records_have_none(tmp_path: Path) -> None:
    records = make_run(tmp_path, TYPICAL[2:4], [("A", ("C", "D"))], users=10)
    old = build(records, tmp_path)
    assert list(part_tables.of(old, old.boards[0])) == []
    grown = []
    for i, record in enumerate(records):
        more = 0.1 * (record.case.test_city == "D")
        slices = {key: SliceScore(users=10, mean=value + more) for key, value in PARTS.items()}
        score = record.scores[record.main].model_copy(update={"slices": slices})
        corpus = {"jsd_places@v1": Corpus(value=0.2 + more + i, low=0.1, high=0.4, unit="", better="lower")}
        scores = {**record.scores, record.main: score}
        grown.append(record.model_copy(update={"scores": scores, "corpus": corpus}))
    found = build(grown, tmp_path)
    parts, crowd = part_tables.of(found, found.boards[0])
    assert parts.heads == ("model", "learned from", "move", "stay", "new")  # hours stand in the data frames
    assert parts.rows[0][2:] == ("0.150", "0.450", "0.070")
    assert crowd.heads == ("model", "learned from", "daily places")
    values = {row[0]: row[2] for row in crowd.rows}
    assert values == {"slot_mode": "0.750", "weekday_slot_mode": "2.750"}
