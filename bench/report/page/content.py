"""A run as the page shows it: boards, sections of text and tables, charts, records; all of it text and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.leaderboard import Board, Leaderboard, Metric, Row
from bench.leaderboard.build import FAMILIES
from bench.leaderboard.lineage import training_of
from bench.leaderboard.panel import names
from bench.leaderboard.parts import half_widths
from bench.records.manifest import RunContent
from bench.records.record import Record
from bench.report import claims, numbers, published, recordview
from bench.report.charts.style import marks
from bench.report.layout import Section, lay_out
from bench.report.page import parts, settings, views
from bench.report.page.people import People, source_of
from bench.report.page.views import View
from bench.report.tables import Table

LOCAL = "This page shows single real people. It is for this machine: do not pass it on."


def run(content: RunContent, found: Leaderboard, *, people: bool, data: str | None = None) -> dict[str, Any]:
    """Return all that the page shows of a run. people: whether single users may be in it; data: as --data has it."""
    named = names(content.records)
    view = view_of(content, found, named)
    others = published.read()
    report, said = lay_out(content, found, others), claims.lay_out(found, content.records, others)
    shown = _people(content, found, named, data) if people else None
    real = not found.facts.synthetic
    return shell(content, found.metrics, found.main) | {
        "title": report.title,
        "lines": list(report.lines),
        "notice": LOCAL if shown and real else None,
        "why_no_people": None if shown else _why_not(people, real),
        "boards": [_board(content, view, board, named) for board in found.boards],
        "findings": [_section(section) for section in report.findings],
        "facts": [_section(section) for section in report.facts],
        "claims": [_section(section) for section in said.findings],
        "further": [_table(table) for table in (*report.boards[0].tables[1:], *report.boards[0].more)],
        "people": shown,
    }


def shell(content: RunContent, metrics: Mapping[str, Metric], main: str) -> dict[str, Any]:
    """Return what the records alone say of a run: its metrics, settings, losses and the records themselves."""
    manifest, named = content.manifest, names(content.records)
    versions = [name for name in metrics if name.partition("@")[0] in FAMILIES]
    drawn = marks([*named.values(), *(record.case.model for record in content.records)])
    return {
        "kind": "run",
        "id": manifest.protocol,
        "title": f"Leaderboard: {manifest.protocol}, version {manifest.version}",
        "notice": None,
        "main": main,
        "metrics": [
            {"name": m.name, "title": numbers.title(m.name), "unit": m.unit, "better": m.better,
             "decimals": numbers.decimals(m.unit)}
            for m in metrics.values()
        ],
        "shades": {name: parts.specs(metric) for name, metric in metrics.items()},
        "claims": [],
        "further": [],
        "sweeps": {name: settings.sweeps(content.records, metrics[name]) for name in versions},
        "losses": settings.losses(content.records, drawn),
        "records": {record.identity.cost: _record(record) for record in content.records},
        "people": None,
    }  # fmt: skip


def view_of(content: RunContent, found: Leaderboard, named: Mapping[str, str]) -> View:
    """Gather what the charts of a run share."""
    cases = {named[record.identity.cost]: record.case for record in content.records}
    families = {name: views.family(case.adapter, case.settings) for name, case in cases.items()}
    models = [row.model for board in found.boards for row in board.rows]

    def records(row: Row, board: Board) -> list[str]:
        return [record.identity.cost for city in board.cities for record in _of(row, city, content.records, named)]

    return View(found, marks([*models, *families]), families, records)


def _board(content: RunContent, view: View, board: Board, named: Mapping[str, str]) -> dict[str, Any]:
    wide = half_widths(board, lambda row, city: _of(row, city, content.records, named), content.folder)
    return views.board(view, board) | {"parts": parts.of_rows([parts.figures(row) for row in board.rows], wide)}


def _of(row: Row, city: str, records: Sequence[Record], named: Mapping[str, str]) -> list[Record]:
    """Return the done records behind a row in one city; a merged row has those of all its models."""
    models, trainings = row.model.split(" = "), row.training.split(" | ")
    return [
        record
        for record in records
        if record.status == "done"
        and record.case.test_city == city
        and named[record.identity.cost] in (row.model, *models)
        and training_of(record) in ("", row.training, *trainings)
    ]


def _people(
    content: RunContent, found: Leaderboard, named: Mapping[str, str], data: str | None
) -> dict[str, Any] | None:
    source = source_of(content, data)
    if source is None or content.scores.empty:
        return None
    chosen = {}
    for board in found.cities:
        for i, row in enumerate(board.rows):
            if records := _of(row, board.cities[0], content.records, named):
                first = named[records[0].identity.cost], training_of(records[0])
                chosen[board.cities[0], i] = [r for r in records if (named[r.identity.cost], training_of(r)) == first]
    return People(content, source).payload(found.cities, chosen)


def _why_not(people: bool, real: bool) -> str:
    if real and not people:
        return "Single users of real data are never published."
    if real:
        return "Single users of real data are shown on local pages only: give their files with --data humob:FOLDER."
    return "The scores of single users are not here."


def _section(section: Section) -> dict[str, Any]:
    tables = [_table(table) for table in (*section.tables, *section.more)]
    return {"title": section.title, "lines": list(section.lines), "tables": tables}


def _table(table: Table) -> dict[str, Any]:
    return asdict(table)


def _record(record: Record) -> dict[str, Any]:
    return {
        "status": record.status,
        "reason": record.reason,
        "model": record.case.model,
        "training": training_of(record),
        "city": record.case.test_city,
        "seed": record.case.seed,
        "commit": (record.provenance.commit or "")[:12],
        "created": record.provenance.created,
        "coverage": record.answers.coverage if record.answers else None,
        "invalid": record.answers.invalid if record.answers else None,
        "missing": record.answers.missing if record.answers else None,
        "tables": [_table(table) for table in recordview.tables(record)],
    }
