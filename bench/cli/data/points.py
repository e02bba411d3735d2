"""bench data convert, for raw points: the resulting city, and a table of what was dropped and why."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import read_settings
from bench.errors import UserError, printable

if TYPE_CHECKING:
    from rich.table import Table


def convert_to_city(source: Path, target: Path, layout: str, overrides: Iterable[str]) -> None:
    """Convert raw points to rows, description and report; print what happened to every row. Raises UserError."""
    from rich.console import Console

    from bench.data.points.conversion import convert_points, write_city
    from bench.data.sources.challenges import PLAIN

    match = PLAIN.fullmatch(target.name)
    if match is None:
        raise UserError(f"{target}: name it city_NAME.csv.gz (or .csv, .parquet)")
    errors = Console(stderr=True)
    with errors.status("reading") as status:
        converted = convert_points(source, match[1], layout, read_settings(overrides), status.update, "--set ")
        status.update("writing")
        described, report = write_city(target, converted)
    out = Console()
    out.print(report_table(converted.report))
    for path in (target, described, report):
        out.print(str(path), markup=False, highlight=False, soft_wrap=True)
    out.print(f"use it with --data humob:{target.parent}", markup=False, highlight=False, soft_wrap=True)


def report_table(report: dict[str, Any]) -> Table:
    """Return a report as a table: rows in, each reason with its count, rows out."""
    from rich.table import Table
    from rich.text import Text

    table = Table("", "rows", "share", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    came = report["rows in"]

    def row(what: str, count: int) -> None:
        table.add_row(Text(printable(what)), f"{count:,}", f"{count / came:.1%}")

    row("rows in", came)
    for reason, count in report["dropped"].items():
        row(f"dropped: {reason}", count)
    if report["filled slots"]:
        row("added: slots within a stay", report["filled slots"])
    row("rows out", report["rows out"])
    for what, count in report["noted"].items():
        if count:
            table.add_row(Text(printable(f"noted: {what}")), f"{count:,}", "")
    table.add_row("users in", f"{report['users in']:,}")
    table.add_row("users out", f"{report['users out']:,}")
    table.add_row("days", f"{report['days']:,}")
    table.add_row("seconds", f"{report['seconds']:.1f}")
    table.add_row("rows per second", f"{report['rows in a second']:,}")
    return table


def holds_points(source: Path) -> bool:
    """Whether a file's column names mean raw points, not rows uid,d,t,x,y; a folder always does."""
    from bench.data.files.dialect import PARQUET, UTF8_BOM, holds_json, opened, starts_with

    if source.is_dir() or source.name.lower().endswith((".gpx", ".geojson", ".plt")):
        return True
    if starts_with(source, PARQUET):
        import pyarrow.parquet as pq

        names = pq.read_schema(source).names
    elif not source.is_file() or holds_json(source):
        return False
    else:
        with opened(source) as file:
            line = file.readline(1 << 16).removeprefix(UTF8_BOM).decode("utf-8", errors="replace")
        names = line.replace(";", ",").replace("\t", ",").split(",")
    return _are_of_points([name.strip(' "\r\n') for name in names])


def _are_of_points(names: list[str]) -> bool:
    from bench.data.points.layouts import find_columns

    if {"d", "t"} & {name.lower() for name in names}:
        return False
    try:
        find_columns("", names, {})
    except UserError:
        return False
    return True
