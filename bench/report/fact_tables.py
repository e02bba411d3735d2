"""Tables without statistics: costs beside their hardware, what was learned from, what is missing, what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from bench.leaderboard import CostRow, Leaderboard
from bench.report import numbers
from bench.report.numbers import NONE
from bench.report.origins import start
from bench.report.tables import NAMES, Table, make_table, name


def costs(found: Leaderboard) -> Table:
    """Seconds, memory and size; the hardware by letter, spelled out below."""
    letters = hardware_letters(found)
    gpu = any(row.peak_gpu_memory_mb is not None for row in found.costs)
    columns = [*NAMES, ("fit", True), ("a user\nmedian", True), ("\np95", True)]
    columns += [("users/s", True), ("memory", True), *([("GPU\nmemory", True)] if gpu else [])]
    columns += [("parameters", True), ("hardware", False)]
    rows = [
        [
            *name(row),
            numbers.seconds(row.fit_seconds),
            _marked(numbers.seconds(row.latency_median_s), row),
            _marked(numbers.seconds(row.latency_p95_s), row),
            numbers.rate(row.throughput_per_s),
            numbers.memory(row.peak_memory_mb),
            *([numbers.memory(row.peak_gpu_memory_mb)] if gpu else []),
            numbers.count(row.parameters),
            letters[row.hardware],
        ]
        for row in found.costs
    ]
    notes = [f"Hardware {letter}: {text}." for text, letter in letters.items()]
    notes.append("A user: one trajectory at a time, after warm-up; users/s: in batches; memory: the peak.")
    if not all(row.alone for row in found.costs):
        notes.append("*: measured while other cases ran on the machine; run again with one job for a fair figure.")
    return make_table("Cost", columns, rows, notes)


def trainings(found: Leaderboard) -> Table:
    """What each model learned from, how long, and how it answered."""
    sized = any(row.trained_parameters is not None for row in found.trainings)
    columns = [*NAMES, ("train\nusers", True), ("days", True), *([("trained\nparameters", True)] if sized else [])]
    columns += [("epochs", True), ("kept epoch\n(step)", True), ("start", False)]
    columns += [("answered", True), ("invalid", True), ("missing", True)]
    rows = []
    for row in found.trainings:
        answered = (row.asked - row.filled) / row.asked if row.asked else None
        starts = "; or ".join(start(begun) for begun in row.lineage.starts)
        size = [numbers.count(row.trained_parameters)] if sized else []
        learned = [row.train_users, row.train_days, *size, row.epochs, row.kept, starts]
        rows.append(
            name(row)
            + [text or NONE for text in learned]
            + [numbers.share(answered), f"{row.invalid:,}", f"{row.missing:,}"]
        )
    notes = [
        "Kept epoch: the one whose weights scored best on the validation users; 0 is the start.",
        "Answered: share of queries that the model itself gave a cell for; the rest were filled and counted.",
    ]
    return make_table("Learning and answering", columns, rows, notes)


def gaps(found: Leaderboard) -> Table | None:
    """Failed and skipped cases with their reasons; None if there are none."""
    if not found.gaps:
        return None
    columns = [(head, False) for head in ("model", "learned from", "test city", "seed", "status", "reason")]
    rows = [[g.model, g.training or "nothing", g.city, str(g.seed), g.status, g.reason] for g in found.gaps]
    return make_table("Failed and skipped cases", columns, rows)


def rests_on(found: Leaderboard) -> list[str]:
    """Say what the figures rest on: data, users, windows, seeds, code."""
    facts = found.facts
    users = [f"{city} {_any(facts.users[city])} ({_any(facts.points[city])} points)" for city in facts.users]
    data = f"{'; '.join(facts.sources)}{' (synthetic)' if facts.synthetic else ''}. Test users: {', '.join(users)}"
    lines = [
        f"Data: {data if facts.sources else 'none, since no case has scores'}.",
        f"Windows: {'; '.join(facts.windows)}. Seeds: {', '.join(map(str, facts.seeds))}.",
        f"Code: {'; '.join(facts.code)}.",
    ]
    return lines + [f"Note: {note}." for note in facts.notes]


def _any(values: Sequence[int]) -> str:
    return " or ".join(f"{value:,}" for value in values)


def hardware_letters(found: Leaderboard) -> dict[str, str]:
    """Give each piece of hardware that costs were measured on a letter."""
    return {text: _letter(i) for i, text in enumerate(dict.fromkeys(row.hardware for row in found.costs))}


def _letter(i: int) -> str:
    return chr(ord("A") + i) if i < 26 else str(i)


def _marked(text: str, row: CostRow) -> str:
    return text if row.alone or text == NONE else f"{text}*"
