"""Which figures of a page stand in the results that it links: under the model and the metric of which the page speaks.

A leaderboard holds thousands of numbers, so nearly any figure stands somewhere in it. A figure therefore counts as
proved only by rows of the models that its sentence names before it, or its table row and column, and by their columns
of the metric that is named.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bench.adapters import registry

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)[^)]*\)")
BLOCK, CODE = re.compile(r"```.*?```", re.DOTALL), re.compile(r"`([^`]*)`")
VERSION = re.compile(r"\b(?:Python|Linux) \d+(?:\.\d+)*")
UNIT = r"(?=\s?(?:%|km|s|ms|passes|MB|GiB|tokens)\b)|(?=\s?%)"
# A figure is a number with two decimals or more, or one with a unit of measurement.
FIGURE = re.compile(rf"(?<![\w.,/-])[+\-−–]?(\d*\.\d{{2,}}|\d[\d,]*(?:\.\d+)?(?:{UNIT}))(?![\w.]*\d)")
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*\.?\d*(?:e-?\d+)?|(?<![\w.])-?\.\d+")

MODELS = (*registry.names(), "Llama-3-8B-Mob", "LP-BERT", "SmolLM2", "tiny decoder")
MODEL = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in MODELS), re.IGNORECASE)
METRICS = {"geobleu": "GEO-BLEU", "dtw": "DTW", "mrr": "MRR", "nats": "nats", "exposure": "exposure|nats"}
# What pages do not speak of: medians, wins, ranks, and work that is counted in a table of its own.
NOT_SAID = ("|median", "|wins", "|misses_as_zero", "|rank", "|rank_last")


class Row(NamedTuple):
    """Numbers of a result: of which models and of which metric they are; nothing where it does not say."""

    models: frozenset[str]
    metric: str
    numbers: frozenset[float]


def sections(text: str) -> list[str]:
    """Parts of a page, each from one heading to the next."""
    return re.split(r"(?m)^(?=#+ )", text)


def unproved(section: str, folder: Path) -> list[str]:
    """Figures of a section that no linked file of results/ gives, rounded as the section has them."""
    links = {(folder / link).resolve() for _words, link in LINK.findall(section) if "://" not in link}
    proofs = [
        link
        for link in links
        if link.is_file() and (link.is_relative_to(ROOT / "results") or _is_card(link)) and link.name != "trials.csv"
    ]
    rows = [row for proof in proofs for row in rows_of(proof)]
    return [
        found.group(0)
        for about, text in _units(BLOCK.sub(" ", section))
        for found in FIGURE.finditer(text)
        if not _stands(found, text, about or text[: found.start()], rows)
    ]


def _is_card(page: Path) -> bool:
    """Whether a page was written by the command that trained what lies beside it."""
    return page.name == "README.md" and (page.parent / "log.csv").is_file()


def _units(section: str) -> Iterator[tuple[str, str]]:
    """Yield paragraphs and points of lists, and each cell of a table with its row's name and its column's."""
    for block in re.split(r"\n\s*\n|\n(?=- )", section):
        lines = block.strip().split("\n")
        head = _cells(lines[0])
        if not lines[0].startswith("|"):
            yield "", _plain(" ".join(lines))
            continue
        for cells in map(_cells, lines[2:]):
            yield from ((f"{title} {cells[0]}", _plain(cell)) for title, cell in zip(head, cells, strict=True))


def _cells(line: str) -> list[str]:
    return [_plain(cell) for cell in line.strip().strip("|").split("|")]


def _plain(text: str) -> str:
    """Leave out code but names of models, where links lead to, and versions of software."""
    text = LINK.sub(lambda link: link[1], text)
    text = CODE.sub(lambda code: code[1] if MODEL.fullmatch(code[1]) else " ", text)
    return VERSION.sub(" ", text)


def _stands(found: re.Match[str], text: str, about: str, rows: list[Row]) -> bool:
    """Whether a figure stands in a row of what it is about."""
    after = text[found.end() :].lstrip()
    models, metrics = (
        _models(about),
        {key for key, title in METRICS.items() if re.search(title, f"{about} {after[:4]}")},
    )
    known = [
        row.numbers
        for row in rows
        if (not models or not row.models or models & row.models)
        and (not metrics or row.metric not in METRICS or row.metric in metrics)
    ]
    figure = found.group(1).replace(",", "")
    half = 0.5001 * 10.0 ** -len(figure.partition(".")[2])
    scales = [1.0, *([100.0] if after.startswith("%") else [1000.0] if re.match(r"ms\b", after) else [])]
    return any(abs(value * scale - float(figure)) <= half for numbers in known for value in numbers for scale in scales)


def _models(text: str) -> frozenset[str]:
    return frozenset(name.lower().replace("-", "_") for name in MODEL.findall(text.replace("`", "")))


@cache
def rows_of(proof: Path) -> list[Row]:
    """Read a file of results: a leaderboard from its CSV and its sentences, a study from its sentences, else lines."""
    if proof.name == "leaderboard.csv":
        return list(_of_leaderboard(proof))
    lines = proof.read_text(encoding="utf-8").split("\n")
    if proof.name in ("leaderboard.md", "study.md"):
        lines = [line for line in lines if line.startswith("- ")]
    rows = [_row(line if proof.suffix == ".md" else "", "", line) for line in lines]
    return rows + (rows_of(proof.with_suffix(".csv")) if proof.name == "leaderboard.md" else [])


def _of_leaderboard(table: Path) -> Iterator[Row]:
    with table.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            for name, value in line.items():
                metric = "geobleu" if name.startswith("over_floor") else name.partition("@")[0]
                said = metric in METRICS or "@" in name or name.endswith("_s")
                if value and said and not name.endswith(NOT_SAID):
                    yield _row(line["model"], metric, value)


def _row(label: str, metric: str, numbers: str) -> Row:
    return Row(_models(label), metric, numbers_of(numbers))


def numbers_of(text: str) -> frozenset[float]:
    """All numbers that stand in a text, without their signs."""
    found = NUMBER.findall(text.replace("−", "-"))
    return frozenset(abs(float(number.replace(",", ""))) for number in found if number.strip("-.,"))
