"""The order of a report: which sections there are and what each opens with."""

from __future__ import annotations

from dataclasses import dataclass

from bench.leaderboard import Board, Leaderboard
from bench.records.manifest import RunContent
from bench.report import fact_tables, part_tables, score_table, tables, usage_tables
from bench.report.findings import disagreements, findings
from bench.report.published import TITLE as OTHERS
from bench.report.published import Published, reported
from bench.report.tables import Table


@dataclass(frozen=True)
class Section:
    """A heading with lines of text and tables below. more: tables that a terminal shows for the headline only."""

    title: str
    lines: tuple[str, ...]
    tables: tuple[Table, ...]
    more: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole report. boards: the headline first."""

    title: str
    lines: tuple[str, ...]
    boards: tuple[Section, ...]
    findings: tuple[Section, ...]
    facts: tuple[Section, ...]


def lay_out(content: RunContent, found: Leaderboard, published: Published) -> Report:
    """Turn a leaderboard into sections of plain text and tables."""
    manifest = content.manifest
    scale = f", scale {manifest.scale}" if manifest.scale else ""
    lines = fact_tables.rests_on(found)
    if content.absent:
        count = len(content.absent)
        lines.append(f"Incomplete: {count} of {len(manifest.cases)} cases have no record yet; run the protocol again.")
    gaps = fact_tables.gaps(found)
    others = reported(published, found)
    facts = [Section(t.title, (), (t,)) for t in (fact_tables.costs(found), fact_tables.trainings(found), gaps) if t]
    if work := usage_tables.usage(found):
        facts.insert(1, Section(work[0].title, (), tuple(work)))
    if apart := tables.seeds(found):
        facts.insert(0, Section(apart.title, (), (apart,)))
    if others:
        facts.append(Section(OTHERS, (), tuple(others)))
    elif found.facts.synthetic:
        facts.append(Section(OTHERS, ("Left out: they are of real cities, these are synthetic.",), ()))
    return Report(
        title=f"Leaderboard: {manifest.protocol}, version {manifest.version}{scale}",
        lines=tuple(lines),
        boards=tuple(_board(found, board) for board in found.boards),
        findings=_findings(found),
        facts=tuple(facts),
    )


def _findings(found: Leaderboard) -> tuple[Section, ...]:
    """One section a board, with a table where versions of a metric disagree."""
    apart = [(board.cities, table) for board, table in disagreements(found)]
    said = [
        Section(
            f"Findings, {_lower(tables.where(board))}", tuple(lines), tuple(t for c, t in apart if c == board.cities)
        )
        for board, lines in findings(found)
    ]
    alone = any(board.fewest == 1 for board in found.boards)
    why = "a city has one test user" if alone else "fewer than two models are ranked"
    return tuple(said) or (Section("Findings", (f"No comparison can be made: {why}.",), ()),)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _board(found: Leaderboard, board: Board) -> Section:
    parts = [score_table.scores(found, board), tables.typical(found, board)]
    if missed := tables.misses(found, board):
        parts.append(missed)
    more = (*tables.further(found, board), *tables.groups(found, board), *part_tables.of(found, board))
    return Section(tables.where(board), (), tuple(parts), more)
