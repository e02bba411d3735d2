"""What a profile shows: a table for readers, and CSV with every figure in full."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from bench.profiling.profile import Line
from bench.report import numbers
from bench.report.numbers import NONE
from bench.report.tables import Table, make_table
from bench.report.usage_tables import accepted, amount


def table_of(model: str, found: Sequence[Line], notes: Sequence[str]) -> Table:
    """Return the table as a reader sees it."""
    columns = [("variant", False), ("batch", True), ("users", True), ("time per\ntrajectory", True)]
    columns += [("trajectories\nper second", True), ("roofline", True), ("measured\n/ roofline", True)]
    columns += [("prefill", True), ("decoding", True), ("passes", True), ("tokens\nread", True), ("tokens\nfed", True)]
    columns += [("accepted", True), ("memory", True), ("GPU\nmemory", True)]
    rows = [
        [
            line.variant.name,
            f"{line.variant.batch}",
            f"{line.users}",
            numbers.seconds(line.per_trajectory),
            numbers.rate(1 / line.per_trajectory),
            numbers.seconds(line.roofline.total) if line.roofline else NONE,
            f"{line.per_trajectory / line.roofline.total:.1f}" if line.roofline else NONE,
            *(numbers.seconds(line.work.get(f"{part}_seconds")) for part in ("prefill", "decode")),
            *(amount(line.work, key) for key in ("forward_passes", "tokens_read", "tokens_fed")),
            numbers.share(accepted(line.work)),
            numbers.memory(line.peak_memory_mb),
            numbers.memory(line.peak_gpu_memory_mb),
        ]
        for line in found
    ]
    return make_table(f"Cost per trajectory: {model}", columns, rows, notes)


def as_csv(found: Sequence[Line]) -> str:
    """Return one row per line, every figure in full."""
    works = sorted({key for line in found for key in line.work})
    heads = ["variant", "batch", "users", "seconds_per_trajectory", "seconds_per_call_p50", "roofline_prefill_s"]
    heads += ["roofline_decode_s", "peak_memory_mb", "peak_gpu_memory_mb", *works]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    for line in found:
        roofline = (line.roofline.prefill, line.roofline.decode) if line.roofline else ("", "")
        figures = [line.per_trajectory, float(np.median(line.seconds)), *roofline, line.peak_memory_mb]
        figures += [line.peak_gpu_memory_mb, *(line.work.get(key) for key in works)]
        shown = ["" if value in (None, "") else f"{value:.6g}" for value in figures]
        writer.writerow([line.variant.name, line.variant.batch, line.users, *shown])
    return text.getvalue()
