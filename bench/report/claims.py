"""What the records say of sentences that the field repeats: computed, with intervals and corrected verdicts.

Two sentences: "statistics win GEO-BLEU, learned models win DTW", and "a fine-tuned language model beats LP-BERT". A
statistic here has learned nothing from other people. A row counts as learned if it was fitted on other people, starts
from weights that were, or has a pretraining.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bench.leaderboard import Board, Leaderboard, Metric, Row
from bench.leaderboard.panel import names
from bench.records.record import Record
from bench.report import numbers
from bench.report.layout import Report, Section
from bench.report.origins import is_tiny
from bench.report.published import Published, Reported, fitting
from bench.report.score_table import over
from bench.report.tables import Table, make_table, where

FIRST = "“Statistics win GEO-BLEU, learned models win DTW”"
SECOND = "“A fine-tuned language model beats LP-BERT”"
LANGUAGE, BERT, TINY = "language model", "LP-BERT", "tiny decoder"  # the networks
_LANGUAGE_ADAPTERS = ("llama_mob", "llama_mob_parallel", "llm_api")
_NAMES = {BERT: re.compile(r"\blp[-_ ]?bert\b", re.I), LANGUAGE: re.compile(r"\b(llama-?\d|elp-mob|llm\b)", re.I)}


def lay_out(found: Leaderboard, records: Sequence[Record], published: Published) -> Report:
    """Return a page of sections, those of the first sentence first."""
    lines = [
        "Verdicts: paired bootstrap over users, 5 % level, Holm correction over all pairs of models of the table, by "
        "metric. In brackets: 95 % intervals, not corrected.",
        "Which rows were tuned on these users before stands in the notes of the leaderboard.",
    ]
    sections = [*statistics_or_learned(found, records), *language_or_bert(found, records, published)]
    return Report("What the records say of the field's own sentences", tuple(lines), (), tuple(sections), ())


def statistics_or_learned(found: Leaderboard, records: Sequence[Record]) -> Iterator[Section]:
    """Compare the best statistic with the best learned model, then with the best network, by metric: the headline."""
    networks, board = _families(records), found.boards[0]
    plain = [row for row in board.ranked if not _has_learned(row)]
    learned = [row for row in board.ranked if _has_learned(row)]
    shown = [found.metrics[name] for name in found.versions if all(name in row.figures for row in board.ranked)]
    for what, rivals in (("learned model", learned), ("network", [r for r in learned if networks.get(r.model)])):
        if not plain or not rivals:
            continue
        columns = [("metric", False), ("best statistic", False), (f"best {what}", False)]
        columns += [(f"{what}\nminus statistic", True), (f"pairs: {what}\nbetter, worse", True), ("won by", False)]
        rows = [_contest(board, metric, plain, rivals, what) for metric in shown]
        notes = [
            f"The best of each kind is chosen by the metric itself; the pairs are all {len(plain) * len(rivals)} of "
            f"{len(plain)} statistics and {len(rivals)} {what}s."
        ]
        table = make_table(where(board), columns, rows, notes)
        lines = tuple(_verdicts(board, shown, plain, rivals, what))
        yield Section(f"{FIRST}: every {what}, {_lower(where(board))}", lines, (table,))


def _has_learned(row: Row) -> bool:
    lineage = row.lineage
    return bool(lineage.fits or lineage.seen or lineage.starts or lineage.histories)


def _best(rows: Sequence[Row], metric: Metric) -> Row:
    return max(rows, key=lambda row: metric.sign * row.figures[metric.name].mean)


def _winner(board: Board, metric: Metric, plain: Sequence[Row], learned: Sequence[Row]) -> int:
    return board.standing(_best(plain, metric), _best(learned, metric), metric.name)


def _contest(board: Board, metric: Metric, plain: Sequence[Row], learned: Sequence[Row], what: str) -> list[str]:
    first, second = _best(plain, metric), _best(learned, metric)
    told = [board.standing(row, other, metric.name) for row in learned for other in plain]
    return [
        numbers.title(metric.name),
        _with_mean(first, metric),
        _with_mean(second, metric),
        over(board, second, first, metric),
        f"{told.count(1)}, {told.count(-1)}",
        _says(_winner(board, metric, plain, learned), what),
    ]


def _says(winner: int, what: str) -> str:
    return {1: "the statistic", -1: f"the {what}", 0: "neither (not told apart)"}[winner]


def _with_mean(row: Row, metric: Metric) -> str:
    unit = " km" if metric.unit == "km" else ""
    return f"{row.label} {numbers.amount(row.figures[metric.name].mean, metric.unit)}{unit}"


def _verdicts(
    board: Board, shown: Sequence[Metric], plain: Sequence[Row], learned: Sequence[Row], what: str
) -> Iterator[str]:
    """Say for each version of DTW beside each of GEO-BLEU whether the sentence holds."""
    won = {metric.name: _winner(board, metric, plain, learned) for metric in shown}
    for dtw in (name for name in won if name.startswith("dtw@")):
        for bleu in (name for name in won if name.startswith("geobleu@")):
            both = (won[bleu], -won[dtw])
            verdict = "holds" if both == (1, 1) else "is wrong" if -1 in both else "is not shown"
            told = "; ".join(f"{numbers.title(name)} is won by {_says(won[name], what)}" for name in (bleu, dtw))
            yield f"It {verdict}: {told}."


def language_or_bert(found: Leaderboard, records: Sequence[Record], published: Published) -> Iterator[Section]:
    """Compare every language model with every LP-BERT of the records, and with what others report of LP-BERT."""
    families = _families(records)
    for board in found.boards:
        language = [row for row in board.ranked if families.get(row.model) == LANGUAGE]
        bert = [row for row in board.ranked if families.get(row.model) == BERT]
        tables = [_duels(found, board, language, bert)] if language and bert else []
        tables += _reported(found, board, language, published) if len(board.cities) == 1 else []
        if tables:
            lines = tuple(_summary(found, board, language, bert))
            yield Section(f"{SECOND}: {_lower(where(board))}", lines, tuple(tables))


def _families(records: Sequence[Record]) -> dict[str, str]:
    """Tell which models are language models and which LP-BERT: by their adapter, logged answers by their name."""
    named, found = names(records), {}
    for record in records:
        case, name = record.case, named[record.identity.cost]
        if case.adapter in _LANGUAGE_ADAPTERS:
            found[name] = TINY if is_tiny(case.settings) else LANGUAGE
        elif case.adapter == "lp_bert":
            found[name] = BERT
        elif case.adapter == "replay":
            found[name] = _logged(case.model)
    return found


def _logged(model: str) -> str:
    """Tell what answers were logged of, by their name; empty where it says nothing."""
    return next((family for family, pattern in _NAMES.items() if pattern.search(model)), "")


def _duels(found: Leaderboard, board: Board, language: Sequence[Row], bert: Sequence[Row]) -> Table:
    shown = [found.metrics[name] for name in found.versions]
    columns = [("language model", False), ("LP-BERT", False), *((numbers.title(m.name), True) for m in shown)]
    rows = [
        [row.label, other.label, *(over(board, row, other, metric) for metric in shown)]
        for row in language
        for other in bert
    ]
    notes = ["Language model minus LP-BERT, paired over users; ▲ significantly better, ▼ significantly worse."]
    return make_table("Measured here", columns, rows, notes)


def _summary(found: Leaderboard, board: Board, language: Sequence[Row], bert: Sequence[Row]) -> Iterator[str]:
    for row in language:
        for other in bert:
            told: dict[int, list[str]] = {1: [], 0: [], -1: []}
            for name in found.versions:
                told[board.standing(row, other, name)].append(numbers.title(name))
            words = {1: "better by", 0: "not told apart by", -1: "worse by"}
            said = "; ".join(f"{words[key]} {', '.join(titles)}" for key, titles in told.items() if titles)
            yield f"{row.label} against {other.label}: {said}."


def _reported(found: Leaderboard, board: Board, language: Sequence[Row], published: Published) -> list[Table]:
    """Lay the language models beside the weaker and the stronger LP-BERT that others report for this city."""
    city = board.cities[0]
    reports = _bert_reports(found, city, published)
    rows = []
    for name, values in reports.items():
        metric = found.metrics[name]
        ends = sorted(values, key=lambda pair: metric.sign * pair[1])
        for row in language:
            figure = row.figures[name]
            span = numbers.span(figure.low, figure.high, metric.unit)
            cells = [row.label, numbers.title(name), f"{numbers.amount(figure.mean, metric.unit)} {span}".strip()]
            for what, value in dict.fromkeys((ends[0], ends[-1])):
                ahead = "better" if metric.sign * (figure.mean - value) > 0 else "worse"
                rows.append([*cells, what, numbers.as_reported(value), ahead])
    if not rows:
        return []
    columns = [("language model", False), ("metric", False), ("measured here", True), ("reported by others", False)]
    columns += [("reported", True), ("the language model is", False)]
    notes = [
        "Other users, other training, other hardware: no test is possible, and the last column is no verdict.",
        *(
            f"Reported: {about}."
            for about in dict.fromkeys(t.about for t in fitting(published, found) if _of_bert(t, city))
        ),
    ]
    return [make_table("Beside the weaker and the stronger published LP-BERT", columns, rows, notes)]


def _bert_reports(found: Leaderboard, city: str, published: Published) -> Mapping[str, list[tuple[str, float]]]:
    """Return what is reported of LP-BERT for one city alone, by metric: (model, value)."""
    reports: dict[str, list[tuple[str, float]]] = {}
    for table in fitting(published, found):
        if not _of_bert(table, city):
            continue
        for model, values in table.scores.items():
            if _NAMES[BERT].search(model):
                for metric, value in zip(table.metrics, values, strict=True):
                    reports.setdefault(metric, []).append((model, value))
    return reports


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _of_bert(table: Reported, city: str) -> bool:
    """Whether a published table is of this city alone and holds an LP-BERT."""
    return table.cities == (city,) and any(_NAMES[BERT].search(model) for model in table.scores)
