"""Runs side by side as a report: what moved, scores, times with what they depend on, and what else differs."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.leaderboard.compare import ALL, Change, Comparison
from bench.report import numbers, score_table
from bench.report.layout import Report, Section
from bench.report.numbers import NONE
from bench.report.score_table import MARKS
from bench.report.tables import Table, heading, make_table, sheet

MAIN = ("geobleu", "dtw")
WORDS = {1: "better", -1: "worse", 0: "level", None: "not tested"}
NAMES = (("model", False), ("learned from", False))
MOST = 12  # lines that a list shows before it is cut


def lay_out(found: Comparison) -> Report:
    """Turn a comparison into sections of plain text and tables."""
    cities = list(dict.fromkeys(change.city for change in found.changes))
    runs = [name if name == path else f"{name} ({path})" for name, path in zip(found.names, found.paths, strict=True)]
    facts = [_times(found) if found.times else None, _others(found), _alone(found)]
    return Report(
        title=f"Comparison: {', '.join(runs)}",
        lines=tuple(_how_to_read(found)),
        boards=(*(_board(found, city) for city in cities), *_together(found)),
        findings=(Section("What moved", tuple(_moved(found)), ()),),
        facts=tuple(Section(table.title, (), (table,)) for table in facts if table),
    )


def _how_to_read(found: Comparison) -> Iterator[str]:
    yield f"Only cases that all runs hold are compared; differences are to {found.names[0]}."
    yield (
        f"Beyond chance: paired bootstrap over users, 5 % level, Holm correction over {found.compared} differences; "
        "▲ better, ▼ worse. In brackets: 95 % intervals, not corrected."
    )
    if any(None in change.verdicts for change in found.changes):
        yield "Where a run holds no scores of single users, there is no interval and no test."
    if found.unaveraged:
        yield f"No mean over cities, because their runs hold different cases: {', '.join(found.unaveraged)}."


def _moved(found: Comparison) -> Iterator[str]:
    for run, name in enumerate(found.names[1:]):
        tested = [change for change in found.changes if change.verdicts[run] is not None]
        if not tested:
            equal = sum(change.means[run + 1] == change.means[0] for change in found.changes)
            if found.changes:
                yield f"{name}: nothing can be tested; {equal} of {len(found.changes)} means are equal."
            continue
        counts = Counter(change.verdicts[run] for change in tested)
        still = sum(change.differences[run] == (0.0, 0.0, 0.0) for change in tested)
        yield (
            f"{name}: of {len(tested)} figures {counts[1]} are better and {counts[-1]} worse beyond chance; "
            f"{counts[0] - still} differ within chance and {still} are the same."
        )
        told = [change for change in tested if change.verdicts[run]]
        for change in told[:MOST]:
            where = "mean over cities" if change.city == ALL else f"city {change.city}"
            metric = found.metrics[change.metric]
            by = numbers.signed_span(*(change.differences[run] or (0.0, 0.0, 0.0)), metric.unit)
            title = numbers.title(change.metric)
            yield f"{_label(change)}, {where}: {title} {WORDS[change.verdicts[run]]} by {by}."
        if len(told) > MOST:
            yield f"And {len(told) - MOST} more (▲ and ▼ in the tables)."


def _label(change: Change) -> str:
    return f"{change.model} ({change.training})" if change.training else change.model


def _board(found: Comparison, city: str) -> Section:
    changes = [change for change in found.changes if change.city == city]
    shown = [name for name in found.metrics if name.partition("@")[0] in MAIN] or [found.main]
    tables = [_scores(found, [change for change in changes if change.metric == name], name) for name in shown]
    users = max(change.users for change in changes)
    where = "Mean over cities" if city == ALL else f"City {city}"
    return Section(f"{where}: {users} users", (), tuple(tables))


def _together(found: Comparison) -> Iterator[Section]:
    """The first run's models ranked with those that only later runs have."""
    if found.together:
        for board in found.together.boards:
            table = score_table.scores(found.together, board)
            yield Section(f"Ranked together. {table.title}", (), (table,))


