"""What a long training leaves to look at: a log as CSV, its curves as a figure, score tables for the model card."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = Mapping[str, float]


def row(progress: Mapping[str, Any]) -> dict[str, float]:
    """Return the columns that every log has, from a trainer's progress; loss: the mean since the validation before."""
    before = progress["scores"][-2][0] if len(progress["scores"]) > 1 else 0
    since = progress["losses"][before:]
    loss = sum(since) / len(since) if since else math.nan
    return {"seconds": progress["seconds"], "step": progress["step"], **progress["counts"], "loss": loss}


def append(path: Path, row: Row) -> None:
    """Add a row to a log, with a header first where the log is new; print it too."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow({name: round(value, 4) for name, value in row.items()})
    print(", ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)


def read(path: Path) -> list[dict[str, float]]:
    """Return the rows of a log."""
    with path.open(encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@dataclass(frozen=True)
class Panel:
    """One diagram: the label of its y axis, and the columns drawn, each with its label ("" for none)."""

    label: str
    columns: Mapping[str, str]


def draw(log: Path, path: Path, x: Callable[[Row], float], x_label: str, panels: Sequence[Panel]) -> None:
    """Draw columns of a log as diagrams side by side, the same bytes each time."""
    from bench.report.charts import files, lines

    rows = read(log)
    diagrams = {
        panel.label: [
            {"x": x(row), "value": row[column], "group": label}
            for column, label in panel.columns.items()
            for row in rows
        ]
        for panel in panels
    }
    files.write(lines.side_by_side(diagrams, x_label), path, (path.suffix.removeprefix("."),))


def score_table(first: str, names: Iterable[str], rows: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return a Markdown table for a model card: a row a window, a column a model, two scores in each cell."""
    names = list(names)
    lines = [f"| {first} | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for label, scores in rows.items():
        lines.append(f"| {label} | {' | '.join(f'{one:.3f} / {other:.3f}' for one, other in scores)} |")
    return "\n".join(lines)
