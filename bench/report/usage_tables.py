"""Tables of what language models spent on a trajectory, and of what became of the text they wrote."""

from __future__ import annotations

from collections.abc import Mapping

from bench.leaderboard import Leaderboard
from bench.report import numbers
from bench.report.fact_tables import hardware_letters
from bench.report.numbers import NONE
from bench.report.tables import NAMES, Table, make_table, name

FAULTS = {
    "malformed": "malformed\nanswers",
    "missing": "missing",
    "surplus": "surplus",
    "out_of_range": "out of\nrange",
}


def usage(found: Leaderboard) -> list[Table]:
    """One table of tokens and passes, one of the text's faults; none where no model says anything of it."""
    if not found.usage:
        return []
    return [_work(found), _text(found)]


def _work(found: Leaderboard) -> Table:
    letters = hardware_letters(found)
    columns = [*NAMES, ("passes", True), ("tokens\nread", True), ("\nfed", True), ("\ndrafted", True)]
    columns += [("accepted", True), ("prefill", True), ("decoding", True)]
    columns += [("in batches\nprefill", True), ("\ndecoding", True), ("hardware", False)]
    rows = [
        [
            *name(row),
            *(amount(row.alone, key) for key in ("forward_passes", "tokens_read", "tokens_fed", "drafted")),
            numbers.share(accepted(row.alone)),
            *(numbers.seconds(row.alone.get(key)) for key in ("prefill_seconds", "decode_seconds")),
            *(numbers.seconds(row.batch.get(key)) for key in ("prefill_seconds", "decode_seconds")),
            letters[row.hardware],
        ]
        for row in found.usage
    ]
    notes = [
        "A trajectory, mean: one user at a time, then in batches. Passes: forward passes after the prompt was read; "
        "fed: tokens in them; accepted: share of the drafted tokens. Hardware as in the table of costs.",
    ]
    return make_table("Work of language models", columns, rows, notes)


def _text(found: Leaderboard) -> Table:
    columns = [*NAMES, ("users", True), *((head, True) for head in FAULTS.values()), ("smallest\nmargin", True)]
    rows = [
        [*name(row), *(amount(row.answering, key) for key in ("users", *FAULTS)), _margin(row.answering)]
        for row in found.usage
    ]
    notes = [
        "Sums over all users asked: answers that are not of the asked form, queries without an answer, answers nobody "
        "asked for, cells off the grid. Margin: between the two best numbers wherever one was chosen."
    ]
    return make_table("Answers as text", columns, rows, notes)


def accepted(work: Mapping[str, float]) -> float | None:
    """Share of the drafted tokens that the model kept; None where nothing was drafted."""
    drafted = work.get("drafted")
    return work.get("accepted", 0.0) / drafted if drafted else None


def amount(work: Mapping[str, float], key: str) -> str:
    """Format one of the counts; a dash where it is not known."""
    value = work.get(key)
    if value is None:
        return NONE
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.1f}"


def _margin(work: Mapping[str, float]) -> str:
    value = work.get("smallest_margin")
    return NONE if value is None else f"{value:.2g}"