def _scores(found: Comparison, changes: Sequence[Change], name: str) -> Table:
    """One metric: a column a run, and for each later one the difference to the first."""
    metric = found.metrics[name]
    columns = [*NAMES, *((run, True) for run in found.names)]
    columns += [(f"{run}\nminus {found.names[0]}", True) for run in found.names[1:]]
    rows = []
    for change in sorted(changes, key=lambda change: -metric.sign * change.means[-1]):
        cells = [change.model, change.training or "nothing"]
        cells += [numbers.amount(mean, metric.unit) for mean in change.means]
        rows.append(cells + [_difference(change, run, metric.unit) for run in range(len(found.names) - 1)])
    return make_table(heading(metric).replace("\n", " "), columns, rows)


def _difference(change: Change, run: int, unit: str) -> str:
    difference, verdict = change.differences[run], change.verdicts[run]
    places = numbers.decimals(unit)
    if difference is None or verdict is None:
        return f"{change.means[run + 1] - change.means[0]:+.{places}f}"
    if difference == (0.0, 0.0, 0.0):
        return "same"
    mean, low, high = difference
    return f"{mean:+.{places}f}{MARKS[verdict]} [{low:+.{places}f}, {high:+.{places}f}]"


def _times(found: Comparison) -> Table:
    """Seconds by run; a ratio only where hardware, precision and batch are the same."""
    every = sorted({condition for row in found.times for run in row.conditions for condition in run})
    letters = {condition: chr(ord("A") + i) if i < 26 else str(i) for i, condition in enumerate(every)}
    columns = [*NAMES]
    for name in found.names:
        columns += [(f"{name}\nfit", True), ("\na user", True), ("\nmeasured", False)]
    columns += [(f"{name}:\ntimes {found.names[0]}", True) for name in found.names[1:]]
    rows = []
    for row in found.times:
        cells = [row.model, row.training or "nothing"]
        for run in range(len(found.names)):
            where = ", ".join(letters[condition] for condition in row.conditions[run])
            cells += [numbers.seconds(row.fit[run]), numbers.seconds(row.latency[run]), where]
        ratios = [row.ratio(run) for run in range(1, len(found.names))]
        rows.append(cells + [NONE if ratio is None else f"{ratio:.2f}" for ratio in ratios])
    notes = [
        f"{letter}: {c.hardware}; {c.precision}; {c.batch} users a batch; {c.code}." for c, letter in letters.items()
    ]
    notes.append("A user: one trajectory at a time. No ratio where hardware, precision or batch differ or are mixed.")
    return make_table("Times", columns, rows, notes)


def _others(found: Comparison) -> Table | None:
    columns = [("model", False), ("what", False), *((name, False) for name in found.names)]
    rows = [[other.model, other.what, *other.values] for other in found.others]
    return make_table("What else differs", columns, rows) if rows else None


def _alone(found: Comparison) -> Table | None:
    rows = [list(pair) for pair in found.alone]
    return make_table("Not compared", [("case", False), ("why", False)], rows) if rows else None


def render_csv(found: Comparison) -> str:
    """Return one row a model, training, city, metric and later run; empty fields are unknown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["test_city", "model", "learned_from", "metric", "users", "seeds", "first", "first_mean", "run", "mean"]
    writer.writerow([*head, "difference", "low", "high", "verdict"])
    for change in found.changes:
        for run, name in enumerate(found.names[1:]):
            mean, low, high = change.differences[run] or (change.means[run + 1] - change.means[0], None, None)
            row = [change.city, change.model, change.training, change.metric, change.users, change.seeds]
            row += [found.names[0], change.means[0], name, change.means[run + 1], mean, low, high]
            writer.writerow([_plain(value) for value in (*row, WORDS[change.verdicts[run]])])
    return text.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.10g}"
    return sheet(value) if isinstance(value, str) else value
