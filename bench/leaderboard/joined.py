"""One ranking of several runs: the first run's models, and those that only later runs have, on the same queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.leaderboard.build import Leaderboard, build
from bench.leaderboard.conditions import Case
from bench.records.record import Record


def joined(held: Sequence[Mapping[Case, Record]], folders: Sequence[Path], names: Sequence[str]) -> Leaderboard | None:
    """Rank them together, on the users and queries of the first run; later runs' models carry the run's name.

    None if later runs add no model, or if per-user scores are missing.
    """
    asked = {(case[2], question(record)) for case, record in held[0].items()}
    models = {case[0] for case in held[0]}
    found = [_with_scores(record, folders[0], record.case.model) for record in held[0].values()]
    more = [
        _with_scores(record, folder, f"{record.case.model} ({name})")
        for cases, folder, name in zip(held[1:], folders[1:], names[1:], strict=True)
        for case, record in cases.items()
        if case[0] not in models and (case[2], question(record)) in asked
    ]
    records = [*found, *more]
    if not more or not all(Path(record.files["scores"]).is_file() for record in records):
        return None
    return build(records, Path("/"))


def question(record: Record) -> tuple[object, ...]:
    """Identify what was asked: by the hashes of its rows, or by window and users if a record has none."""
    parts = record.data.parts if record.data else {}
    users = (record.data.test_users, record.data.test_points, record.data.source) if record.data else None
    rows = (parts.get("history"), parts.get("queries"))
    return (record.case.history, record.case.horizon, rows if all(rows) else users)


def _with_scores(record: Record, folder: Path, model: str) -> Record:
    """Return the record under a name, with the whole path of its scores."""
    scores = (folder / record.files.get("scores", "none")).resolve()
    case = record.case.model_copy(update={"model": model})
    return record.model_copy(update={"case": case, "files": {"scores": str(scores)}})
